-- Purpose: one order with its lines, attempts, payments and their movements; nothing private. A live attempt that the
--          provider accepted is told so from the order, where the acceptance is written.
-- Locks:   none.
-- Rows:    at most one.
-- Callers: GET /v1/orders/{id}, orders show.
select to_jsonb(o) - 'head' - 'content_digest' || jsonb_build_object(
         'items', (select jsonb_agg(to_jsonb(i) - 'order_id' order by i.line) from :"schema".order_items as i where i.order_id = o.id),
         'attempts', (select coalesce(jsonb_agg(jsonb_build_object(
             'generation', a.generation, 'provider', a.provider, 'provider_key', a.provider_key, 'calls', a.calls,
             'outcome', case when live.accepted then 'accepted' else a.outcome end,
             'request_id', case when live.accepted then o.zinc_request_id else a.request_id end, 'code', a.code, 'opened_at', a.opened_at,
             'key_dead_at', a.key_dead_at, 'lease_expires_at', case when o.status = 'submitting' then a.lease_expires_at end, 'worker', a.worker,
             'settled_at', a.settled_at, 'settled_by', a.settled_by) order by a.generation), '[]')
           from :"schema".order_attempts as a
          cross join lateral (select a.settled_at is null and o.zinc_request_id is not null as accepted) as live
          where a.order_id = o.id),
         'payments', (select coalesce(jsonb_agg(to_jsonb(p) - 'order_id' order by p.created_at), '[]')
           from :"schema".payments as p where p.order_id = o.id),
         'moves', (select coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'kind', m.kind, 'amount_minor', m.amount_minor,
             'currency', m.currency, 'state', m.state, 'cause', m.cause, 'reason', m.reason, 'requested_by', m.requested_by, 'calls', m.calls,
             'code', m.code, 'created_at', m.created_at, 'due_at', m.due_at, 'settled_at', m.settled_at) order by m.created_at, m.id), '[]')
           from :"schema".money_moves as m where m.order_id = o.id),
         'findings', (select coalesce(jsonb_agg(to_jsonb(f) - 'order_id' order by f.opened_at), '[]')
           from :"schema".findings as f where f.order_id = o.id))
  from :"schema".orders as o
 where o.id = $1
