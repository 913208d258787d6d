-- Purpose: takes back the count of a try that told nothing of these messages, because Stripe told nothing
--          of anything, refused us or asked us to slow down: no outage, however long, uses up their tries.
--          When they come again stays as it is. // G26
-- Locks:   inbox, by key, in the order of the ids.
-- Rows:    tries of those that are not finished.
-- Callers: the service's engine.
create or replace function :"schema".uncount_events(event_ids text[]) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  uncounted integer;
begin
  with locked as (
    select i.event_id from :"schema".inbox as i
     where i.event_id = any (event_ids) and i.state = 'new' and i.tries > 0 order by i.event_id for no key update
  )
  update :"schema".inbox as i set tries = i.tries - 1 from locked as l where i.event_id = l.event_id;
  get diagnostics uncounted = row_count;
  return uncounted;
end $$;
