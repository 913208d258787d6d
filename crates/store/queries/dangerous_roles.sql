-- Purpose: who could break the rules by force, and how. The first two can write past the functions, and
--          only those who log in are named; the others are named even if nobody logs in as them, because
--          whoever is a member of one has its rights.
-- Locks:   none.
-- Rows:    one per role, with a sentence.
-- Callers: verify::dangerous_roles, with search_path = pg_catalog, pg_temp.
with roles as (
  select r.oid, r.rolname::text as name, r.rolsuper, r.rolcanlogin,
         exists (select from pg_roles as o where o.rolname = :'owner' and pg_has_role(r.oid, o.oid, 'member')) as may_be_owner,
         pg_has_role(r.oid, n.nspowner, 'usage') as has_schema, has_schema_privilege(r.oid, n.oid, 'create') as may_create,
         exists (select from aclexplode(n.nspacl) as a where a.grantee = 0 and a.privilege_type = 'CREATE') as all_may_create,
         n.nspname as schema
    from pg_roles as r cross join pg_namespace as n
   where n.oid = to_regnamespace(':"schema"') and r.rolname <> :'owner' and r.rolname not like 'pg\_%'
), found (rank, role, sentence) as (
  select 1, r.name, r.name || ' is a superuser and can do everything' from roles as r where r.rolsuper and r.rolcanlogin
  union all
  select 2, r.name, r.name || ' may become the owner (' || :'owner' || ') and write past the functions'
    from roles as r where r.may_be_owner and r.rolcanlogin and not r.rolsuper
  union all
  select 3, r.name, r.name || ' owns the schema ' || r.schema || ': it can drop everything in it and plant objects'
    from roles as r where r.has_schema and not r.rolsuper
  union all
  select 4, r.name, r.name || ' may create objects in the schema ' || r.schema
    from roles as r where r.may_create and not r.all_may_create and not r.has_schema and not r.rolsuper
  union all
  select distinct 5, 'public', 'every role may create objects in the schema ' || r.schema from roles as r where r.all_may_create
)
select role, sentence from found order by rank, role
