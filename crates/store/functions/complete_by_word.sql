-- Purpose: what manually_complete_order does once it has the order's lock.
-- Locks:   the attempt, after the order that the caller has locked.
-- Rows:    see manually_complete_order.
-- Callers: manually_complete_order only.
create or replace function :"schema".complete_by_word(
  locked :"schema".orders, given_id text, reason_param text, said_by text, said_by_source text
) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  at timestamptz := :"schema".clock_now(); -- after the lock: the caller holds it
  open_attempt :"schema".order_attempts;
  lease_end timestamptz;
  reason text;
  known_id text := coalesce(given_id, locked.zinc_request_id);
begin
  select * into open_attempt from :"schema".order_attempts as a where a.order_id = locked.id and a.settled_at is null;
  -- What is left of a lease means nothing once the order is not being submitted any more.
  lease_end := case when locked.status = 'submitting' then open_attempt.lease_expires_at end;
  reason := case
    when given_id <> locked.zinc_request_id then 'request_id_conflict'
    when exists (select from :"schema".order_attempts as a where a.request_id = given_id
                  and (a.order_id <> locked.id or a.generation < locked.generation)) then 'request_id_conflict'
    when exists (select from :"schema".orders as o where o.zinc_request_id = given_id and o.id <> locked.id) then 'request_id_conflict'
    when locked.status in ('cancelled', 'failed') then 'order_' || locked.status
    when locked.status = 'completed' and given_id is not null and locked.zinc_request_id is null then 'request_id_conflict'
    when locked.status = 'completed' then null
    when lease_end > at then 'lease_alive'
    when locked.status = 'pending' and given_id is null then 'nothing_was_bought'
    when known_id is null then 'request_id_needed'
  end;
  if reason is not null then
    return :"schema".refuse_word(locked, reason, given_id, lease_end, said_by, at);
  end if;
  if locked.status = 'completed' then
    return jsonb_build_object('success', true, 'duplicate', true, 'order_id', locked.id, 'status', 'completed',
                              'zinc_request_id', locked.zinc_request_id);
  end if;
  if locked.status = 'pending' then
    perform :"schema".open_finding(locked.id, 'bought_outside', known_id, jsonb_build_object('order_id', locked.id,
        'status', locked.status, 'given_request_id', given_id), said_by, at,
      'A person says that this order was bought outside the system. Compare it with the provider''s list.');
  end if;
  perform :"schema".write_events(array[locked.id], array[locked.version], array['completed_by_person'], array[locked.status],
    array['completed'], array[jsonb_build_object('reason', reason_param, 'set',
      jsonb_build_object('zinc_request_id', known_id)
      || case when locked.status = 'needs_review' then '{"review_reason": null}'::jsonb else '{}' end
      || case when locked.hold_reason is not null then '{"hold_reason": null}'::jsonb else '{}' end)],
    array[null::timestamptz], at, said_by, said_by_source);
  update :"schema".order_attempts as a
     set outcome = case when a.calls > 0 then 'accepted' else a.outcome end,
         request_id = case when a.calls > 0 then coalesce(a.request_id, known_id) end,
         lease_token = null, lease_expires_at = null, settled_at = at,
         settled_by = case when a.calls > 0 then 'person' else 'never_sent' end
   where a.order_id = locked.id and a.settled_at is null;
  return jsonb_build_object('success', true, 'duplicate', false, 'order_id', locked.id, 'status', 'completed',
                            'zinc_request_id', known_id);
end $$;
