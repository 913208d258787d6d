-- Purpose: has the movements of money of these PaymentIntents looked at now: Stripe sent word of one of
--          its objects, and Stripe has them or may have. Their lease is respected. // G28
-- Locks:   money_moves, for no key update, in the order of their ids.
-- Rows:    due_at of what Stripe has or may have.
-- Callers: the service's engine.
create or replace function :"schema".nudge_moves(intents text[]) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  at timestamptz := :"schema".clock_now();
  nudged integer;
begin
  with waiting as (
    select m.id from :"schema".money_moves as m
     where m.payment_intent = any (intents) and m.state in ('accepted', 'unknown') and m.due_at > at
     order by m.id for no key update
  )
  update :"schema".money_moves as m set due_at = at
    from waiting as w where m.id = w.id and m.state in ('accepted', 'unknown');
  get diagnostics nudged = row_count;
  return nudged;
end $$;
