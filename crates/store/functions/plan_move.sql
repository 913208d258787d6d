-- Purpose: intends a movement of money: the row with its amount and the name of its key, and the event
--          of its order, before anything is sent. Its id is derived from the shop's secret, the order
--          and its number, so that a restored database intends the same one again. // G28, C6
-- Locks:   the payment, for no key update, after the order that the caller has locked.
-- Rows:    one move, one change and one event; none and null when the PaymentIntent has its capture or
--          its cancellation already, names another order, or when a refund would exceed what is left of the money received.
-- Callers: return_money, refund_order, settle_payment, plan_captures, expire_unpaid.
create or replace function :"schema".plan_move(
  order_uuid uuid, intent text, kind_param text, amount bigint, cause_param text, reason_param text, first_state text,
  asked_by text, asked_source text, at timestamptz
) returns uuid
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  ordered :"schema".orders;
  payment :"schema".payments;
  number bigint;
  new_id uuid;
begin
  select * into strict ordered from :"schema".orders where id = order_uuid;
  select * into strict payment from :"schema".payments where payment_intent = intent for no key update;
  if kind_param = 'refund' and amount > :"schema".money_left(intent)
     or kind_param <> 'refund' and exists (select from :"schema".money_moves as m where m.payment_intent = intent
          and m.kind = kind_param and m.state not in ('refused', 'failed', 'withdrawn'))
     -- What names another order is not this one's money. // C1
     or payment.stripe_status is not null and payment.named_order is distinct from order_uuid::text
  then
    return null;
  end if;
  number := 1 + (select count(*) from :"schema".money_moves as m where m.order_id = order_uuid and m.kind = kind_param);
  select encode(substring(sha256(convert_to(concat_ws(':', s.value, 'money_move', order_uuid, kind_param, number), 'UTF8')) for 16), 'hex')::uuid
    into strict new_id from :"schema".settings as s where s.name = 'shop_secret';
  insert into :"schema".money_moves (id, order_id, payment_intent, kind, amount_minor, currency, cause, reason, requested_by,
                           state, due_at, created_at)
  values (new_id, order_uuid, intent, kind_param, amount, coalesce(payment.currency, ordered.currency), cause_param, reason_param,
          asked_by, first_state, case first_state when 'awaiting_approval' then at + interval '1 day' else at end, at);
  perform :"schema".write_event(order_uuid, ordered.version, 'move_planned', ordered.status, ordered.status,
    jsonb_build_object('move_id', new_id, 'move', kind_param, 'payment_intent', intent, 'amount_minor', amount, 'cause', cause_param,
      'reason', reason_param, 'state', first_state, 'set', case when kind_param = 'refund'
        and ordered.payment_status in ('paid', 'partially_refunded') then '{"payment_status": "refund_pending"}'::jsonb else '{}' end),
    null, at, asked_by, asked_source);
  if first_state = 'awaiting_approval' then
    perform :"schema".open_finding(order_uuid, 'refund_awaits_approval', new_id::text, jsonb_build_object('amount_minor', amount, 'reason', reason_param),
      asked_by, at, 'A refund above the limit waits for a second person, for a day: payments approve, or withdraw.');
  end if;
  return new_id;
end $$;
