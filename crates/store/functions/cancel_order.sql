-- Purpose: cancels an order of which certainly nothing was sent, and sends its money back: a refund of
--          what was received, or the cancellation of its PaymentIntent, so that it cannot be paid any more.
--          Of an order that may be bought it stores the wish: nothing new is sent, and when the purchase
--          is settled as not bought the order ends cancelled. Nothing is refunded before, nor while the database may have forgotten a purchase. // C4, C5, G7, G22
-- Locks:   the order, for no key update; then its attempt, its payment.
-- Rows:    one change, one event; at most one attempt settled, one move, one alert.
-- Callers: service_role, the service, people.
create or replace function :"schema".cancel_order(
  order_uuid uuid, reason_param text default null, options jsonb default '{}'
) returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz;
  locked :"schema".orders;
  who record;
  objection jsonb;
  fault text := :"schema".line_fault(reason_param, 300);
begin
  perform :"schema".check_options(options, array['actor']);
  if fault is not null then
    raise exception 'reason_param %', fault using errcode = '22023';
  end if;
  select * into locked from :"schema".orders where id = order_uuid for no key update;
  if not found then
    raise exception 'no order %', order_uuid using errcode = 'PT404';
  end if;
  at := :"schema".clock_now(); -- after the lock, so that history runs forward
  if locked.status = 'cancelled' then
    return jsonb_build_object('success', true, 'duplicate', true, 'order_id', order_uuid, 'status', 'cancelled');
  end if;
  if locked.status in ('pending', 'needs_review') then
    objection := :"schema".objection_to_ending(locked);
    if objection is not null then
      return objection;
    end if;
  end if;
  select * into who from :"schema".event_actor(options);
  if locked.status not in ('pending', 'needs_review') or exists (
    select from :"schema".order_attempts as a where a.order_id = order_uuid and a.settled_at is null and a.calls > 0)
  then
    return :"schema".ask_to_cancel(locked, reason_param, who.actor, who.actor_source, at);
  end if;
  perform :"schema".write_events(array[order_uuid], array[locked.version], array['order_cancelled'], array[locked.status],
    array['cancelled'], array[jsonb_build_object('reason', reason_param, 'set',
      case when locked.status = 'needs_review' then '{"review_reason": null}'::jsonb else '{}' end
      || case when locked.hold_reason is not null then '{"hold_reason": null}'::jsonb else '{}' end)],
    array[null::timestamptz], at, who.actor, who.actor_source);
  update :"schema".order_attempts as a
     set settled_at = at, settled_by = 'never_sent', lease_token = null, lease_expires_at = null
   where a.order_id = order_uuid and a.settled_at is null;
  perform :"schema".close_finding(order_uuid, null, at);
  perform :"schema".return_money(order_uuid, 'order_ended', coalesce(reason_param, 'the order was cancelled'), true,
    who.actor, who.actor_source, at);
  return jsonb_build_object('success', true, 'duplicate', false, 'order_id', order_uuid, 'status', 'cancelled');
end $$;
