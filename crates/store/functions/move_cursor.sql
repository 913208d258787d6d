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
begin
  if reached is not null then
    insert into :"schema".cursors as c (name, at) values (cursor_name, reached)
    on conflict (name) do update
      set at = case when c.at > :"schema".clock_now() then excluded.at else greatest(c.at, excluded.at) end;
  end if;
  return (select c.at from :"schema".cursors as c where c.name = cursor_name);
end $$;
