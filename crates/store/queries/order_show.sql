-- Purpose: one order with its lines, attempts and payments; nothing private.
-- Locks:   none.
-- Rows:    at most one.
-- Callers: GET /v1/orders/{id}, orders show.
select to_jsonb(o) - 'head' - 'content_digest' || jsonb_build_object(
         'items', (select jsonb_agg(to_jsonb(i) - 'order_id' order by i.line) from :"schema".order_items as i where i.order_id = o.id),
         'attempts', (select coalesce(jsonb_agg(jsonb_build_object(
             'generation', a.generation, 'provider', a.provider, 'provider_key', a.provider_key, 'calls', a.calls,
             'outcome', a.outcome, 'request_id', a.request_id, 'code', a.code, 'opened_at', a.opened_at,
             'key_dead_at', a.key_dead_at, 'lease_expires_at', a.lease_expires_at, 'worker', a.worker,
             'settled_at', a.settled_at, 'settled_by', a.settled_by) order by a.generation), '[]')
           from :"schema".order_attempts as a where a.order_id = o.id),
         'payments', (select coalesce(jsonb_agg(to_jsonb(p) - 'order_id' order by p.created_at), '[]')
           from :"schema".payments as p where p.order_id = o.id),
         'findings', (select coalesce(jsonb_agg(to_jsonb(f) - 'order_id' order by f.opened_at), '[]')
           from :"schema".findings as f where f.order_id = o.id))
  from :"schema".orders as o
 where o.id = case when $1 ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' then $1::uuid end or o.order_number = $1
