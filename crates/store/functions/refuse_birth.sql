-- Purpose: the answer to an order that could not be born because something of it is taken; null when
--          it is nothing that a caller may expect. One PaymentIntent named for two orders is kept as a
--          finding of the order that it pays: two customers' orders hang on one payment.
-- Locks:   none.
-- Rows:    at most one finding.
-- Callers: place_order only, when its rows are rolled back.
create or replace function :"schema".refuse_birth(broken_constraint text, content jsonb, placed_by text) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  facts jsonb := jsonb_build_object('order_number', content -> 'order_number', 'payment_intent', content -> 'payment_intent');
  paid_order uuid;
begin
  if broken_constraint = 'orders_pkey' then
    raise exception 'another order has this id'
      using errcode = 'PT409', constraint = broken_constraint, hint = 'Leave options.order_id out, or choose a new id.';
  end if;
  if broken_constraint <> 'payments_pkey' then
    return null;
  end if;
  select p.order_id into paid_order from :"schema".payments as p where p.payment_intent = content ->> 'payment_intent';
  perform :"schema".open_finding(paid_order, 'payment_taken', content ->> 'order_number', facts, placed_by, :"schema".clock_now(),
    'The shop named the PaymentIntent of this order for a second order, which was not placed. See which of both it really pays.');
  return :"schema".refusal('payment_taken', 'this PaymentIntent pays another order',
    'Nothing was placed. One PaymentIntent pays one order.', facts);
end $$;
