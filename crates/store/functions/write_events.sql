-- Purpose: with its twin for one order, write_event, the only statement that changes an order after
--          its birth. Each event carries the columns
--          that it changes in data->'set', and the row is written from it: folding the history
--          gives the row because the row is folded from the history. // G11
--          A change of status must be given with its due time; new_due null keeps the old one.
-- Locks:   the rows of orders, which the caller has locked already in id order.
-- Rows:    one order and one event per element; raises when one of them changed meanwhile. Alerts
--          where a person is needed or was.
-- Callers: every door; nobody else may execute it.
create or replace function :"schema".write_events(
  ids uuid[], versions bigint[], kinds text[], befores text[], afters text[], datas jsonb[],
  new_dues timestamptz[], event_at timestamptz, event_by text, event_by_source text
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan -- by key, planned once per session, however long the queue is
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  written bigint;
begin
  with draft as (
    select * from unnest(ids, versions, kinds, befores, afters, datas, new_dues)
      as d (id, version, kind, before, after, data, due)
  ), changed as (
    update :"schema".orders as o
       set status = d.after,
           status_before = case when d.after = d.before then o.status_before else d.before end,
           version = o.version + 1,
           head = :"schema".event_hash(o.head, o.id, o.version + 1, event_at, d.kind, d.before, d.after,
                             event_by, event_by_source, d.data),
           generation = coalesce((d.data #>> '{set,generation}')::integer, o.generation),
           zinc_request_id = case when d.data -> 'set' ? 'zinc_request_id'
             then d.data #>> '{set,zinc_request_id}' else o.zinc_request_id end,
           zinc_status = case when d.data -> 'set' ? 'zinc_status'
             then d.data #>> '{set,zinc_status}' else o.zinc_status end,
           hold_reason = case when d.data -> 'set' ? 'hold_reason'
             then d.data #>> '{set,hold_reason}' else o.hold_reason end,
           review_reason = case when d.data -> 'set' ? 'review_reason'
             then d.data #>> '{set,review_reason}' else o.review_reason end,
           payment_status = coalesce(d.data #>> '{set,payment_status}', o.payment_status),
           cost_minor = coalesce((d.data #>> '{set,cost_minor}')::bigint, o.cost_minor),
           due_at = case when d.after in ('completed', 'cancelled', 'failed') then null
             else coalesce(d.due, o.due_at) end,
           updated_at = case when d.due is null and d.after = d.before then o.updated_at else event_at end
      from draft as d
     where o.id = d.id and o.version = d.version and o.status = d.before
    returning o.id, o.version, o.head, d.kind, d.before, d.after, d.data
  )
  insert into :"schema".order_events
    (order_id, seq, at, kind, status_before, status_after, actor, actor_source, data, hash)
  select id, version, event_at, kind, before, after, event_by, event_by_source, data, head
    from changed;
  get diagnostics written = row_count;
  if written <> cardinality(ids) then
    raise exception 'write_events wrote % of % events: an order changed under its lock', written, cardinality(ids)
      using errcode = 'XX000';
  end if;
  -- A look at the words of the batch; on the good path none of them stands there.
  if array['needs_review'] && (befores || afters)
     or kinds && array['purchase_refused', 'purchase_failed', 'hold_released', 'completed_by_person', 'order_cancelled'] then
    perform :"schema".alert_people(ids, befores, afters, datas, event_at);
  end if;
end $$;
