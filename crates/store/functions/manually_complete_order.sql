-- Purpose: an operator's word that an order is finished; what it does from each state stands in the
--          table of ARCHITECTURE.md. It always leaves actor and reason in the history. // A11
-- Locks:   the order, for update; then its attempt. At most three tries on deadlock or lock time-out.
-- Rows:    one change, one event, the attempt; or one finding.
-- Callers: service_role, the service, people.
create or replace function :"schema".manually_complete_order(
  order_uuid uuid, zinc_request_id_param text default null, reason_param text default null,
  options jsonb default '{}'
) returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  locked :"schema".orders;
begin
  if char_length(zinc_request_id_param) not between 1 and 200 then
    raise exception 'zinc_request_id_param must have 1 to 200 characters' using errcode = '22023';
  end if;
  for try in 1..3 loop
    begin
      select * into locked from :"schema".orders where id = order_uuid for update;
      if not found then
        raise exception 'no order %', order_uuid using errcode = 'PT404',
          hint = 'Place it first, or check order_uuid.';
      end if;
      return :"schema".complete_by_word(locked, zinc_request_id_param, reason_param, options);
    exception when deadlock_detected or lock_not_available then
      if try = 3 then
        raise;
      end if;
    end;
  end loop;
end $$;
