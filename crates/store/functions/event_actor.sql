-- Purpose: who acts, and how we know: options.actor, else role and sub of the JWT's claims, else
--          the login role (ruling: the actor is passed, a setting is only read, never relied on).
-- Locks:   none.
-- Rows:    none.
-- Callers: every door that writes history.
create or replace function :"schema".event_actor(options jsonb, out actor text, out actor_source text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  claims jsonb;
begin
  actor := left(options ->> 'actor', 200);
  actor_source := 'options';
  if actor is not null and actor <> '' then
    return;
  end if;
  claims := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
  actor := left(concat_ws(':', nullif(claims ->> 'role', ''), claims ->> 'sub'), 200);
  if actor <> '' then
    actor_source := 'jwt';
    return;
  end if;
  actor := session_user;
  actor_source := 'login';
end $$;
