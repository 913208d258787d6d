-- Purpose: where the reading of Stripe's list of messages begins and ends, in seconds: an hour before the
--          cursor, which is nowhere ahead of now, whatever a wrong clock has written; the first time at the shop's first order; never before the 30 days that Stripe
--          keeps. // G26
-- Locks:   none.
-- Rows:    none written.
-- Callers: the service's engine.
create or replace function :"schema".events_from(cursor_name text) returns table (from_s bigint, now_s bigint)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  at timestamptz := :"schema".clock_now();
  reached timestamptz := (select c.at from :"schema".cursors as c where c.name = cursor_name);
begin
  if reached is null then
    reached := coalesce((select min(o.created_at) from :"schema".orders as o), at);
  end if;
  return query select floor(extract(epoch from greatest(least(reached, at) - interval '1 hour', at - interval '30 days')))::bigint,
                      floor(extract(epoch from at))::bigint;
end $$;
