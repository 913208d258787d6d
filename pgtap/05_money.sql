-- Money is moved by functions only. A movement is intended once, keeps its amount and its bytes, ends
-- once and is kept; refunds never exceed what was received; one PaymentIntent pays one order.
\ir begin.psql
select plan(62);

select pg_temp.in_status('completed') as id, pg_temp.paid() as other, pg_temp.paid() as third \gset
select pg_temp.said('refund_order({id}, 500, ''one came broken'')', :'id') as ignored \gset

create function pg_temp.changed(what text, id uuid, first text default 'select') returns text
language plpgsql as $$
begin
  return pg_temp.tried('owner', first || '; update money_moves set ' || what || ' where order_id = {id}', id);
end $$;
create function pg_temp.added(other jsonb, id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.tried('owner', format('insert into money_moves select (jsonb_populate_record(m, jsonb_build_object(''id'', gen_random_uuid(),
    ''request_key'', null) || %L)).* from money_moves as m where order_id = {id}', other), id);
end $$;

select is(pg_temp.got('select concat_ws('' '', kind, amount_minor, currency, state, calls) from money_moves where order_id = {id}', :'id'),
  'refund 500 GBP open 0', 'a refund is a row before anything is sent');
select matches(pg_temp.tried(who, what, :'id'), '^42501 permission denied', who || ': ' || what)
  from unnest('{service_role, app}'::text[]) as who
 cross join unnest(array['update money_moves set state = ''done''', 'insert into money_moves (id) values (gen_random_uuid())',
   'delete from money_moves', 'select body from money_moves', 'select lease_token from money_moves']) as what;
select is(pg_temp.tried(who, 'truncate money_moves'), '42501 movements of money are kept for ever', who || ' truncates no movements')
  from unnest('{service_role, app, owner}'::text[]) as who;
select is(pg_temp.tried('owner', 'delete from money_moves where order_id = {id}', :'id'), '42501 movements of money are kept for ever', 'the owner deletes none');
select matches(pg_temp.got('select pg_get_triggerdef(t.oid) from pg_trigger as t where t.tgname = ''money_moves_written_by_functions_only''
    and t.tgrelid = ''money_moves''::regclass and t.tgenabled = ''O'''), 'BEFORE INSERT OR UPDATE .* WHEN \(\(CURRENT_USER <> ',
  'whoever is not the owner is refused by a sentence as well');

select is(pg_temp.changed(what, :'id'), '42501 a movement of money is frozen: amount, key and bytes never change', 'frozen: ' || what)
  from unnest(array['id = gen_random_uuid()', 'order_id = gen_random_uuid()', 'payment_intent = ''pi_x''', 'kind = ''capture''', 'amount_minor = 1',
    'currency = ''USD''', 'cause = ''order_ended''', 'reason = ''x''', 'requested_by = ''x''', 'created_at = now()', 'request_key = ''x''']) as what;
select is(pg_temp.changed(what, :'id', 'update money_moves set target = ''/refunds'', body = ''x'', approved_by = ''another'', calls = 2, key_number = 2,
    first_sent_at = now(), key_dead_at = now(), stripe_id = ''re_1'', state = ''unknown'' where order_id = {id}'),
  '42501 a movement of money is frozen: amount, key and bytes never change', 'once set: ' || what)
  from unnest(array['target = ''/other''', 'body = ''other''', 'approved_by = ''third''', 'stripe_id = ''re_2''', 'calls = 1', 'key_number = 1',
    'first_sent_at = now() - interval ''1 day''', 'key_dead_at = now() + interval ''1 day''']) as what;
select is(pg_temp.changed(what, :'id', first), '42501 a movement of money ends once, and what may have been sent is never unsent', first || '; then ' || what)
  from (values
    ('update money_moves set state = ''done'', settled_at = now(), due_at = null where order_id = {id}', 'state = ''open'', settled_at = null, due_at = now()'),
    ('update money_moves set state = ''done'', settled_at = now(), due_at = null where order_id = {id}', 'settled_at = now() + interval ''1 day'''),
    ('update money_moves set state = ''refused'', settled_at = now(), due_at = null where order_id = {id}', 'state = ''done'''),
    ('update money_moves set state = ''unknown'' where order_id = {id}', 'state = ''open'''),
    ('update money_moves set state = ''accepted'' where order_id = {id}', 'state = ''unknown'''),
    ('update money_moves set state = ''unknown'' where order_id = {id}', 'state = ''withdrawn'', settled_at = now(), due_at = null')) as t (first, what);
select is(pg_temp.changed('state = ''failed''', :'id', 'update money_moves set state = ''done'', settled_at = now(), due_at = null where order_id = {id}'),
  'done', 'only a refund that the bank gives back may fail after it was done');

-- Sums.
select is(pg_temp.got('select refunds_minor from payments where order_id = {id}', :'id'), '500', 'the payment counts its refunds');
select is(pg_temp.added('{"amount_minor": 1030}', :'id'), 'done', 'refunds may reach what was received');
select is(pg_temp.added('{"amount_minor": 1031}', :'id'), '23514 payments_refunds_within_received', 'and never exceed it');
select is(pg_temp.tried('owner', 'update payments set refunds_minor = 1531 where order_id = {id}', :'id'),
  '23514 payments_refunds_within_received', 'not even by an edit of the sum');
select is(pg_temp.tried('owner', 'update payments set refunds_minor = -1 where order_id = {id}', :'id'),
  '23514 payments_refunds_within_received', 'nor is the sum negative');

-- A PaymentIntent is captured once and cancelled once; a person's request is there once.
select is(pg_temp.tried('owner', format('insert into money_moves select (jsonb_populate_record(m, jsonb_build_object(''id'', gen_random_uuid(),
    ''request_key'', null, ''kind'', %1$L))).* from money_moves as m where order_id = {id};
    insert into money_moves select (jsonb_populate_record(m, jsonb_build_object(''id'', gen_random_uuid(),
    ''request_key'', null, ''kind'', %1$L))).* from money_moves as m where order_id = {id} and kind = ''refund''', kind), :'id'),
  '23505 money_moves_one_' || kind, 'one ' || kind || ' of a PaymentIntent')
  from unnest('{capture, cancel}'::text[]) as kind;
select is(pg_temp.added(pg_temp.asked('owner', '(select jsonb_build_object(''request_key'', request_key) from money_moves where order_id = {id})', :'id'), :'id'),
  '23505 money_moves_one_per_request', 'a request of a person is one refund');

-- Payments.
select is(pg_temp.said(format('attach_payment({id}, %L)', pg_temp.intent(:'other')), :'id'), 'refused second_payment', 'an order has one payment that counts');
select is(pg_temp.tried('owner', format('insert into payments (payment_intent, order_id, next_read_at, created_at) values (%L, {id}, now(), now())',
  pg_temp.intent(:'other')), :'id'), '23505 payments_pkey', 'a PaymentIntent pays one order');
select is(pg_temp.tried('owner', 'insert into payments (payment_intent, order_id, next_read_at, created_at) values (''pi_pgtap'', {id}, now(), now())', :'id'),
  '23505 payments_one_live_per_order', 'a second payment that counts is refused');
select is(pg_temp.tried('owner', 'insert into payments (payment_intent, order_id, live, next_read_at, created_at) values (''pi_pgtap'', {id}, false, now(), now())', :'id'),
  'done', 'one that does not count is kept beside it');
select is(pg_temp.tried('owner', 'insert into payments (payment_intent, order_id, next_read_at, created_at) values (''pi_pgtap'', gen_random_uuid(), now(), now())'),
  '23503 payments_order_id_fkey', 'no payment without its order');

-- Messages.
select pg_temp.owner_does($$insert into inbox (event_id, source, kind, object, object_id, object_digest, livemode, created_at, received_at, state, due_at)
  values ('evt_pgtap', 'webhook', 'charge.refunded', 'charge', 'ch_1', sha256('x'), false, now(), now(), 'new', now())$$) as ignored \gset
select is(pg_temp.tried('owner', 'update inbox set ' || what || ' where event_id = ''evt_pgtap'''), '42501 a message stays as it was received', 'a message: ' || what)
  from unnest(array['event_id = ''x''', 'kind = ''x''', 'object_digest = sha256(''y'')', 'livemode = true', 'source = ''listed''']) as what;
select is(pg_temp.tried('owner', $$insert into inbox (event_id, source, kind, object, object_id, object_digest, livemode, created_at, received_at, state, due_at)
  values ('evt_pgtap', 'webhook', 'charge.refunded', 'charge', 'ch_1', sha256('x'), false, now(), now(), 'new', now())$$), '23505 inbox_pkey', 'a message is there once');
select matches(pg_temp.tried('service_role', 'select body from inbox'), '^42501 permission denied', 'the body of a message is closed');
select * from finish();
rollback;
