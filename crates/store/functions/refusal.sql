-- Purpose: a refusal that is stored and returned: PostgREST's four fields beside ours, and the HTTP
--          status 409, so that every client sees an error and the finding is kept (ruling 19).
-- Locks:   none.
-- Rows:    none; sets response.status for this transaction.
-- Callers: the public doors; nobody else may execute it.
create or replace function :"schema".refusal(
  refusal_code text, refusal_message text, refusal_hint text, facts jsonb
) returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('response.status', '409', true);
  return jsonb_build_object(
    'success', false, 'code', refusal_code, 'message', refusal_message,
    'details', facts::text, 'hint', refusal_hint) || facts;
end $$;
