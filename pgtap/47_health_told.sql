-- What the shop tells of itself: health counts exactly what a person must look at, the counts of messages tell when all
-- signatures are refused, and an order that waits with somebody who looks after it is not shown as stuck.
\ir begin.psql
select plan(112);

-- In a shop where nothing has happened each word has its place.
select is(jsonb_typeof(pg_temp.asked('service_role', 'order_system_health()') -> word), kind, word || ' has its place before anything has happened')
  from (values ('orders', 'object'), ('held', 'object'), ('moves', 'object'), ('messages', 'object'), ('paused_providers', 'array'), ('pause_codes', 'object'), ('shop', 'object'), ('stuck', 'number')) as t (word, kind);
select pg_temp.clock(0) as ignored \gset
select pg_temp.not_held() as ignored \gset
select is(pg_temp.asked('service_role', 'order_system_health()') ->> 'at', to_jsonb(now()) #>> '{}', 'it tells when it looked');

-- How many more health counts since the last question about the same.
create temporary table asked_before (what text primary key, n bigint);
create function pg_temp.counted(what text) returns bigint
language plpgsql as $$
declare
  now_n bigint := coalesce(pg_temp.asked('service_role', 'order_system_health()') #>> string_to_array(what, ' '), '0');
  before_n bigint := (select b.n from asked_before as b where b.what = counted.what);
begin
  insert into asked_before values (what, now_n) on conflict on constraint asked_before_pkey do update set n = now_n;
  return now_n - before_n;
end $$;
-- An order that came to a status, with its row or its attempt changed by force: how many more are counted of it.
create function pg_temp.counts(what text, wanted text, changes text default null, of_attempt text default null) returns bigint
language plpgsql as $$
declare
  id uuid;
begin
  perform pg_temp.counted(what);
  id := pg_temp.in_status(wanted);
  if changes is not null then
    perform pg_temp.forced('orders', id, changes);
  end if;
  if of_attempt is not null then
    perform pg_temp.forced('order_attempts', id, of_attempt);
  end if;
  return pg_temp.counted(what);
end $$;

-- Orders.
select is(pg_temp.counts('orders ' || s, s), 1::bigint, s || ' is counted among the orders')
  from unnest('{pending, submitting, submitted_to_zinc, processing, completed, cancelled, failed, needs_review}'::text[]) as s;
select is(pg_temp.counts('stuck', s, changes), n::bigint, s || ', ' || changes || ': ' || n || ' more is stuck')
  from (values ('submitting', 'updated_at = now() - interval ''2 minutes''', 0), ('submitting', 'updated_at = now() - interval ''2 minutes'' - interval ''1 microsecond''', 1),
    ('pending', 'updated_at = now() - interval ''1 hour''', 0), ('processing', 'updated_at = now() - interval ''1 hour''', 0), ('needs_review', 'updated_at = now() - interval ''1 hour''', 0)) as t (s, changes, n);
select is(pg_temp.counts('unknown', s, changes, of_attempt), n::bigint, what)
  from (values ('unknown', null, null, 1, 'a call of which nobody knows the end is counted'), ('needs_review', null, null, 1, 'also where a person looks at it'), ('submitting', null, null, 0, 'not one that is under way'),
    ('unknown', 'zinc_request_id = ''pgtap''', null, 0, 'nor one whose purchase is known'), ('unknown', null, 'settled_at = now(), settled_by = ''person''', 0, 'nor one that is settled')) as t (s, changes, of_attempt, n, what);
select is(pg_temp.counts('held operator', s, changes), n::bigint, s || ', ' || changes || ': ' || n || ' more is held')
  from (values ('pending', 'hold_reason = ''operator''', 1), ('needs_review', 'hold_reason = ''operator''', 1), ('pending', 'hold_reason = ''disputed''', 0), ('completed', 'hold_reason = ''operator''', 0)) as t (s, changes, n);
-- What has waited longest, in seconds before the year 1900.
create function pg_temp.oldest(wanted text, seconds integer, changes text default '') returns text
language plpgsql as $$
begin
  perform pg_temp.forced('orders', pg_temp.in_status(wanted), format('due_at = timestamptz ''1900-01-01 00:00:00Z'' - interval ''%s seconds''', seconds) || changes);
  return extract(epoch from timestamptz '1900-01-01 00:00:00Z' - (pg_temp.asked('service_role', 'order_system_health()') ->> 'oldest_due')::timestamptz)::integer;
end $$;
select is(pg_temp.oldest('pending', 1), '1', 'an order that may be bought is the oldest that is due');
select is(pg_temp.oldest('submitting', 2), '2', 'so is one that is being bought, if it is older');
select is(pg_temp.oldest('pending', 0), '2', 'a younger one is not');
select is(pg_temp.oldest('pending', 3, ', hold_reason = ''operator'''), '2', 'nor one that is held');
select is(pg_temp.oldest('processing', 4), '2', 'nor one that is bought');
select is(pg_temp.oldest('needs_review', 5), '2', 'nor one that a person looks at');

-- Money.
create function pg_temp.counts_moves(what text, changes text) returns bigint
language plpgsql as $$
declare
  id uuid;
begin
  perform pg_temp.counted(what);
  id := pg_temp.owed();
  perform pg_temp.forced('money_moves', id, changes);
  return pg_temp.counted(what);
end $$;
select is(pg_temp.counts_moves('moves ' || state, format('state = %L, due_at = %s, settled_at = %s', state, case when ended then 'null' else 'now()' end, case when ended then 'now()' else 'null' end)),
    case when ended then 0 else 1 end::bigint, 'a movement of money that is ' || state || case when ended then ' is over' else ' is counted' end)
  from (values ('awaiting_approval', false), ('waiting', false), ('open', false), ('unknown', false), ('accepted', false), ('done', true), ('refused', true), ('failed', true), ('withdrawn', true)) as t (state, ended);
create function pg_temp.counts_captures(wanted text, payment text) returns bigint
language plpgsql as $$
declare
  id uuid;
begin
  perform pg_temp.counted('to_capture');
  id := pg_temp.reserved('after_purchase');
  if wanted <> 'pending' then
    perform pg_temp.claimed(id);
  end if;
  if wanted not in ('pending', 'submitting') then
    perform pg_temp.said(format('complete_order_processing({id}, %L, ''submitted'', %L)', pg_temp.request(id), wanted), id);
  end if;
  perform pg_temp.forced('orders', id, format('payment_status = %L', payment));
  return pg_temp.counted('to_capture');
end $$;
select is(pg_temp.counts_captures(s, payment), n::bigint, s || ' and ' || payment || ': ' || n || ' more is to be captured')
  from (values ('pending', 'authorized', 0), ('submitting', 'authorized', 0), ('submitted_to_zinc', 'authorized', 1), ('processing', 'authorized', 1), ('completed', 'authorized', 1), ('completed', 'paid', 0)) as t (s, payment, n);

-- What a person was told, what disagrees, who works.
create function pg_temp.counts_rows(what text, statement text) returns bigint
language plpgsql as $$
begin
  perform pg_temp.counted(what);
  perform pg_temp.owner_does(statement);
  return pg_temp.counted(what);
end $$;
select is(pg_temp.counts_rows('open_alerts', 'insert into alerts (id, rule, subject, runbook, opened_at) values (gen_random_uuid(), ''pgtap'', ''x'', ''x'', now())'), 1::bigint, 'an open alert is counted');
select is(pg_temp.counts_rows('open_alerts', 'insert into alerts (id, rule, subject, runbook, opened_at, closed_at) values (gen_random_uuid(), ''pgtap'', ''y'', ''x'', now(), now())'), 0::bigint, 'a closed one is not');
select is(pg_temp.counts_rows('open_findings', 'insert into findings (id, kind, subject, data, actor, opened_at) values (gen_random_uuid(), ''pgtap'', ''x'', ''{}'', ''x'', now())'), 1::bigint, 'an open finding is counted');
select is(pg_temp.counts_rows('open_findings', 'insert into findings (id, kind, subject, data, actor, opened_at, closed_at) values (gen_random_uuid(), ''pgtap'', ''y'', ''{}'', ''x'', now(), now())'), 0::bigint, 'a closed one is not');
select pg_temp.paid() as differs \gset
select is(pg_temp.counts_rows('differences', format('insert into differences (id, kind, subject, order_id, about_at, data, first_at, last_at) values (gen_random_uuid(), ''pgtap'', ''x'', %L, now(), ''{}'', now(), now())', :'differs')), 1::bigint, 'a difference is counted');
select is(pg_temp.counts_rows('differences', format('update differences set gone_at = now() where order_id = %L', :'differs')), -1::bigint, 'until it is gone');
select is(pg_temp.counts_rows('workers_alive', format('insert into workers (worker, release, started_at, seen_at, stopped_at) values (%L, ''1'', now(), now() - %s, %s)', 'pgtap ' || what, seen, stopped)), n::bigint, 'a worker that ' || what || case when n = 1 then ' is alive' else ' is not' end)
  from (values ('was seen a minute ago', 'interval ''1 minute''', 'null', 0), ('was seen since', 'interval ''1 minute'' + interval ''1 microsecond''', 'null', 1), ('has stopped', 'interval ''0''', 'now()', 0)) as t (what, seen, stopped, n);
select pg_temp.owner_does('insert into provider_accounts (provider, paused_until, paused_code) values (''pgtap_now'', now(), ''odd''), (''pgtap_later'', now() + interval ''1 microsecond'', ''odder''), (''pgtap_never'', null, null)') as ignored \gset
create function pg_temp.paused() returns text
language plpgsql as $$
declare
  told jsonb := pg_temp.asked('service_role', 'order_system_health()');
begin
  return concat_ws(', ', (select string_agg(p, ' ' order by p) from jsonb_array_elements_text(told -> 'paused_providers') as p where p like 'pgtap%'),
    (select string_agg(key || ' ' || value, ' ' order by key) from jsonb_each_text(told -> 'pause_codes') where key like 'pgtap%'));
end $$;
select is(pg_temp.paused(), 'pgtap_later, pgtap_later odder', 'an account is paused until its time has come, and why');

-- Counts of messages.
create function pg_temp.adds(names text[], counts bigint[]) returns void
language plpgsql as $$
begin
  perform pg_temp.asked('app', format('(select count(*) from add_tallies(%L, %L))', names, counts));
end $$;
create function pg_temp.tally(name text) returns text
language plpgsql as $$
begin
  return pg_temp.got(format('select count || '' '' || extract(epoch from at - now())::float8 from tallies where name = %L', name));
end $$;
create function pg_temp.messages() returns text
language plpgsql as $$
begin
  return (select string_agg(key || ' ' || value, ', ' order by key) from jsonb_each_text(pg_temp.asked('service_role', 'order_system_health()') -> 'messages') where key like '%pgtap%');
end $$;
select pg_temp.adds('{pgtap, stripe_webhook_pgtap, pgtap, stripe_webhooks_pgtap, stripes_webhook_pgtap}', '{2, 3, 5, 1, 1}') as ignored \gset
select is(pg_temp.tally('pgtap') || ', ' || pg_temp.tally('stripe_webhook_pgtap'), '7 0, 3 0', 'what comes together is counted together');
select pg_temp.clock(10) as ignored \gset
select pg_temp.adds('{pgtap}', '{4}') as ignored \gset
select is(pg_temp.tally('pgtap') || ', ' || pg_temp.tally('stripe_webhook_pgtap'), '11 10, 3 0', 'what comes later is added, and to its own count');
select is(pg_temp.messages(), 'stripe_webhook_pgtap 3', 'health tells the counts of messages');

-- Signatures that are refused: alerts of it, with when each was opened and closed.
create function pg_temp.warnings() returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got('select string_agg(extract(epoch from opened_at - now())::float8 || coalesce('' to '' || extract(epoch from closed_at - now())::float8, ''''), '', '' order by opened_at) from alerts where rule = ''webhook_signatures_refused'''), 'nothing');
end $$;
create function pg_temp.warned(changes text default null) returns void
language plpgsql as $$
begin
  perform pg_temp.owner_does('delete from alerts where rule = ''webhook_signatures_refused''');
  if changes is not null then
    perform pg_temp.owner_does('insert into alerts (id, rule, subject, runbook, opened_at, closed_at) select gen_random_uuid(), ''webhook_signatures_refused'', '''', ''x'', ' || changes);
  end if;
end $$;
create function pg_temp.warns(names text[], counts bigint[], changes text default null) returns text
language plpgsql as $$
begin
  perform pg_temp.warned(changes);
  perform pg_temp.adds(names, counts);
  return pg_temp.warnings();
end $$;
create function pg_temp.of_others() returns text
language plpgsql as $$
begin
  return pg_temp.got('select string_agg(coalesce(extract(epoch from closed_at - now())::float8::text, ''open''), '' '' order by subject) from alerts where rule = ''pgtap''');
end $$;
select pg_temp.of_others() as others \gset
select is(pg_temp.warns(array['stripe_webhook_forged_' || why], '{1}'), '10', 'a person is told of a signature that is refused: ' || why)
  from unnest('{wrong_signature, too_old, too_new}'::text[]) as why;
select is(pg_temp.warns('{stripe_webhook_forged_too_old}', '{0}'), 'nothing', 'not where none came');
select is(pg_temp.warns('{stripe_webhook_pgtap}', '{1}'), 'nothing', 'nor of anything else');
select is(pg_temp.warns('{stripe_webhook_forged_too_old, stripe_webhook_stored}', '{1, 1}'), 'nothing', 'nor where another fitted meanwhile');
select is(pg_temp.warns('{stripe_webhook_forged_too_old, stripe_webhook_stored}', '{1, 0}'), '10', 'one at least');
select is(pg_temp.warns('{stripe_webhook_forged_too_old}', '{1}', 'now() - interval ''1 day'', null'), '-86400', 'what a person was told he is not told again');
select is(pg_temp.warns('{stripe_webhook_forged_too_old}', '{1}', 'clock_now() - interval ''1 hour'' + interval ''1 second'', now()'), '-3589 to 0', 'nor within an hour, when it was over meanwhile');
select is(pg_temp.warns('{stripe_webhook_forged_too_old}', '{1}', 'clock_now() - interval ''1 hour'', now()'), '-3590 to 0, 10', 'after an hour he is');
select is(pg_temp.warns(array['stripe_webhook_' || what], '{1}', 'now(), null'), '0 to 10', 'it is over when a signature fits: ' || what)
  from unnest('{stored, duplicate, repeated, ignored, wrong_mode, wrong_account, unreadable, storing_failed}'::text[]) as what;
select is(pg_temp.warns('{stripe_webhook_stored}', '{0}', 'now(), null'), '0', 'not where none came');
select is(pg_temp.warns('{stripe_webhook_stored}', '{1}', 'now() - interval ''9 seconds'', now() - interval ''8 seconds'''), '-9 to -8', 'what was over is over since then');
select is(pg_temp.of_others(), :'others', 'nobody is told that anything else is over');
select pg_temp.clock(0) as ignored \gset

-- Waiting submissions that an engine has in its schedule are touched, so that nobody takes them for stuck.
create function pg_temp.touched(batch integer default 1000000) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('touch_waiting_orders(%s)', batch)) #>> '{}';
end $$;
-- An order was touched so long ago, in seconds, and what else is changed of it.
create function pg_temp.aged(id uuid, seconds numeric default 100, changes text default null, of_attempt text default null) returns uuid
language plpgsql as $$
begin
  perform pg_temp.forced('orders', id, format('updated_at = now() - interval ''%s seconds''', seconds) || coalesce(', ' || changes, ''));
  if of_attempt is not null then
    perform pg_temp.forced('order_attempts', id, of_attempt);
  end if;
  return id;
end $$;
create function pg_temp.age(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select extract(epoch from updated_at - now())::float8 from orders where id = {id}', id);
end $$;
create function pg_temp.kept_fresh(id uuid) returns text
language plpgsql as $$
begin
  perform pg_temp.touched();
  return case pg_temp.age(id) when '0' then 'fresh' else 'left alone' end;
end $$;
create function pg_temp.account(provider text, paused_until text) returns void
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('insert into provider_accounts (provider, paused_until) values (%L, %s) on conflict (provider) do update set paused_until = excluded.paused_until', provider, paused_until));
end $$;
select pg_temp.account('pgtap', 'now() - interval ''90 seconds'''), pg_temp.account('pgtap_other', 'now() + interval ''1 hour''') \gset ignored_
select is(pg_temp.kept_fresh(pg_temp.aged(pg_temp.in_status('unknown'), seconds, changes, of_attempt)), word, what)
  from (values (45, null, null, 'left alone', 'what was touched 45 seconds ago is fresh enough'), (45.000001, null, null, 'fresh', 'what waits longer is touched'),
    (100, 'due_at = now() - interval ''90 seconds''', null, 'left alone', 'what is overdue by 90 seconds has no engine'), (100, 'due_at = now() - interval ''90 seconds'' + interval ''1 microsecond''', null, 'fresh', 'less is a queue'),
    (100, 'due_at = now() - interval ''1 hour'', hold_reason = ''operator''', null, 'fresh', 'what is held waits, however long'),
    (100, null, 'lease_token = gen_random_uuid(), lease_expires_at = now() - interval ''1 hour''', 'left alone', 'what is leased is touched by its holder')) as t (seconds, changes, of_attempt, word, what);
select is(pg_temp.kept_fresh(pg_temp.aged(pg_temp.in_status(s))), 'left alone', s || ' waits for no submission')
  from unnest('{pending, submitting, submitted_to_zinc, processing, completed, cancelled, failed, needs_review}'::text[]) as s;

-- An account that is paused, or has just been.
create function pg_temp.overdue(of_attempt text default null) returns uuid
language sql
return pg_temp.aged(pg_temp.in_status('unknown'), 100, 'due_at = now() - interval ''1 hour''', of_attempt);
select is(pg_temp.kept_fresh(pg_temp.overdue()), 'left alone', 'what is overdue is left alone when the pause of its account is long over, whatever another account does');
select is(pg_temp.kept_fresh(pg_temp.overdue('provider = ''pgtap_other''')), 'fresh', 'while its account is paused it waits for that');
select pg_temp.account('pgtap', 'now() - interval ''90 seconds'' + interval ''1 microsecond'''), pg_temp.account('pgtap_other', 'null') \gset ignored_
select is(pg_temp.kept_fresh(pg_temp.overdue()), 'fresh', 'and for 90 seconds more, until the queue is worked off');
select is(pg_temp.kept_fresh(pg_temp.overdue('provider = ''pgtap_other''')), 'left alone', 'an account without a pause excuses nothing');
create function pg_temp.bought_anew(changes text) returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.in_status('submitting');
begin
  perform pg_temp.setback(id, 'purchase_refused', 'refused', 'key_used_up', 'pending');
  perform pg_temp.claimed(id);
  perform pg_temp.setback(id, 'answer_lost', 'unknown', null, 'submitting');
  return pg_temp.aged(id, 100, 'due_at = now() - interval ''1 hour''', 'provider = ' || changes);
end $$;
select is(pg_temp.kept_fresh(pg_temp.bought_anew('case generation when 1 then ''pgtap'' else ''pgtap_other'' end')), 'left alone', 'nor does the account of an attempt that is settled');
select is(pg_temp.kept_fresh(pg_temp.bought_anew('case generation when 2 then ''pgtap'' else ''pgtap_other'' end')), 'fresh', 'it is the one that is open which counts');
select pg_temp.account('pgtap', 'null') as ignored \gset

-- A shop that is held.
select pg_temp.overdue() as overdue \gset
select is(pg_temp.kept_fresh(:'overdue'), 'left alone', 'what is overdue in a shop that buys is left alone');
select pg_temp.owner_does('update shop set held_since = now(), held_because = ''operator''') as ignored \gset
select is(pg_temp.kept_fresh(:'overdue'), 'fresh', 'in one that is held it waits');
select pg_temp.not_held() as ignored \gset

-- The oldest first, and not too many at once.
select pg_temp.touched() as ignored \gset
select pg_temp.aged(pg_temp.in_status('unknown'), 300000000) as second, pg_temp.aged(pg_temp.in_status('unknown'), 300000001) as first, pg_temp.aged(pg_temp.in_status('unknown'), 299999999) as third \gset
create function pg_temp.ages(ids uuid[]) returns text
language sql
return (select string_agg(case pg_temp.age(id) when '0' then 'fresh' else 'old' end, ' ' order by n) from unnest(ids) with ordinality as t (id, n));
select is(pg_temp.touched(0) || ', ' || pg_temp.ages(array[:'first', :'second', :'third']::uuid[]), '0, old old old', 'so many as were asked for');
select is(pg_temp.touched(2) || ', ' || pg_temp.ages(array[:'first', :'second', :'third']::uuid[]), '2, fresh fresh old', 'those that have waited longest');
select is(pg_temp.touched() || ', ' || pg_temp.ages(array[:'first', :'second', :'third']::uuid[]), '1, fresh fresh fresh', 'then the others');
select is(pg_temp.touched(), '0', 'what is fresh is not touched again');
select * from finish();
rollback;
