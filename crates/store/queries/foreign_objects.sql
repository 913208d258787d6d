-- Purpose: what stands in the shop's schema and belongs to somebody else than the shop's owner. The
--          functions never look there for an operator, a function or a type; whoever reads the list may
--          wonder what it is for. What an extension brought along is named by the extension. In the
--          schema public foreign tables and types are somebody's ordinary work and are left out.
-- Locks:   none.
-- Rows:    one per object: what it is, and whose.
-- Callers: schema::additions.
with found as (
  select 'pg_proc'::regclass as class, p.oid, p.proowner as owner,
         'function ' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' as object, true as always
    from pg_proc as p where p.pronamespace = ':"schema"'::regnamespace
  union all
  select 'pg_operator'::regclass, o.oid, o.oprowner,
         'operator ' || o.oprname || '(' || case o.oprleft when 0 then 'none' else format_type(o.oprleft, null) end
           || ', ' || format_type(o.oprright, null) || ')', true
    from pg_operator as o where o.oprnamespace = ':"schema"'::regnamespace
  union all
  select 'pg_type'::regclass, t.oid, t.typowner, 'type ' || t.typname, false
    from pg_type as t left join pg_class as c on c.oid = t.typrelid
   where t.typnamespace = ':"schema"'::regnamespace and t.typtype in ('b', 'c', 'd', 'e', 'r') and coalesce(c.relkind = 'c', true)
     and not exists (select from pg_type as e where e.typarray = t.oid)
  union all
  select 'pg_class'::regclass, c.oid, c.relowner,
         case c.relkind when 'v' then 'view ' when 'm' then 'materialized view ' when 'S' then 'sequence ' else 'table ' end
           || c.relname, false
    from pg_class as c where c.relnamespace = ':"schema"'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
)
select distinct coalesce('extension ' || e.extname, f.object || ' of ' || pg_get_userbyid(f.owner)) as sentence
  from found as f
  left join pg_depend as d on d.classid = f.class and d.objid = f.oid and d.deptype = 'e'
  left join pg_extension as e on d.refclassid = 'pg_extension'::regclass and e.oid = d.refobjid
 where pg_get_userbyid(f.owner) <> :'owner' and (f.always or ':"schema"' <> '"public"')
 order by sentence
