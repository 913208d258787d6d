-- Purpose: what is wrong with the money of some orders: each movement against the events that intended,
--          approved and ended it, each payment against the events that name it, and the sum of the refunds.
--          What Stripe said last of a payment is a copy of Stripe's books and not of ours: reconciling
--          compares it with them. Only how much was received is in the history too. // G11, G12, G28
-- Locks:   none.
-- Rows:    none written; a row per broken rule.
-- Callers: verify_orders only.
create or replace function :"schema".broken_money(ids uuid[])
returns table (order_id uuid, rule text, detail text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with told as materialized (
    select e.order_id, e.seq, e.at, e.kind, e.actor, e.data, e.data ->> 'move_id' as id, e.data ->> 'payment_intent' as intent
      from :"schema".order_events as e
     where e.order_id = any (ids) and e.kind in ('move_planned', 'move_approved', 'move_ended', 'payment_confirmed',
             'payment_authorized', 'payment_changed', 'payment_mismatched', 'order_held')
  ), last_end as (
    select distinct on (t.order_id, t.id) t.* from told as t where t.kind = 'move_ended' order by t.order_id, t.id, t.seq desc
  ), agreed as (
    select distinct on (t.order_id, t.id) t.* from told as t where t.kind = 'move_approved' order by t.order_id, t.id, t.seq desc
  ), intended as (
    select t.order_id, t.id, t.data, t.at, t.actor, y.actor as approved_by, z.at as ended_at, z.data as ended, z.actor like 'engine/%' as by_engine
      from told as t
      left join agreed as y on y.order_id = t.order_id and y.id = t.id
      left join last_end as z on z.order_id = t.order_id and z.id = t.id
     where t.kind = 'move_planned'
  ), paying as materialized (
    select p.*, o.status, o.payment_status, o.currency as agreed_currency
      from :"schema".payments as p join :"schema".orders as o on o.id = p.order_id where p.order_id = any (ids)
  ), named as (
    select distinct on (t.order_id) t.order_id, t.intent from told as t
     where t.intent is not null and t.kind <> 'move_planned' order by t.order_id, t.seq desc
  ), received as (
    select distinct on (t.order_id, t.intent) t.order_id, t.intent, t.kind, (t.data ->> 'received_minor')::bigint as minor from told as t
     where t.intent is not null and t.data ? 'received_minor' order by t.order_id, t.intent, t.seq desc
  )
  select coalesce(m.order_id, w.order_id), 'money', 'movement ' || coalesce(m.id::text, w.id) || ' is not as it was intended or as it ended: ' || f.name
    from (select x.*, p.currency as paid_in, p.agreed_currency from :"schema".money_moves as x
            left join paying as p on p.payment_intent = x.payment_intent where x.order_id = any (ids)) as m
    full join intended as w on w.id = m.id::text and w.order_id = m.order_id
   cross join lateral (values
     ('id', m.id is null or w.id is null),
     ('payment_intent', m.payment_intent is distinct from w.data ->> 'payment_intent'),
     ('kind', m.kind is distinct from w.data ->> 'move'),
     ('amount_minor', m.amount_minor is distinct from (w.data ->> 'amount_minor')::bigint),
     ('currency', m.currency is distinct from m.agreed_currency and m.currency is distinct from m.paid_in),
     ('cause', m.cause is distinct from w.data ->> 'cause'),
     ('reason', m.reason is distinct from w.data ->> 'reason'),
     ('requested_by', m.requested_by is distinct from w.actor),
     ('approved_by', m.approved_by is distinct from w.approved_by),
     ('created_at', m.created_at is distinct from w.at),
     ('state', case when m.settled_at is null then null else m.state end is distinct from w.ended ->> 'state'
        or m.settled_at is null and (m.state in ('awaiting_approval', 'waiting'))
             <> (w.data ->> 'state' = 'awaiting_approval' and w.approved_by is null)
        or m.state = 'open' and m.calls > 0),
     ('settled_at', m.settled_at is distinct from w.ended_at),
     ('stripe_id', w.ended is not null and m.stripe_id is distinct from w.ended ->> 'stripe_id'),
     ('code', w.by_engine and m.code is distinct from w.ended ->> 'code')) as f (name, differs)
   where f.differs and (f.name = 'id' or m.id is not null and w.id is not null)
  union all
  select n.order_id, 'payment', n.intent || ' is named by the history and is no payment of this order'
    from (select distinct t.order_id, t.intent from told as t where t.intent is not null) as n
   where not exists (select from paying as p where p.payment_intent = n.intent and p.order_id = n.order_id)
  union all
  select p.order_id, 'payment', count(*) filter (where p.live) || ' of ' || count(*) || ' payments count' from paying as p
   group by p.order_id having count(*) filter (where p.live) <> 1
  union all
  -- Another one may be named without an event while nobody has paid, and after an end without goods.
  select p.order_id, 'payment', p.payment_intent || ' was the last to be told of and does not count' from paying as p
    join named as n on n.order_id = p.order_id and n.intent = p.payment_intent
   where not p.live and p.status not in ('cancelled', 'failed') and p.payment_status not in ('unpaid', 'failed')
  union all
  select p.order_id, 'payment', p.payment_intent || ': amount_received' from paying as p
    join received as r on r.order_id = p.order_id and r.intent = p.payment_intent
   where r.kind in ('payment_confirmed', 'payment_changed') and r.minor > 0 and p.amount_received is distinct from r.minor
  union all
  select p.order_id, 'payment', p.payment_intent || ': refunds_minor' from paying as p
   where p.refunds_minor <> (select coalesce(sum(m.amount_minor), 0) from :"schema".money_moves as m
           where m.payment_intent = p.payment_intent and m.kind = 'refund' and m.state not in ('refused', 'failed', 'withdrawn'))
$$;
