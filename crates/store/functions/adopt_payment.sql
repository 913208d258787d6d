-- Purpose: ties a PaymentIntent that Stripe told of, and that names one of our orders in its metadata,
--          to that order, if it waits for a payment and has none. Whether it pays is judged when it is
--          read, as with every other. // G26
-- Locks:   the order, for no key update.
-- Rows:    at most one payment or one finding.
-- Callers: the service's engine.
create or replace function :"schema".adopt_payment(worker_param text, intent text, named_order text) returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  locked :"schema".orders;
  answer jsonb;
begin
  if named_order !~ '^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$' or :"schema".payment_intent_fault(intent) is not null then
    return 'unmatched';
  end if;
  select * into locked from :"schema".orders where id = named_order::uuid for no key update;
  -- As we wrote it, and in no other spelling: the facts are compared as text.
  if not found or named_order <> locked.id::text then
    return 'unmatched';
  end if;
  answer := :"schema".tie_payment(locked, intent, 'engine/' || worker_param, :"schema".clock_now());
  return case when answer -> 'success' = 'true' then 'tied' else coalesce(answer ->> 'code', 'unmatched') end;
end $$;
