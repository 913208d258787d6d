-- Purpose: stores the wish to cancel an order that may be bought. A hold takes care that nothing new is
--          sent; the purchase is read until it is certain what became of it. Nothing is refunded
--          before. An order that was delivered cannot be cancelled. // C5, G7
-- Locks:   none of its own; the caller holds the order.
-- Rows:    at most one change with its event and one alert.
-- Callers: cancel_order only.
create or replace function :"schema".ask_to_cancel(
  locked :"schema".orders, reason_param text, asked_by text, asked_source text, at timestamptz
) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if locked.status in ('completed', 'failed') then
    return :"schema".refusal('order_' || locked.status, 'the order has ended: ' || locked.status,
      case locked.status when 'completed' then 'Goods that come back are refunded with refund_order.' else 'Its money is returned by itself.' end,
      jsonb_build_object('order_id', locked.id, 'status', locked.status));
  end if;
  if locked.hold_reason = 'cancel_requested' then
    return jsonb_build_object('success', true, 'duplicate', true, 'waiting', true, 'order_id', locked.id, 'status', locked.status);
  end if;
  perform :"schema".write_event(locked.id, locked.version, 'cancel_requested', locked.status, locked.status,
    jsonb_build_object('reason', reason_param, 'hold_before', locked.hold_reason, 'set', '{"hold_reason": "cancel_requested"}'::jsonb),
    null, at, asked_by, asked_source);
  perform :"schema".open_finding(locked.id, 'cancel_requested', '', jsonb_build_object('status', locked.status, 'reason', reason_param), asked_by, at,
    'Somebody wants this order cancelled, and it may be bought. Ask the provider to cancel it; the money goes back when that is certain.');
  return jsonb_build_object('success', true, 'duplicate', false, 'waiting', true, 'order_id', locked.id, 'status', locked.status);
end $$;
