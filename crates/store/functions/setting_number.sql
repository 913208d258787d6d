-- Purpose: a setting that is a whole number.
-- Locks:   none.
-- Rows:    one read; raises when the setting is missing.
-- Callers: the other functions only.
create or replace function :"schema".setting_number(setting_name text) returns bigint
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  number text;
begin
  select value into strict number from :"schema".settings where name = setting_name;
  return number::bigint;
end $$;
