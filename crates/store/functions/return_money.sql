-- Purpose: what an order that ended without goods owes to its payment: a refund of what was received
--          and not returned yet; the cancellation of a PaymentIntent that can still be paid or that only
--          reserves money; nothing when Stripe canceled it. It is intended once: after one that failed
--          or was refused a person decides, as about a payment that is disputed or names another order.
--          What a person has caused stands under the rule of two persons. // B10, C4, G7, G35
-- Locks:   the payment, for no key update, after the order that the caller has locked.
-- Rows:    at most one move with its event; at most one finding; the payment's next reading.
-- Callers: cancel_order, resolve_review, record_setbacks, record_readings, settle_payment.
create or replace function :"schema".return_money(
  order_uuid uuid, cause_param text, reason_param text, by_person boolean, asked_by text, asked_source text, at timestamptz
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  payment :"schema".payments;
  status_of_money text := (select o.payment_status from :"schema".orders as o where o.id = order_uuid);
  kind_needed text;
  amount bigint := 0;
begin
  select * into payment from :"schema".payments as p where p.order_id = order_uuid and p.live for no key update;
  if not found or payment.stripe_status = 'canceled' or payment.stripe_status = 'not_found' and status_of_money = 'unpaid' then
    return;
  end if;
  if payment.stripe_status is distinct from 'succeeded' then
    -- Money may come late, or be found again: it is read from now on as that of an ended order. Once: what was
    -- read since the end has its next reading already, and would else be read again and again without a pause.
    -- Where the end lies ahead, the clock was set back: until it is there, each reading seems to be one of before.
    update :"schema".payments as p
       set next_read_at = least(p.next_read_at, case when exists (select from :"schema".orders as o
             where o.id = order_uuid and o.updated_at > at) then at + interval '5 seconds' else at end)
     where p.payment_intent = payment.payment_intent
       and coalesce(p.read_at < (select o.updated_at from :"schema".orders as o where o.id = order_uuid), true);
  end if;
  if payment.stripe_status is not null and payment.named_order is distinct from order_uuid::text then
    -- It may be somebody else's money, or Stripe knows it no more: no machine touches it. // C1
    perform :"schema".open_finding(order_uuid, case payment.stripe_status when 'not_found' then 'refund_owed' else 'payment_names_another_order' end,
      payment.payment_intent, jsonb_build_object('named_order', payment.named_order, 'stripe_status', payment.stripe_status), asked_by, at,
      'The order ended without goods, and its payment names another order or is not found at Stripe. See there whose money it is; nothing of it is moved.');
    return;
  end if;
  if payment.dispute in ('open', 'lost') then
    perform :"schema".open_finding(order_uuid, 'disputed_and_ended', payment.payment_intent, jsonb_build_object('dispute', payment.dispute),
      asked_by, at, 'The order ended without goods, and the customer''s bank has disputed its payment: it takes the money itself. See at Stripe; refund what it does not take.');
    return;
  end if;
  kind_needed := case payment.stripe_status when 'succeeded' then 'refund' else 'cancel' end;
  if kind_needed = 'refund' then
    amount := :"schema".money_left(payment.payment_intent);
    if amount <= 0 then
      return;
    end if;
  end if;
  if exists (select from :"schema".money_moves as m where m.payment_intent = payment.payment_intent and m.kind = kind_needed
              and m.state in ('refused', 'failed', 'withdrawn') and m.cause <> 'person'
              and (kind_needed = 'refund' or coalesce(m.code, '') not in ('succeeded', 'canceled', 'not_wanted')))
  then
    perform :"schema".open_finding(order_uuid, kind_needed || '_owed', payment.payment_intent, jsonb_build_object('left_minor', amount), asked_by, at,
      case kind_needed when 'refund' then 'The order ended without goods and its money could not be returned. See why at Stripe, then orders refund.'
      else 'The order ended, and its PaymentIntent could not be cancelled. See at Stripe whether it can still be paid.' end);
    return;
  end if;
  perform :"schema".plan_move(order_uuid, payment.payment_intent, kind_needed, amount, cause_param, reason_param,
    case when kind_needed = 'refund' and :"schema".needs_approval(order_uuid, payment.payment_intent, amount, by_person)
      then 'awaiting_approval' else 'open' end, asked_by, asked_source, at);
end $$;
