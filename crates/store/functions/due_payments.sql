-- Purpose: the payments that should be read at Stripe now. Taking them moves their next read ahead, so
--          that engines do not all read the same. Wanted are:
--          those on which an order waits: after 5 s, then doubling up to 5 min, then a tenth of the
--          payment's age up to a day, new ones first, so that thousands of abandoned checkouts keep no
--          new one waiting;
--          those of orders that may be sent soon and whose facts grow too old for the claim: the oldest
--          due first, read ahead at half of the age that the claim allows; // ruling 14
--          those about which Stripe has sent word, whatever became of their order;
--          those of orders that have ended, a quarter of the time since their end, up to 7 days, until
--          Stripe says succeeded or canceled, because money may come late. // B10
-- Locks:   payments, for no key update, skip locked.
-- Rows:    next_read_at of at most batch_max payments.
-- Callers: the service's engine.
create or replace function :"schema".due_payments(batch_max integer)
returns table (order_id uuid, payment_intent text, total_minor bigint, currency text, asked_us bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
#variable_conflict use_column
declare
  at timestamptz := :"schema".clock_now();
  fresh_from timestamptz := at - :"schema".setting_ms('gate_age_ms') / 2;
begin
  return query
  with ahead as materialized (
    select p.payment_intent
      from (select o.id from :"schema".orders as o
             where o.status in ('pending', 'submitting') and o.hold_reason is null and o.due_at <= at + interval '5 seconds'
             order by o.due_at limit greatest(batch_max * 10, 1000)) as o
      join :"schema".payments as p on p.order_id = o.id and p.live
     where (coalesce(p.read_at, '-infinity') < fresh_from or p.read_at > at) and (p.next_read_at <= at or p.next_read_at = 'infinity')
     limit batch_max / 2 + 1
  ), wanted as (
    select w.payment_intent, min(w.turn) as turn
      from (select a.payment_intent, 1 as turn from ahead as a
             union all
             (select q.payment_intent, 2 from :"schema".payments as q where q.live and q.next_read_at <= at
               order by q.stale_since is null, q.reads, q.next_read_at limit batch_max)) as w
     group by w.payment_intent
  ), due as (
    select p.payment_intent, p.order_id, p.stripe_status, p.stale_since, p.created_at
      from wanted as w join :"schema".payments as p on p.payment_intent = w.payment_intent
     -- However many wait, they keep no order that may be sent waiting.
     order by w.turn limit batch_max
       for no key update of p skip locked
  ), asked as (
    select d.payment_intent, o.total_minor, o.currency::text as currency, o.updated_at as ended_at, d.created_at,
           d.stale_since is not null or o.status in ('pending', 'submitting') and o.hold_reason is null as at_once,
           o.status in ('pending', 'submitting', 'needs_review') and :"schema".ends_by_facts(o.hold_reason) and d.stripe_status is distinct from 'canceled' as waits,
           o.status in ('completed', 'cancelled', 'failed')
             and coalesce(d.stripe_status, '') not in ('succeeded', 'canceled') as may_come_late
      from due as d join :"schema".orders as o on o.id = d.order_id
  ), taken as (
    update :"schema".payments as p
       set reads = p.reads + 1,
           next_read_at = case
             when d.at_once then at + interval '5 seconds'
             when d.waits then at + least(interval '1 day', greatest((at - d.created_at) / 10,
               least(interval '5 seconds' * power(2, least(p.reads, 10)), interval '5 minutes')))
             when d.may_come_late then at + least(greatest((at - d.ended_at) / 4, interval '5 minutes'), interval '7 days')
             else 'infinity' end
      from asked as d where p.payment_intent = d.payment_intent
    returning p.order_id, p.payment_intent, d.total_minor, d.currency, d.at_once or d.waits or d.may_come_late as wanted
  )
  select t.order_id, t.payment_intent, t.total_minor, t.currency, (extract(epoch from at) * 1000000)::bigint from taken as t where t.wanted;
end $$;
