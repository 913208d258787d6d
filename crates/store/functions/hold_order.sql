-- Purpose: holds an order: nothing new is sent for it until the hold is released. A call that is
--          under way is not stopped; its answer is recorded and, if accepted, shown to a person.
-- Locks:   the order, for no key update.
-- Rows:    one change and one event, or none when the same hold stands.
-- Callers: service_role, the service, people.
create or replace function :"schema".hold_order(
  order_uuid uuid, reason_param text default 'operator', options jsonb default '{}'
) returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  locked :"schema".orders;
  who record;
begin
  perform :"schema".check_options(options, array['actor', 'note']);
  if reason_param is null or reason_param not in ('operator', 'disputed', 'scheduled') then
    raise exception 'reason_param must be operator, disputed or scheduled' using errcode = '22023';
  end if;
  select * into locked from :"schema".orders where id = order_uuid for no key update;
  if not found then
    raise exception 'no order %', order_uuid using errcode = 'PT404';
  end if;
  if locked.hold_reason = reason_param then
    return jsonb_build_object('success', true, 'duplicate', true, 'order_id', order_uuid, 'hold_reason', reason_param);
  end if;
  if locked.status in ('completed', 'cancelled', 'failed') or locked.hold_reason is not null then
    return :"schema".refusal('cannot_hold', 'the order has ended or is held for another reason', null, jsonb_build_object(
      'order_id', order_uuid, 'status', locked.status, 'hold_reason', locked.hold_reason));
  end if;
  select * into who from :"schema".event_actor(options);
  perform :"schema".write_events(array[order_uuid], array[locked.version], array['order_held'], array[locked.status],
    array[locked.status], array[jsonb_build_object('note', options ->> 'note', 'set', jsonb_build_object('hold_reason', reason_param))],
    array[null::timestamptz], :"schema".clock_now(), who.actor, who.actor_source);
  return jsonb_build_object('success', true, 'duplicate', false, 'order_id', order_uuid, 'hold_reason', reason_param);
end $$;
