-- Purpose: the sentence for each refusal of manually_complete_order.
-- Locks:   none.
-- Rows:    none.
-- Callers: complete_by_word only.
create or replace function :"schema".refusal_by_word(reason text, lease_end timestamptz, status text) returns text
language sql stable
return case reason
  when 'request_id_conflict' then 'another request id belongs to this order, or this id to another order; nothing was overwritten'
  when 'lease_alive' then 'a worker is submitting this order until ' || to_char(lease_end at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  when 'nothing_was_bought' then 'nothing was bought for this order; give the request id if it was bought outside'
  when 'request_id_needed' then 'no request id is known; give the one found at the provider'
  else 'the order has ended: ' || status end;
