-- Purpose: the rule that the name of a PaymentIntent breaks, or null.
-- Locks:   none.
-- Rows:    none.
-- Callers: check_order_content, attach_payment.
create or replace function :"schema".payment_intent_fault(value text) returns text
language sql immutable
return case
  when value is null or value !~ '^pi_[A-Za-z0-9_]{1,247}$'
    then 'must be a Stripe PaymentIntent id such as pi_3Abc: pi_ and letters, digits or underscores, at most 250 characters'
end;
