-- Purpose: begins a comparison of the books and gives its time. Of any number of engines one compares:
--          nothing is given when a comparison was begun less than every_s seconds ago. Without every_s
--          one always begins, because a person asks for it. // G14, G27
-- Locks:   the cursor's row.
-- Rows:    one cursor, or none.
-- Callers: the service: its engine and its command.
create or replace function :"schema".begin_reconciliation(every_s bigint default null) returns timestamptz
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  run_at timestamptz := :"schema".clock_now();
begin
  insert into :"schema".cursors as c (name, at) values ('reconciled', run_at)
  on conflict (name) do update set at = excluded.at
   where every_s is null or c.at > :"schema".clock_now() -- written by a wrong clock, and not by a rival a moment ago
      or c.at <= excluded.at - every_s * interval '1 second';
  return case when found then run_at end;
end $$;
