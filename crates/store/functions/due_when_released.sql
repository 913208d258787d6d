-- Purpose: when an order is due whose hold has ended: at once, or when its call under way has surely ended;
--          null, so that the time stays, while a lease stands, alive or dead: nobody has looked after
--          it, and the stuck query must find it. // ruling 13
-- Locks:   none.
-- Rows:    none.
-- Callers: release_hold, settle_payment.
create or replace function :"schema".due_when_released(ordered :"schema".orders, at timestamptz) returns timestamptz
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  open_attempt :"schema".order_attempts;
begin
  if ordered.status not in ('pending', 'submitting') then
    return null;
  end if;
  select * into open_attempt from :"schema".order_attempts as a where a.order_id = ordered.id and a.settled_at is null;
  return case when ordered.status = 'submitting' and open_attempt.lease_token is not null then null
              else greatest(at, open_attempt.call_deadline_at + :"schema".setting_ms('processing_bound_ms')) end;
end $$;
