-- Purpose: the callers' keys as people may see them: never the digest.
-- Locks:   none.
-- Rows:    none written; one per key, newest first, at most 1,000.
-- Callers: the service (keys list).
create or replace function :"schema".list_api_keys()
returns table (prefix text, role text, note text, created_at timestamptz, expires_at timestamptz, revoked_at timestamptz)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select k.prefix, k.role, k.note, k.created_at, k.expires_at, k.revoked_at
    from :"schema".api_keys as k order by k.created_at desc limit 1000
$$;
