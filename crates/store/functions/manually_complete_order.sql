-- Purpose: an operator's word that an order is finished; what it does from each state stands in the
--          table of ARCHITECTURE.md. It always leaves actor and reason in the history. // A11
-- Locks:   the order, for update; then its attempt. At most three tries on deadlock or lock time-out.
--          A request id that another order takes at the same moment is refused, not raised.
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
  who record;
  broken text;
  fault text := coalesce(
    case when zinc_request_id_param is not null then 'zinc_request_id_param ' || :"schema".request_id_fault(zinc_request_id_param) end,
    'reason_param ' || :"schema".line_fault(reason_param, 300));
begin
  perform :"schema".check_options(options, array['actor']);
  if fault is not null then
    raise exception '%', fault using errcode = '22023';
  end if;
  select * into who from :"schema".event_actor(options);
  for try in 1..3 loop
    begin
      select * into locked from :"schema".orders where id = order_uuid for update;
      if not found then
        raise exception 'no order %', order_uuid using errcode = 'PT404',
          hint = 'Place it first, or check order_uuid.';
      end if;
      return :"schema".complete_by_word(locked, zinc_request_id_param, reason_param, who.actor, who.actor_source);
    exception
      when deadlock_detected or lock_not_available then
        if try = 3 then
          raise;
        end if;
      when unique_violation then
        get stacked diagnostics broken = constraint_name;
        if broken not in ('orders_request_id_unique', 'order_attempts_request_id_unique') then
          raise;
        end if;
        return :"schema".refuse_word(locked, 'request_id_conflict', coalesce(zinc_request_id_param, locked.zinc_request_id),
                                     null, who.actor, :"schema".clock_now());
    end;
  end loop;
end $$;
