-- A status that is written past the functions is refused, whoever writes it, and the error names the
-- functions to call. An order is never deleted, truncated, or changed without its event.
\ir begin.psql
select plan(85);

select pg_temp.paid() as id \gset
select pg_temp.stored(:'id') as before \gset

-- The callers of a shop: a sentence where they hold a grant for it, else a plain refusal.
select is(pg_temp.tried(who, what, :'id'), '42501 orders.status is written by functions only', who || ': ' || what)
  from unnest('{service_role, app}'::text[]) as who
 cross join unnest(array['update orders set status = ''completed'' where id = {id}', 'update orders set status = status',
   'update orders set status = ''submitting'' where false']) as what;
select matches(pg_temp.tried(who, what, :'id'), '^42501 permission denied', who || ': ' || what)
  from unnest('{service_role, app}'::text[]) as who
 cross join unnest(array[
   'update orders set hold_reason = null where id = {id}', 'update orders set payment_status = ''paid'' where id = {id}',
   'update orders set zinc_request_id = ''x'' where id = {id}', 'update orders set due_at = now() where id = {id}',
   'update orders set total_minor = 1 where id = {id}', 'insert into orders (id) values ({id})',
   'insert into order_events (order_id) values ({id})', 'update order_attempts set outcome = ''refused''',
   'update payments set amount_received = 1', 'insert into money_moves (order_id) values ({id})',
   'update settings set value = ''0''', 'select lease_token from order_attempts']) as what;
select matches(pg_temp.tried(who, 'alter table orders disable trigger all'), '^42501 must be owner', who || ' cannot switch the triggers off')
  from unnest('{service_role, app}'::text[]) as who;
select is(pg_temp.tried(who, 'delete from orders where id = {id}', :'id'), '42501 orders are never deleted', who || ' cannot delete an order')
  from unnest('{service_role, app, owner}'::text[]) as who;
select is(pg_temp.tried(who, 'truncate orders cascade'), '42501 orders are never truncated', who || ' cannot truncate orders')
  from unnest('{service_role, app, owner}'::text[]) as who;
select matches(pg_temp.tried(who, what, :'id'), '^42501 permission denied', who || ': ' || what)
  from unnest('{anon, authenticated}'::text[]) as who
 cross join unnest(array['update {shop}.orders set status = ''completed'' where id = {id}', 'delete from {shop}.orders', 'truncate {shop}.orders cascade',
   'select from {shop}.orders', 'select {shop}.order_system_health()']) as what;

-- The owner, past the functions.
select is(pg_temp.tried('owner', 'update orders set ' || change || ' where id = {id}', :'id'),
    '42501 an order changes only together with its event', 'the owner without an event: ' || change)
  from unnest(array['status = ''needs_review'', status_before = ''pending'', review_reason = ''x''', 'status = ''cancelled'', due_at = null',
    'hold_reason = ''operator''', 'payment_status = ''refunded''', 'zinc_request_id = ''x''', 'zinc_status = ''x''', 'generation = 1',
    'review_reason = ''x''', 'cost_minor = 1', 'version = version + 1', 'head = sha256(''x'')',
    'version = version + 2, head = sha256(''x'')', 'version = version + 1, head = sha256(''x''), status_before = ''submitting''',
    'status = ''cancelled'', due_at = null, status_before = ''submitting'', version = version + 1, head = sha256(''x'')']) as change;
select is(pg_temp.tried('owner', 'update orders set ' || change || ' where id = {id}', :'id'),
    '42501 an order stays as it was placed', 'the owner: ' || change)
  from unnest(array['id = gen_random_uuid()', 'order_number = ''x''', 'content_digest = sha256(''x'')', 'created_at = now()',
    'goods_minor = 1', 'total_minor = 1600', 'price_cap_minor = 1', 'retailer = ''amazon''', 'currency = ''USD''',
    'capture_when = ''after_purchase''']) as change;

select matches(pg_temp.tried('owner', 'select write_event({id}, 99, ''x'', ''pending'', ''cancelled'', ''{}'', null, now(), ''x'', ''login'')', :'id'), '^XX000 ',
  'an event for a version that is not the last one is refused');
select matches(pg_temp.tried('owner', 'select write_event({id}, 2, ''x'', ''submitting'', ''cancelled'', ''{}'', null, now(), ''x'', ''login'')', :'id'), '^XX000 ',
  'and so is one from another status');

-- The wall stands: each guard of orders, on for every session but a replica's.
select is(pg_temp.got(format('select tgenabled from pg_trigger where tgname = %L and tgrelid = ''orders''::regclass', guard)), 'O', guard || ' is on')
  from unnest('{orders_written_by_functions_only, orders_never_deleted, orders_never_truncated, orders_stay_as_placed,
    orders_changed_with_their_event, orders_born_pending}'::text[]) as guard;

-- The error tells what to do instead.
create function pg_temp.hint_of(who text, what text, id uuid) returns text
language plpgsql as $$
declare
  told text;
begin
  perform set_config('role', pg_temp.role_of(who), true);
  execute replace(what, '{id}', quote_literal(id));
  return 'no error';
exception when others then
  get stacked diagnostics told = pg_exception_hint;
  return told;
end $$;
select matches(pg_temp.hint_of('service_role', 'update orders set status = ''completed'' where id = {id}', :'id'), name, 'the hint names ' || name)
  from unnest('{complete_order_processing, manually_complete_order, recover_stuck_orders, PROTECTION}'::text[]) as name;

select is(pg_temp.stored(:'id'), :'before', 'nothing of all this has changed the order');
select * from finish();
rollback;
