-- Reading payments at Stripe: which are read now, when each is read again, and what is stored of Stripe's word. What
-- was asked earlier never replaces what was asked later, and no other payment is touched.
\ir begin.psql
select plan(126);

select pg_temp.clock(0) as ignored \gset
select pg_temp.not_held() as ignored \gset

-- Whatever the shop has, only what is made from now on is read.
create function pg_temp.alone() returns void
language plpgsql as $$
begin
  perform pg_temp.owner_does('update payments set next_read_at = ''infinity'', stale_since = null where next_read_at < ''infinity'' or stale_since is not null');
  perform pg_temp.owner_does('update orders set hold_reason = ''operator'' where status in (''pending'', ''submitting'') and hold_reason is null');
end $$;
-- The payment of an order, and the order, with something else true of them than what is good.
create function pg_temp.but(id uuid, of_payment text default null, of_order text default null) returns uuid
language plpgsql as $$
begin
  perform pg_temp.owner_does('update payments set ' || of_payment || ' where order_id = {id}', id) where of_payment is not null;
  perform pg_temp.forced('orders', id, of_order) where of_order is not null;
  return id;
end $$;
-- One order of each status, and another like one of them, with something else true of it or of its payment.
create temporary table models as select s as status, pg_temp.in_status(s) as id from unnest('{pending, submitting, submitted_to_zinc, processing, completed, cancelled, failed, needs_review}'::text[]) as s;
create function pg_temp.like_one(of_status text, of_payment text default null, of_order text default null) returns uuid
language plpgsql as $$
declare
  model uuid := (select m.id from models as m where m.status = of_status);
  id uuid := gen_random_uuid();
begin
  perform pg_temp.owner_does(format('insert into orders select (jsonb_populate_record(o, jsonb_build_object(''id'', {id}, ''order_number'', {id}, ''zinc_request_id'', zinc_request_id || {id}, ''hold_reason'', null))).* from orders as o where o.id = %1$L;
    insert into payments select (jsonb_populate_record(p, jsonb_build_object(''order_id'', {id}, ''payment_intent'', %2$L))).* from payments as p where p.order_id = %1$L', model, pg_temp.intent(id))
    || coalesce('; update payments set ' || of_payment || ' where order_id = {id}', '') || coalesce('; update orders set ' || of_order || ' where id = {id}', ''), id);
  return id;
end $$;
create function pg_temp.frozen(yes boolean) returns void
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('alter table orders %s trigger user', case when yes then 'enable' else 'disable' end));
end $$;
-- The order had another PaymentIntent before.
create function pg_temp.with_former(id uuid, changes text default 'reads = reads') returns uuid
language plpgsql as $$
begin
  perform pg_temp.owner_does('insert into payments (payment_intent, order_id, live, stripe_status, next_read_at, created_at) select payment_intent || ''_former'', order_id, false, ''canceled'', ''infinity'', created_at from payments where order_id = {id}', id);
  perform pg_temp.owner_does('update payments set ' || changes || ' where order_id = {id} and not live', id);
  return id;
end $$;
select pg_temp.frozen(false) as ignored \gset

-- One order that somebody asks for.
create function pg_temp.to_read(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.asked('app', format('(select string_agg(concat_ws('' '', case r.order_id when {id} then ''its'' else ''another'' end, replace(r.payment_intent, %L, ''pi''), r.asked_us - (extract(epoch from now()) * 1000000)::bigint), '', '') from payment_to_read({id}) as r)',
    pg_temp.intent(id)), id) #>> '{}', 'nothing');
end $$;
select pg_temp.like_one('pending', 'stale_since = now()') as neighbour, pg_temp.like_one('pending') as id \gset
select is(pg_temp.to_read(:'id'), 'nothing', 'a payment that was just read is not read before its order is sent, whatever stands of another');
select is(pg_temp.to_read(:'neighbour'), 'its pi 0', 'one of which Stripe has sent word is: itself, once, and as asked for now');
select is(pg_temp.to_read(pg_temp.like_one('pending', changes)), wanted, 'with ' || changes || ': ' || wanted)
  from (values ('read_at = now() - interval ''30 seconds''', 'nothing'), ('read_at = now() - interval ''30 seconds'' - interval ''1 microsecond''', 'its pi 0'), ('read_at = now() + interval ''1 microsecond''', 'its pi 0'),
    ('read_at = null', 'its pi 0'), ('live = false, stale_since = now()', 'nothing')) as t (changes, wanted);
select is(pg_temp.to_read(pg_temp.like_one(status, 'stale_since = now()')), case when status in ('pending', 'submitting') then 'its pi 0' else 'nothing' end, status || ' that is asked for') from models;
select is(pg_temp.to_read(pg_temp.with_former(pg_temp.like_one('pending'), 'stale_since = now()')), 'nothing', 'a PaymentIntent that counts no more is not read for it');

-- What is due is taken, and its next reading moves ahead: the orders made here that are told to be read.
create function pg_temp.due(batch integer default 1000) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.asked('app', format('(select string_agg(d.payment_intent, '' '' order by d.payment_intent) from due_payments(%s) as d)', batch)) #>> '{}', 'nothing');
end $$;
create function pg_temp.next_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select string_agg(concat_ws('' '', ''reads'', reads, ''next'', case when next_read_at = ''infinity'' then ''never'' else extract(epoch from next_read_at - now())::float8::text end), '', '' order by live desc) from payments where order_id = {id}', id);
end $$;
-- Whether the payment of an order is among those that are read, and when it is read again.
create function pg_temp.reading(id uuid, taken text) returns text
language plpgsql as $$
begin
  return case when taken ~ ('\m' || pg_temp.intent(id) || '\M') then 'read' else 'not read' end || ', ' || pg_temp.next_of(id);
end $$;

select pg_temp.alone() as ignored \gset
-- Ahead of the claim: orders that may be sent within five seconds, whose facts are half as old as the claim allows.
create temporary table ahead as select t.*, pg_temp.like_one(status, of_payment, of_order) as id
  from (values
    ('pending', 'read_at = now() - interval ''30 seconds'' - interval ''1 microsecond''', 'due_at = now()', 'read, reads 1 next 5'),
    ('pending', 'read_at = now() - interval ''30 seconds''', 'due_at = now()', 'not read, reads 0 next never'),
    ('pending', 'read_at = now() + interval ''1 microsecond''', 'due_at = now()', 'read, reads 1 next 5'),
    ('pending', 'read_at = now()', 'due_at = now()', 'not read, reads 0 next never'),
    ('pending', 'read_at = null', 'due_at = now() + interval ''5 seconds''', 'read, reads 1 next 5'),
    ('pending', 'read_at = null', 'due_at = now() + interval ''5 seconds'' + interval ''1 microsecond''', 'not read, reads 0 next never'),
    ('pending', 'read_at = null, next_read_at = now() + interval ''1 microsecond''', 'due_at = now()', 'not read, reads 0 next 1e-06'),
    ('pending', 'read_at = null', 'due_at = now(), hold_reason = ''operator''', 'not read, reads 0 next never'),
    ('pending', 'read_at = null, live = false', 'due_at = now()', 'not read, reads 0 next never'),
    ('submitting', 'read_at = null', 'due_at = now()', 'read, reads 1 next 5'),
    ('submitted_to_zinc', 'read_at = null', 'due_at = now()', 'not read, reads 0 next never'),
    ('needs_review', 'read_at = null', 'due_at = now()', 'not read, reads 0 next never')) as t (status, of_payment, of_order, taken);
select pg_temp.due() as due \gset
select is(pg_temp.reading(id, :'due'), taken, concat_ws(', ', status, of_payment, of_order)) from ahead;
select pg_temp.alone() as ignored \gset
select pg_temp.like_one('pending', 'read_at = null', 'hold_reason = ''operator''') as held, pg_temp.with_former(pg_temp.like_one('pending')) as fresh \gset
select is(pg_temp.due() || ', ' || pg_temp.next_of(:'held') || ', ' || pg_temp.next_of(:'fresh'), 'nothing, reads 0 next never, reads 0 next never, reads 0 next never',
  'an order that may be sent has its own payment read, and the one that counts');
select pg_temp.but(:'fresh', 'next_read_at = now()') as ignored \gset
select is(pg_temp.reading(:'fresh', pg_temp.due()), 'read, reads 1 next 5, reads 0 next 0', 'nor is another one read that is due');

-- What is told of a payment to be read.
select pg_temp.alone() as ignored \gset
select pg_temp.like_one('pending', 'read_at = null', 'total_minor = 2000') as id, pg_temp.like_one('pending') as neighbour \gset
select is(pg_temp.asked('app', '(select string_agg(concat_ws('' '', d.order_id = {id}, d.payment_intent, d.total_minor, d.currency, d.asked_us = (extract(epoch from now()) * 1000000)::bigint), '', '') from due_payments(10) as d)', :'id') #>> '{}',
  't ' || pg_temp.intent(:'id') || ' 2000 GBP t', 'with its order, what should be paid, and when it was asked for');
select is(pg_temp.next_of(:'id') || ', ' || pg_temp.next_of(:'neighbour'), 'reads 1 next 5, reads 0 next never', 'and nothing of another one changes');

-- When one that is due is read again.
select pg_temp.alone() as ignored \gset
create temporary table again as select t.*, pg_temp.like_one(status, case when of_payment ~ 'next' then of_payment else 'next_read_at = now(), ' || of_payment end, of_order) as id
  from (values
    ('pending', 'next_read_at = now() + interval ''1 microsecond''', null, 'not read, reads 0 next 1e-06'),
    ('pending', 'reads = 3', null, 'read, reads 4 next 5'), ('submitting', 'reads = 3', null, 'read, reads 4 next 5'),
    ('pending', 'reads = 3', 'hold_reason = ''operator''', 'not read, reads 4 next never'), ('needs_review', 'reads = 3', null, 'not read, reads 4 next never'),
    ('pending', 'live = false', null, 'not read, reads 0 next 0'), ('pending', 'reads = 3, stale_since = now()', 'hold_reason = ''operator''', 'read, reads 4 next 5'),
    ('completed', 'stale_since = now()', null, 'read, reads 1 next 5'), ('completed', 'reads = 0', null, 'not read, reads 1 next never'),
    -- An order waits for it: doubling up to five minutes, then a tenth of its age up to a day.
    ('pending', 'reads = 0', 'hold_reason = ''awaiting_payment''', 'read, reads 1 next 5'), ('pending', 'reads = 1', 'hold_reason = ''wrong_amount''', 'read, reads 2 next 10'),
    ('submitting', 'reads = 2', 'hold_reason = ''payment_undone''', 'read, reads 3 next 20'), ('needs_review', 'reads = 3', 'hold_reason = ''wrong_order''', 'read, reads 4 next 40'),
    ('submitted_to_zinc', 'reads = 3', 'hold_reason = ''wrong_order''', 'not read, reads 4 next never'), ('pending', 'reads = 5', 'hold_reason = ''awaiting_payment''', 'read, reads 6 next 160'),
    ('pending', 'reads = 6', 'hold_reason = ''awaiting_payment''', 'read, reads 7 next 300'), ('pending', 'reads = 2000', 'hold_reason = ''awaiting_payment''', 'read, reads 2001 next 300'),
    ('pending', 'reads = 9, created_at = now() - interval ''3000 seconds''', 'hold_reason = ''awaiting_payment''', 'read, reads 10 next 300'),
    ('pending', 'reads = 9, created_at = now() - interval ''3010 seconds''', 'hold_reason = ''awaiting_payment''', 'read, reads 10 next 301'),
    ('pending', 'reads = 9, created_at = now() - interval ''10 days''', 'hold_reason = ''awaiting_payment''', 'read, reads 10 next 86400'),
    ('pending', 'reads = 9, created_at = now() - interval ''11 days''', 'hold_reason = ''awaiting_payment''', 'read, reads 10 next 86400'),
    ('pending', 'reads = 3, stripe_status = null', 'hold_reason = ''awaiting_payment''', 'read, reads 4 next 40'), ('pending', 'stripe_status = ''canceled''', 'hold_reason = ''payment_canceled''', 'not read, reads 1 next never'),
    -- The order has ended, and money may come late: a quarter of the time since, five minutes to seven days.
    ('cancelled', 'stripe_status = ''requires_payment_method''', null, 'read, reads 1 next 300'),
    ('failed', 'stripe_status = ''processing''', 'updated_at = now() - interval ''1200 seconds''', 'read, reads 1 next 300'),
    ('completed', 'stripe_status = ''requires_capture''', 'updated_at = now() - interval ''1204 seconds''', 'read, reads 1 next 301'),
    ('cancelled', 'stripe_status = null', 'updated_at = now() - interval ''28 days''', 'read, reads 1 next 604800'),
    ('cancelled', 'stripe_status = ''not_found''', 'updated_at = now() - interval ''29 days''', 'read, reads 1 next 604800'),
    ('cancelled', 'stripe_status = ''succeeded''', null, 'not read, reads 1 next never'), ('cancelled', 'stripe_status = ''canceled''', null, 'not read, reads 1 next never'),
    ('processing', 'stripe_status = ''requires_capture''', null, 'not read, reads 1 next never')) as t (status, of_payment, of_order, taken);
select pg_temp.due() as due \gset
select is(pg_temp.reading(id, :'due'), taken, concat_ws(', ', status, of_payment, of_order)) from again;

-- Who comes first: what Stripe has sent word of, then what was read least, then what has waited longest.
select pg_temp.alone() as ignored \gset
select array_agg(pg_temp.like_one('pending', format('reads = %s, stale_since = case when %L then now() end, next_read_at = now() - interval ''%s seconds''', reads, stale, ago), 'hold_reason = ''awaiting_payment''') order by place) as ids
  from (values (3, 0, false, 9), (6, 2, false, 8), (1, 5, true, 0), (4, 0, false, 5), (2, 7, true, 60), (5, 1, false, 70)) as t (place, reads, stale, ago) \gset
select is(string_agg(pg_temp.due(1), ' '), (select string_agg(pg_temp.intent(id), ' ' order by place) from unnest(:'ids'::uuid[]) with ordinality as t (id, place)), 'word of Stripe first, then new ones, each once') from generate_series(1, 6);
select is(pg_temp.due(), 'nothing', 'then there is nothing more');

-- So many orders like one, due an hour ago, without payments.
create function pg_temp.copies(id uuid, number integer) returns void
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('insert into orders select (jsonb_populate_record(o, jsonb_build_object(''id'', gen_random_uuid(), ''order_number'', gen_random_uuid(), ''due_at'', now() - interval ''1 hour''))).*
    from orders as o cross join generate_series(1, %s) where o.id = {id}', number), id);
end $$;

-- How many at a time: of those that may be sent half as many and one, so that the others have the rest.
create function pg_temp.taken(batch integer) returns integer
language sql
return cardinality(array_remove(string_to_array(pg_temp.due(batch), ' '), 'nothing'));
select pg_temp.alone() as ignored \gset
select count(pg_temp.like_one('pending', 'read_at = null')) as ignored from generate_series(1, 8) \gset
select is(pg_temp.taken(2) || ' ' || pg_temp.taken(4) || ' ' || pg_temp.taken(4), '2 3 3', 'of eight that may be sent two are read of two, and three of four');
select pg_temp.alone() as ignored \gset
select count(pg_temp.like_one('pending', 'read_at = null')) + count(pg_temp.like_one('pending', 'next_read_at = now()', 'hold_reason = ''awaiting_payment''')) as ignored from generate_series(1, 2) \gset
select is(pg_temp.taken(2) || ' ' || pg_temp.taken(2), '2 2', 'so many as were asked for, and not more');

-- A thousand orders that may be sent are looked at, or ten times as many as are read at a time; these have no payment.
select pg_temp.alone() as ignored \gset
select pg_temp.like_one('pending', 'read_at = null', 'due_at = now()') as last \gset
select pg_temp.like_one('pending') as model \gset
select pg_temp.copies(:'model', 999) as ignored \gset
select is(pg_temp.due(1), pg_temp.intent(:'last'), 'the thousandth that may be sent is read, however few are read at a time');
select pg_temp.but(:'last', 'next_read_at = ''infinity''') as ignored \gset
select pg_temp.copies(:'model', 1) as ignored \gset
select is(pg_temp.due(1), 'nothing', 'the one after a thousand is looked at later');
select is(pg_temp.due(101), pg_temp.intent(:'last'), 'but with ten times as many as are read at a time');

select pg_temp.frozen(true) as ignored \gset

-- What is stored of Stripe's word.
create function pg_temp.fact(id uuid, other jsonb default '{}') returns jsonb
language sql
return jsonb_build_object('payment_intent', pg_temp.intent(id), 'order_id', id, 'status', 'succeeded', 'received_minor', 1530, 'capturable_minor', 0, 'refunded_minor', 0, 'currency', 'GBP', 'livemode', false,
  'named_order', id, 'capture_before', null, 'dispute', null, 'in_review', false, 'warned', false) || other;
-- What became of each order of which Stripe's word is stored in one call, a letter for each order.
create function pg_temp.records(variadic facts jsonb[]) returns text
language plpgsql as $$
begin
  return coalesce((pg_temp.asked('app', format('(select string_agg(concat(chr(96 + array_position(%L::text[], r.order_id::text)), '' '', coalesce(r.result, ''null'')), '', '' order by array_position(%1$L::text[], r.order_id::text)) from record_payments(''pgtap'', false, %L) as r)',
    (select array_agg(f ->> 'order_id' order by n) from unnest(facts) with ordinality as t (f, n)), to_jsonb(facts))) #>> '{}'), 'nothing');
end $$;
create function pg_temp.asked_at(seconds numeric) returns jsonb
language sql
return jsonb_build_object('asked_us', (extract(epoch from now()) * 1000000 + seconds * 1000000)::bigint);
create function pg_temp.payment(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', stripe_status, amount_received, ''capturable '' || amount_capturable, ''refunded '' || amount_refunded, currency, ''live '' || livemode, named_order, ''before '' || extract(epoch from capture_before), ''authorised '' || extract(epoch from authorised_at - now())::float8,
    ''dispute '' || dispute, ''review '' || in_review, ''warned '' || warned, deviation, ''read '' || extract(epoch from read_at - now())::float8) from payments where order_id = {id} and live', id);
end $$;
-- When it was read, since when that is old, and when it is read next.
create function pg_temp.times(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', ''read '' || extract(epoch from read_at - now())::float8, ''stale '' || extract(epoch from stale_since - now())::float8, ''next '' || case when next_read_at = ''infinity'' then ''never'' else extract(epoch from next_read_at - now())::float8::text end) from payments where order_id = {id} and live', id);
end $$;
create function pg_temp.awaiting() returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.placed();
begin
  perform pg_temp.said(format('attach_payment({id}, %L)', pg_temp.intent(id)), id);
  return id;
end $$;
select pg_temp.in_status('completed') as id \gset
select pg_temp.told(:'id', '{"status": "requires_capture", "received_minor": 7, "capturable_minor": 8, "refunded_minor": 9, "currency": "USD", "livemode": true, "named_order": "pgtap", "capture_before": 4000000000, "dispute": "open", "in_review": true, "warned": true}') as ignored \gset
select is(pg_temp.payment(:'id'), 'requires_capture 7 capturable 8 refunded 9 USD live true pgtap before 4000000000.000000 authorised 0 dispute open review true warned true wrong_mode read 0', 'all that Stripe said is stored');
select pg_temp.clock(5) as ignored \gset
select pg_temp.told(:'id', '{"status": "requires_capture", "received_minor": null, "capturable_minor": null, "refunded_minor": null, "currency": null, "livemode": null, "named_order": null, "in_review": null, "warned": null}') as ignored \gset
select is(pg_temp.payment(:'id'), 'requires_capture 7 refunded 9 authorised 0 wrong_mode read 5', 'what is not known any more is not known, but for the sums that were received and returned, and when money was reserved first');
select pg_temp.clock(0) as ignored \gset
select pg_temp.paid() as captured \gset
select is(pg_temp.payment(:'captured'), 'succeeded 1530 capturable 0 refunded 0 GBP live false ' || :'captured' || ' review false warned false read 0', 'money that was never reserved has no such time');
select pg_temp.told(:'captured', jsonb_build_object('named_order', repeat('x', 101))) as ignored \gset
select is(pg_temp.got('select char_length(named_order) from payments where order_id = {id}', :'captured'), '100', 'a name that is too long is cut');

-- Facts come in any order.
create function pg_temp.later_facts(stands text, asked numeric) returns text
language plpgsql as $$
declare
  id uuid := pg_temp.but(pg_temp.paid(), stands);
begin
  perform pg_temp.told(id, '{"currency": "USD"}' || pg_temp.asked_at(asked));
  return pg_temp.got('select currency from payments where order_id = {id}', id) || ' ' || pg_temp.times(id);
end $$;
select is(pg_temp.later_facts('read_at = ' || stands, asked), stored, 'read at ' || stands || ', asked for at ' || asked)
  from (values ('now() - interval ''10 seconds''', -10, 'USD read -10 next 5'), ('now() - interval ''10 seconds''', -10.000001, 'GBP read -10 next never'), ('now() - interval ''10 seconds''', -2, 'USD read -2 next 5'),
    ('now() - interval ''10 seconds''', 9, 'USD read 0 next 5'), ('null', -10, 'USD read -10 next 5'), ('now()', -0.000001, 'GBP read 0 next never'), ('now() + interval ''1 microsecond''', -10, 'USD read -10 next 5')) as t (stands, asked, stored);

-- A word of Stripe that came after they were asked for stands, and is read at once.
create function pg_temp.after_word(stale text, next text, other jsonb default '{}') returns text
language plpgsql as $$
declare
  id uuid := pg_temp.but(pg_temp.paid(), format('read_at = now() - interval ''1 minute'', stale_since = %s, next_read_at = %s', stale, next));
begin
  perform pg_temp.told(id, pg_temp.asked_at(-10) || other);
  return pg_temp.times(id);
end $$;
select is(pg_temp.after_word(stale, next), times, 'word of ' || stale || ', next ' || next)
  from (values ('now() - interval ''10 seconds''', 'now() + interval ''3 seconds''', 'read -10 next never'), ('now() - interval ''10 seconds'' + interval ''1 microsecond''', '''infinity''', 'read -10 stale -9.999999 next 0'),
    ('now() - interval ''9 seconds''', 'now() - interval ''3 seconds''', 'read -10 stale -9 next -3'), ('now() + interval ''9 seconds''', 'now() + interval ''3 seconds''', 'read -10 stale 0 next 0'), ('null', 'now()', 'read -10 next never')) as t (stale, next, times);
select is(pg_temp.after_word('null', next, other), times, 'next ' || next || ' with ' || other)
  from (values ('now() + interval ''3 seconds''', '{"status": "canceled"}'::jsonb, 'read -10 next never'), ('''infinity''', '{"currency": "USD"}', 'read -10 next 5'), ('now() + interval ''3 seconds''', '{"currency": "USD"}', 'read -10 next 3'),
    ('''infinity''', '{"status": "processing"}', 'read -10 next 5')) as t (next, other, times);

-- Several payments in one call: each for its own order.
create function pg_temp.order_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', o.status, o.payment_status, o.hold_reason, (select string_agg(e.kind, '','' order by e.seq) from order_events as e where e.order_id = o.id and e.seq > 1),
    (select string_agg(''finding '' || f.kind, '','' order by f.kind) from findings as f where f.order_id = o.id and f.closed_at is null)) from orders as o where o.id = {id}', id);
end $$;
select pg_temp.awaiting() as one, pg_temp.awaiting() as two, pg_temp.awaiting() as three, pg_temp.awaiting() as four, pg_temp.paid() as five, pg_temp.awaiting() as neighbour, pg_temp.paid() as other \gset
select pg_temp.but(:'three', of_order => 'capture_when = ''after_purchase''') as ignored \gset
select pg_temp.told(:'four', '{"received_minor": 1}') as ignored \gset
select pg_temp.forced('orders', :'other', 'status = ''failed'', status_before = ''submitting'', due_at = null') as ignored \gset
select pg_temp.stored(:'neighbour') as neighbour_before, pg_temp.stored(:'other') as other_before \gset
select is(pg_temp.records(pg_temp.fact(:'one'), pg_temp.fact(:'two', '{"currency": "USD"}'),
  pg_temp.fact(:'three', '{"status": "requires_capture", "received_minor": 0, "capturable_minor": 1530, "capture_before": 4000000000}'), pg_temp.fact(:'four'), pg_temp.fact(:'five')),
  'a paid, b mismatch, c paid, d paid', 'what changed is told, and of what stands as it should nothing');
select is(pg_temp.order_of(:'one'), 'pending paid payment_confirmed', 'one is paid');
select is(pg_temp.order_of(:'two'), 'pending unpaid wrong_currency payment_mismatched finding wrong_currency', 'one is held');
select is(pg_temp.order_of(:'three'), 'pending authorized payment_authorized', 'the money of one is reserved');
select is(pg_temp.order_of(:'four'), 'pending paid payment_mismatched,payment_confirmed', 'one is paid at last, and what a person was told of it is over');
select is(pg_temp.order_of(:'five'), 'pending paid payment_confirmed', 'one stays as it was');
select is(pg_temp.got('select concat_ws('', '', actor, actor_source, data) from order_events where order_id = {id} order by seq desc limit 1', id), 'engine/pgtap, options, ' || said, kind)
  from (values (:'one'::uuid, 'the history has what was received', jsonb_build_object('set', '{"hold_reason": null, "payment_status": "paid"}'::jsonb, 'payment_intent', pg_temp.intent(:'one'), 'received_minor', 1530)::text),
    (:'three', 'and what was reserved', jsonb_build_object('set', '{"hold_reason": null, "payment_status": "authorized"}'::jsonb, 'payment_intent', pg_temp.intent(:'three'), 'received_minor', 0)::text)) as t (id, kind, said);
select is(pg_temp.got('select concat_ws('' '', due_at = clock_now()) from orders where id = {id}', id), 't', 'and is due now') from unnest(array[:'one', :'three', :'four']::uuid[]) as id;
select ok(pg_temp.stored(:'neighbour') = :'neighbour_before' and pg_temp.stored(:'other') = :'other_before', 'of others nothing changes, although one has money to return');
select is(pg_temp.records(pg_temp.fact(:'neighbour', jsonb_build_object('order_id', :'five'))) || ' ' || (pg_temp.stored(:'neighbour') = :'neighbour_before'), 'nothing true', 'what is told of another order''s payment is not stored');
select is(pg_temp.records(pg_temp.fact(:'other')) || ', ' || pg_temp.order_of(:'other'), 'nothing, failed refund_pending payment_confirmed,move_planned', 'what was paid for an order that failed goes back when it is read');
select pg_temp.paid() as stopped \gset
select pg_temp.forced('orders', :'stopped', 'status = ''cancelled'', status_before = ''pending'', due_at = null') as ignored \gset
select is(pg_temp.records(pg_temp.fact(:'stopped')) || ', ' || pg_temp.order_of(:'stopped'), 'nothing, cancelled refund_pending payment_confirmed,move_planned', 'or was cancelled');

-- Whoever works on another order does not wait for it.
create function pg_temp.locked(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select xmax from orders where id = {id}', id);
end $$;
select pg_temp.paid() as told, pg_temp.placed() as free \gset
select pg_temp.locked(:'free') as before \gset
select pg_temp.told(:'told') as ignored \gset
select is(pg_temp.locked(:'free'), :'before', 'no other order is locked than the one whose payment is told');

-- A PaymentIntent that counts no more pays and holds nothing.
select pg_temp.with_former(pg_temp.awaiting()) as waiting, pg_temp.with_former(pg_temp.paid()) as paid \gset
select is(pg_temp.records(pg_temp.fact(:'waiting', jsonb_build_object('payment_intent', pg_temp.intent(:'waiting') || '_former')), pg_temp.fact(:'paid', jsonb_build_object('payment_intent', pg_temp.intent(:'paid') || '_former', 'dispute', 'open'))),
  'nothing', 'a PaymentIntent that counts no more says nothing about its order');
select is(pg_temp.order_of(:'waiting') || ', ' || pg_temp.order_of(:'paid'), 'pending unpaid awaiting_payment, pending paid payment_confirmed', 'it pays nothing, and holds nothing');

-- What waits for no payment is not opened by one.
select pg_temp.but(pg_temp.awaiting(), of_order => 'hold_reason = ''operator''') as held, pg_temp.but(pg_temp.in_status('submitting'), of_order => 'payment_status = ''unpaid'', hold_reason = ''awaiting_payment''') as sent, pg_temp.paid() as undone \gset
select is(pg_temp.records(pg_temp.fact(:'held'), pg_temp.fact(:'sent')), 'a changed, b paid', 'money comes for orders that a person holds or that may be bought already');
select is(pg_temp.order_of(:'held'), 'pending paid operator payment_changed', 'what a person holds stays held');
select is(pg_temp.order_of(:'sent'), 'submitting paid payment_confirmed,purchase_opened,payment_confirmed', 'what may be bought goes on');
select is(pg_temp.records(pg_temp.fact(:'undone', '{"status": "processing", "received_minor": 0}')) || ', ' || pg_temp.records(pg_temp.fact(:'undone')) || ', ' || pg_temp.order_of(:'undone'), 'a mismatch, a paid, pending paid payment_confirmed,payment_mismatched,payment_confirmed', 'what was undone and is there again goes on');
select is(pg_temp.got('select data::text from order_events where order_id = {id} order by seq desc limit 1', :'undone'), jsonb_build_object('set', '{"hold_reason": null}'::jsonb, 'payment_intent', pg_temp.intent(:'undone'), 'stripe_status', 'succeeded', 'received_minor', 1530)::text, 'it was paid all the time');
select pg_temp.in_status('completed') as disputed \gset
select is(pg_temp.records(pg_temp.fact(:'disputed', '{"dispute": "open"}')) || ', ' || pg_temp.records(pg_temp.fact(:'disputed', '{"dispute": "closed"}')), 'a changed, a changed', 'a dispute that is won changes the order back');

-- Signs of fraud, where the shop does not hold for them.
create function pg_temp.told_with(settings_say text, other jsonb) returns text
language plpgsql as $$
declare
  id uuid := pg_temp.awaiting();
begin
  perform pg_temp.owner_does(format('update settings set value = %L where name = ''hold_on_fraud_signs''', settings_say));
  return pg_temp.records(pg_temp.fact(id, other));
end $$;
select is(pg_temp.told_with(says, other), told, 'hold on signs of fraud: ' || says || ', ' || other)
  from (values ('no', '{"warned": true}'::jsonb, 'a paid'), ('no', '{"in_review": true}', 'a paid'), ('no', '{"dispute": "open"}', 'a mismatch'), ('yes', '{"warned": true}', 'a mismatch'), ('yes', '{"in_review": true}', 'a mismatch'), ('yes', '{"dispute": "closed"}', 'a paid')) as t (says, other, told);

-- Reserved money.
select ceil(extract(epoch from now())) - extract(epoch from now()) as whole_second \gset
create function pg_temp.reserved_with(wanted text, other jsonb default '{}') returns text
language plpgsql as $$
declare
  id uuid := pg_temp.but(pg_temp.awaiting(), of_order => format('capture_when = %L', wanted));
begin
  perform pg_temp.told(id, jsonb_build_object('status', 'requires_capture', 'received_minor', 0, 'capturable_minor', 1530, 'capture_before', ceil(extract(epoch from now()))::bigint + 3601) || other);
  return pg_temp.got('select concat_ws('' '', p.deviation, o.payment_status, o.hold_reason) from payments as p join orders as o on o.id = p.order_id where o.id = {id}', id);
end $$;
select pg_temp.clock(:whole_second) as ignored \gset
select is(pg_temp.reserved_with('after_purchase'), 'authorized', 'reserved money that can be captured for longer than an hour pays what is captured after its purchase');
select is(pg_temp.reserved_with('after_purchase', jsonb_build_object('capture_before', ceil(extract(epoch from now()))::bigint + 3600)), 'authorisation_ending authorized authorisation_ending', 'an hour is too short');
select is(pg_temp.reserved_with('after_purchase', '{"capture_before": null}'), 'authorisation_ending authorized authorisation_ending', 'and nobody knows how long is as well');
select is(pg_temp.reserved_with('before_purchase'), 'waiting unpaid awaiting_payment', 'it does not pay what is captured before');
select is(pg_temp.reserved_with('after_purchase', '{"capturable_minor": 1529, "received_minor": 1530}'), 'wrong_amount unpaid wrong_amount', 'all must be reserved');
select pg_temp.clock(0) as ignored \gset
select pg_temp.in_status('completed') as completed \gset
select pg_temp.told(:'completed', '{"status": "requires_capture", "received_minor": 0, "capturable_minor": 1530, "capture_before": 4000000000}') as ignored \gset
select is(pg_temp.got('select concat_ws('' '', p.stripe_status, p.deviation, o.payment_status) from payments as p join orders as o on o.id = p.order_id where o.id = {id}', :'completed'), 'requires_capture authorized', 'of a completed order it is good whenever it was to be captured');
select * from finish();
rollback;
