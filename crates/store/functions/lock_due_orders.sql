-- Purpose: the first half of the one claim operation: locks the orders that may be sent now, oldest
--          due first, and gives everything that planning a purchase needs. Nothing is returned for
--          an order that is held, unpaid, leased, not due or locked by somebody else, nor for one
--          whose attempt belongs to another provider, where its key means nothing, or stands refused
--          and unsettled: that one may be looked up, never sent again; nor for any while the shop is held. // A6, A7, A14, G22
--          The payment must have been read at Stripe and found good within gate_age_ms; due_payments reads
--          the head of the queue ahead, and only that head is looked at. Facts of a time
--          that has not come yet are old ones: a clock was set back. // G2, ruling 14
-- Locks:   orders, for no key update, skip locked. The caller commits its intents in the same
--          transaction (commit_intents) or loses the locks with it.
-- Rows:    none written; at most batch_max returned.
-- Callers: the service's engine.
create or replace function :"schema".lock_due_orders(
  provider_param text, batch_max integer, only_order uuid default null
) returns table (
  id uuid, version bigint, status text, generation integer, retailer text, currency text,
  price_cap_minor bigint, items jsonb, recipient jsonb, shipping_method text, is_gift boolean,
  gift_message text, open_generation integer, request_body bytea, calls integer, outcome text,
  key_dead boolean, repeat_in_ms bigint, code text
)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
set plan_cache_mode = force_custom_plan -- one order must not be looked for in the whole queue
set enable_hashjoin = off -- nor all payments be read for the first few orders
set enable_mergejoin = off
as $$
declare
  at timestamptz := :"schema".clock_now();
  bound interval := :"schema".setting_ms('processing_bound_ms');
  fresh_from timestamptz := at - :"schema".setting_ms('gate_age_ms');
begin
  if exists (select from :"schema".provider_accounts as p where p.provider = provider_param and p.paused_until > at)
     or exists (select from :"schema".shop as s where s.one and s.held_since is not null)
     -- Planning the look below costs more than this one, and most looks find nothing due.
     or not exists (select from :"schema".orders as o where o.status in ('pending', 'submitting') and o.hold_reason is null and o.due_at <= at) then
    return;
  end if;
  return query
  with due as (
    -- Not written as a CTE: its order is known to the planner, so that the look ends with the batch.
    select o.* from (select o.id, o.due_at from :"schema".orders as o
     where o.status in ('pending', 'submitting') and o.hold_reason is null and o.due_at <= at
       and (only_order is null or o.id = only_order)
     order by o.due_at limit greatest(batch_max * 10, 1000)) as h -- a few payments that cannot be read keep nobody waiting
      join :"schema".orders as o on o.id = h.id
     where o.status in ('pending', 'submitting') and o.hold_reason is null
       and o.due_at <= at and (o.payment_status = 'paid' or o.payment_status = 'authorized' and o.capture_when = 'after_purchase' and not exists (
             select from :"schema".money_moves as c where c.order_id = o.id and c.kind = 'cancel' and c.state = 'unknown'))
       and exists (select from :"schema".payments as f where f.order_id = o.id and f.live and f.deviation is null
                    and f.stale_since is null and f.read_at between fresh_from and at)
       and coalesce((select a.lease_token is null and a.provider = provider_param and a.outcome <> 'refused' from :"schema".order_attempts as a
                      where a.order_id = o.id and a.settled_at is null), true)
     order by h.due_at
     limit batch_max
       for no key update of o skip locked
  )
  select o.id, o.version::bigint, o.status, o.generation::integer, o.retailer::text, o.currency::text, o.price_cap_minor,
         lines.items, p.recipient, p.shipping_method, p.is_gift, p.gift_message,
         a.generation, a.request_body::bytea, a.calls, a.outcome::text, a.key_dead_at <= at,
         (extract(epoch from a.call_deadline_at + bound - at) * 1000)::bigint, a.code::text
    from due as o
    join :"schema".order_private as p on p.order_id = o.id
   cross join lateral (
     select jsonb_agg(jsonb_build_object('product_id', i.product_id, 'quantity', i.quantity,
                                         'unit_price_minor', i.unit_price_minor) order by i.line) as items
       from :"schema".order_items as i where i.order_id = o.id) as lines
    left join :"schema".order_attempts as a on a.order_id = o.id and a.settled_at is null
   where a.lease_token is null;
end $$;
