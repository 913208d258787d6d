-- Purpose: everything that an installation makes in the shop's schema: one row per table, type, column,
--          constraint, index, trigger, rule, policy, grant and function, with what it is. The digests of
--          these rows are written down when they are made; a difference is drift. // G21, G38
--          Asked with search_path = pg_catalog, pg_temp, so that every name outside of it is written
--          out. Nothing in it is an OID. What only tunes (fill factors, statistics, storage, comments)
--          is left out, and so is what another release of the server writes in another way: "not null"
--          is read from the column and the domain (from 18 on it is a constraint too), and the owner's
--          own rights are left out (from 17 on there is one more).
-- Locks:   none.
-- Rows:    some hundreds: kind, what it belongs to, its name, what it is.
-- Callers: the installer, schema::drift and schema::check_ground.
with shop_tables as (
  select c.oid, c.relname, c.relacl, c.relowner,
         array[c.relkind::text, c.relpersistence::text, pg_get_userbyid(c.relowner)::text,
               c.relrowsecurity::text, c.relforcerowsecurity::text,
               (exists (select from pg_inherits as i where c.oid in (i.inhparent, i.inhrelid)))::text] as definition
    from pg_class as c
   where c.relnamespace = ':"schema"'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
     and (pg_get_userbyid(c.relowner) = :'owner'
          or c.relname::text in (select p.name from :"schema".protected_objects as p where p.kind = 'table'))
), shop_types as (
  select t.oid, t.typname, t.typrelid,
         array[t.typtype::text, pg_get_userbyid(t.typowner)::text,
               case when t.typbasetype <> 0 then format_type(t.typbasetype, t.typtypmod) end,
               t.typnotnull::text, t.typdefault, (select c.collname::text from pg_collation as c where c.oid = t.typcollation),
               (select string_agg(e.enumlabel, E'\x1f' order by e.enumsortorder) from pg_enum as e where e.enumtypid = t.oid)]
           as definition
    from pg_type as t left join pg_class as c on c.oid = t.typrelid
   where t.typnamespace = ':"schema"'::regnamespace and t.typtype in ('d', 'c', 'e') and coalesce(c.relkind = 'c', true)
     and (pg_get_userbyid(t.typowner) = :'owner'
          or t.typname::text in (select p.name from :"schema".protected_objects as p where p.kind = 'type'))
), shop_functions as (
  select p.*, p.proname || '(' || coalesce((
           select string_agg(case when t.typnamespace = p.pronamespace then t.typname else format_type(t.oid, null) end, ',' order by a.at)
             from unnest(p.proargtypes) with ordinality as a (type, at) join pg_type as t on t.oid = a.type), '') || ')' as signature
    from pg_proc as p
   where p.pronamespace = ':"schema"'::regnamespace
), protected_ones as (
  select f.* from shop_functions as f
   where pg_get_userbyid(f.proowner) = :'owner'
      -- Or has the name of one: a call could mean either.
      or f.proname::text in (select split_part(p.signature, '(', 1) from :"schema".protected_functions as p)
), acls as (
  select t.relname::text as parent, t.relname::text as object, a.*, t.relowner as owner
    from shop_tables as t cross join lateral aclexplode(t.relacl) as a
  union all
  select t.relname, t.relname || ' (' || c.attname || ')', a.*, t.relowner
    from shop_tables as t join pg_attribute as c on c.attrelid = t.oid and not c.attisdropped
   cross join lateral aclexplode(c.attacl) as a
  union all
  select f.signature, f.signature, a.*, f.proowner
    from protected_ones as f cross join lateral aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) as a
)
select 'table' as kind, '' as parent, t.relname::text as name, t.definition from shop_tables as t
union all
select 'type', '', t.typname, t.definition from shop_types as t
union all
select case when o.is_table then 'column' else 'attribute' end, o.name, c.attname,
       array[format_type(c.atttypid, c.atttypmod), c.attnotnull::text, pg_get_expr(d.adbin, d.adrelid), c.attidentity::text,
             c.attgenerated::text, (select l.collname::text from pg_collation as l where l.oid = c.attcollation)]
  from (select t.oid, t.relname::text, true from shop_tables as t
        union all select t.typrelid, t.typname, false from shop_types as t where t.typrelid <> 0) as o (oid, name, is_table)
  join pg_attribute as c on c.attrelid = o.oid and c.attnum > 0 and not c.attisdropped
  left join pg_attrdef as d on d.adrelid = c.attrelid and d.adnum = c.attnum
union all
-- With a foreign key the triggers that keep it, whose names are OIDs.
select o.kind, o.name, c.conname,
       array[pg_get_constraintdef(c.oid), c.convalidated::text,
             (select bool_and(t.tgenabled = 'O')::text from pg_trigger as t where t.tgconstraint = c.oid)]
  from (select 'constraint', t.oid, 0::oid, t.relname::text from shop_tables as t
        union all select 'domain constraint', 0::oid, t.oid, t.typname from shop_types as t) as o (kind, table_oid, type_oid, name)
  join pg_constraint as c on c.conrelid = o.table_oid and c.contypid = o.type_oid and c.contype not in ('n', 't')
union all
select 'index', t.relname, c.relname, array[pg_get_indexdef(i.indexrelid), i.indisvalid::text, i.indisready::text]
  from shop_tables as t join pg_index as i on i.indrelid = t.oid join pg_class as c on c.oid = i.indexrelid
union all
select 'trigger', t.relname, g.tgname, array[pg_get_triggerdef(g.oid), g.tgenabled::text]
  from shop_tables as t join pg_trigger as g on g.tgrelid = t.oid and not g.tgisinternal
union all
select 'rule', t.relname, r.rulename, array[pg_get_ruledef(r.oid), r.ev_enabled::text]
  from shop_tables as t join pg_rewrite as r on r.ev_class = t.oid
union all
select 'policy', t.relname, p.polname,
       array[p.polcmd::text, p.polpermissive::text, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid), (
         select string_agg(case r.oid when 0 then 'public' else pg_get_userbyid(r.oid)::text end, ',' order by pg_get_userbyid(r.oid))
           from unnest(p.polroles) as r (oid))]
  from shop_tables as t join pg_policy as p on p.polrelid = t.oid
union all
select 'grant', a.parent,
       a.privilege_type || ' on ' || a.object || ' to ' || case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee)::text end,
       array[bool_or(a.is_grantable)::text]
  from acls as a where a.grantee <> a.owner group by a.parent, a.object, a.privilege_type, a.grantee
union all
select 'function', '', f.signature,
       array[f.oid::regprocedure::text, pg_get_userbyid(f.proowner)::text, (select l.lanname::text from pg_language as l where l.oid = f.prolang),
             f.prosrc, pg_get_function_sqlbody(f.oid), concat(f.prokind, f.provolatile, f.proparallel), f.proretset::text,
             f.prosecdef::text, f.proisstrict::text, f.proleakproof::text, f.proconfig::text, f.proargnames::text,
             f.proargmodes::text, pg_get_expr(f.proargdefaults, 0), (
               select string_agg(format_type(a.type, null), ',' order by a.at)
                 from unnest(coalesce(f.proallargtypes, f.proargtypes) || f.prorettype) with ordinality as a (type, at))]
  from protected_ones as f
