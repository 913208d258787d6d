-- Purpose: draws the consequences of what Stripe says of one payment for its order, in the transaction
--          that stores it. While the goods are not bought a deviation holds the order, each with its own
--          reason; bought already, it is shown to a person; ended without goods, the money goes back.
--          What a person has put on the order stays. // C3, C4, C10, G2
-- Locks:   none of its own; the caller holds the order and then the payment.
-- Rows:    at most one change with its event, one finding with its alert, one move.
-- Callers: record_payments only, for the payments whose order does not stand as it should.
create or replace function :"schema".settle_payment(ordered :"schema".orders, payment :"schema".payments, by_worker text, at timestamptz)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  by_sign text[] := array['payment_refunded', 'payment_disputed', 'payment_in_review', 'fraud_warning'];
  bought boolean := ordered.status in ('submitted_to_zinc', 'processing', 'completed')
    or ordered.status = 'needs_review' and ordered.zinc_request_id is not null;
  ended boolean := ordered.status in ('cancelled', 'failed');
  deviation text := case when payment.deviation = 'waiting' and ordered.payment_status in ('paid', 'authorized') then 'payment_undone'
                         else nullif(payment.deviation, 'waiting') end;
  mirror text := :"schema".payment_word(ordered, payment);
  hold text := ordered.hold_reason;
  change jsonb := '{}';
begin
  if not bought and not ended then
    hold := case
      -- What a person must see is not replaced by what ends by itself.
      when deviation is not null and (hold is null or :"schema".ends_by_facts(hold) or hold = any (by_sign) and deviation = any (by_sign)) then deviation
      when payment.deviation is null and :"schema".ends_by_facts(hold) then null
      when payment.deviation = 'waiting' and ordered.payment_status = 'unpaid' and ordered.status = 'pending' and :"schema".ends_by_facts(hold)
        then 'awaiting_payment'
      else hold end;
    if hold is distinct from ordered.hold_reason then
      change := jsonb_build_object('hold_reason', hold);
      perform :"schema".close_finding(ordered.id, array[ordered.hold_reason], at);
    end if;
  end if;
  if mirror <> ordered.payment_status then
    change := change || jsonb_build_object('payment_status', mirror);
  end if;
  if change <> '{}' then
    perform :"schema".write_event(ordered.id, ordered.version,
      case when not change ? 'hold_reason' or hold = 'awaiting_payment' then 'payment_changed' when hold is null then 'payment_confirmed' else 'payment_mismatched' end,
      ordered.status, ordered.status, jsonb_strip_nulls(jsonb_build_object('payment_intent', payment.payment_intent,
        'stripe_status', payment.stripe_status, 'received_minor', payment.amount_received, 'deviation', deviation))
        || jsonb_build_object('set', change),
      case when change ? 'hold_reason' and hold is null then :"schema".due_when_released(ordered, at) end, at, 'engine/' || by_worker, 'options');
  end if;
  perform :"schema".report_payment(ordered, payment, deviation, bought, by_worker, at);
  if ended and payment.live then
    perform :"schema".return_money(ordered.id,
      case when ordered.payment_status = 'unpaid' and payment.stripe_status = 'succeeded' then 'paid_after_end' else 'order_ended' end,
      'the order ended without goods: ' || ordered.status, false, 'engine/' || by_worker, 'options', at);
  elsif payment.deviation = 'waiting' and payment.stripe_status = 'requires_capture' and ordered.status = 'pending'
        and ordered.capture_when = 'before_purchase' and hold = 'awaiting_payment'
        -- Once by itself; after that a person decides. // G28
        and not exists (select from :"schema".money_moves as m where m.payment_intent = payment.payment_intent and m.kind = 'capture') then
    perform :"schema".plan_move(ordered.id, payment.payment_intent, 'capture', ordered.total_minor, 'payment_authorised',
      'captured before the purchase', 'open', 'engine/' || by_worker, 'options', at);
  end if;
  return case when change ? 'hold_reason' and hold is null then 'paid'
              when change ? 'hold_reason' and hold <> 'awaiting_payment' then 'mismatch'
              when change <> '{}' then 'changed' end;
end $$;
