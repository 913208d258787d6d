-- Purpose: the role of a caller's key; nothing when it is unknown, expired or revoked.
-- Locks:   none.
-- Rows:    none written.
-- Callers: the service.
create or replace function :"schema".find_api_key(digest_param bytea) returns text
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select k.role from :"schema".api_keys as k
   where k.digest = digest_param and k.revoked_at is null
     and (k.expires_at is null or k.expires_at > :"schema".clock_now())
$$;
