-- Purpose: who acts, and how we know: options.actor, else role and sub of the JWT's claims, else
--          the login role (ruling: the actor is passed, a setting is only read, never relied on).
-- Locks:   none.
-- Rows:    none read; one given. Its body is inlined into the caller's statement.
-- Callers: every door that writes history.
create or replace function :"schema".event_actor(options jsonb)
returns table (actor text, actor_source text)
language sql stable
begin atomic
  select left(coalesce(given.actor, claims.actor, session_user::text collate "default"), 200),
         case when given.actor is not null then 'options' when claims.actor is not null then 'jwt' else 'login' end
    from (select nullif(options ->> 'actor', '') as actor) as given
   cross join (
     select nullif(concat_ws(':', nullif(c.claims ->> 'role', ''), c.claims ->> 'sub'), '') as actor
       from (select nullif(current_setting('request.jwt.claims', true), '')::jsonb as claims) as c) as claims;
end;
