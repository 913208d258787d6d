-- Purpose: records what reading the provider told: one step along the edges per row, guarded by the
--          version that was read, so that an older reading never undoes a newer one. A purchase that
--          ended without goods settles its attempt when the provider has used the key up; then, and
--          only then, the order may return to pending for a new key. The settled attempt keeps the
--          request id, which the order gives up unless it ends. // B9, G6, ruling 7
--          An order that ends so sends its money back. // C5
--          While the shop has to be compared with its partners no order ends so: it is read again. Where a
--          purchase of it was forgotten, a person ends it. // G22
-- Locks:   orders in id order, for no key update; then their attempts; of ended ones the payments.
-- Rows:    per recorded order one change, one event and, at an end, one attempt; at most one move.
-- Callers: the service's engine.
create or replace function :"schema".record_readings(
  worker_param text, ids uuid[], versions bigint[], kinds text[], afters text[], zinc_statuses text[],
  costs bigint[], settlements text[], review_reasons text[], hold_reasons text[], delays_ms bigint[], facts jsonb[]
) returns table (order_id uuid, result text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
#variable_conflict use_column
declare
  at timestamptz := :"schema".clock_now();
  good record;
begin
  with wanted as (
    select distinct on (id) *
      from unnest(ids, versions, kinds, afters, zinc_statuses, costs, settlements, review_reasons,
                  hold_reasons, delays_ms, facts)
        as w (id, version, kind, after, zinc_status, cost, settlement, review_reason, hold_reason, delay_ms, fact)
     order by id
  ), locked as (
    select w.id, w.version, w.kind, w.zinc_status, w.cost, w.settlement, w.review_reason, w.hold_reason, w.delay_ms, w.fact,
           -- Somebody wants it cancelled, and now it is certain that nothing was bought. // C5
           case when o.hold_reason = 'cancel_requested' and w.settlement = 'provider_final' then 'cancelled' else w.after end as after,
           o.status as before, o.hold_reason as held, o.generation, o.zinc_request_id as request_id
      from wanted as w
      join :"schema".orders as o on o.id = w.id and o.version = w.version and o.status in ('submitted_to_zinc', 'processing')
     order by o.id
       for no key update of o
  ), safe as (
    select l.*, case when l.after not in ('cancelled', 'failed') or :"schema".forgotten_purchase(l.id) is null then l.after else 'needs_review' end as after_all
      from locked as l
     where l.after not in ('cancelled', 'failed') or not exists (select from :"schema".shop as s where s.one and s.compare_since is not null)
  )
  select array_agg(id) as ids, array_agg(version) as versions, array_agg(kind) as kinds,
         array_agg(before) as befores, array_agg(after_all) as afters, array_agg(generation) as generations,
         array_agg(settlement) as settlements, array_agg(request_id) as request_ids,
         array_agg(at + case when after_all = after then delay_ms else 0 end * interval '1 millisecond') as dues,
         array_agg(jsonb_strip_nulls(coalesce(fact, '{}') || jsonb_build_object('settled_by', settlement))
           || jsonb_build_object('set', jsonb_strip_nulls(jsonb_build_object(
                'zinc_status', zinc_status, 'cost_minor', cost,
                'hold_reason', case when held is null then hold_reason end,
                'review_reason', case when after_all <> after then 'purchase_forgotten' when after = 'needs_review' then review_reason end))
              || case when settlement is not null and after_all in ('pending', 'needs_review') then '{"zinc_request_id": null}'::jsonb else '{}' end
              || case when held is not null and after_all in ('cancelled', 'failed') then '{"hold_reason": null}'::jsonb else '{}' end)) as datas,
         bool_or(after in ('pending', 'completed', 'failed', 'cancelled') and settlement is null
           or (settlement = 'delivered') <> (after = 'completed')) as unsettled_return
    into good from safe;
  if good.unsettled_return then
    raise exception 'an order returns to pending or ends only when its attempt is settled, and is completed only when delivered'
      using errcode = 'PT409';
  end if;
  if good.ids is not null then
    perform :"schema".write_events(good.ids, good.versions, good.kinds, good.befores, good.afters, good.datas, good.dues,
      at, 'engine/' || worker_param, 'options');
    update :"schema".order_attempts as a
       set settled_at = at, settled_by = g.settlement, outcome = 'accepted', request_id = g.request_id,
           lease_token = null, lease_expires_at = null
      from unnest(good.ids, good.generations, good.settlements, good.request_ids) as g (id, generation, settlement, request_id)
     where g.settlement is not null and a.order_id = g.id and a.generation = g.generation;
    if good.afters && array['cancelled', 'failed'] then
      perform :"schema".end_unbought(good.ids, good.afters, worker_param, at);
    end if;
  end if;
  return query
  select w.id, case when w.id = any (good.ids) then 'recorded' else 'stale' end from unnest(ids) as w (id);
end $$;
