-- Purpose: stores a message of Stripe before it is acknowledged. It changes nothing but this: the payment
--          that it hints at must be read anew before anything is bought with it, from this commit on.
--          The same event, and the same state of the same object told twice, are recognised. // B1, C4, G24, G25
-- Locks:   the payment, for no key update; then the event's key: a parallel delivery waits for this one.
-- Rows:    one event, or none when it stands; at most one payment; an alert for another mode or account.
-- Callers: the service: webhooks and the list of events.
create or replace function :"schema".receive_event(
  source_param text, event_id_param text, kind_param text, object_param text, object_id_param text, digest_param bytea,
  hint text, livemode_param boolean, created_s bigint, account_param text, body_param bytea,
  live_mode boolean, own_account text, known boolean
) returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz := :"schema".clock_now();
  verdict text;
begin
  if exists (select from :"schema".inbox as i where i.event_id = event_id_param) then
    return 'duplicate';
  end if;
  verdict := case
    when account_param is distinct from own_account and account_param is not null then 'wrong_account'
    when livemode_param is distinct from live_mode then 'wrong_mode'
    when not known then 'ignored'
    when exists (select from :"schema".inbox as i where i.object_id = object_id_param and i.kind = kind_param
                  and i.object_digest = digest_param and i.state in ('new', 'handled')) then 'repeated'
    else 'new' end;
  if verdict in ('new', 'repeated') and hint is not null then
    -- The latest word counts: facts that were asked for before it do not answer it.
    update :"schema".payments as p set stale_since = greatest(p.stale_since, at), next_read_at = at
     where p.payment_intent = hint;
  end if;
  insert into :"schema".inbox (event_id, source, kind, object, object_id, object_digest, payment_intent, livemode, created_at,
                     received_at, body, state, due_at, handled_at)
  values (event_id_param, source_param, kind_param, object_param, object_id_param, digest_param, hint, livemode_param,
          to_timestamp(created_s), at, body_param, verdict, case when verdict = 'new' then at end, case when verdict <> 'new' then at end)
  on conflict (event_id) do nothing;
  if not found then
    return 'duplicate';
  end if;
  if verdict in ('wrong_mode', 'wrong_account') then
    perform :"schema".open_finding(null, 'event_of_' || verdict, kind_param, jsonb_build_object('event_id', event_id_param, 'livemode', livemode_param),
      'webhook', at, 'Stripe sent a message of another mode or account, signed with our secret. See which endpoint of which account it belongs to.');
  end if;
  return verdict;
end $$;
