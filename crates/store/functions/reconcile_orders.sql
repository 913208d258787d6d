-- Purpose: compares a page of orders with their own payments and movements of money: goods bought that
--          nobody paid, money that stayed after an order ended without goods, money returned for goods
--          that are bought. No partner is asked. // G27, C11, G7
-- Locks:   see tell_differences.
-- Rows:    see tell_differences; one row with the number of orders and the last one, null at the end.
-- Callers: the service's comparison.
create or replace function :"schema".reconcile_orders(run_at timestamptz, after_order uuid, page_size integer)
returns table (orders bigint, last_order uuid)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
#variable_conflict use_column
declare
  calm_from timestamptz := run_at - interval '15 minutes';
  found jsonb;
  counted bigint;
  last uuid;
begin
  with page as materialized (
    select o.id, o.status, o.payment_status, o.zinc_request_id, o.created_at, o.updated_at, o.currency
      from :"schema".orders as o where o.id > coalesce(after_order, '00000000-0000-0000-0000-000000000000') order by o.id limit page_size
  ), paid as (
    select g.*, p.payment_intent, p.stripe_status, p.amount_received, p.amount_refunded, p.amount_capturable, p.dispute,
           g.status in ('submitted_to_zinc', 'processing', 'completed') as bought, g.status in ('cancelled', 'failed') as ended
      from page as g left join :"schema".payments as p on p.order_id = g.id and p.live
  ), judged as (
    select d.* from paid as k
     cross join lateral (
       select 'bought_unpaid', k.id::text, true, k.id, k.created_at, jsonb_build_object('order_status', k.status,
                'payment_status', k.payment_status, 'request_id', k.zinc_request_id, 'payment_intent', k.payment_intent)
        where k.bought and k.payment_status in ('unpaid', 'failed')
       union all
       -- While its return is under way it is no news, and it is not gone.
       select 'ended_with_money', k.payment_intent, k.updated_at <= calm_from and not exists (select from :"schema".money_moves as m
                where m.payment_intent = k.payment_intent and coalesce(m.settled_at > calm_from, true)), k.id, k.created_at,
              jsonb_build_object('order_status', k.status, 'payment_status', k.payment_status, 'payment_intent', k.payment_intent,
                'stripe_status', k.stripe_status, 'left_minor', h.here_minor, 'currency', k.currency)
         from (select case k.stripe_status when 'requires_capture' then k.amount_capturable when 'succeeded'
                 then :"schema".money_left(k.payment_intent) + (select coalesce(sum(m.amount_minor), 0) from :"schema".money_moves as m
                   where m.payment_intent = k.payment_intent and m.kind = 'refund' and m.settled_at is null) end as here_minor
                where k.ended) as h
        where k.dispute is distinct from 'lost' and (h.here_minor > 0 or k.stripe_status = 'requires_capture')
       union all
       select 'refunded_and_bought', k.id::text, true, k.id, k.created_at, jsonb_build_object('order_status', k.status,
                'payment_status', k.payment_status, 'request_id', k.zinc_request_id, 'payment_intent', k.payment_intent,
                'refunded_minor', k.amount_refunded, 'currency', k.currency)
        where k.bought and k.stripe_status = 'succeeded' and k.amount_received > 0 and k.amount_refunded >= k.amount_received
          -- What a person returned of a completed order is nobody's mistake.
          and k.amount_refunded > (select coalesce(sum(m.amount_minor), 0) from :"schema".money_moves as m
                where m.payment_intent = k.payment_intent and m.kind = 'refund' and m.cause = 'person' and m.state in ('accepted', 'done'))
     ) as d (kind, subject, ripe, order_id, about_at, data)
  )
  select (select count(*) from page), (select p.id from page as p order by p.id desc limit 1),
         (select jsonb_agg(to_jsonb(j)) from judged as j)
    into counted, last, found;
  if found is not null then
    perform :"schema".tell_differences(found, run_at);
  end if;
  return query select counted, case when counted = page_size then last end;
end $$;
