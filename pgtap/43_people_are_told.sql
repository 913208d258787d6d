-- What people are told of orders, and when that is over: that one must be looked at, that money is wanting at the provider, that
-- somebody wants it cancelled, and every report of a purchase that does not fit its order.
\ir begin.psql
select plan(49);

select pg_temp.clock(0) as ignored \gset
select pg_temp.not_held() as ignored \gset
create function pg_temp.order_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', status, review_reason, hold_reason, ''due '' || extract(epoch from due_at - now())::float8) from orders where id = {id}', id);
end $$;
-- Each alert of an order with what it tells, since when and until when.
create function pg_temp.alerts_of(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got('select string_agg(concat_ws('' '', rule, nullif(subject, ''''), extract(epoch from opened_at - now())::float8 || ''-'' || extract(epoch from closed_at - now())::float8), '', '' order by opened_at, rule, subject) from alerts where order_id = {id} and closed_at is not null', id) || '; ', '')
    || coalesce(pg_temp.got('select string_agg(concat_ws('' '', rule, nullif(subject, ''''), extract(epoch from opened_at - now())::float8), '', '' order by opened_at, rule, subject) from alerts where order_id = {id} and closed_at is null', id), 'nothing');
end $$;
create function pg_temp.last_event(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', kind, status_before, status_after, actor, actor_source, data) from order_events where order_id = {id} order by seq desc limit 1', id);
end $$;
create function pg_temp.moves(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got('select string_agg(concat_ws('' '', kind, amount_minor, reason, requested_by), '', '') from money_moves where order_id = {id}', id), 'no money');
end $$;
create function pg_temp.decided(id uuid, word text) returns text
language plpgsql as $$
begin
  return pg_temp.said(format('resolve_review({id}, %L, ''their support says so'')', word), id);
end $$;
-- The call of a claimed order was refused, its key used up; it waits for a person or, with a hold, for money.
create function pg_temp.refused(id uuid, after text default 'needs_review', hold text default null) returns uuid
language plpgsql as $$
begin
  perform pg_temp.asked('app', format('(select max(result) from record_setbacks(''pgtap'', array[{id}]::uuid[], array[md5({id}::text)::uuid], array[''purchase_refused''], array[''odd''], array[''refused''],
    array[''key_used_up''], array[%L], array[null]::text[], array[%L]::text[], array[0]::bigint[]))', after, hold), id);
  return id;
end $$;
-- An engine hands orders to a person that it cannot send, as it saw them: each with its reason.
create function pg_temp.handed(ids uuid[], reasons text[], older integer[] default '{0, 0, 0, 0, 0, 0, 0}') returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('(select count(r) from (select review_orders(''pgtap'', array_agg(w.id order by w.place), array_agg(o.version - (%L::integer[])[w.place] order by w.place), %L) as r
    from unnest(%L::uuid[]) with ordinality as w (id, place) join orders as o on o.id = w.id) as t)', older, reasons, ids)) #>> '{}';
end $$;

-- Handed to a person.
select pg_temp.paid() as one, pg_temp.in_status('unknown') as two, pg_temp.in_status('submitting') as leased, pg_temp.in_status('submitted_to_zinc') as bought, pg_temp.paid() as changed, pg_temp.in_status('completed') as done, pg_temp.paid() as unnamed, pg_temp.refused(pg_temp.in_status('submitting'), 'pending') as again \gset
select pg_temp.stored(:'unnamed') as before, pg_temp.stored(:'leased') as leased_before \gset
select pg_temp.clock(5) as ignored \gset
select is(pg_temp.handed(array[:'one', :'two', :'leased', :'bought', :'changed', :'done', :'again']::uuid[], '{first, second, third, fourth, fifth, sixth, seventh}', '{0, 0, 0, 0, 1, 0, 0}'), '1', 'an engine hands over seven orders');
select is(pg_temp.order_of(:'one') || ', ' || pg_temp.order_of(:'two') || ', ' || pg_temp.order_of(:'again'), 'needs_review first due 86405, needs_review second due 86405, needs_review seventh due 86405', 'three of them are a person''s, who is reminded after a day');
select is(pg_temp.last_event(:'one') || ', ' || pg_temp.last_event(:'two'), 'review_needed pending needs_review engine/pgtap options {"set": {"review_reason": "first"}}, review_needed submitting needs_review engine/pgtap options {"set": {"review_reason": "second"}}', 'each with its own reason');
select is(pg_temp.alerts_of(:'one') || ' | ' || pg_temp.alerts_of(:'two'), 'needs_review first 5 | needs_review second 5', 'and with its alert');
select is(pg_temp.stored(:'leased') = :'leased_before', true, 'not one that a worker is at');
select is(pg_temp.order_of(:'bought') || ', ' || pg_temp.order_of(:'changed') || ', ' || pg_temp.order_of(:'done'), 'submitted_to_zinc due 300, pending due 0, completed', 'nor one that is bought, that has changed since, or that has ended');
select is(pg_temp.stored(:'unnamed') || pg_temp.alerts_of(:'unnamed'), :'before' || 'nothing', 'nor any other');
select is(pg_temp.handed(array[:'leased', :'done']::uuid[], '{x, x}') || ', ' || (pg_temp.stored(:'leased') = :'leased_before'), '1, true', 'none is no fault');

-- While an order is with a person there is one alert, and it ends when the order goes on.
select pg_temp.clock(0) as ignored \gset
select pg_temp.in_status('needs_review') as neighbour, pg_temp.in_status('needs_review') as id, pg_temp.refused(pg_temp.in_status('submitting')) as held \gset
select pg_temp.said('hold_order({id})', :'held') as ignored \gset
select is(pg_temp.said('release_hold({id})', :'held') || ', ' || pg_temp.alerts_of(:'held'), 'done needs_review, needs_review odd 0', 'a hold that ends does not end it');
select pg_temp.clock(60) as ignored \gset
select is(pg_temp.decided(:'id', 'nothing_was_bought') || ', ' || pg_temp.alerts_of(:'id'), 'done needs_review, needs_review odd_code 0', 'a decision after which the order stays with a person neither');
select pg_temp.clock(70) as ignored \gset
select is(pg_temp.decided(:'id', 'buy_again') || ', ' || pg_temp.alerts_of(:'id'), 'done pending, needs_review odd_code 0-70; nothing', 'it is over when the order goes on');
select is(pg_temp.alerts_of(:'neighbour'), 'needs_review odd_code 0', 'another order''s is not');
select pg_temp.clock(80) as ignored \gset
select is(pg_temp.handed(array[:'id']::uuid[], '{again}') || ', ' || pg_temp.alerts_of(:'id'), '1, needs_review odd_code 0-70; needs_review again 80', 'the next time there is another');
select pg_temp.clock(90) as ignored \gset
select is(pg_temp.decided(:'id', 'give_up') || ', ' || pg_temp.alerts_of(:'id'), 'done failed, needs_review odd_code 0-70, needs_review again 80-90; nothing', 'and each ended in its time');

-- So it is with money that is wanting at the provider.
select pg_temp.clock(0) as ignored \gset
select pg_temp.refused(pg_temp.in_status('submitting'), 'pending', 'awaiting_funds') as poor, pg_temp.refused(pg_temp.in_status('submitting'), 'pending', 'awaiting_funds') as other, pg_temp.refused(pg_temp.in_status('submitting'), 'pending') as rich, pg_temp.refused(pg_temp.in_status('submitting'), 'failed', 'awaiting_funds') as failed \gset
select is(pg_temp.alerts_of(:'poor') || ' | ' || pg_temp.alerts_of(:'rich') || ' | ' || pg_temp.alerts_of(:'failed'), 'awaiting_funds 0 | nothing | awaiting_funds 0-0; nothing', 'an order waits for the provider''s account to be funded, unless it has ended');
select pg_temp.clock(10) as ignored \gset
select is(pg_temp.handed(array[:'poor']::uuid[], '{odd}') || ', ' || pg_temp.order_of(:'poor') || ', ' || pg_temp.alerts_of(:'poor'), '1, needs_review odd awaiting_funds due 86410, awaiting_funds 0, needs_review odd 10', 'it waits on when a person has to look at it');
select pg_temp.clock(20) as ignored \gset
select is(pg_temp.decided(:'poor', 'buy_again') || ', ' || pg_temp.alerts_of(:'poor'), 'done pending, needs_review odd 10-20; awaiting_funds 0', 'and when he has');
select pg_temp.clock(30) as ignored \gset
select is(pg_temp.said('release_hold({id})', :'poor') || ', ' || pg_temp.alerts_of(:'poor') || ' | ' || pg_temp.alerts_of(:'other'), 'done pending, awaiting_funds 0-30, needs_review odd 10-20; nothing | awaiting_funds 0', 'until it is released, each for itself');
create function pg_temp.ended(id uuid, after text) returns text
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('select alert_people(array[{id}]::uuid[], array[''pending''], array[%L], array[''{}''::jsonb], clock_now())', after), id);
  return pg_temp.alerts_of(id);
end $$;
select is(pg_temp.ended(pg_temp.refused(pg_temp.in_status('submitting'), 'pending', 'awaiting_funds'), s), 'awaiting_funds 30-30; nothing', s || ': an order that has ended waits for no funds') from unnest('{completed, cancelled, failed}'::text[]) as s;

-- A wish to cancel is told until it is fulfilled, and the money goes back then, of what has ended and of nothing else.
select pg_temp.clock(0) as ignored \gset
select pg_temp.in_status('submitting') as wished, pg_temp.in_status('submitting') as refused, pg_temp.in_status('submitting') as lost, pg_temp.in_status('submitting') as held \gset
select pg_temp.said('hold_order({id}, ''disputed'')', :'held') as ignored \gset
select is(pg_temp.said('cancel_order({id}, ''no lantern wanted'', ''{"actor": "Ada"}'')', :'held') || ', ' || pg_temp.last_event(:'held'), 'done waiting submitting, cancel_requested submitting submitting Ada options {"set": {"hold_reason": "cancel_requested"}, "reason": "no lantern wanted", "hold_before": "disputed"}', 'the wish says who, why and which hold it takes the place of');
select is(pg_temp.got('select concat_ws('' '', kind, subject = '''', actor, data) from findings where order_id = {id}', :'held') || ', ' || pg_temp.alerts_of(:'held'), 'cancel_requested t Ada {"reason": "no lantern wanted", "status": "submitting"}, cancel_requested 0', 'and a person is told');
select pg_temp.said('cancel_order({id})', :'wished') as ignored \gset
select pg_temp.clock(5) as ignored \gset
select is(pg_temp.asked('app', format('(select string_agg(r.result, '' '') from record_setbacks(''pgtap'', array[%1$L, %2$L, %3$L]::uuid[], array[md5(%1$L), md5(%2$L), md5(%3$L)]::uuid[], ''{purchase_refused, purchase_refused, answer_lost}'', ''{odd, odd, odd}'', ''{refused, refused, unknown}'',
  ''{key_used_up, key_used_up, null}'', ''{pending, failed, submitting}'', ''{null, null, null}'', ''{null, null, null}'', ''{0, 0, 0}'') as r)', :'wished', :'refused', :'lost')) #>> '{}', 'recorded recorded recorded', 'three calls have ended');
select is(pg_temp.order_of(:'wished') || ', ' || pg_temp.moves(:'wished') || ', ' || pg_temp.alerts_of(:'wished'), 'cancelled, refund 1530 the purchase was refused for good engine/pgtap, cancel_requested 0-5; nothing', 'one is cancelled as was wished');
select is(pg_temp.order_of(:'refused') || ', ' || pg_temp.moves(:'refused'), 'failed, refund 1530 the purchase was refused for good engine/pgtap', 'one has failed');
select is(pg_temp.order_of(:'lost') || ', ' || pg_temp.moves(:'lost'), 'submitting due 65, no money', 'one may have been bought: its money stays');

-- A report of a purchase, by somebody who gives his name.
create function pg_temp.reported(id uuid, request text default null, news text default 'submitted', last text default 'submitted_to_zinc') returns text
language plpgsql as $$
begin
  return pg_temp.said(format('complete_order_processing({id}, %L, %L, %L, ''{"actor": "Ada"}'')', coalesce(request, pg_temp.request(id)), news, last), id);
end $$;
create function pg_temp.findings(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got('select string_agg(concat_ws('' '', kind, subject, actor, data - ''order_id'', data ->> ''order_id'' = {id}::text), '', '' order by kind, subject) from findings where order_id = {id}', id), 'none');
end $$;
-- A purchase that the provider had taken was read as ended in vain: its attempt keeps the request id.
create function pg_temp.in_vain(after text) returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.in_status('submitted_to_zinc');
begin
  perform pg_temp.asked('app', format('(select max(r.result) from orders as o cross join lateral record_readings(''pgtap'', array[o.id], array[o.version]::bigint[], array[''purchase_failed''], array[%L], array[''odd''],
    array[null]::bigint[], array[''provider_final''], array[null]::text[], array[null]::text[], array[0]::bigint[], array[null]::jsonb[]) as r where o.id = {id})', after), id);
  return id;
end $$;
select pg_temp.clock(0) as ignored \gset
select is(pg_temp.reported(pg_temp.in_status('submitting'), null, news), 'done submitted_to_zinc', news || ' is good news')
  from unnest('{submitted, request_processing, processing, placed, order_placed, order_response, shipped, delivered, completed, success}'::text[]) as news;
select pg_temp.in_status('submitting') as open, pg_temp.in_vain('failed') as failed, pg_temp.in_vain('pending') as again, pg_temp.in_status('submitted_to_zinc') as held, pg_temp.in_status('completed') as unnamed, pg_temp.refused(pg_temp.in_status('submitting')) as review,
  pg_temp.in_status('submitting') as unsent, pg_temp.in_status('submitting') as waits \gset
select is(pg_temp.reported(:'open', null, 'aborted') || ', ' || pg_temp.findings(:'open'), format('refused good_news_only, good_news_only %1$s Ada {"status": "submitting", "zinc_status": "aborted", "zinc_request_id": null, "given_request_id": "%1$s"} t', pg_temp.request(:'open')), 'any other word is kept, with all that was said');
select is(pg_temp.reported(:'failed') || ', ' || pg_temp.findings(:'failed'), format('refused request_id_stale, request_id_stale %1$s Ada {"status": "failed", "zinc_status": "submitted", "zinc_request_id": "%1$s", "given_request_id": "%1$s"} t', pg_temp.request(:'failed')), 'the id of a purchase that ended in vain is stale');
select pg_temp.claimed(:'again') as ignored \gset
select is(pg_temp.reported(:'again', 'second-' || :'again', 'delivered', 'completed'), 'done completed', 'a second attempt was delivered');
select is(pg_temp.reported(:'again', 'second-' || :'again', 'delivered', 'completed') || ', ' || pg_temp.reported(:'again'), 'duplicate completed, refused request_id_stale', 'the id of the first is stale still');
select is(pg_temp.reported(:'open', 'second-' || :'again'), 'refused request_id_conflict', 'and the id of another order''s is not this order''s');
select pg_temp.said('hold_order({id})', :'held') as ignored \gset
select is(pg_temp.reported(:'held') || ', ' || pg_temp.reported(:'held', null, 'placed', 'processing'), 'duplicate submitted_to_zinc, refused order_held', 'of a held order nothing new is taken, and what is known is no news');
select is(pg_temp.reported(:'open', pg_temp.request(:'held')), 'refused request_id_conflict', 'an id is another order''s from its acceptance on');
select pg_temp.in_status('submitted_to_zinc') as settled \gset
select pg_temp.forced('order_attempts', :'settled', 'settled_at = now(), settled_by = ''key_used_up'', outcome = ''refused'', lease_token = null, lease_expires_at = null') as ignored \gset
select is(pg_temp.reported(:'settled', null, 'placed', 'processing'), 'done processing', 'good news of its own id moves an order on, whatever its attempt says');
select pg_temp.forced('orders', :'unnamed', 'zinc_request_id = null') as ignored \gset
select is(pg_temp.reported(:'unnamed', 'new-' || :'unnamed'), 'refused order_completed', 'an order that was completed without an id is given none later');
select is(pg_temp.reported(:'review', 'new-' || :'review'), 'refused nothing_was_sent', 'the last call was refused: another purchase is not this order''s, whatever else is under way');
select pg_temp.setback(:'unsent', 'claim_released', 'open', null, 'pending'), pg_temp.setback(:'waits', 'claim_released', 'open', null, 'pending') as waits \gset ignored_
select pg_temp.handed(array[:'unsent']::uuid[], '{odd}') as ignored \gset
select is(pg_temp.order_of(:'unsent') || ', ' || pg_temp.reported(:'unsent', 'new-' || :'unsent'), 'needs_review odd due 86400, refused nothing_was_sent', 'nothing was sent of an order that a person has to look at');
select pg_temp.forced('order_attempts', :'waits', 'calls = 1, first_sent_at = now(), key_dead_at = now()') as ignored \gset
select is(pg_temp.reported(:'waits', 'new-' || :'waits'), 'refused nothing_was_sent', 'an order that waits to be sent was not, whatever its attempt counts');
select * from finish();
rollback;
