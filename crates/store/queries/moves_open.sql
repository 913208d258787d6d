-- Purpose: movements of money that have not ended: what waits for a second person first, then what is
--          under way, oldest first.
-- Locks:   none.
-- Rows:    one per movement, at most the given number.
-- Callers: GET /v1/moves, payments waiting.
select jsonb_build_object('id', m.id, 'order_id', m.order_id, 'order_number', o.order_number, 'payment_intent', m.payment_intent,
         'kind', m.kind, 'amount_minor', m.amount_minor, 'currency', m.currency, 'state', m.state, 'cause', m.cause, 'reason', m.reason,
         'requested_by', m.requested_by, 'calls', m.calls, 'code', m.code, 'created_at', m.created_at, 'due_at', m.due_at)
  from :"schema".money_moves as m join :"schema".orders as o on o.id = m.order_id
 where m.due_at is not null
 order by m.state <> 'awaiting_approval', m.created_at, m.id
 limit $1
