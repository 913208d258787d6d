-- Purpose: the doors that a role may call, with their parameters: names, types, which may be left out.
-- Locks:   none.
-- Rows:    one per function.
-- Callers: the service at its start, for /rest/v1/rpc.
select p.proname::text, coalesce(p.proargnames[1:p.pronargs], '{}')::text[],
       array(select format_type(t, null) from unnest(p.proargtypes::oid[]) with ordinality as a (t, n) order by n)::text[],
       p.pronargdefaults::int4, p.proretset, p.provolatile = 'v',
       p.prorettype = 'void'::regtype
  from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
 where n.nspname = $1 and p.proowner::regrole::text = $2 and has_function_privilege('service_role', p.oid, 'execute')
 order by p.proname
