-- Purpose: the payments that should be read at Stripe now. Taking them moves their next read ahead, so
--          that engines do not all read the same: while an order waits 5 s, then doubling up to 5 min,
--          then a tenth of the payment's age up to a day, never what Stripe canceled, and new ones
--          first, so that thousands of abandoned checkouts keep no new one waiting;
--          after an order has ended unpaid a quarter of the time since its end, up to 7 days, until
--          Stripe says succeeded or canceled, because money may come late. // B10
--          What nobody waits for any more is not read again.
-- Locks:   payments, for no key update, skip locked.
-- Rows:    next_read_at of at most batch_max payments.
-- Callers: the service's engine.
create or replace function :"schema".due_payments(batch_max integer)
returns table (order_id uuid, payment_intent text, total_minor bigint, currency text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz := :"schema".clock_now();
begin
  return query
  with due as (
    select p.payment_intent, p.order_id, p.stripe_status, p.created_at from :"schema".payments as p
     where p.live and p.next_read_at <= at
     order by p.reads, p.next_read_at limit batch_max
       for no key update skip locked
  ), asked as (
    select d.payment_intent, o.total_minor, o.currency::text as currency, o.updated_at as ended_at, d.created_at,
           o.status = 'pending' and o.hold_reason in ('awaiting_payment', 'payment_mismatch')
             and d.stripe_status is distinct from 'canceled' as waits,
           o.status in ('completed', 'cancelled', 'failed') and o.payment_status = 'unpaid'
             and coalesce(d.stripe_status, '') not in ('succeeded', 'canceled') as may_come_late
      from due as d join :"schema".orders as o on o.id = d.order_id
  ), taken as (
    update :"schema".payments as p
       set reads = p.reads + 1,
           next_read_at = case
             when d.waits then at + least(interval '1 day', greatest((at - d.created_at) / 10,
               least(interval '5 seconds' * power(2, least(p.reads, 10)), interval '5 minutes')))
             when d.may_come_late then at + least(greatest((at - d.ended_at) / 4, interval '5 minutes'), interval '7 days')
             else 'infinity' end
      from asked as d where p.payment_intent = d.payment_intent
    returning p.order_id, p.payment_intent, d.total_minor, d.currency, d.waits or d.may_come_late as wanted
  )
  select t.order_id, t.payment_intent, t.total_minor, t.currency from taken as t where t.wanted;
end $$;
