-- Purpose: begins a comparison of the books and gives its time. Of any number of engines one compares:
--          nothing is given when a comparison was begun less than every_s seconds ago, unless the
--          shop is held until it was compared. Without every_s
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
  former timestamptz;
  standing :"schema".shop;
begin
  insert into :"schema".cursors (name, at) values ('reconciled', run_at) on conflict (name) do nothing;
  if found then
    return run_at;
  end if;
  select c.at into strict former from :"schema".cursors as c where c.name = 'reconciled' for no key update;
  select * into strict standing from :"schema".shop;
  run_at := :"schema".clock_now(); -- after the lock, so that no rival's time is ahead of it
  -- A time that has not come yet was written by a wrong clock.
  if every_s is null or former > run_at or former <= run_at - every_s * interval '1 second'
     -- A shop that waits for it is compared at once, and again soon if that failed.
     or standing.compare_since > former
     or standing.compare_since is not null and former <= run_at - (case when standing.compared_at is null then interval '10 seconds' else interval '5 minutes' end) then
    update :"schema".cursors as c set at = run_at where c.name = 'reconciled';
    return run_at;
  end if;
  return null;
end $$;
