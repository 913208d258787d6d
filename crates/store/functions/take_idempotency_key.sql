-- Purpose: takes a caller's idempotency key, or gives the answer stored under it. Another request
--          under the same key is refused with 422. A stored refusal is an error again. // G30, ruling 19
-- Locks:   the key's row: a parallel call waits until the first one has its answer.
-- Rows:    one key.
-- Callers: place_order only.
create or replace function :"schema".take_idempotency_key(options jsonb, taken_at timestamptz)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  the_caller text := options ->> 'caller';
  the_key text := options ->> 'idempotency_key';
  the_digest bytea;
  found_key :"schema".idempotency_keys;
begin
  if coalesce(char_length(the_key), 0) not between 1 and 255 or coalesce(char_length(the_caller), 0) not between 1 and 200
     or coalesce(options ->> 'request_digest', '') !~ '^[0-9a-f]{64}$' then
    raise exception 'options.idempotency_key must have 1 to 255 characters and come with options.caller and options.request_digest'
      using errcode = '22023', hint = 'caller has 1 to 200 characters, request_digest is a SHA-256 as 64 hex digits.';
  end if;
  the_digest := decode(options ->> 'request_digest', 'hex');
  insert into :"schema".idempotency_keys (caller, key, digest, answer, created_at)
  values (the_caller, the_key, the_digest, 'null', taken_at)
  on conflict (caller, key) do nothing;
  if found then
    return null;
  end if;
  select * into strict found_key from :"schema".idempotency_keys where caller = the_caller and key = the_key;
  if found_key.digest <> the_digest then
    raise exception 'the Idempotency-Key was used for another request'
      using errcode = 'PT422', hint = 'Use a new key for a new order; repeat the same body to repeat a request.';
  end if;
  if found_key.answer -> 'success' = 'false' then
    perform set_config('response.status', '409', true);
  end if;
  return found_key.answer || '{"replayed": true}';
end $$;
