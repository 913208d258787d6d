-- Purpose: cancels an order of which certainly nothing was sent. Anything else is refused: it may be
--          bought, and a cancellation would be a guess. Money that was received for it is kept as a
--          finding: it is still to be returned. // C4, C5, G7
-- Locks:   the order, for no key update; then its attempt.
-- Rows:    one change, one event, at most one finding and, when one stands open and unsent, its attempt.
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
  if locked.status not in ('pending', 'needs_review') or exists (
    select from :"schema".order_attempts as a where a.order_id = order_uuid and a.settled_at is null and a.calls > 0)
  then
    return :"schema".refusal('may_be_bought', 'a purchase of this order exists or may exist', 'Settle the purchase first.',
      jsonb_build_object('order_id', order_uuid, 'status', locked.status));
  end if;
  select * into who from :"schema".event_actor(options);
  perform :"schema".write_events(array[order_uuid], array[locked.version], array['order_cancelled'], array[locked.status],
    array['cancelled'], array[jsonb_build_object('reason', reason_param, 'set',
      case when locked.status = 'needs_review' then '{"review_reason": null}'::jsonb else '{}' end)],
    array[null::timestamptz], at, who.actor, who.actor_source);
  update :"schema".order_attempts as a
     set settled_at = at, settled_by = 'never_sent', lease_token = null, lease_expires_at = null
   where a.order_id = order_uuid and a.settled_at is null;
  perform :"schema".owe_refund(locked, 'cancelled', who.actor, at);
  return jsonb_build_object('success', true, 'duplicate', false, 'order_id', order_uuid, 'status', 'cancelled');
end $$;
