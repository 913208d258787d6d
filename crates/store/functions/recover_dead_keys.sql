-- Purpose: submissions without lease whose key is dead: no repeat is allowed any more, so a person
--          must look; held ones included, because a hold permits reads only until then (ruling 9).
-- Locks:   see recover_stuck_orders.
-- Rows:    see recover_stuck_orders.
-- Callers: recover_stuck_orders only.
create or replace function :"schema".recover_dead_keys(
  batch integer, at timestamptz, actor text, actor_source text
) returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  good record;
begin
  with dead as (
    select o.id, o.version, o.order_number
      from :"schema".orders as o
      join :"schema".order_attempts as a on a.order_id = o.id and a.settled_at is null
     where o.status = 'submitting' and o.due_at <= at and a.lease_token is null and a.key_dead_at <= at
     order by o.due_at limit batch
       for update of o, a skip locked
  )
  select array_agg(id) as ids, array_agg(version) as versions,
         jsonb_agg(jsonb_build_object('order_id', id, 'order_number', order_number, 'status', 'needs_review')) as list
    into good from dead;
  if good.ids is null then
    return '[]';
  end if;
  perform :"schema".write_events(good.ids, good.versions, array_fill('key_died'::text, array[cardinality(good.ids)]),
    array_fill('submitting'::text, array[cardinality(good.ids)]),
    array_fill('needs_review'::text, array[cardinality(good.ids)]),
    array_fill('{"set": {"review_reason": "key_dead"}}'::jsonb, array[cardinality(good.ids)]),
    array_fill(at + interval '1 day', array[cardinality(good.ids)]), at, actor, actor_source);
  return good.list;
end $$;
