-- Purpose: hands orders to a person that cannot be sent as they are: the key is dead, the tries are
--          used up, or no request can be built.
-- Locks:   orders in id order, for no key update.
-- Rows:    per order one change and one event; an order that changed or is leased is left alone.
-- Callers: the service's engine, in the transaction of lock_due_orders.
create or replace function :"schema".review_orders(
  worker_param text, ids uuid[], versions bigint[], reasons text[]
) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz := :"schema".clock_now();
  good record;
begin
  with locked as (
    select o.id, o.version, o.status, w.reason
      from unnest(ids, versions, reasons) as w (id, version, reason)
      join :"schema".orders as o on o.id = w.id and o.version = w.version and o.status in ('pending', 'submitting')
     where not exists (select from :"schema".order_attempts as a
                        where a.order_id = o.id and a.settled_at is null and a.lease_token is not null)
     order by o.id
       for no key update of o
  )
  select array_agg(id) as ids, array_agg(version) as versions, array_agg(status) as befores,
         array_agg(jsonb_build_object('set', jsonb_build_object('review_reason', reason))) as datas
    into good from locked;
  if good.ids is not null then
    perform :"schema".write_events(good.ids, good.versions, array_fill('review_needed'::text, array[cardinality(good.ids)]),
      good.befores, array_fill('needs_review'::text, array[cardinality(good.ids)]), good.datas,
      array_fill(at + interval '1 day', array[cardinality(good.ids)]), at, 'engine/' || worker_param, 'options');
  end if;
end $$;
