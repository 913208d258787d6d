-- Purpose: pays orders that wait for their payment as if Stripe had said so, through the door that
--          records what Stripe says.
-- Locks:   see record_payments.
-- Rows:    the number of orders paid.
-- Callers: the benchmark, before it measures.
select count(*)
  from (select jsonb_agg(jsonb_build_object('payment_intent', w.payment_intent, 'order_id', w.order_id, 'status', 'succeeded',
                 'received_minor', w.total_minor, 'capturable_minor', 0, 'refunded_minor', 0, 'currency', w.currency, 'livemode', false,
                 'named_order', w.order_id, 'in_review', false, 'warned', false)) as facts
          from (select p.payment_intent, p.order_id, o.total_minor, o.currency::text as currency
                  from :"schema".payments as p
                  join :"schema".orders as o on o.id = p.order_id
                 where o.status = 'pending' and o.hold_reason = 'awaiting_payment'
                 limit $1) as w) as a
 cross join lateral :"schema".record_payments('bench', false, a.facts) as r
 where a.facts is not null and r.result = 'paid'
