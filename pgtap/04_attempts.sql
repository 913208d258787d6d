-- An attempt is frozen: key, bytes, digest and cap never change, an outcome is not taken back, a
-- settlement not undone. An order has one unsettled attempt; no key and no request id is there twice.
\ir begin.psql
select plan(67);

select pg_temp.in_status('submitting') as id \gset
select pg_temp.in_status('unknown') as unknown \gset
select pg_temp.in_status('completed') as done \gset
select pg_temp.stored(:'id') as before, pg_temp.stored(:'unknown') as before_unknown, pg_temp.stored(:'done') as before_done \gset

create function pg_temp.changed(what text, id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.tried('owner', 'update order_attempts set ' || what || ' where order_id = {id}', id);
end $$;
select is(pg_temp.changed(what, :'id'), '42501 an attempt is frozen: key, bytes, cap and outcome are never taken back', 'a claimed one: ' || what)
  from unnest(array['order_id = gen_random_uuid()', 'generation = 2', 'attempt_id = gen_random_uuid()', 'provider = ''other''',
    'provider_key = ''other''', 'request_body = ''other''', 'request_digest = sha256(''other'')', 'price_cap_minor = 1',
    'opened_at = opened_at + interval ''1 second''', 'first_sent_at = first_sent_at + interval ''1 second''',
    'key_dead_at = key_dead_at + interval ''1 second''']) as what;
select is(pg_temp.changed(what, :'unknown'), '42501 an attempt is frozen: key, bytes, cap and outcome are never taken back', 'an unknown one: ' || what)
  from unnest(array['outcome = ''open''', 'calls = 0, first_sent_at = null, key_dead_at = null',
    'key_dead_at = key_dead_at + interval ''1 day''']) as what;
select is(pg_temp.changed(what, :'done'), '42501 an attempt is frozen: key, bytes, cap and outcome are never taken back', 'a settled one: ' || what)
  from unnest(array['outcome = ''open''', 'outcome = ''unknown''', 'outcome = ''refused''', 'request_id = ''other''', 'request_id = null',
    'settled_at = null, settled_by = null', 'settled_at = settled_at + interval ''1 second''', 'settled_by = ''person''']) as what;
select is(pg_temp.changed(what, :'unknown'), 'done', 'what an answer changes: ' || what)
  from unnest(array['outcome = ''refused'', code = ''x''', 'calls = calls + 1', 'settled_at = now(), settled_by = ''person'', outcome = ''refused''']) as what;
select is(pg_temp.tried('owner', 'delete from order_attempts where order_id = {id}', :'id'), '42501 attempts are kept for ever', 'the owner deletes no attempt');
select is(pg_temp.tried('owner', 'truncate order_attempts'), '42501 attempts are kept for ever', 'the owner truncates no attempts');
select matches(pg_temp.tried(who, what, :'id'), '^42501 permission denied', who || ': ' || what)
  from unnest('{service_role, app}'::text[]) as who
 cross join unnest(array['update order_attempts set outcome = ''refused''', 'delete from order_attempts', 'truncate order_attempts',
   'select request_body from order_attempts', 'select lease_token from order_attempts']) as what;

-- Another attempt beside the open one.
create function pg_temp.added(other jsonb, id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.tried('owner', format('insert into order_attempts select (jsonb_populate_record(a, jsonb_build_object(''generation'', 2,
    ''attempt_id'', gen_random_uuid(), ''provider_key'', gen_random_uuid(), ''request_id'', null, ''outcome'', ''open'', ''settled_at'', null,
    ''settled_by'', null) || %L)).* from order_attempts as a where order_id = {id}', other), id);
end $$;
select is(pg_temp.added('{}', :'id'), '23505 order_attempts_one_unsettled', 'a second unsettled attempt beside a claimed one is refused');
select is(pg_temp.added('{}', :'unknown'), '23505 order_attempts_one_unsettled', 'a second unsettled attempt beside an unknown one is refused');
select is(pg_temp.added('{}', :'done'), 'done', 'after a settled one another attempt may be opened');
select is(pg_temp.added('{"generation": 1}', :'done'), '23505 order_attempts_pkey', 'a generation is there once');
select is(pg_temp.added(jsonb_build_object('provider_key', pg_temp.got('select provider_key from order_attempts where order_id = {id}', :'id')), :'done'),
  '23505 order_attempts_provider_key_unique', 'a key is there once');
select is(pg_temp.added(jsonb_build_object('attempt_id', pg_temp.got('select attempt_id from order_attempts where order_id = {id}', :'id')), :'done'),
  '23505 order_attempts_attempt_id_unique', 'an attempt''s id is there once');
select is(pg_temp.added(jsonb_build_object('request_id', pg_temp.request(:'done')), :'done'),
  '23505 order_attempts_request_id_unique', 'a request id belongs to one attempt for ever');
select is(pg_temp.tried('owner', format('alter table orders disable trigger user; update orders set zinc_request_id = %L where id = {id}',
  pg_temp.request(:'done')), :'id'), '23505 orders_request_id_unique', 'a request id belongs to one order for ever');

-- The claim is one operation: key, bytes and lease together; no other lease beside it.
select is(pg_temp.got('select concat_ws('' '', o.status, a.calls, a.outcome, a.lease_token is not null, octet_length(a.request_body) > 0,
    a.request_digest = sha256(a.request_body), a.lease_expires_at = o.due_at) from orders as o join order_attempts as a on a.order_id = o.id
    where o.id = {id}', :'id'), 'submitting 1 open t t t t', 'a claimed order has its bytes, their digest and its lease');
select is(pg_temp.claimed(:'id'), '0', 'a leased order is not claimed again');
select is(pg_temp.claimed(:'done'), '0', 'a completed order is not claimed');
select pg_temp.placed() as unpaid \gset
select is(pg_temp.claimed(:'unpaid'), '0', 'an unpaid order is not claimed');
select pg_temp.paid() as held \gset
select pg_temp.said('hold_order({id})', :'held') as ignored \gset
select is(pg_temp.claimed(:'held'), '0', 'a held order is not claimed');
select pg_temp.paid() as old \gset
select pg_temp.owner_does('update payments set read_at = read_at - interval ''61 seconds'' where order_id = {id}', :'old') as ignored \gset
select is(pg_temp.claimed(:'old'), '0', 'an order whose payment was read more than a minute ago is not claimed');

select pg_temp.paid() as doubtful, pg_temp.paid() as unsure \gset
select pg_temp.owner_does('update payments set deviation = ''wrong_amount'' where order_id = {id}', :'doubtful') as ignored \gset
select is(pg_temp.claimed(:'doubtful'), '0', 'an order whose payment does not fit is not claimed, whatever its hold says');
select pg_temp.forced('orders', :'unsure', 'payment_status = ''unpaid''') as ignored \gset
select is(pg_temp.claimed(:'unsure'), '0', 'an order that does not count as paid is not claimed, whatever its hold says');

-- A repeat: the same attempt, without new bytes.
create function pg_temp.repeated(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.asked('owner', '(select count(c) from orders as o cross join lateral commit_intents(''pgtap'', ''pgtap'', gen_random_uuid(), 60000, 30000,
    82800000, array[o.id], array[o.version], array[o.generation], array[gen_random_uuid()], array[''unused''], array[null]::bytea[],
    array[sha256(''{}'')]) as c where o.id = {id})', id) #>> '{}';
end $$;
select pg_temp.in_status('submitting') as leased, pg_temp.in_status('unknown') as early, pg_temp.in_status('unknown') as late \gset
select pg_temp.owner_does('update order_attempts set call_deadline_at = now() - interval ''1 hour'' where order_id = {id}', :'leased') as ignored,
       pg_temp.owner_does('update order_attempts set call_deadline_at = now() - interval ''1 hour'' where order_id = {id}', :'late') as ignored_too \gset
select is(pg_temp.repeated(:'leased'), '0', 'a leased order is not repeated');
select is(pg_temp.repeated(:'early'), '0', 'an unknown one is not repeated while the last call may still run');
select pg_temp.got('select provider_key || encode(request_body, ''hex'') from order_attempts where order_id = {id}', :'late') as frozen \gset
select is(pg_temp.repeated(:'late'), '1', 'afterwards it is');
select is(pg_temp.got('select provider_key || encode(request_body, ''hex'') || calls from order_attempts where order_id = {id}', :'late'), :'frozen' || '2', 'with the same key and bytes');
select pg_temp.owner_does('update order_attempts set call_deadline_at = now() - interval ''1 hour'', lease_token = null, lease_expires_at = null where order_id = {id};
  alter table order_attempts disable trigger user; update order_attempts set key_dead_at = now() where order_id = {id}; alter table order_attempts enable trigger user', :'late') as ignored \gset
select is(pg_temp.repeated(:'late'), '0', 'and never when its key is dead');

-- A setback needs the token and a live lease.
select pg_temp.in_status('submitting') as lost, pg_temp.in_status('submitting') as ended \gset
select pg_temp.owner_does('update order_attempts set lease_token = gen_random_uuid() where order_id = {id}', :'lost') as ignored,
       pg_temp.owner_does('update order_attempts set lease_expires_at = now() - interval ''1 second'' where order_id = {id}', :'ended') as ignored_too \gset
select is(pg_temp.setback(:'lost', 'answer_lost', 'unknown', null, 'submitting'), 'done stale', 'who has lost the token records no setback');
select is(pg_temp.setback(:'ended', 'answer_lost', 'unknown', null, 'submitting'), 'done stale', 'nor who has lost the lease');

-- The fence.
select is(pg_temp.asked('app', format('(select result from record_acceptances(''pgtap'', 1000, array[{id}]::uuid[], array[gen_random_uuid()], array[%L]))',
  'late-' || :'id'), :'id') #>> '{}', 'stale', 'who has not the token records no acceptance');
select is(pg_temp.stored(:'id'), :'before', 'and changes nothing of the order');
select is(pg_temp.setback(:'id', 'purchase_refused', 'unknown', 'key_used_up', 'pending'),
  'PT409 an order ends or returns to pending only when its attempt is refused and settled, or was never sent', 'an unknown outcome is never settled');
select is(pg_temp.setback(:'id', 'purchase_refused', 'refused', null, 'pending'),
  'PT409 an order ends or returns to pending only when its attempt is refused and settled, or was never sent', 'nor is a refusal without evidence');
select is(pg_temp.stored(:'id'), :'before', 'a claimed attempt is as it was');
select is(pg_temp.stored(:'unknown'), :'before_unknown', 'an unknown attempt is as it was');
select is(pg_temp.stored(:'done'), :'before_done', 'a settled attempt is as it was');
select * from finish();
rollback;
