-- Purpose: the integrity of a page of orders: the chain of hashes, gaps, the fold of the history
--          against the row, attempts and money against the history, lines and private part against what
--          was placed, and what belongs to no order. Names every order and rule that is broken. // G10, G11, G12
-- Locks:   none; one snapshot per page.
-- Rows:    none written; a row per broken rule; the last row per page carries the cursor.
-- Callers: service_role, the service, people.
create or replace function :"schema".verify_orders(after_order uuid, page_size integer)
returns table (order_id uuid, rule text, detail text, orders_checked bigint, events_checked bigint, last_order uuid)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  -- A range that an index can be read by, whatever plan the session keeps.
  first uuid := coalesce(after_order, '00000000-0000-0000-0000-000000000000');
begin
  if page_size is null or page_size not between 1 and 100000 then
    raise exception 'page_size must be between 1 and 100000 orders' using errcode = '22023';
  end if;
  return query
    with page as materialized (
      select o.id from :"schema".orders as o
       where o.id >= first and o.id is distinct from after_order
       order by o.id limit page_size
    ), told as materialized (
      select coalesce(array_agg(p.id), '{}') as ids, count(*) as orders,
             -- The last page reaches to the end of the ids, for what belongs to no order.
             case when count(*) = page_size then (select p.id from page as p order by p.id desc limit 1)
                  else 'ffffffff-ffff-ffff-ffff-ffffffffffff' end as last
        from page as p
    ), broken as (
      select b.* from told as t cross join lateral :"schema".broken_histories(t.ids) as b
      union all
      select b.* from told as t cross join lateral :"schema".broken_records(t.ids) as b
      union all
      select b.* from told as t cross join lateral :"schema".broken_attempts(t.ids) as b
      union all
      select b.* from told as t cross join lateral :"schema".broken_money(t.ids) as b
      union all
      select e.order_id, 'order_missing', 'event ' || min(e.seq) || ' belongs to no order' from told as t
        join :"schema".order_events as e on e.order_id between first and t.last and e.order_id is distinct from after_order
       where not exists (select from page as p where p.id = e.order_id) group by e.order_id
      union all
      select a.order_id, 'order_missing', 'attempt ' || min(a.generation) || ' belongs to no order' from told as t
        join :"schema".order_attempts as a on a.order_id between first and t.last and a.order_id is distinct from after_order
       where not exists (select from page as p where p.id = a.order_id) group by a.order_id
      union all
      select i.order_id, 'order_missing', 'line ' || min(i.line) || ' belongs to no order' from told as t
        join :"schema".order_items as i on i.order_id between first and t.last and i.order_id is distinct from after_order
       where not exists (select from page as p where p.id = i.order_id) group by i.order_id
      union all
      select x.order_id, 'order_missing', 'a private part' || ' belongs to no order' from told as t
        join :"schema".order_private as x on x.order_id between first and t.last and x.order_id is distinct from after_order
       where not exists (select from page as p where p.id = x.order_id) group by x.order_id
      union all
      select y.order_id, 'order_missing', 'payment ' || min(y.payment_intent) || ' belongs to no order' from told as t
        join :"schema".payments as y on y.order_id between first and t.last and y.order_id is distinct from after_order
       where not exists (select from page as p where p.id = y.order_id) group by y.order_id
      union all
      select m.order_id, 'order_missing', 'movement of money ' || min(m.id::text) || ' belongs to no order' from told as t
        join :"schema".money_moves as m on m.order_id between first and t.last and m.order_id is distinct from after_order
       where not exists (select from page as p where p.id = m.order_id) group by m.order_id
    )
    select b.order_id, b.rule, b.detail, null::bigint, null::bigint, null::uuid from broken as b
    union all
    select null, null, null, t.orders, (select count(*) from :"schema".order_events as e where e.order_id = any (t.ids)),
           (select p.id from page as p order by p.id desc limit 1)
      from told as t;
end $$;
