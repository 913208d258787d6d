-- Purpose: a setting that is a length of time in milliseconds.
-- Locks:   none.
-- Rows:    one read; raises when the setting is missing, because a guess could buy twice.
-- Callers: the other functions only.
create or replace function :"schema".setting_ms(setting_name text) returns interval
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  ms text;
begin
  select value into strict ms from :"schema".settings where name = setting_name;
  return ms::bigint * interval '1 millisecond';
end $$;
