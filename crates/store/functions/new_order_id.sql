-- Purpose: a UUID of version 7: time first, so that new orders lie side by side in the index.
-- Locks:   none.
-- Rows:    none.
-- Callers: insert_order only.
create or replace function :"schema".new_order_id(born_at timestamptz) returns uuid
language sql volatile
return encode(
  set_byte(
    overlay(uuid_send(gen_random_uuid())
            placing substring(int8send((extract(epoch from born_at) * 1000)::bigint) from 3) from 1 for 6),
    6, (get_byte(uuid_send(gen_random_uuid()), 6) & 15) | 112),
  'hex')::uuid;
