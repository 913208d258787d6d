-- recover_stuck_orders: the age counts from the end of the lease; a live lease is left alone, an ended one
-- makes the same attempt unknown and due, and a dead key or used-up tries go to a person. Nothing is ever
-- handed back for a new purchase.
\ir begin.psql
select plan(58);

-- A submission whose lease ended so long ago; the first to be looked at, however many others wait.
create function pg_temp.left_alone(ended interval, key_ms bigint default 82800000) returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.paid();
begin
  perform pg_temp.claimed(id, 60000, key_ms);
  perform pg_temp.owner_does(format('update order_attempts set lease_expires_at = clock_timestamp() - %1$L::interval,
    call_deadline_at = clock_timestamp() - %1$L::interval where order_id = {id};
    update orders set due_at = clock_timestamp() - %1$L::interval, updated_at = clock_timestamp() - %1$L::interval where id = {id}', ended), id);
  return id;
end $$;
create function pg_temp.recovered(age text, id uuid) returns text
language plpgsql as $$
declare
  answer jsonb := pg_temp.asked('service_role', 'recover_stuck_orders(' || age || ', ''{"batch": 1000}'')');
begin
  return coalesce((select f ->> 'status' from jsonb_array_elements(answer -> 'orders') as f where f ->> 'order_id' = id::text), 'left alone');
end $$;
create function pg_temp.attempt(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', o.status, a.generation, a.outcome, a.lease_token is null, a.settled_at is null)
    from orders as o join order_attempts as a on a.order_id = o.id where o.id = {id}', id);
end $$;

-- Ages.
select pg_temp.in_status('submitting') as alive, pg_temp.left_alone('30 seconds') as young, pg_temp.left_alone('90 seconds') as almost,
       pg_temp.left_alone('121 seconds') as due, pg_temp.left_alone('1 hour') as old, pg_temp.in_status('unknown') as waiting,
       pg_temp.in_status('pending') as pending, pg_temp.in_status('submitted_to_zinc') as bought \gset
select pg_temp.stored(:'alive') as alive_before, pg_temp.stored(:'young') as young_before, pg_temp.stored(:'waiting') as waiting_before,
       pg_temp.stored(:'pending') as pending_before, pg_temp.stored(:'bought') as bought_before,
       pg_temp.got('select jsonb_build_array(attempt_id, provider_key, request_body, request_digest, calls) from order_attempts where order_id = {id}', :'due') as frozen \gset
select pg_temp.got('select updated_at < clock_timestamp() - interval ''2 minutes'' and status = ''submitting'' from orders where id = {id}', :'due') as stuck \gset
select is(:'stuck'::text, 'true', 'the stuck query of the specification shows it');
select pg_temp.asked('service_role', 'recover_stuck_orders()') as told \gset
select is(:'told'::jsonb ?& '{success, recovered, needs_review, rescheduled, orders}', true, 'the answer counts what it did');
select is((select f ->> 'status' from jsonb_array_elements(:'told'::jsonb -> 'orders') as f where f ->> 'order_id' = :'due'), 'submitting', 'by default: two minutes after the lease it is taken');
select is((select f ->> 'status' from jsonb_array_elements(:'told'::jsonb -> 'orders') as f where f ->> 'order_id' = :'old'), 'submitting', 'an older one too');
select is((select count(*) from jsonb_array_elements(:'told'::jsonb -> 'orders') as f where f ->> 'order_id' in (:'alive', :'young', :'almost', :'waiting', :'pending', :'bought')),
  0::bigint, 'nothing younger, leased, waiting or bought is taken');
select is(pg_temp.attempt(:'due'), 'submitting 1 unknown t t', 'the same attempt is unknown and may be repeated');
select is(pg_temp.got('select jsonb_build_array(attempt_id, provider_key, request_body, request_digest, calls) from order_attempts where order_id = {id}', :'due'), :'frozen',
  'with the same key and bytes');
select is(pg_temp.got('select kind || '' '' || status_before || '' '' || status_after from order_events where order_id = {id} order by seq desc limit 1', :'due'),
  'lease_ended submitting submitting', 'one event tells it');
select is(pg_temp.got('select updated_at > now() - interval ''1 minute'' from orders where id = {id}', :'due'), 'true', 'the stuck query shows it no more');
select is(pg_temp.got('select due_at >= call_deadline_at + interval ''60 seconds'' from orders as o join order_attempts as a on a.order_id = o.id where o.id = {id}', :'due'),
  'true', 'a repeat waits for the provider''s bound');
select is(pg_temp.stored(:'alive'), :'alive_before', 'a live lease is left alone');
select is(pg_temp.stored(:'young'), :'young_before', 'one whose lease has just ended as well');
select is(pg_temp.stored(:'waiting'), :'waiting_before', 'one that waits for its time as well');
select is(pg_temp.stored(:'pending'), :'pending_before', 'pending orders are none of its business');
select is(pg_temp.stored(:'bought'), :'bought_before', 'nor are bought ones');
select is(pg_temp.recovered('1', :'almost'), 'submitting', 'with age 1 the one of 90 seconds');
select is(pg_temp.attempt(:'young'), 'submitting 1 open f t', 'and not the one of 30');
select is(pg_temp.recovered('0', :'young'), 'submitting', 'with age 0 whatever has lost its lease');
select is(pg_temp.stored(:'alive'), :'alive_before', 'and still no live lease');
select is(pg_temp.recovered('0', :'young'), 'left alone', 'once');
select pg_temp.left_alone('20 minutes') as later \gset
select is(pg_temp.recovered('30', :'later'), 'left alone', 'an age of 30 minutes leaves one of 20 alone');
select is(pg_temp.recovered('10', :'later'), 'submitting', 'an age of 10 does not');

-- However old the order is, only the lease counts.
select pg_temp.in_status('submitting') as aged \gset
select pg_temp.owner_does('alter table orders disable trigger user; update orders set created_at = created_at - interval ''1 year'' where id = {id};
  alter table orders enable trigger user', :'aged') as ignored \gset
select is(pg_temp.recovered('0', :'aged'), 'left alone', 'an old order with a live lease is left alone');

select pg_temp.paid() as alive_still \gset
select pg_temp.claimed(:'alive_still', 60000, 1) as ignored \gset
select pg_temp.owner_does('update orders set due_at = now() - interval ''1 hour'', updated_at = now() - interval ''1 hour'' where id = {id}', :'alive_still') as ignored \gset
select pg_temp.stored(:'alive_still') as alive_still_before \gset
select is(pg_temp.recovered('0', :'alive_still'), 'left alone', 'a live lease is left alone whatever the order''s times say, and though its key is dead');
select is(pg_temp.stored(:'alive_still'), :'alive_still_before', 'and its times stay');

-- What is not being bought is none of its business, however late it is and whatever its attempt left behind.
create function pg_temp.overdue(id uuid) returns void
language plpgsql as $$
begin
  perform pg_temp.owner_does('update orders set due_at = now() - interval ''1 hour'', updated_at = now() - interval ''1 hour'' where id = {id}', id);
end $$;
select pg_temp.in_status('pending') as neglected, pg_temp.in_status('submitted_to_zinc') as watched, pg_temp.paid() as reviewed \gset
select pg_temp.claimed(:'reviewed', 60000, 1) as ignored \gset
select pg_temp.setback(:'reviewed', 'purchase_doubtful', 'unknown', null, 'needs_review', 'odd_code') as ignored \gset
select pg_temp.owner_does('update order_attempts set lease_expires_at = now() - interval ''1 hour'', call_deadline_at = now() - interval ''1 hour'' where order_id = {id}', :'watched') as ignored \gset
select pg_temp.overdue(:'neglected'), pg_temp.overdue(:'watched'), pg_temp.overdue(:'reviewed') \gset
select pg_temp.stored(:'neglected') as neglected_before, pg_temp.stored(:'watched') as watched_before, pg_temp.stored(:'reviewed') as reviewed_before \gset
select is(pg_temp.said('recover_stuck_orders(0)'), 'done', 'an ended lease of a bought order and the dead key of one in review stop nothing');
select is(pg_temp.stored(:'neglected'), :'neglected_before', 'an order that nobody has claimed for an hour is left to the claim');
select is(pg_temp.stored(:'watched'), :'watched_before', 'a bought one to whoever reads it');
select is(pg_temp.stored(:'reviewed'), :'reviewed_before', 'one in review to its person');

-- Of an order that was tried twice the attempt counts that is not settled.
select pg_temp.paid() as second \gset
select pg_temp.claimed(:'second', 60000, 1) as ignored \gset
select pg_temp.setback(:'second', 'purchase_refused', 'refused', 'key_used_up', 'pending') as ignored \gset
select pg_temp.claimed(:'second') as ignored \gset
select pg_temp.owner_does('update order_attempts set lease_expires_at = now() - interval ''1 hour'', call_deadline_at = now() - interval ''1 hour'' where order_id = {id} and generation = 2', :'second'), pg_temp.overdue(:'second') \gset ignored_
select is(pg_temp.recovered('0', :'second'), 'submitting', 'its lease has ended');
select is(pg_temp.got('select string_agg(concat_ws('' '', generation, outcome, settled_by), '', '' order by generation) from order_attempts where order_id = {id}', :'second'), '1 refused key_used_up, 2 unknown', 'and the refused one stays refused');
select pg_temp.overdue(:'second') as ignored \gset
select is(pg_temp.said('recover_stuck_orders(0)') || ', ' || pg_temp.got('select status from orders where id = {id}', :'second'), 'done, submitting', 'the dead key of the refused one takes it to nobody');

-- The next look finds it, although nothing else is to be bought.
select pg_temp.owner_does('update orders set due_at = now() + interval ''1 day'' where status = ''pending''') as ignored \gset
select pg_temp.overdue(:'second') as ignored \gset
select is(pg_temp.got('select string_agg(concat_ws('' '', status, outcome), '', '') from lock_due_orders(''pgtap'', 10, {id})', :'second'), 'submitting unknown', 'it may be repeated, and is found when nothing new waits');

-- To a person.
select pg_temp.left_alone('5 minutes', 1) as dead, pg_temp.left_alone('5 minutes') as tried, pg_temp.in_status('pending') as held \gset
select pg_temp.owner_does('update order_attempts set calls = 12 where order_id = {id}', :'tried') as ignored \gset
select is(pg_temp.recovered('2', :'dead'), 'needs_review', 'a dead key goes to a person');
select is(pg_temp.attempt(:'tried'), 'needs_review 1 unknown t t', 'and so do used-up tries, with the attempt unknown and unsettled');
select is(pg_temp.attempt(:'dead'), 'needs_review 1 unknown t t', 'the dead key''s attempt too');
select is(pg_temp.got('select review_reason from orders where id = {id}', :'dead'), 'outcome_unknown', 'with a reason');
select is(pg_temp.got('select count(*) from alerts where order_id = {id} and closed_at is null', :'dead'), '1', 'and an alert');
select pg_temp.paid() as given_up \gset
select pg_temp.claimed(:'given_up', 60000, 1) as ignored \gset
select pg_temp.setback(:'given_up', 'answer_lost', 'unknown', null, 'submitting') as ignored \gset
select pg_temp.owner_does('update orders set due_at = now() - interval ''1 minute'' where id = {id}', :'given_up') as ignored \gset
select is(pg_temp.recovered('2', :'given_up'), 'needs_review', 'an unknown one whose key died goes to a person');
select is(pg_temp.got('select review_reason from orders where id = {id}', :'given_up'), 'key_dead', 'and says why');

-- A schedule that was lost.
select pg_temp.in_status('unknown') as lost \gset
select pg_temp.owner_does('update orders set due_at = now() - interval ''10 minutes'', updated_at = now() - interval ''10 minutes'' where id = {id}', :'lost') as ignored \gset
select pg_temp.got('select version from orders where id = {id}', :'lost') as version \gset
select pg_temp.recovered('2', :'lost') as ignored \gset
select is(pg_temp.got('select (updated_at > now() - interval ''1 minute'') || '' '' || version from orders where id = {id}', :'lost'), 'true ' || :'version', 'is made due again, without an event');

-- Nothing came back for a new purchase.
select is(pg_temp.got(format('select count(*) from orders where id in (%L, %L, %L, %L, %L, %L, %L) and status = ''pending''',
  :'due', :'old', :'young', :'almost', :'dead', :'tried', :'lost')), '0', 'nothing was handed back for a new purchase');
select is(pg_temp.got('select count(*) from order_attempts where order_id = {id}', id::uuid), '1', 'there is one attempt still')
  from unnest(array[:'due', :'old', :'dead', :'tried', :'lost']) as id;

-- Many at once: five hundred, unless somebody asks for another number.
select pg_temp.in_status('unknown') as template \gset
select pg_temp.owner_does('alter table orders disable trigger user; insert into orders select c.* from orders as o cross join generate_series(1, 501) as s
  cross join lateral jsonb_populate_record(o, jsonb_build_object(''id'', gen_random_uuid(), ''order_number'', o.order_number || '' '' || s, ''due_at'', now() - interval ''1 hour'', ''updated_at'', now() - interval ''1 hour'')) as c
  where o.id = {id}; alter table orders enable trigger user', :'template') as ignored \gset
select is(pg_temp.asked('service_role', 'recover_stuck_orders(0)') ->> 'rescheduled', '500', 'five hundred lost schedules are made anew at a time');

-- Misuse raises.
select matches(pg_temp.said(call), '^22023 ', call)
  from unnest(array['recover_stuck_orders(null)', 'recover_stuck_orders(-1)', 'recover_stuck_orders(2, ''{"batch": 0}'')', 'recover_stuck_orders(2, ''{"batch": 1001}'')',
    'recover_stuck_orders(2, ''{"batch": "x"}'')', 'recover_stuck_orders(2, ''{"limit": 1}'')', 'recover_stuck_orders(2, ''[]'')', 'recover_stuck_orders(2, ''{"actor": ""}'')']) as call;
select matches(pg_temp.tried(who, 'select {shop}.recover_stuck_orders()'), '^42501 ', who || ' recovers nothing') from unnest('{anon, authenticated}'::text[]) as who;
select * from finish();
rollback;
