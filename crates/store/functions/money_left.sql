-- Purpose: what can still be returned of the money that a PaymentIntent received: less our own refunds
--          that have or may have taken effect, less what somebody else refunded at Stripe. Where the
--          two overlap it errs to the smaller amount. // G28
-- Locks:   none of its own; the caller holds the payment.
-- Rows:    none.
-- Callers: plan_move, return_money, refund_order.
create or replace function :"schema".money_left(intent text) returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(p.amount_received, 0) - p.refunds_minor - greatest(0, coalesce(p.amount_refunded, 0) - coalesce((
        select sum(m.amount_minor) from :"schema".money_moves as m
         where m.payment_intent = intent and m.kind = 'refund' and m.state in ('accepted', 'done')), 0))
      from :"schema".payments as p where p.payment_intent = intent);
end $$;
