-- Tables are open to exactly the allow-list and behind row security: tokens, bytes, addresses, keys and
-- settings are closed. Strangers may nothing, and no caller is a member of the owner.
\ir begin.psql
select plan(175);

create temporary table shop_table as select unnest('{alerts, api_keys, cursors, differences, findings, idempotency_keys, inbox, money_moves,
  order_attempts, order_edges, order_events, order_items, order_private, orders, payments, protected_functions, protected_objects,
  provider_accounts, schema_migrations, settings, shop, tallies, workers}'::text[]) as name;
create temporary table may (name text, priv text, columns text[]);
insert into may (name, priv)
select unnest('{alerts, cursors, differences, findings, order_edges, order_events, order_items, orders, payments, protected_functions,
  protected_objects, provider_accounts, schema_migrations, shop, tallies, workers}'::text[]), 'SELECT'
union all
-- Only so that a guard can answer with a sentence.
select unnest('{alerts, differences, findings, money_moves, order_items, order_private, orders, payments}'::text[]), 'TRUNCATE'
union all
select 'orders', 'DELETE';
insert into may values
  ('orders', 'UPDATE', '{status}'),
  ('order_attempts', 'SELECT', '{order_id, generation, attempt_id, provider, provider_key, request_digest, price_cap_minor, calls, opened_at,
     first_sent_at, key_dead_at, call_deadline_at, lease_expires_at, worker, outcome, request_id, code, settled_at, settled_by}'),
  ('money_moves', 'SELECT', '{id, order_id, payment_intent, kind, amount_minor, currency, cause, reason, requested_by, approved_by, state,
     key_number, calls, first_sent_at, key_dead_at, call_deadline_at, lease_expires_at, stripe_id, stripe_status, code, due_at, created_at, settled_at}'),
  ('inbox', 'SELECT', '{event_id, source, kind, object, object_id, payment_intent, livemode, created_at, received_at, state, tries, due_at, handled_at}');

create temporary table found as
select c.* from pg_class as c where c.relnamespace = :'schema'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
   and (c.relowner = pg_temp.role_of('owner')::regrole or c.relname in (select name from shop_table));
create temporary table granted as
select f.relname::text as name, null::text as part, a.privilege_type as priv, a.is_grantable,
       coalesce(nullif(a.grantee, 0)::regrole::text, 'everybody') as grantee
  from found as f cross join lateral aclexplode(f.relacl) as a where a.grantee <> f.relowner
union all
select f.relname, t.attname, a.privilege_type, a.is_grantable, coalesce(nullif(a.grantee, 0)::regrole::text, 'everybody')
  from found as f join pg_attribute as t on t.attrelid = f.oid cross join lateral aclexplode(t.attacl) as a where a.grantee <> f.relowner;

select is((select array_agg(relname::text order by relname) from found), (select array_agg(name order by name collate "C") from shop_table), 'the tables are these');
select is((select relowner = pg_temp.role_of('owner')::regrole from found where relname = t.name), true, t.name || ' belongs to the owner') from shop_table as t;
select is((select relrowsecurity from found where relname = t.name), true, t.name || ' is behind row security') from shop_table as t;
select is((select relforcerowsecurity from found where relname = t.name), false, t.name || ' does not force it on the functions') from shop_table as t;
select is(
  (select string_agg(concat_ws(' ', p.polname, p.polcmd, pg_get_expr(p.polqual, p.polrelid), p.polpermissive,
            (select string_agg(r::regrole::text, ' ' order by r::regrole::text collate "C") from unnest(p.polroles) as r)), '; ')
     from pg_policy as p join found as f on f.oid = p.polrelid where f.relname = t.name),
  (select 'read_by_the_shop r true t ' || (select string_agg(r, ' ' order by r collate "C") from unnest(array['service_role', pg_temp.role_of('app')]) as r)
    where exists (select from may as m where m.name = t.name and m.priv = 'SELECT')),
  t.name || ' has the policies that it must have') from shop_table as t;

-- Each role, table by table.
select is((select string_agg(distinct concat_ws(' ', g.part, g.priv), ', ' order by concat_ws(' ', g.part, g.priv)) from granted as g where g.name = t.name and g.grantee = pg_temp.role_of(who)),
  (select string_agg(concat_ws(' ', part, m.priv), ', ' order by concat_ws(' ', part, m.priv)) from may as m
     left join lateral unnest(m.columns) as part on true where m.name = t.name),
  who || ' has of ' || t.name || ' exactly what is listed') from shop_table as t cross join unnest('{service_role, app}'::text[]) as who;
select is((select string_agg(distinct g.grantee, ' ') from granted as g where g.grantee not in ('service_role', pg_temp.role_of('app'))), null, 'nobody else has anything');
select is((select string_agg(distinct g.name, ' ') from granted as g where g.is_grantable), null, 'nobody may pass on what he has');

-- What strangers may.
select is((select string_agg(f.relname, ' ') from found as f where has_table_privilege(who, f.oid, 'select, insert, update, delete, truncate, references, trigger')
    or has_any_column_privilege(who, f.oid, 'select, insert, update, references')), null, who || ' may touch no table')
  from unnest('{anon, authenticated}'::text[]) as who;
select is(has_schema_privilege(who, :'schema', 'create'), false, who || ' makes nothing in the schema')
  from unnest(array['anon', 'authenticated', 'service_role', pg_temp.role_of('app')]) as who;
select is(has_schema_privilege(who, :'schema', 'usage'), true, who || ' may use the schema') from unnest(array['service_role', pg_temp.role_of('app')]) as who;
select is(pg_has_role(who, pg_temp.role_of('owner'), 'member'), false, who || ' is no member of the owner')
  from unnest(array['anon', 'authenticated', 'service_role', pg_temp.role_of('app')]) as who;
select is((select concat_ws(' ', rolsuper, rolcanlogin, rolcreaterole, rolreplication, rolbypassrls) from pg_roles where rolname = pg_temp.role_of('owner')),
  'f f f f f', 'the owner cannot log in and is nobody above');
select is((select concat_ws(' ', rolsuper, rolcreaterole, rolreplication, rolbypassrls) from pg_roles where rolname = pg_temp.role_of('app')),
  'f f f f', 'the service''s role is nobody above');

-- Tried, not only read.
select pg_temp.in_status('submitting') as id \gset
select matches(pg_temp.tried(who, 'select ' || what), '^42501 permission denied', who || ' cannot read ' || what)
  from unnest('{service_role, app}'::text[]) as who
 cross join unnest('{lease_token from order_attempts, request_body from order_attempts, recipient from order_private, value from settings,
   digest from api_keys, answer from idempotency_keys, body from inbox, body from money_moves}'::text[]) as what;
select is(pg_temp.asked(who, '(select count(*) from orders where id = {id})', :'id') #>> '{}', '1', who || ' reads an order through row security')
  from unnest('{service_role, app}'::text[]) as who;
select matches(pg_temp.tried('service_role', 'select shop_settings()'), '^42501 ', 'service_role cannot call a door of the engine');
select matches(pg_temp.tried('app', 'select write_event({id}, 1, ''x'', ''pending'', ''completed'', ''{}'', null, now(), ''x'', ''login'')', :'id'), '^42501 ',
  'the service cannot call what only doors may call');
select * from finish();
rollback;
