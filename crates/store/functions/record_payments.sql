-- Purpose: stores what Stripe said about payments and releases the orders that are paid: every
--          condition of "paid" is judged here, on these facts (payment_deviation). Whatever stands
--          otherwise than it should is settled one by one in the same transaction. // G2, G7, C1, C4
--          Facts are an array of objects: payment_intent, order_id, status, received_minor,
--          capturable_minor, refunded_minor, currency, livemode, named_order, capture_before (seconds),
--          dispute, in_review, warned, asked_us: when Stripe was asked, in microseconds, as due_payments
--          told it. Facts that were asked for before others that stand are not stored, and they do not
--          answer a message of Stripe that came after they were asked for. What stands with a time that has
--          not come yet was written before the clock was set back, and is older than any facts. // C4, G24
-- Locks:   orders in id order, for no key update; then their payments.
-- Rows:    per payment one row; per released order one change and one event; else see settle_payment.
-- Callers: the service's engine.
create or replace function :"schema".record_payments(worker_param text, live_mode boolean, facts jsonb)
returns table (order_id uuid, result text)
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
  ids uuid[];
  hold_on_signs boolean := (select s.value = 'yes' from :"schema".settings as s where s.name = 'hold_on_fraud_signs');
  told record;
  one record;
begin
  ids := array(select distinct (f ->> 'order_id')::uuid from jsonb_array_elements(facts) as f);
  perform from :"schema".orders as o where o.id = any (ids) order by o.id for no key update;
  at := :"schema".clock_now(); -- after the locks, so that history runs forward
  with said as (
    select distinct on (f ->> 'payment_intent') f, f ->> 'payment_intent' as intent, (f ->> 'order_id')::uuid as id
      from jsonb_array_elements(facts) as f order by f ->> 'payment_intent'
  ), judged as (
    select s.*, least('epoch'::timestamptz + (s.f ->> 'asked_us')::bigint * interval '1 microsecond', at) as asked,
           :"schema".payment_deviation(s.f, o, live_mode, p.warning_accepted, hold_on_signs, at) as deviation,
           p.live and o.status = 'pending' and o.payment_status = 'unpaid'
             and :"schema".ends_by_facts(o.hold_reason) as waits,
           o.version, o.hold_reason as held, s.f ->> 'status' = 'succeeded' as received
      from said as s
      join :"schema".payments as p on p.payment_intent = s.intent and p.order_id = s.id
      join :"schema".orders as o on o.id = s.id
     where coalesce(p.read_at <= 'epoch'::timestamptz + (s.f ->> 'asked_us')::bigint * interval '1 microsecond' or p.read_at > at, true)
  ), stored as (
    update :"schema".payments as p
       set stripe_status = j.f ->> 'status', amount_received = coalesce((j.f ->> 'received_minor')::bigint, p.amount_received),
           amount_capturable = (j.f ->> 'capturable_minor')::bigint, amount_refunded = coalesce((j.f ->> 'refunded_minor')::bigint, p.amount_refunded),
           currency = j.f ->> 'currency', livemode = (j.f ->> 'livemode')::boolean, named_order = left(j.f ->> 'named_order', 100),
           capture_before = to_timestamp((j.f ->> 'capture_before')::bigint),
           authorised_at = coalesce(p.authorised_at, case when j.f ->> 'status' = 'requires_capture' then at end),
           dispute = j.f ->> 'dispute', in_review = (j.f ->> 'in_review')::boolean, warned = (j.f ->> 'warned')::boolean,
           deviation = j.deviation, read_at = j.asked, stale_since = case when p.stale_since > j.asked then least(p.stale_since, at) end,
           next_read_at = case when p.stale_since > j.asked then least(p.next_read_at, at)
                               when j.deviation is null or j.deviation = 'payment_canceled' then 'infinity'
                               -- What deviates is looked at again: due_payments knows whether anybody waits for it.
                               when p.next_read_at = 'infinity' then at + interval '5 seconds'
                               else p.next_read_at end
      from judged as j where p.payment_intent = j.intent
    returning j.intent, j.id, j.waits and j.deviation is null as opens, j.version, j.held, j.received, p.amount_received, p.amount_capturable
  )
  select array_agg(id order by id) filter (where opens) as ids,
         array_agg(version order by id) filter (where opens) as versions,
         array_agg(case when received then 'payment_confirmed' else 'payment_authorized' end order by id) filter (where opens) as kinds,
         array_agg(jsonb_build_object('payment_intent', intent, 'received_minor', amount_received, 'set', jsonb_build_object(
           'payment_status', case when received then 'paid' else 'authorized' end, 'hold_reason', null)) order by id) filter (where opens) as datas,
         array_agg(id order by id) filter (where opens and held <> 'awaiting_payment') as found,
         array_agg(intent order by id) filter (where not opens) as others
    into told from stored;
  if told.ids is not null then
    perform :"schema".write_events(told.ids, told.versions, told.kinds, array_fill('pending'::text, array[cardinality(told.ids)]),
      array_fill('pending'::text, array[cardinality(told.ids)]), told.datas, array_fill(at, array[cardinality(told.ids)]),
      at, 'engine/' || worker_param, 'options');
    perform :"schema".close_finding(id, null, at) from unnest(told.found) as id;
    return query select id, 'paid' from unnest(told.ids) as id;
  end if;
  for one in
    select o as ordered, p as payment from unnest(told.others) as t (intent)
      join :"schema".payments as p on p.payment_intent = t.intent and p.live join :"schema".orders as o on o.id = p.order_id
     where p.deviation is not null or o.payment_status is distinct from :"schema".payment_word(o, p)
        or :"schema".ends_by_facts(o.hold_reason)
        or o.status in ('cancelled', 'failed')
     order by o.id
  loop
    return query select (one.ordered).id, s.word
      from :"schema".settle_payment(one.ordered, one.payment, worker_param, at) as s (word) where s.word is not null;
  end loop;
end $$;
