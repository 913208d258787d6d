-- Purpose: pays orders that wait for their payment as if Stripe had said so, through the door that
--          records what Stripe says.
-- Locks:   see record_payments.
-- Rows:    the number of orders paid.
-- Callers: the benchmark, before it measures.
select count(*)
  from (select array_agg(w.payment_intent) as intents, array_agg(w.order_id) as ids,
               array_agg('succeeded'::text) as statuses, array_agg(w.total_minor) as totals,
               array_agg(w.currency) as currencies, array_agg(false) as flags,
               array_agg(w.order_id::text) as named
          from (select p.payment_intent, p.order_id, o.total_minor, o.currency::text as currency
                  from :"schema".payments as p
                  join :"schema".orders as o on o.id = p.order_id
                 where o.status = 'pending' and o.hold_reason = 'awaiting_payment'
                 limit $1) as w) as a
 cross join lateral :"schema".record_payments(
   'bench', false, a.intents, a.ids, a.statuses, a.totals, a.currencies, a.flags, a.named, a.flags) as r
 where a.ids is not null and r.result = 'paid'
