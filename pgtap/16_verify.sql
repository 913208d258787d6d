-- verify_orders finds nothing wrong with an order that lived through the doors, and names each edit that
-- somebody made by force. By force means here: the owner switches the triggers off, and the rollback puts
-- back what he did; so no superuser is needed to try it.
\ir begin.psql
select plan(53);

-- The rules that are broken for one order. The page begins after the order before it.
create function pg_temp.broken(id uuid, force text) returns text
language plpgsql as $$
declare
  standing text := current_setting('role');
  page text;
  answer text;
  said text;
begin
  begin
    perform set_config('role', pg_temp.role_of('owner'), true);
    page := format('select coalesce(string_agg(distinct rule, '' '' order by rule), ''nothing'') from verify_orders(
      (select o.id from orders as o where o.id < %1$L order by o.id desc limit 1), 1) where order_id = %1$L', id);
    execute 'alter table orders disable trigger user; alter table order_events disable trigger user; alter table order_items disable trigger user;
      alter table order_private disable trigger user; alter table order_attempts disable trigger user; ' || replace(force, '{of}', format('where order_id = %L', id));
    execute page into answer;
    raise exception using errcode = 'ZZ000';
  exception when others then
    get stacked diagnostics said = message_text;
    return coalesce(answer, said);
  end;
end $$;

-- An order that has lived through much.
select pg_temp.in_status('submitting') as id \gset
select pg_temp.setback(:'id', 'purchase_refused', 'refused', 'key_used_up', 'pending') as ignored \gset
select pg_temp.said('hold_order({id})', :'id') as ignored \gset
select pg_temp.said('release_hold({id})', :'id') as ignored \gset
select pg_temp.claimed(:'id') as ignored \gset
select pg_temp.said(format('complete_order_processing({id}, %L, ''delivered'', ''completed'')', pg_temp.request(:'id')), :'id') as ignored \gset
select is(pg_temp.got('select status || '' '' || version from orders where id = {id}', :'id'), 'completed 10', 'an order that has lived through much');
select is(pg_temp.broken(:'id', 'select'), 'nothing', 'nothing is wrong with it');
select is(pg_temp.broken(pg_temp.in_status(s), 'select'), 'nothing', 'nor with one that is ' || s)
  from unnest('{pending, submitting, unknown, submitted_to_zinc, processing, needs_review, watched, cancelled, failed}'::text[]) as s;
select is(pg_temp.asked('service_role', '(select count(*) from verify_orders(null, 1) where orders_checked is not null)') #>> '{}', '1', 'service_role may ask, and the last row counts');
select matches(pg_temp.tried('service_role', 'select verify_orders(null, ' || size || ')'), '^22023 ', 'a page of ' || size || ' is misuse') from unnest('{"null", 0, 100001}'::text[]) as size;

select matches(pg_temp.broken(:'id', force), '(^| )' || rule || '( |$)', rule || ': ' || force)
  from (values
    ('update order_events set at = at + interval ''1 microsecond'' {of} and seq = 4', 'hash'), ('update order_events set kind = ''edited'' {of} and seq = 4', 'hash'),
    ('update order_events set actor = ''somebody'' {of} and seq = 4', 'hash'), ('update order_events set actor_source = ''jwt'' {of} and seq = 4', 'hash'),
    ('update order_events set data = data || ''{"code": "other"}'' {of} and seq = 4', 'hash'), ('update order_events set hash = sha256(''x'') {of} and seq = 4', 'hash'),
    ('update order_events set status_before = ''pending'' {of} and seq = 4', 'status_sequence'), ('update order_events set status_after = ''failed'' {of} and seq = 4', 'status_sequence'),
    ('update order_events set seq = 400 {of} and seq = 4', 'gap'), ('delete from order_events {of} and seq = 4', 'gap'), ('delete from order_events {of} and seq = 1', 'gap'),
    ('delete from order_events {of} and seq = 10', 'head'), ('delete from order_events {of}', 'head'),
    ('insert into order_events select order_id, 11, at, kind, status_after, ''pending'', actor, actor_source, ''{}'', hash from order_events {of} and seq = 10', 'edge'),
    ('update order_items set quantity = quantity + 1 {of}', 'goods_total'), ('update order_items set quantity = 1, unit_price_minor = 1530 {of}', 'lines'),
    ('update order_items set product_id = ''other'' {of}', 'lines'), ('delete from order_items {of}', 'lines'),
    ('update order_private set recipient = recipient || ''{"city": "Leeds"}'' {of}', 'private'), ('delete from order_private {of}', 'private'),
    ('update order_attempts set request_body = ''edited'' {of} and generation = 1', 'digest'),
    ('update order_attempts set request_body = ''edited'', request_digest = sha256(''edited'') {of} and generation = 1', 'attempts'),
    ('update order_attempts set provider_key = ''pgtap other'' {of} and generation = 1', 'attempts'), ('update order_attempts set price_cap_minor = 1 {of} and generation = 1', 'attempts'),
    ('delete from order_attempts {of} and generation = 1', 'attempts'),
    ('update order_attempts set settled_at = null, settled_by = null, outcome = ''unknown'' {of} and generation = 2', 'unsettled')) as t (force, rule);
select matches(pg_temp.broken(:'id', format('update orders set %s where id = %L', change, :'id')), '(^| )' || rule || '( |$)', rule || ': update orders set ' || change)
  from (values ('order_number = ''pgtap forged''', 'fold'), ('status = ''failed'', status_before = ''processing''', 'head'), ('version = version + 1', 'head'), ('head = sha256(''x'')', 'head'),
    ('zinc_request_id = ''pgtap-forged''', 'fold'), ('payment_status = ''refunded''', 'fold'), ('goods_minor = goods_minor - 1', 'goods_total'), ('total_minor = total_minor + 1', 'fold'),
    ('currency = ''USD''', 'fold'), ('created_at = created_at + interval ''1 microsecond''', 'fold')) as t (change, rule);

-- A clock that was set back is no tampering.
select pg_temp.clock(120), pg_temp.in_status('submitting') as back \gset
select pg_temp.setback(:'back', 'purchase_refused', 'refused', 'key_used_up', 'pending'), pg_temp.clock(119) \gset ignored_
select is(pg_temp.said('manually_complete_order({id}, ''pgtap-elsewhere'', ''seen'')', :'back'), 'done completed', 'an order that was refused here is bought elsewhere, a second before by a clock that was set back');
select is(pg_temp.broken(:'back', 'select'), 'nothing', 'nothing of it is broken');
select * from finish();
rollback;
