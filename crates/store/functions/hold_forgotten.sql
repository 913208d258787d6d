-- Purpose: hands orders to a person whose forgotten purchase is so old that the provider may not recognise its
--          key any more: the same bytes would buy again. Younger ones are repeated under their key, which the
--          claim checks (commit_intents), and the provider answers with the purchase that it has. // G22, G1
--          Twenty hours, because a key dies after 23 and a repeat may wait for a while.
-- Locks:   the orders, for no key update, in id order.
-- Rows:    one change and one event per order.
-- Callers: release_shop, note_shop_compared.
create or replace function :"schema".hold_forgotten(done_by text, done_source text, at timestamptz) returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  one record;
  held integer := 0;
begin
  for one in
    select o.id, o.version, o.status, o.hold_reason from :"schema".orders as o
     where o.id in (select d.order_id from :"schema".differences as d where d.gone_at is null and d.kind = 'purchase_forgotten')
       and o.status not in ('completed', 'cancelled', 'failed') and o.hold_reason is distinct from 'restored'
       and :"schema".forgotten_purchase(o.id) <= at - interval '20 hours'
     order by o.id
       for no key update
  loop
    perform :"schema".write_event(one.id, one.version, 'order_held', one.status, one.status, jsonb_build_object(
      'note', 'a purchase was forgotten when the database was restored', 'hold_before', one.hold_reason,
      'set', '{"hold_reason": "restored"}'::jsonb), null, :"schema".clock_now(), done_by, done_source);
    held := held + 1;
  end loop;
  return held;
end $$;
