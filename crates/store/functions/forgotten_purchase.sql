-- Purpose: when a purchase of an order was made that the provider has and this database does not know, because
--          it was restored; null where there is none. The partner's list told of it (reconcile_purchases). // G22
-- Locks:   none.
-- Rows:    none.
-- Callers: objection_to_ending, expire_unpaid, hold_forgotten, move_wanted, record_setbacks, record_readings.
create or replace function :"schema".forgotten_purchase(order_uuid uuid) returns timestamptz
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select min(d.about_at) from :"schema".differences as d
   where d.order_id = order_uuid and d.gone_at is null and d.kind = 'purchase_forgotten'
     and not exists (select from :"schema".order_attempts as a where a.attempt_id::text = d.data ->> 'attempt_id')
$$;
