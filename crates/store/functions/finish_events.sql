-- Purpose: says what became of messages: 'handled' when their payment was read after they came and the
--          facts are stored, 'unmatched' when it belongs to no order of ours, 'given_up' after many tries.
--          A warning of fraud, a dispute or a review marks its payment until it is read. // G24
-- Locks:   inbox, by key, in the order of the ids.
-- Rows:    one event each.
-- Callers: the service's engine.
create or replace function :"schema".finish_events(event_ids text[], intents text[], verdicts text[]) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz := :"schema".clock_now();
  given_up text[];
  finished integer;
begin
  with wanted as (
    select distinct on (w.id) w.* from unnest(event_ids, intents, verdicts) as w (id, intent, verdict) order by w.id
  ), locked as (
    select w.* from wanted as w join :"schema".inbox as i on i.event_id = w.id and i.state = 'new' order by w.id for no key update of i
  ), ended as (
    update :"schema".inbox as i
       set state = l.verdict, handled_at = at, due_at = null, payment_intent = coalesce(l.intent, i.payment_intent)
      from locked as l
     where i.event_id = l.id
    returning i.event_id, i.state
  )
  select count(*), array_agg(e.event_id) filter (where e.state = 'given_up') into finished, given_up from ended as e;
  -- Not what another engine has finished meanwhile.
  perform :"schema".open_finding(null, 'event_given_up', w.id, jsonb_build_object('payment_intent', w.intent), 'engine', at,
      'A message of Stripe could not be followed up. Look its object up at Stripe; atomic-orders reconcile compares both sides.')
    from unnest(event_ids, intents, verdicts) as w (id, intent, verdict) where w.id = any (given_up);
  return finished;
end $$;
