-- Purpose: a page of orders for people and programs, newest first, filtered.
-- Locks:   none.
-- Rows:    at most $5.
-- Callers: GET /v1/orders, orders list.
select jsonb_build_object(
         'id', o.id, 'order_number', o.order_number, 'status', o.status, 'hold_reason', o.hold_reason,
         'review_reason', o.review_reason, 'payment_status', o.payment_status, 'zinc_request_id', o.zinc_request_id,
         'currency', o.currency, 'total_minor', o.total_minor, 'created_at', o.created_at, 'updated_at', o.updated_at)
  from :"schema".orders as o
 where ($1::text is null or o.status = $1)
   and ($2::text is null or o.hold_reason = $2)
   and ($3::text is null or o.order_number = $3 or o.id = case when $3 ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' then $3::uuid end or o.zinc_request_id = $3)
   and ($4::uuid is null or (o.created_at, o.id) < (select c.created_at, c.id from :"schema".orders as c where c.id = $4))
 order by o.created_at desc, o.id desc
 limit $5
