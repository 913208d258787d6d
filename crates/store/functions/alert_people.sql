-- Purpose: opens an alert for every order that begins to wait for a person, or for money in the
--          provider's account, and closes it when the order goes on or ends.
-- Locks:   the alerts' rows.
-- Rows:    at most one alert per event.
-- Callers: write_events and write_event only, and only for batches in which such an event stands.
create or replace function :"schema".alert_people(
  ids uuid[], befores text[], afters text[], datas jsonb[], alert_at timestamptz
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into :"schema".alerts (id, rule, order_id, subject, runbook, opened_at)
  select gen_random_uuid(), 'needs_review', e.id, left(coalesce(e.data #>> '{set,review_reason}', ''), 200),
         'A person must decide. Look the order up at the provider; docs/OPERATIONS.md has a line for each reason.', alert_at
    from unnest(ids, befores, afters, datas) as e (id, before, after, data)
   where e.after = 'needs_review' and e.before <> 'needs_review'
  on conflict (rule, order_id, subject) where closed_at is null do nothing;
  insert into :"schema".alerts (id, rule, order_id, subject, runbook, opened_at)
  select gen_random_uuid(), 'awaiting_funds', e.id, '',
         'The balance at the provider was too low. Fund it, then release the hold of the order.', alert_at
    from unnest(ids, datas) as e (id, data)
   where e.data #>> '{set,hold_reason}' = 'awaiting_funds'
  on conflict (rule, order_id, subject) where closed_at is null do nothing;
  update :"schema".alerts as a
     set closed_at = alert_at
    from unnest(ids, befores, afters, datas) as e (id, before, after, data)
   where a.order_id = e.id and a.closed_at is null
     and (a.rule = 'needs_review' and e.before = 'needs_review' and e.after <> 'needs_review'
          or a.rule = 'awaiting_funds'
             and (e.after in ('completed', 'cancelled', 'failed')
                  or e.data -> 'set' ? 'hold_reason' and e.data #>> '{set,hold_reason}' is distinct from 'awaiting_funds'));
end $$;
