-- Purpose: stores a caller's key as its digest.
-- Locks:   the new row.
-- Rows:    one key.
-- Callers: the service (up, keys).
create or replace function :"schema".add_api_key(prefix_param text, digest_param bytea, role_param text, note_param text)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
begin
  insert into :"schema".api_keys (id, prefix, digest, role, note, created_at)
  values (gen_random_uuid(), prefix_param, digest_param, role_param, note_param, :"schema".clock_now());
end $$;
