-- manually_complete_order: what a person's word does from each status, with and without a request id, while
-- a lease lives and after it. This is the whole table of section 5 in ARCHITECTURE.md.
\ir begin.psql
select plan(104);

select pg_temp.in_status('submitted_to_zinc') as holder \gset
create function pg_temp.by_word(id uuid, given text) returns text
language plpgsql as $$
begin
  return pg_temp.said(case when given is null then 'manually_complete_order({id}, reason_param => ''seen there'')'
    else format('manually_complete_order({id}, %L, ''seen there'')', given) end, id);
end $$;

-- given: none; own, the stored one or a first one; other, one that nobody has; taken, another order's.
create temporary table row_of_table as
select t.*, o.id, pg_temp.stored(o.id) as before, row_number() over () as n
  from (values
    ('submitting', 'none', 'refused lease_alive', null), ('submitting', 'own', 'refused lease_alive', null), ('submitting', 'taken', 'refused request_id_conflict', 'request_id_conflict'),
    ('unknown', 'none', 'refused request_id_needed', null), ('unknown', 'own', 'done completed', null), ('unknown', 'taken', 'refused request_id_conflict', 'request_id_conflict'),
    ('needs_review', 'none', 'refused request_id_needed', null), ('needs_review', 'own', 'done completed', null), ('needs_review', 'taken', 'refused request_id_conflict', 'request_id_conflict'),
    ('watched', 'none', 'done completed', null), ('watched', 'own', 'done completed', null), ('watched', 'other', 'refused request_id_conflict', 'request_id_conflict'),
    ('submitted_to_zinc', 'none', 'done completed', null), ('submitted_to_zinc', 'own', 'done completed', null), ('submitted_to_zinc', 'other', 'refused request_id_conflict', 'request_id_conflict'),
    ('processing', 'none', 'done completed', null), ('processing', 'own', 'done completed', null), ('processing', 'other', 'refused request_id_conflict', 'request_id_conflict'),
    ('pending', 'none', 'refused nothing_was_bought', null), ('pending', 'own', 'done completed', 'bought_outside'), ('pending', 'taken', 'refused request_id_conflict', 'request_id_conflict'),
    ('completed', 'none', 'duplicate completed', null), ('completed', 'own', 'duplicate completed', null), ('completed', 'other', 'refused request_id_conflict', 'request_id_conflict'),
    ('cancelled', 'none', 'refused order_cancelled', null), ('cancelled', 'own', 'refused order_cancelled', 'order_cancelled'), ('cancelled', 'taken', 'refused request_id_conflict', 'request_id_conflict'),
    ('failed', 'none', 'refused order_failed', null), ('failed', 'own', 'refused order_failed', 'order_failed')) as t (s, given, answer, finding)
 cross join lateral (select pg_temp.in_status(s) as id) as o;
alter table row_of_table add column value text;
update row_of_table set value = case given when 'own' then pg_temp.request(id) when 'other' then 'other-' || id when 'taken' then pg_temp.request(:'holder') end;

select is(pg_temp.by_word(id, value), answer, s || ', ' || given || ' given: ' || answer) from row_of_table order by n;
select is(pg_temp.stored(id), before, s || ', ' || given || ' given: the order is as it was') from row_of_table where answer not like 'done%' order by n;
select is(pg_temp.got('select string_agg(kind, '' '') from findings where order_id = {id}', id), finding, s || ', ' || given || ' given: ' || coalesce('the finding ' || finding, 'no finding'))
  from row_of_table where s not in ('needs_review', 'watched') order by n;
select is(pg_temp.got('select kind || '' '' || actor_source || '' '' || (data ->> ''reason'') from order_events where order_id = {id} order by seq desc limit 1', id),
    'completed_by_person login seen there', s || ', ' || given || ' given: the history has actor and reason') from row_of_table where answer like 'done%' order by n;
select is(pg_temp.got('select concat_ws('' '', outcome, settled_by, request_id = (select zinc_request_id from orders where id = {id})) from order_attempts where order_id = {id}', id),
    'accepted person t', s || ', ' || given || ' given: the attempt is accepted by a person''s word') from row_of_table where answer like 'done%' and s <> 'pending' order by n;

-- Until when a lease lives is said; when it has ended, the word counts.
select pg_temp.in_status('submitting') as leased \gset
select matches(pg_temp.asked('service_role', 'manually_complete_order({id}, ''x'')', :'leased') ->> 'message', 'until \d{4}-\d\d-\d\dT', 'a refusal for a lease says until when');
select pg_temp.owner_does('update order_attempts set lease_expires_at = now() - interval ''1 second'' where order_id = {id}', :'leased') as ignored \gset
select is(pg_temp.by_word(:'leased', null), 'refused request_id_needed', 'after its lease an id is needed');
select is(pg_temp.by_word(:'leased', pg_temp.request(:'leased')), 'done completed', 'and with one the order is completed');

-- It ends a hold; repeated, it is a duplicate; a claim given back unsent was never sent.
select pg_temp.in_status('submitted_to_zinc') as held \gset
select pg_temp.said('hold_order({id})', :'held') as ignored \gset
select is(pg_temp.by_word(:'held', null), 'done completed', 'a held order is completed');
select is(pg_temp.got('select hold_reason is null from orders where id = {id}', :'held'), 'true', 'and its hold ends');
select is(pg_temp.by_word(:'held', null), 'duplicate completed', 'once');
select pg_temp.in_status('submitting') as unsent \gset
select pg_temp.setback(:'unsent', 'claim_released', 'open', null, 'pending') as ignored \gset
select is(pg_temp.by_word(:'unsent', 'outside-' || :'unsent'), 'done completed', 'one given back before its first byte is completed as bought outside');
select is(pg_temp.got('select outcome || '' '' || settled_by from order_attempts where order_id = {id}', :'unsent'), 'open never_sent', 'and its attempt was never sent');

-- Misuse raises.
select matches(pg_temp.said(call, :'held'), '^' || code || ' ', call)
  from (values ('manually_complete_order(gen_random_uuid())', 'PT404'), ('manually_complete_order({id}, '''')', '22023'), ('manually_complete_order({id}, ''a b'')', '22023'),
    ('manually_complete_order({id}, reason_param => '''')', '22023'), ('manually_complete_order({id}, reason_param => repeat(''x'', 301))', '22023'),
    ('manually_complete_order({id}, options => ''{"force": "yes"}'')', '22023'), ('manually_complete_order({id}, options => ''{"actor": 1}'')', '22023')) as t (call, code);
select * from finish();
rollback;
