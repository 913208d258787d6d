-- Purpose: the integrity of a page of orders: the chain of hashes, gaps, the fold of the history
--          against the row, attempts against the history, lines against the total. Names every
--          order and rule that is broken. // G10, G11, G12
-- Locks:   none; one snapshot per page.
-- Rows:    none written; a row per broken rule; the last row per page carries the cursor.
-- Callers: service_role, the service, people.
create or replace function :"schema".verify_orders(after_order uuid, page_size integer)
returns table (order_id uuid, rule text, detail text, orders_checked bigint, events_checked bigint, last_order uuid)
language sql stable security definer
set search_path = :"schema", pg_temp
as $$
  with page as materialized (
    select o.* from orders as o
     where after_order is null or o.id > after_order
     order by o.id limit page_size
  ), chain as materialized (
    select e.*, lag(e.hash) over by_order as prev, lag(e.seq) over by_order as prev_seq,
           lag(e.status_after) over by_order as prev_status,
           lead(e.seq) over by_order is null as is_last
      from order_events as e
      join page as p on p.id = e.order_id
    window by_order as (partition by e.order_id order by e.seq)
  ), fold as (
    select e.order_id, jsonb_object_agg(s.key, s.value order by e.seq) as columns
      from chain as e cross join lateral jsonb_each(e.data -> 'set') as s
     group by e.order_id
  ), broken as (
    select c.order_id, 'hash' as rule, 'event ' || c.seq as detail from chain as c
     where c.hash <> event_hash(coalesce(c.prev, '\x'), c.order_id, c.seq, c.at, c.kind, c.status_before,
                                c.status_after, c.actor, c.actor_source, c.data)
    union all
    select c.order_id, 'gap', 'before event ' || c.seq from chain as c where c.seq <> coalesce(c.prev_seq, 0) + 1
    union all
    select c.order_id, 'status_sequence', 'event ' || c.seq from chain as c
     where c.status_before <> coalesce(c.prev_status, 'new')
    union all
    select c.order_id, 'edge', c.status_before || ' to ' || c.status_after from chain as c
     where c.status_before <> c.status_after and not exists
       (select from order_edges as x where x.status_before = c.status_before and x.status_after = c.status_after)
    union all
    select p.id, 'head', 'orders.head is not the hash of the last event' from page as p
      left join chain as c on c.order_id = p.id and c.is_last
     where c.hash is distinct from p.head or c.seq is distinct from p.version or c.status_after is distinct from p.status
    union all
    select p.id, 'fold', f.name from page as p
      join fold on fold.order_id = p.id
     cross join lateral (values
       ('order_number', p.order_number), ('retailer', p.retailer), ('currency', p.currency::text),
       ('goods_minor', p.goods_minor::text), ('total_minor', p.total_minor::text),
       ('price_cap_minor', p.price_cap_minor::text), ('generation', p.generation::text),
       ('zinc_request_id', p.zinc_request_id), ('zinc_status', p.zinc_status), ('hold_reason', p.hold_reason),
       ('review_reason', p.review_reason), ('payment_status', p.payment_status), ('cost_minor', p.cost_minor::text),
       ('content_digest', encode(p.content_digest, 'hex'))) as f (name, value)
     where fold.columns ->> f.name is distinct from f.value
    union all
    select p.id, 'goods_total', 'the lines do not sum to goods_minor' from page as p
     where p.goods_minor is distinct from
       (select sum(i.quantity * i.unit_price_minor) from order_items as i where i.order_id = p.id)
    union all
    select p.id, 'attempts', 'generation ' || p.generation || ' and the attempts differ' from page as p
     where p.generation <> (select coalesce(max(a.generation), 0) from order_attempts as a where a.order_id = p.id)
    union all
    select a.order_id, 'digest', 'attempt ' || a.generation from page as p
      join order_attempts as a on a.order_id = p.id
     where a.request_digest <> sha256(a.request_body)
    union all
    select p.id, 'unsettled', 'the status and the unsettled attempt do not fit' from page as p
      left join order_attempts as a on a.order_id = p.id and a.settled_at is null
     where (p.status in ('submitting', 'submitted_to_zinc', 'processing') and a.order_id is null)
        or (p.status in ('completed', 'cancelled', 'failed') and a.order_id is not null)
        or (p.status = 'pending' and a.calls > 0)
  )
  select b.order_id, b.rule, b.detail, null::bigint, null::bigint, null::uuid from broken as b
  union all
  select null, null, null, (select count(*) from page), (select count(*) from chain),
         (select id from page order by id desc limit 1)
$$;
