-- Purpose: write_events for one order: the same row from the same event, without the arrays and the
--          join, which cost a single call as much as its writing. Whoever changes one changes both;
--          verify_orders finds a difference, because it folds the history by its own rules. // G11
-- Locks:   the row of the order, which the caller has locked already.
-- Rows:    one order and one event; gives the order's new version; raises when it changed meanwhile.
--          Alerts where a person is needed or was.
-- Callers: the doors for one order; nobody else may execute it.
create or replace function :"schema".write_event(
  order_uuid uuid, known_version bigint, event_kind text, before text, after text, event_data jsonb,
  new_due timestamptz, event_at timestamptz, event_by text, event_by_source text
) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  change jsonb := coalesce(event_data -> 'set', '{}');
begin
  with changed as (
    update :"schema".orders as o
       set status = after,
           status_before = case when after = before then o.status_before else before end,
           version = o.version + 1,
           head = :"schema".event_hash(o.head, o.id, o.version + 1, event_at, event_kind, before, after,
                             event_by, event_by_source, event_data),
           generation = coalesce((change ->> 'generation')::integer, o.generation),
           zinc_request_id = case when change ? 'zinc_request_id' then change ->> 'zinc_request_id' else o.zinc_request_id end,
           zinc_status = case when change ? 'zinc_status' then change ->> 'zinc_status' else o.zinc_status end,
           hold_reason = case when change ? 'hold_reason' then change ->> 'hold_reason' else o.hold_reason end,
           review_reason = case when change ? 'review_reason' then change ->> 'review_reason' else o.review_reason end,
           payment_status = coalesce(change ->> 'payment_status', o.payment_status),
           cost_minor = coalesce((change ->> 'cost_minor')::bigint, o.cost_minor),
           due_at = case when after in ('completed', 'cancelled', 'failed') then null else coalesce(new_due, o.due_at) end,
           updated_at = case when new_due is null and after = before then o.updated_at else event_at end
     where o.id = order_uuid and o.version = known_version and o.status = before
    returning o.version, o.head
  )
  insert into :"schema".order_events
    (order_id, seq, at, kind, status_before, status_after, actor, actor_source, data, hash)
  select order_uuid, c.version, event_at, event_kind, before, after, event_by, event_by_source, event_data, c.head
    from changed as c;
  if not found then
    raise exception 'write_event wrote nothing: order % changed under its lock', order_uuid using errcode = 'XX000';
  end if;
  if before = 'needs_review' or after = 'needs_review'
     or event_kind in ('purchase_refused', 'purchase_failed', 'hold_released', 'completed_by_person', 'order_cancelled') then
    perform :"schema".alert_people(array[order_uuid], array[before], array[after], array[event_data], event_at);
  end if;
  return known_version + 1;
end $$;
