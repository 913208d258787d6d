-- Purpose: keeps what disagrees as evidence and shows it to a person; a finding or an alert that
--          is open already is not repeated.
-- Locks:   none beyond the inserted rows.
-- Rows:    at most one finding and one alert.
-- Callers: the doors; nobody else may execute it.
create or replace function :"schema".open_finding(
  order_uuid uuid, finding_kind text, finding_subject text, finding_data jsonb, found_by text,
  found_at timestamptz, runbook_line text
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into :"schema".findings (id, order_id, kind, subject, data, actor, opened_at)
  values (gen_random_uuid(), order_uuid, finding_kind, left(finding_subject, 200), finding_data, found_by, found_at)
  on conflict (order_id, kind, subject) where closed_at is null do nothing;
  insert into :"schema".alerts (id, rule, order_id, subject, runbook, opened_at)
  values (gen_random_uuid(), finding_kind, order_uuid, left(finding_subject, 200), runbook_line, found_at)
  on conflict (rule, order_id, subject) where closed_at is null do nothing;
end $$;
