-- Purpose: opens a finding for a payment that cannot pay the order which waits for it: Stripe canceled
--          it, which is final there and here, or does not know it ('not_found' is the program's word). // C1
-- Locks:   none of its own; the caller holds the orders.
-- Rows:    per such order one finding; a canceled payment is read no more.
-- Callers: record_payments only, after it stored what Stripe said.
create or replace function :"schema".report_dead_payments(
  intents text[], order_ids uuid[], statuses text[], read_by text, at timestamptz
) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform :"schema".open_finding(o.id, 'payment_' || p.stripe_status, p.payment_intent,
      jsonb_build_object('payment_intent', p.payment_intent), read_by, at, case p.stripe_status
      when 'canceled' then 'The PaymentIntent was canceled at Stripe, which is final. Cancel the order; the customer may place it again.'
      else 'Stripe knows no such PaymentIntent. Compare its id, and the account and mode of STRIPE_KEY, with the shop.' end)
    from unnest(intents, order_ids, statuses) as r (intent, id, said)
    join :"schema".payments as p on p.payment_intent = r.intent and p.order_id = r.id and p.live and p.stripe_status = r.said
    join :"schema".orders as o on o.id = r.id and o.status = 'pending' and o.payment_status = 'unpaid'
   where r.said in ('canceled', 'not_found');
  update :"schema".payments as p set next_read_at = 'infinity'
    from unnest(intents, order_ids, statuses) as r (intent, id, said)
   where r.said = 'canceled' and p.payment_intent = r.intent and p.order_id = r.id;
end $$;
