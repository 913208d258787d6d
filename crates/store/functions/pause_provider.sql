-- Purpose: stops all submissions of a provider account for a while: its set-up is wrong or it asked
--          us to slow down. It ends by itself, so that a repaired account needs no second command.
-- Locks:   the account's row.
-- Rows:    one account and, for a fault of the set-up, one alert.
-- Callers: the service's engine.
create or replace function :"schema".pause_provider(provider_param text, code_param text, pause_ms bigint, alarm boolean)
returns timestamptz
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz := :"schema".clock_now();
  until timestamptz := at + pause_ms * interval '1 millisecond';
begin
  insert into :"schema".provider_accounts as p (provider, paused_until, paused_code, pauses)
  values (provider_param, until, left(code_param, 100), 1)
  on conflict (provider) do update
     set paused_until = greatest(p.paused_until, excluded.paused_until),
         paused_code = excluded.paused_code, pauses = p.pauses + 1;
  if alarm then
    insert into :"schema".alerts (id, rule, subject, runbook, opened_at)
    values (gen_random_uuid(), 'provider_account_wrong', left(code_param, 200),
            case when provider_param = 'stripe' and code_param = 'stripe_too_slow'
                 then 'Payments are read at Stripe too slowly: paid orders wait, because what was read is soon too old to buy with. See Stripe''s status page, the way there and gate_age_ms.'
                 when provider_param = 'stripe' and code_param like 'stripe_http_%'
                 then 'Stripe refuses STRIPE_KEY, or some of the calls made with it. Compare its rights with the list in docs/OPERATIONS.md (Keys and secrets); what is refused is tried again by itself.'
                 when provider_param = 'stripe' and code_param = 'stripe_events_unreadable'
                 then 'Stripe''s list of messages cannot be read, so those that were lost are not found. Check STRIPE_KEY and STRIPE_URL; it is tried again by itself.'
                 when provider_param = 'stripe' and code_param = 'stripe_event_unreadable'
                 then 'A message in Stripe''s list cannot be read and was passed by; the log names it. See at Stripe what it is about; payments are read all the same. Report a new shape.'
                 when provider_param = 'stripe'
                 then 'Payments cannot be read at Stripe. Check STRIPE_KEY and STRIPE_URL; orders wait for their payment, and it is tried again by itself.'
                 when code_param in ('no_connection', 'connect_timed_out', 'tls_failed', 'closed_before_sending') or code_param like 'reading: %'
                 then 'The provider cannot be reached. Check its status, its address and the way there; it is tried again by itself.'
                 when code_param = 'send_deadline_passed' then 'The engine is too slow to send within its limit. Check the machine; nothing was sent.'
                 when code_param = 'too_many_requests' then 'The provider asks us to slow down, and does not stop. Ask for its limits.'
                 when code_param = 'insufficient_zma_balance' then 'The balance at the provider is too low. Fund it, then release the holds.'
                 else 'The provider refuses our account. Check its token and set-up; submissions are tried again by themselves.' end, at)
    on conflict (rule, order_id, subject) where closed_at is null do nothing;
  end if;
  return until;
end $$;
