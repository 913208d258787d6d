-- Purpose: stores what Stripe said about payments and releases the orders that are paid: status
--          succeeded, the whole total received in the order's currency, the order named in the
--          metadata, in the configured mode. Any other succeeded payment is a mismatch: held, shown
--          to a person, nothing is bought. It ends when Stripe says otherwise, never by us. // G2, C1
--          Money that arrives for an order that has ended unpaid is late: kept as a finding. // B10
-- Locks:   orders in id order, for no key update; then their payments.
-- Rows:    per payment one row; per released or mismatched order one change and one event; per late
--          payment one finding.
-- Callers: the service's engine.
create or replace function :"schema".record_payments(
  worker_param text, live_mode boolean, intents text[], order_ids uuid[], statuses text[], received bigint[],
  currencies text[], livemodes boolean[], named_orders text[], spoiled boolean[]
) returns table (order_id uuid, result text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
set plan_cache_mode = force_generic_plan -- by key, planned once per session, however long the queue is
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  at timestamptz;
  good record;
begin
  perform from :"schema".orders as o where o.id = any (order_ids) order by o.id for no key update;
  at := :"schema".clock_now(); -- after the locks, so that history runs forward
  return query select late, 'late' from :"schema".report_late_payments(
    intents, order_ids, statuses, received, currencies, 'engine/' || worker_param, at) as late;
  update :"schema".payments as p
     set stripe_status = r.status, amount_received = r.amount, currency = r.currency, livemode = r.livemode, read_at = at
    from unnest(intents, order_ids, statuses, received, currencies, livemodes)
      as r (intent, id, status, amount, currency, livemode)
   where p.payment_intent = r.intent and p.order_id = r.id;
  perform :"schema".report_dead_payments(intents, order_ids, statuses, 'engine/' || worker_param, at);
  with facts as (
    select distinct on (id) r.*
      from unnest(intents, order_ids, statuses, received, currencies, livemodes, named_orders, spoiled)
        as r (intent, id, status, amount, currency, livemode, named, spoiled)
      join :"schema".payments as p on p.payment_intent = r.intent and p.live and p.order_id = r.id
     where r.status = 'succeeded'
     order by id
  ), locked as (
    select o.id, o.version, o.hold_reason as held, r.intent, r.amount,
           case when r.livemode is distinct from live_mode then 'livemode'
                when r.named is distinct from o.id::text then 'order_id'
                when r.currency is distinct from o.currency::text then 'currency'
                when r.amount is distinct from o.total_minor then 'amount'
                when r.spoiled is distinct from false then 'refunded_or_disputed' end as mismatch
      from facts as r
      join :"schema".orders as o on o.id = r.id and o.status = 'pending'
       and o.hold_reason in ('awaiting_payment', 'payment_mismatch')
     order by o.id for no key update of o
  ), news as (
    select l.* from locked as l where l.mismatch is null or l.held = 'awaiting_payment'
  )
  select array_agg(id) as ids, array_agg(version) as versions, array_agg('pending'::text) as statuses,
         array_agg(case when mismatch is null then 'payment_confirmed' else 'payment_mismatched' end) as kinds,
         array_agg(jsonb_build_object('payment_intent', intent, 'received_minor', amount) || case when mismatch is null
           then '{"set": {"payment_status": "paid", "hold_reason": null}}'::jsonb
           else jsonb_build_object('mismatch', mismatch, 'set', '{"hold_reason": "payment_mismatch"}'::jsonb) end) as datas,
         array_agg(intent) as intents, array_agg(mismatch) as mismatches
    into good from news;
  if good.ids is null then
    return;
  end if;
  perform :"schema".write_events(good.ids, good.versions, good.kinds, good.statuses, good.statuses, good.datas,
    array_fill(at, array[cardinality(good.ids)]), at, 'engine/' || worker_param, 'options');
  update :"schema".payments as p set next_read_at = 'infinity'
    from unnest(good.intents, good.mismatches) as m (intent, mismatch)
   where p.payment_intent = m.intent and m.mismatch is null;
  perform :"schema".open_finding(m.id, 'payment_mismatch', m.intent, jsonb_build_object('mismatch', m.mismatch),
      'engine/' || worker_param, at, 'The payment does not match its order. Compare both at Stripe; nothing is bought until then.')
    from unnest(good.ids, good.intents, good.mismatches) as m (id, intent, mismatch)
   where m.mismatch is not null;
  return query select m.id, case when m.mismatch is null then 'paid' else 'mismatch' end
    from unnest(good.ids, good.mismatches) as m (id, mismatch);
end $$;
