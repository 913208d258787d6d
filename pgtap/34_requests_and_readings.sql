-- What the engine reads at the provider about accepted purchases, and what it learns of its own calls: each order takes one
-- step for what was seen of it, no other order moves with it, and nothing ends or returns without evidence.
\ir begin.psql
select plan(88);

select pg_temp.clock(0) as ignored \gset
select pg_temp.not_held() as ignored \gset
-- An order with its due time, its attempts, and the last event that is not about its money.
create function pg_temp.order_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', status, review_reason, hold_reason, case when zinc_request_id is null then ''no id'' else ''id'' end, zinc_status, cost_minor, ''due '' || extract(epoch from due_at - now())::float8) from orders where id = {id}', id);
end $$;
create function pg_temp.attempts_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select string_agg(concat_ws('' '', outcome, settled_by, ''settled '' || extract(epoch from settled_at - now())::float8,
    case when request_id = ' || quote_literal(pg_temp.request(id)) || ' then ''its id'' else request_id end, case when lease_token is not null then ''leased'' end), '', '' order by generation) from order_attempts where order_id = {id}', id);
end $$;
create function pg_temp.last_event(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', kind, status_before, status_after, actor, actor_source, data) from order_events where order_id = {id} and kind <> ''move_planned'' order by seq desc limit 1', id);
end $$;
create function pg_temp.money_of(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got('select string_agg(kind || '' '' || cause, '','') from money_moves where order_id = {id}', id), 'none');
end $$;
create function pg_temp.held(id uuid, reason text) returns uuid
language plpgsql as $$
begin
  perform pg_temp.said(case when reason = 'cancel_requested' then 'cancel_order({id})' else format('hold_order({id}, %L)', reason) end, id);
  return id;
end $$;
-- The provider tells of an order, as it stood or so many versions before: that the retailer has it, but for what is said otherwise.
create function pg_temp.reads(id uuid, other jsonb default '{}') returns text
language plpgsql as $$
declare
  said jsonb := '{"kind": "retailer_order_placed", "after": "processing", "status": "order_response", "cost": null, "settlement": null, "review": null, "hold": null, "delay": 7000, "fact": null, "behind": 0}'::jsonb || other;
  answer jsonb := pg_temp.asked('app', format('(select r.result from orders as o cross join lateral record_readings(''pgtap'', array[o.id], array[o.version - %s]::bigint[], array[%L], array[%L], array[%L], array[%L]::bigint[],
    array[%L]::text[], array[%L]::text[], array[%L]::text[], array[%s]::bigint[], array[%L]::jsonb[]) as r where o.id = {id})', said ->> 'behind', said ->> 'kind', said ->> 'after', said ->> 'status', said ->> 'cost',
    said ->> 'settlement', said ->> 'review', said ->> 'hold', said ->> 'delay', said ->> 'fact'), id);
begin
  return case when jsonb_typeof(answer) = 'object' then answer ->> 'error' else answer #>> '{}' end;
end $$;
-- The provider tells that a purchase failed for good, that its goods have arrived, or that a person must look.
create function pg_temp.fails(id uuid, other jsonb default '{}') returns text
language sql
return pg_temp.reads(id, '{"kind": "purchase_failed", "after": "failed", "status": "odd", "settlement": "provider_final"}'::jsonb || other);
create function pg_temp.delivers(id uuid, other jsonb default '{}') returns text
language sql
return pg_temp.reads(id, '{"kind": "order_completed", "after": "completed", "status": "delivered", "settlement": "delivered"}'::jsonb || other);
create function pg_temp.doubts(id uuid, other jsonb default '{}') returns text
language sql
return pg_temp.reads(id, '{"kind": "review_needed", "after": "needs_review", "status": "odd", "review": "odd_code"}'::jsonb || other);

-- One step for the version that was read.
select pg_temp.in_status('submitted_to_zinc') as id, pg_temp.in_status('submitted_to_zinc') as neighbour \gset
select pg_temp.stored(:'id') as before, pg_temp.stored(:'neighbour') as beside \gset
select is(pg_temp.reads(:'id', '{"behind": 1}') || ', ' || (pg_temp.stored(:'id') = :'before'), 'stale, true', 'what was read before the order changed changes nothing');
select is(pg_temp.reads(:'id', '{"behind": -1}') || ', ' || (pg_temp.stored(:'id') = :'before'), 'stale, true', 'nor does what speaks of a later order');
select pg_temp.clock(10) as ignored \gset
select is(pg_temp.reads(:'id', '{"cost": 1400, "fact": {"merchant_order_ids": ["m1"]}}'), 'recorded', 'the retailer has the order');
select is(pg_temp.order_of(:'id'), 'processing id order_response 1400 due 17', 'it knows the price that was paid, and is read again');
select is(pg_temp.last_event(:'id'), 'retailer_order_placed submitted_to_zinc processing engine/pgtap options {"set": {"cost_minor": 1400, "zinc_status": "order_response"}, "merchant_order_ids": ["m1"]}', 'its history tells so');
select is(pg_temp.attempts_of(:'id'), 'open leased', 'its attempt is not settled by that');
select is(pg_temp.delivers(:'id'), 'recorded', 'its goods arrived');
select is(pg_temp.order_of(:'id') || ', ' || pg_temp.attempts_of(:'id'), 'completed id delivered 1400, accepted delivered settled 10 its id', 'that is the end of the order and of its attempt');
select is(pg_temp.last_event(:'id'), 'order_completed processing completed engine/pgtap options {"set": {"zinc_status": "delivered"}, "settled_by": "delivered"}', 'with its evidence');
select is(pg_temp.money_of(:'id'), 'none', 'whose money stays');
select is(pg_temp.delivers(:'id'), 'stale', 'it ends once');
select is(pg_temp.stored(:'neighbour') = :'beside', true, 'no other order has changed meanwhile');
select pg_temp.clock(0) as ignored \gset

-- Only a purchase that is under way is read.
create temporary table still as select s, o, pg_temp.stored(o) as before from (select s, pg_temp.in_status(s) as o from unnest('{pending, submitting, unknown, needs_review, watched, completed, cancelled, failed}'::text[]) as s) as t;
select is(pg_temp.fails(o) || ', ' || (pg_temp.stored(o) = before), 'stale, true', s || ' is not changed by a reading') from still;
select is(pg_temp.fails(o) || ', ' || pg_temp.order_of(o), 'recorded, failed id odd', s || ' may have failed') from (select s, pg_temp.in_status(s) as o from unnest('{submitted_to_zinc, processing}'::text[]) as s) as t;

-- Many at once, each by its own version.
select pg_temp.in_status('submitted_to_zinc') as a, pg_temp.in_status('processing') as b, pg_temp.in_status('submitted_to_zinc') as c \gset
select is(pg_temp.asked('app', format('(select string_agg(r.result, '' '' order by array_position(array[%1$L, %2$L, %3$L]::uuid[], r.order_id)) from record_readings(''pgtap'', array[%1$L, %2$L, %3$L]::uuid[], array[(select version from orders where id = %1$L), (select version - 1 from orders where id = %2$L), (select version from orders where id = %3$L)],
  array[''purchase_failed'', ''order_completed'', ''retailer_order_placed''], array[''failed'', ''completed'', ''processing''], array[''one'', ''two'', ''three''], array[null, 2, 3]::bigint[], array[''provider_final'', ''delivered'', null], array[null, null, null]::text[], array[null, null, null]::text[],
  array[1000, 2000, 3000]::bigint[], array[null, null, null]::jsonb[]) as r)', :'a', :'b', :'c')) #>> '{}', 'recorded stale recorded', 'of many readings each has its own order');
select is(pg_temp.order_of(:'a') || ', ' || pg_temp.order_of(:'b') || ', ' || pg_temp.order_of(:'c'), 'failed id one, processing id submitted due 300, processing id three 3 due 3', 'each order its own step');
select is(pg_temp.attempts_of(:'a') || ', ' || pg_temp.attempts_of(:'b') || ', ' || pg_temp.attempts_of(:'c'), 'accepted provider_final settled 0 its id, open leased, open leased', 'each attempt its own end');
select is(pg_temp.money_of(:'a') || ', ' || pg_temp.money_of(:'b') || ', ' || pg_temp.money_of(:'c'), 'refund order_ended, none, none', 'and only the money of the failed one goes back');

-- What failed for good may be bought again under a new key; the former attempt keeps the id.
select pg_temp.in_status('submitted_to_zinc') as id \gset
select is(pg_temp.fails(:'id', '{"after": "pending"}') || ', ' || pg_temp.order_of(:'id') || ', ' || pg_temp.attempts_of(:'id'), 'recorded, pending no id odd due 7, accepted provider_final settled 0 its id', 'an order whose purchase failed may be bought again');
select is(pg_temp.last_event(:'id'), 'purchase_failed submitted_to_zinc pending engine/pgtap options {"set": {"zinc_status": "odd", "zinc_request_id": null}, "settled_by": "provider_final"}', 'and gives up the id of the failed purchase');
select is(pg_temp.claimed(:'id') || ', ' || pg_temp.said(format('complete_order_processing({id}, %L)', 'second-' || :'id'), :'id'), '1, done submitted_to_zinc', 'the next attempt was accepted');
select is(pg_temp.fails(:'id') || ', ' || pg_temp.attempts_of(:'id'), format('recorded, accepted provider_final settled 0 its id, accepted provider_final settled 0 second-%s', :'id'), 'and fails for itself');
select pg_temp.in_status('submitted_to_zinc') as asked, pg_temp.in_status('submitted_to_zinc') as owed \gset
select is(pg_temp.doubts(:'asked') || ', ' || pg_temp.order_of(:'asked') || ', ' || pg_temp.attempts_of(:'asked'), 'recorded, needs_review odd_code id odd due 7, open leased', 'an order that a person must look at keeps the id while its purchase may live');
select is(pg_temp.doubts(:'owed', '{"kind": "purchase_failed", "settlement": "provider_final"}') || ', ' || pg_temp.order_of(:'owed') || ', ' || pg_temp.attempts_of(:'owed'), 'recorded, needs_review odd_code no id odd due 7, accepted provider_final settled 0 its id', 'and gives it up when that has failed');
select is(pg_temp.reads(pg_temp.in_status('submitted_to_zinc'), '{"review": "odd_code"}'), 'recorded', 'a reason to look says nothing where nobody must');
select pg_temp.in_status('submitted_to_zinc') as ended \gset
select is(pg_temp.fails(:'ended') || ', ' || pg_temp.last_event(:'ended'), 'recorded, purchase_failed submitted_to_zinc failed engine/pgtap options {"set": {"zinc_status": "odd"}, "settled_by": "provider_final"}', 'an order that ends keeps its id, and loses no hold that it never had');

-- Holds.
select pg_temp.in_status('submitted_to_zinc') as funds, pg_temp.held(pg_temp.in_status('submitted_to_zinc'), 'disputed') as disputed, pg_temp.held(pg_temp.in_status('submitted_to_zinc'), 'disputed') as fails, pg_temp.held(pg_temp.in_status('processing'), 'disputed') as arrives \gset
select is(pg_temp.fails(:'funds', '{"after": "pending", "hold": "awaiting_funds"}') || ', ' || pg_temp.order_of(:'funds'), 'recorded, pending awaiting_funds no id odd due 7', 'an order waits for the balance at the provider');
select is(pg_temp.fails(:'disputed', '{"after": "pending", "hold": "awaiting_funds"}') || ', ' || pg_temp.order_of(:'disputed'), 'recorded, pending disputed no id odd due 7', 'a hold that stands is not replaced');
select is(pg_temp.last_event(:'disputed'), 'purchase_failed submitted_to_zinc pending engine/pgtap options {"set": {"zinc_status": "odd", "zinc_request_id": null}, "settled_by": "provider_final"}', 'nor written again');
select is(pg_temp.fails(:'fails') || ', ' || pg_temp.order_of(:'fails'), 'recorded, failed id odd', 'an order that has failed is not held any more');
select is(pg_temp.delivers(:'arrives') || ', ' || pg_temp.order_of(:'arrives'), 'recorded, completed disputed id delivered', 'one whose goods arrived still is: somebody may want them back');

-- Somebody wants it cancelled.
create function pg_temp.wished(was text default 'submitted_to_zinc') returns uuid
language sql
return pg_temp.held(pg_temp.in_status(was), 'cancel_requested');
select pg_temp.wished() as goes_on, pg_temp.wished('processing') as arrives, pg_temp.wished() as doubtful, pg_temp.wished() as nothing \gset
select is(pg_temp.reads(:'goes_on') || ', ' || pg_temp.order_of(:'goes_on'), 'recorded, processing cancel_requested id order_response due 7', 'a purchase that goes on is not cancelled by a wish');
select is(pg_temp.delivers(:'arrives') || ', ' || pg_temp.order_of(:'arrives') || ', ' || pg_temp.money_of(:'arrives'), 'recorded, completed cancel_requested id delivered, none', 'goods that arrived are kept, and the money too');
select is(pg_temp.doubts(:'doubtful') || ', ' || pg_temp.order_of(:'doubtful'), 'recorded, needs_review odd_code cancel_requested id odd due 7', 'a person looks at what nobody knows');
select is(pg_temp.doubts(:'nothing', '{"kind": "purchase_failed", "settlement": "provider_final"}') || ', ' || pg_temp.order_of(:'nothing') || ', ' || pg_temp.money_of(:'nothing'), 'recorded, cancelled id odd, refund order_ended', 'where nothing was bought the wish is fulfilled');
select is(pg_temp.last_event(:'nothing'), 'purchase_failed submitted_to_zinc cancelled engine/pgtap options {"set": {"hold_reason": null, "zinc_status": "odd"}, "settled_by": "provider_final"}', 'and is a wish no more');

-- Nothing ends, and nothing may be bought again, without evidence; and nothing is completed but by delivery.
select is(pg_temp.reads(pg_temp.in_status('submitted_to_zinc'), other), 'PT409', other::text)
  from unnest(array['{"after": "pending"}', '{"after": "completed"}', '{"after": "failed"}', '{"after": "cancelled"}', '{"after": "completed", "settlement": "provider_final"}', '{"after": "pending", "settlement": "delivered"}',
    '{"after": "failed", "settlement": "delivered"}', '{"after": "processing", "settlement": "delivered"}', '{"after": "needs_review", "review": "x", "settlement": "delivered"}']::jsonb[]) as other;

-- A wish waits as well while the shop has to be compared with its partners.
select pg_temp.wished() as waits \gset
select pg_temp.owner_does('update shop set held_since = now(), held_because = ''unwatched'', compare_since = now(), forgotten_from = now()') as ignored \gset
select is(pg_temp.fails(:'waits', '{"after": "pending"}') || ', ' || pg_temp.order_of(:'waits'), 'stale, submitted_to_zinc cancel_requested id submitted due 300', 'nobody knows yet what else was bought: the order does not end by a wish');
select pg_temp.not_held() as ignored \gset
select is(pg_temp.fails(:'waits', '{"after": "pending"}') || ', ' || pg_temp.order_of(:'waits'), 'recorded, cancelled id odd', 'afterwards it does');

-- What is read next: what is due first, as many as were asked for, and not again before the provider is asked anew.
create function pg_temp.watches(batch integer default 1000) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got(format('select string_agg(concat_ws('' '', w.status, w.zinc_request_id = ''pgtap-'' || w.id, w.version = o.version, (select a.attempt_id = w.attempt_id from order_attempts as a where a.order_id = w.id and a.settled_at is null), w.generation, w.currency, w.price_cap_minor,
    ''sent '' || extract(epoch from w.first_sent_at - now())::float8, ''read '' || extract(epoch from w.read_at - now())::float8), '', '' order by w.status) from due_watches(%s) as w join orders as o on o.id = w.id', batch)), 'nothing');
end $$;
select pg_temp.owner_does('update orders set due_at = now() + interval ''1 day'' where due_at is not null') as ignored \gset
create function pg_temp.due(id uuid, seconds numeric) returns uuid
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('update orders set due_at = now() + interval ''%s seconds'' where id = {id}', seconds), id);
  return id;
end $$;
select pg_temp.due(pg_temp.in_status('submitted_to_zinc'), 30) as first, pg_temp.due(pg_temp.in_status('processing'), 30.000001) as second \gset
create temporary table unread as select s, pg_temp.due(pg_temp.in_status(s), 0) as o from unnest('{pending, submitting, unknown, needs_review, watched}'::text[]) as s;
select pg_temp.clock(29.999999) as ignored \gset
select is(pg_temp.watches(), 'nothing', 'no purchase is read before it is due, and no order that has none under way at all');
select pg_temp.clock(30) as ignored \gset
select is(pg_temp.watches(), 'submitted_to_zinc t t t 1 GBP 1530 sent 0 read 30', 'a purchase that is due is read, with what its reading needs');
select is(pg_temp.order_of(:'first') || ', ' || pg_temp.order_of(:'second'), 'submitted_to_zinc id submitted due 330, processing id submitted due 30.000001', 'it is due again after a while, and no other is');
select pg_temp.clock(30.000001) as ignored \gset
select is(pg_temp.watches(), 'processing t t t 1 GBP 1530 sent 0 read 30.000001', 'so is one that the retailer has');
select is((select string_agg(s || ' ' || substring(pg_temp.order_of(o) from 'due.*'), ', ' order by s) from unread), 'needs_review due 0, pending due 0, submitting due 0, unknown due 0, watched due 0', 'the others are due as they were');
select pg_temp.due(:'first', 1), pg_temp.due(:'second', 2) \gset ignored_
select is(split_part(pg_temp.watches(1), ' ', 1) || ', ' || split_part(pg_temp.watches(0), ' ', 1) || ', ' || split_part(pg_temp.watches(1), ' ', 1) || ', ' || pg_temp.watches(1), 'submitted_to_zinc, nothing, processing, nothing', 'as many as were asked for, what has waited longest first');
select pg_temp.in_status('submitting') as again, pg_temp.in_status('processing') as settled \gset
select pg_temp.setback(:'again', 'purchase_refused', 'refused', 'key_used_up', 'pending'), pg_temp.claimed(:'again'), pg_temp.said(format('complete_order_processing({id}, %L)', pg_temp.request(:'again')), :'again') \gset ignored_
select pg_temp.due(:'again', 1) as ignored \gset
select is(pg_temp.watches(), 'submitted_to_zinc t t t 2 GBP 1530 sent 30.000001 read 30.000001', 'of two attempts the one that was accepted is read, once');
select pg_temp.forced('order_attempts', :'settled', 'settled_by = ''person'', settled_at = now(), lease_token = null, lease_expires_at = null, price_cap_minor = 1'), pg_temp.due(:'settled', 1) \gset ignored_
select is(pg_temp.watches(), 'processing t t 1 GBP 1530 read 30.000001', 'without an open attempt it is read as the order says');
select is(pg_temp.got('select string_agg(distinct kind, '' '') from order_events where order_id = {id} and kind like ''%read%''', :'first'), null, 'a reading that told nothing is no event');

-- An id that came too late is closed when its order has it, and nothing else is.
create function pg_temp.answered_late(id uuid, request text) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('(select string_agg(r.result, '' '') from record_acceptances(''pgtap'', 5000, array[{id}]::uuid[], array[gen_random_uuid()], array[%L]) as r)', request), id) #>> '{}';
end $$;
create function pg_temp.told_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select string_agg(concat_ws('' '', part, kind, split_part(subject, ''-'', 1), coalesce(''closed '' || extract(epoch from closed_at - now())::float8, ''open'')), '', '' order by part, kind, subject, closed_at) from (
    select ''finding'' as part, kind, subject, closed_at from findings where order_id = {id} union all select ''alert'', rule, subject, closed_at from alerts where order_id = {id}) as t', id);
end $$;
select pg_temp.in_status('submitting') as late, pg_temp.in_status('submitting') as beside, 'mine-' || gen_random_uuid() as mine \gset
select is(pg_temp.answered_late(:'late', :'mine') || ', ' || pg_temp.answered_late(:'late', 'other-' || :'late') || ', ' || pg_temp.answered_late(:'beside', :'mine'), 'stale, stale, stale', 'two ids came too late for one order, and one of them for another as well');
select pg_temp.owner_does(format('insert into findings (id, order_id, kind, subject, data, actor, opened_at, closed_at) values (gen_random_uuid(), {id}, ''request_id_conflict'', %1$L, ''{}'', ''pgtap'', now(), null), (gen_random_uuid(), {id}, ''request_id_late'', %1$L, ''{}'', ''pgtap'', now(), now() - interval ''1 hour'');
  insert into alerts (id, order_id, rule, subject, runbook, opened_at, closed_at) values (gen_random_uuid(), {id}, ''request_id_conflict'', %1$L, ''x'', now(), null), (gen_random_uuid(), {id}, ''request_id_late'', %1$L, ''x'', now(), now() - interval ''1 hour'')', :'mine'), :'late') as ignored \gset
select pg_temp.told_of(:'late') as before \gset
select pg_temp.asked('service_role', 'recover_stuck_orders(10000)') as ignored \gset
select is(pg_temp.told_of(:'late'), :'before', 'while the order has no id both are open');
select is(pg_temp.said(format('complete_order_processing({id}, %L)', :'mine'), :'late'), 'done submitted_to_zinc', 'then it has one of them');
select pg_temp.clock(40) as ignored \gset
select pg_temp.asked('service_role', 'recover_stuck_orders(10000)') as ignored \gset
select is(pg_temp.told_of(:'late'), 'alert request_id_conflict mine open, alert request_id_late mine closed -3600, alert request_id_late mine closed 40, alert request_id_late other open, '
  || 'finding request_id_conflict mine open, finding request_id_late mine closed -3600, finding request_id_late mine closed 40, finding request_id_late other open', 'which is closed, and what else is told of the order is not');
select is(pg_temp.told_of(:'beside'), 'alert request_id_late mine open, finding request_id_late mine open', 'nor what is told of another order');
select pg_temp.clock(0) as ignored \gset

-- A call ended: what is written is what was known, and it is dated when the order was had.
create function pg_temp.ends(id uuid, kind text, outcome text, settlement text, after text, delay integer default 7000) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('(select r.result from record_setbacks(''pgtap'', array[{id}]::uuid[], array[md5({id}::text)]::uuid[], array[%L], array[''odd''], array[%L], array[%L]::text[], array[%L], array[null]::text[], array[null]::text[], array[%s]::bigint[]) as r)',
    kind, outcome, settlement, after, delay), id) #>> '{}' || ', ' || pg_temp.order_of(id);
end $$;
select pg_temp.in_status('submitting') as known, pg_temp.in_status('submitting') as failed, pg_temp.forgot(pg_temp.in_status('submitting')) as forgotten \gset
select pg_temp.forced('order_attempts', :'known', 'outcome = ''unknown''') as ignored \gset
select is(pg_temp.ends(:'known', 'claim_released', 'refused', null, 'pending') || ', ' || pg_temp.last_event(:'known'), 'recorded, submitting no id due 60, claim_released submitting submitting engine/pgtap options {"set": {}, "code": "odd", "calls": 1, "outcome": "unknown"}',
  'a repeat that was not sent leaves in the history what was known before');
select is(pg_temp.ends(:'failed', 'purchase_refused', 'refused', 'key_used_up', 'failed') || ', ' || pg_temp.last_event(:'failed'), 'recorded, failed no id, purchase_refused submitting failed engine/pgtap options {"set": {}, "code": "odd", "calls": 1, "outcome": "refused", "settled_by": "key_used_up"}',
  'an order that ends loses no hold that it never had');
select is(pg_temp.ends(:'forgotten', 'purchase_refused', 'refused', 'key_used_up', 'failed'), 'recorded, needs_review purchase_forgotten no id due 0', 'where a purchase was forgotten a person is asked at once, whatever the wait');
-- From here on each look at the clock is a second later.
create function pg_temp.ticking() returns void
language plpgsql as $$
begin
  perform set_config('pgtap.looks', '0', true);
  perform pg_temp.owner_makes('create or replace function clock_now() returns timestamptz language sql volatile return transaction_timestamp() + set_config(''pgtap.looks'', (current_setting(''pgtap.looks'')::integer + 1)::text, true)::integer * interval ''1 second''');
end $$;
create function pg_temp.dated(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select ''dated '' || extract(epoch from at - now())::float8 from order_events where order_id = {id} and kind <> ''move_planned'' order by seq desc limit 1', id);
end $$;
select pg_temp.in_status('submitting') as lost, pg_temp.in_status('submitting') as taken \gset
select pg_temp.ticking() as ignored \gset
select is(pg_temp.ends(:'lost', 'answer_lost', 'unknown', null, 'submitting') || ', ' || pg_temp.dated(:'lost'), 'recorded, submitting no id due 62, dated 2', 'a lost answer is dated when its order is had, and not when that was asked for');
select pg_temp.ticking() as ignored \gset
select is(pg_temp.asked('app', format('(select r.result from record_acceptances(''pgtap'', 5000, array[{id}]::uuid[], array[md5({id}::text)]::uuid[], array[%L]) as r)', 'id-' || :'taken'), :'taken') #>> '{}' || ', ' || pg_temp.order_of(:'taken') || ', ' || pg_temp.dated(:'taken'),
  'recorded, submitted_to_zinc id submitted due 7, dated 2', 'so is an acceptance');
select pg_temp.clock(0) as ignored \gset

-- A report that a purchase was accepted walks every step, and each step is written with what it changed and no more.
create function pg_temp.reports(id uuid, last text default 'submitted_to_zinc', options text default '{}', request text default null, news text default 'order_placed') returns text
language plpgsql as $$
begin
  return pg_temp.said(format('complete_order_processing({id}, %L, %L, %L, %L)', coalesce(request, pg_temp.request(id)), news, last, options), id);
end $$;
create function pg_temp.steps(id uuid, after integer) returns text
language plpgsql as $$
begin
  return pg_temp.got(format('select string_agg(concat_ws('' '', kind, status_before, status_after, actor, replace(data::text, %L, ''its id'')), '', '' order by seq) from order_events where order_id = {id} and seq > %s', pg_temp.request(id), after), id);
end $$;
select pg_temp.in_status('submitting') as sent, pg_temp.in_status('needs_review') as doubtful \gset
select is(pg_temp.reports(:'sent', 'completed', '{"actor": "ada", "evidence": "their mail"}') || ', ' || pg_temp.steps(:'sent', 3), 'done completed, purchase_accepted submitting submitted_to_zinc ada {"set": {"zinc_status": "order_placed", "zinc_request_id": "its id"}}, '
  || 'retailer_order_placed submitted_to_zinc processing ada {"set": {"zinc_status": "order_placed"}}, order_completed processing completed ada {"set": {"zinc_status": "order_placed"}}', 'an order that was sent');
select is(pg_temp.reports(:'doubtful', 'processing', '{"actor": "ada"}') || ', ' || pg_temp.steps(:'doubtful', 4), 'done processing, purchase_accepted needs_review submitted_to_zinc ada {"set": {"zinc_status": "order_placed", "review_reason": null, "zinc_request_id": "its id"}}, '
  || 'retailer_order_placed submitted_to_zinc processing ada {"set": {"zinc_status": "order_placed"}}', 'one that a person looked at');
select pg_temp.held(pg_temp.in_status('processing'), 'operator') as held \gset
select pg_temp.stored(:'held') as before \gset
select is(pg_temp.reports(:'held', 'processing') || ', ' || pg_temp.reports(:'held') || ', ' || (pg_temp.stored(:'held') = :'before'), 'duplicate processing, duplicate processing, true', 'what is known of a held order may be reported again');
select is(pg_temp.reports(:'held', 'completed'), 'refused order_held', 'what is new may not');
select pg_temp.in_status('submitting') as second \gset
select pg_temp.setback(:'second', 'purchase_refused', 'refused', 'key_used_up', 'pending'), pg_temp.claimed(:'second') \gset ignored_
select is(pg_temp.reports(:'second', 'completed') || ', ' || pg_temp.attempts_of(:'second'), 'done completed, refused key_used_up settled 0, accepted delivered settled 0 its id', 'goods that arrived settle the attempt that bought them, and leave the former as it was');
select is(pg_temp.asked('service_role', format('complete_order_processing({id}, ''x'', %L)', news), :'held') ->> 'message', said, said)
  from (values (null, 'zinc_status_param must be given'), (' ', 'zinc_status_param must have 1 to 100 characters, not blanks alone')) as t (news, said);

-- A report that meets another in the same moment is tried again, three times in all. Here the shop answers so the first times.
create temporary sequence pgtap_tries;
grant usage on sequence pgtap_tries to public;
create function pg_temp.meets(others integer, what text) returns text
language plpgsql as $$
declare
  id uuid := pg_temp.in_status('needs_review');
begin
  perform setval('pgtap_tries', 1, false);
  perform pg_temp.owner_makes(format('create or replace function accept_purchase(locked orders, request_id_param text, zinc_status_param text, final_status_param text, options jsonb) returns jsonb language plpgsql as $x$
    begin
      if nextval(''pg_temp.pgtap_tries'') <= %s then
        raise exception using errcode = %L;
      end if;
      return jsonb_build_object(''success'', true, ''status'', ''stored'');
    end $x$', others, what));
  return split_part(pg_temp.said(format('complete_order_processing({id}, %L)', pg_temp.request(id)), id), ' ', 1) || ' after ' || (select last_value from pgtap_tries);
end $$;
select is(pg_temp.meets(others, what), said, what || ' comes ' || others || ' times')
  from unnest('{40P01, 55P03, 23505}'::text[]) as what cross join lateral (values (2, 'done after 3'), (3, what || ' after 3')) as t (others, said);
select is(pg_temp.meets(1, '22012'), '22012 after 1', 'any other error is seen at once');
select * from finish();
rollback;
