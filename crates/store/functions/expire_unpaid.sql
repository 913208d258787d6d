-- Purpose: ends orders that nobody paid. First the PaymentIntent is cancelled at Stripe; only when
--          Stripe has confirmed that, the order is cancelled: money that arrives in between pays it. An
--          order without any PaymentIntent is cancelled at once. The setting expire_unpaid_after_s says
--          after how long; 0 is never, and nothing is ended while the shop is held. // B10, G22
--          A PaymentIntent that Stripe does not know proves nothing (our key may be another account's), and
--          one that names another order, or none, is not ours to cancel: these orders wait for a person.
-- Locks:   orders in id order, for no key update, skip locked; then their payments.
-- Rows:    at most batch_max moves or cancelled orders, each with its event.
-- Callers: the service's engine.
create or replace function :"schema".expire_unpaid(worker_param text, batch_max integer) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz := :"schema".clock_now();
  after_s bigint := :"schema".setting_number('expire_unpaid_after_s');
  one record;
  worked integer := 0;
begin
  if after_s = 0 or exists (select from :"schema".shop as s where s.one and s.held_since is not null) then
    return 0;
  end if;
  for one in
    select o.id, o.version, p.payment_intent, p.stripe_status
      from :"schema".orders as o left join :"schema".payments as p on p.order_id = o.id and p.live
     where o.status = 'pending' and o.payment_status = 'unpaid' and o.hold_reason in ('awaiting_payment', 'payment_canceled')
       and greatest(o.created_at, p.created_at) < at - after_s * interval '1 second' and o.created_at < at - after_s * interval '1 second'
       and (p.payment_intent is null or p.stripe_status = 'canceled'
            -- What is reserved or under way is nearly paid.
            or coalesce(p.stripe_status, '') not in ('requires_capture', 'processing', 'succeeded', 'not_found')
             and (p.stripe_status is null or p.named_order = o.id::text) and not exists (select from :"schema".money_moves as m
             where m.payment_intent = p.payment_intent))
       and :"schema".forgotten_purchase(o.id) is null
     order by o.created_at, o.id limit batch_max
       for no key update of o skip locked
  loop
    if one.payment_intent is null or one.stripe_status = 'canceled' then
      perform :"schema".write_event(one.id, one.version, 'order_cancelled', 'pending', 'cancelled',
        jsonb_build_object('reason', 'not paid in time', 'set', '{"hold_reason": null}'::jsonb), null, at, 'engine/' || worker_param, 'options');
      perform :"schema".close_finding(one.id, null, at);
    else
      perform :"schema".plan_move(one.id, one.payment_intent, 'cancel', 0, 'unpaid_too_long', 'not paid in time', 'open',
        'engine/' || worker_param, 'options', at);
    end if;
    worked := worked + 1;
  end loop;
  return worked;
end $$;
