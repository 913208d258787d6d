-- An engine and the provider's account: when submissions are paused and what people are told, which account may
-- be worked with, and whose lease is lengthened. Whatever concerns one account, one order or one engine leaves the others alone.
\ir begin.psql
select plan(82);

select pg_temp.clock(0) as ignored \gset
select pg_temp.not_held() as ignored \gset

-- A pause begins now and ends by itself.
create function pg_temp.paused(provider text, code text, ms bigint, alarm boolean default false) returns text
language plpgsql as $$
begin
  return 'until ' || (pg_temp.asked('app', format('extract(epoch from pause_provider(%L, %L, %s, %L) - now())::float8', provider, code, ms, alarm)) #>> '{}') || ', ' || pg_temp.pause_of(provider);
end $$;
create function pg_temp.pause_of(provider text) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got(format('select concat_ws('' '', extract(epoch from paused_until - now())::float8, paused_code, pauses) from provider_accounts where provider = %L', provider)), 'none');
end $$;
create function pg_temp.alerts_about(code text) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got(format('select string_agg(concat_ws('' '', order_id is null, ''opened '' || extract(epoch from opened_at - now())::float8, ''closed '' || extract(epoch from closed_at - now())::float8), '', '' order by opened_at) from alerts where rule = ''provider_account_wrong'' and subject = %L', code)), 'none');
end $$;
select is(pg_temp.paused('pgtap', 'pgtap_slow', 5000), 'until 5, 5 pgtap_slow 1', 'an account is paused for a while');
select is(pg_temp.alerts_about('pgtap_slow'), 'none', 'of which nobody is told when it is none''s fault');
select is(pg_temp.paused('pgtap', 'pgtap_slower', 4000), 'until 4, 5 pgtap_slower 2', 'a shorter pause does not end a longer one');
select is(pg_temp.paused('pgtap', 'pgtap_slow', 6000), 'until 6, 6 pgtap_slow 3', 'a longer one does');
select is(pg_temp.paused('pgtap_other', repeat('x', 101), 1000), 'until 1, 1 ' || repeat('x', 100) || ' 1', 'another account is paused for itself');
select is(pg_temp.pause_of('pgtap'), '6 pgtap_slow 3', 'and the first as it was');
select is(pg_temp.paused('pgtap', 'pgtap_wrong', 1000, true) || ', ' || pg_temp.alerts_about('pgtap_wrong'), 'until 1, 6 pgtap_wrong 4, t opened 0', 'a person is told of a fault');
select pg_temp.clock(3) as ignored \gset
select pg_temp.paused('pgtap', 'pgtap_wrong', 1000, true) as ignored \gset
select is(pg_temp.alerts_about('pgtap_wrong'), 't opened 0', 'once');
select pg_temp.owner_does('update alerts set closed_at = now() where subject = ''pgtap_wrong''') as ignored \gset
select pg_temp.paused('pgtap', 'pgtap_wrong', 1000, true) as ignored \gset
select is(pg_temp.alerts_about('pgtap_wrong'), 't opened 0 closed 0, t opened 3', 'and anew when it comes again');
select pg_temp.clock(0) as ignored \gset

-- What a person is told: the sentence says where to look first.
create function pg_temp.advice(provider text, code text) returns text
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('update alerts set closed_at = now() where rule = ''provider_account_wrong'' and subject = %L and closed_at is null', code));
  perform pg_temp.paused(provider, code, 1, true);
  return pg_temp.got(format('select runbook from alerts where rule = ''provider_account_wrong'' and subject = %L and closed_at is null', code));
end $$;
select ok(starts_with(pg_temp.advice(provider, code), advice), provider || ' ' || code || ': ' || advice)
  from (values ('stripe', 'stripe_too_slow', 'Payments are read at Stripe too slowly'), ('stripe', 'stripe_http_401', 'Stripe refuses STRIPE_KEY'), ('stripe', 'stripe_events_unreadable', 'Stripe''s list of messages cannot be read'),
    ('stripe', 'stripe_event_unreadable', 'A message in Stripe''s list cannot be read'), ('stripe', 'no_connection', 'Payments cannot be read at Stripe'), ('stripe', 'too_many_requests', 'Payments cannot be read at Stripe'),
    ('pgtap', 'no_connection', 'The provider cannot be reached'), ('pgtap', 'connect_timed_out', 'The provider cannot be reached'), ('pgtap', 'tls_failed', 'The provider cannot be reached'),
    ('pgtap', 'closed_before_sending', 'The provider cannot be reached'), ('pgtap', 'reading: closed', 'The provider cannot be reached'), ('pgtap', 'send_deadline_passed', 'The engine is too slow to send'),
    ('pgtap', 'too_many_requests', 'The provider asks us to slow down'), ('pgtap', 'insufficient_zma_balance', 'The balance at the provider is too low'), ('pgtap', 'invalid_client_token', 'The provider refuses our account'),
    ('pgtap', 'stripe_too_slow', 'The provider refuses our account'), ('pgtap', 'stripe_http_401', 'The provider refuses our account'), ('pgtap', 'stripe_events_unreadable', 'The provider refuses our account'),
    ('pgtap', 'stripe_event_unreadable', 'The provider refuses our account')) as t (provider, code, advice);

-- Under which account an engine works: another one is let in when the former has nothing under way. What the shop had before is set aside.
select pg_temp.owner_does('delete from provider_accounts where provider like ''pgtap%'';
  alter table orders disable trigger user; update orders set status_before = ''submitting'', status = ''needs_review'', review_reason = ''pgtap'' where status in (''submitted_to_zinc'', ''processing''); alter table orders enable trigger user') as ignored \gset
create function pg_temp.works_as(mark text, same_account boolean default false, provider text default 'pgtap') returns text
language plpgsql as $$
declare
  answer jsonb := pg_temp.asked('app', format('claim_account(%L, sha256(%L), %L)', provider, mark, same_account));
begin
  return concat_ws(' ', coalesce(answer ->> 'error', case when answer -> 'success' = 'true' then 'success' else answer ->> 'code' end), case when answer -> 'changed' = 'true' then 'changed' end, answer ->> 'orders') || ', ' || pg_temp.accounts();
end $$;
create function pg_temp.accounts() returns text
language plpgsql as $$
begin
  return pg_temp.got('select string_agg(concat_ws('' '', provider, case account_mark when sha256(''a'') then ''a'' when sha256(''b'') then ''b'' when sha256(''c'') then ''c'' else ''unknown'' end), '', '' order by provider) from provider_accounts where provider like ''pgtap%''');
end $$;
select is(pg_temp.asked('app', call) ->> 'error', '22023', call)
  from unnest('{"claim_account(''pgtap'', null, false)", "claim_account(''pgtap'', substr(sha256(''a''), 2), false)", "claim_account(''pgtap'', sha256(''a'') || ''a''::bytea, false)", "claim_account(''pgtap'', sha256(''a''), null)"}'::text[]) as call;
select pg_temp.in_status('unknown') as before \gset
select is(pg_temp.works_as('b', false, 'pgtap_other'), 'success changed, pgtap_other b', 'the first engine says which account it works with');
select is(pg_temp.works_as('b'), 'success changed, pgtap b, pgtap_other b', 'so does the first of another provider, whatever stands open there, and although the first has that very mark');
select is(pg_temp.works_as('b'), 'success, pgtap b, pgtap_other b', 'the same account again changes nothing');
select is(pg_temp.works_as('a'), 'another_account 1, pgtap b, pgtap_other b', 'another account is refused while an order that was sent is not settled');
select is(pg_temp.works_as('c', false, 'pgtap_other'), 'success changed, pgtap b, pgtap_other c', 'not where the other provider has it');
select is(pg_temp.works_as('a', true), 'success changed, pgtap a, pgtap_other c', 'the same account with a new token may be said to be so');
select is(pg_temp.asked('app', 'claim_account(''pgtap'', sha256(''b''), false)') ?& '{success, code, message, details, hint, orders}', true, 'a refusal has PostgREST''s four fields, and how many orders');
select is((pg_temp.asked('app', 'claim_account(''pgtap'', sha256(''b''), false)') ->> 'message') like '%(1 of them)%', true, 'which it also says');

-- Which orders stand against it.
create function pg_temp.account_is(mark text) returns void
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('update provider_accounts set account_mark = sha256(%L) where provider = ''pgtap''', mark));
end $$;
-- An order that came so far under no account, and what is changed of its attempt.
create function pg_temp.came_to(was text, changes text default 'code = code') returns uuid
language plpgsql as $$
declare
  id uuid;
begin
  perform pg_temp.account_is(null);
  id := pg_temp.in_status(was);
  perform pg_temp.forced('order_attempts', id, changes);
  perform pg_temp.account_is('a');
  return id;
end $$;
-- Whether another account is let in while an order stands so; afterwards that is over.
create function pg_temp.against(was text, changes text default 'code = code') returns text
language plpgsql as $$
declare
  id uuid := pg_temp.came_to(was, changes);
  answer text := split_part(pg_temp.works_as('b'), ',', 1);
begin
  perform pg_temp.forced('order_attempts', id, 'lease_token = null, lease_expires_at = null, settled_by = coalesce(settled_by, ''person''), settled_at = coalesce(settled_at, now())');
  perform pg_temp.forced('orders', id, 'status_before = ''submitting'', status = ''needs_review'', review_reason = ''pgtap'', due_at = now()');
  return answer;
end $$;
select pg_temp.forced('order_attempts', :'before', 'settled_by = ''person'', settled_at = now()') as ignored \gset
select is(pg_temp.against(was), said, was || case said when 'success changed' then ' lets another account in' else ' keeps another account out' end)
  from (values ('pending', 'success changed'), ('submitting', 'another_account 1'), ('unknown', 'another_account 1'), ('needs_review', 'another_account 1'), ('watched', 'another_account 1'),
    ('submitted_to_zinc', 'another_account 1'), ('processing', 'another_account 1'), ('completed', 'success changed'), ('cancelled', 'success changed'), ('failed', 'success changed')) as t (was, said);
select is(pg_temp.against('submitting', 'calls = 0, first_sent_at = null, key_dead_at = null, lease_token = null, lease_expires_at = null'), 'success changed', 'an order of which nothing was sent may be bought by another account');
select is(pg_temp.against('submitted_to_zinc', 'calls = 0, first_sent_at = null, key_dead_at = null, lease_token = null, lease_expires_at = null'), 'another_account 1', 'one that the account has already may not, although no call is counted');
select is(pg_temp.against(was, 'provider = ''pgtap_other'''), 'success changed', was || ' at another provider says nothing about this one') from unnest('{submitting, unknown, submitted_to_zinc, processing}'::text[]) as was;
select pg_temp.came_to('submitted_to_zinc', 'provider = ''pgtap_other''') as elsewhere \gset
select is(pg_temp.against(was, 'lease_token = null, lease_expires_at = null, settled_by = ''person'', settled_at = now(), provider = ' || quote_literal(provider)), said, concat_ws(' ', was, 'without an open attempt, the last one at', provider || ':', said))
  from (values ('submitted_to_zinc', 'pgtap', 'another_account 1'), ('processing', 'pgtap', 'another_account 1'), ('processing', 'pgtap_other', 'another_account 1'), ('needs_review', 'pgtap', 'success changed')) as t (was, provider, said);
select pg_temp.came_to('submitted_to_zinc') as one, pg_temp.came_to('unknown') as two \gset
select is(pg_temp.against('processing'), 'another_account 3', 'each is counted once');
select pg_temp.owner_does('delete from provider_accounts where provider like ''pgtap%''') as ignored \gset

-- A lease is lengthened for who still has it.
create function pg_temp.renewed(ids uuid[], tokens uuid[], ms integer default 60000) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.asked('app', format('(select string_agg(array_position(%1$L::uuid[], r)::text, '' '' order by array_position(%1$L::uuid[], r)) from renew_leases(%1$L, %2$L, %3$s) as r)', ids, tokens, ms)) #>> '{}', 'none');
end $$;
create function pg_temp.lease_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', o.status, ''due '' || extract(epoch from o.due_at - now())::float8, ''touched '' || extract(epoch from o.updated_at - now())::float8, ''version '' || o.version, ''lease '' || extract(epoch from a.lease_expires_at - now())::float8)
    from orders as o join order_attempts as a on a.order_id = o.id and a.settled_at is null where o.id = {id}', id);
end $$;
select pg_temp.in_status('submitting') as id, pg_temp.in_status('submitting') as other, pg_temp.in_status('submitting') as lost, pg_temp.in_status('submitted_to_zinc') as accepted, pg_temp.in_status('unknown') as unknown, pg_temp.placed() as aside \gset
select pg_temp.got('select xmax from orders where id = {id}', :'aside') as locked_by \gset
select pg_temp.clock(60) as ignored \gset
select is(pg_temp.renewed(array[:'id']::uuid[], array[md5(:'id')]::uuid[]) || ', ' || pg_temp.lease_of(:'id'), 'none, submitting due 60 touched 0 version 3 lease 60', 'a lease that has ended is not given back');
select pg_temp.clock(59.999999) as ignored \gset
select is(pg_temp.renewed(array[:'id']::uuid[], array[md5(:'other')]::uuid[]), 'none', 'nor one that another worker has');
select is(pg_temp.renewed(array[:'id', :'other']::uuid[], array[md5(:'other'), md5(:'id')]::uuid[]), 'none', 'nor one under another order''s token');
select is(pg_temp.renewed(array[:'id', :'lost', :'accepted', :'unknown']::uuid[], array[md5(:'id'), md5('other'), md5(:'accepted'), md5(:'unknown')]::uuid[], 30000), '1', 'one that lives is lengthened');
select is(pg_temp.lease_of(:'id'), 'submitting due 89.999999 touched 59.999999 version 3 lease 89.999999', 'from now on, and its order is due then');
select is(pg_temp.lease_of(:'other') || ', ' || pg_temp.lease_of(:'lost'), 'submitting due 60 touched 0 version 3 lease 60, submitting due 60 touched 0 version 3 lease 60', 'no other lease is');
select is(pg_temp.got('select xmax from orders where id = {id}', :'aside'), :'locked_by', 'and an order that was not named is not even locked');
select is(split_part(pg_temp.lease_of(:'accepted'), ' version', 1) || ', ' || pg_temp.lease_of(:'unknown'), 'submitted_to_zinc due 300 touched 0, submitting due 60 touched 0 version 4', 'nor is an order due later that was answered meanwhile');
select pg_temp.clock(0) as ignored \gset
-- A beat is compared with what is known of this engine, not of another.
create function pg_temp.beats(worker text, seen integer, others text default '') returns text
language plpgsql as $$
begin
  perform pg_temp.not_held();
  perform pg_temp.owner_does('update shop set place = shop_place(), server_started_at = pg_postmaster_start_time(), beaten_at = now(), beats = 100; delete from workers where worker like ''pgtap%''' || others);
  return pg_temp.asked('app', format('beat_worker(%L, ''1'', false, %s)', worker, seen)) ->> 'held';
end $$;
select is(pg_temp.beats('pgtap', 90, '; insert into workers (worker, release, started_at, seen_at, beats) values (''pgtap_other'', ''0'', now(), now(), 5), (''pgtap'', ''0'', now(), now(), 90), (''pgtap_third'', ''0'', now(), now(), 5)'), null, 'an engine that remembers its own last beat is trusted, whatever others remember');
select is(pg_temp.got('select string_agg(worker || '' '' || beats, '', '' order by worker) from workers where worker like ''pgtap%'''), 'pgtap 101, pgtap_other 5, pgtap_third 5', 'and its beat is its own');
select pg_temp.owner_does('update findings set closed_at = now() where kind = ''shop_held'' and closed_at is null') as ignored \gset
select is(pg_temp.beats('pgtap', 101), 'went_back', 'one that is not known any more is compared with all beats');
select is(pg_temp.got('select data::text from findings where kind = ''shop_held'' and closed_at is null'), '{"seen": 101, "beats": 100}', 'and a person is told how many there were');
select pg_temp.owner_does('insert into alerts (id, rule, subject, runbook, opened_at, closed_at) values (gen_random_uuid(), ''provider_account_wrong'', ''pgtap_well'', ''x'', now(), now() - interval ''1 hour'')') as ignored \gset
select pg_temp.owner_does('update provider_accounts set paused_until = null') as ignored \gset
select pg_temp.beats('pgtap', 0) as ignored \gset
select is(pg_temp.alerts_about('pgtap_well'), 't opened 0 closed -3600', 'what was told of an account long ago stays closed as it was');
select pg_temp.not_held() as ignored \gset

-- An engine claims what was sent before only when no earlier call can be under way, by the database's clock and by its own.
create function pg_temp.claims_again(id uuid, seconds numeric) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got(format('select concat_ws('' '', c.generation, c.calls) from orders as o cross join lateral commit_intents(''pgtap'', ''pgtap'', gen_random_uuid(), 60000, 30000, 82800000, array[o.id], array[o.version], array[o.generation], array[gen_random_uuid()],
    array[''key''], array[null]::bytea[], array[sha256('''')], null, 0, %s) as c where o.id = {id}', coalesce('now() + ' || quote_literal(seconds || ' seconds') || '::interval', 'null')), id), 'nothing');
end $$;
-- Its answer was lost; its call could last until 60 seconds ago, which is as long as the provider may work on it, but for what is changed.
create function pg_temp.unanswered(changes text default 'code = code') returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.in_status('unknown');
begin
  perform pg_temp.forced('order_attempts', id, 'call_deadline_at = now() - interval ''60 seconds''');
  perform pg_temp.forced('order_attempts', id, changes);
  return id;
end $$;
select is(pg_temp.claims_again(pg_temp.unanswered(), seconds), said, coalesce(seconds || ' seconds by its own clock', 'an engine that knows no better'))
  from (values (null, '1 2'), (0, '1 2'), (1, '1 2'), (-0.000001, 'nothing')) as t (seconds, said);
select is(pg_temp.claims_again(pg_temp.unanswered('call_deadline_at = now() - interval ''59.999999 seconds'''), 3600), 'nothing', 'an engine whose clock is ahead does not begin earlier');
select is(pg_temp.claims_again(pg_temp.unanswered('lease_token = gen_random_uuid(), lease_expires_at = now() + interval ''1 hour'''), 0), 'nothing', 'nor does one that another engine''s lease keeps out');
select is(pg_temp.claims_again(pg_temp.unanswered('lease_token = gen_random_uuid(), lease_expires_at = now() - interval ''1 hour'''), 0), 'nothing', 'not even when that has ended, until somebody has looked after the order');
select pg_temp.unanswered() as held \gset
select pg_temp.said('hold_order({id})', :'held') as ignored \gset
select is(pg_temp.claims_again(:'held', 0), 'nothing', 'nor is a held order sent again');
select * from finish();
rollback;
