-- Purpose: ends a hold that a person may end; the order is due at once, or when its call under way has
--          surely ended. It cannot make an order paid: awaiting_payment and payment_mismatch end by
--          facts read from Stripe only. // C2
--          Of a submission whose lease stands, alive or dead, the times stay: nobody has looked after
--          it, and the stuck query must find it. // ruling 13
-- Locks:   the order, for no key update.
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
  open_attempt :"schema".order_attempts;
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
  if locked.hold_reason in ('awaiting_payment', 'payment_mismatch') then
    return :"schema".refusal('payment_decides', 'this hold ends by a payment read at Stripe, not by a person', 'It is read again by itself until it is right.',
      jsonb_build_object('order_id', order_uuid, 'hold_reason', locked.hold_reason));
  end if;
  select * into who from :"schema".event_actor(options);
  select * into open_attempt from :"schema".order_attempts as a where a.order_id = order_uuid and a.settled_at is null;
  perform :"schema".write_events(array[order_uuid], array[locked.version], array['hold_released'], array[locked.status],
    array[locked.status], array[jsonb_build_object('note', options ->> 'note', 'set', '{"hold_reason": null}'::jsonb)],
    array[case when locked.status = 'submitting' and open_attempt.lease_token is not null then null
               else greatest(at, open_attempt.call_deadline_at + :"schema".setting_ms('processing_bound_ms')) end],
    at, who.actor, who.actor_source);
  if locked.hold_reason = 'awaiting_funds' then
    -- Who releases it has funded the account.
    update :"schema".provider_accounts as p set paused_until = at
     where p.paused_code = 'insufficient_zma_balance' and p.paused_until > at;
  end if;
  return jsonb_build_object('success', true, 'duplicate', false, 'order_id', order_uuid, 'status', locked.status);
end $$;
