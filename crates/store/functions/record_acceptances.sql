-- Purpose: records that the provider has the requests, each by its own fence. A row whose lease is
--          lost is 'stale' and changes nothing; an id that belongs to another order is 'id_taken',
--          and the attempt stays unknown for its lease to end. In both cases an id that the order does
--          not have is kept as a finding, because it may be a second purchase. // G13, A4, A13
--          An order held meanwhile keeps the id and waits for a person.
-- Locks:   orders in id order, for no key update.
-- Rows:    per recorded order one change and one event; else at most one finding and one alert.
-- Callers: the service's engine.
create or replace function :"schema".record_acceptances(
  worker_param text, poll_in_ms integer, ids uuid[], tokens uuid[], request_ids text[]
) returns table (order_id uuid, result text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
set plan_cache_mode = force_generic_plan -- by key, planned once per session, however long the queue is
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  at timestamptz := :"schema".clock_now();
  good record;
  lost record;
begin
  with wanted as (
    select distinct on (u.id) u.* from (
      select distinct on (request_id) * from unnest(ids, tokens, request_ids) as w (id, token, request_id)
       order by request_id, id) as u
     order by u.id, u.request_id
  ), fenced as (
    select o.id, o.version, o.hold_reason, w.request_id
      from wanted as w
      join :"schema".orders as o on o.id = w.id and o.status = 'submitting' and o.zinc_request_id is null
      join :"schema".order_attempts as a on a.order_id = o.id and a.settled_at is null
       and a.lease_token = w.token and a.lease_expires_at > at
     order by o.id
       for no key update
  )
  select array_agg(id) as ids, array_agg(version) as versions,
         array_agg(request_id) as request_ids,
         array_agg(case when hold_reason is null then 'submitted_to_zinc' else 'needs_review' end) as afters,
         array_agg(jsonb_build_object('set', jsonb_build_object('zinc_request_id', request_id, 'zinc_status', 'submitted')
           || case when hold_reason is null then '{}' else '{"review_reason": "accepted_while_held"}'::jsonb end)) as datas
    into good
    from fenced as f
   where not exists (select from :"schema".order_attempts as x where x.request_id = f.request_id)
     and not exists (select from :"schema".orders as x where x.zinc_request_id = f.request_id);
  at := :"schema".clock_now(); -- after the locks, so that history runs forward
  if good.ids is not null then
    perform :"schema".write_events(good.ids, good.versions, array_fill('purchase_accepted'::text, array[cardinality(good.ids)]),
      array_fill('submitting'::text, array[cardinality(good.ids)]), good.afters, good.datas,
      array_fill(at + poll_in_ms * interval '1 millisecond', array[cardinality(good.ids)]),
      at, 'engine/' || worker_param, 'options');
  end if;
  if cardinality(good.ids) = cardinality(ids) then
    return query select g.id, 'recorded' from unnest(good.ids) as g (id);
    return;
  end if;
  for lost in
    select w.id, w.request_id, o.status, o.zinc_request_id as stored_id, a.order_id is not null as fenced
      from unnest(ids, tokens, request_ids) as w (id, token, request_id)
      join :"schema".orders as o on o.id = w.id and o.zinc_request_id is distinct from w.request_id
      left join :"schema".order_attempts as a on a.order_id = w.id and a.settled_at is null and a.lease_token = w.token
       and a.lease_expires_at > at and o.status = 'submitting'
     where not exists (select from :"schema".order_attempts as x where x.order_id = w.id and x.request_id = w.request_id)
  loop
    perform :"schema".open_finding(lost.id,
      case when lost.fenced then 'request_id_of_another_order' when lost.stored_id is not null then 'request_id_conflict'
           else 'request_id_late' end,
      lost.request_id, jsonb_build_object('status', lost.status, 'zinc_request_id', lost.stored_id),
      'engine/' || worker_param, at, case when lost.fenced
        then 'The provider answered with a request id that belongs to another order. Ask the provider which order it holds.'
        else 'A worker that had lost its lease was answered with this request id. If the order ends with another id, look both up at the provider: it may have bought twice.' end);
  end loop;
  return query
  select w.id, case when w.id = any (good.ids) then 'recorded'
                    when a.order_id is not null then 'id_taken' else 'stale' end
    from unnest(ids, tokens, request_ids) as w (id, token, request_id)
    left join :"schema".orders as o on o.id = w.id and o.status = 'submitting'
    left join :"schema".order_attempts as a on a.order_id = o.id and a.settled_at is null and a.lease_token = w.token
     and a.lease_expires_at > at;
end $$;
