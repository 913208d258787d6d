-- Purpose: whether a hold ends by itself when Stripe says that the payment is right, and by no person. The
--          one list of these holds: whoever waits for such facts reads the payment, and whoever stores
--          them ends the hold. // C2
-- Locks:   none.
-- Rows:    none. Its body is inlined into the caller's statement.
-- Callers: due_payments, record_payments, settle_payment, release_hold.
create or replace function :"schema".ends_by_facts(hold text) returns boolean
language sql immutable
return hold in ('awaiting_payment', 'wrong_mode', 'wrong_order', 'wrong_currency', 'wrong_amount', 'payment_canceled',
                'payment_undone', 'authorisation_ending');
