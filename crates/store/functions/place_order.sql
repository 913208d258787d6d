-- Purpose: births an order with its lines, its private part and its payment, all or nothing.
--          The same order number with the same content is a duplicate: nothing changes, except that
--          a PaymentIntent named now is tied to it. With other content it is refused.
--          options.idempotency_key (with options.caller and options.request_digest) gives the stored
--          answer of the first call. // G30
-- Locks:   the caller's key; the new rows: a parallel call with the same number, id, PaymentIntent or
--          key waits for this one; of a duplicate that names a PaymentIntent the order.
-- Rows:    one order, one event, its items, one private row, at most one payment and one key; or one
--          payment of a duplicate; or one finding.
-- Callers: service_role, the service.
create or replace function :"schema".place_order(order_param jsonb, options jsonb default '{}')
returns jsonb
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  placed_at timestamptz := :"schema".clock_now();
  who record;
  stored jsonb;
  has_key boolean := options ?| array['idempotency_key', 'caller', 'request_digest'];
  broken text;
begin
  perform :"schema".check_options(options, array['actor', 'order_id', 'idempotency_key', 'caller', 'request_digest']);
  select * into who from :"schema".event_actor(options);
  if has_key then
    stored := :"schema".take_idempotency_key(options, placed_at);
    if stored is not null then
      return stored;
    end if;
  end if;
  perform :"schema".check_order_content(order_param);
  begin
    stored := :"schema".insert_order(order_param, placed_at, who.actor, who.actor_source, (options ->> 'order_id')::uuid);
  exception when unique_violation then
    get stacked diagnostics broken = constraint_name;
    stored := :"schema".refuse_birth(broken, order_param, who.actor);
    if stored is null then
      raise;
    end if;
  end;
  if has_key then
    update :"schema".idempotency_keys as k set answer = stored
     where k.caller = options ->> 'caller' and k.key = options ->> 'idempotency_key';
  end if;
  return stored;
end $$;
