-- Purpose: closes the finding of a request id that came too late to be recorded, once its order has
--          that very id: there was one purchase. With another id it stays open for a person. // A4
-- Locks:   the findings' and alerts' rows.
-- Rows:    the open findings of that kind, and their alerts.
-- Callers: recover_stuck_orders only.
create or replace function :"schema".close_late_ids(at timestamptz) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  with answered as (
    update :"schema".findings as f set closed_at = at
      from :"schema".orders as o
     where f.kind = 'request_id_late' and f.closed_at is null and o.id = f.order_id and o.zinc_request_id = f.subject
    returning f.order_id, f.subject
  )
  update :"schema".alerts as a set closed_at = at
    from answered as f
   where a.rule = 'request_id_late' and a.closed_at is null and a.order_id = f.order_id and a.subject = f.subject;
end $$;
