-- Purpose: a person returns money of an order, all that is left of it or a part. It is intended at once
--          under its own key and sent by an engine. // C6, G28, G35
--          Whoever asks twice means it once, also when the first refund has long been made and its answer was
--          lost: two requests are one when they carry the same options.idempotency_key, or, without keys,
--          the same amount and the same reason.
--          Only of an order that has ended: completed, because goods came back, or ended without goods.
--          Of any other order something may still be bought for this money: cancel_order takes the wish,
--          and the money goes back by itself when it is certain that nothing was bought. // G7
--          Above the setting two_persons_above_minor a second person must approve it.
-- Locks:   the order, for no key update; then its payment.
-- Rows:    one move, one change, one event; or none.
-- Callers: service_role, the service, people.
create or replace function :"schema".refund_order(
  order_uuid uuid, amount_minor_param bigint default null, reason_param text default null, options jsonb default '{}'
) returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz;
  locked :"schema".orders;
  intent text;
  remaining bigint;
  amount bigint;
  objection text := :"schema".line_fault(reason_param, 300);
  who record;
  standing :"schema".money_moves;
  former :"schema".money_moves;
  caller_key text := options ->> 'idempotency_key';
  asked_as text;
  first_state text;
  new_id uuid;
begin
  perform :"schema".check_options(options, array['actor', 'idempotency_key']);
  if reason_param is null or objection is not null then
    raise exception 'reason_param %', coalesce(objection, 'must say why, in 1 to 300 characters') using errcode = '22023';
  end if;
  if amount_minor_param < 1 then
    raise exception 'amount_minor_param must be at least 1; leave it out to return all that is left' using errcode = '22023';
  end if;
  if :"schema".line_fault(caller_key, 255) is not null then
    raise exception 'options.idempotency_key %', :"schema".line_fault(caller_key, 255) using errcode = '22023';
  end if;
  asked_as := coalesce('key:' || caller_key, 'said:' || encode(sha256(convert_to(
    coalesce(amount_minor_param::text, 'all') || ' ' || reason_param, 'UTF8')), 'hex'));
  select * into locked from :"schema".orders where id = order_uuid for no key update;
  if not found then
    raise exception 'no order %', order_uuid using errcode = 'PT404';
  end if;
  at := :"schema".clock_now(); -- after the lock, so that history runs forward
  select p.payment_intent into intent from :"schema".payments as p
   where p.order_id = order_uuid and p.stripe_status = 'succeeded' and p.named_order = order_uuid::text order by p.live desc, p.created_at limit 1 for no key update;
  select m.* into standing from :"schema".money_moves as m
   where m.payment_intent = intent and m.kind = 'refund' and m.state not in ('done', 'refused', 'failed', 'withdrawn')
   order by m.amount_minor <> coalesce(amount_minor_param, m.amount_minor), m.created_at limit 1;
  remaining := :"schema".money_left(intent);
  amount := coalesce(amount_minor_param, remaining);
  select * into who from :"schema".event_actor(options);
  -- What was refused, failed or was withdrawn may be asked for again in the same words, but not with the same key.
  select m.* into former from :"schema".money_moves as m
   where m.order_id = order_uuid and m.request_key = asked_as
     and (caller_key is not null or m.state not in ('refused', 'failed', 'withdrawn'))
   order by m.created_at desc limit 1;
  if former.id is not null and former.reason = reason_param and former.amount_minor = coalesce(amount_minor_param, former.amount_minor) then
    return jsonb_build_object('success', true, 'duplicate', true, 'order_id', order_uuid, 'move_id', former.id,
      'amount_minor', former.amount_minor, 'state', former.state,
      'hint', 'This was asked for at ' || to_char(former.created_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC. Another refund needs another reason or another key.');
  end if;
  if caller_key is null and standing.id is not null and (amount_minor_param is null or amount_minor_param = standing.amount_minor) then
    return jsonb_build_object('success', true, 'duplicate', true, 'order_id', order_uuid, 'move_id', standing.id,
      'amount_minor', standing.amount_minor, 'state', standing.state);
  end if;
  objection := case
    when former.id is not null then 'idempotency_key_reused'
    when locked.status not in ('completed', 'cancelled', 'failed') then 'may_be_bought'
    when intent is null then 'nothing_was_received'
    when exists (select from :"schema".payments as p where p.payment_intent = intent and p.dispute in ('open', 'lost')) then 'payment_disputed'
    when standing.id is not null then 'refund_under_way'
    when coalesce(remaining, 0) < amount or remaining < 1 then 'more_than_is_left' end;
  if objection is not null then
    return :"schema".refusal(objection, 'this refund cannot be made now: ' || objection, case objection
        when 'idempotency_key_reused' then 'The key was used for another amount or reason. Use a new key for a new refund.'
        when 'may_be_bought' then 'Something may be bought for this money. Cancel the order: the money goes back when it is certain that nothing was bought.'
        when 'refund_under_way' then 'Wait until the refund under way has ended, then look again at what is left.'
        when 'payment_disputed' then 'The customer''s bank takes the money itself. See the dispute at Stripe.'
        when 'nothing_was_received' then 'No payment of this order has succeeded.'
        else 'Ask for no more than what is left.' end,
      jsonb_build_object('order_id', order_uuid, 'status', locked.status, 'left_minor', remaining, 'currency', locked.currency));
  end if;
  first_state := case when :"schema".needs_approval(order_uuid, intent, amount, true) then 'awaiting_approval' else 'open' end;
  new_id := :"schema".plan_move(order_uuid, intent, 'refund', amount, 'person', reason_param, first_state, who.actor, who.actor_source, at);
  update :"schema".money_moves as m set request_key = asked_as where m.id = new_id;
  return jsonb_build_object('success', true, 'duplicate', false, 'order_id', order_uuid, 'move_id', new_id,
    'amount_minor', amount, 'state', first_state);
end $$;
