-- Purpose: names where the shop's database stands: the server's system identifier, the database and the
--          timeline. A clone, a dump that was read in elsewhere and a server that was promoted or restored to
--          a point in time have another name each. // G22
-- Locks:   none.
-- Rows:    none.
-- Callers: begin_work, beat_worker.
create or replace function :"schema".shop_place() returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select c.system_identifier from pg_control_system() as c) || '/'
    || (select d.oid from pg_database as d where d.datname = current_database()) || '/'
    || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8);
end $$;
