-- Purpose: what a person does about a kind of difference; docs/OPERATIONS.md says more about each.
-- Locks:   none.
-- Rows:    none.
-- Callers: tell_differences only.
create or replace function :"schema".difference_runbook(kind_param text) returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case kind_param
    when 'payment_without_order' then 'Money came in for no order of this shop. See at Stripe whose it is; refund it there, or place its order.'
    when 'second_payment' then 'An order was paid a second time. See at Stripe which payment is one too many, and refund that one there.'
    when 'payment_not_tied' then 'Money came in for an order that takes no payment any more, or not this one. See the finding at the order; refund it at Stripe.'
    when 'order_not_paid' then 'Stripe has the money and the order is unpaid. See whether an engine runs and reads payments (doctor); it is read again by itself.'
    when 'paid_after_end' then 'Money came in for an order that had ended. An engine reads it and returns it; see whether one runs (doctor).'
    when 'paid_not_received' then 'The order counts as paid, and Stripe does not have the money. Hold the order, and look the payment up at Stripe.'
    when 'amount_differs' then 'Another amount was paid than the order costs. Compare both; refund it, or have the rest paid by another order.'
    when 'currency_differs' then 'It was paid in another currency than the order''s. Refund it at Stripe, and have it paid again.'
    when 'mode_differs' then 'Test money for a real order, or the reverse. Compare STRIPE_KEY and STRIPE_LIVE with the key of the storefront.'
    when 'order_differs' then 'The payment was made for another order than the one that it is tied to. See at Stripe which of both it pays.'
    when 'dispute_unknown' then 'A bank disputes a payment and the shop has not read it. See whether an engine reads payments (doctor); answer it at Stripe.'
    when 'refunded_sum_differs' then 'Stripe returned another sum than the shop knows. See whether an engine reads payments (doctor); compare the refunds at Stripe.'
    when 'payment_missing' then 'Stripe does not know a payment that the shop counts as received. Compare the account of STRIPE_KEY; hold the order until it is found.'
    when 'refund_without_move' then 'Money was returned at Stripe that this shop did not order. See who did it and why; cancel the order if it is not bought.'
    when 'refund_amount_differs' then 'Stripe returned another amount than was ordered. Compare both, and refund or claim what is left.'
    when 'refund_status_differs' then 'The shop and Stripe do not agree on what became of a refund. Look it up at Stripe; see whether an engine runs (doctor).'
    when 'refund_missing' then 'Stripe does not know a refund that the shop counts as made. The customer may still wait for it: look the payment up at Stripe.'
    when 'purchase_without_order' then 'The provider bought something that no order of this shop asked for. See who placed it, and cancel it there if nobody did.'
    when 'purchase_forgotten' then 'The provider has a purchase that this database forgot: it was restored, or a copy works too. See atomic-orders shop show and the order''s hold.'
    when 'purchase_not_recorded' then 'The provider bought for an order that does not know of it: it may be bought twice. Compare both requests; cancel the one too many.'
    when 'purchase_failed' then 'The order is completed, and the provider says that its purchase failed. Ask the provider; buy again or return the money.'
    when 'purchase_missing' then 'The order is completed, and the provider does not know its request. Compare the account of ZINC_TOKEN, and ask the provider.'
    when 'bought_unpaid' then 'The goods are bought and nobody paid them. Ask the customer for another payment, or the provider to cancel.'
    when 'ended_with_money' then 'The order ended without goods and its money was not returned. See why at its movements; then orders refund.'
    when 'refunded_and_bought' then 'The money was returned and the goods are bought. Ask the provider to cancel, or the customer to pay again.'
    when 'move_overdue' then 'A movement of money waits for too long. Approve or withdraw it if it waits for a person; else see whether an engine runs (doctor).'
    when 'account_differs' then 'The partner knows nothing of this shop, or answers for another mode: it is another account. Compare the keys; nothing of it was compared.'
    else 'Compare both sides; docs/OPERATIONS.md has a line for each kind.' end;
end $$;
