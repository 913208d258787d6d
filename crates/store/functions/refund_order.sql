-- Purpose: a person returns money of an order, all that is left of it or a part. It is intended at once
--          under its own key and sent by an engine; repeated clicks intend it once. // C6, G28, G35
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
  first_state text;
  new_id uuid;
begin
  perform :"schema".check_options(options, array['actor']);
  if reason_param is null or objection is not null then
    raise exception 'reason_param %', coalesce(objection, 'must say why, in 1 to 300 characters') using errcode = '22023';
  end if;
  if amount_minor_param < 1 then
    raise exception 'amount_minor_param must be at least 1; leave it out to return all that is left' using errcode = '22023';
  end if;
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
  if standing.id is not null and (amount_minor_param is null or amount_minor_param = standing.amount_minor) then
    return jsonb_build_object('success', true, 'duplicate', true, 'order_id', order_uuid, 'move_id', standing.id,
      'amount_minor', standing.amount_minor, 'state', standing.state);
  end if;
  objection := case
    when locked.status not in ('completed', 'cancelled', 'failed') then 'may_be_bought'
    when intent is null then 'nothing_was_received'
    when exists (select from :"schema".payments as p where p.payment_intent = intent and p.dispute in ('open', 'lost')) then 'payment_disputed'
    when standing.id is not null then 'refund_under_way'
    when coalesce(remaining, 0) < amount or remaining < 1 then 'more_than_is_left' end;
  if objection is not null then
    return :"schema".refusal(objection, 'this refund cannot be made now: ' || objection, case objection
        when 'may_be_bought' then 'Something may be bought for this money. Cancel the order: the money goes back when it is certain that nothing was bought.'
        when 'refund_under_way' then 'Wait until the refund under way has ended, then look again at what is left.'
        when 'payment_disputed' then 'The customer''s bank takes the money itself. See the dispute at Stripe.'
        when 'nothing_was_received' then 'No payment of this order has succeeded.'
        else 'Ask for no more than what is left.' end,
      jsonb_build_object('order_id', order_uuid, 'status', locked.status, 'left_minor', remaining, 'currency', locked.currency));
  end if;
  first_state := case when :"schema".needs_approval(order_uuid, intent, amount, true) then 'awaiting_approval' else 'open' end;
  new_id := :"schema".plan_move(order_uuid, intent, 'refund', amount, 'person', reason_param, first_state, who.actor, who.actor_source, at);
  return jsonb_build_object('success', true, 'duplicate', false, 'order_id', order_uuid, 'move_id', new_id,
    'amount_minor', amount, 'state', first_state);
end $$;
