-- Purpose: says which PaymentIntent pays an order. A PaymentIntent pays one order, an order has one
--          that counts. Saying the same again changes nothing.
-- Locks:   the order, for no key update.
-- Rows:    one payment; or one finding with the reason.
-- Callers: service_role, the service.
create or replace function :"schema".attach_payment(order_uuid uuid, payment_intent_param text, options jsonb default '{}')
returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  locked :"schema".orders;
  who record;
  fault text := :"schema".payment_intent_fault(payment_intent_param);
begin
  perform :"schema".check_options(options, array['actor']);
  if fault is not null then
    raise exception 'payment_intent_param %', fault using errcode = '22023';
  end if;
  select * into who from :"schema".event_actor(options);
  select * into locked from :"schema".orders where id = order_uuid for no key update;
  if not found then
    raise exception 'no order %', order_uuid using errcode = 'PT404';
  end if;
  return :"schema".tie_payment(locked, payment_intent_param, who.actor, :"schema".clock_now());
end $$;
