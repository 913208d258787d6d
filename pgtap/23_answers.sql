-- What an engine records of a call that ended: behind its own lease, once, and what follows from it.
\ir begin.psql
select plan(64);

select pg_temp.clock(0) as ignored \gset
select pg_temp.not_held() as ignored \gset
-- An order under a lease of a minute, with a call of half a minute.
create function pg_temp.leased() returns uuid
language sql
return pg_temp.in_status('submitting');
-- A call of an order ended, with other facts than of a lost answer where they are said: what was recorded.
create function pg_temp.ends(id uuid, other jsonb default '{}') returns text
language plpgsql as $$
declare
  said jsonb := '{"kind": "answer_lost", "code": "odd", "outcome": "unknown", "settlement": null, "after": "submitting", "review": null, "hold": null, "delay": 7000}'::jsonb || other;
begin
  return pg_temp.word(jsonb_build_object('status', pg_temp.asked('app', format('(select r.result from record_setbacks(''pgtap'', array[{id}]::uuid[], array[coalesce(%L, md5({id}::text))]::uuid[], array[%L], array[%L]::text[], array[%L]::text[], array[%L]::text[],
    array[%L]::text[], array[%L]::text[], array[%L]::text[], array[%s]::bigint[]) as r)', said ->> 'token', said ->> 'kind', said ->> 'code', said ->> 'outcome', said ->> 'settlement', said ->> 'after', said ->> 'review', said ->> 'hold', said ->> 'delay'), id)));
end $$;
create function pg_temp.order_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', status, review_reason, hold_reason, zinc_request_id is not null, zinc_status, ''due '' || extract(epoch from due_at - now())::float8) from orders where id = {id}', id);
end $$;
create function pg_temp.attempt_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', outcome, code, settled_by, ''settled '' || extract(epoch from settled_at - now())::float8, ''calls '' || calls, ''sent '' || extract(epoch from first_sent_at - now())::float8, ''dead '' || extract(epoch from key_dead_at - now())::float8,
    ''deadline '' || extract(epoch from call_deadline_at - now())::float8, lease_token is null) from order_attempts where order_id = {id} order by generation desc limit 1', id);
end $$;
create function pg_temp.last_event(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', kind, status_before, status_after, actor, actor_source, data) from order_events where order_id = {id} order by seq desc limit 1', id);
end $$;

-- Behind the fence.
select pg_temp.leased() as id \gset
select is(pg_temp.ends(:'id', jsonb_build_object('token', gen_random_uuid())), 'done stale', 'another token records nothing');
select pg_temp.clock(60) as ignored \gset
select is(pg_temp.ends(:'id'), 'done stale', 'nor does one whose lease has ended');
select pg_temp.clock(59.999999) as ignored \gset
select is(pg_temp.ends(:'id'), 'done recorded', 'until then it does');
select is(pg_temp.ends(:'id'), 'done stale', 'once');
select pg_temp.clock(0) as ignored \gset

-- Unknown: due after the provider's bound, or later.
select pg_temp.leased() as id, pg_temp.leased() as later, pg_temp.leased() as slow \gset
select pg_temp.clock(10) as ignored \gset
select is(pg_temp.ends(:'id'), 'done recorded', 'a lost answer');
select is(pg_temp.order_of(:'id') || ', ' || pg_temp.attempt_of(:'id'), 'submitting f due 70, unknown odd calls 1 sent 0 dead 82800 deadline 10 t', 'is unknown, and the same bytes follow after the provider''s bound');
select is(pg_temp.last_event(:'id'), 'answer_lost submitting submitting engine/pgtap options {"set": {}, "code": "odd", "calls": 1, "outcome": "unknown"}', 'with its event');
select is(pg_temp.ends(:'later', '{"delay": 60001}') || ', ' || pg_temp.order_of(:'later'), 'done recorded, submitting f due 70.001', 'or after the wait, when that is longer');
select pg_temp.forced('order_attempts', :'slow', 'call_deadline_at = now() + interval ''5 seconds''') as ignored \gset
select is(pg_temp.ends(:'slow') || ', ' || pg_temp.attempt_of(:'slow'), 'done recorded, unknown odd calls 1 sent 0 dead 82800 deadline 5 t', 'a call that ended before it was recorded ended then');
select pg_temp.clock(0) as ignored \gset

-- Refused, and the key used up.
select pg_temp.leased() as id \gset
select is(pg_temp.ends(:'id', '{"kind": "purchase_refused", "outcome": "refused", "settlement": "key_used_up", "after": "pending"}'), 'done recorded', 'a refusal that used the key up');
select is(pg_temp.order_of(:'id') || ', ' || pg_temp.attempt_of(:'id'), 'pending f due 7, refused odd key_used_up settled 0 calls 1 sent 0 dead 82800 deadline 0 t', 'is settled, and a new key may follow');
select is(pg_temp.last_event(:'id'), 'purchase_refused submitting pending engine/pgtap options {"set": {}, "code": "odd", "calls": 1, "outcome": "refused", "settled_by": "key_used_up"}', 'with its event');
select pg_temp.leased() as funds \gset
select is(pg_temp.ends(:'funds', '{"kind": "purchase_refused", "outcome": "refused", "settlement": "key_used_up", "after": "pending", "hold": "awaiting_funds"}') || ', ' || pg_temp.order_of(:'funds'), 'done recorded, pending awaiting_funds f due 7', 'or it is held');
select pg_temp.leased() as held \gset
select pg_temp.said('hold_order({id}, ''disputed'')', :'held') as ignored \gset
select is(pg_temp.ends(:'held', '{"kind": "purchase_refused", "outcome": "refused", "settlement": "key_used_up", "after": "pending", "hold": "awaiting_funds"}') || ', ' || pg_temp.order_of(:'held'), 'done recorded, pending disputed f due 7', 'a hold that stands is not replaced');
select pg_temp.leased() as id \gset
select is(pg_temp.ends(:'id', '{"kind": "purchase_refused", "outcome": "refused", "settlement": "key_used_up", "after": "failed"}') || ', ' || pg_temp.order_of(:'id'), 'done recorded, failed f', 'or it is the end');
select is(pg_temp.got('select string_agg(kind || '' '' || cause, '','') from money_moves where order_id = {id}', :'id'), 'refund order_ended', 'and the money goes back');
select pg_temp.leased() as held \gset
select pg_temp.said('hold_order({id}, ''disputed'')', :'held') as ignored \gset
select is(pg_temp.ends(:'held', '{"kind": "purchase_refused", "outcome": "refused", "settlement": "key_used_up", "after": "failed"}') || ', ' || pg_temp.order_of(:'held'), 'done recorded, failed f', 'an end has no hold');

-- To a person.
select pg_temp.leased() as id \gset
select is(pg_temp.ends(:'id', '{"kind": "purchase_doubtful", "after": "needs_review", "review": "looks_bought"}') || ', ' || pg_temp.order_of(:'id'), 'done recorded, needs_review looks_bought f due 7', 'a person decides, and knows what');
select pg_temp.leased() as id \gset
select is(pg_temp.ends(:'id', '{"kind": "purchase_doubtful", "after": "needs_review"}') || ', ' || pg_temp.order_of(:'id'), 'done recorded, needs_review odd f due 7', 'by the code at least');
select pg_temp.leased() as id \gset
select is(pg_temp.ends(:'id', '{"review": "looks_bought"}') || ', ' || pg_temp.order_of(:'id'), 'done recorded, submitting f due 60', 'only where a person must');

-- Given back before the first byte.
create function pg_temp.released(id uuid, other jsonb default '{}') returns text
language plpgsql as $$
begin
  return pg_temp.ends(id, '{"kind": "claim_released", "outcome": "open", "after": "pending"}'::jsonb || other) || ', ' || pg_temp.order_of(id) || ', ' || pg_temp.attempt_of(id);
end $$;
select is(pg_temp.released(pg_temp.leased()), 'done recorded, pending f due 7, open odd calls 0 t', 'a first call that was not sent is none');
select pg_temp.leased() as second, pg_temp.leased() as known \gset
select pg_temp.forced('order_attempts', :'second', 'calls = 2') as ignored \gset
select is(pg_temp.released(:'second'), 'done recorded, submitting f due 60, open odd calls 2 sent 0 dead 82800 deadline 0 t', 'a repeat that was not sent leaves what was sent before');
select pg_temp.forced('order_attempts', :'known', 'outcome = ''unknown''') as ignored \gset
select is(pg_temp.released(:'known', '{"outcome": "refused"}'), 'done recorded, submitting f due 60, unknown odd calls 1 sent 0 dead 82800 deadline 0 t', 'and what was known');

-- Somebody wants it cancelled.
create function pg_temp.wished() returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.leased();
begin
  perform pg_temp.said('cancel_order({id})', id);
  return id;
end $$;
select pg_temp.wished() as refused, pg_temp.wished() as lost, pg_temp.wished() as unsent, pg_temp.wished() as second \gset
select is(pg_temp.ends(:'refused', '{"kind": "purchase_refused", "outcome": "refused", "settlement": "key_used_up", "after": "pending"}') || ', ' || pg_temp.order_of(:'refused'), 'done recorded, cancelled f', 'now it is certain that nothing was bought');
select is(pg_temp.got('select string_agg(kind || '' '' || cause, '','') from money_moves where order_id = {id}', :'refused'), 'refund order_ended', 'and its money goes back');
select is(pg_temp.ends(:'lost') || ', ' || pg_temp.order_of(:'lost'), 'done recorded, submitting cancel_requested f due 60', 'now it is not');
select is(pg_temp.released(:'unsent'), 'done recorded, cancelled f, open odd never_sent settled 0 calls 0 t', 'nor was anything sent');
select pg_temp.forced('order_attempts', :'second', 'calls = 2') as ignored \gset
select is(pg_temp.released(:'second'), 'done recorded, submitting cancel_requested f due 60, open odd calls 2 sent 0 dead 82800 deadline 0 t', 'but something may have been before');

-- What would let a second purchase follow is refused whole.
select matches(pg_temp.ends(pg_temp.leased(), other), 'PT409|an order ends or returns', other::text)
  from unnest(array['{"after": "pending"}', '{"after": "failed"}', '{"after": "completed"}', '{"after": "cancelled"}', '{"settlement": "key_used_up", "after": "pending"}', '{"kind": "claim_released", "outcome": "refused", "settlement": "key_used_up", "after": "pending"}',
    '{"outcome": "refused", "after": "pending"}', '{"outcome": null, "settlement": "key_used_up", "after": "pending"}']::jsonb[]) as other;

-- Many at once, each behind its own fence.
select pg_temp.leased() as a, pg_temp.leased() as b, pg_temp.leased() as c \gset
select is(pg_temp.asked('app', format('(select string_agg(r.result, '' '' order by array_position(array[%1$L, %2$L, %3$L]::uuid[], r.order_id)) from record_setbacks(''pgtap'', array[%1$L, %2$L, %3$L]::uuid[], array[md5(%1$L), md5(''other''), md5(%3$L)]::uuid[],
  array[''answer_lost'', ''answer_lost'', ''purchase_refused''], array[''one'', ''two'', ''three''], array[''unknown'', ''unknown'', ''refused''], array[null, null, ''key_used_up''], array[''submitting'', ''submitting'', ''pending''], array[null, null, null]::text[],
  array[null, null, null]::text[], array[0, 0, 0]::bigint[]) as r)', :'a', :'b', :'c')) #>> '{}', 'recorded stale recorded', 'each by its own token');
select is(pg_temp.attempt_of(:'a') || ', ' || pg_temp.attempt_of(:'b') || ', ' || pg_temp.attempt_of(:'c'), 'unknown one calls 1 sent 0 dead 82800 deadline 0 t, open calls 1 sent 0 dead 82800 deadline 30 f, refused three key_used_up settled 0 calls 1 sent 0 dead 82800 deadline 0 t', 'and its own answer');

-- Acceptances.
create function pg_temp.accepted(id uuid, request text, token uuid default null) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('(select string_agg(r.result, '' '') from record_acceptances(''pgtap'', 5000, array[{id}]::uuid[], array[coalesce(%L, md5({id}::text))]::uuid[], array[%L]) as r)', token, request), id) #>> '{}';
end $$;
create function pg_temp.findings(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got('select string_agg(concat_ws('' '', f.kind, f.subject, f.data), '', '' order by f.kind, f.subject) from findings as f where f.order_id = {id} and f.closed_at is null', id), 'none');
end $$;
select pg_temp.leased() as id \gset
select is(pg_temp.accepted(:'id', 'late-1', gen_random_uuid()), 'stale', 'another token records nothing');
select is(pg_temp.findings(:'id'), 'request_id_late late-1 {"status": "submitting", "zinc_request_id": null}', 'but the id is kept: it may be a second purchase');
select pg_temp.clock(60) as ignored \gset
select is(pg_temp.accepted(:'id', 'late-2') || ', ' || pg_temp.order_of(:'id'), 'stale, submitting f due 60', 'nor does one whose lease has ended');
select is(pg_temp.findings(:'id') like '%, request_id_late late-2 {%', true, 'and its id came late, from the moment of the end on');
select pg_temp.clock(59.999999) as ignored \gset
select is(pg_temp.accepted(:'id', 'id-' || :'id') || ', ' || pg_temp.order_of(:'id'), 'recorded, submitted_to_zinc t submitted due 64.999999', 'until then it does');
select is(pg_temp.last_event(:'id'), format('purchase_accepted submitting submitted_to_zinc engine/pgtap options {"set": {"zinc_status": "submitted", "zinc_request_id": "id-%s"}}', :'id'), 'with its event');
select is(pg_temp.accepted(:'id', 'id-' || :'id'), 'stale', 'once');
select is(pg_temp.findings(:'id') like '%id-' || :'id' || '%', false, 'the same id again is no finding');
select is(pg_temp.accepted(:'id', 'second-' || :'id') || ', ' || (pg_temp.findings(:'id') like format('request_id_conflict second-%s {"status": "submitted_to_zinc", "zinc_request_id": "id-%s"}%%', :'id', :'id')), 'stale, true', 'another one is');
select pg_temp.clock(0) as ignored \gset
select pg_temp.leased() as taken, pg_temp.leased() as held \gset
select is(pg_temp.accepted(:'taken', 'id-' || :'id') || ', ' || pg_temp.order_of(:'taken'), 'id_taken, submitting f due 60', 'an id of another order is not taken');
select is(pg_temp.findings(:'taken'), format('request_id_of_another_order id-%s {"status": "submitting", "zinc_request_id": null}', :'id'), 'and told');
select is(pg_temp.got('select split_part(runbook, ''.'', 1) from alerts where order_id = {id} and closed_at is null', :'taken'), 'The provider answered with a request id that belongs to another order', 'with what to do');
select pg_temp.said('hold_order({id}, ''disputed'')', :'held') as ignored \gset
select is(pg_temp.accepted(:'held', 'id-' || :'held') || ', ' || pg_temp.order_of(:'held'), 'recorded, needs_review accepted_while_held disputed t submitted due 5', 'an order that was held meanwhile keeps the id and waits for a person');
select pg_temp.in_status('completed') as done \gset
select pg_temp.leased() as former \gset
select is(pg_temp.accepted(:'former', pg_temp.request(:'done')) || ', ' || pg_temp.order_of(:'former'), 'id_taken, submitting f due 60', 'nor is an id that an ended order has');
select is(pg_temp.findings(:'former'), format('request_id_of_another_order %s {"status": "submitting", "zinc_request_id": null}', pg_temp.request(:'done')), 'which is told as well');
select is(pg_temp.accepted(:'done', pg_temp.request(:'done')) || ', ' || pg_temp.findings(:'done'), 'stale, none', 'its own id is no news to it');
-- Each fence is its own order's, whatever an order came to.
select pg_temp.leased() as one, pg_temp.leased() as other, pg_temp.leased() as has, pg_temp.in_status('needs_review') as review, pg_temp.leased() as third \gset
select is(pg_temp.accepted(:'one', 'id-' || :'one', md5(:'other')::uuid) || ', ' || pg_temp.order_of(:'one') || ', ' || pg_temp.order_of(:'other'), 'stale, submitting f due 60, submitting f due 60', 'the token of another order records nothing');
select is(pg_temp.ends(:'one', jsonb_build_object('token', md5(:'other')::uuid)) || ', ' || pg_temp.attempt_of(:'one') || ', ' || pg_temp.attempt_of(:'other'), 'done stale, open calls 1 sent 0 dead 82800 deadline 30 f, open calls 1 sent 0 dead 82800 deadline 30 f', 'nor is anything else');
select is(pg_temp.findings(:'one'), format('request_id_late id-%s {"status": "submitting", "zinc_request_id": null}', :'one'), 'and its id came late');
select pg_temp.forced('orders', :'has', 'zinc_request_id = ''old-'' || {id}') as ignored \gset
select is(pg_temp.accepted(:'has', 'new-' || :'has') || ', ' || pg_temp.got('select zinc_request_id from orders where id = {id}', :'has'), 'id_taken, old-' || :'has', 'an id that an order has is not overwritten');
select pg_temp.forced('order_attempts', :'review', 'lease_token = md5({id}::text)::uuid, lease_expires_at = now() + interval ''1 minute''') as ignored \gset
select is(pg_temp.accepted(:'review', 'id-' || :'review') || ', ' || pg_temp.ends(:'review') || ', ' || pg_temp.order_of(:'review'), 'stale, done stale, needs_review odd_code f due 0', 'an order that is with a person is not changed by an engine');
select pg_temp.forced('orders', :'done', 'zinc_request_id = null') as ignored \gset
select is(pg_temp.accepted(:'third', pg_temp.request(:'done')) || ', ' || pg_temp.order_of(:'third'), 'id_taken, submitting f due 60', 'an id that an earlier attempt had is taken');
select is(pg_temp.accepted(:'done', pg_temp.request(:'done')) || ', ' || pg_temp.findings(:'done'), 'stale, none', 'to the order of that attempt it is no news');
select pg_temp.leased() as a, pg_temp.leased() as b, least(one, other) as c, greatest(one, other) as d from (select pg_temp.leased() as one, pg_temp.leased() as other offset 0) as t \gset
select is(pg_temp.asked('app', format('(select string_agg(r.result, '' '' order by array_position(array[%1$L, %2$L, %3$L, %4$L]::uuid[], r.order_id)) from record_acceptances(''pgtap'', 5000, array[%1$L, %2$L, %3$L, %4$L]::uuid[],
  array[md5(%1$L), md5(''other''), md5(%3$L), md5(%4$L)]::uuid[], array[''m-1-'' || %1$L, ''m-2-'' || %1$L, ''m-3-'' || %1$L, ''m-3-'' || %1$L]) as r)', :'a', :'b', :'c', :'d')) #>> '{}', 'recorded stale recorded id_taken', 'many at once, each by its own token, and an id once');
select is(pg_temp.findings(:'a') || ', ' || pg_temp.findings(:'c'), 'none, none', 'who was recorded is told of nowhere');
select is(pg_temp.findings(:'b') || ', ' || pg_temp.findings(:'d'), format('request_id_late m-2-%s {"status": "submitting", "zinc_request_id": null}, request_id_of_another_order m-3-%s {"status": "submitting", "zinc_request_id": null}', :'a', :'a'), 'the others are');
select * from finish();
rollback;
