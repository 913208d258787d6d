-- Purpose: says which PaymentIntent pays an order. A PaymentIntent pays one order, an order has one
--          that counts. Saying the same again changes nothing.
-- Locks:   the order, for no key update.
-- Rows:    one payment, or none with the reason.
-- Callers: service_role, the service.
create or replace function :"schema".attach_payment(order_uuid uuid, payment_intent_param text, options jsonb default '{}')
returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz := :"schema".clock_now();
  locked :"schema".orders;
  facts jsonb := jsonb_build_object('order_id', order_uuid, 'payment_intent', payment_intent_param);
begin
  if payment_intent_param is null or payment_intent_param !~ '^pi_[A-Za-z0-9_]{1,250}$' then
    raise exception 'payment_intent_param must be a Stripe PaymentIntent id such as pi_3Abc' using errcode = '22023';
  end if;
  select * into locked from :"schema".orders where id = order_uuid for no key update;
  if not found then
    raise exception 'no order %', order_uuid using errcode = 'PT404';
  end if;
  if exists (select from :"schema".payments where payment_intent = payment_intent_param and order_id = order_uuid) then
    return jsonb_build_object('success', true, 'duplicate', true, 'order_id', order_uuid);
  end if;
  if locked.payment_status <> 'unpaid' or locked.status <> 'pending' then
    return :"schema".refusal('payment_not_awaited', 'this order does not wait for a payment', null,
      jsonb_build_object('order_id', order_uuid, 'status', locked.status, 'payment_status', locked.payment_status));
  end if;
  if exists (select from :"schema".payments as p where p.order_id = order_uuid and p.live) then
    return :"schema".refusal('payment_taken', 'another PaymentIntent pays this order', 'Cancel the order, or have that one paid.', facts);
  end if;
  insert into :"schema".payments (payment_intent, order_id, next_read_at, created_at)
  values (payment_intent_param, order_uuid, at, at)
  on conflict (payment_intent) do nothing;
  if not found then
    return :"schema".refusal('payment_taken', 'this PaymentIntent pays another order', 'One PaymentIntent pays one order.', facts);
  end if;
  return jsonb_build_object('success', true, 'duplicate', false, 'order_id', order_uuid);
end $$;
