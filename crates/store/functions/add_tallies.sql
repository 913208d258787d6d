-- Purpose: adds to the counts of what is not kept row by row.
-- Locks:   the counts' rows, in the order of their names.
-- Rows:    one per name.
-- Callers: the service.
create or replace function :"schema".add_tallies(names text[], counts bigint[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
begin
  insert into :"schema".tallies as t (name, count, at)
  select u.name, sum(u.count), :"schema".clock_now() from unnest(names, counts) as u (name, count) group by u.name order by u.name
  on conflict (name) do update set count = t.count + excluded.count, at = excluded.at;
end $$;
