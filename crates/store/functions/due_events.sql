-- Purpose: gives an engine stored messages that nobody has followed up. Taking them moves them ahead, so
--          that another engine follows up what this one does not finish. // C3, G24
-- Locks:   inbox, for no key update, skip locked.
-- Rows:    due_at and tries of at most batch_max events.
-- Callers: the service's engine.
create or replace function :"schema".due_events(batch_max integer)
returns table (event_id text, kind text, object text, object_id text, payment_intent text, tries integer, asked_us bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
#variable_conflict use_column
declare
  at timestamptz := :"schema".clock_now();
begin
  return query
  with due as (
    select i.event_id from :"schema".inbox as i where i.due_at <= at order by i.due_at limit batch_max
       for no key update skip locked
  )
  update :"schema".inbox as i
     set tries = i.tries + 1, due_at = at + least(interval '30 seconds' * power(2, least(i.tries, 7)), interval '1 hour')
    from due as d where i.event_id = d.event_id
  returning i.event_id, i.kind, i.object, i.object_id, i.payment_intent, i.tries, (extract(epoch from at) * 1000000)::bigint;
end $$;
