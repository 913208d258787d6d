-- Purpose: ends a caller's key for good. Naming it by its prefix is enough, because a person reads it
--          from the list; a prefix that two keys share revokes none.
-- Locks:   the key's row.
-- Rows:    at most one key; gives how many keys have the prefix and are not revoked yet.
-- Callers: the service (keys revoke).
create or replace function :"schema".revoke_api_key(prefix_param text) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz := :"schema".clock_now();
  standing bigint;
begin
  select count(*) into standing from :"schema".api_keys as k where k.prefix = prefix_param and k.revoked_at is null;
  if standing = 1 then
    update :"schema".api_keys as k set revoked_at = at where k.prefix = prefix_param and k.revoked_at is null;
  end if;
  return standing;
end $$;
