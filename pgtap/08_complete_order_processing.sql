-- complete_order_processing: good news is stored once and only forward, the same id again is a success that
-- changes nothing, another id never overwrites the first, and a word of failure changes nothing.
\ir begin.psql
select plan(102);

create function pg_temp.reported(id uuid, request text, news text default 'submitted', last text default 'submitted_to_zinc') returns text
language plpgsql as $$
begin
  return pg_temp.said(format('complete_order_processing({id}, %L, %L, %L)', request, news, last), id);
end $$;
create function pg_temp.state(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', status, zinc_request_id is not null, zinc_status) from orders where id = {id}', id);
end $$;

-- The id of an attempt that is settled is no news, although no other attempt has any: the first of all here.
select pg_temp.in_status('submitting') as alone \gset
select pg_temp.setback(:'alone', 'purchase_refused', 'refused', 'key_used_up', 'pending') as ignored \gset
select pg_temp.forced('order_attempts', :'alone', 'request_id = ''alone-'' || order_id') as ignored \gset
select pg_temp.claimed(:'alone') as ignored \gset
select is(pg_temp.reported(:'alone', 'alone-' || :'alone'), 'refused request_id_stale', 'the only id that any attempt has is stale like others');

-- The protected transitions, one at a time.
select pg_temp.in_status('submitting') as id \gset
select pg_temp.request(:'id') as request \gset
select is(pg_temp.word(pg_temp.asked('service_role', format('complete_order_processing(order_uuid => {id}, zinc_request_id_param => %L, zinc_status_param => ''submitted'',
  final_status_param => ''submitted_to_zinc'')', :'request'), :'id')), 'done submitted_to_zinc', 'submitting to submitted_to_zinc, by the names of the specification');
select is(pg_temp.state(:'id'), 'submitted_to_zinc t submitted', 'the id is stored with the status');
select is(pg_temp.got('select count(*) from order_events where order_id = {id} and kind = ''purchase_accepted''', :'id'), '1', 'with one event');
select pg_temp.stored(:'id') as before \gset
select is(pg_temp.reported(:'id', :'request'), 'duplicate submitted_to_zinc', 'the same again is a success');
select is(pg_temp.said(format('complete_order_processing({id}, %L)', :'request'), :'id'), 'duplicate submitted_to_zinc', 'also with the defaults');
select is(pg_temp.stored(:'id'), :'before', 'and changes nothing');
select is(pg_temp.reported(:'id', :'request', 'order_placed', 'processing'), 'done processing', 'submitted_to_zinc to processing');
select is(pg_temp.reported(:'id', :'request'), 'duplicate processing', 'an older report of the same purchase changes nothing');
select is(pg_temp.reported(:'id', :'request', 'delivered', 'completed'), 'done completed', 'processing to completed');
select is(pg_temp.reported(:'id', :'request', 'delivered', 'completed'), 'duplicate completed', 'and again');
select is(pg_temp.got('select string_agg(status_after, '' '' order by seq) from order_events where order_id = {id} and status_before <> status_after', :'id'),
  'pending submitting submitted_to_zinc processing completed', 'the history walked every step');
select is(pg_temp.got('select outcome || '' '' || settled_by || '' '' || (request_id = ' || quote_literal(:'request') || ') from order_attempts where order_id = {id}', :'id'),
  'accepted delivered true', 'the attempt is settled with its evidence and keeps the id');
select is(pg_temp.got('select due_at is null from orders where id = {id}', :'id'), 'true', 'an end is due no more');

-- Several steps in one report.
select is(pg_temp.reported(id, pg_temp.request(id), 'delivered', last), 'done ' || last, 'from ' || s || ' straight to ' || last)
  from (values ('submitting', 'processing'), ('submitting', 'completed'), ('unknown', 'submitted_to_zinc'), ('unknown', 'completed'),
               ('submitted_to_zinc', 'completed'), ('needs_review', 'submitted_to_zinc'), ('needs_review', 'processing'), ('needs_review', 'completed')) as t (s, last)
 cross join lateral (select pg_temp.in_status(s) as id) as o;

-- What does not fit is refused, kept as a finding with an alert, and changes nothing.
create temporary table misfit as
select t.*, o.id, pg_temp.stored(o.id) as before
  from (values ('pending', 'new', 'submitted', 'submitted_to_zinc', 'nothing_was_sent'), ('cancelled', 'new', 'submitted', 'submitted_to_zinc', 'order_cancelled'),
    ('failed', 'new', 'submitted', 'submitted_to_zinc', 'order_failed'), ('completed', 'new', 'submitted', 'submitted_to_zinc', 'request_id_conflict'),
    ('submitted_to_zinc', 'new', 'submitted', 'submitted_to_zinc', 'request_id_conflict'), ('processing', 'new', 'submitted', 'completed', 'request_id_conflict'),
    ('submitting', :'request', 'submitted', 'submitted_to_zinc', 'request_id_conflict'), ('unknown', :'request', 'submitted', 'submitted_to_zinc', 'request_id_conflict'),
    ('submitting', 'new', 'failed', 'submitted_to_zinc', 'good_news_only'), ('submitting', 'new', 'request_failed', 'submitted_to_zinc', 'good_news_only'),
    ('unknown', 'new', 'cancelled', 'completed', 'good_news_only'), ('submitted_to_zinc', 'own', 'aborted', 'completed', 'good_news_only'),
    ('watched', 'own', 'submitted', 'submitted_to_zinc', 'duplicate')) as t (s, given, news, last, code)
 cross join lateral (select pg_temp.in_status(s) as id) as o;
update misfit set given = case given when 'new' then 'other-' || id when 'own' then pg_temp.request(id) else given end;
select is(pg_temp.reported(id, given, news, last), case code when 'duplicate' then 'duplicate needs_review' else 'refused ' || code end,
    s || ', ' || news || ' to ' || last || ': ' || code) from misfit;
select is(pg_temp.stored(id), before, s || ', ' || code || ': the order is as it was') from misfit;
select is(pg_temp.got(format('select count(*) from findings as f join alerts as a on a.order_id = f.order_id and a.rule = f.kind and a.subject = f.subject
    where f.order_id = {id} and f.kind = %L and f.subject = %L and f.closed_at is null and a.closed_at is null', code, given), id), '1', s || ', ' || code || ': kept as a finding')
  from misfit where code <> 'duplicate';

-- The id of an earlier attempt that is settled is recognised: by its order as stale, by another as taken.
select pg_temp.in_status('watched') as again, pg_temp.in_status('submitting') as stranger \gset
select pg_temp.owner_does('update order_attempts set call_deadline_at = now() - interval ''1 hour'' where order_id = {id}', :'again') as ignored \gset
select pg_temp.said('resolve_review({id}, ''nothing_was_bought'', ''their support says so'')', :'again') as ignored \gset
select pg_temp.said('release_hold({id})', :'again') as ignored \gset
select pg_temp.said('resolve_review({id}, ''buy_again'', ''their support says so'')', :'again') as ignored \gset
select is(pg_temp.claimed(:'again'), '1', 'a new attempt after an accepted one was settled');
select is(pg_temp.reported(:'again', pg_temp.request(:'again')), 'refused request_id_stale', 'the former attempt''s id is stale');
select is(pg_temp.reported(:'stranger', pg_temp.request(:'again')), 'refused request_id_conflict', 'and taken for any other order');
select is(pg_temp.reported(:'again', 'second-' || :'again'), 'done submitted_to_zinc', 'the new one''s id is stored');

-- A held order.
select pg_temp.in_status('submitting') as held \gset
select pg_temp.said('hold_order({id})', :'held') as ignored \gset
select is(pg_temp.reported(:'held', pg_temp.request(:'held')), 'refused order_held', 'a report that would move a held order is refused');

-- A refusal is an error for every client.
select is(pg_temp.asked('service_role', format('complete_order_processing({id}, %L)', 'x-' || :'held'), :'held') ?& '{success, code, message, details, hint}', true,
  'a refusal has PostgREST''s four fields');
select is(current_setting('response.status', true), '409', 'and the status 409');

-- The usual call, of an order that was sent and has no answer yet, is made in one statement; every other is not.
select pg_temp.clock(3600) as ignored \gset
select is(pg_temp.reported(o, pg_temp.request(o), news) || ', ' || pg_temp.got('select concat_ws('' '', zinc_status, updated_at = clock_now(), due_at = clock_now() + (select value::bigint from settings where name = ''poll_ms'') * interval ''1 millisecond'') from orders where id = {id}', o),
    'done submitted_to_zinc, ' || news || ' t t', 'reported as ' || news) from (select news, pg_temp.in_status('submitting') as o from unnest('{submitted, request_processing, processing}'::text[]) as news) as t;
select is(pg_temp.reported(pg_temp.in_status(s), 'new-' || gen_random_uuid()), said, s || ' in the usual call')
  from (values ('pending', 'refused nothing_was_sent'), ('needs_review', 'done submitted_to_zinc'), ('unknown', 'done submitted_to_zinc'), ('cancelled', 'refused order_cancelled')) as t (s, said);
select pg_temp.in_status('submitting') as fresh \gset
select pg_temp.stored(:'fresh') as before \gset
select matches(pg_temp.said(call, :'fresh'), '^22023 ', call)
  from unnest('{"complete_order_processing({id}, ''a b'')", "complete_order_processing({id}, ''x'', options => ''{\"retry\": true}'')", "complete_order_processing({id}, ''x'', '''')"}'::text[]) as call;
select is(pg_temp.reported(:'fresh', pg_temp.request(:'held')), 'done submitted_to_zinc', 'an id that nobody has');

-- Whatever an order came to, an id that it has is not overwritten, and one without an open attempt has nothing to report.
select pg_temp.in_status('submitting') as has, pg_temp.in_status('submitting') as none, pg_temp.in_status('submitting') as uncounted \gset
select pg_temp.forced('orders', :'has', 'zinc_request_id = ''old-'' || {id}') as ignored \gset
select is(pg_temp.reported(:'has', 'new-' || :'has'), 'refused request_id_conflict', 'an order that has an id');
select pg_temp.forced('order_attempts', :'none', 'settled_at = now(), settled_by = ''key_used_up'', outcome = ''refused'', lease_token = null, lease_expires_at = null') as ignored \gset
select is(pg_temp.reported(:'none', 'new-' || :'none'), 'refused nothing_was_sent', 'one whose attempt is settled');
select pg_temp.forced('order_attempts', :'uncounted', 'calls = 0, first_sent_at = null, key_dead_at = null, call_deadline_at = null, lease_token = null, lease_expires_at = null') as ignored \gset
select is(pg_temp.reported(:'uncounted', 'new-' || :'uncounted'), 'refused nothing_was_sent', 'one of which nothing was sent');

-- Misuse raises.
select matches(pg_temp.said(call, :'id'), '^' || code || ' ', call)
  from (values ('complete_order_processing(gen_random_uuid(), ''x'')', 'PT404'), ('complete_order_processing(null, ''x'')', 'PT404'),
    ('complete_order_processing({id}, null)', '22023'), ('complete_order_processing({id}, '''')', '22023'), ('complete_order_processing({id}, ''a b'')', '22023'),
    ('complete_order_processing({id}, repeat(''x'', 201))', '22023'), ('complete_order_processing({id}, ''x'', null)', '22023'),
    ('complete_order_processing({id}, ''x'', '''')', '22023'), ('complete_order_processing({id}, ''x'', ''submitted'', ''pending'')', '22023'),
    ('complete_order_processing({id}, ''x'', ''submitted'', null)', '22023'), ('complete_order_processing({id}, ''x'', ''submitted'', ''failed'')', '22023'),
    ('complete_order_processing({id}, ''x'', options => ''{"retry": true}'')', '22023'), ('complete_order_processing({id}, ''x'', options => ''[]'')', '22023'),
    ('complete_order_processing({id}, ''x'', options => ''{"actor": "  "}'')', '22023')) as t (call, code);

-- The usual call waits for nobody: it does not go by the function that does, which gives another answer here.
create temporary table usual as select news, pg_temp.in_status('submitting') as o from unnest('{submitted, request_processing, processing}'::text[]) as news;
select pg_temp.in_status('submitting') as held_again \gset
select pg_temp.said('hold_order({id})', :'held_again') as ignored \gset
select pg_temp.owner_makes('create or replace function accept_patiently(order_uuid uuid, request_id_param text, zinc_status_param text, final_status_param text, options jsonb) returns jsonb
  language sql return ''{"success": true, "status": "patiently"}''::jsonb') as ignored \gset
select pg_temp.clock(7200) as ignored \gset
select is(pg_temp.reported(:'held_again', pg_temp.request(:'held_again')), 'done patiently', 'what stands otherwise is asked with patience');
select is(pg_temp.reported(o, pg_temp.request(o), news), 'done submitted_to_zinc', 'the usual ' || news || ' is stored at once') from usual;
select is(pg_temp.got('select updated_at = clock_now() from orders where id = {id}', o), 'true', 'and somebody has looked after the order: ' || news) from usual;
select * from finish();
rollback;
