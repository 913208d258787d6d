-- Purpose: opens a finding when an order ends without goods and its money was received: no function
--          moves money, so a person must see that it is still to be returned. // C4
-- Locks:   none of its own; the caller holds the order.
-- Rows:    at most one finding.
-- Callers: cancel_order, resolve_review.
create or replace function :"schema".owe_refund(
  locked :"schema".orders, ended_as text, ended_by text, at timestamptz
) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  payment :"schema".payments;
begin
  select * into payment from :"schema".payments as p where p.order_id = locked.id and p.live;
  if locked.payment_status in ('paid', 'refund_pending', 'partially_refunded', 'disputed')
     or payment.stripe_status = 'succeeded' and coalesce(payment.amount_received, 1) > 0
  then
    perform :"schema".open_finding(locked.id, 'refund_owed', coalesce(payment.payment_intent, ''), jsonb_build_object(
        'payment_intent', payment.payment_intent, 'received_minor', payment.amount_received, 'currency', locked.currency,
        'payment_status', locked.payment_status, 'status', ended_as), ended_by, at,
      'The order ended without goods, and its money was received. Refund it at Stripe, or see that it was refunded.');
  end if;
end $$;
