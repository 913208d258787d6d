-- Purpose: a person's way out of review, one decision at a time, each with its reason in the history:
--          nothing_was_bought  settles the last attempt by the person's evidence; the order stays;
--          buy_again           a new attempt with a new key, only when the last one is settled;
--          watch_on            goes on watching a purchase that the provider has accepted;
--          give_up             ends the order as failed, only when the last attempt is settled, and sends
--                              its money back.
--          So nobody buys again by one click while an earlier purchase is open or unknown. // A11, G6
-- Locks:   the order, for no key update; then its attempt, its payment.
-- Rows:    one change, one event and, when it is settled, one attempt; at most one move.
-- Callers: service_role, the service, people.
create or replace function :"schema".resolve_review(
  order_uuid uuid, decision_param text, reason_param text, options jsonb default '{}'
) returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  decided_at timestamptz;
  locked :"schema".orders;
  open_attempt :"schema".order_attempts;
  who record;
  refused jsonb;
  objection text := :"schema".line_fault(reason_param, 500);
  after text := case decision_param when 'buy_again' then 'pending' when 'watch_on' then 'submitted_to_zinc'
                  when 'give_up' then 'failed' else 'needs_review' end;
begin
  perform :"schema".check_options(options, array['actor']);
  if decision_param is null or decision_param not in ('nothing_was_bought', 'buy_again', 'watch_on', 'give_up') then
    raise exception 'decision_param must be nothing_was_bought, buy_again, watch_on or give_up' using errcode = '22023';
  end if;
  if reason_param is null or char_length(btrim(reason_param)) not between 10 and 500 then
    raise exception 'reason_param must say in 10 to 500 characters how this is known' using errcode = '22023';
  end if;
  if objection is not null then
    raise exception 'reason_param %', objection using errcode = '22023';
  end if;
  select * into locked from :"schema".orders where id = order_uuid for no key update;
  if not found then
    raise exception 'no order %', order_uuid using errcode = 'PT404';
  end if;
  select * into open_attempt from :"schema".order_attempts as a where a.order_id = order_uuid and a.settled_at is null for no key update;
  decided_at := :"schema".clock_now(); -- after the locks, so that history runs forward
  objection := case
    when locked.status <> 'needs_review' then 'not_in_review'
    when decision_param = 'nothing_was_bought' and open_attempt.order_id is null then 'already_settled'
    when decision_param = 'nothing_was_bought' and open_attempt.call_deadline_at + :"schema".setting_ms('processing_bound_ms') > decided_at
      then 'call_may_still_run'
    when decision_param = 'watch_on' and (open_attempt.order_id is null or locked.zinc_request_id is null) then 'nothing_accepted'
    when decision_param in ('buy_again', 'give_up') and open_attempt.order_id is not null then 'attempt_unsettled'
    when decision_param in ('buy_again', 'watch_on') and locked.hold_reason = 'cancel_requested' then 'cancel_requested'
    when decision_param = 'buy_again' and locked.generation >= :"schema".setting_number('generations_max') then 'attempts_exhausted'
    when decision_param = 'buy_again' and locked.payment_status not in ('paid', 'authorized') then 'order_unpaid'
  end;
  if objection is null and (decision_param = 'give_up' or locked.hold_reason = 'cancel_requested') then
    refused := :"schema".objection_to_ending(locked);
    if refused is not null then
      return refused;
    end if;
  end if;
  if objection is not null then
    return :"schema".refusal(objection, 'this decision cannot be taken now: ' || objection,
      'An attempt that may have bought is settled first, with nothing_was_bought and how that is known.',
      jsonb_build_object('order_id', order_uuid, 'status', locked.status, 'review_reason', locked.review_reason,
        'zinc_request_id', locked.zinc_request_id, 'outcome', open_attempt.outcome));
  end if;
  -- Nothing was bought, and somebody wants it cancelled: that is its end. // C5
  after := case when decision_param = 'nothing_was_bought' and locked.hold_reason = 'cancel_requested' then 'cancelled' else after end;
  select * into who from :"schema".event_actor(options);
  perform :"schema".write_events(array[order_uuid], array[locked.version], array['review_resolved'], array['needs_review'],
    array[after], array[jsonb_build_object('decision', decision_param, 'reason', reason_param, 'set',
      jsonb_build_object('review_reason', case when after = 'needs_review' then decision_param end)
      || case when after in ('cancelled', 'failed') and locked.hold_reason is not null then '{"hold_reason": null}'::jsonb else '{}' end
      || case when decision_param in ('nothing_was_bought', 'buy_again') then '{"zinc_request_id": null}'::jsonb else '{}' end)],
    array[case when after = 'needs_review' then null else decided_at end], decided_at, who.actor, who.actor_source);
  if decision_param = 'nothing_was_bought' then
    update :"schema".order_attempts as a
       set outcome = case when coalesce(a.request_id, locked.zinc_request_id) is null then 'refused' else 'accepted' end,
           request_id = coalesce(a.request_id, locked.zinc_request_id), settled_at = decided_at, settled_by = 'person',
           lease_token = null, lease_expires_at = null
     where a.order_id = order_uuid and a.settled_at is null;
  end if;
  if after in ('cancelled', 'failed') then
    perform :"schema".close_finding(order_uuid, null, decided_at);
    perform :"schema".return_money(order_uuid, 'order_ended', left(reason_param, 300), true, who.actor, who.actor_source, decided_at);
  end if;
  return jsonb_build_object('success', true, 'duplicate', false, 'order_id', order_uuid, 'status', after);
end $$;
