-- Purpose: why the word that a purchase was accepted cannot be applied, kept as a finding; null when
--          nothing speaks against it.
-- Locks:   none of its own; the caller holds the order.
-- Rows:    at most one finding and one alert.
-- Callers: accept_purchase only.
create or replace function :"schema".objection_to_acceptance(
  locked :"schema".orders, request_id_param text, zinc_status_param text, would_move boolean, who text,
  at timestamptz
) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  good_words text[] := array['submitted', 'request_processing', 'processing', 'placed', 'order_placed',
                             'order_response', 'shipped', 'delivered', 'completed', 'success'];
  holder uuid;  -- the order that has the id already
  stale boolean;  -- the id is that of an earlier, settled attempt
  facts jsonb;
  reason text;
begin
  select a.order_id, true into holder, stale from :"schema".order_attempts as a where a.request_id = request_id_param;
  if holder is null then
    select o.id, false into holder, stale from :"schema".orders as o where o.zinc_request_id = request_id_param;
  end if;
  reason := case
    when zinc_status_param is null or zinc_status_param <> all (good_words) then 'good_news_only'
    when holder <> locked.id then 'request_id_conflict'
    when stale and (locked.status <> 'completed' or locked.zinc_request_id is distinct from request_id_param)
      then 'request_id_stale'
    when locked.zinc_request_id is not null and locked.zinc_request_id <> request_id_param then 'request_id_conflict'
    when locked.status in ('cancelled', 'failed') then 'order_' || locked.status
    when locked.zinc_request_id = request_id_param and (locked.hold_reason is null or not would_move) then null
    when locked.status = 'completed' then 'order_completed'
    when locked.hold_reason is not null then 'order_held'
    when locked.status = 'pending' or not exists
      (select from :"schema".order_attempts as a where a.order_id = locked.id and a.settled_at is null and a.calls > 0)
      then 'nothing_was_sent'
  end;
  if reason is null then
    return null;
  end if;
  facts := jsonb_build_object('order_id', locked.id, 'status', locked.status,
    'zinc_request_id', locked.zinc_request_id, 'given_request_id', request_id_param);
  perform :"schema".open_finding(locked.id, reason, request_id_param, facts || jsonb_build_object('zinc_status', zinc_status_param),
    who, at, 'Somebody reported a purchase that does not fit this order. Look the request up at the provider before anything else.');
  return :"schema".refusal(reason, case reason
      when 'good_news_only' then 'this function takes good news only; the outcome stays as it was'
      when 'request_id_conflict' then 'another request id is stored; nothing was overwritten'
      when 'request_id_stale' then 'this request id belongs to an earlier attempt that is settled'
      when 'order_held' then 'the order is held: ' || locked.hold_reason
      when 'nothing_was_sent' then 'no purchase of this order is under way'
      else 'the order has ended: ' || locked.status end,
    'The id is kept as a finding. Use orders show to see it, manually_complete_order to decide.', facts);
end $$;
