-- A repeated request gets the answer that the first one got, and what is taken already is refused and kept for a person;
-- a caller's key opens the shop until it expires or is revoked, and no other key with it.
\ir begin.psql
select plan(107);

-- What a door says, and the HTTP status of the answer when that is not 200.
create function pg_temp.answered(what text, id uuid default null) returns text
language plpgsql as $$
declare
  answer text;
begin
  perform set_config('response.status', '', true);
  answer := pg_temp.said(what, id);
  return concat_ws(' ', answer, nullif(current_setting('response.status'), ''));
end $$;
create function pg_temp.places(content jsonb, options jsonb default '{}') returns text
language plpgsql as $$
begin
  return pg_temp.answered(format('place_order(%L, %L)', content, options));
end $$;
-- What is kept of an order for a person to see, each with its alert.
create function pg_temp.kept(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select string_agg(concat_ws('' '', f.kind, f.subject, f.actor, f.data, (select count(*) from alerts as a where (a.order_id, a.rule, a.subject) = (f.order_id, f.kind, f.subject))), '', '' order by f.kind, f.subject) from findings as f where f.order_id = {id}', id);
end $$;
create function pg_temp.order_of(content jsonb) returns text
language plpgsql as $$
begin
  return pg_temp.got(format('select concat_ws('' '', id, status, version) from orders where order_number = %L', content ->> 'order_number'));
end $$;
select pg_temp.clock(0) as ignored \gset
select pg_temp.not_held() as ignored \gset

-- A caller's key of an order: two callers may choose the same one, and one caller has many.
create function pg_temp.keyed(caller text, key text, digest text default repeat('a', 64)) returns jsonb
language sql
return jsonb_build_object('idempotency_key', key, 'caller', caller, 'request_digest', digest);
create function pg_temp.placed_under(content jsonb, caller text, key text) returns text
language plpgsql as $$
declare
  answer jsonb := pg_temp.asked('service_role', format('place_order(%L, %L)', content, pg_temp.keyed(caller, key)));
begin
  return concat_ws(' ', pg_temp.word(answer), case when answer -> 'replayed' = 'true' then 'replayed' end,
    case when answer ->> 'order_id' = split_part(pg_temp.order_of(content), ' ', 1) then 'its own' end);
end $$;
select pg_temp.content() as a1, pg_temp.content() as b1, pg_temp.content() as a2, 'pgtap ' || gen_random_uuid() as a, 'pgtap ' || gen_random_uuid() as b \gset
select is(pg_temp.placed_under(:'a1', :'a', 'one'), 'done pending its own', 'a caller places an order under a key');
select is(pg_temp.placed_under(:'b1', :'b', 'one'), 'done pending its own', 'another caller may have the same key for his own');
select is(pg_temp.placed_under(:'a2', :'a', 'two'), 'done pending its own', 'and the first one has a second key');
select is(pg_temp.placed_under(:'a1', :'a', 'one') || ', ' || pg_temp.placed_under(:'b1', :'b', 'one') || ', ' || pg_temp.placed_under(:'a2', :'a', 'two'),
  'done pending replayed its own, done pending replayed its own, done pending replayed its own', 'each key gives the answer of its own order again');
select is(pg_temp.places(:'a1', pg_temp.keyed(:'a', 'one')), 'done pending', 'and that is no error');
select is(pg_temp.got(format('select string_agg(concat_ws('' '', key, encode(digest, ''hex'') = repeat(''a'', 64), extract(epoch from created_at - now())::float8), '', '' order by key) from idempotency_keys where caller = %L', :'a')), 'one t 0, two t 0', 'keys are kept with the digest of the request and their age');
select is(pg_temp.places(pg_temp.content(), pg_temp.keyed(:'a', 'one', repeat('b', 64))), 'PT422 the Idempotency-Key was used for another request', 'a key is for one request');
select is(pg_temp.places(pg_temp.content(), options), '22023 options.idempotency_key must have 1 to 255 characters and come with options.caller and options.request_digest', 'a key is not taken as ' || what)
  from (values ('the key alone', '{"idempotency_key": "one"}'::jsonb), ('the caller alone', '{"caller": "pgtap"}'), ('the digest alone', jsonb_build_object('request_digest', repeat('a', 64))), ('no key', pg_temp.keyed('pgtap', 'one') - 'idempotency_key'), ('no caller', pg_temp.keyed('pgtap', 'one') - 'caller'),
    ('no digest', pg_temp.keyed('pgtap', 'one') - 'request_digest'), ('an empty key', pg_temp.keyed('pgtap', '')), ('256 characters', pg_temp.keyed('pgtap', repeat('x', 256))), ('an empty caller', pg_temp.keyed('', 'one')), ('a caller of 201 characters', pg_temp.keyed(repeat('x', 201), 'one')),
    ('63 digits', pg_temp.keyed('pgtap', 'one', repeat('a', 63))), ('65 digits', pg_temp.keyed('pgtap', 'one', repeat('a', 65))), ('capitals', pg_temp.keyed('pgtap', 'one', repeat('A', 64))), ('no hex digits', pg_temp.keyed('pgtap', 'one', repeat('g', 64)))) as t (what, options);
select is(pg_temp.places(pg_temp.content(), options), 'done pending', 'a key is taken as ' || what)
  from (values ('255 characters', pg_temp.keyed(:'a', repeat('x', 255))), ('a caller of 200 characters', pg_temp.keyed(left(:'a' || repeat('x', 200), 200), 'x')), ('any digits', pg_temp.keyed(:'a', 'three', repeat('0123456789abcdef', 4)))) as t (what, options);
select is(pg_temp.places(pg_temp.content() || '{"total_minor": 1}', pg_temp.keyed(:'a', 'four')) || ', ' || pg_temp.places(pg_temp.content(), pg_temp.keyed(:'a', 'four', repeat('b', 64))), '22023 total_minor must be at least the sum of the lines, 1530, done pending', 'an order with a fault uses up no key');

-- One number with other content, with or without a key.
select pg_temp.content() as first, pg_temp.keyed(:'a', 'conflict') as key \gset
select :'first'::jsonb || '{"total_minor": 1600, "payment_intent": "pi_pgtap_conflict"}' as second \gset
select pg_temp.places(:'first') as ignored, split_part(pg_temp.order_of(:'first'), ' ', 1) as id \gset
select encode(sha256(convert_to((:'second'::jsonb - 'payment_intent')::text, 'UTF8')), 'hex') as digest \gset
select is(pg_temp.places(:'second', :'key'::jsonb || '{"actor": "ada"}'), 'refused order_number_conflict 409', 'an order number with other content is refused');
select is(pg_temp.places(:'second', :'key'::jsonb || '{"actor": "ada"}'), 'refused order_number_conflict 409', 'under the same key it is refused again');
select is(pg_temp.asked('service_role', format('place_order(%L, %L)', :'second', :'key')) - 'details' - 'hint', jsonb_build_object('success', false, 'code', 'order_number_conflict', 'message', 'this order number stands already with other content', 'order_id', :'id'::uuid, 'order_number', :'first'::jsonb ->> 'order_number', 'replayed', true),
  'with the order that stands');
select is(pg_temp.kept(:'id'), 'order_number_conflict ' || :'digest' || ' ada {"payment_intent": "pi_pgtap_conflict"} 1', 'the other content is kept by its digest, with the payment that it named');
select is(pg_temp.order_of(:'first'), :'id' || ' pending 1', 'the first one stands');
select is(pg_temp.got('select count(*) from payments where payment_intent = ''pi_pgtap_conflict'''), '0', 'and has no payment of the second');

-- One number with the same content.
select is(pg_temp.places(:'first'), 'duplicate pending', 'the same order again is a duplicate, and no error');
select is(pg_temp.places(:'first', jsonb_build_object('order_id', :'id')), 'duplicate pending', 'under the same id as well');
select is(pg_temp.places(:'first'::jsonb || '{"payment_intent": "pi_pgtap_first"}'), 'duplicate pending', 'with a payment it still is');
select is(pg_temp.places(:'first'::jsonb || '{"payment_intent": "pi_pgtap_first"}'), 'duplicate pending', 'and once more with the same');
select is(pg_temp.places(:'first'::jsonb || '{"payment_intent": "pi_pgtap_other"}'), 'refused second_payment 409', 'a second payment is refused and not left out without a word');
select is(pg_temp.got('select string_agg(payment_intent || '' '' || live, '', '') from payments where order_id = {id}', :'id'), 'pi_pgtap_first true', 'the first one pays');
select is(pg_temp.kept(:'id'), 'order_number_conflict ' || :'digest' || ' ada {"payment_intent": "pi_pgtap_conflict"} 1, second_payment pi_pgtap_other ' || session_user
  || ' ' || jsonb_build_object('order_id', :'id', 'payment_intent', 'pi_pgtap_other', 'status', 'pending', 'payment_status', 'unpaid') || ' 1', 'a person sees the second');
select is(pg_temp.said('cancel_order({id})', :'id') || ', ' || pg_temp.places(:'first'), 'done cancelled, duplicate cancelled', 'a duplicate tells how the order stands');
select is(pg_temp.asked('service_role', format('place_order(%L)', :'first')) ->> 'order_id', :'id', 'and which one it is');
select is(pg_temp.got('select lines_digest(''[{"product_id": "a", "quantity": 1, "unit_price_minor": 1}]'') = lines_digest(''[{"product_id": "a", "title": "", "quantity": 1, "unit_price_minor": 1}]'')'), 'true', 'a line without a title has the digest of one whose title is empty');

-- Something of it is another order's.
select pg_temp.paid() as paid, pg_temp.paid() as bystander, pg_temp.content() as late, pg_temp.keyed(:'a', 'taken') as key \gset
select :'late'::jsonb || jsonb_build_object('payment_intent', pg_temp.intent(:'paid')) as late \gset
select is(pg_temp.places(:'late', :'key'::jsonb || '{"actor": "ada"}'), 'refused payment_taken 409', 'one payment pays one order');
select is(pg_temp.places(:'late', :'key'), 'refused payment_taken 409', 'under the same key it is refused again');
select is(pg_temp.order_of(:'late'), null, 'the second is not placed');
select is(pg_temp.kept(:'paid'), 'payment_taken ' || (:'late'::jsonb ->> 'order_number') || ' ada ' || jsonb_build_object('order_number', :'late'::jsonb ->> 'order_number', 'payment_intent', pg_temp.intent(:'paid')) || ' 1', 'the order that is paid keeps who else named its payment');
select is(pg_temp.kept(:'bystander'), null, 'no other order does');
select is(pg_temp.places(pg_temp.content(), jsonb_build_object('order_id', :'bystander')), 'PT409 another order has this id', 'one id is one order''s');
select is(pg_temp.kept(:'bystander'), null, 'and nobody needs to look at that');

-- A person names a request id that does not fit.
create function pg_temp.by_word(id uuid, given text, options jsonb default '{"actor": "ada"}') returns text
language plpgsql as $$
begin
  return pg_temp.answered(format('manually_complete_order({id}, %L, options => %L)', given, options), id) || ', ' || coalesce(pg_temp.kept(id), 'nothing');
end $$;
create function pg_temp.facts(id uuid, status text, known text, given text) returns text
language sql
return jsonb_build_object('order_id', id, 'status', status, 'zinc_request_id', known, 'given_request_id', given, 'lease_expires_at', null);
select pg_temp.in_status('submitting') as leased, pg_temp.in_status('completed') as completed, pg_temp.in_status('unknown') as unknown \gset
select is(pg_temp.by_word(:'leased', pg_temp.request(:'leased')), 'refused lease_alive 409, nothing', 'while a worker is at an order a word is refused, and nothing is kept of it');
select is(pg_temp.by_word(:'unknown', null), 'refused request_id_needed 409, nothing', 'nor of a word without a request id');
select is(pg_temp.by_word(:'completed', 'pgtap-other'), 'refused request_id_conflict 409, request_id_conflict pgtap-other ada ' || pg_temp.facts(:'completed', 'completed', pg_temp.request(:'completed'), 'pgtap-other') || ' 1', 'a request id beside the one that is known is kept, with both');
select is(pg_temp.by_word(:'unknown', pg_temp.request(:'completed')), 'refused request_id_conflict 409, request_id_conflict ' || pg_temp.request(:'completed') || ' ada ' || pg_temp.facts(:'unknown', 'submitting', null, pg_temp.request(:'completed')) || ' 1', 'so is another order''s');

-- What a request id is, and a line of a person's own words.
create function pg_temp.request_fault(value text) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got(format('select request_id_fault(%L)', value)), 'good');
end $$;
select is(pg_temp.request_fault(null), 'must be given', 'a request id is given');
select is(pg_temp.request_fault(value), 'good', left(value, 20) || ' is a request id') from unnest(array['!', '~', 'a-1_B.', repeat('x', 200)]) as value;
select is(pg_temp.request_fault(value), 'must have 1 to 200 printable ASCII characters and no blanks, as the provider gave it', replace(to_json(left(value, 20))::text, chr(127), 'DEL') || ' is none') from unnest(array['', ' ', 'a b', 'a ', 'ü', E'a\n', chr(127), repeat('x', 201)]) as value;
create function pg_temp.line_of(value text) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got(format('select line_fault(%L, 4)', value)), 'good');
end $$;
select is(pg_temp.line_of(value), 'good', coalesce(quote_literal(value), 'nothing') || ' may be said') from unnest(array[null, 'x', 'xxxx', 'üüüü', ' x ']) as value;
select is(pg_temp.line_of(value), 'must have 1 to 4 characters, not blanks alone', to_json(value) || ' says nothing, or too much') from unnest(array['', ' ', '    ', E'\n', 'xxxxx', '    x']) as value;
select is(pg_temp.line_of('a' || chr(code) || 'b'), case when good then 'good' else 'must not contain line breaks or other control characters' end, 'character ' || code || case when good then ' may stand' else ' may not stand' end || ' in a line')
  from (values (1, false), (9, false), (10, false), (31, false), (32, true), (126, true), (127, false), (159, false), (160, true), (8231, true), (8232, false), (8233, false)) as t (code, good);

-- Callers' keys.
create function pg_temp.added(prefix text, secret text, note text default '') returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('(select ''added'' from add_api_key(%L, sha256(%L), ''service_role'', %L))', prefix, secret, note)) #>> '{}';
end $$;
create function pg_temp.opens(secret text) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.asked('app', format('find_api_key(sha256(%L))', secret)) #>> '{}', 'nothing');
end $$;
create function pg_temp.revoked(prefix text) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('revoke_api_key(%L)', prefix)) #>> '{}';
end $$;
-- A key as people see it.
create function pg_temp.listed(named text) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('(select string_agg(concat_ws('' '', role, note, ''made '' || extract(epoch from created_at - now())::float8, ''until '' || extract(epoch from expires_at - now())::float8, ''revoked '' || extract(epoch from revoked_at - now())::float8), '', '' order by note) from list_api_keys() where prefix = %L)', named)) #>> '{}';
end $$;
select 'p1' || left(md5(random()::text), 12) as one, 'p2' || left(md5(random()::text), 12) as two, 'p3' || left(md5(random()::text), 12) as same \gset
select pg_temp.clock(1000000) as ignored \gset
select is(pg_temp.added(:'one', :'one', 'till') || ', ' || pg_temp.opens(:'one') || ', ' || pg_temp.listed(:'one'), 'added, service_role, service_role till made 1000000', 'a key opens the shop from when it is made');
select is(pg_temp.opens(:'two'), 'nothing', 'a secret that nobody was given opens nothing');
select is(pg_temp.added(:'two', :'two') || ', ' || pg_temp.opens(:'two'), 'added, service_role', 'a second key opens it as well');
select is(pg_temp.added(:'same', :'same' || 'a', 'a') || ', ' || pg_temp.added(:'same', :'same' || 'b', 'b') || ', ' || pg_temp.revoked(:'same'), 'added, added, 2', 'a prefix that two keys have names neither');
select is(pg_temp.opens(:'same' || 'a') || ', ' || pg_temp.opens(:'same' || 'b'), 'service_role, service_role', 'and revokes none');
select is(pg_temp.revoked('p4' || left(md5(random()::text), 12)), '0', 'nor does one that no key has');
select pg_temp.clock(1000001) as ignored \gset
select is(pg_temp.revoked(:'one') || ', ' || pg_temp.opens(:'one') || ', ' || pg_temp.listed(:'one'), '1, nothing, service_role till made 1000000 revoked 1000001', 'a key that is revoked opens nothing any more');
select is(pg_temp.opens(:'two') || ', ' || pg_temp.opens(:'same' || 'a'), 'service_role, service_role', 'the others do');
select is(pg_temp.revoked(:'one'), '0', 'it is revoked once');
select pg_temp.clock(1000002) as ignored \gset
select is(pg_temp.added(:'one', :'one' || 'again', 'till again') || ', ' || pg_temp.revoked(:'one') || ', ' || pg_temp.listed(:'one'), 'added, 1, service_role till made 1000000 revoked 1000001, service_role till again made 1000002 revoked 1000002',
  'a later key of its prefix is revoked for itself');
create function pg_temp.opens_until(secret text, until text) returns text
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('update api_keys set expires_at = %s where digest = sha256(%L)', until, secret));
  return pg_temp.opens(secret);
end $$;
select is(pg_temp.opens_until(:'two', 'clock_now() + interval ''1 microsecond'''), 'service_role', 'a key opens the shop until it expires');
select is(pg_temp.opens_until(:'two', 'clock_now()'), 'nothing', 'and not from then on');
select is(pg_temp.opens_until(:'two', 'clock_now() - interval ''1 second'''), 'nothing', 'nor later');
select is(pg_temp.listed(:'two'), 'service_role  made 1000000 until 1000001', 'people see when');
select pg_temp.clock(2000000) as ignored \gset
select pg_temp.asked('app', format('(select count(*) from generate_series(1, 1000) as n cross join lateral add_api_key(%L, sha256(convert_to(%L || n, ''UTF8'')), ''service_role'', ''''))', :'two', :'two')) as ignored \gset
select is(pg_temp.asked('app', format('(select jsonb_agg(distinct l.prefix = %L) || jsonb_build_array(count(*)) from list_api_keys() as l)', :'two')), '[true, 1000]', 'the newest thousand keys are listed');

-- Settings, and where the shop stands.
select is(pg_temp.got('select concat_ws('' '', setting_number(''calls_max''), setting_number(''generations_max''), setting_ms(''gate_age_ms''), setting_ms(''processing_bound_ms''))'), '12 5 00:01:00 00:01:00', 'each setting is read by its name');
select matches(pg_temp.tried('owner', format('select {shop}.%s(''pgtap'')', reader)), '^P0002 ', 'one that is missing is guessed by nobody: ' || reader) from unnest('{setting_number, setting_ms}'::text[]) as reader;
select is(pg_temp.got('select shop_place()'), pg_temp.got('select concat_ws(''/'', (select system_identifier from pg_control_system()), (select oid from pg_database where datname = current_database()), left(pg_walfile_name(pg_current_wal_lsn()), 8))'), 'the shop stands in this server, this database and this timeline');
select * from finish();
rollback;
