-- Purpose: takes a caller's idempotency key, or gives the answer stored under it. Another request
--          under the same key is refused with 422.
-- Locks:   the key's row: a parallel call waits until the first one has its answer.
-- Rows:    one key.
-- Callers: place_order only.
create or replace function :"schema".take_idempotency_key(options jsonb, taken_at timestamptz)
returns jsonb
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  the_caller text := coalesce(options ->> 'caller', '');
  the_key text := options ->> 'idempotency_key';
  the_digest bytea := decode(options ->> 'request_digest', 'hex');
  found_key idempotency_keys;
begin
  insert into idempotency_keys (caller, key, digest, answer, created_at)
  values (the_caller, the_key, the_digest, 'null', taken_at)
  on conflict (caller, key) do nothing;
  if found then
    return null;
  end if;
  select * into strict found_key from idempotency_keys where caller = the_caller and key = the_key;
  if found_key.digest <> the_digest then
    raise exception 'the Idempotency-Key was used for another request'
      using errcode = 'PT422', hint = 'Use a new key for a new order; repeat the same body to repeat a request.';
  end if;
  return found_key.answer || '{"replayed": true}';
end $$;
