-- Purpose: the order's payment_status that the facts about its payment mean. A payment that does not
--          pay this order (another mode, order, currency or amount) leaves it as it is.
-- Locks:   none.
-- Rows:    none.
-- Callers: settle_payment, record_payments.
create or replace function :"schema".payment_word(ordered :"schema".orders, payment :"schema".payments) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when payment.deviation like 'wrong%' and ordered.status not in ('cancelled', 'failed') then ordered.payment_status
    when payment.dispute in ('open', 'lost') then 'disputed'
    when payment.stripe_status = 'succeeded' and payment.amount_refunded >= payment.amount_received
         and payment.amount_received > 0 then 'refunded'
    when payment.stripe_status = 'succeeded' and exists (
      select from :"schema".money_moves as m where m.payment_intent = payment.payment_intent and m.kind = 'refund'
         and m.state not in ('done', 'refused', 'failed', 'withdrawn')) then 'refund_pending'
    when payment.stripe_status = 'succeeded' and payment.amount_refunded > 0 then 'partially_refunded'
    when payment.stripe_status = 'succeeded' then 'paid'
    when payment.stripe_status = 'requires_capture'
         and (ordered.capture_when = 'after_purchase' or ordered.payment_status = 'authorized' or ordered.status = 'completed') then 'authorized'
    when payment.stripe_status = 'canceled' then case ordered.payment_status when 'unpaid' then 'unpaid' else 'failed' end
    else ordered.payment_status end;
end $$;
