-- Purpose: a second person approves a movement of money, anybody withdraws one of which nothing was
--          sent, or has a capture or a cancellation tried again that was not made. (Refunds: refund_order.) The approval names the amount that was seen, and a request older than a day is not
--          approved any more. // G35
-- Locks:   the order, for no key update; then the move.
-- Rows:    one move, one change, one event; or none.
-- Callers: service_role, the service, people.
create or replace function :"schema".decide_move(
  move_uuid uuid, decision_param text, amount_minor_param bigint, reason_param text default null, options jsonb default '{}'
) returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz;
  locked :"schema".orders;
  move :"schema".money_moves;
  who record;
  repeated uuid;
  twin record;
  objection text := :"schema".line_fault(reason_param, 300);
begin
  perform :"schema".check_options(options, array['actor']);
  if decision_param is null or decision_param not in ('approve', 'withdraw', 'again') then
    raise exception 'decision_param must be approve, withdraw or again' using errcode = '22023';
  end if;
  if objection is not null then
    raise exception 'reason_param %', objection using errcode = '22023';
  end if;
  select o.* into locked from :"schema".orders as o
   where o.id = (select m.order_id from :"schema".money_moves as m where m.id = move_uuid) for no key update;
  if not found then
    raise exception 'no money move %', move_uuid using errcode = 'PT404';
  end if;
  select * into strict move from :"schema".money_moves where id = move_uuid for no key update;
  at := :"schema".clock_now(); -- after the locks, so that history runs forward
  select * into who from :"schema".event_actor(options);
  if decision_param = 'approve' and move.approved_by = who.actor or decision_param = 'withdraw' and move.state = 'withdrawn' then
    return jsonb_build_object('success', true, 'duplicate', true, 'move_id', move_uuid, 'order_id', locked.id, 'state', move.state);
  end if;
  objection := case
    when amount_minor_param is distinct from move.amount_minor then 'other_amount'
    when decision_param = 'approve' and move.state <> 'awaiting_approval' then 'nothing_to_approve'
    when decision_param = 'approve' and move.requested_by = who.actor then 'same_person'
    when decision_param = 'approve' and move.created_at < at - interval '1 day' then 'request_too_old'
    when decision_param = 'again' and (move.kind = 'refund' or move.state not in ('refused', 'failed', 'withdrawn')) then 'nothing_to_repeat'
    when decision_param = 'withdraw' and (move.state not in ('awaiting_approval', 'waiting', 'open') or move.calls > 0
      or move.lease_expires_at > at) then 'may_be_sent' end;
  if objection is not null then
    return :"schema".refusal(objection, 'this cannot be decided so: ' || objection, case objection
        when 'same_person' then 'Another person than the one who asked must approve it.'
        when 'other_amount' then 'Look at the request again, and name its amount.'
        when 'request_too_old' then 'Withdraw it and ask anew.'
        else 'Look at the request again.' end,
      jsonb_build_object('move_id', move_uuid, 'order_id', locked.id, 'amount_minor', move.amount_minor, 'state', move.state));
  end if;
  if decision_param = 'again' then
    select m.id, m.state into twin from :"schema".money_moves as m
     where m.payment_intent = move.payment_intent and m.kind = move.kind and m.state not in ('refused', 'failed', 'withdrawn');
    if twin.id is null then
      repeated := :"schema".plan_move(locked.id, move.payment_intent, move.kind, move.amount_minor, 'person',
        coalesce(reason_param, 'tried again'), 'open', who.actor, who.actor_source, at);
      if repeated is null then
        return :"schema".refusal('names_another_order', 'the PaymentIntent does not name this order',
          'See at Stripe whose money it is, and name the right PaymentIntent for this order.',
          jsonb_build_object('move_id', move_uuid, 'order_id', locked.id, 'payment_intent', move.payment_intent));
      end if;
    end if;
    perform :"schema".close_finding(locked.id, array[move.kind || '_refused', move.kind || '_owed'], at);
    return jsonb_build_object('success', true, 'duplicate', twin.id is not null, 'move_id', coalesce(twin.id, repeated),
      'order_id', locked.id, 'state', coalesce(twin.state, 'open'));
  end if;
  perform :"schema".close_finding(locked.id, array['refund_awaits_approval'], at);
  update :"schema".money_moves as m
     set state = case decision_param when 'approve' then 'open' else 'withdrawn' end,
         approved_by = case decision_param when 'approve' then who.actor else m.approved_by end,
         due_at = case decision_param when 'approve' then at end, settled_at = case decision_param when 'withdraw' then at end,
         lease_token = null, lease_expires_at = null
   where m.id = move_uuid;
  perform :"schema".write_event(locked.id, locked.version, case decision_param when 'approve' then 'move_approved' else 'move_ended' end,
    locked.status, locked.status, jsonb_strip_nulls(jsonb_build_object('move_id', move_uuid, 'move', move.kind,
      'amount_minor', move.amount_minor, 'reason', reason_param, 'state', case decision_param when 'approve' then 'open' else 'withdrawn' end)),
    null, at, who.actor, who.actor_source);
  update :"schema".payments as p set next_read_at = at, stale_since = greatest(p.stale_since, at) where p.payment_intent = move.payment_intent;
  return jsonb_build_object('success', true, 'duplicate', false, 'move_id', move_uuid, 'order_id', locked.id,
    'state', case decision_param when 'approve' then 'open' else 'withdrawn' end);
end $$;
