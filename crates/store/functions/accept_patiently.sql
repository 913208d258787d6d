-- Purpose: complete_order_processing for all but the usual case: says what is wrong with a parameter,
--          then waits for the order's lock. A deadlock, a lock time-out and an id that another order
--          takes in the same moment are tried again, so that each ends in an answer or, after three
--          tries, in the visible error. // ruling 21
-- Locks:   the order, for update.
-- Rows:    see complete_order_processing.
-- Callers: complete_order_processing only.
create or replace function :"schema".accept_patiently(
  order_uuid uuid, request_id_param text, zinc_status_param text, final_status_param text, options jsonb
) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  locked :"schema".orders;
begin
  if final_status_param is null or final_status_param not in ('submitted_to_zinc', 'processing', 'completed') then
    raise exception 'final_status_param must be submitted_to_zinc, processing or completed' using errcode = '22023';
  end if;
  if :"schema".request_id_fault(request_id_param) is not null then
    raise exception 'zinc_request_id_param %', :"schema".request_id_fault(request_id_param) using errcode = '22023';
  end if;
  if zinc_status_param is null or :"schema".line_fault(zinc_status_param, 100) is not null then
    raise exception 'zinc_status_param %', coalesce(:"schema".line_fault(zinc_status_param, 100), 'must be given')
      using errcode = '22023';
  end if;
  perform :"schema".check_options(options, array['actor', 'evidence']);
  for try in 1..3 loop
    begin
      select * into locked from :"schema".orders where id = order_uuid for update;
      if not found then
        raise exception 'no order %', order_uuid using errcode = 'PT404',
          hint = 'Place it first, or check order_uuid.';
      end if;
      return :"schema".accept_purchase(locked, request_id_param, zinc_status_param, final_status_param, options);
    exception when deadlock_detected or lock_not_available or unique_violation then
      if try = 3 then
        raise;
      end if;
    end;
  end loop;
end $$;
