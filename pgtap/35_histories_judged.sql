-- An order is whole, however it lived. Whatever somebody changes by force in its history, its lines, its private part
-- or its attempts is named with its place, for this order and for no other.
\ir begin.psql
select plan(55);

select pg_temp.not_held() as ignored \gset
-- The orders here follow one another, after all that the shop has, and each has lines and a message of its own: a page can hold exactly them.
create temporary sequence places;
create or replace function pg_temp.placed() returns uuid
language plpgsql as $$
declare
  place bigint := nextval('places');
begin
  return pg_temp.asked('service_role', format('place_order(%L, %L)', pg_temp.content() || jsonb_build_object('items', jsonb_build_array(
      jsonb_build_object('product_id', '85123A', 'title', 'lantern', 'quantity', 1 + place % 4, 'unit_price_minor', 255),
      jsonb_build_object('product_id', '22720', 'title', 'tin', 'quantity', 1, 'unit_price_minor', place)), 'is_gift', true, 'gift_message', 'for ' || place),
    jsonb_build_object('order_id', format('fffffff0-0000-7000-8000-%s0', lpad(place::text, 11, '0'))))) ->> 'order_id';
end $$;
-- The order before one, which stands where a page begins.
create function pg_temp.before(id uuid) returns uuid
language plpgsql as $$
begin
  return pg_temp.got('select o.id from orders as o where o.id < {id} order by o.id desc limit 1', id);
end $$;
-- What is found on a page of so many orders from one on, after something was done by force; where it is told anew,
-- every hash is made anew as well. All of it is taken back.
create function pg_temp.found(id uuid, force text default 'select', anew boolean default false, orders integer default 1) returns text
language plpgsql as $$
declare
  page text := 'select coalesce(string_agg(concat_ws('' '', case when f.order_id is distinct from {id} then ''another:'' end, f.rule || '':'', f.details), ''; '' order by f.order_id, f.rule collate "C"), ''nothing'')
    from (select v.order_id, v.rule, string_agg(coalesce(regexp_replace(v.detail, ''[0-9a-f]{8}-[0-9a-f-]{27}'', ''x''), ''nowhere''), '', '' order by v.detail collate "C") as details
            from verify_orders(%L, %s) as v where v.orders_checked is null group by v.order_id, v.rule) as f';
  told record;
  former bytea := '\x';
  answer text;
  said text;
begin
  begin
    perform pg_temp.owner_does(replace(force, '{of}', 'where order_id = {id}'), id);
    if anew then
      perform set_config('role', pg_temp.role_of('owner'), true);
      for told in select * from order_events as e where e.order_id = id order by e.seq loop
        former := event_hash(former, told.order_id, told.seq, told.at, told.kind, told.status_before, told.status_after, told.actor, told.actor_source, told.data);
        update order_events as e set hash = former where e.order_id = id and e.seq = told.seq;
        update orders as o set head = former, version = told.seq where o.id = told.order_id;
      end loop;
    end if;
    answer := pg_temp.got(format(page, pg_temp.before(id), orders), id);
    raise exception using errcode = 'ZZ000';
  exception when others then
    get stacked diagnostics said = message_text;
    return coalesce(answer, said);
  end;
end $$;

-- Another call of the same bytes, and the first call of a certain attempt.
create function pg_temp.called(id uuid, attempt uuid default null) returns text
language plpgsql as $$
begin
  perform pg_temp.told(id);
  return pg_temp.asked('app', format('(select max(c.calls) from orders as o cross join lateral commit_intents(''pgtap'', ''second'', md5({id}::text)::uuid, 60000, 30000, 82800000, array[o.id], array[o.version],
    array[o.generation + %s], array[coalesce(%L, gen_random_uuid())], array[md5({id}::text)], array[%L::bytea], array[sha256(''bytes'')]) as c where o.id = {id})',
    (attempt is not null)::integer, attempt, case when attempt is not null then 'bytes' end), id) #>> '{}';
end $$;
create function pg_temp.unsent(id uuid) returns text
language sql
return pg_temp.setback(id, 'claim_released', 'open', null, 'pending');
-- What a person says of an order: bought elsewhere, or a way out of review.
create function pg_temp.bought(id uuid, request text default null) returns text
language plpgsql as $$
begin
  return pg_temp.said(format('manually_complete_order({id}, %L, ''seen'')', request), id);
end $$;
create function pg_temp.resolved(id uuid, decision text) returns text
language plpgsql as $$
begin
  return pg_temp.said(format('resolve_review({id}, %L, ''seen at the provider'')', decision), id);
end $$;
-- An accepted purchase was read as failed for good, or as odd, with whatever the provider said beside.
create function pg_temp.failed_there(id uuid, after text, facts jsonb default null) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('(select r.result from orders as o cross join lateral record_readings(''pgtap'', array[o.id], array[o.version]::bigint[], array[''purchase_failed''], array[%L], array[''odd''],
    array[null]::bigint[], array[%L]::text[], array[''odd'']::text[], array[null]::text[], array[7000]::bigint[], array[%L]::jsonb[]) as r where o.id = {id})',
    after, case when after <> 'needs_review' then 'provider_final' end, facts), id) #>> '{}';
end $$;

-- Orders live, in the seconds that the clock says: refused and bought again, unsent and sent again, settled by a person, bought elsewhere,
-- with a clock that was set back, or with a provider who says words of ours.
select pg_temp.clock(0) as ignored \gset
select pg_temp.in_status('submitting') as twice, pg_temp.in_status('unknown') as repeated, pg_temp.in_status('submitting') as unsent, pg_temp.in_status('submitting') as sent, pg_temp.in_status('unknown') as returned,
       pg_temp.in_status('unknown') as ended, pg_temp.in_status('submitting') as wished, pg_temp.in_status('submitting') as cancelled, pg_temp.in_status('needs_review') as reviewed, pg_temp.in_status('watched') as watched,
       pg_temp.in_status('needs_review') as review_wished, pg_temp.in_status('unknown') as word_sent, pg_temp.in_status('submitting') as word_unsent, pg_temp.in_status('needs_review') as word_review,
       pg_temp.in_status('watched') as word_watched, pg_temp.in_status('submitted_to_zinc') as again, pg_temp.in_status('processing') as failed, pg_temp.in_status('needs_review') as given_up,
       pg_temp.in_status('needs_review') as anew, pg_temp.paid() as forgotten, pg_temp.in_status('submitting') as leased, pg_temp.paid() as word_pending, pg_temp.in_status('submitted_to_zinc') as cancelled_after,
       pg_temp.in_status('watched') as watched_in_vain, pg_temp.in_status('watched') as watched_on, pg_temp.in_status('submitted_to_zinc') as read, pg_temp.placed() as early, pg_temp.placed() as set_back,
       pg_temp.in_status('submitted_to_zinc') as elsewhere, pg_temp.in_status('processing') as processing \gset
select pg_temp.clock(-5) as ignored \gset
select pg_temp.asked('service_role', format('attach_payment({id}, %L)', pg_temp.intent(:'early')), :'early'), pg_temp.told(:'early') \gset did_
select pg_temp.clock(10) as ignored \gset
select pg_temp.setback(:'twice', 'purchase_refused', 'refused', 'key_used_up', 'pending'), pg_temp.claimed(:'twice'), pg_temp.unsent(:'unsent'), pg_temp.unsent(:'sent'), pg_temp.said('hold_order({id})', :'sent'),
       pg_temp.said('cancel_order({id})', :'wished'), pg_temp.unsent(:'cancelled'), pg_temp.said('cancel_order({id})', :'review_wished'), pg_temp.unsent(:'word_unsent'), pg_temp.failed_there(:'again', 'pending'),
       pg_temp.failed_there(:'failed', 'failed'), pg_temp.failed_there(:'cancelled_after', 'pending'), pg_temp.failed_there(:'elsewhere', 'pending'),
       pg_temp.failed_there(:'read', 'needs_review', '{"calls": 3, "code": "x", "decision": "nothing_was_bought", "first_sent_at": "2020-01-01", "payment_intent": "pi_x"}'),
       pg_temp.forgot(:'forgotten', data => '{"attempt_id": "00000000-0000-0000-0000-00000000000f"}'), pg_temp.called(:'forgotten', '00000000-0000-0000-0000-00000000000f'),
       pg_temp.asked('service_role', format('attach_payment({id}, %L)', pg_temp.intent(:'set_back')), :'set_back'), pg_temp.told(:'set_back'), pg_temp.claimed(:'set_back') \gset did_
select pg_temp.clock(5) as ignored \gset
select pg_temp.setback(:'set_back', 'answer_lost', 'unknown', null, 'submitting') \gset did_
select pg_temp.clock(20) as ignored \gset
select pg_temp.said(format('complete_order_processing({id}, %L, ''delivered'', ''completed'')', pg_temp.request(:'twice')), :'twice'), pg_temp.unsent(:'wished'), pg_temp.said('release_hold({id})', :'sent'),
       pg_temp.said('cancel_order({id})', :'cancelled'), pg_temp.said('cancel_order({id})', :'cancelled_after'), pg_temp.bought(:'word_sent', 'pgtap-elsewhere-1'), pg_temp.bought(:'word_unsent', 'pgtap-elsewhere-2'),
       pg_temp.bought(:'word_watched'), pg_temp.bought(:'word_pending', 'pgtap-elsewhere-3'), pg_temp.bought(:'elsewhere', 'pgtap-elsewhere-6'), pg_temp.claimed(:'again') \gset did_
select pg_temp.clock(100) as ignored \gset
select pg_temp.called(:'repeated'), pg_temp.called(:'sent'), pg_temp.called(:'returned'), pg_temp.called(:'ended'), pg_temp.resolved(:'watched_on', 'watch_on'),
       string_agg(pg_temp.resolved(o, 'nothing_was_bought'), ', ') from unnest(array[:'reviewed', :'watched', :'review_wished', :'word_review', :'given_up', :'anew', :'watched_in_vain']::uuid[]) as o \gset did_
select pg_temp.clock(95) as ignored \gset
select pg_temp.bought(:'word_review', 'pgtap-elsewhere-4'), pg_temp.bought(:'watched_in_vain', 'pgtap-elsewhere-5') \gset did_
select pg_temp.clock(110) as ignored \gset
select string_agg(pg_temp.said(format('complete_order_processing({id}, %L, ''delivered'', ''completed'')', pg_temp.request(o)), o), ', ') as ignored from unnest(array[:'repeated', :'sent']::uuid[]) as o \gset
select pg_temp.said('complete_order_processing({id}, ''pgtap-again'', ''delivered'', ''completed'')', :'again'), pg_temp.unsent(:'returned'), pg_temp.resolved(:'given_up', 'give_up'), pg_temp.resolved(:'anew', 'buy_again'),
       pg_temp.said('refund_order({id}, 500, ''one came broken'')', :'twice') \gset did_
select pg_temp.clock(200) as ignored \gset
select pg_temp.asked('service_role', 'recover_stuck_orders(0)'), pg_temp.told(:'anew'), pg_temp.claimed(:'anew') \gset did_
select pg_temp.asked('service_role', format('place_order(%L, ''{"order_id": "00000000-0000-0000-0000-000000000000"}'')', pg_temp.content())) as ignored \gset
-- From here on nothing guards the records.
select pg_temp.owner_does(string_agg(format('alter table %I disable trigger user', part), '; ')) as ignored from unnest('{orders, order_events, order_items, order_private, order_attempts, payments, money_moves}'::text[]) as part \gset
select is(pg_temp.got('select string_agg(concat_ws('' '', o.status, (select string_agg(concat_ws('' '', a.calls, a.outcome, a.settled_by), '' then '' order by a.generation) from order_attempts as a where a.order_id = o.id)), '', '' order by o.id) from orders as o where o.id >= {id}', :'twice'),
  'completed 1 refused key_used_up then 1 accepted delivered, completed 2 accepted delivered, pending 0 open, completed 1 accepted delivered, submitting 2 unknown, submitting 2 unknown, cancelled 0 open never_sent, '
  'cancelled 0 open never_sent, needs_review 1 refused person, needs_review 1 accepted person, cancelled 1 refused person, completed 1 accepted person, completed 0 open never_sent, completed 1 refused person, '
  'completed 1 accepted person, completed 1 accepted provider_final then 1 accepted delivered, failed 1 accepted provider_final, failed 1 refused person, submitting 1 refused person then 1 open, submitting 2 unknown, '
  'submitting 1 unknown, completed, cancelled 1 accepted provider_final, completed 1 accepted person, submitted_to_zinc 1 open, needs_review 1 open, pending, submitting 1 unknown, completed 1 accepted provider_final, processing 1 open', 'orders live in many ways');
select is(pg_temp.found(:'twice', orders => 30), 'nothing', 'all of them are whole, on one page');
select is(pg_temp.found(:'twice', format('alter table orders drop constraint orders_hold_together; update orders set order_number = ''pgtap forged'', version = 100, goods_minor = 1 where id = %1$L; update order_events set hash = sha256(''x''), status_before = ''failed'' where order_id = %1$L;
  update order_attempts set request_body = ''edited'', code = ''x'', request_id = null, outcome = ''refused'' where order_id = %1$L; delete from order_private where order_id = %1$L', :'repeated')), 'nothing', 'what is wrong with another order is not found on the page of this one');

-- The history.
select is(pg_temp.found(:'twice', force), named, sentence)
  from (values ('update order_events set data = data || ''{"x": 1}'' {of} and seq = 1', 'hash: event 1', 'what an event says stands, of the first one too'),
    ('update order_events set at = at + interval ''1 microsecond'' {of} and seq = 9', 'hash: event 9; money: movement x is not as it was intended or as it ended: created_at', 'and when it happened'),
    ('update order_events set hash = sha256(''x'') {of} and seq = 4', 'hash: event 4, event 5', 'each hash is a part of the next one'),
    ('delete from order_events {of} and seq = 4', 'attempts: attempt 1: code, attempt 1: outcome, attempt 1: settled_at, attempt 1: settled_by; gap: before event 5; hash: event 5; status_sequence: event 5', 'an event that is gone is missed'),
    ('delete from order_events {of} and seq = 1',
      'fold: capture_when, content_digest, created_at, currency, goods_minor, order_number, price_cap_minor, retailer, total_minor; gap: before event 2; hash: event 2; lines: the lines are not as placed; '
      'private: recipient or message are not as placed; status_sequence: event 2', 'so is the first one'),
    ('delete from order_events {of} and seq = 9', 'fold: payment_status; head: orders.head is not the hash of the last event; money: movement x is not as it was intended or as it ended: id', 'and the last one'),
    ('update order_events set status_before = ''pending'' {of} and seq = 1', 'hash: event 1; status_sequence: event 1', 'an order is born new'),
    ('update order_events set status_before = ''processing'' {of} and seq = 5', 'edge: processing to submitting; hash: event 5; status_sequence: event 5', 'each event begins where the one before it ended'),
    ('update order_events set status_after = ''processing'' {of} and seq = 5', 'edge: pending to processing; hash: event 5; status_sequence: event 6', 'and ends where an order may go from there')) as t (force, named, sentence);

-- The order's row, against what the history tells.
select is(pg_temp.found(:'twice', force), named, sentence)
  from (values ('update orders set head = sha256(''x'') where id = {id}', 'head: orders.head is not the hash of the last event', 'the row ends where the history ends, by its hash'),
    ('update orders set version = version + 1 where id = {id}', 'head: orders.head is not the hash of the last event', 'by the number of events'),
    ('update orders set status = ''failed'' where id = {id}', 'head: orders.head is not the hash of the last event', 'and by its status'),
    ('alter table orders drop constraint orders_hold_together; update orders set order_number = ''pgtap forged'', retailer = ''walmart'', currency = ''USD'', goods_minor = 1, total_minor = 2, price_cap_minor = 3, generation = 3, zinc_request_id = ''pgtap-forged'', zinc_status = null,
      hold_reason = ''operator'', review_reason = ''x'', payment_status = ''disputed'', cost_minor = 4, capture_when = ''after_purchase'', content_digest = sha256(''x''), status_before = ''submitting'', created_at = created_at + interval ''1 microsecond'' where id = {id}',
      'attempts: generation 3 and the attempts differ; fold: capture_when, content_digest, cost_minor, created_at, currency, generation, goods_minor, hold_reason, order_number, payment_status, price_cap_minor, retailer, review_reason, '
      'status_before, total_minor, zinc_request_id, zinc_status; goods_total: the lines do not sum to goods_minor', 'whatever else the history tells stands so in the row')) as t (force, named, sentence);

-- Lines and private part.
select is(pg_temp.found(:'twice', force), named, sentence)
  from (values ('update order_items set title = ''candle'' {of} and line = 2', 'lines: the lines are not as placed', 'the title of a line is as placed'),
    ('update order_items set quantity = 9 {of} and line = 2', 'goods_total: the lines do not sum to goods_minor; lines: the lines are not as placed', 'so is its quantity'),
    ('update orders set goods_minor = goods_minor + 1 where id = {id}', 'fold: goods_minor; goods_total: the lines do not sum to goods_minor', 'the lines sum to what the order says'),
    ('update order_items set line = 3 {of} and line = 2', 'lines: the lines are not as placed', 'no line is missing'),
    ('delete from order_items {of}', 'goods_total: the lines do not sum to goods_minor; lines: the lines are not as placed', 'every order has lines'),
    ('update order_private set gift_message = ''x'' {of}', 'private: recipient or message are not as placed', 'the message is as placed'),
    ('delete from order_private {of}', 'private: recipient or message are not as placed', 'every order has a recipient')) as t (force, named, sentence);

-- The attempts, against the order.
select is(pg_temp.found(:'twice', force), named, sentence)
  from (values ('update order_attempts set request_body = ''edited'' {of} and generation = 1', 'digest: attempt 1', 'the bytes are those of the digest'),
    ('update order_attempts set outcome = ''refused'' {of} and generation = 2', 'attempts: attempt 2: outcome; request_id: the attempt that bought this order does not hold its request id', 'what was bought was not refused'),
    ('update order_attempts set request_id = ''pgtap-forged'' {of} and generation = 2', 'attempts: attempt 2: request_id; request_id: the attempt that bought this order does not hold its request id', 'the attempt holds the purchase of its order'),
    ('update orders set zinc_request_id = ''pgtap-forged'' where id = {id}', 'fold: zinc_request_id; request_id: the attempt that bought this order does not hold its request id', 'and the order that of its attempt'),
    ('update orders set zinc_request_id = ''pgtap-forged'' where id = {id}; update order_attempts set request_id = ''pgtap-forged'' {of} and generation = 2;
      update order_attempts set request_id = ''pgtap-'' || {id} where order_id = ' || quote_literal(:'repeated'),
      'attempts: attempt 2: request_id; fold: zinc_request_id; request_id: request pgtap-x was accepted and is held by no attempt', 'what the history tells of is held by this order, and by no other'),
    ('update order_attempts set settled_at = null, settled_by = null, outcome = ''unknown'' {of} and generation = 2',
      'attempts: attempt 2: outcome, attempt 2: settled_at, attempt 2: settled_by; request_id: the attempt that bought this order does not hold its request id; unsettled: the status and the unsettled attempt do not fit', 'nothing is unsettled of an order that is completed')) as t (force, named, sentence);
select is(pg_temp.found(id, force), named, sentence)
  from (values (:'word_sent'::uuid, 'update order_attempts set settled_by = ''delivered'', request_id = ''pgtap-forged'' {of}', 'attempts: attempt 1: request_id, attempt 1: settled_by; request_id: the attempt that bought this order does not hold its request id', 'what a person says is bought elsewhere was not bought here'),
    (:'cancelled', 'update order_attempts set settled_at = null, settled_by = null {of}', 'attempts: attempt 1: settled_at, attempt 1: settled_by; unsettled: the status and the unsettled attempt do not fit', 'nothing is unsettled of one that is cancelled'),
    (:'failed', 'update order_attempts set settled_at = null, settled_by = null, outcome = ''unknown'' {of}', 'attempts: attempt 1: outcome, attempt 1: settled_at, attempt 1: settled_by; unsettled: the status and the unsettled attempt do not fit', 'or that failed'),
    (:'unsent', 'update orders set generation = 0 where id = {id}', 'attempts: generation 0 and the attempts differ; fold: generation', 'an order counts each of its attempts'),
    (:'unsent', 'update order_attempts set calls = 1, first_sent_at = opened_at, key_dead_at = opened_at {of}', 'attempts: attempt 1: calls, attempt 1: first_sent_at; unsettled: the status and the unsettled attempt do not fit', 'nothing was sent for one that is pending'),
    (:'word_pending', 'update orders set generation = 1 where id = {id}', 'attempts: generation 1 and the attempts differ; fold: generation', 'and none that it never had'),
    (:'leased', 'update order_attempts set settled_at = opened_at, settled_by = ''person'' {of}', 'attempts: attempt 1: settled_at, attempt 1: settled_by; unsettled: the status and the unsettled attempt do not fit', 'one that is under way has an attempt'),
    (:'leased', 'update order_attempts set outcome = ''open'' {of}', 'attempts: attempt 1: outcome', 'a lease that ended leaves an unknown outcome'),
    (:'watched_on', 'update order_attempts set settled_at = opened_at, settled_by = ''person'', lease_token = null, lease_expires_at = null {of}',
      'attempts: attempt 1: settled_at, attempt 1: settled_by; unsettled: the status and the unsettled attempt do not fit', 'so has one that is watched'),
    (:'processing', 'update order_attempts set settled_at = opened_at, settled_by = ''person'', lease_token = null, lease_expires_at = null {of}',
      'attempts: attempt 1: settled_at, attempt 1: settled_by; unsettled: the status and the unsettled attempt do not fit', 'until it is completed'),
    (:'returned', 'update order_attempts set outcome = ''refused'' {of}', 'attempts: attempt 1: outcome', 'what nobody knows is not refused')) as t (id, force, named, sentence);

-- The attempts, against the history.
select is(pg_temp.found(:'repeated', force), named, sentence)
  from (values ('update order_attempts set attempt_id = gen_random_uuid(), provider = ''other'', provider_key = ''pgtap other'', request_body = ''edited'', request_digest = sha256(''edited''), price_cap_minor = 1, opened_at = now() - interval ''1 second'',
      calls = 3, first_sent_at = now() - interval ''1 second'', worker = ''other'', code = ''x'', settled_at = now(), settled_by = ''provider_final'', request_id = ''pgtap-forged'', outcome = ''refused'' {of}',
      'attempts: attempt 1: attempt_id, attempt 1: calls, attempt 1: code, attempt 1: first_sent_at, attempt 1: opened_at, attempt 1: outcome, attempt 1: price_cap_minor, attempt 1: provider, attempt 1: provider_key, '
      'attempt 1: request_digest, attempt 1: request_id, attempt 1: settled_at, attempt 1: settled_by, attempt 1: worker; request_id: the attempt that bought this order does not hold its request id', 'an attempt stands as the history tells it'),
    ('delete from order_attempts {of}',
      'attempts: attempt 1: attempt_id, attempt 1: calls, attempt 1: code, attempt 1: first_sent_at, attempt 1: opened_at, attempt 1: outcome, attempt 1: price_cap_minor, attempt 1: provider, attempt 1: provider_key, '
      'attempt 1: request_digest, attempt 1: request_id, attempt 1: settled_at, attempt 1: settled_by, attempt 1: worker, generation 1 and the attempts differ', 'and is there'),
    ('insert into order_attempts (order_id, generation, attempt_id, provider, provider_key, request_body, request_digest, price_cap_minor, opened_at, outcome, settled_at, settled_by)
      values ({id}, 2, gen_random_uuid(), ''pgtap'', ''pgtap other'', ''{}'', sha256(''{}''), 1, now(), ''refused'', now(), ''key_used_up'')',
      'attempts: attempt 2: attempt_id, attempt 2: calls, attempt 2: opened_at, attempt 2: outcome, attempt 2: price_cap_minor, attempt 2: provider_key, attempt 2: request_digest, attempt 2: settled_at, attempt 2: settled_by, '
      'generation 1 and the attempts differ', 'and no other is')) as t (force, named, sentence);
select is(pg_temp.found(id, force, true), named, sentence)
  from (values (:'twice'::uuid, 'update order_events set data = data - ''outcome'' {of} and seq = 4; update order_attempts set outcome = ''unknown'' {of} and generation = 1', 'attempts: attempt 1: outcome', 'a key that was used up is refused, whatever the event tells of it'),
    (:'twice', 'update order_events set data = data - ''provider'' {of} and kind = ''purchase_opened''', 'nothing', 'an older release did not tell of whom it bought'),
    (:'returned', 'update order_events set data = data - ''outcome'' {of} and seq > 3', 'nothing', 'nor what came of a call'),
    (:'repeated', 'update order_events set data = data - ''outcome'' {of} and seq = 4; update order_attempts set outcome = ''refused'' {of}', 'attempts: attempt 1: outcome; request_id: the attempt that bought this order does not hold its request id', 'what was bought is accepted for all that')) as t (id, force, named, sentence);

-- Page by page.
create function pg_temp.checked(after uuid, size integer) returns text
language plpgsql as $$
begin
  return pg_temp.got(format('select concat_ws('' '', orders_checked, events_checked, last_order) from verify_orders(%L, %s) where orders_checked is not null', after, size));
end $$;
-- What takes the row of an order away, and leaves all that belongs to it.
create function pg_temp.lost(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select string_agg(format(''alter table %s drop constraint %I; '', c.conrelid::regclass, c.conname), '''') from pg_constraint as c where c.confrelid = ''orders''::regclass and c.contype = ''f''')
    || format('delete from orders where id = %L', id);
end $$;
select is(pg_temp.checked(null, 1), '1 1 00000000-0000-0000-0000-000000000000', 'the first page begins with the first of all ids');
select is(pg_temp.checked(pg_temp.before(:'twice'), 2), '2 17 ' || :'repeated', 'each next one after the last order of the page before');
select is(pg_temp.checked(:'processing', 100000), '0 0', 'until there is none any more');
select is(pg_temp.found(:'cancelled', pg_temp.lost(:'wished')), 'another: order_missing: a private part belongs to no order, attempt 1 belongs to no order, event 1 belongs to no order, line 1 belongs to no order, '
  'movement of money x belongs to no order, payment ' || pg_temp.intent(:'wished') || ' belongs to no order', 'what is left of an order that is gone is named');
select is(pg_temp.found(:'ended', pg_temp.lost(:'wished')) || ', ' || pg_temp.found(:'reviewed', pg_temp.lost(:'wished')), 'nothing, nothing', 'neither on the page before nor on the page after');
select is(pg_temp.found(:'ended', pg_temp.lost(:'wished'), orders => 2), pg_temp.found(:'cancelled', pg_temp.lost(:'wished')), 'once, on the page that it would be on');
select is(pg_temp.found(:'elsewhere', pg_temp.lost(:'processing')), 'nothing', 'what is left of the last order is not named by a page that is full');
select is(pg_temp.found(:'elsewhere', pg_temp.lost(:'processing'), orders => 2), 'another: order_missing: a private part belongs to no order, attempt 1 belongs to no order, event 1 belongs to no order, line 1 belongs to no order, '
  'payment ' || pg_temp.intent(:'processing') || ' belongs to no order', 'but by the last page of all');
select * from finish();
rollback;
