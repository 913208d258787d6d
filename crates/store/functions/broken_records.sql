-- Purpose: what is wrong with what belongs to some orders: lines and private part against what was placed,
--          the bytes of each attempt against their digest, and the status against the attempts. // G8, G11, G12
-- Locks:   none.
-- Rows:    none written; a row per broken rule.
-- Callers: verify_orders only.
create or replace function :"schema".broken_records(ids uuid[])
returns table (order_id uuid, rule text, detail text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with page as materialized (
    select o.* from :"schema".orders as o where o.id = any (ids)
  ), birth as materialized (
    select e.order_id, e.data from :"schema".order_events as e where e.order_id = any (ids) and e.seq = 1
  ), lines as (
    select i.order_id, sum(i.quantity * i.unit_price_minor) as goods, max(i.line) as last, count(*) as n,
           :"schema".lines_digest(jsonb_agg(jsonb_build_object('product_id', i.product_id, 'title', i.title,
             'quantity', i.quantity, 'unit_price_minor', i.unit_price_minor) order by i.line)) as digest
      from :"schema".order_items as i where i.order_id = any (ids) group by i.order_id
  ), unsettled as materialized (
    select a.order_id, a.calls from :"schema".order_attempts as a where a.order_id = any (ids) and a.settled_at is null
  )
  select p.id, 'goods_total', 'the lines do not sum to goods_minor' from page as p
    left join lines as l on l.order_id = p.id where l.goods is distinct from p.goods_minor
  union all
  select p.id, 'lines', 'the lines are not as placed' from page as p
    left join lines as l on l.order_id = p.id left join birth as b on b.order_id = p.id
   where l.digest is distinct from b.data ->> 'lines_digest' or l.last is distinct from l.n
  union all
  select p.id, 'private', 'recipient or message are not as placed' from page as p
    left join :"schema".order_private as x on x.order_id = p.id left join birth as b on b.order_id = p.id
   where b.data ->> 'private_digest' is distinct from
         :"schema".private_digest(x.recipient, x.shipping_method, x.is_gift, x.gift_message)
  union all
  select p.id, 'attempts', 'generation ' || p.generation || ' and the attempts differ' from page as p
   where p.generation <> (select coalesce(max(a.generation), 0) from :"schema".order_attempts as a where a.order_id = p.id)
  union all
  select a.order_id, 'digest', 'attempt ' || a.generation from :"schema".order_attempts as a
   where a.order_id = any (ids) and a.request_digest <> sha256(a.request_body)
  union all
  select p.id, 'unsettled', 'the status and the unsettled attempt do not fit' from page as p
    left join unsettled as a on a.order_id = p.id
   where (p.status in ('submitting', 'submitted_to_zinc', 'processing') and a.order_id is null)
      or (p.status in ('completed', 'cancelled', 'failed') and a.order_id is not null)
      or (p.status = 'pending' and a.calls > 0)
  union all
  -- Every acceptance that the history tells is still held by the order or by a settled attempt.
  select w.order_id, 'request_id', 'request ' || w.request_id || ' was accepted and is held by no attempt'
    from (select e.order_id, e.data #>> '{set,zinc_request_id}' as request_id from :"schema".order_events as e
           where e.order_id = any (ids)) as w
    join page as p on p.id = w.order_id
   where w.request_id is not null and w.request_id is distinct from p.zinc_request_id
     and not exists (select from :"schema".order_attempts as a where a.order_id = w.order_id and a.request_id = w.request_id)
  union all
  select p.id, 'request_id', 'the attempt that bought this order does not hold its request id' from page as p
    join :"schema".order_attempts as a on a.order_id = p.id and a.generation = p.generation
   where p.status = 'completed' and a.calls > 0 and a.settled_by is distinct from 'person'
     -- What was settled before a person said that the order is bought somewhere else did not buy it. The place of
     -- the events says which came first: a clock that was set back tells their times in another order.
     and not exists (select from :"schema".order_events as e
                       join :"schema".order_events as s on s.order_id = e.order_id and s.seq < e.seq
                      where e.order_id = p.id and e.kind = 'completed_by_person' and s.at = a.settled_at)
     and (a.outcome <> 'accepted' or a.request_id is distinct from p.zinc_request_id)
$$;
