-- Purpose: whether a refund needs a second person: it is caused by one, at once or by an earlier word of
--          his (cancelled, given up, wished to cancel), and what was refunded of this payment without a
--          second person, this one included, is above the setting two_persons_above_minor. // G35
-- Locks:   none of its own; the caller holds the payment.
-- Rows:    none.
-- Callers: return_money, refund_order.
create or replace function :"schema".needs_approval(order_uuid uuid, intent text, amount bigint, by_person boolean) returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  most bigint := :"schema".setting_number('two_persons_above_minor');
begin
  return most > 0
    and amount + (select coalesce(sum(m.amount_minor), 0) from :"schema".money_moves as m
                   where m.payment_intent = intent and m.kind = 'refund' and m.approved_by is null
                     and m.state not in ('refused', 'failed', 'withdrawn')) > most
    and (by_person or exists (select from :"schema".order_events as e where e.order_id = order_uuid
                               and e.kind in ('order_cancelled', 'review_resolved', 'cancel_requested') and e.actor not like 'engine/%'));
end $$;
