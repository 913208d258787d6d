-- Purpose: shows a person what is wrong about a payment, as one finding and one alert while it lasts:
--          before the purchase why the order is held, after it what must be decided. // C1, C4, G27
-- Locks:   none of its own; the caller holds the order.
-- Rows:    at most two findings with their alerts.
-- Callers: settle_payment only.
create or replace function :"schema".report_payment(
  ordered :"schema".orders, payment :"schema".payments, deviation text, bought boolean, by_worker text, at timestamptz
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  facts jsonb := jsonb_build_object('payment_intent', payment.payment_intent, 'stripe_status', payment.stripe_status,
    'received_minor', payment.amount_received, 'refunded_minor', payment.amount_refunded, 'currency', payment.currency,
    'named_order', payment.named_order, 'dispute', payment.dispute, 'status', ordered.status);
  own_refund boolean := deviation = 'payment_refunded' and payment.amount_refunded <= (
    select coalesce(sum(m.amount_minor), 0) from :"schema".money_moves as m
     where m.payment_intent = payment.payment_intent and m.kind = 'refund'
       -- One that the bank gave back shows in Stripe's sum for a while.
       and (m.state not in ('refused', 'failed', 'withdrawn') or m.state = 'failed' and m.settled_at > at - interval '1 hour'));
begin
  if payment.stripe_status = 'not_found' and ordered.status = 'pending' then
    perform :"schema".open_finding(ordered.id, 'payment_not_found', payment.payment_intent, facts, 'engine/' || by_worker, at,
      'Stripe knows no such PaymentIntent. Compare its id, and the account and mode of STRIPE_KEY, with the shop.');
  end if;
  if deviation is null or own_refund or deviation = 'authorisation_ending' and bought
     or ordered.status in ('cancelled', 'failed') and deviation <> 'payment_disputed' then
    return;
  end if;
  perform :"schema".open_finding(ordered.id, case when bought then deviation || '_after_purchase' else deviation end,
    payment.payment_intent, facts, 'engine/' || by_worker, at, case
      when bought and deviation = 'payment_disputed' then 'The customer''s bank disputes the payment of an order that is bought. Answer the dispute at Stripe with the proof of delivery; ask the provider to cancel if nothing was sent.'
      when bought and deviation in ('payment_canceled', 'payment_undone') then 'The goods are bought, and their money is not there: the authorisation ended before it was captured. Ask the customer for another payment, or the provider to cancel.'
      when bought then 'Something happened to the payment of an order that is bought. Look at it at Stripe, and decide about the goods.'
      when deviation like 'wrong%' then 'The payment does not match its order. Compare both at Stripe; nothing is bought until then.'
      when deviation = 'payment_canceled' then 'The PaymentIntent was canceled at Stripe, which is final. Cancel the order, or name another payment for it.'
      when deviation = 'payment_refunded' then 'Money of this payment was returned at Stripe. Cancel the order: the rest is returned by itself.'
      when deviation = 'payment_disputed' then 'The payment is disputed. Nothing is bought; cancel the order, or release it when the dispute is won.'
      when deviation = 'fraud_warning' then 'Stripe warns of fraud. Cancel the order, or release it if you are sure of the customer.'
      when deviation = 'payment_in_review' then 'Stripe''s review of the payment is open. Close it there, then release the order.'
      else 'The payment does not pay the order any more. Look at it at Stripe; nothing is bought until it does.' end);
end $$;
