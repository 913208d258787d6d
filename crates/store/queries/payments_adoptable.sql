-- Purpose: which of these PaymentIntents could be tied to the order that they name: it waits for a payment
--          and has none that counts.
-- Locks:   none; adopt_payment decides under the order's lock.
-- Rows:    one per PaymentIntent that could be.
-- Callers: the comparison of the books.
select l.intent, o.id::text
  from unnest($1, $2) as l (intent, named)
  join :"schema".orders as o on o.id = l.named
 where o.status = 'pending' and o.payment_status = 'unpaid'
   and not exists (select from :"schema".payments as p where p.payment_intent = l.intent)
   and not exists (select from :"schema".payments as p where p.order_id = o.id and p.live and p.stripe_status is distinct from 'canceled')
