-- Purpose: whether the order of a movement of money still needs it, and may have it: a refund only when it
--          has ended without goods, or a person sends it although it has goods; a cancellation only
--          when it certainly buys nothing any more, or nobody has paid it in time; a capture unless it
--          ended without goods. Of an order whose purchase this database has forgotten nobody but a person
--          returns anything: it was ended before anybody knew that it was restored. // G7, G22, B10
-- Locks:   none.
-- Rows:    none.
-- Callers: lease_moves, commit_move.
create or replace function :"schema".move_wanted(ordered :"schema".orders, kind_param text, cause_param text) returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case kind_param
    when 'refund' then cause_param = 'person' and ordered.status in ('cancelled', 'failed', 'completed')
      or ordered.status in ('cancelled', 'failed') and :"schema".forgotten_purchase(ordered.id) is null
    when 'cancel' then ordered.status in ('cancelled', 'failed') and :"schema".forgotten_purchase(ordered.id) is null
      or ordered.status = 'pending' and ordered.payment_status = 'unpaid' and cause_param = 'unpaid_too_long'
         and not exists (select from :"schema".payments as p where p.order_id = ordered.id and p.live
                          and p.stripe_status in ('requires_capture', 'processing', 'succeeded'))
    else ordered.status not in ('cancelled', 'failed') end;
end $$;
