-- Purpose: stores that the provider has the order, under which request id, and how far it got. Good
--          news only: a word of failure becomes a finding and changes nothing. The same id again is
--          a success that changes nothing; another id never overwrites the first. // A4, A13, C5
-- Locks:   the order, for update. The usual case (sent, unanswered, the id is new) is one statement
--          that skips a locked row; all that it may wait for is somebody who stores the same id in
--          the same moment. Everything else, what is wrong with a parameter among it, is
--          accept_patiently's.
-- Rows:    per step along the edges one change and one event; at the end the attempt; or one finding.
-- Callers: service_role, the service; an edge function or a person may call it at any time.
create or replace function :"schema".complete_order_processing(
  order_uuid uuid, zinc_request_id_param text, zinc_status_param text default 'submitted',
  final_status_param text default 'submitted_to_zinc', options jsonb default '{}'
) returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
begin
  begin
    with locked as (
      select o.id from :"schema".orders as o
       where o.id = order_uuid and o.status = 'submitting' and o.hold_reason is null and o.zinc_request_id is null
         and final_status_param = 'submitted_to_zinc' and options = '{}'
         and :"schema".request_id_fault(zinc_request_id_param) is null
         and zinc_status_param in ('submitted', 'request_processing', 'processing')
         and exists (select from :"schema".order_attempts as a
                      where a.order_id = o.id and a.settled_at is null and a.calls > 0)
         and not exists (select from :"schema".order_attempts as a where a.request_id = zinc_request_id_param)
         and not exists (select from :"schema".orders as x where x.zinc_request_id = zinc_request_id_param)
         for update of o skip locked
    ), event as materialized (
      select l.id, :"schema".clock_now() as at, who.actor, who.actor_source, jsonb_build_object('set',
               jsonb_build_object('zinc_status', zinc_status_param, 'zinc_request_id', zinc_request_id_param)) as data
        from locked as l cross join :"schema".event_actor(options) as who
    ), changed as (
      update :"schema".orders as o
         set status = 'submitted_to_zinc', status_before = 'submitting', version = o.version + 1,
             head = :"schema".event_hash(o.head, o.id, o.version + 1, e.at, 'purchase_accepted', 'submitting',
                                         'submitted_to_zinc', e.actor, e.actor_source, e.data),
             zinc_request_id = zinc_request_id_param, zinc_status = zinc_status_param, updated_at = e.at,
             due_at = e.at + (select s.value::bigint from :"schema".settings as s where s.name = 'poll_ms')
                             * interval '1 millisecond'
        from event as e
       where o.id = order_uuid
      returning o.id, o.version, o.head, e.at, e.actor, e.actor_source, e.data
    )
    insert into :"schema".order_events
      (order_id, seq, at, kind, status_before, status_after, actor, actor_source, data, hash)
    select c.id, c.version, c.at, 'purchase_accepted', 'submitting', 'submitted_to_zinc',
           c.actor, c.actor_source, c.data, c.head
      from changed as c;
    if found then
      return jsonb_build_object('success', true, 'duplicate', false, 'order_id', order_uuid,
                                'status', 'submitted_to_zinc', 'zinc_request_id', zinc_request_id_param);
    end if;
  exception when unique_violation or lock_not_available or deadlock_detected then
    null; -- somebody takes this id for another order in this moment; what stands then is told below
  end;
  return :"schema".accept_patiently(order_uuid, zinc_request_id_param, zinc_status_param, final_status_param, options);
end $$;
