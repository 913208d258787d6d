-- What waits for its payment is read at Stripe: also when a person has held it meanwhile, and however many others wait.
\ir begin.psql
select plan(11);

create function pg_temp.order_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', status, payment_status, hold_reason) from orders where id = {id}', id);
end $$;
-- An engine looks what it should read: the PaymentIntents that it is given.
create function pg_temp.read_now(batch integer default 1000) returns text[]
language plpgsql as $$
begin
  return array(select jsonb_array_elements_text(coalesce(pg_temp.asked('app', format('(select jsonb_agg(d.payment_intent) from due_payments(%s) as d)', batch)), '[]')));
end $$;
create function pg_temp.is_read(id uuid, batch integer default 1000) returns boolean
language plpgsql as $$
begin
  return pg_temp.intent(id) = any (pg_temp.read_now(batch));
end $$;
select pg_temp.clock(0) as ignored \gset
select pg_temp.not_held() as ignored \gset

-- Held by a person.
select pg_temp.paid() as id \gset
select pg_temp.said('hold_order({id}, ''operator'')', :'id') as ignored \gset
select pg_temp.told(:'id', '{"status": "not_found", "received_minor": 0, "named_order": null}'), pg_temp.clock(10) \gset ignored_
select pg_temp.read_now(), pg_temp.clock(864000) \gset ignored_
select is(pg_temp.is_read(:'id'), false, 'while a person holds an order nobody reads its payment');
select is(pg_temp.said('release_hold({id})', :'id') || ', ' || pg_temp.order_of(:'id'), 'done pending, pending paid awaiting_payment', 'when he lets it go, it waits for the payment');
select is(pg_temp.is_read(:'id'), true, 'and that is read');
select pg_temp.clock(864010), pg_temp.told(:'id') \gset ignored_
select is(pg_temp.order_of(:'id'), 'pending paid', 'a good word of Stripe ends the hold');

-- Held by a customer's wish, while the payment became right.
select pg_temp.clock(0), pg_temp.in_status('unknown') as id \gset
select pg_temp.told(:'id', '{"status": "not_found", "named_order": null}') as ignored \gset
select is(pg_temp.order_of(:'id'), 'submitting paid payment_undone', 'the payment of an order that may be bought is gone');
select pg_temp.said('cancel_order({id})', :'id'), pg_temp.told(:'id'), pg_temp.clock(10) \gset ignored_
select pg_temp.read_now(), pg_temp.clock(864000) \gset ignored_
select is(pg_temp.said('release_hold({id})', :'id') || ', ' || pg_temp.order_of(:'id'), 'done submitting, submitting paid payment_undone', 'its customer wants it after all, and what held it before holds it again');
select is(pg_temp.is_read(:'id'), true, 'until its payment is read');
select pg_temp.clock(864010), pg_temp.told(:'id') \gset ignored_
select is(pg_temp.order_of(:'id'), 'submitting paid', 'and found right');

-- Beside thousands that nobody pays.
select pg_temp.clock(0), pg_temp.paid() as id \gset
create temporary table crowd as select pg_temp.placed() as id from generate_series(1, 41);
select count(pg_temp.said(format('attach_payment({id}, %L)', pg_temp.intent(id)), id)) as ignored from crowd \gset
select count(pg_temp.forced('payments', id, 'next_read_at = now() - interval ''1 hour''')) as ignored from crowd \gset
select pg_temp.forced('orders', :'id', 'due_at = now() - interval ''1 year'''),
       pg_temp.forced('payments', :'id', 'read_at = null, reads = 99, next_read_at = now()') \gset ignored_
select is(pg_temp.is_read(:'id', 1), true, 'an order that may be sent is read before a crowd that nobody pays');
select is(cardinality(pg_temp.read_now(4)) <= 4, true, 'of which each look reads no more than it should');
select is(pg_temp.is_read(:'id', 1), false, 'and not again at once');
select * from finish();
rollback;
