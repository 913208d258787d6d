-- Purpose: compares some payments of Stripe's list with the orders, in both directions: money for no
--          order, money that an order does not know of, orders that count as paid without it. It
--          writes differences and never an amount or a status. Where the facts about a payment are
--          not those that were read, Stripe's list is taken like one of its messages that came now: the
--          payment must be read anew before anything is bought with it, and a reading that was asked for
--          before, however late it is stored, does not do. // G27, C11, C4
--          Facts are an array of objects: payment_intent, status, received_minor, capturable_minor,
--          refunded_minor, currency, livemode, named_order, disputed, in_review, created_s, changed_s
--          (the last change that the list dates). What was read or moved since the run began, or
--          changed within 15 minutes before it, may be on its way and opens no difference. Captures,
--          refunds, disputes and ends of reviews are dated by no list: what may come of one of them is
--          told when two comparisons have seen the same, 15 minutes apart at least.
-- Locks:   see tell_differences; then payments to be read anew, for no key update, in their order. None is
--          skipped: whoever holds one may be storing what was asked for before.
-- Rows:    see tell_differences; next_read_at and stale_since of payments whose facts are not the read ones.
-- Callers: the service's comparison.
create or replace function :"schema".reconcile_payments(run_at timestamptz, live_mode boolean, facts jsonb) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  calm_from timestamptz := run_at - interval '15 minutes';
  seen_at timestamptz := :"schema".clock_now(); -- after the list was read, and not when the run began
  found jsonb;
  doubted text[];
begin
  with listed as (
    select f.*, to_timestamp(f.created_s) as created_at,
           f.status = 'succeeded' and f.received_minor > f.refunded_minor
             or f.status = 'requires_capture' and f.capturable_minor > 0 as has_money,
           case f.status when 'succeeded' then f.received_minor else f.capturable_minor end as money_minor,
           to_timestamp(greatest(f.created_s, f.changed_s)) <= calm_from as calm,
           case when f.named_order ~ '^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$' then f.named_order::uuid end as named
      from jsonb_to_recordset(facts) as f (payment_intent text, status text, received_minor bigint, capturable_minor bigint,
        refunded_minor bigint, currency text, livemode boolean, named_order text, disputed boolean, in_review boolean,
        created_s bigint, changed_s bigint)
  ), known as (
    select l.*, o.id as order_id, o.status as order_status, o.payment_status, o.total_minor, o.currency as order_currency, o.capture_when,
           p.payment_intent is not null as tied, coalesce(p.live, false) as live, p.stripe_status, p.amount_refunded, p.dispute,
           p.payment_intent is null and exists (select from :"schema".payments as x where x.order_id = o.id and x.live
             and x.stripe_status is distinct from 'canceled') as has_another,
           p.live and (p.stripe_status is distinct from l.status or p.amount_received is distinct from l.received_minor
             or p.amount_capturable is distinct from l.capturable_minor or p.amount_refunded is distinct from l.refunded_minor
             or l.disputed and p.dispute is null or p.in_review is distinct from l.in_review) as doubted,
           -- Nothing that is dated is under way, and it was not looked at after the list was.
           l.calm and p.created_at <= calm_from and coalesce(p.read_at < run_at, true)
             and not exists (select from :"schema".money_moves as m where m.payment_intent = p.payment_intent
                              and (m.state in ('open', 'unknown', 'accepted') or m.settled_at > calm_from)) as settled
      from listed as l
      left join :"schema".payments as p on p.payment_intent = l.payment_intent
      left join :"schema".orders as o on o.id = coalesce(p.order_id, l.named)
  ), judged as (
    select k.*, d.kind, d.ripe, d.undated from known as k
     cross join lateral (values
       ('payment_without_order', k.has_money and not k.tied and k.order_id is null, k.calm, false),
       ('second_payment', k.has_money and (k.has_another or k.tied and not k.live), k.calm, false),
       ('payment_not_tied', k.has_money and not k.tied and k.order_id is not null and not k.has_another, k.calm, false),
       ('mode_differs', k.tied and k.has_money and k.livemode is distinct from live_mode, k.calm, false),
       ('order_differs', k.tied and k.has_money and k.named is distinct from k.order_id, k.calm, false),
       ('currency_differs', k.tied and k.has_money and k.currency is distinct from k.order_currency::text, k.calm, false),
       ('amount_differs', k.tied and k.has_money and k.money_minor is distinct from k.total_minor, k.calm, false),
       ('order_not_paid', k.live and k.order_status in ('pending', 'submitting', 'needs_review') and k.payment_status = 'unpaid'
         and (k.status = 'succeeded' or k.status = 'requires_capture' and k.capture_when = 'after_purchase')
         and k.livemode = live_mode and k.named = k.order_id and k.currency = k.order_currency::text and k.money_minor = k.total_minor
         and k.refunded_minor = 0 and not k.disputed and not k.in_review, k.settled, true),
       ('paid_after_end', k.live and k.has_money and k.order_status in ('cancelled', 'failed')
         and k.stripe_status is distinct from k.status, k.settled, true),
       ('paid_not_received', k.live
         and (k.payment_status in ('paid', 'refund_pending', 'partially_refunded', 'refunded', 'disputed') and k.status <> 'succeeded'
           or k.payment_status = 'authorized' and k.status not in ('requires_capture', 'succeeded')), k.settled, true),
       ('dispute_unknown', k.tied and k.disputed and k.dispute is null, k.settled, true),
       ('refunded_sum_differs', k.tied and k.status = 'succeeded' and k.refunded_minor <> coalesce(k.amount_refunded, 0)
         -- The refund that it comes from is told of already.
         and not exists (select from :"schema".differences as x where x.kind like 'refund\_%' and x.gone_at is null
                          and x.data ->> 'payment_intent' = k.payment_intent), k.settled, true)
       ) as d (kind, holds, ripe, undated)
     where d.holds
  )
  select (select array_agg(k.payment_intent) from known as k where k.doubted),
         (select jsonb_agg(jsonb_build_object('kind', j.kind, 'subject', j.payment_intent, 'order_id', j.order_id, 'about_at', j.created_at,
           'ripe', coalesce(j.ripe, false), 'undated', j.undated, 'data', jsonb_build_object('payment_intent', j.payment_intent, 'stripe_status', j.status,
             'received_minor', j.received_minor, 'capturable_minor', j.capturable_minor, 'refunded_minor', j.refunded_minor,
             'currency', j.currency, 'livemode', j.livemode, 'disputed', j.disputed, 'named_order', left(j.named_order, 100),
             'order_status', j.order_status, 'payment_status', j.payment_status, 'total_minor', j.total_minor,
             'order_currency', j.order_currency, 'refunded_known_minor', j.amount_refunded)))
            from judged as j)
    into doubted, found;
  if found is not null then
    perform :"schema".tell_differences(found, run_at);
  end if;
  with changed as (
    select p.payment_intent from :"schema".payments as p
     where p.payment_intent = any (doubted) and coalesce(p.read_at <= seen_at, true)
     order by p.payment_intent
       for no key update
  )
  update :"schema".payments as p
     set stale_since = greatest(p.stale_since, seen_at), next_read_at = least(p.next_read_at, seen_at)
    from changed as c where p.payment_intent = c.payment_intent;
end $$;
