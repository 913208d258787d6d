-- Purpose: the refusal of an operator's word, with its sentence and its facts. A request id that was
--          given and not taken is kept as a finding, except while a worker is at it.
-- Locks:   none.
-- Rows:    at most one finding.
-- Callers: complete_by_word, manually_complete_order.
create or replace function :"schema".refuse_word(
  locked :"schema".orders, reason text, given_id text, lease_end timestamptz, said_by text, at timestamptz
) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  facts jsonb := jsonb_build_object('order_id', locked.id, 'status', locked.status, 'zinc_request_id', locked.zinc_request_id,
    'given_request_id', given_id, 'lease_expires_at', lease_end);
begin
  if given_id is not null and reason <> 'lease_alive' then
    perform :"schema".open_finding(locked.id, reason, given_id, facts, said_by, at,
      'An operator named a request id that does not fit this order. Look it up at the provider.');
  end if;
  return :"schema".refusal(reason, :"schema".refusal_by_word(reason, lease_end, locked.status),
    'Nothing was changed. Look the order up at the provider and give the request id found there.', facts);
end $$;
