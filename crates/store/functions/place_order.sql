-- Purpose: births an order with its lines, its private part and its payment, all or nothing.
--          The same order number with the same content changes nothing and says duplicate; with
--          other content it is refused. options.idempotency_key (with options.caller and
--          options.request_digest) gives the stored answer of the first call. // G30
-- Locks:   the new rows; a parallel call with the same number or key waits for this one.
-- Rows:    one order, one event, its items, one private row, at most one payment and one key.
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
  claimed_key boolean := options ? 'idempotency_key';
begin
  select * into who from :"schema".event_actor(options);
  if claimed_key then
    stored := :"schema".take_idempotency_key(options, placed_at);
    if stored is not null then
      return stored;
    end if;
  end if;
  perform :"schema".check_order_content(order_param);
  stored := :"schema".insert_order(order_param, placed_at, who.actor, who.actor_source, (options ->> 'order_id')::uuid);
  if claimed_key then
    update :"schema".idempotency_keys as k set answer = stored
     where k.caller = options ->> 'caller' and k.key = options ->> 'idempotency_key';
  end if;
  return stored;
end $$;
