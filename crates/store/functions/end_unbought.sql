-- Purpose: what follows for orders that have just ended without goods, their purchase settled: the money
--          goes back, and a wish to cancel is fulfilled. Called only once nothing can be bought any
--          more, so no refund meets a purchase. // G7, C5
-- Locks:   the payments, for no key update, after the orders that the caller has locked.
-- Rows:    per order at most one move with its event.
-- Callers: record_setbacks, record_readings.
create or replace function :"schema".end_unbought(ids uuid[], afters text[], worker_param text, at timestamptz) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  ended record;
begin
  for ended in
    select e.id, e.after from unnest(ids, afters) as e (id, after) where e.after in ('cancelled', 'failed') order by e.id
  loop
    perform :"schema".return_money(ended.id, 'order_ended', 'the purchase was refused for good', false, 'engine/' || worker_param, 'options', at);
    perform :"schema".close_finding(ended.id, null, at);
  end loop;
end $$;
