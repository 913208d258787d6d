-- Purpose: what manually_complete_order does once it has the order's lock.
-- Locks:   the attempt, after the order that the caller has locked.
-- Rows:    see manually_complete_order.
-- Callers: manually_complete_order only.
create or replace function :"schema".complete_by_word(
  locked :"schema".orders, given_id text, reason_param text, options jsonb
) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  at timestamptz := :"schema".clock_now();
  open_attempt :"schema".order_attempts;
  who record;
  reason text;
  known_id text := coalesce(given_id, locked.zinc_request_id);
  facts jsonb;
begin
  select * into who from :"schema".event_actor(options);
  select * into open_attempt from :"schema".order_attempts as a where a.order_id = locked.id and a.settled_at is null;
  facts := jsonb_build_object('order_id', locked.id, 'status', locked.status, 'zinc_request_id', locked.zinc_request_id,
    'given_request_id', given_id, 'lease_expires_at', open_attempt.lease_expires_at);
  reason := case
    when given_id <> locked.zinc_request_id then 'request_id_conflict'
    when exists (select from :"schema".order_attempts as a where a.request_id = given_id
                  and (a.order_id <> locked.id or a.generation < locked.generation)) then 'request_id_conflict'
    when exists (select from :"schema".orders as o where o.zinc_request_id = given_id and o.id <> locked.id) then 'request_id_conflict'
    when locked.status in ('cancelled', 'failed') then 'order_' || locked.status
    when locked.status = 'completed' and given_id is not null and locked.zinc_request_id is null then 'request_id_conflict'
    when locked.status = 'completed' then null
    when locked.status = 'submitting' and open_attempt.lease_expires_at > at then 'lease_alive'
    when locked.status = 'pending' and given_id is null then 'nothing_was_bought'
    when known_id is null then 'request_id_needed'
  end;
  if reason is not null then
    if given_id is not null and reason <> 'lease_alive' then
      perform :"schema".open_finding(locked.id, reason, given_id, facts, who.actor, at,
        'An operator named a request id that does not fit this order. Look it up at the provider.');
    end if;
    return :"schema".refusal(reason, :"schema".refusal_by_word(reason, open_attempt.lease_expires_at, locked.status),
      'Nothing was changed. Look the order up at the provider and give the request id found there.', facts);
  end if;
  if locked.status = 'completed' then
    return jsonb_build_object('success', true, 'duplicate', true, 'order_id', locked.id, 'status', 'completed',
                              'zinc_request_id', locked.zinc_request_id);
  end if;
  if locked.status = 'pending' then
    perform :"schema".open_finding(locked.id, 'bought_outside', known_id, facts, who.actor, at,
      'A person says that this order was bought outside the system. Compare it with the provider''s list.');
  end if;
  perform :"schema".write_events(array[locked.id], array[locked.version], array['completed_by_person'], array[locked.status],
    array['completed'], array[jsonb_build_object('reason', reason_param, 'set',
      jsonb_build_object('zinc_request_id', known_id)
      || case when locked.status = 'needs_review' then '{"review_reason": null}'::jsonb else '{}' end
      || case when locked.hold_reason is not null then '{"hold_reason": null}'::jsonb else '{}' end)],
    array[null::timestamptz], at, who.actor, who.actor_source);
  update :"schema".order_attempts as a
     set outcome = case when a.calls > 0 then 'accepted' else a.outcome end,
         request_id = case when a.calls > 0 then coalesce(a.request_id, known_id) end,
         lease_token = null, lease_expires_at = null, settled_at = at,
         settled_by = case when a.calls > 0 then 'person' else 'never_sent' end
   where a.order_id = locked.id and a.settled_at is null;
  return jsonb_build_object('success', true, 'duplicate', false, 'order_id', locked.id, 'status', 'completed',
                            'zinc_request_id', known_id);
end $$;
