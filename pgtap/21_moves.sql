-- Movements of money: leased, committed before they are sent, sent again under the same key with the same bytes,
-- and recorded behind the lease. Nothing is moved that nothing needs any more.
\ir begin.psql
select plan(160);

create function pg_temp.move(id uuid) returns uuid
language plpgsql as $$
begin
  return pg_temp.got('select m.id from money_moves as m where m.order_id = {id} order by m.created_at desc, m.key_number limit 1', id);
end $$;
-- The movement is leased by its own worker for a minute, whatever else is due.
create function pg_temp.leased(id uuid, lease_ms integer default 60000) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('(select concat_ws('' '', l.kind, l.amount_minor, l.currency, l.state, l.key_number, l.calls, l.key_dead, l.call_over, l.cause, l.wanted)
    from lease_moves(''pgtap'', md5({id}::text)::uuid, %s, 1000) as l where l.order_id = {id})', lease_ms), id) #>> '{}';
end $$;
create function pg_temp.committed(id uuid, token uuid default null, renew boolean default false, body text default 'a=1', call_ms integer default 10000, key_ms bigint default 82800000) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('(select concat_ws('' '', split_part(c.key, '':'', 1), split_part(c.key, '':'', 3), c.target, encode(c.body, ''escape''))
    from commit_move(%L, %L, ''/v1/x'', %L, %L, %s, %s) as c)', coalesce(token, md5(id::text)::uuid), pg_temp.move(id), body, renew, call_ms, key_ms)) #>> '{}';
end $$;
create function pg_temp.recorded(id uuid, state text, code text default null, stripe_id text default null, token uuid default null, delay_ms bigint default 7000) returns text
language plpgsql as $$
begin
  return pg_temp.word(jsonb_build_object('status', pg_temp.asked('app', format('record_move(''pgtap'', %L, %L, %L, %L, %L, %L, %s)', coalesce(token, md5(id::text)::uuid), pg_temp.move(id), state, code, stripe_id, 'said ' || state, delay_ms))));
end $$;
-- How the movement stands; times in seconds of the test's clock.
create function pg_temp.stands(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', m.kind, m.state, ''calls '' || m.calls, ''key '' || m.key_number, ''sent '' || extract(epoch from m.first_sent_at - now())::float8, ''dead '' || extract(epoch from m.key_dead_at - now())::float8,
    ''deadline '' || extract(epoch from m.call_deadline_at - now())::float8, ''lease '' || extract(epoch from m.lease_expires_at - now())::float8, ''due '' || extract(epoch from m.due_at - now())::float8, ''settled '' || extract(epoch from m.settled_at - now())::float8,
    m.code, m.stripe_id, m.stripe_status) from money_moves as m where m.order_id = {id} order by m.created_at desc limit 1', id);
end $$;
-- When the payment is read next, and since when what is known of it is old.
create function pg_temp.read_next(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', case when next_read_at = ''infinity'' then ''never'' else extract(epoch from next_read_at - now())::float8::text end, extract(epoch from stale_since - now())::float8) from payments where order_id = {id}', id);
end $$;
create function pg_temp.findings(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got('select string_agg(concat_ws('' '', f.kind, f.data ->> ''code''), '', '' order by f.kind) from findings as f where f.order_id = {id} and f.closed_at is null', id), 'none');
end $$;
select pg_temp.clock(0) as ignored \gset

-- A lease.
select pg_temp.owed() as id \gset
select is(pg_temp.leased(:'id'), 'refund 1530 GBP open 1 0 f t order_ended t', 'a movement that is due is leased');
select is(pg_temp.stands(:'id'), 'refund open calls 0 key 1 lease 60 due 60', 'for a minute');
select is(pg_temp.got('select lease_token = md5({id}::text)::uuid from money_moves where order_id = {id}', :'id'), 'true', 'under its token');
select pg_temp.clock(59.999999) as ignored \gset
select is(pg_temp.leased(:'id'), null, 'and for nobody else');
select pg_temp.forced('money_moves', :'id', 'due_at = now()') as ignored \gset
select is(pg_temp.leased(:'id'), null, 'whatever is due');
select pg_temp.clock(60) as ignored \gset
select is(pg_temp.leased(:'id'), 'refund 1530 GBP open 1 0 f t order_ended t', 'until it ends');
select pg_temp.clock(0) as ignored \gset
select pg_temp.owed() as later \gset
select pg_temp.forced('money_moves', :'later', 'due_at = now() + interval ''1 microsecond''') as ignored \gset
select is(pg_temp.leased(:'later'), null, 'what is not due is left alone');
select pg_temp.forced('money_moves', :'later', 'due_at = now()') as ignored \gset
select is(pg_temp.leased(:'later') is not null, true, 'what is due is not');
select pg_temp.owed() as waits \gset
select pg_temp.forced('money_moves', :'waits', 'state = ''awaiting_approval''') as ignored \gset
select is(pg_temp.leased(:'waits'), null, 'nor what waits for a second person');
select pg_temp.owed() as first, pg_temp.owed() as second \gset
select pg_temp.forced('money_moves', :'first', 'due_at = now() - interval ''10 years''') as ignored \gset
select pg_temp.forced('money_moves', :'second', 'due_at = now() - interval ''9 years''') as ignored \gset
select is(pg_temp.got('select string_agg(order_id::text, '' '') from lease_moves(''pgtap'', gen_random_uuid(), 1000, 1)'), :'first', 'the oldest first, so many as were asked for');
select is(pg_temp.got('select string_agg(order_id::text, '' '') from lease_moves(''pgtap'', gen_random_uuid(), 1000, 1)'), :'second', 'then the next');
select matches(pg_temp.word(pg_temp.asked('app', '(select max(id::text) from lease_moves(' || given || '))')), '^22023 ', 'a lease needs ' || given)
  from unnest('{"null, gen_random_uuid(), 1, 1", "''w'', null, 1, 1", "''w'', gen_random_uuid(), null, 1", "''w'', gen_random_uuid(), 1, null"}'::text[]) as given;
select pg_temp.owed() as restored \gset
select pg_temp.not_held() as ignored \gset
select is(pg_temp.got('select count(*) from lease_moves(''pgtap'', gen_random_uuid(), 1000, 1000, 9000000000000000000)'), '0', 'an engine that remembers more than the database moves no money');
select is(pg_temp.got('select held_because from shop'), 'went_back', 'and holds the shop');
select pg_temp.not_held() as ignored \gset

-- What is told of an earlier call.
select pg_temp.owed() as told \gset
create function pg_temp.told_of(changes text, id uuid) returns text
language plpgsql as $$
begin
  perform pg_temp.forced('money_moves', id, 'state = ''unknown'', calls = 1, target = ''/v1/x'', body = ''a=1'', first_sent_at = now(), lease_token = null, lease_expires_at = null, due_at = now(), ' || changes);
  return pg_temp.leased(id);
end $$;
select is(pg_temp.told_of('key_dead_at = now() + interval ''1 microsecond'', call_deadline_at = now()', :'told'), 'refund 1530 GBP unknown 1 1 f f order_ended t', 'its key is alive, and its call may be under way');
select is(pg_temp.told_of('key_dead_at = now(), call_deadline_at = now() - interval ''10 minutes'' + interval ''1 microsecond''', :'told'), 'refund 1530 GBP unknown 1 1 t f order_ended t', 'its key is dead');
select is(pg_temp.told_of('key_dead_at = now() + interval ''1 day'', call_deadline_at = now() - interval ''10 minutes''', :'told'), 'refund 1530 GBP unknown 1 1 f t order_ended t', 'its call counts as over ten minutes after its end');
select pg_temp.reserved() as capture \gset
select is(pg_temp.told_of('key_dead_at = now() + interval ''1 day'', call_deadline_at = now()', :'capture'), 'capture 1530 GBP unknown 1 1 f t payment_authorised t', 'that of a capture at its end');

-- Committed, and then sent: the key and the bytes stay.
select pg_temp.owed() as sent \gset
select is(pg_temp.committed(:'sent'), null, 'nothing is sent without a lease');
select pg_temp.leased(:'sent') as ignored \gset
select is(pg_temp.committed(:'sent', gen_random_uuid()), null, 'nor with another token');
select is(pg_temp.committed(:'sent', call_ms => 60000), null, 'nor in a call that may outlast the lease');
select is(pg_temp.committed(:'sent', renew => true), null, 'nor under a second key before the first');
select is(pg_temp.committed(:'sent', call_ms => 59999), 'refund 1 /v1/x a=1', 'its key and bytes');
select is(pg_temp.stands(:'sent'), 'refund unknown calls 1 key 1 sent 0 dead 82800 deadline 59.999 lease 60 due 60', 'are stored before it is sent');
select is(pg_temp.committed(:'sent', body => 'b=2'), null, 'nothing is sent again while the first call may be under way');
select pg_temp.clock(20) as ignored \gset
select pg_temp.forced('money_moves', :'sent', 'call_deadline_at = now() + interval ''20 seconds'' + interval ''1 microsecond''') as ignored \gset
select is(pg_temp.committed(:'sent', body => 'b=2'), null, 'however short');
select pg_temp.forced('money_moves', :'sent', 'call_deadline_at = now() + interval ''20 seconds''') as ignored \gset
select is(pg_temp.committed(:'sent', body => 'b=2'), 'refund 1 /v1/x a=1', 'then the same bytes go out under the same key');
select is(pg_temp.stands(:'sent'), 'refund unknown calls 2 key 1 sent 0 dead 82800 deadline 30 lease 60 due 60', 'and the key is no younger');
create function pg_temp.ready(changes text, id uuid) returns void
language plpgsql as $$
begin
  perform pg_temp.forced('money_moves', id, 'state = ''unknown'', calls = 2, target = ''/v1/x'', body = ''a=1'', key_number = 1, first_sent_at = now(), key_dead_at = now() + interval ''1 day'', lease_expires_at = now() + interval ''1 hour'', call_deadline_at = now() - interval ''1 hour''');
  perform pg_temp.forced('money_moves', id, changes);
end $$;
select pg_temp.ready('key_dead_at = now() + interval ''20 seconds''', :'sent') as ignored \gset
select is(pg_temp.committed(:'sent'), null, 'a dead key is never sent');
select pg_temp.ready('key_dead_at = now() + interval ''20 seconds'' + interval ''1 microsecond''', :'sent') as ignored \gset
select is(pg_temp.committed(:'sent'), 'refund 1 /v1/x a=1', 'one that lives is');
select pg_temp.ready('key_dead_at = now() + interval ''20 seconds'' + interval ''1 microsecond''', :'sent') as ignored \gset
select is(pg_temp.committed(:'sent', renew => true), null, 'a refund has no second key while the first one lives');
select pg_temp.ready('key_dead_at = now() + interval ''20 seconds'', call_deadline_at = now() + interval ''20 seconds'' - interval ''10 minutes'' + interval ''1 microsecond''', :'sent') as ignored \gset
select is(pg_temp.committed(:'sent', renew => true), null, 'nor while its call may be under way at Stripe');
select pg_temp.ready('key_dead_at = now() + interval ''20 seconds'', call_deadline_at = now() + interval ''20 seconds'' - interval ''10 minutes''', :'sent') as ignored \gset
select is(pg_temp.committed(:'sent', renew => true, key_ms => 5000), 'refund 2 /v1/x a=1', 'then it has one');
select is(pg_temp.stands(:'sent'), 'refund unknown calls 3 key 2 sent 20 dead 25 deadline 30 lease 3600 due 60', 'with a life of its own');
select pg_temp.ready('state = ''accepted''', :'sent') as ignored \gset
select is(pg_temp.committed(:'sent'), null, 'what Stripe took is not sent again');
select pg_temp.ready('lease_token = md5(order_id::text)::uuid', :'capture') as ignored \gset
select is(pg_temp.committed(:'capture', renew => true), 'capture 2 /v1/x a=1', 'a capture has a new key whenever it needs one: Stripe captures once');
select pg_temp.ready('state = ''unknown''', :'capture') as ignored \gset
select pg_temp.said('cancel_order({id})', :'capture') as ignored \gset
select is(pg_temp.committed(:'capture'), null, 'what nothing needs any more is not sent');

-- What is wanted.
create function pg_temp.wanted(id uuid, kind text, cause text) returns text
language plpgsql as $$
begin
  return pg_temp.got(format('select move_wanted(o, %L, %L) from orders as o where o.id = {id}', kind, cause), id);
end $$;
select is(pg_temp.wanted(o, kind, cause), (s = any (where_to))::text, kind || ', ' || cause || ', of what is ' || s)
  from (select s, pg_temp.in_status(s) as o from unnest('{pending, submitting, submitted_to_zinc, processing, needs_review, completed, cancelled, failed}'::text[]) as s) as t
 cross join (values ('refund', 'order_ended', '{cancelled, failed}'::text[]), ('refund', 'person', '{completed, cancelled, failed}'), ('cancel', 'unpaid_too_long', '{cancelled, failed}'),
                    ('capture', 'goods_bought', '{pending, submitting, submitted_to_zinc, processing, needs_review, completed}')) as w (kind, cause, where_to);
select pg_temp.placed() as unpaid \gset
select is(pg_temp.wanted(:'unpaid', 'cancel', 'unpaid_too_long'), 'true', 'an order that is not paid in time has its payment cancelled');
select is(pg_temp.wanted(:'unpaid', 'cancel', 'order_ended'), 'false', 'for that reason only');
select pg_temp.asked('service_role', format('attach_payment({id}, %L)', pg_temp.intent(:'unpaid')), :'unpaid') as ignored \gset
create function pg_temp.wanted_at(id uuid, status text, live boolean default true) returns text
language plpgsql as $$
begin
  perform pg_temp.forced('payments', id, format('stripe_status = %L, live = %L', status, live));
  return pg_temp.wanted(id, 'cancel', 'unpaid_too_long');
end $$;
select is(pg_temp.wanted_at(:'unpaid', s), (s not in ('requires_capture', 'processing', 'succeeded'))::text, 'one at ' || s)
  from unnest('{requires_capture, processing, succeeded, requires_payment_method}'::text[]) as s;
select is(pg_temp.wanted_at(:'unpaid', 'succeeded', false), 'true', 'another payment than the one that counts is none');
select pg_temp.forced('money_moves', :'unpaid', 'id = id') as ignored \gset

-- What became of it, behind the fence.
create function pg_temp.sent() returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.owed();
begin
  perform pg_temp.leased(id);
  perform pg_temp.committed(id, call_ms => 50000);
  perform pg_temp.owner_does('update payments set next_read_at = ''infinity'', stale_since = null where order_id = {id}', id);
  return id;
end $$;
select pg_temp.clock(0) as ignored \gset
select pg_temp.sent() as id \gset
select is(pg_temp.recorded(:'id', 'done', token => gen_random_uuid()), 'done stale', 'another token records nothing');
select pg_temp.clock(60) as ignored \gset
select is(pg_temp.recorded(:'id', 'done'), 'done stale', 'nor does one whose lease has ended');
select is(pg_temp.stands(:'id'), 'refund unknown calls 1 key 1 sent 0 dead 82800 deadline 50 lease 60 due 60', 'and nothing changed');
select pg_temp.clock(20) as ignored \gset
select is(pg_temp.recorded(:'id', 'withdrawn'), 'done stale', 'what was sent is not withdrawn');
select is(pg_temp.recorded(:'id', 'open'), 'done stale', 'nor open again');
select is(pg_temp.recorded(:'id', 'unknown', 'odd', 're_1'), 'done recorded', 'an unknown end');
select is(pg_temp.stands(:'id'), 'refund unknown calls 1 key 1 sent 0 dead 82800 deadline 20 due 27 odd re_1 said unknown', 'is due again, and its call is over');
select is(pg_temp.read_next(:'id'), 'never', 'the payment is not read for it');
select is(pg_temp.findings(:'id'), 'none', 'and nobody is told yet');
select is(pg_temp.recorded(:'id', 'done'), 'done stale', 'a lease records once');
select pg_temp.clock(30) as ignored \gset
select pg_temp.leased(:'id') as ignored \gset
select is(pg_temp.recorded(:'id', 'accepted', null), 'done recorded', 'accepted');
select is(pg_temp.stands(:'id'), 'refund accepted calls 1 key 1 sent 0 dead 82800 deadline 20 due 37 re_1 said accepted', 'its name at Stripe is kept, and the end of its call');
select is(pg_temp.read_next(:'id'), '30 30', 'and the payment is read again');
select pg_temp.owner_does('update payments set stale_since = now() + interval ''50 seconds'', next_read_at = now() + interval ''1 day'' where order_id = {id}', :'id') as ignored \gset
select pg_temp.clock(40) as ignored \gset
select pg_temp.leased(:'id') as ignored \gset
select is(pg_temp.recorded(:'id', 'done', repeat('x', 101)), 'done recorded', 'done');
select is(pg_temp.stands(:'id'), 'refund done calls 1 key 1 sent 0 dead 82800 deadline 20 settled 40 ' || repeat('x', 100) || ' re_1 said done', 'is its end');
select is(pg_temp.read_next(:'id'), '40 50', 'what is older than it is old');
select is(pg_temp.got('select concat_ws('' '', kind, status_before, status_after, actor, actor_source, data - ''move_id'') from order_events where order_id = {id} order by seq desc limit 1', :'id'),
  'move_ended cancelled cancelled engine/pgtap options {"code": "' || repeat('x', 100) || '", "move": "refund", "state": "done", "stripe_id": "re_1", "amount_minor": 1530}', 'with its event');
select is(pg_temp.leased(:'id'), null, 'and never due again');
select is(pg_temp.recorded(:'id', 'done'), 'done stale', 'nor recorded twice');
select pg_temp.clock(0) as ignored \gset
select pg_temp.owed() as unsent \gset
select pg_temp.leased(:'unsent') as ignored \gset
select is(pg_temp.recorded(:'unsent', 'open', 'no connection'), 'done recorded', 'what was certainly not sent stays open');
select is(pg_temp.stands(:'unsent'), 'refund open calls 0 key 1 due 7 no connection said open', 'and is due again');
select pg_temp.clock(7) as ignored \gset
select pg_temp.leased(:'unsent') as ignored \gset
select is(pg_temp.recorded(:'unsent', 'withdrawn', 'not_wanted'), 'done recorded', 'or is withdrawn');
select is(pg_temp.stands(:'unsent'), 'refund withdrawn calls 0 key 1 settled 7 not_wanted said withdrawn', 'for ever');
select is(pg_temp.findings(:'unsent'), 'none', 'which nobody need see');

-- What a person is told.
create function pg_temp.ended(id uuid, state text, code text, changes text default 'calls = calls') returns text
language plpgsql as $$
begin
  perform pg_temp.forced('money_moves', id, 'lease_token = md5(order_id::text)::uuid, lease_expires_at = clock_now() + interval ''1 minute'', ' || changes);
  return pg_temp.recorded(id, state, code) || ', ' || pg_temp.findings(id);
end $$;
create function pg_temp.runbook(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select left(runbook, 30) from alerts where order_id = {id} and closed_at is null order by opened_at desc limit 1', id);
end $$;
select pg_temp.clock(0) as ignored \gset
select pg_temp.sent() as refused, pg_temp.sent() as failed, pg_temp.sent() as fifth, pg_temp.sent() as stored \gset
select is(pg_temp.ended(:'refused', 'refused', 'odd'), 'done recorded, refund_refused odd', 'a refund that Stripe refuses');
select is(left(pg_temp.runbook(:'refused'), 21), 'Stripe did not return', 'with what to do');
select is(pg_temp.ended(:'failed', 'failed', 'odd'), 'done recorded, refund_failed odd', 'or that fails');
select is(pg_temp.ended(:'fifth', 'unknown', 'odd', 'calls = 4'), 'done recorded, none', 'four calls of which nobody knows the end are told to nobody');
select is(pg_temp.ended(:'fifth', 'unknown', 'odd', 'calls = 5'), 'done recorded, move_unknown odd', 'five are');
select is(left(pg_temp.runbook(:'fifth'), 19), 'Stripe does not say', 'with what to do');
select is(pg_temp.ended(:'fifth', 'done', null), 'done recorded, none', 'until it is known');
select is(pg_temp.ended(:'stored', 'unknown', 'stored_error'), 'done recorded, move_unknown stored_error', 'an error that Stripe keeps under the key is told at once');
select is(left(pg_temp.runbook(:'stored'), 12), 'Stripe keeps', 'with what to do');
select is(pg_temp.ended(:'stored', 'refused', null), 'done recorded, refund_refused', 'and gives way to what follows');
select pg_temp.reserved() as a, pg_temp.reserved() as b, pg_temp.reserved() as c \gset
select is(pg_temp.ended(:'a', 'refused', 'odd'), 'done recorded, capture_refused odd', 'a capture that Stripe refuses');
select is(left(pg_temp.runbook(:'a'), 18), 'The reserved money', 'before the goods are bought');
select pg_temp.said('cancel_order({id})', :'b') as ignored \gset
select is(pg_temp.got('select string_agg(kind || state, '' '' order by kind) from money_moves where order_id = {id}', :'b'), 'cancelopen captureopen', 'a cancelled order releases what is reserved');
create function pg_temp.ended_of(id uuid, kind text, state text, code text) returns text
language plpgsql as $$
begin
  perform pg_temp.forced('money_moves', id, 'lease_token = md5(order_id::text)::uuid, lease_expires_at = clock_now() + interval ''1 minute''');
  return pg_temp.asked('app', format('(select record_move(''pgtap'', md5(m.order_id::text)::uuid, m.id, %L, %L, null, null, 1) from money_moves as m where m.order_id = {id} and m.kind = %L)', state, code, kind), id) #>> '{}' || ', ' || pg_temp.findings(id);
end $$;
select is(pg_temp.ended_of(:'b', 'capture', 'refused', 'odd'), 'recorded, none', 'its capture is missed by nobody');
select is(pg_temp.ended_of(:'b', 'cancel', 'refused', 'succeeded'), 'recorded, none', 'nor is a cancellation that came too late');
select pg_temp.said('cancel_order({id})', :'c') as ignored \gset
select is(pg_temp.ended_of(:'c', 'cancel', 'failed', 'odd'), 'recorded, cancel_failed odd', 'any other is told');
select is(left(pg_temp.runbook(:'c'), 17), 'The PaymentIntent', 'with what to do');

-- Captures that are due because the goods are bought, and those that are late.
create function pg_temp.bought(hold text default null) returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.reserved('after_purchase');
begin
  perform pg_temp.claimed(id);
  perform pg_temp.said(format('complete_order_processing({id}, %L)', pg_temp.request(id)), id);
  return id;
end $$;
create function pg_temp.captures(id uuid, batch integer default 1000) returns text
language plpgsql as $$
begin
  perform pg_temp.asked('app', format('plan_captures(''pgtap'', %s)', batch));
  return coalesce(pg_temp.got('select string_agg(concat_ws('' '', kind, amount_minor, cause, state), '', '') from money_moves where order_id = {id}', id), 'none');
end $$;
select pg_temp.bought() as goods, pg_temp.reserved('after_purchase') as waiting, pg_temp.bought() as wished \gset
select pg_temp.asked('service_role', 'cancel_order({id})', :'wished') as ignored \gset
select is(pg_temp.captures(:'goods'), 'capture 1530 goods_bought open', 'money that is reserved is captured when the goods are bought');
select is(pg_temp.captures(:'goods'), 'capture 1530 goods_bought open', 'once');
select is(pg_temp.captures(:'waiting'), 'none', 'and not before');
select is(pg_temp.captures(:'wished'), 'none', 'while somebody wants it cancelled it waits');
select pg_temp.owner_does('alter table payments disable trigger user; update payments set authorised_at = now(), capture_before = now() + interval ''100 hours''; alter table payments enable trigger user') as ignored \gset
select pg_temp.clock(288000 - 0.000001) as ignored \gset
select is(pg_temp.captures(:'wished') || ', ' || pg_temp.findings(:'wished'), 'none, cancel_requested', 'until four fifths of its time have gone');
select pg_temp.clock(288000) as ignored \gset
select is(pg_temp.captures(:'wished'), 'capture 1530 goods_bought open', 'then it is captured');
select is(pg_temp.findings(:'wished') || ', ' || pg_temp.findings(:'waiting'), 'cancel_requested, capture_due, capture_due', 'and a person is told of what is not captured yet');

-- Refunds that nobody approved.
select pg_temp.clock(0) as ignored \gset
select pg_temp.owner_does('update settings set value = ''1000'' where name = ''two_persons_above_minor''') as ignored \gset
select pg_temp.in_status('completed') as asked \gset
select pg_temp.asked('service_role', 'refund_order({id}, 1001, ''why'')', :'asked') as ignored \gset
select pg_temp.owner_does('update payments set next_read_at = ''infinity'', stale_since = null where order_id = {id}', :'asked') as ignored \gset
select pg_temp.clock(86399.999999) as ignored \gset
select pg_temp.captures(:'asked') as ignored \gset
select is(pg_temp.findings(:'asked'), 'refund_awaits_approval', 'a refund waits a day for a second person');
select pg_temp.clock(86400) as ignored \gset
select pg_temp.captures(:'asked', 0) as ignored \gset
select is(pg_temp.findings(:'asked'), 'refund_awaits_approval', 'so many at a time as were asked for');
select is(pg_temp.captures(:'asked'), 'refund 1001 person withdrawn', 'then it is withdrawn');
select is(pg_temp.findings(:'asked'), 'refund_owed', 'and somebody is told that it is owed');
select is(pg_temp.stands(:'asked'), 'refund withdrawn calls 0 key 1 settled 86400 not_approved', 'it ended there');
select is(pg_temp.read_next(:'asked'), '86400 86400', 'the payment is read again');
select is(pg_temp.got('select concat_ws('' '', kind, data ->> ''move'', data ->> ''amount_minor'', data ->> ''state'', data ->> ''code'', actor) from order_events where order_id = {id} order by seq desc limit 1', :'asked'), 'move_ended refund 1001 withdrawn not_approved engine/pgtap', 'with its event');

-- A refund that the bank gives back.
select pg_temp.clock(0) as ignored \gset
select pg_temp.owner_does('update settings set value = ''0'' where name = ''two_persons_above_minor''') as ignored \gset
select pg_temp.sent() as back \gset
select pg_temp.recorded(:'back', 'done', null, 're_back') as ignored \gset
select pg_temp.owner_does('update payments set next_read_at = ''infinity'', stale_since = null where order_id = {id}', :'back') as ignored \gset
create function pg_temp.given_back(id uuid, refund text) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('fail_refund(''pgtap'', %L, %L, repeat(''y'', 101))', pg_temp.move(id), refund)) #>> '{}';
end $$;
select is(pg_temp.given_back(:'back', 're_other'), 'stale', 'another refund''s end is none of this one');
select is(pg_temp.given_back(:'unsent', 're_back'), 'stale', 'nor is one that was never made');
select pg_temp.clock(9) as ignored \gset
select is(pg_temp.given_back(:'back', 're_back'), 'recorded', 'a refund that fails after it was done');
select is(pg_temp.stands(:'back'), 'refund failed calls 1 key 1 sent 0 dead 82800 deadline 0 settled 9 ' || repeat('y', 100) || ' re_back failed', 'has failed');
select is(pg_temp.findings(:'back'), 'refund_failed ' || repeat('y', 100), 'and a person is told');
select is(pg_temp.read_next(:'back'), '9 9', 'the payment is read again');
select is(pg_temp.given_back(:'back', 're_back'), 'stale', 'once');
select is(pg_temp.got('select concat_ws('' '', kind, data ->> ''move'', data ->> ''amount_minor'', data ->> ''state'', data ->> ''state_before'', data ->> ''stripe_id'', actor) from order_events where order_id = {id} order by seq desc limit 1', :'back'), 'move_ended refund 1530 failed done re_back engine/pgtap', 'with its event');

-- A message about a payment wakes what waits for it.
select pg_temp.sent() as asleep \gset
create function pg_temp.nudged(id uuid, state text) returns text
language plpgsql as $$
begin
  perform pg_temp.forced('money_moves', id, format('state = %L, due_at = clock_now() + interval ''1 hour''', state));
  return pg_temp.asked('app', format('nudge_moves(array[%L, ''pi_none''])', pg_temp.intent(id))) #>> '{}' || pg_temp.got('select due_at = clock_now() from money_moves where order_id = {id}', id);
end $$;
select is(pg_temp.nudged(:'asleep', s), case when s in ('unknown', 'accepted') then '1true' else '0false' end, s || ' and a message') from unnest('{unknown, accepted, open}'::text[]) as s;
select is(pg_temp.asked('app', 'nudge_moves(''{pi_none}'')'), '0', 'another payment''s wakes nothing');
select pg_temp.forced('money_moves', :'asleep', 'due_at = now() - interval ''1 hour''') as ignored \gset
select is(pg_temp.asked('app', format('nudge_moves(array[%L])', pg_temp.intent(:'asleep'))), '0', 'nor what is due already');

-- An order that is not paid in time.
select pg_temp.owner_does('update settings set value = ''3600'' where name = ''expire_unpaid_after_s''') as ignored \gset
create function pg_temp.expired(id uuid) returns text
language plpgsql as $$
begin
  return (pg_temp.asked('app', 'expire_unpaid(''pgtap'', 1000)') #>> '{}')::integer * 0 || pg_temp.got('select concat_ws('' '', '''', status, hold_reason, (select string_agg(kind || '' '' || cause, '','') from money_moves where order_id = {id})) from orders where id = {id}', id);
end $$;
select pg_temp.clock(0) as ignored \gset
select pg_temp.placed() as nothing, pg_temp.placed() as named, pg_temp.placed() as late, pg_temp.placed() as reserved, pg_temp.paid() as paid, pg_temp.placed() as canceled, pg_temp.placed() as foreign \gset
select pg_temp.asked('service_role', format('attach_payment({id}, %L)', pg_temp.intent(:'named')), :'named') as a, pg_temp.asked('service_role', format('attach_payment({id}, %L)', pg_temp.intent(:'reserved')), :'reserved') as b,
  pg_temp.asked('service_role', format('attach_payment({id}, %L)', pg_temp.intent(:'canceled')), :'canceled') as c, pg_temp.asked('service_role', format('attach_payment({id}, %L)', pg_temp.intent(:'foreign')), :'foreign') as d \gset ignored_
select pg_temp.told(:'named', '{"status": "requires_payment_method", "received_minor": 0}') as a, pg_temp.told(:'reserved', '{"status": "processing", "received_minor": 0}') as b, pg_temp.told(:'canceled', '{"status": "canceled", "received_minor": 0}') as c,
  pg_temp.told(:'foreign', '{"status": "requires_payment_method", "received_minor": 0, "named_order": "other"}') as d \gset ignored_
select pg_temp.clock(3600) as ignored \gset
select is(pg_temp.expired(:'nothing'), '0 pending awaiting_payment', 'an order waits an hour for its payment');
select pg_temp.clock(1800) as ignored \gset
select pg_temp.asked('service_role', format('attach_payment({id}, %L)', pg_temp.intent(:'late')), :'late') as ignored \gset
select pg_temp.clock(3600.000001) as ignored \gset
select pg_temp.owner_does('update shop set held_since = now(), held_because = ''operator''') as ignored \gset
select is(pg_temp.expired(:'nothing'), '0 pending awaiting_payment', 'longer while the shop is held');
select pg_temp.owner_does('update shop set held_since = null, held_because = null') as ignored \gset
select pg_temp.owner_does('update settings set value = ''0'' where name = ''expire_unpaid_after_s''') as ignored \gset
select is(pg_temp.expired(:'nothing'), '0 pending awaiting_payment', 'for ever where the shop wants that');
select pg_temp.owner_does('update settings set value = ''3600'' where name = ''expire_unpaid_after_s''') as ignored \gset
select is(pg_temp.expired(:'nothing'), '0 cancelled', 'then it is cancelled');
select is(pg_temp.got('select concat_ws('' '', kind, data ->> ''reason'', actor) from order_events where order_id = {id} order by seq desc limit 1', :'nothing'), 'order_cancelled not paid in time engine/pgtap', 'with its event');
select is(pg_temp.expired(:'named'), '0 pending awaiting_payment cancel unpaid_too_long', 'one with a payment has that cancelled first');
select is(pg_temp.expired(:'named'), '0 pending awaiting_payment cancel unpaid_too_long', 'once');
select is(pg_temp.expired(:'late'), '0 pending awaiting_payment', 'one whose payment was named later waits from then on');
select is(pg_temp.expired(:'reserved'), '0 pending awaiting_payment', 'one whose payment is under way waits');
select is(pg_temp.expired(:'paid'), '0 pending', 'one that is paid does');
select is(pg_temp.expired(:'canceled'), '0 cancelled', 'one whose payment is cancelled is cancelled');
select is(pg_temp.expired(:'foreign'), '0 pending awaiting_payment', 'a payment that names another order is not touched');
select pg_temp.clock(5400.000001) as ignored \gset
select pg_temp.placed() as forgotten \gset
select is(pg_temp.expired(:'late'), '0 pending awaiting_payment cancel unpaid_too_long', 'its payment''s hour counts');
select * from finish();
rollback;
