-- Purpose: the money of one order: each PaymentIntent with what Stripe said of it last, its movements,
--          and the latest messages about it.
-- Locks:   none.
-- Rows:    at most one.
-- Callers: GET /v1/orders/{id}/payments, payments show.
select jsonb_build_object(
         'order_id', o.id, 'order_number', o.order_number, 'status', o.status, 'hold_reason', o.hold_reason,
         'payment_status', o.payment_status, 'capture_when', o.capture_when, 'total_minor', o.total_minor, 'currency', o.currency,
         'payments', (select coalesce(jsonb_agg(to_jsonb(p) - 'order_id' || jsonb_build_object(
             'moves', (select coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'kind', m.kind, 'amount_minor', m.amount_minor,
                         'currency', m.currency, 'state', m.state, 'cause', m.cause, 'reason', m.reason, 'requested_by', m.requested_by,
                         'approved_by', m.approved_by, 'calls', m.calls, 'code', m.code, 'stripe_id', m.stripe_id,
                         'stripe_status', m.stripe_status, 'created_at', m.created_at, 'due_at', m.due_at, 'settled_at', m.settled_at)
                         order by m.created_at, m.id), '[]')
                       from :"schema".money_moves as m where m.payment_intent = p.payment_intent),
             'messages', (select coalesce(jsonb_agg(jsonb_build_object('id', i.event_id, 'kind', i.kind, 'state', i.state,
                            'source', i.source, 'received_at', i.received_at, 'handled_at', i.handled_at) order by i.received_at, i.event_id), '[]')
                          from (select x.event_id, x.kind, x.state, x.source, x.received_at, x.handled_at from :"schema".inbox as x where x.payment_intent = p.payment_intent
                                 order by x.received_at desc limit 50) as i))
             order by p.created_at, p.payment_intent), '[]')
           from :"schema".payments as p where p.order_id = o.id))
  from :"schema".orders as o
 where o.id = $1
