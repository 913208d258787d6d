-- History is append-only and written by functions only; lines, addresses, payments, findings and alerts
-- are evidence and are kept. Nobody edits, deletes or truncates them, the owner included.
\ir begin.psql
select plan(81);

select pg_temp.in_status('completed') as id \gset
select pg_temp.said('attach_payment({id}, ''pi_pgtap_other'')', :'id') as ignored \gset
select pg_temp.stored(:'id') as before \gset

-- What the owner gets.
create temporary table wall (what text, said text, guard text);
insert into wall values
  ('update order_events set actor = actor where order_id = {id}', 'history is append-only', 'order_events_append_only'),
  ('update order_events set data = ''{}'' where order_id = {id} and seq = 1', 'history is append-only', 'order_events_append_only'),
  ('update order_events set hash = sha256(''x'') where order_id = {id}', 'history is append-only', 'order_events_append_only'),
  ('update order_events set at = now() where order_id = {id}', 'history is append-only', 'order_events_append_only'),
  ('update order_events set kind = ''x'' where order_id = {id}', 'history is append-only', 'order_events_append_only'),
  ('update order_events set seq = seq + 1 where order_id = {id}', 'history is append-only', 'order_events_append_only'),
  ('delete from order_events where order_id = {id}', 'history is append-only', 'order_events_append_only'),
  ('delete from order_events where false', 'history is append-only', 'order_events_append_only'),
  ('truncate order_events', 'history is append-only', 'order_events_never_truncated'),
  ('update order_items set quantity = 1 where order_id = {id}', 'the lines of an order are fixed once placed', 'order_items_fixed'),
  ('update order_items set unit_price_minor = 1 where order_id = {id}', 'the lines of an order are fixed once placed', 'order_items_fixed'),
  ('delete from order_items where order_id = {id}', 'the lines of an order are fixed once placed', 'order_items_fixed'),
  ('truncate order_items', 'the lines of an order are fixed once placed', 'order_items_never_truncated'),
  ('update order_private set recipient = ''{}'' where order_id = {id}', 'what belongs to a person stays as it was placed', 'order_private_fixed'),
  ('delete from order_private where order_id = {id}', 'what belongs to a person stays as it was placed', 'order_private_fixed'),
  ('truncate order_private', 'what belongs to a person stays as it was placed', 'order_private_never_truncated'),
  ('delete from payments where order_id = {id}', 'payments are evidence and are kept', 'payments_kept'),
  ('truncate payments cascade', 'payments are evidence and are kept', 'payments_never_truncated'),
  ('delete from findings where order_id = {id}', 'findings are evidence and are kept', 'findings_kept'),
  ('truncate findings', 'findings are evidence and are kept', 'findings_never_truncated'),
  ('truncate alerts', 'alerts are never truncated', 'alerts_never_truncated'),
  ('delete from differences', 'differences are evidence and are kept', 'differences_kept'),
  ('truncate differences', 'differences are evidence and are kept', 'differences_kept');
select is(pg_temp.tried('owner', what, :'id'), '42501 ' || said, 'the owner: ' || what) from wall;

-- What a caller gets: a sentence where the guard answers, else a plain refusal.
select is(pg_temp.tried(who, what, :'id'), '42501 ' || said, who || ': ' || what)
  from unnest('{service_role, app}'::text[]) as who cross join wall
 where what in ('truncate order_items', 'truncate order_private', 'truncate payments cascade', 'truncate findings',
                'truncate alerts', 'truncate differences');
select matches(pg_temp.tried('service_role', what, :'id'), '^42501 permission denied', 'service_role: ' || what)
  from wall where what like 'update order_events%' or what like 'delete%' or what = 'truncate order_events'
               or what like 'update order_items%' or what like 'update order_private%';

-- A grant that somebody gives in error opens nothing: the guards ask who runs the statement.
select is(pg_temp.tried('owner', 'grant ' || word || ' on ' || part || ' to service_role; set local role service_role; ' || what, :'id'), '42501 ' || said,
    'service_role with a grant to ' || word || ': ' || what)
  from (values ('insert', 'order_events', 'insert into order_events select * from order_events where false', 'history is written by functions only'),
    ('update', 'order_events', 'update order_events set actor = ''x''', 'history is append-only'), ('insert', 'money_moves', 'insert into money_moves (id) values ({id})', 'money is moved by functions only'),
    ('update', 'money_moves', 'update money_moves set state = ''done''', 'money is moved by functions only'), ('update', 'orders', 'update orders set hold_reason = null', 'orders.status is written by functions only'),
    ('update', 'orders', 'update orders set due_at = now()', 'orders.status is written by functions only'), ('update', 'orders', 'update orders set payment_status = ''paid''', 'orders.status is written by functions only'),
    ('update', 'order_items', 'update order_items set quantity = 1', 'the lines of an order are fixed once placed')) as t (word, part, what, said);

-- The guards are there and on.
select is(pg_temp.got(format('select string_agg(tgenabled::text, '''') from pg_trigger as t join pg_class as c on c.oid = t.tgrelid
    where t.tgname = %L and c.relnamespace = current_setting(''pgtap.shop'')::regnamespace', guard)), 'O', guard || ' is on')
  from (select distinct guard from wall order by 1) as g;

-- The history says who, and folds to the row.
select is(pg_temp.got('select string_agg(kind, '' '' order by seq) from order_events where order_id = {id}', :'id'),
  'order_placed payment_confirmed purchase_opened purchase_accepted retailer_order_placed order_completed', 'each step of a life is one event');
select is(pg_temp.got('select bool_and(seq = n and status_before = coalesce(former, ''new'')) from (select seq, status_before,
    row_number() over (order by seq) as n, lag(status_after) over (order by seq) as former from order_events where order_id = {id}) as e', :'id'),
  'true', 'the history is gapless and each event begins where the one before ended');
select is(pg_temp.got('select bool_and(hash = sha256(coalesce(former, '''') || uuid_send(order_id) || int8send(seq) || timestamptz_send(at)
    || convert_to(concat_ws(E''\x1f'', kind, status_before, status_after, actor, actor_source, data::text), ''UTF8''))) from (
    select *, lag(hash) over (order by seq) as former from order_events where order_id = {id}) as e', :'id'),
  'true', 'the chain of hashes can be recomputed without the functions');
select is(pg_temp.got('select o.head = e.hash and o.version = e.seq from orders as o join order_events as e on e.order_id = o.id and e.seq = o.version
    where o.id = {id}', :'id'), 'true', 'the order ends with its last event');
select is(pg_temp.got('select actor_source || '' '' || (actor = session_user) from order_events where order_id = {id} and seq = 1', :'id'),
  'login true', 'without a given actor it is the login role');
select is(pg_temp.said('hold_order({id}, options => ''{"actor": "Zoe"}'')', :'id'), 'refused cannot_hold', 'an ended order is not held');

select pg_temp.paid() as other \gset
select pg_temp.said('hold_order({id}, options => ''{"actor": "Zoe"}'')', :'other') as ignored \gset
select is(pg_temp.got('select actor || '' '' || actor_source from order_events where order_id = {id} order by seq desc limit 1', :'other'),
  'Zoe options', 'a given actor is kept with where it came from');
select set_config('request.jwt.claims', '{"role": "service_role", "sub": "key-1"}', true) as ignored \gset
select pg_temp.said('release_hold({id})', :'other') as ignored \gset
select is(pg_temp.got('select actor || '' '' || actor_source from order_events where order_id = {id} order by seq desc limit 1', :'other'),
  'service_role:key-1 jwt', 'else the actor is role and subject of the verified token');

select is(pg_temp.stored(:'id'), :'before', 'nothing of all this has changed the order');
select * from finish();
rollback;
