-- Purpose: reads how far a list of a partner was read, and moves it on; back only from a time that has not
--          come yet, which a wrong clock has written. // G26
-- Locks:   the cursor's row.
-- Rows:    one cursor.
-- Callers: the service's engine.
create or replace function :"schema".move_cursor(cursor_name text, reached timestamptz) returns timestamptz
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  now_at timestamptz;
  former timestamptz;
begin
  if reached is not null then
    insert into :"schema".cursors as c (name, at) values (cursor_name, reached) on conflict (name) do nothing;
    select c.at into strict former from :"schema".cursors as c where c.name = cursor_name for no key update;
    now_at := :"schema".clock_now(); -- after the lock
    update :"schema".cursors as c set at = reached
     where c.name = cursor_name and (former > now_at or former < reached);
  end if;
  return (select c.at from :"schema".cursors as c where c.name = cursor_name);
end $$;
