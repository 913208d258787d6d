-- A message of Stripe is stored once, asks for its payment to be read, and is followed up until something became of it.
-- What happens to an order is written in its history and in its row at once, in the name of who did it.
\ir begin.psql
select plan(152);

select pg_temp.clock(0) as ignored \gset

-- A message arrives as Stripe sends it, but for what is said otherwise: what the door answers.
create function pg_temp.arrives(id text, other jsonb default '{}') returns text
language plpgsql as $$
declare
  told jsonb := jsonb_build_object('kind', 'payment_intent.succeeded', 'object_id', 'pi_pgtap_' || id, 'facts', 'first', 'hint', null,
    'live', false, 'account', null, 'ours', null, 'known', true, 'live_mode', false) || other;
begin
  return pg_temp.asked('app', format('receive_event(''webhook'', %L, %L, ''payment_intent'', %L, sha256(%L), %L, %L, 1700000000, %L, ''{}'', %L, %L, %L)',
    'evt_pgtap_' || id, told ->> 'kind', told ->> 'object_id', told ->> 'facts', told ->> 'hint', told ->> 'live', told ->> 'account',
    told ->> 'live_mode', told ->> 'ours', told ->> 'known')) #>> '{}';
end $$;
-- What became of a message so far.
create function pg_temp.message(id text) returns text
language plpgsql as $$
begin
  return pg_temp.got(format('select concat_ws('' '', state, payment_intent, ''tries '' || tries, ''due '' || extract(epoch from due_at - now())::float8,
    ''ended '' || extract(epoch from handled_at - now())::float8) from inbox where event_id = %L', 'evt_pgtap_' || id));
end $$;
-- A message is set as it would be after a while: ended, tried so often, or due then.
create function pg_temp.message_is(id text, changes text) returns void
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('update inbox set %s where event_id = %L', changes, 'evt_pgtap_' || id));
end $$;
-- When a payment is read next, and since when what is known of it is old.
create function pg_temp.read_next(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', case when next_read_at = ''infinity'' then ''never'' else extract(epoch from next_read_at - now())::float8::text end, extract(epoch from stale_since - now())::float8) from payments where order_id = {id}', id);
end $$;
-- Nobody was going to read a payment, and what is known of it is old since then, if given.
create function pg_temp.read_is(id uuid, stale text default 'null') returns void
language plpgsql as $$
begin
  perform pg_temp.owner_does('update payments set next_read_at = ''infinity'', stale_since = ' || stale || ' where order_id = {id}', id);
end $$;

-- Received.
select is(pg_temp.arrives('a'), 'new', 'a message that nobody knows is new');
select is(pg_temp.got('select concat_ws('' '', source, kind, object, object_id, object_digest = sha256(''first''), payment_intent, livemode, extract(epoch from created_at)::bigint, extract(epoch from received_at - now())::float8, convert_from(body, ''UTF8'')) from inbox where event_id = ''evt_pgtap_a'''),
  'webhook payment_intent.succeeded payment_intent pi_pgtap_a t f 1700000000 0 {}', 'it is kept as it came');
select is(pg_temp.message('a'), 'new tries 0 due 0', 'and is followed up at once');
select is(pg_temp.arrives('b'), 'new', 'so is another');
select is(pg_temp.arrives('a', '{"facts": "second"}') || ', ' || pg_temp.message('a'), 'duplicate, new tries 0 due 0', 'the same message again changes nothing, whatever it tells');
select is(pg_temp.arrives('again', '{"object_id": "pi_pgtap_a"}') || ', ' || pg_temp.message('again'), 'repeated, repeated tries 0 ended 0', 'another that tells the same of the same is not followed up');
select is(pg_temp.arrives(said ->> 'id', '{"object_id": "pi_pgtap_a"}'::jsonb || said - 'id'), 'new', 'it is new where it tells of ' || what)
  from (values ('another object', '{"id": "object", "object_id": "pi_pgtap_object"}'::jsonb), ('another event', '{"id": "kind", "kind": "payment_intent.canceled"}'), ('another state', '{"id": "facts", "facts": "second"}')) as t (what, said);

-- What was told before counts only where it was followed up, or is going to be.
create function pg_temp.repeated(state text) returns text
language plpgsql as $$
begin
  perform pg_temp.arrives('before_' || state);
  perform pg_temp.message_is('before_' || state, format('state = %L, due_at = null, handled_at = now()', state));
  return pg_temp.arrives('after_' || state, jsonb_build_object('object_id', 'pi_pgtap_before_' || state));
end $$;
select is(pg_temp.repeated(state), word, 'the same was told before and is ' || state || ': this is ' || word)
  from (values ('handled', 'repeated'), ('repeated', 'new'), ('ignored', 'new'), ('unmatched', 'new'), ('wrong_mode', 'new'), ('wrong_account', 'new'), ('given_up', 'new')) as t (state, word);

-- Whose message it is.
select is(pg_temp.arrives(said ->> 'id', said - 'id'), word, what)
  from (values ('of our account', '{"id": "own", "account": "acct_a", "ours": "acct_a"}'::jsonb, 'new'), ('of no account', '{"id": "none", "ours": "acct_a"}', 'new'),
    ('of another account', '{"id": "other", "account": "acct_b", "ours": "acct_a"}', 'wrong_account'), ('of an account, where none is ours', '{"id": "any", "account": "acct_b"}', 'wrong_account'),
    ('of real money', '{"id": "live", "live": true}', 'wrong_mode'), ('of a test, where money is real', '{"id": "test", "live_mode": true}', 'wrong_mode'),
    ('of real money, where it is real', '{"id": "real", "live": true, "live_mode": true}', 'new'), ('of a kind that nobody waits for', '{"id": "unknown", "known": false}', 'ignored')) as t (what, said, word);
select is(pg_temp.message(id), word || ' tries 0 ended 0', word || ' is not followed up') from (values ('other', 'wrong_account'), ('live', 'wrong_mode'), ('unknown', 'ignored')) as t (id, word);
-- What a person is told of a message.
create function pg_temp.told_of(id text) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got(format('select string_agg(concat_ws('' '', f.kind, f.subject, f.data - ''event_id'', f.actor, (select count(*) from alerts as a where a.rule = f.kind and a.subject = f.subject and a.order_id is null and a.closed_at is null)), '', '')
    from findings as f where f.order_id is null and f.data ->> ''event_id'' = %L', 'evt_pgtap_' || id)), 'nothing');
end $$;
select pg_temp.arrives('strange', '{"kind": "pgtap.strange", "account": "acct_b"}'), pg_temp.arrives('mode', '{"kind": "pgtap.mode", "live": true}'),
       pg_temp.arrives('strange_too', '{"kind": "pgtap.strange", "account": "acct_b"}') \gset ignored_
select is(pg_temp.told_of('strange'), 'event_of_wrong_account pgtap.strange {"livemode": false} webhook 1', 'a person is told of a message of another account');
select is(pg_temp.told_of('strange_too'), 'nothing', 'once for each kind of message');
select is(pg_temp.told_of('mode'), 'event_of_wrong_mode pgtap.mode {"livemode": true} webhook 1', 'and of one of another mode');
select is(pg_temp.told_of(id), 'nothing', 'but not of one that is ' || what) from (values ('a', 'new'), ('again', 'repeated'), ('unknown', 'ignored')) as t (id, what);

-- The payment that it names.
select pg_temp.paid() as id, pg_temp.paid() as other \gset
-- A message names a payment that nobody was going to read: when it is read now.
create function pg_temp.hints(id text, payment uuid, other jsonb default '{}', stale text default 'null') returns text
language plpgsql as $$
begin
  perform pg_temp.read_is(payment, stale);
  return pg_temp.arrives(id, jsonb_build_object('hint', pg_temp.intent(payment), 'object_id', 'ch_pgtap') || other) || ', ' || pg_temp.read_next(payment);
end $$;
select pg_temp.read_is(:'other') as ignored \gset
select is(pg_temp.hints('hint', :'id'), 'new, 0 0', 'a message makes its payment be read anew');
select is(pg_temp.message('hint'), 'new ' || pg_temp.intent(:'id') || ' tries 0 due 0', 'and keeps which it was');
select is(pg_temp.read_next(:'other'), 'never', 'no other payment');
select is(pg_temp.hints('hint', :'id'), 'duplicate, never', 'a message that came before asks for nothing');
select is(pg_temp.hints('hint_again', :'id'), 'repeated, 0 0', 'one that tells the same again does: somebody may have read before it');
select is(pg_temp.hints('hint_later', :'id', '{"facts": "second"}', 'now() - interval ''1 second'''), 'new, 0 0', 'the latest word counts');
select is(pg_temp.hints('hint_ahead', :'id', '{"facts": "third"}', 'now() + interval ''1 second'''), 'new, 0 1', 'also where it is dated ahead');
select is(pg_temp.hints('hint_' || what, :'id', said), what || ', never', what || ': its payment is left alone')
  from (values ('ignored', '{"known": false}'::jsonb), ('wrong_mode', '{"live": true}'), ('wrong_account', '{"account": "acct_b"}')) as t (what, said);

-- Two deliveries in the same moment: while this one is stored the other one is there already.
select pg_temp.owner_makes($$
  create function delivered_meanwhile() returns trigger language plpgsql as $body$
  begin
    if pg_trigger_depth() = 1 and new.event_id = 'evt_pgtap_twice' then
      execute format('insert into %I.inbox select ($1).*', tg_table_schema) using new;
    end if;
    return new;
  end $body$ $$) as ignored \gset
select pg_temp.owner_does('create trigger delivered_meanwhile before insert on inbox for each row execute function delivered_meanwhile()') as ignored \gset
select is(pg_temp.arrives('twice', '{"kind": "pgtap.twice", "live": true}') || ', ' || pg_temp.told_of('twice'), 'duplicate, nothing', 'what another delivery stored in the same moment is not told twice');
select pg_temp.owner_does('drop trigger delivered_meanwhile on inbox; drop function delivered_meanwhile()') as ignored \gset

-- Given out to be followed up: the oldest first, and each moved ahead, so that somebody else has it if this engine dies.
create function pg_temp.given(batch integer default 1) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.asked('app', format('(select string_agg(concat_ws('' '', substr(d.event_id, 11), d.kind, d.object, d.object_id, d.payment_intent, d.tries, d.asked_us - (extract(epoch from now()) * 1000000)::bigint), '', '' order by d.event_id) from due_events(%s) as d where d.event_id like ''evt\_pgtap\_%%'')', batch)) #>> '{}', 'nothing');
end $$;
select pg_temp.owner_does('update inbox set due_at = now() + interval ''1 day'' where state = ''new''') as ignored \gset
select pg_temp.message_is('a', 'due_at = now() - interval ''10 years'''), pg_temp.message_is('b', 'due_at = now() - interval ''20 years'''), pg_temp.message_is('hint', 'due_at = now() - interval ''15 years''') \gset ignored_
select is(pg_temp.given(0), 'nothing', 'so many as were asked for');
select is(pg_temp.given(), 'b payment_intent.succeeded payment_intent pi_pgtap_b 1 0', 'the one that has waited longest');
select is(pg_temp.message('b'), 'new tries 1 due 30', 'it comes again in half a minute');
select is(pg_temp.given(2), 'a payment_intent.succeeded payment_intent pi_pgtap_a 1 0, hint payment_intent.succeeded payment_intent ch_pgtap ' || pg_temp.intent(:'id') || ' 1 0', 'then the others');
select is(pg_temp.given(3), 'nothing', 'and nothing that is not due');
-- When a message comes again that was tried so often.
create function pg_temp.comes_again(tries integer) returns text
language plpgsql as $$
begin
  perform pg_temp.message_is('a', format('tries = %s, due_at = now()', tries));
  perform pg_temp.given();
  return pg_temp.message('a');
end $$;
select is(pg_temp.comes_again(tries), format('new tries %s due %s', tries + 1, due), tries || ' tries: it comes again in ' || due || ' seconds')
  from (values (0, 30), (1, 60), (2, 120), (6, 1920), (7, 3600), (8, 3600), (2000, 3600)) as t (tries, due);
select pg_temp.message_is('b', 'due_at = now()') as ignored \gset
select is(split_part(pg_temp.given(), ' ', 1), 'b', 'what is due now is due');
select pg_temp.message_is('b', 'due_at = now() + interval ''1 microsecond''') as ignored \gset
select is(pg_temp.given(), 'nothing', 'what is due later is not');

-- A try that told nothing does not count.
create function pg_temp.uncounted(ids text[]) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('uncount_events(array(select ''evt_pgtap_'' || i from unnest(%L::text[]) as i))', ids)) #>> '{}';
end $$;
select pg_temp.message_is('a', 'tries = 1, due_at = now()'), pg_temp.message_is('b', 'tries = 7, due_at = now()'), pg_temp.message_is('hint', 'tries = 7, due_at = now()'),
       pg_temp.message_is('again', 'tries = 7') \gset ignored_
select is(pg_temp.uncounted('{a, b, again, absent}'), '2', 'the tries of those are taken back that are not finished');
select is(pg_temp.message('a') || ', ' || pg_temp.message('b'), 'new tries 0 due 0, new tries 6 due 0', 'one of each, and when they come again stays');
select is(pg_temp.message('again'), 'repeated tries 7 ended 0', 'what is finished stays as it ended');
select is(pg_temp.message('hint'), 'new ' || pg_temp.intent(:'id') || ' tries 7 due 0', 'and so do those of which nobody spoke');
select is(pg_temp.uncounted('{a}') || ', ' || pg_temp.message('a'), '0, new tries 0 due 0', 'nobody has tried less than never');

-- What became of them.
create function pg_temp.ends(ids text[], verdicts text[], intents text[]) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('finish_events(array(select ''evt_pgtap_'' || i from unnest(%L::text[]) as i), %L, %L)', ids, intents, verdicts)) #>> '{}';
end $$;
-- What a person is told of a message that is given up.
create function pg_temp.given_up(id text) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got(format('select string_agg(concat_ws('' '', f.data, f.actor, (select count(*) from alerts as a where a.rule = f.kind and a.subject = f.subject and a.order_id is null and a.closed_at is null)), '', '')
    from findings as f where f.order_id is null and f.kind = ''event_given_up'' and f.subject = %L', 'evt_pgtap_' || id)), 'nothing');
end $$;
select pg_temp.arrives('c'), pg_temp.arrives('d'), pg_temp.arrives('e') \gset ignored_
select is(pg_temp.ends('{a, b, hint, absent}', '{handled, given_up, unmatched, given_up}', '{pi_pgtap_found, pi_pgtap_lost, NULL, NULL}'), '3', 'three messages end');
select is(pg_temp.message('a'), 'handled pi_pgtap_found tries 0 ended 0', 'one is handled, and its payment was found out');
select is(pg_temp.message('b'), 'given_up pi_pgtap_lost tries 6 ended 0', 'one is given up');
select is(pg_temp.message('hint'), 'unmatched ' || pg_temp.intent(:'id') || ' tries 7 ended 0', 'one belongs to no order, and keeps the payment that it named');
select is(pg_temp.message('c'), 'new tries 0 due 0', 'and another stays as it is');
select is(pg_temp.given_up('b'), '{"payment_intent": "pi_pgtap_lost"} engine 1', 'a person is told of what is given up');
select is(pg_temp.given_up(id), 'nothing', 'but not of ' || what) from (values ('a', 'what is handled'), ('hint', 'what is nobody''s'), ('absent', 'what is not there'), ('c', 'what is still followed up')) as t (id, what);
select pg_temp.clock(5) as ignored \gset
select is(pg_temp.ends('{a, hint}', '{given_up, given_up}', '{pi_pgtap_x, pi_pgtap_x}'), '0', 'nothing ends twice');
select is(pg_temp.message('a') || ', ' || pg_temp.given_up('a'), 'handled pi_pgtap_found tries 0 ended 0, nothing', 'what another engine has finished stays as it ended');
select is(pg_temp.ends('{c, d}', '{handled, given_up}', '{pi_pgtap_c, NULL}') || ', ' || pg_temp.message('c') || ', ' || pg_temp.given_up('c') || ', ' || pg_temp.given_up('d'),
  '2, handled pi_pgtap_c tries 0 ended 5, nothing, {"payment_intent": null} engine 1', 'each has its own end');
select is(pg_temp.ends('{e, e}', '{handled, handled}', '{NULL, NULL}'), '1', 'named twice it ends once');
select pg_temp.clock(0) as ignored \gset

-- Where the list of messages is read from, and how far it was read.
-- Both in seconds from now: where reading begins and ends, and how far it got.
create function pg_temp.read_from(name text) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('(select concat_ws('' '', f.from_s - floor(extract(epoch from now()))::bigint, f.now_s - floor(extract(epoch from now()))::bigint) from events_from(%L) as f)', name)) #>> '{}';
end $$;
create function pg_temp.moved(name text, reached text) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('(select coalesce(extract(epoch from move_cursor(%L, %s) - now())::float8::text, ''nowhere''))', name, reached)) #>> '{}';
end $$;
select is(pg_temp.moved('pgtap', 'null'), 'nowhere', 'nobody has read yet');
select is(pg_temp.moved('pgtap_other', 'now() - interval ''9000 seconds''') || ', ' || pg_temp.moved('pgtap', 'now() - interval ''1000 seconds'''), '-9000, -1000', 'each list is read so far');
select is(pg_temp.moved('pgtap', 'null'), '-1000', 'that is kept');
select is(pg_temp.moved('pgtap', 'now() - interval ''1001 seconds'''), '-1000', 'nobody goes back');
select is(pg_temp.moved('pgtap', 'now() - interval ''999 seconds'''), '-999', 'but on');
select is(pg_temp.moved('pgtap_other', 'null'), '-9000', 'and the other list is read no further for it');
select is(pg_temp.read_from('pgtap') || ', ' || pg_temp.read_from('pgtap_other'), '-4599 0, -12600 0', 'reading begins an hour before');
select is(pg_temp.moved('pgtap', 'now()') || ', ' || pg_temp.moved('pgtap', 'now() - interval ''1 second'''), '0, 0', 'what was reached now is no time to come');
select is(pg_temp.moved('pgtap', 'now() + interval ''100 seconds''') || ', ' || pg_temp.read_from('pgtap'), '100, -3600 0', 'a clock that was ahead does not make it begin later');
select is(pg_temp.moved('pgtap', 'now() - interval ''50 seconds''') || ', ' || pg_temp.moved('pgtap_other', 'null'), '-50, -9000', 'and is corrected, for this list');
select is(pg_temp.moved('pgtap_old', 'now() - interval ''30 days'' + interval ''3600 seconds''') || ', ' || pg_temp.read_from('pgtap_old'), '-2588400, -2592000 0', 'it begins 30 days ago');
select pg_temp.owner_does('update cursors set at = at - interval ''1 second'' where name = ''pgtap_old''') as ignored \gset
select is(pg_temp.read_from('pgtap_old'), '-2592000 0', 'and never before');
select pg_temp.owner_does('alter table orders disable trigger user; update orders set created_at = now() where created_at < now() - interval ''10 days''; update orders set created_at = now() - interval ''10 days'' where id = {id}; alter table orders enable trigger user', :'id') as ignored \gset
select is(pg_temp.read_from('pgtap_new'), '-867600 0', 'a list that nobody has read begins an hour before the first order');

-- What happened to an order: one event alone, or together with one of another order.
create function pg_temp.happens(door text, id uuid, kind text, after text, data text default '{}', due text default 'null') returns text
language plpgsql as $$
declare
  neighbour uuid := pg_temp.paid();
begin
  perform pg_temp.owner_does(format(case door when 'alone' then
      'select write_event(o.id, o.version, %L, o.status, %L, %L, %s, now() + interval ''50 seconds'', ''ada'', ''options'') from orders as o where o.id = {id}' else
      'select write_events(array[o.id, n.id], array[o.version, n.version], array[%L, ''noted''], array[o.status, n.status], array[%L, n.status], array[%L, ''{"set": {"cost_minor": 3}}''::jsonb],
         array[%s, null]::timestamptz[], now() + interval ''50 seconds'', ''ada'', ''options'') from orders as o, orders as n where o.id = {id} and n.id = %L' end,
    kind, after, data, due, neighbour), id);
  return pg_temp.row_of(id) || case when door <> 'alone' and pg_temp.row_of(neighbour) <> 'new>pending 0 paid cost 3 due 0 touched 0, noted ada options 50 {"set": {"cost_minor": 3}}, sound' then ', with ' || pg_temp.row_of(neighbour) else '' end;
end $$;
-- An order, its last event, and whether its history tells the same as its row.
create function pg_temp.row_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', o.status_before || ''>'' || o.status, o.generation, o.zinc_request_id, o.zinc_status, o.hold_reason, o.review_reason, o.payment_status, ''cost '' || o.cost_minor, ''due '' || extract(epoch from o.due_at - now())::float8, ''touched '' || extract(epoch from o.updated_at - now())::float8)
    || '', '' || (select concat_ws('' '', e.kind, case when e.status_before <> e.status_after then e.status_before || ''>'' || e.status_after end, e.actor, e.actor_source, extract(epoch from e.at - now())::float8, e.data) from order_events as e where e.order_id = o.id and e.seq = o.version)
    || '', '' || coalesce((select string_agg(b.rule || '' '' || b.detail, '', '') from broken_histories(array[o.id]) as b), ''sound'') from orders as o where o.id = {id}', id);
end $$;
-- The same story twice, each event with what is to be seen after it.
create temporary table story as select door, pg_temp.paid() as id from unnest('{alone, together}'::text[]) as door;
create temporary table chapter (n integer, what text, kind text, after text, data text, due text, wanted text);
insert into chapter values
  (1, 'an event that changes nothing', 'noted', 'pending', '{"note": "x"}', 'null', 'new>pending 0 paid due 0 touched 0, noted ada options 50 {"note": "x"}, sound'),
  (2, 'a look that is moved', 'noted', 'pending', '{}', 'now() + interval ''70 seconds''', 'new>pending 0 paid due 70 touched 50, noted ada options 50 {}, sound'),
  (3, 'everything that an event can change', 'odd', 'submitting', '{"set": {"generation": 2, "zinc_request_id": "{id}", "zinc_status": "placed", "hold_reason": "operator", "payment_status": "authorized", "cost_minor": 7}}', 'now() + interval ''80 seconds''',
    'pending>submitting 2 {id} placed operator authorized cost 7 due 80 touched 50, odd pending>submitting ada options 50 {"set": {"cost_minor": 7, "generation": 2, "hold_reason": "operator", "zinc_status": "placed", "payment_status": "authorized", "zinc_request_id": "{id}"}}, sound'),
  (4, 'what it does not speak of stays', 'odd', 'submitting', '{"set": {}}', 'null', 'pending>submitting 2 {id} placed operator authorized cost 7 due 80 touched 50, odd ada options 50 {"set": {}}, sound'),
  (5, 'what it takes away is gone', 'odd', 'submitting', '{"set": {"zinc_request_id": null, "zinc_status": null, "hold_reason": null}}', 'null',
    'pending>submitting 2 authorized cost 7 due 80 touched 50, odd ada options 50 {"set": {"hold_reason": null, "zinc_status": null, "zinc_request_id": null}}, sound'),
  (6, 'to a person, with a reason', 'odd', 'needs_review', '{"set": {"review_reason": "why"}}', 'null', 'submitting>needs_review 2 why authorized cost 7 due 80 touched 50, odd submitting>needs_review ada options 50 {"set": {"review_reason": "why"}}, sound'),
  (7, 'which stays with it', 'odd', 'needs_review', '{"set": {"cost_minor": 8}}', 'null', 'submitting>needs_review 2 why authorized cost 8 due 80 touched 50, odd ada options 50 {"set": {"cost_minor": 8}}, sound'),
  (8, 'and goes with it', 'odd', 'submitting', '{"set": {"review_reason": null}}', 'now()', 'needs_review>submitting 2 authorized cost 8 due 0 touched 50, odd needs_review>submitting ada options 50 {"set": {"review_reason": null}}, sound');
select is(pg_temp.happens(door, id, kind, after, replace(data, '{id}', id::text), due), replace(wanted, '{id}', id::text), door || ': ' || what)
  from (select * from story cross join chapter order by door, n) as t;

-- The last look is at the end.
create function pg_temp.ended(door text, after text, due text) returns text
language plpgsql as $$
begin
  return pg_temp.happens(door, pg_temp.in_status('submitting'), 'odd', after, '{}', due);
end $$;
select is(pg_temp.ended(door, after, due), 'submitting>' || after || ' 1 paid touched 50, odd submitting>' || after || ' ada options 50 {}, sound', door || ': nobody looks at an order again that is ' || after || ', due ' || due)
  from unnest('{alone, together}'::text[]) as door cross join unnest('{completed, cancelled, failed}'::text[]) as after cross join unnest(array['null', 'now()']) as due;

-- An event is for an order as it was seen, and for no other.
create function pg_temp.seen_as(door text, version integer, before text) returns text
language plpgsql as $$
declare
  id uuid := pg_temp.paid();
  neighbour uuid := pg_temp.paid();
begin
  return pg_temp.tried('owner', format(case door when 'alone' then
    'select write_event(o.id, o.version + %s, ''noted'', %L, %2$L, ''{}'', null, now(), ''ada'', ''options'') from orders as o where o.id = {id}' else
    'select write_events(array[o.id, n.id], array[o.version + %s, n.version], ''{noted, noted}'', array[%L, n.status], array[%2$L, n.status], ''{"{}", "{}"}'', ''{null, null}'', now(), ''ada'', ''options'')
       from orders as o, orders as n where o.id = {id} and n.id = %3$L' end, version, before, neighbour), id);
end $$;
select is(pg_temp.seen_as(door, 0, 'pending'), 'done', door || ': an order that stands as it was seen') from unnest('{alone, together}'::text[]) as door;
select matches(pg_temp.seen_as(door, version, before), '^XX000 write_events? wrote (nothing|1 of 2 events): (an )?order .*changed under its lock$', door || ': ' || what)
  from unnest('{alone, together}'::text[]) as door cross join (values (1, 'pending', 'one that nobody has seen yet'), (-1, 'pending', 'one that has changed since'), (0, 'submitting', 'one in another status')) as t (version, before, what);

-- A person is told when an order begins to wait for him, and no more when it does not.
create function pg_temp.alerts_of(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got('select string_agg(concat_ws('' '', rule, nullif(subject, ''''), extract(epoch from closed_at - now())::float8), '', '' order by rule) from alerts where order_id = {id}', id), 'nothing');
end $$;
create function pg_temp.tells(door text, id uuid, kind text, after text, data text default '{}') returns text
language plpgsql as $$
begin
  perform pg_temp.happens(door, id, kind, after, data);
  return pg_temp.alerts_of(id);
end $$;
-- An order that waits for money in the provider's account.
create function pg_temp.unfunded(door text) returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.paid();
begin
  perform pg_temp.happens(door, id, 'purchase_refused', 'pending', '{"set": {"hold_reason": "awaiting_funds"}}');
  return id;
end $$;
create temporary table doubtful as select door, pg_temp.paid() as id from unnest('{alone, together}'::text[]) as door;
select is(pg_temp.tells(door, id, 'odd', 'needs_review', '{"set": {"review_reason": "why"}}'), 'needs_review why', door || ': an order in review is shown to a person') from doubtful;
select is(pg_temp.tells(door, id, 'odd', 'pending', '{"set": {"review_reason": null}}'), 'needs_review why 50', door || ': until it goes on') from doubtful;
select is(pg_temp.tells(door, pg_temp.paid(), kind, 'pending', '{"set": {"hold_reason": "awaiting_funds"}}'), 'awaiting_funds', door || ': a ' || kind || ' for want of money is shown to a person')
  from unnest('{alone, together}'::text[]) as door cross join unnest('{purchase_refused, purchase_failed}'::text[]) as kind;
select is(pg_temp.tells(door, pg_temp.unfunded(door), kind, after, '{"set": {"hold_reason": null}}'), 'awaiting_funds 50', door || ': until it is ' || kind)
  from unnest('{alone, together}'::text[]) as door cross join (values ('hold_released', 'pending'), ('completed_by_person', 'completed'), ('order_cancelled', 'cancelled')) as t (kind, after);
select is(pg_temp.tells(door, pg_temp.paid(), 'noted', 'pending'), 'nothing', door || ': of what goes well nobody is told') from unnest('{alone, together}'::text[]) as door;

-- In whose name.
create function pg_temp.name_of(options text, claims text default null) returns text
language plpgsql as $$
declare
  said text;
begin
  perform set_config('request.jwt.claims', coalesce(claims, ''), true);
  said := pg_temp.got(format('select replace(actor, session_user, ''login role'') || '', '' || actor_source from event_actor(%L)', options));
  perform set_config('request.jwt.claims', '', true);
  return said;
end $$;
select is(pg_temp.name_of(options, claims), said, what)
  from (values ('{"actor": "Zoe"}', '{"role": "service_role", "sub": "key-1"}', 'Zoe, options', 'whoever is named has done it'), ('{}', '{"role": "service_role", "sub": "key-1"}', 'service_role:key-1, jwt', 'else who the verified token names'),
    ('{}', '{"role": "service_role"}', 'service_role, jwt', 'by his role'), ('{}', '{"role": "", "sub": "key-1"}', 'key-1, jwt', 'or by his key'), ('{}', '{"role": "", "iss": "x"}', 'login role, login', 'a token that names nobody counts for nothing'),
    ('{"actor": ""}', '{"role": "anon"}', 'anon, jwt', 'so does an empty name'), ('{"actor": ""}', null, 'login role, login', 'else it is who has logged in'), ('{"actor": null}', '', 'login role, login', 'without any word as well'),
    (null, null, 'login role, login', 'and without options')) as t (options, claims, said, what);
select is(pg_temp.name_of(null, jsonb_build_object('sub', repeat('x', 201))::text), repeat('x', 200) || ', jwt', 'a long name is cut');
select * from finish();
rollback;
