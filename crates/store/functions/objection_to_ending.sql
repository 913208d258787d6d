-- Purpose: why an order must not be ended, and its money not be returned, although this database knows of no
--          purchase: it may have forgotten one. Null when nothing stands against it. // G7, G22
-- Locks:   none of its own; the caller holds the order.
-- Rows:    none.
-- Callers: cancel_order, resolve_review.
create or replace function :"schema".objection_to_ending(locked :"schema".orders) returns jsonb
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from :"schema".shop as s where s.compare_since is not null) then
    return :"schema".refusal('shop_held', 'the database may have forgotten a purchase of this order: it is compared with the partners first',
      'See atomic-orders shop show; try again when the shop is released.',
      jsonb_build_object('order_id', locked.id, 'status', locked.status));
  end if;
  if locked.hold_reason = 'restored' or :"schema".forgotten_purchase(locked.id) is not null then
    return :"schema".refusal('purchase_forgotten', 'the provider has a purchase of this order that the database forgot when it was restored',
      'Find its request id with atomic-orders reconcile and complete the order with it; or make sure at the provider that nothing is bought, and release the hold first.',
      jsonb_build_object('order_id', locked.id, 'status', locked.status, 'hold_reason', locked.hold_reason));
  end if;
  return null;
end $$;
