-- Purpose: the settings that the service needs at its start, the shop's secret among them.
-- Locks:   none.
-- Rows:    none written.
-- Callers: the service only; service_role may not.
create or replace function :"schema".shop_settings() returns table (name text, value text)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select s.name, s.value from :"schema".settings as s
$$;
