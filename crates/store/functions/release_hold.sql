-- Purpose: ends a hold that a person may end; the order is due at once, or when its call under way has
--          surely ended. It cannot make an order paid: a hold for what the payment breaks ends by facts read
--          from Stripe only, but for a warning of fraud, which a person may take upon himself; and what a
--          person's hold has hidden of the payment holds the order next. // C2
--          Of a submission whose lease stands, alive or dead, the times stay: nobody has looked after
--          it, and the stuck query must find it. // ruling 13
-- Locks:   the order, for no key update; then its payment.
-- Rows:    one change and one event, or none when no hold stands.
-- Callers: service_role, the service, people.
create or replace function :"schema".release_hold(order_uuid uuid, options jsonb default '{}') returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz;
  locked :"schema".orders;
  payment :"schema".payments;
  next_hold text;
  who record;
begin
  perform :"schema".check_options(options, array['actor', 'note']);
  select * into locked from :"schema".orders where id = order_uuid for no key update;
  if not found then
    raise exception 'no order %', order_uuid using errcode = 'PT404';
  end if;
  at := :"schema".clock_now(); -- after the lock, so that history runs forward
  if locked.hold_reason is null then
    return jsonb_build_object('success', true, 'duplicate', true, 'order_id', order_uuid);
  end if;
  select * into payment from :"schema".payments as p where p.order_id = order_uuid and p.live for no key update;
  if :"schema".ends_by_facts(locked.hold_reason)
     or locked.hold_reason in ('payment_refunded', 'payment_disputed', 'payment_in_review') and payment.deviation = locked.hold_reason
  then
    return :"schema".refusal('payment_decides', 'this hold ends by a payment read at Stripe, not by a person', 'It is read again by itself until it is right.',
      jsonb_build_object('order_id', order_uuid, 'hold_reason', locked.hold_reason, 'deviation', payment.deviation));
  end if;
  -- What a person's hold has hidden shows when it ends: another hold, or what stood before it.
  next_hold := case
    when locked.hold_reason = 'cancel_requested' then (select e.data ->> 'hold_before' from :"schema".order_events as e
      where e.order_id = order_uuid and e.kind = 'cancel_requested' order by e.seq desc limit 1)
    when locked.status not in ('pending', 'submitting') then null
    when payment.deviation = 'waiting' or locked.payment_status = 'unpaid' then 'awaiting_payment'
    when payment.deviation is distinct from locked.hold_reason then payment.deviation end;
  select * into who from :"schema".event_actor(options);
  perform :"schema".write_events(array[order_uuid], array[locked.version], array['hold_released'], array[locked.status],
    array[locked.status], array[jsonb_build_object('note', options ->> 'note', 'set', jsonb_build_object('hold_reason', next_hold))],
    array[case when locked.status in ('pending', 'submitting') then :"schema".due_when_released(locked, at) else at end],
    at, who.actor, who.actor_source);
  perform :"schema".close_finding(order_uuid, array[locked.hold_reason], at);
  update :"schema".payments as p
     set warning_accepted = p.warning_accepted or locked.hold_reason = 'fraud_warning', next_read_at = at,
         -- A word of Stripe may have come while this waited for the payment. // C4
         stale_since = greatest(p.stale_since, at),
         deviation = case when locked.hold_reason = 'fraud_warning' then nullif(p.deviation, 'fraud_warning') else p.deviation end
   where p.order_id = order_uuid and p.live
     and (locked.hold_reason in ('fraud_warning', 'payment_refunded', 'payment_disputed', 'payment_in_review')
       -- What holds it next ends by a reading, and nobody may have wanted one while a person held it.
       or :"schema".ends_by_facts(next_hold));
  if locked.hold_reason = 'awaiting_funds' then
    -- Who releases it has funded the account.
    update :"schema".provider_accounts as p set paused_until = at
     where p.paused_code = 'insufficient_zma_balance' and p.paused_until > at;
  end if;
  return jsonb_build_object('success', true, 'duplicate', false, 'order_id', order_uuid, 'status', locked.status, 'hold_reason', next_hold);
end $$;
