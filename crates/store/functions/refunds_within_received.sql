-- Purpose: keeps payments.refunds_minor the sum of the refunds that have or may have taken effect, so
--          that a constraint refuses the refund that would return more than was received. // G28
--          The payment is locked first: only the statement after it sees what others wrote.
-- Locks:   the payment, for no key update.
-- Rows:    one payment.
-- Callers: the trigger money_moves_within_received.
create or replace function :"schema".refunds_within_received() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
begin
  perform from :"schema".payments as p where p.payment_intent = new.payment_intent for no key update;
  update :"schema".payments as p
     set refunds_minor = (select coalesce(sum(m.amount_minor), 0) from :"schema".money_moves as m
                           where m.payment_intent = new.payment_intent and m.kind = 'refund'
                             and m.state not in ('refused', 'failed', 'withdrawn'))
   where p.payment_intent = new.payment_intent;
  return null;
end $$;
