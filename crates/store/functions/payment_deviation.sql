-- Purpose: the first condition of "paid" that the facts about a PaymentIntent break, as the reason of a
--          hold; 'waiting' while nothing is wrong and it is not paid yet; null when it pays its order.
--          A fact that is missing breaks its condition: nothing is filled in. // G2, C1, C2, C3
--          An authorisation pays only an order that is captured after the purchase, and only while the
--          time to capture it is not nearly over.
-- Locks:   none.
-- Rows:    none.
-- Callers: record_payments only.
create or replace function :"schema".payment_deviation(
  facts jsonb, ordered :"schema".orders, live_mode boolean, warning_accepted boolean, hold_on_signs boolean, at timestamptz
) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when facts ->> 'status' = 'canceled' then 'payment_canceled'
    when facts ->> 'status' is distinct from 'succeeded' and facts ->> 'status' is distinct from 'requires_capture' then 'waiting'
    when (facts ->> 'livemode')::boolean is distinct from live_mode then 'wrong_mode'
    when facts ->> 'named_order' is distinct from ordered.id::text then 'wrong_order'
    when facts ->> 'currency' is distinct from ordered.currency::text then 'wrong_currency'
    when (facts ->> case facts ->> 'status' when 'succeeded' then 'received_minor' else 'capturable_minor' end)::bigint
         is distinct from ordered.total_minor then 'wrong_amount'
    when (facts ->> 'refunded_minor')::bigint is distinct from 0 then 'payment_refunded'
    when facts ->> 'dispute' in ('open', 'lost') then 'payment_disputed'
    when hold_on_signs and (facts ->> 'in_review')::boolean is distinct from false then 'payment_in_review'
    when hold_on_signs and not warning_accepted and (facts ->> 'warned')::boolean is distinct from false then 'fraud_warning'
    when facts ->> 'status' = 'succeeded' then null
    -- One that a person completed is bought: what is reserved for it is captured as after a purchase.
    when ordered.capture_when = 'before_purchase' and ordered.status <> 'completed' then 'waiting'
    when coalesce(to_timestamp((facts ->> 'capture_before')::bigint), at) <= at + interval '1 hour' then 'authorisation_ending'
  end
$$;
