-- The shop as a whole: who may stop it and let it go on, when an engine may trust its database, and what
-- happens where the database has forgotten something: nothing is bought twice for it, and nothing is lost.
\ir begin.psql
select plan(201);

-- How the shop stands, in seconds of that clock.
create function pg_temp.shop() returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', coalesce(held_because, ''free''), ''held '' || extract(epoch from held_since - now())::float8, ''compare '' || extract(epoch from compare_since - now())::float8,
    ''compared '' || extract(epoch from compared_at - now())::float8, ''forgotten '' || extract(epoch from forgotten_from - now())::float8) from shop');
end $$;
-- The shop as after a good start, and what is changed of that.
create function pg_temp.stands(changes text default 'beats = 100') returns void
language plpgsql as $$
begin
  perform pg_temp.owner_does('update shop set held_since = null, held_because = null, compare_since = null, compared_at = null, forgotten_from = null, beats = 100, place = shop_place(),
    server_started_at = pg_postmaster_start_time(), beaten_at = now()');
  perform pg_temp.owner_does('delete from workers where worker like ''pgtap%''');
  perform pg_temp.owner_does('update shop set ' || changes);
end $$;
-- Held for a reason since the beginning, which a comparison must end that begins then; forgotten since 100 seconds before.
create function pg_temp.held_as(reason text) returns void
language plpgsql as $$
begin
  perform pg_temp.stands(format('held_since = now(), held_because = %L, compare_since = now(), forgotten_from = now() - interval ''100 seconds''', reason));
end $$;
-- Findings and alerts about the whole shop that are open, and what is known of releases.
create function pg_temp.told_of_shop() returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', (select string_agg(f.subject, '','') from findings as f where f.kind = ''shop_held'' and f.order_id is null and f.closed_at is null),
    (select string_agg(a.subject, '','') from alerts as a where a.rule = ''shop_held'' and a.order_id is null and a.closed_at is null))');
end $$;
-- The shop lets nothing be bought and no money be moved, or it does.
create function pg_temp.buys(id uuid, owed uuid) returns text
language plpgsql as $$
begin
  return concat_ws(' ', pg_temp.got(format('select count(*) from lock_due_orders(''pgtap'', 1, %L)', id)), pg_temp.claimed(id),
    pg_temp.got('select count(*) from lease_moves(''pgtap'', gen_random_uuid(), 60000, 100000) as l where l.order_id = {id}', owed));
end $$;
create function pg_temp.nothing_forgotten() returns void
language plpgsql as $$
begin
  perform pg_temp.owner_does('update differences set gone_at = greatest(last_at, now()) where gone_at is null');
end $$;

select pg_temp.clock(0) as ignored \gset
select pg_temp.nothing_forgotten() as ignored \gset
select pg_temp.got('select exists (select from orders)') as has_orders \gset

-- An engine begins: where nobody knows what happened meanwhile the shop is held.
create function pg_temp.begun(changes text) returns text
language plpgsql as $$
begin
  perform pg_temp.stands(changes);
  return concat_ws(', ', (pg_temp.asked('app', 'begin_work(''pgtap'', ''1'')') - 'at_ms') #>> '{}', pg_temp.shop());
end $$;
select pg_temp.stands('place = ''1/2/00000003''') as ignored \gset
select is(pg_temp.asked('app', 'begin_work(''pgtap'', ''1'')') ->> 'held', case when :'has_orders' = 'true' then 'another_place' end, 'a shop without orders has nothing to buy again');
select pg_temp.stands() as ignored \gset
select pg_temp.paid() as id, pg_temp.paid() as other, pg_temp.in_status('cancelled') as owed \gset
select is(pg_temp.begun('beats = 100'), '{"held": null, "beats": 101}, free', 'an engine that begins where one has just been at work may claim');
select is(pg_temp.begun('place = null, server_started_at = null, beaten_at = null'), '{"held": null, "beats": 101}, free', 'so may the first one');
select is(pg_temp.begun('place = ''1/2/00000003'''), '{"held": "another_place", "beats": 101}, another_place held 0 compare 0 forgotten 0', 'another place holds the shop');
select is(pg_temp.got('select data ->> ''before'' || (data ->> ''now'' = shop_place())::text || actor from findings where kind = ''shop_held'' and closed_at is null'), '1/2/00000003trueengine/pgtap', 'and says which');
select is(pg_temp.told_of_shop(), 'another_place another_place', 'a person is told once');
select is(pg_temp.got('select place = shop_place() from shop'), 'true', 'from now on the shop stands here');
select is(pg_temp.begun('server_started_at = now() - interval ''1 year'''), '{"held": "unwatched", "beats": 101}, unwatched held 0 compare 0 forgotten 0', 'a server that was started since holds it');
select is(pg_temp.begun('server_started_at = null'), '{"held": "unwatched", "beats": 101}, unwatched held 0 compare 0 forgotten 0', 'so does one of which nobody knows when it was started');
select is(pg_temp.got('select server_started_at = pg_postmaster_start_time() from shop'), 'true', 'from now on that is known');
select is(pg_temp.begun('beaten_at = now() - interval ''61 seconds'''), '{"held": "unwatched", "beats": 101}, unwatched held 0 compare 0 forgotten -61', 'so does a minute without an engine: what was done since its last beat may be forgotten');
select is(pg_temp.begun('beaten_at = now() - interval ''60 seconds'''), '{"held": null, "beats": 101}, free', 'not less');
select is(pg_temp.begun('beaten_at = now() + interval ''60 seconds'''), '{"held": null, "beats": 101}, free', 'a beat of a minute ahead is a clock''s');
select is(pg_temp.begun('beaten_at = now() + interval ''61 seconds'''), '{"held": "unwatched", "beats": 101}, unwatched held 0 compare 0 forgotten 0', 'more is not');
select is(pg_temp.got('select (place = shop_place() and server_started_at = pg_postmaster_start_time() and beaten_at = now())::text || beats from shop'), 'true101', 'the shop knows where and when it is worked');
select pg_temp.stands() as ignored \gset
select pg_temp.owner_does('insert into workers (worker, release, started_at, seen_at, stopped_at, beats) values (''pgtap'', ''0'', now() - interval ''1 day'', now() - interval ''1 day'', now() - interval ''1 day'', 3)') as ignored \gset
select is(pg_temp.asked('app', 'begin_work(''pgtap'', ''1'')') ->> 'at_ms', floor(extract(epoch from now()) * 1000)::bigint::text, 'an engine that begins is told what the database''s clock shows');
select is(pg_temp.got('select concat_ws('' '', release, started_at = now(), seen_at = now(), stopped_at is null, beats) from workers where worker = ''pgtap'''), '1 t t t 101', 'a worker that begins again is a new one');
select is(pg_temp.told_of_shop(), 'unwatched unwatched', 'what held the shop before is told until it is released');

-- Its beats: whoever remembers more than the database was there before it went back.
create function pg_temp.beaten(changes text, seen integer, known integer default null, stopping boolean default false) returns text
language plpgsql as $$
begin
  perform pg_temp.stands(changes);
  if known is not null then
    perform pg_temp.owner_does(format('insert into workers (worker, release, started_at, seen_at, beats) values (''pgtap'', ''0'', now() - interval ''5 minutes'', now() - interval ''1 minute'', %s)', known));
  end if;
  return concat_ws(', ', (pg_temp.asked('app', format('beat_worker(''pgtap'', ''1'', %L, %s)', stopping, seen)) - 'at_ms') #>> '{}', pg_temp.shop(),
    pg_temp.got('select concat_ws('' '', release, started_at = now(), seen_at = now(), stopped_at = now(), beats) from workers where worker = ''pgtap'''));
end $$;
select is(pg_temp.beaten('beats = 100', 0), '{"held": null, "beats": 101}, free, 1 t t 101', 'a first beat');
select is(pg_temp.beaten('beats = 100', 90, 90), '{"held": null, "beats": 101}, free, 1 f t 101', 'a beat after the one that the database knows');
select is(pg_temp.beaten('beats = 100', 90, 90, true), '{"held": null, "beats": 101}, free, 1 f t t 101', 'the last one');
select is(pg_temp.beaten('beats = 100', 80, 90), '{"held": null, "beats": 101}, free, 1 f t 101', 'one whose answer was lost');
select is(pg_temp.beaten('beats = 100', 91, 90), '{"held": "went_back", "beats": 101}, went_back held 0 compare 0 forgotten 0, 1 f t 101', 'a worker that remembers more than the database holds the shop');
select is(pg_temp.got('select (data - ''actor'')::text from findings where kind = ''shop_held'' and closed_at is null'), '{"seen": 91, "beats": 90}', 'with what it remembers');
select is(pg_temp.beaten('beats = 100', 100), '{"held": null, "beats": 101}, free, 1 t t 101', 'one whose row was swept is compared with all beats');
select is(pg_temp.beaten('beats = 100', 101), '{"held": "went_back", "beats": 102}, went_back held 0 compare 0 forgotten 0, 1 t t 102', 'and the number goes on from what is known of it');
select is(pg_temp.beaten('place = null', 0), '{"held": null, "beats": 101}, free, 1 t t 101', 'a shop that stood nowhere yet stands here');
select is(pg_temp.beaten('place = rtrim(shop_place(), ''0123456789ABCDEF'') || ''00000FFF''', 90, 90), '{"held": "failed_over", "beats": 101}, failed_over held 0 compare 0 forgotten 0, 1 f t 101',
  'the same data on another timeline, and no beat is lost: another server took over');
select is(pg_temp.beaten('place = rtrim(shop_place(), ''0123456789ABCDEF'') || ''00000FFF''', 0), '{"held": "another_place", "beats": 101}, another_place held 0 compare 0 forgotten 0, 1 t t 101',
  'of which an engine knows nothing that saw no beat before');
select is(pg_temp.beaten('place = ''1/2/00000001''', 90, 90), '{"held": "another_place", "beats": 101}, another_place held 0 compare 0 forgotten 0, 1 f t 101', 'another server is another place');
select is(pg_temp.got('select place = shop_place() from shop'), 'true', 'from now on the shop stands here');
select is(pg_temp.got('select data ->> ''before'' || (data ->> ''now'' = shop_place())::text || actor from findings where kind = ''shop_held'' and closed_at is null'), '1/2/00000001trueengine/pgtap', 'and says which');
select is(pg_temp.beaten('server_started_at = null, beaten_at = now() - interval ''1 hour''', 90, 90), '{"held": null, "beats": 101}, free, 1 f t 101', 'a worker that was there all the time is trusted after an hour');
select is(pg_temp.got('select (place = shop_place() and server_started_at = pg_postmaster_start_time() and beaten_at = now())::text from shop'), 'true', 'the shop knows where and when it is worked');

-- What a beat sweeps.
select pg_temp.owner_does('insert into provider_accounts (provider, paused_until) values (''pgtap_ill'', now() - interval ''15 minutes'' + interval ''1 microsecond'')') as ignored \gset
select pg_temp.owner_does('insert into alerts (id, rule, subject, runbook, opened_at) values (gen_random_uuid(), ''provider_account_wrong'', ''pgtap'', ''x'', now()), (gen_random_uuid(), ''pgtap_other'', ''pgtap'', ''x'', now())') as ignored \gset
select pg_temp.owner_does('insert into workers (worker, release, started_at, seen_at) select ''pgtap '' || s, ''0'', now(), now() - interval ''7 days'' - s * interval ''1 microsecond'' from generate_series(0, 1) as s') as ignored \gset
select pg_temp.owner_does('delete from idempotency_keys') as ignored \gset
select pg_temp.owner_does('insert into idempotency_keys (caller, key, digest, answer, created_at) select ''pgtap'', s, sha256(''''), ''{}'', now() - interval ''72 hours'' - (s - 1) * interval ''1 microsecond'' from generate_series(1, 1003) as s') as ignored \gset
select is(pg_temp.asked('app', 'beat_worker(''pgtap'', ''1'', false, 0)') ->> 'at_ms', floor(extract(epoch from now()) * 1000)::bigint::text, 'and so is one that beats');
select is(pg_temp.got('select string_agg(rule, '','' order by rule) from alerts where subject = ''pgtap'' and closed_at is null'), 'pgtap_other,provider_account_wrong', 'the alert of an account that was paused within 15 minutes stays');
select is(pg_temp.got('select string_agg(worker, '','' order by worker) from workers where worker like ''pgtap%'''), 'pgtap,pgtap 0', 'workers that have been silent for more than a week go');
select is(pg_temp.got('select string_agg(key, '','' order by key::integer) from idempotency_keys'), '1,2,3', 'of the callers'' keys that are older than 72 hours the oldest thousand');
select pg_temp.asked('app', 'beat_worker(''pgtap'', ''1'', false, 0)') as ignored \gset
select is(pg_temp.got('select string_agg(key, '','' order by key::integer) from idempotency_keys'), '1', 'and then the others');
select pg_temp.owner_does('update provider_accounts set paused_until = now() - interval ''15 minutes'' where paused_until > now() - interval ''15 minutes''') as ignored \gset
select pg_temp.asked('app', 'beat_worker(''pgtap'', ''1'', false, 0)') as ignored \gset
select is(pg_temp.got('select string_agg(rule || coalesce((closed_at = now())::text, ''''), '','' order by rule) from alerts where subject = ''pgtap'''), 'pgtap_other,provider_account_wrongtrue', 'after that it is closed');

-- Which hold stands above which. What a person must end is not replaced by what ends by itself.
create function pg_temp.held_anew(standing text, reason text) returns text
language plpgsql as $$
begin
  if standing is null then
    perform pg_temp.stands('beaten_at = now() - interval ''7 seconds''');
  else
    perform pg_temp.stands(format('held_since = now(), held_because = %L, compare_since = now(), compared_at = now(), forgotten_from = now() - interval ''5 seconds'', beaten_at = now() - interval ''7 seconds''', standing));
  end if;
  perform pg_temp.asked('owner', format('(select hold_shop_for(%L, ''{}'', ''pgtap'', now() + interval ''9 seconds'')::text)', reason));
  return pg_temp.shop();
end $$;
select is(pg_temp.held_anew(null, reason), reason || ' held 9 compare 9 forgotten -7', 'held as ' || reason) from unnest('{unwatched, failed_over, another_place, went_back, forgotten}'::text[]) as reason;
select is(pg_temp.held_anew(null, 'operator'), 'operator held 9', 'held by a person nothing is compared');
select is(pg_temp.held_anew(standing, reason), standing || ' held 0 compare 9 forgotten -7', standing || ' is not replaced by ' || reason || ', and is compared anew')
  from unnest('{unwatched, failed_over, another_place, went_back, forgotten, operator}'::text[]) as standing cross join unnest('{unwatched, failed_over}'::text[]) as reason;
select is(pg_temp.held_anew(standing, reason), standing || ' held 0 compare 9 forgotten -7', standing || ' is not replaced by ' || reason || ' either')
  from unnest('{another_place, went_back, forgotten, operator}'::text[]) as standing cross join unnest('{another_place, went_back, forgotten}'::text[]) as reason;
select is(pg_temp.held_anew(standing, 'operator'), standing || ' held 0 compare 0 compared 0 forgotten -5', standing || ' stays as it is when a person holds')
  from unnest('{another_place, went_back, forgotten, operator}'::text[]) as standing;
select is(pg_temp.held_anew(standing, reason), reason || ' held 9 compare 9 forgotten -7', standing || ' is replaced by ' || reason)
  from unnest('{unwatched, failed_over}'::text[]) as standing cross join unnest('{another_place, went_back, forgotten}'::text[]) as reason;
select is(pg_temp.held_anew(standing, 'operator'), 'operator held 9 compare 0 forgotten -5', standing || ' is replaced by a person''s, and is to be compared all the same') from unnest('{unwatched, failed_over}'::text[]) as standing;
select is(pg_temp.told_of_shop(), 'operator operator', 'one finding and one alert are open: the last one''s');
select is(pg_temp.got(format('select runbook like %L from alerts where rule = ''shop_held'' and subject = %L order by opened_at desc limit 1', said, reason)), 'true', reason || ' says what helps')
  from (values ('unwatched', '%goes on by itself%'), ('failed_over', 'Another server%'), ('another_place', '%cloned or restored%'), ('went_back', '%went back in time%'), ('forgotten', 'The partners have%'), ('operator', 'A person stopped%')) as t (reason, said);

-- Whether an engine may claim.
create function pg_temp.may(seen integer, known integer default null) returns text
language plpgsql as $$
begin
  if known is not null then
    perform pg_temp.owner_does(format('insert into workers (worker, release, started_at, seen_at, beats) values (''pgtap'', ''0'', now(), now(), %s)', known));
  end if;
  return pg_temp.got(format('select may_claim(''pgtap'', %s, now())', seen)) || ' ' || pg_temp.shop();
end $$;
select pg_temp.stands() as ignored \gset
select is(pg_temp.may(0), 'true free', 'whoever remembers nothing may claim');
select is(pg_temp.may(100), 'true free', 'so may whoever remembers what all have');
select is(pg_temp.may(50, 50), 'true free', 'or what the database has of him');
select is(pg_temp.may(51), 'false went_back held 0 compare 0 forgotten 0', 'whoever remembers more holds the shop');
select is(pg_temp.got('select (data ->> ''seen'') || actor from findings where kind = ''shop_held'' and closed_at is null'), '51engine/pgtap', 'and says who');
select is(pg_temp.may(0), 'false went_back held 0 compare 0 forgotten 0', 'then nobody may');
select pg_temp.stands() as ignored \gset
select is(pg_temp.may(101), 'false went_back held 0 compare 0 forgotten 0', 'nor whoever remembers more than all');
select pg_temp.stands() as ignored \gset
select pg_temp.owner_does('insert into workers (worker, release, started_at, seen_at, beats) values (''pgtap other'', ''0'', now(), now(), 90)') as ignored \gset
select is(pg_temp.may(95), 'true free', 'whose row was swept is not asked for another worker''s beats');
select is(pg_temp.may(51, 50), 'false went_back held 0 compare 0 forgotten 0', 'and another''s do not speak for his');

-- A person stops the shop, and lets it go on.
select matches(pg_temp.said(call), '^22023 ', call)
  from (select format(door || '(%s)', given) as call from unnest('{hold_shop, release_shop}'::text[]) as door
         cross join unnest(array['null', '''''', ''' ''', 'repeat(''x'', 301)', '''a'' || chr(10)', '''a'', ''{"who": "x"}''', '''a'', ''[]''']) as given) as c;
select is(pg_temp.said('release_shop(''a'', ''{"uncompared": "true"}'')'), '22023 options.uncompared must be true or false', 'an option that is no text is none');
select pg_temp.stands() as ignored \gset
select is(pg_temp.asked('service_role', 'hold_shop(repeat(''x'', 300), ''{"actor": "ada"}'')') - 'held_since', '{"success": true, "duplicate": false, "held_because": "operator"}', 'a person holds the shop');
select is(pg_temp.got('select concat_ws('' '', f.subject, f.data ->> ''reason'' = repeat(''x'', 300), f.actor, f.opened_at = now()) from findings as f where f.kind = ''shop_held'' and f.closed_at is null'), 'operator t ada t', 'with a word why');
select is(pg_temp.shop(), 'operator held 0', 'since now');
select is(pg_temp.buys(:'id', :'owed'), '0 0 0', 'nothing is bought and no money is moved');
select pg_temp.clock(5) as ignored \gset
select is(pg_temp.asked('service_role', 'hold_shop(''why'')') - 'held_since', '{"success": true, "duplicate": true, "held_because": "operator"}', 'twice is once');
select is(pg_temp.shop() || ', ' || pg_temp.told_of_shop(), 'operator held 0, operator operator', 'and told once');
select pg_temp.owner_does('insert into findings (id, kind, subject, data, actor, opened_at) values (gen_random_uuid(), ''pgtap_open'', ''x'', ''{}'', ''x'', now());
  insert into alerts (id, rule, subject, runbook, opened_at) values (gen_random_uuid(), ''pgtap_open'', ''x'', ''x'', now())') as ignored \gset
select is(pg_temp.word(pg_temp.asked('service_role', 'release_shop(repeat(''y'', 300), ''{"actor": "ada"}'')')), 'done', 'a person lets it go on');
select is(pg_temp.shop() || pg_temp.told_of_shop(), 'free', 'then nothing is held or told');
select is(pg_temp.got('select concat_ws('' '', subject, data ->> ''reason'' = repeat(''y'', 300), actor, opened_at = closed_at, extract(epoch from closed_at - now())::integer, order_id is null, data ? ''held_since'') from findings where kind = ''shop_released'' and closed_at >= now()'),
  'operator t ada t 5 t t', 'who did it, and why, is kept');
select is(pg_temp.got('select string_agg(extract(epoch from closed_at - now())::integer::text, '' '') from (select f.closed_at from findings as f where f.kind = ''shop_held'' and f.subject = ''operator'' and f.actor = ''ada''
  union all select a.closed_at from alerts as a where a.rule = ''shop_held'' and a.subject = ''operator'' and a.closed_at = now() + interval ''5 seconds'') as t'), '5 5', 'finding and alert are closed then');
select is(pg_temp.asked('service_role', 'release_shop(''why'')'), '{"success": true, "duplicate": true}', 'twice is once');
select is(pg_temp.buys(:'other', :'owed'), '1 1 1', 'and orders are bought, and money is moved');
select pg_temp.held_as('unwatched') as ignored \gset
select is(pg_temp.asked('service_role', 'hold_shop(''why'')') - 'held_since', '{"success": true, "duplicate": false, "held_because": "operator"}', 'a person''s hold stands above one that ends by itself');
select pg_temp.held_as('went_back') as ignored \gset
select is(pg_temp.asked('service_role', 'hold_shop(''why'')') - 'held_since', '{"success": true, "duplicate": false, "held_because": "went_back"}', 'and not above one that a restore made');

select is(pg_temp.got('select (select count(*) from findings where kind = ''pgtap_open'' and closed_at is null) || '' '' || (select count(*) from alerts where rule = ''pgtap_open'' and closed_at is null)'), '1 1', 'what else is told of stays');
-- Holding and releasing close what is open about the shop, and nothing that is closed already or about an order.
select pg_temp.stands() as ignored \gset
select pg_temp.owner_does('insert into findings (id, order_id, kind, subject, data, actor, opened_at, closed_at) select gen_random_uuid(), o, ''shop_held'', ''pgtap_before'', ''{}'', ''x'', now() - interval ''2 hours'', c from (values ({id}::uuid, null), (null, now() - interval ''1 hour'')) as t (o, c);
  insert into alerts (id, order_id, rule, subject, runbook, opened_at, closed_at) select gen_random_uuid(), order_id, kind, subject, ''x'', opened_at, closed_at from findings where subject = ''pgtap_before''', :'id') as ignored \gset
create function pg_temp.told_before() returns text
language plpgsql as $$
begin
  return pg_temp.got('select string_agg(concat_ws('' '', part, order_id is null, extract(epoch from closed_at - now())::integer), '', '' order by part, order_id) from (
    select ''finding'' as part, order_id, closed_at from findings where subject = ''pgtap_before'' union all select ''alert'', order_id, closed_at from alerts where subject = ''pgtap_before'') as t');
end $$;
select pg_temp.asked('service_role', 'hold_shop(''why'')') as ignored \gset
select is(pg_temp.told_before(), 'alert f, alert t -3600, finding f, finding t -3600', 'a new hold leaves alone what was told of a former one');
select pg_temp.asked('service_role', 'release_shop(''why'')') as ignored \gset
select is(pg_temp.shop() || ', ' || pg_temp.told_before(), 'free, alert f, alert t -3600, finding f, finding t -3600', 'and so does its end');
select pg_temp.owner_does('update findings set closed_at = now() where subject = ''pgtap_before'' and closed_at is null; update alerts set closed_at = now() where subject = ''pgtap_before'' and closed_at is null') as ignored \gset

-- A shop that may have forgotten something is released when it was compared, and no call of before can be under way.
select pg_temp.owner_does('update settings set value = ''60000'' where name = ''processing_bound_ms''') as ignored \gset
create function pg_temp.released(seconds numeric, compared boolean default true, options text default '{}') returns text
language plpgsql as $$
begin
  perform pg_temp.held_as('went_back');
  if compared then
    perform pg_temp.owner_does('update shop set compared_at = now()');
  end if;
  perform pg_temp.clock(seconds);
  return pg_temp.said(format('release_shop(''why'', %L)', options)) || ', ' || pg_temp.shop();
end $$;
select is(pg_temp.released(1000, false), 'refused not_compared, went_back held 0 compare 0 forgotten -100', 'a shop that was not compared stays held');
select is(pg_temp.released(1000, false, '{"uncompared": false}'), 'refused not_compared, went_back held 0 compare 0 forgotten -100', 'however that is said');
select is(pg_temp.released(1000, false, '{"uncompared": true}'), 'done, free', 'unless somebody knows');
select is(pg_temp.released(149.999999), 'refused too_early, went_back held 0 compare 0 compared 0 forgotten -100', 'while a call of before may still be running it stays held');
select is(pg_temp.released(150), 'done, free', 'and is released when none can be');
select is(pg_temp.asked('service_role', 'release_shop(''why'')') ->> 'duplicate', 'true', 'once');
select pg_temp.held_as('went_back') as ignored \gset
select is(pg_temp.asked('service_role', 'release_shop(''why'')') ?& '{success, code, message, details, hint}', true, 'a refusal has PostgREST''s four fields');

-- What was forgotten: counted, and when.
select pg_temp.stands() as ignored \gset
select pg_temp.in_status('submitting') as bought \gset
select pg_temp.got('select attempt_id from order_attempts where order_id = {id}', :'bought') as attempt \gset
create function pg_temp.forgotten(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select forgotten_effects() || coalesce('', '' || extract(epoch from forgotten_purchase({id}) - now())::float8, '''')', id);
end $$;
select is(pg_temp.forgotten(:'id'), '0', 'nothing is forgotten');
select pg_temp.forgot(:'id', 'purchase_forgotten', 10), pg_temp.forgot(:'id', 'purchase_forgotten', 30), pg_temp.forgot(:'id', 'purchase_forgotten', 20) \gset
select is(pg_temp.forgotten(:'id'), '3, -30', 'the first purchase counts');
select is(pg_temp.forgotten(:'other'), '3', 'for its order alone');
select pg_temp.nothing_forgotten() as ignored \gset
select is(pg_temp.forgotten(:'id'), '0', 'what is gone is not forgotten');
select pg_temp.forgot(:'bought', 'purchase_forgotten', 10, format('{"attempt_id": "%s"}', :'attempt')) as ignored \gset
select is(pg_temp.forgotten(:'bought'), '0', 'nor is what was remembered since');
select pg_temp.forgot(:'id', 'purchase_not_recorded', 10) as ignored \gset
select is(pg_temp.forgotten(:'id'), '0', 'nor is a purchase that is only not recorded');
select pg_temp.forgot(null, 'refund_without_payment', 10, '{"named_move": "x"}'), pg_temp.forgot(null, 'purchase_without_order', 10, '{"attempt_id": null}'), pg_temp.forgot(null, 'refund_without_move', 10, '{"named_move": null}') \gset
select is(pg_temp.forgotten(:'id'), '0', 'nor is what nobody signed as ours');
select pg_temp.forgot(null, 'purchase_without_order', 10), pg_temp.forgot(null, 'refund_without_move', 10, '{"named_move": "x"}') \gset
select is(pg_temp.forgotten(:'id'), '2', 'a purchase of no order and a refund of no movement are, when they name ours');
select pg_temp.nothing_forgotten() as ignored \gset

-- Orders whose forgotten purchase may be bought again under its key wait for a person.
create function pg_temp.handed(id uuid, seconds integer) returns text
language plpgsql as $$
declare
  many text;
begin
  perform pg_temp.nothing_forgotten();
  perform pg_temp.forgot(id, 'purchase_forgotten', seconds);
  many := pg_temp.got('select hold_forgotten(''pgtap'', ''options'', clock_now())');
  return many || pg_temp.got('select concat_ws('' '', '', '' || status, hold_reason) from orders where id = {id}', id);
end $$;
select pg_temp.clock(0) as ignored \gset
select is(pg_temp.handed(:'id', 71999), '0, pending', 'a purchase that was forgotten within twenty hours is repeated under its key');
select is(pg_temp.handed(:'id', 72000), '1, pending restored', 'an older one waits for a person');
select is(pg_temp.got('select concat_ws('' '', kind, actor, actor_source, data ->> ''note'', data -> ''hold_before'') from order_events where order_id = {id} order by seq desc limit 1', :'id'),
  'order_held pgtap options a purchase was forgotten when the database was restored null', 'with its event');
select is(pg_temp.handed(:'id', 72000), '0, pending restored', 'once');
select is(pg_temp.handed(o, 72000), '1, ' || case s when 'unknown' then 'submitting' else s end || ' restored', s || ' waits for a person') from (select s, pg_temp.in_status(s) as o from unnest('{unknown, submitted_to_zinc, processing, needs_review}'::text[]) as s) as t;
select is(pg_temp.handed(o, 72000), '0, ' || s, s || ' is over') from (select s, pg_temp.in_status(s) as o from unnest('{completed, cancelled, failed}'::text[]) as s) as t;
select pg_temp.paid() as held_before \gset
select pg_temp.said('hold_order({id}, ''disputed'')', :'held_before') as ignored \gset
select is(pg_temp.handed(:'held_before', 72000), '1, pending restored', 'another hold is replaced');
select is(pg_temp.got('select data ->> ''hold_before'' from order_events where order_id = {id} order by seq desc limit 1', :'held_before'), 'disputed', 'and kept in the history');
select pg_temp.nothing_forgotten() as ignored \gset

-- An order whose purchase may be forgotten is not ended.
select pg_temp.paid() as ending, pg_temp.in_status('needs_review') as in_review \gset
select pg_temp.held_as('unwatched') as ignored \gset
select is(pg_temp.said('cancel_order({id})', :'ending'), 'refused shop_held', 'while nobody knows what was forgotten no order is cancelled');
select pg_temp.stands('held_since = now(), held_because = ''operator''') as ignored \gset
select pg_temp.forgot(:'ending', 'purchase_forgotten', 10) as ignored \gset
select is(pg_temp.said('cancel_order({id})', :'ending'), 'refused purchase_forgotten', 'nor one whose purchase was forgotten');
select is(pg_temp.asked('service_role', 'cancel_order({id})', :'ending') ->> 'order_id', :'ending', 'and that is told of the order');
select pg_temp.forgot(:'in_review', 'purchase_forgotten', 10) as ignored \gset
select is(pg_temp.said('cancel_order({id})', :'in_review'), 'refused purchase_forgotten', 'nor one in review');
select pg_temp.nothing_forgotten() as ignored \gset
select is(pg_temp.said('cancel_order({id})', :'held_before'), 'refused purchase_forgotten', 'nor one that a person is looking at');
select is(pg_temp.said('cancel_order({id})', :'ending'), 'done cancelled', 'others are, although a person has stopped the shop');

-- A comparison is noted.
select matches(pg_temp.word(pg_temp.asked('app', call)), '^22023 ', call)
  from unnest('{"note_shop_compared(''pgtap'', null, now(), ''{}'')", "note_shop_compared(''pgtap'', now(), null, ''{}'')", "note_shop_compared(''pgtap'', now(), now(), null)"}'::text[]) as call;
create function pg_temp.noted(run integer, since integer, read text) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('note_shop_compared(''pgtap'', now() + interval ''%s seconds'', now() + interval ''%s seconds'', %L)', run, since, read)) #>> '{}' || ' ' || pg_temp.shop();
end $$;
create function pg_temp.compared(reason text, run integer, since integer, read text default '{payments, refunds, purchases}') returns text
language plpgsql as $$
begin
  perform pg_temp.held_as(reason);
  return pg_temp.noted(run, since, read);
end $$;
select is(pg_temp.compared(reason, 0, -100), 'false free', reason || ' ends when nothing was forgotten') from unnest('{unwatched, failed_over}'::text[]) as reason;
select is(pg_temp.got('select concat_ws('' '', subject, data ->> ''reason'', actor) from findings where kind = ''shop_released'' and actor = ''engine/pgtap'' and subject = ''failed_over'''),
  'failed_over compared with the partners: nothing was forgotten engine/pgtap', 'and that is kept');
select is(pg_temp.compared(reason, 7, -200), 'true ' || reason || ' held 0 compare 0 compared 7 forgotten -100', reason || ' waits for a person')
  from unnest('{another_place, went_back, forgotten, operator}'::text[]) as reason;
select is(pg_temp.compared('unwatched', -1, -100), 'true unwatched held 0 compare 0 forgotten -100', 'a comparison that began before counts for nothing');
select is(pg_temp.compared('unwatched', 0, -99), 'true unwatched held 0 compare 0 forgotten -100', 'nor does one that does not reach back far enough');
select is(pg_temp.compared('unwatched', 0, -100, read), 'true unwatched held 0 compare 0 forgotten -100', 'nor one that has read ' || read) from unnest('{"{}", "{payments,refunds}", "{payments,purchases}"}'::text[]) as read;
select is(pg_temp.compared('unwatched', 0, -100, read), 'false free', 'but one that has read ' || read) from unnest('{"{purchases}", "{refunds,purchases}"}'::text[]) as read;
select pg_temp.stands() as ignored \gset
select is(pg_temp.noted(0, -100, '{purchases}'), 'false free', 'a shop that is not held stays so');

-- Forgotten effects hold it; what a person has seen and released does not.
select pg_temp.owner_does('update findings set closed_at = now() - interval ''50 seconds'', opened_at = least(opened_at, now() - interval ''50 seconds'') where kind = ''shop_released''') as ignored \gset
create function pg_temp.found(reason text, kind text, data text, seen integer) returns text
language plpgsql as $$
begin
  if reason is null then
    perform pg_temp.stands();
  else
    perform pg_temp.held_as(reason);
  end if;
  perform pg_temp.nothing_forgotten();
  perform pg_temp.forgot(null, kind, 10, data, seen);
  return pg_temp.noted(3, -100, '{purchases}');
end $$;
select is(pg_temp.found(null, kind, data, -49), 'true forgotten held 3 compare 3 compared 3 forgotten 0', kind || ' holds the shop')
  from (values ('purchase_forgotten', '{"attempt_id": "x"}'), ('purchase_without_order', '{"attempt_id": "x"}'), ('refund_without_move', '{"named_move": "x"}')) as t (kind, data);
select is(pg_temp.got('select (data ->> ''effects'') || actor from findings where kind = ''shop_held'' and closed_at is null'), '1engine/pgtap', 'with how many there are');
select is(pg_temp.found(reason, 'purchase_forgotten', '{"attempt_id": "x"}', -49), 'true forgotten held 3 compare 3 compared 3 forgotten -100', reason || ' does not end by itself then') from unnest('{unwatched, failed_over}'::text[]) as reason;
select is(pg_temp.found(reason, 'purchase_forgotten', '{"attempt_id": "x"}', -49), 'true ' || reason || ' held 0 compare 0 compared 3 forgotten -100', reason || ' stays what it is')
  from unnest('{another_place, went_back, operator}'::text[]) as reason;
select is(pg_temp.found(null, 'purchase_forgotten', '{"attempt_id": "x"}', -50), 'false free', 'what stood when a person released the shop does not hold it again');
select is(pg_temp.found(null, 'purchase_not_recorded', '{"attempt_id": "x"}', -49), 'false free', 'nor does another difference');
select is(pg_temp.found(null, 'purchase_without_order', '{"attempt_id": null}', -49), 'false free', 'nor does a purchase that nobody signed as ours');
select pg_temp.stands() as ignored \gset
select pg_temp.nothing_forgotten() as ignored \gset
select pg_temp.forgot(null, 'purchase_forgotten', 10, seen => -50), pg_temp.forgot(null, 'purchase_not_recorded', 10, seen => -49) \gset
select is(pg_temp.noted(3, -100, '{purchases}'), 'false free', 'nor does another difference that is found after the release, beside what the person has seen');
select pg_temp.owner_does('update findings set kind = ''pgtap_released'' where kind = ''shop_released''') as ignored \gset
select is(pg_temp.found(null, 'purchase_forgotten', '{"attempt_id": "x"}', -50), 'true forgotten held 3 compare 3 compared 3 forgotten 0', 'a shop that nobody ever released is held by whatever was forgotten');
select pg_temp.owner_does('update findings set kind = ''shop_released'' where kind = ''pgtap_released''') as ignored \gset
select pg_temp.paid() as late \gset
select pg_temp.stands() as ignored \gset
select pg_temp.nothing_forgotten() as ignored \gset
select pg_temp.forgot(:'late', 'purchase_forgotten', 72000, seen => -50) as ignored \gset
select pg_temp.noted(3, -100, '{purchases}') as ignored \gset
select is(pg_temp.got('select hold_reason from orders where id = {id}', :'late'), 'restored', 'while the shop is released, an order is handed to a person when its key is too old');
select pg_temp.paid() as later \gset
select pg_temp.held_as('went_back') as ignored \gset
select pg_temp.forgot(:'later', 'purchase_forgotten', 72000, seen => -50), pg_temp.forgot(:'id', 'purchase_forgotten', 10, seen => -50) \gset
select pg_temp.noted(3, -100, '{purchases}') as ignored \gset
select is(pg_temp.got('select hold_reason is null from orders where id = {id}', :'later'), 'true', 'while it is held that waits for its release');
select pg_temp.clock(150) as ignored \gset
select is(pg_temp.asked('service_role', 'release_shop(''why'', ''{"actor": "ada"}'')'), '{"success": true, "duplicate": false, "forgotten": 3, "orders_held": 1, "held_because": "went_back"}', 'which says how many');
select is(pg_temp.got('select concat_ws('' '', hold_reason, (select actor from order_events where order_id = {id} order by seq desc limit 1)) from orders where id = {id}', :'later'), 'restored ada', 'in the name of who released it');
select is(pg_temp.asked('service_role', 'order_system_health()') -> 'shop' ->> 'forgotten', '3', 'health tells of what was forgotten');
select * from finish();
rollback;
