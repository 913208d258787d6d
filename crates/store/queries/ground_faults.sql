-- Purpose: what is not safe about the server, this connection and the roles of callers. The members of
--          the owner are looked for among the roles that programs and callers use: a person who may
--          become the owner is a note of verify and doctor, not a reason to stop.
-- Locks:   none.
-- Rows:    one sentence per fault, with its remedy.
-- Callers: schema::ground_faults, with search_path = pg_catalog, pg_temp.
with callers as (
  select r.oid, r.rolname::text as name, r.rolsuper, r.rolname = current_user as is_this
    from pg_roles as r
   where r.rolname in (current_user, 'anon', 'authenticated', 'service_role', 'authenticator') or r.oid = to_regrole(':"app"')
), faults (at, wrong, fault) as (
  values
    (1, current_setting('fsync') <> 'on',
     'the server runs with fsync off: a power cut would lose committed orders; set fsync = on'),
    (2, current_setting('full_page_writes') <> 'on',
     'the server runs with full_page_writes off: set full_page_writes = on'),
    (3, current_setting('synchronous_commit') = 'off',
     'synchronous_commit is off: acknowledged orders could be lost; set it to on'),
    (4, current_setting('session_replication_role') <> 'origin',
     'session_replication_role is ' || current_setting('session_replication_role') || ': triggers and foreign keys are switched off; reset it'),
    (5, pg_is_in_recovery(), 'the server is a standby: connect to the primary')
  union all
  select 6, c.rolsuper, case when c.is_this
      then 'the service is connected as a superuser, who could write past the functions; connect as the application role'
      else 'the role ' || c.name || ' is a superuser, who could write past the functions: alter role ' || c.name || ' nosuperuser' end
    from callers as c
  union all
  select 7, exists (select from pg_namespace as n cross join callers as c
             where n.oid = to_regnamespace(':"schema"') and not c.rolsuper and has_schema_privilege(c.oid, n.oid, 'create')),
         'roles of callers may create objects in the shop''s schema and so stand before its functions: revoke create on it'
  union all
  select 8, pg_has_role(c.oid, r.oid, 'member'), case when c.is_this
      then 'the service is connected as a role that may become the owner; connect as the application role'
      else 'the role ' || c.name || ' may become the owner and write past the functions: revoke ' || r.rolname || ' from ' || c.name end
    from callers as c cross join pg_roles as r where r.rolname = :'owner' and not c.rolsuper
  union all
  select 9, not has_schema_privilege(c.oid, n.oid, 'usage'),
         'the role ' || c.name || ' may not use the schema ' || n.nspname || ': run `atomic-orders migrate`'
    from callers as c cross join pg_namespace as n
   where n.oid = to_regnamespace(':"schema"') and (c.name = 'service_role' or c.oid = to_regrole(':"app"'))
     and exists (select from pg_class as t where t.relnamespace = n.oid and t.relname = 'schema_migrations')
)
select f.fault from faults as f where f.wrong order by f.at, f.fault
