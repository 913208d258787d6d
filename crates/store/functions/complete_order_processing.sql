-- Purpose: stores that the provider has the order, under which request id, and how far it got. Good
--          news only: a word of failure becomes a finding and changes nothing. The same id again is
--          a success that changes nothing; another id never overwrites the first. // A4, A13, C5
-- Locks:   the order, for update; then its attempt. The first try skips a locked row instead of
--          waiting, so that the usual call needs no subtransaction; then at most three tries wait.
-- Rows:    per step along the edges one change and one event; the attempt; or one finding.
-- Callers: service_role, the service; an edge function or a person may call it at any time.
create or replace function :"schema".complete_order_processing(
  order_uuid uuid, zinc_request_id_param text, zinc_status_param text default 'submitted',
  final_status_param text default 'submitted_to_zinc', options jsonb default '{}'
) returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  locked :"schema".orders;
begin
  if final_status_param is null or final_status_param not in ('submitted_to_zinc', 'processing', 'completed') then
    raise exception 'final_status_param must be submitted_to_zinc, processing or completed' using errcode = '22023';
  end if;
  if zinc_request_id_param is null or char_length(zinc_request_id_param) not between 1 and 200 then
    raise exception 'zinc_request_id_param must have 1 to 200 characters' using errcode = '22023';
  end if;
  select * into locked from :"schema".orders where id = order_uuid for update skip locked;
  if found then
    return :"schema".accept_purchase(locked, zinc_request_id_param, zinc_status_param, final_status_param, options);
  end if;
  for try in 1..3 loop
    begin
      select * into locked from :"schema".orders where id = order_uuid for update;
      if not found then
        raise exception 'no order %', order_uuid using errcode = 'PT404',
          hint = 'Place it first, or check order_uuid.';
      end if;
      return :"schema".accept_purchase(locked, zinc_request_id_param, zinc_status_param, final_status_param, options);
    exception when deadlock_detected or lock_not_available then
      if try = 3 then
        raise;
      end if;
    end;
  end loop;
end $$;
