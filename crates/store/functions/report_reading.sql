-- Purpose: shows a person an accepted order that does not go on as it should, as one finding and one
--          alert, which are not repeated while they are open. Nothing of the order changes. // A5, C8
-- Locks:   none beyond the inserted rows.
-- Rows:    at most one finding and one alert.
-- Callers: the service's engine.
create or replace function :"schema".report_reading(
  worker_param text, order_uuid uuid, request_id_param text, rule_param text, subject_param text
) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  runbook text := case rule_param
    when 'reading_unreadable' then 'The provider answers readings of this request with something that means nothing to us. Look it up there; report a new answer.'
    when 'still_in_progress' then 'The provider works on this request for more than a day. Ask its support; do not buy again.'
    when 'not_delivered' then 'Bought a month ago, and not all of it has arrived. Ask the provider; a case may be needed.'
    when 'cost_above_the_cap' then 'The purchase cost more than the ceiling that was sent. Ask the provider for the difference.'
    when 'cost_in_another_currency' then 'The provider stated the cost in another currency than the order''s; it was not stored. Compare by hand.'
  end;
begin
  if runbook is null then
    raise exception 'rule_param: % is no rule of this function', coalesce(rule_param, 'null') using errcode = '22023';
  end if;
  perform :"schema".open_finding(order_uuid, rule_param, coalesce(request_id_param, ''),
    jsonb_build_object('said', left(subject_param, 200)), 'engine/' || worker_param, :"schema".clock_now(), runbook);
end $$;
