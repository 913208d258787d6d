-- Purpose: what complete_order_processing does once it has the order's lock.
-- Locks:   at the end of the order the attempt, after the order that the caller has locked.
-- Rows:    see complete_order_processing.
-- Callers: accept_patiently only.
create or replace function :"schema".accept_purchase(
  locked :"schema".orders, request_id_param text, zinc_status_param text, final_status_param text, options jsonb
) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  at timestamptz := :"schema".clock_now();  -- after the lock, so that the history runs forward
  line text[] := array['submitting', 'submitted_to_zinc', 'processing', 'completed'];
  who record;
  objection jsonb;
  here integer;
  goal integer := array_position(line, final_status_param);
  new_version bigint;
  poll interval := :"schema".setting_ms('poll_ms');
begin
  select * into who from :"schema".event_actor(options);
  here := case when locked.status = 'needs_review' then 1 else array_position(line, locked.status) end;
  objection := :"schema".objection_to_acceptance(locked, request_id_param, zinc_status_param,
                                       here < goal and locked.status <> 'needs_review', who.actor, at);
  if objection is not null then
    return objection;
  end if;
  if locked.zinc_request_id = request_id_param and (here >= goal or locked.status = 'needs_review') then
    return jsonb_build_object('success', true, 'duplicate', true, 'order_id', locked.id, 'status', locked.status,
                              'zinc_request_id', locked.zinc_request_id);
  end if;
  new_version := locked.version;
  for step in here + 1 .. goal loop
    new_version := :"schema".write_event(locked.id, new_version,
      case line[step] when 'submitted_to_zinc' then 'purchase_accepted'
                      when 'processing' then 'retailer_order_placed' else 'order_completed' end,
      case when step = 2 then locked.status else line[step - 1] end, line[step],
      jsonb_build_object('set', case
        when step > 2 then jsonb_build_object('zinc_status', zinc_status_param)
        when locked.status = 'needs_review' then jsonb_build_object(
          'zinc_status', zinc_status_param, 'zinc_request_id', request_id_param, 'review_reason', null)
        else jsonb_build_object('zinc_status', zinc_status_param, 'zinc_request_id', request_id_param) end),
      at + poll, at, who.actor, who.actor_source);
  end loop;
  if final_status_param = 'completed' then
    update :"schema".order_attempts as a
       set outcome = 'accepted', request_id = request_id_param, lease_token = null, lease_expires_at = null,
           settled_at = at, settled_by = 'delivered'
     where a.order_id = locked.id and a.settled_at is null;
  end if;
  return jsonb_build_object('success', true, 'duplicate', false, 'order_id', locked.id,
                            'status', final_status_param, 'zinc_request_id', request_id_param);
end $$;
