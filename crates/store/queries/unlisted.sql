-- Purpose: what the shop counts as done and a partner's list did not have: payments that were received,
--          refunds that were made, purchases that were delivered. A list that was not read to its end
--          is given as null and asks for nothing. Each is asked for by its id before anything is said of it.
--          What was tied, sent or bought within 15 minutes before the comparison began may be younger than
--          the list. A payment is listed by its creation, so money that came late is in the list all the same.
-- Locks:   none.
-- Rows:    one per thing, the newest orders first, at most the given number.
-- Callers: the comparison of the books.
select * from (
  select 'payment_missing' as kind, p.payment_intent as subject, o.id as order_id, null::uuid as attempt_id, o.created_at as about_at,
         jsonb_build_object('payment_intent', p.payment_intent, 'stripe_status', p.stripe_status, 'payment_status', o.payment_status,
           'received_minor', p.amount_received, 'currency', o.currency) as data
    from :"schema".orders as o join :"schema".payments as p on p.order_id = o.id and p.live
   where $3::text[] is not null and o.created_at >= $2 and p.created_at <= $1 - interval '15 minutes'
     and o.payment_status not in ('unpaid', 'failed') and p.stripe_status is distinct from 'canceled'
     and not exists (select from unnest($3::text[]) as l (id) where l.id = p.payment_intent)
  union all
  select 'refund_missing', m.stripe_id, m.order_id, null, m.first_sent_at,
         jsonb_build_object('refund_id', m.stripe_id, 'payment_intent', m.payment_intent, 'move_id', m.id, 'move_state', m.state,
           'amount_minor', m.amount_minor, 'currency', m.currency)
    from :"schema".money_moves as m
   where $4::text[] is not null and m.kind = 'refund' and m.state in ('accepted', 'done') and m.stripe_id is not null
     and m.first_sent_at >= $2 and m.first_sent_at <= $1 - interval '15 minutes'
     and not exists (select from unnest($4::text[]) as l (id) where l.id = m.stripe_id)
  union all
  select 'purchase_missing', a.request_id, o.id, a.attempt_id, o.created_at,
         jsonb_build_object('request_id', a.request_id, 'attempt_id', a.attempt_id, 'order_status', o.status)
    from :"schema".orders as o join :"schema".order_attempts as a on a.order_id = o.id
   where $5::text[] is not null and o.created_at >= $2
     and greatest(o.created_at, a.first_sent_at, a.call_deadline_at) <= $1 - interval '15 minutes'
     and o.status = 'completed' and a.settled_by = 'delivered'
     and not exists (select from unnest($5::text[]) as l (id) where l.id = a.request_id)) as u
 order by u.about_at desc, u.subject
 limit $6
