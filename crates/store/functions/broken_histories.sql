-- Purpose: what is wrong with the histories of some orders: the chain of hashes, gaps, edges, and the
--          fold of the history against the row. // G10, G11, G12
-- Locks:   none.
-- Rows:    none written; a row per broken rule.
-- Callers: verify_orders only.
create or replace function :"schema".broken_histories(ids uuid[])
returns table (order_id uuid, rule text, detail text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with page as materialized (
    select o.* from :"schema".orders as o where o.id = any (ids)
  ), chain as materialized (
    select e.*, lag(e.hash) over by_order as prev, lag(e.seq) over by_order as prev_seq,
           lag(e.status_after) over by_order as prev_status,
           lead(e.seq) over by_order is null as is_last
      from :"schema".order_events as e where e.order_id = any (ids)
    window by_order as (partition by e.order_id order by e.seq)
  ), told as (
    select e.order_id, jsonb_object_agg(s.key, s.value order by e.seq) filter (where s.key is not null) as columns,
           (array_agg(e.status_before order by e.seq desc) filter (where e.status_before <> e.status_after))[1] as status_before,
           min(e.at) filter (where e.seq = 1) as born_at
      from chain as e left join lateral jsonb_each(e.data -> 'set') as s on true
     group by e.order_id
  )
  select c.order_id, 'hash', 'event ' || c.seq from chain as c
   where c.hash <> :"schema".event_hash(coalesce(c.prev, '\x'), c.order_id, c.seq, c.at, c.kind, c.status_before,
                              c.status_after, c.actor, c.actor_source, c.data)
  union all
  select c.order_id, 'gap', 'before event ' || c.seq from chain as c where c.seq <> coalesce(c.prev_seq, 0) + 1
  union all
  select c.order_id, 'status_sequence', 'event ' || c.seq from chain as c
   where c.status_before <> coalesce(c.prev_status, 'new')
  union all
  select c.order_id, 'edge', c.status_before || ' to ' || c.status_after from chain as c
   where c.status_before <> c.status_after and not exists
     (select from :"schema".order_edges as x where x.status_before = c.status_before and x.status_after = c.status_after)
  union all
  select p.id, 'head', 'orders.head is not the hash of the last event' from page as p
    left join chain as c on c.order_id = p.id and c.is_last
   where c.hash is distinct from p.head or c.seq is distinct from p.version or c.status_after is distinct from p.status
  union all
  select p.id, 'fold', f.name from page as p
    join told on told.order_id = p.id
   cross join lateral (values
     ('order_number', p.order_number), ('retailer', p.retailer), ('currency', p.currency::text),
     ('goods_minor', p.goods_minor::text), ('total_minor', p.total_minor::text),
     ('price_cap_minor', p.price_cap_minor::text), ('generation', p.generation::text),
     ('zinc_request_id', p.zinc_request_id), ('zinc_status', p.zinc_status), ('hold_reason', p.hold_reason),
     ('review_reason', p.review_reason), ('payment_status', p.payment_status), ('cost_minor', p.cost_minor::text),
     ('capture_when', p.capture_when), ('content_digest', encode(p.content_digest, 'hex'))) as f (name, value)
   where told.columns ->> f.name is distinct from f.value
  union all
  select p.id, 'fold', f.name from page as p
    join told on told.order_id = p.id
   cross join lateral (values
     ('status_before', told.status_before is distinct from p.status_before),
     ('created_at', told.born_at is distinct from p.created_at)) as f (name, differs)
   where f.differs
$$;
