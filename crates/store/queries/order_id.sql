-- Purpose: which order a text names: the one with this id, else the one with this number.
-- Locks:   none.
-- Rows:    one; null when there is no such order.
-- Callers: GET /v1/orders/{order}, its history, the commands that take an id or a number.
select coalesce(
         (select o.id from :"schema".orders as o
           where o.id = case when $1 ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' then $1::uuid end),
         (select o.id from :"schema".orders as o where o.order_number = $1))
