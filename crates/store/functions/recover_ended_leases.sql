-- Purpose: the submissions whose lease ended before a time, and those that the specification's stuck
--          query shows although their lease has ended since: unknown and due, or to a person.
-- Locks:   see recover_stuck_orders.
-- Rows:    see recover_stuck_orders.
-- Callers: recover_stuck_orders only.
create or replace function :"schema".recover_ended_leases(
  ended_before timestamptz, batch integer, at timestamptz, actor text, actor_source text
) returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  bound interval := :"schema".setting_ms('processing_bound_ms');
  calls_max bigint := :"schema".setting_number('calls_max');
  good record;
begin
  with ended as (
    select o.id, o.version, o.order_number, o.hold_reason, a.generation, a.calls, a.key_dead_at, a.call_deadline_at, a.worker,
           a.calls >= calls_max or a.key_dead_at <= at as exhausted
      from :"schema".orders as o
      join :"schema".order_attempts as a on a.order_id = o.id and a.settled_at is null
     where o.status = 'submitting' and o.due_at <= at -- while leased, the lease's end
       and a.lease_token is not null and a.lease_expires_at <= at
       and (a.lease_expires_at <= ended_before or o.updated_at < least(ended_before, at - interval '2 minutes'))
     order by o.due_at limit batch
       for update of o, a skip locked -- the attempt too: a renewal that has just committed must be seen
  )
  select array_agg(id) as ids, array_agg(version) as versions, array_agg(generation) as generations,
         array_agg(case when exhausted then 'needs_review' else 'submitting' end) as afters,
         array_agg(case when exhausted then at + interval '1 day'
                        when hold_reason is not null then key_dead_at
                        else greatest(at, call_deadline_at + bound) end) as dues,
         array_agg(jsonb_build_object('worker', worker, 'calls', calls, 'set',
           case when exhausted then '{"review_reason": "outcome_unknown"}'::jsonb else '{}' end)) as datas,
         jsonb_agg(jsonb_build_object('order_id', id, 'order_number', order_number,
           'status', case when exhausted then 'needs_review' else 'submitting' end)) as list
    into good from ended;
  if good.ids is null then
    return '[]';
  end if;
  perform :"schema".write_events(good.ids, good.versions, array_fill('lease_ended'::text, array[cardinality(good.ids)]),
    array_fill('submitting'::text, array[cardinality(good.ids)]), good.afters, good.datas, good.dues,
    at, actor, actor_source);
  update :"schema".order_attempts as a set outcome = 'unknown', lease_token = null, lease_expires_at = null
    from unnest(good.ids, good.generations) as g (id, generation)
   where a.order_id = g.id and a.generation = g.generation;
  return good.list;
end $$;
