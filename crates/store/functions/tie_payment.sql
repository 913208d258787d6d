-- Purpose: ties a PaymentIntent to an order that somebody has locked, recognises it as the same, or
--          refuses it. A refusal is kept as a finding, whatever its reason: money may have been taken
--          that buys nothing. // C1
--          A PaymentIntent that Stripe canceled or does not know counts no more once another one is named.
-- Locks:   none of its own; the caller holds the order.
-- Rows:    one payment, or two; one change with its event when a lapsed one is replaced; or one finding.
-- Callers: attach_payment, repeated_order, adopt_payment.
create or replace function :"schema".tie_payment(
  locked :"schema".orders, intent text, named_by text, at timestamptz
) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  reason text;
  facts jsonb := jsonb_build_object('order_id', locked.id, 'payment_intent', intent, 'status', locked.status,
                                    'payment_status', locked.payment_status);
begin
  if exists (select from :"schema".payments as p where p.payment_intent = intent and p.order_id = locked.id and p.live) then
    return jsonb_build_object('success', true, 'duplicate', true, 'order_id', locked.id);
  end if;
  reason := case
    when exists (select from :"schema".payments as p where p.order_id = locked.id and p.live
                  and coalesce(p.stripe_status, '') not in ('canceled', 'not_found')) then 'second_payment'
    -- Of an order that ended unbought it is tied, so that its money goes back. // B10
    when locked.status not in ('pending', 'cancelled', 'failed') or locked.status = 'pending' and locked.payment_status not in ('unpaid', 'failed')
      then 'payment_not_awaited'
    when exists (select from :"schema".payments as p where p.payment_intent = intent) then 'payment_taken' end;
  if reason is null then
    -- Nothing is given up before the new one is surely this order's.
    insert into :"schema".payments (payment_intent, order_id, live, next_read_at, created_at)
    values (intent, locked.id, false, at, at)
    on conflict (payment_intent) do nothing;
    if found then
      update :"schema".payments as p set live = false where p.order_id = locked.id and p.live;
      update :"schema".payments as p set live = true where p.payment_intent = intent;
      if locked.status = 'pending' and (locked.hold_reason in ('payment_canceled', 'payment_undone', 'authorisation_ending')
         or locked.payment_status = 'failed') then
        perform :"schema".close_finding(locked.id, array['payment_canceled', 'payment_undone', 'authorisation_ending', 'payment_not_found'], at);
        -- What only a person ends stays until he does.
        perform :"schema".write_event(locked.id, locked.version, 'order_held', 'pending', 'pending', jsonb_build_object(
          'payment_intent', intent, 'set', jsonb_build_object('payment_status', 'unpaid', 'hold_reason',
            case when :"schema".ends_by_facts(locked.hold_reason) is false then locked.hold_reason else 'awaiting_payment' end)),
          null, at, named_by, 'options');
      end if;
      return jsonb_build_object('success', true, 'duplicate', false, 'order_id', locked.id);
    end if;
    reason := 'payment_taken';
  end if;
  perform :"schema".open_finding(locked.id, reason, intent, facts, named_by, at, case reason
    when 'second_payment' then 'A second PaymentIntent was named for this order. See at Stripe whether the customer paid twice; refund the one too many.'
    when 'payment_taken' then 'The shop named the PaymentIntent of another order for this one. See which of both it really pays.'
    else 'A PaymentIntent was named for an order that waits for none. See at Stripe whether it was paid, and refund it.' end);
  return :"schema".refusal(reason, case reason
      when 'second_payment' then 'another PaymentIntent pays this order'
      when 'payment_taken' then 'this PaymentIntent pays another order'
      else 'this order does not wait for a payment' end,
    case reason
      when 'second_payment' then 'Cancel this PaymentIntent at Stripe, and have the other one paid; or cancel the order.'
      when 'payment_taken' then 'One PaymentIntent pays one order.'
      else 'Cancel or refund the PaymentIntent at Stripe.' end, facts);
end $$;
