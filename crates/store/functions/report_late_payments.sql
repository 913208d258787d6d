-- Purpose: opens a finding for money that arrived for an order that had ended without it: a payment
--          that Stripe now says succeeded, and did not say so before. Nothing about the order changes;
--          a person refunds it. // B10
-- Locks:   none of its own; the caller holds the orders.
-- Rows:    per such order one finding and its id.
-- Callers: record_payments only, before it stores what Stripe said.
create or replace function :"schema".report_late_payments(
  intents text[], order_ids uuid[], statuses text[], received bigint[], currencies text[], read_by text, at timestamptz
) returns setof uuid
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  late record;
begin
  for late in
    select distinct on (o.id) o.id, o.status, r.intent, r.amount, r.currency
      from unnest(intents, order_ids, statuses, received, currencies) as r (intent, id, said, amount, currency)
      join :"schema".payments as p on p.payment_intent = r.intent and p.order_id = r.id and p.live
      join :"schema".orders as o on o.id = r.id
     where r.said = 'succeeded' and p.stripe_status is distinct from 'succeeded'
       and o.status in ('completed', 'cancelled', 'failed') and o.payment_status = 'unpaid'
     order by o.id
  loop
    perform :"schema".open_finding(late.id, 'paid_after_end', late.intent, jsonb_build_object('payment_intent', late.intent,
        'received_minor', late.amount, 'currency', late.currency, 'status', late.status), read_by, at,
      'Money arrived at Stripe for an order that had ended unpaid. Refund it there, unless the goods were delivered.');
    return next late.id;
  end loop;
end $$;
