-- Purpose: closes what was found about an order when the reason for it is gone, with its alert. Without
--          kinds: everything that a hold or a wish to cancel tells of, because the order has ended or
--          is held no more.
-- Locks:   the findings' and the alerts' rows.
-- Rows:    closed_at of what is open of these kinds.
-- Callers: the doors; nobody else may execute it.
create or replace function :"schema".close_finding(order_uuid uuid, finding_kinds text[], at timestamptz) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  kinds text[] := coalesce(finding_kinds, array['wrong_mode', 'wrong_order', 'wrong_currency', 'wrong_amount', 'payment_canceled',
    'payment_undone', 'authorisation_ending', 'payment_refunded', 'payment_disputed', 'payment_in_review', 'fraud_warning',
    'payment_not_found', 'cancel_requested', 'refund_awaits_approval']);
begin
  update :"schema".findings as f set closed_at = at where f.order_id = order_uuid and f.kind = any (kinds) and f.closed_at is null;
  update :"schema".alerts as a set closed_at = at where a.order_id = order_uuid and a.rule = any (kinds) and a.closed_at is null;
end $$;
