-- A comparison from its beginning to its end: who may begin one, what the provider's list says, how a difference is
-- told once, stands and is gone, what a person is told of it, and what he is told of an order.
\ir begin.psql
select plan(148);

-- A comparison that began so many seconds after this transaction; and one that began at a whole second, because lists know no others.
create function pg_temp.run_at(seconds numeric default 0) returns timestamptz
language sql
return now() + seconds * interval '1 second';
create function pg_temp.whole(seconds numeric default 0) returns timestamptz
language sql
return date_trunc('second', now()) + seconds * interval '1 second';
-- {calm} is the time from which on something may be on its way: a quarter of an hour before that comparison; {run}, when it began.
create function pg_temp.with(part text, id uuid, changes text) returns uuid
language plpgsql as $$
begin
  if part is not null then
    perform pg_temp.forced(part, id, replace(replace(changes, '{calm}', quote_literal(pg_temp.whole(-900)) || '::timestamptz'), '{run}', quote_literal(pg_temp.whole()) || '::timestamptz'));
  end if;
  return id;
end $$;
select pg_temp.not_held() as ignored \gset

-- Who begins: how often, and where the shop waits for it. Times in seconds of that clock.
create function pg_temp.cursors() returns text
language plpgsql as $$
begin
  return pg_temp.got('select string_agg(concat_ws('' '', name, extract(epoch from at - now())::float8), '', '' order by name) from cursors where name in (''reconciled'', ''pgtap'')');
end $$;
create function pg_temp.begins(every_s text) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got(format('select extract(epoch from t - now())::float8 from begin_reconciliation(%s) as t', every_s)), 'not') || ', ' || pg_temp.cursors();
end $$;
-- The last one began so long ago; the shop waits for one since then, and was compared meanwhile or not. All of that is undone again.
create function pg_temp.begins_after(former text, every_s text, waits text, compared text) returns text
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('update cursors set at = now() - %s * interval ''1 second'' where name = ''reconciled''', former));
  perform pg_temp.owner_does(format('update shop set held_since = now(), held_because = ''operator'', compare_since = now() - %s * interval ''1 second'', compared_at = %s', coalesce(waits, 'null'), coalesce(compared, 'null')));
  raise exception using errcode = 'ZZ000', message = pg_temp.begins(every_s);
exception when sqlstate 'ZZ000' then
  return sqlerrm;
end $$;
select pg_temp.clock(0) as ignored \gset
select pg_temp.owner_does('delete from cursors where name = ''reconciled''; insert into cursors (name, at) values (''pgtap'', now() - interval ''1 hour'')') as ignored \gset
select is(pg_temp.begins('3600'), '0, pgtap -3600, reconciled 0', 'the first comparison begins');
select is(pg_temp.begins('3600'), 'not, pgtap -3600, reconciled 0', 'and no other beside it');
select is(pg_temp.begins('null'), '0, pgtap -3600, reconciled 0', 'but one that a person asks for');
select is(pg_temp.begins_after(former, every_s, waits, compared), began, format('the last began %s seconds ago, every %s, awaited for %s, compared %s: %s', former, every_s, waits, compared, began))
  from (values ('3600', '3600', null, null, '0, pgtap -3600, reconciled 0'), ('3599.999999', '3600', null, null, 'not, pgtap -3600, reconciled -3599.999999'), ('-0.000001', '3600', null, null, '0, pgtap -3600, reconciled 0'),
    ('1', 'null', null, null, '0, pgtap -3600, reconciled 0'), ('5', '3600', '4.999999', null, '0, pgtap -3600, reconciled 0'), ('5', '3600', '5', null, 'not, pgtap -3600, reconciled -5'),
    ('10', '3600', '20', null, '0, pgtap -3600, reconciled 0'), ('9.999999', '3600', '20', null, 'not, pgtap -3600, reconciled -9.999999'), ('300', '3600', '400', 'now()', '0, pgtap -3600, reconciled 0'),
    ('299.999999', '3600', '400', 'now()', 'not, pgtap -3600, reconciled -299.999999'), ('300', '3600', null, null, 'not, pgtap -3600, reconciled -300')) as t (former, every_s, waits, compared, began);
-- Each look at this clock finds it a second later.
select pg_temp.owner_makes($$create or replace function clock_now() returns timestamptz language sql volatile
  return transaction_timestamp() + set_config('pgtap.ticks', (coalesce(nullif(current_setting('pgtap.ticks', true), ''), '0')::integer + 1)::text, true)::integer * interval '1 second'$$) as ignored \gset
select is(pg_temp.begins('null'), '2, pgtap -3600, reconciled 2', 'it begins when nobody else can begin any more, and not before');
select pg_temp.clock(-7200) as ignored \gset

-- The provider's list has a purchase, by default one that an order has not: what is found of it, of which order, since when, or was found before.
create function pg_temp.has(id uuid, other jsonb default '{}', part text default null, changes text default null) returns text
language plpgsql as $$
declare
  fact jsonb := jsonb_build_object('request_id', 'another', 'order_id', id, 'attempt_id', pg_temp.got('select attempt_id from order_attempts where order_id = {id}', id), 'outcome', 'bought', 'placed', null) || other;
begin
  perform pg_temp.with(part, id, changes);
  fact := fact || jsonb_build_object('placed_s', extract(epoch from pg_temp.whole((fact ->> 'placed')::numeric))::bigint);
  raise exception using errcode = 'ZZ000', message = coalesce(
    pg_temp.asked('app', format('(select count(*) from reconcile_purchases(%L, %L, %L))', pg_temp.whole(), pg_temp.whole(-86400), jsonb_build_array(fact))) ->> 'message',
    pg_temp.got(format('select string_agg(concat_ws('' '', d.kind, case when d.order_id = {id} then ''of it'' when d.order_id is not null then ''of another'' end, floor(extract(epoch from d.about_at - %1$L)), case when d.last_at < %1$L then ''before'' end), '', '' order by d.kind)
      from differences as d where d.subject = %2$L', pg_temp.whole(), fact ->> 'request_id'), id), 'none');
exception when sqlstate 'ZZ000' then
  return sqlerrm;
end $$;
-- The purchase that an order has, or had; the notes with it may be lost.
create function pg_temp.has_own(id uuid, other jsonb default '{}', part text default null, changes text default null) returns text
language sql
return pg_temp.has(id, jsonb_build_object('request_id', pg_temp.request(id)) || other, part, changes);
select gen_random_uuid() as nobody, pg_temp.paid() as paid, pg_temp.in_status('unknown') as unknown, pg_temp.in_status('submitting') as submitting, pg_temp.in_status('watched') as watched, pg_temp.in_status('completed') as done,
       pg_temp.in_status('completed') as delivered \gset
select pg_temp.with('order_attempts', :'delivered', format('outcome = ''accepted'', request_id = %L, settled_at = now(), settled_by = ''delivered'', lease_token = null, lease_expires_at = null', pg_temp.request(:'delivered'))) as ignored \gset

-- Purchases that no order asked for.
select is(pg_temp.has(:'nobody', other::jsonb), told, other || ': ' || told)
  from (values ('{}', 'purchase_without_order -86400'), ('{"order_id": null}', 'purchase_without_order -86400'), ('{"placed": -3600}', 'purchase_without_order -3600'), ('{"placed": -900}', 'purchase_without_order -900'), ('{"placed": -899}', 'none'),
    ('{"placed": -1, "attempt_id": "00000000-0000-0000-0000-000000000000"}', 'purchase_without_order -1'), ('{"outcome": "working"}', 'none'), ('{"outcome": "failed"}', 'none'), ('{"outcome": null}', 'none'),
    ('{"outcome": "working", "attempt_id": "00000000-0000-0000-0000-000000000000"}', 'none')) as t (other, told);
select is(pg_temp.has_own(:'done', '{"order_id": null, "attempt_id": null}'), 'none', 'what an order has is its own, although the notes are lost');
select is(pg_temp.has_own(:'delivered', '{"order_id": null, "attempt_id": null}', 'orders', 'zinc_request_id = null'), 'none', 'so is what one of its attempts has');

-- Purchases whose intent this database does not know.
select is(pg_temp.has(:'paid', '{"attempt_id": "00000000-0000-0000-0000-000000000000"}'::jsonb || other::jsonb), told, 'of an unknown intent, ' || other || ': ' || told)
  from (values ('{}', 'purchase_forgotten of it -86400'), ('{"placed": -1}', 'purchase_forgotten of it -1'), ('{"outcome": "working"}', 'purchase_forgotten of it -86400'), ('{"outcome": null}', 'purchase_forgotten of it -86400'),
    ('{"outcome": "failed"}', 'none')) as t (other, told);

-- Purchases that their order does not know of.
select is(pg_temp.has(:'unknown', other::jsonb), told, 'of an order whose answer was lost, ' || other || ': ' || told)
  from (values ('{}', 'purchase_not_recorded of it -7200'), ('{"placed": -1}', 'purchase_not_recorded of it -7200'), ('{"order_id": null}', 'purchase_not_recorded of it -7200'), ('{"attempt_id": null}', 'purchase_not_recorded of it -7200'),
    ('{"attempt_id": null, "placed": -1}', 'purchase_not_recorded of it -1'), ('{"outcome": "working"}', 'none'), ('{"outcome": "failed"}', 'none'), ('{"outcome": null}', 'none')) as t (other, told);
select is(pg_temp.has(:'unknown', jsonb_build_object('order_id', :'done')), 'purchase_not_recorded of it -7200', 'whose it is says the intent, and not the note beside it');
select is(pg_temp.has(:'unknown', jsonb_build_object('request_id', pg_temp.request(:'done'))), 'purchase_not_recorded of it -7200', 'what another order has is not recorded at this one');
select is(pg_temp.has(:'done'), 'purchase_not_recorded of it -7200', 'an order that has one purchase does not know of a second');
select is(pg_temp.has_own(:'done'), 'none', 'it knows its own');
select pg_temp.in_status('completed') as late \gset
select pg_temp.owner_does(format('insert into differences (id, kind, subject, order_id, about_at, data, first_at, last_at)
  values (gen_random_uuid(), ''purchase_not_recorded'', %1$L, {id}, %2$L, ''{}'', %3$L, %3$L)', pg_temp.request(:'late'), pg_temp.whole(-5000), pg_temp.whole(-1)), :'late') as ignored \gset
select is(pg_temp.has_own(:'late', '{"order_id": null, "attempt_id": null}'), 'purchase_not_recorded of it -5000 before', 'what it knows by now is not seen again, although the notes are lost');
select is(pg_temp.has(id::uuid, '{}', part, changes), told, changes || ': ' || told)
  from (values (:'unknown', 'order_attempts', 'first_sent_at = {calm}', 'purchase_not_recorded of it -900'), (:'unknown', 'order_attempts', 'first_sent_at = {calm} + interval ''1 microsecond''', 'none'),
    (:'unknown', 'order_attempts', 'call_deadline_at = {calm}', 'purchase_not_recorded of it -7200'), (:'unknown', 'order_attempts', 'call_deadline_at = {calm} + interval ''1 microsecond''', 'none'),
    (:'submitting', 'order_attempts', 'lease_expires_at = {calm}', 'purchase_not_recorded of it -7200'), (:'submitting', 'order_attempts', 'lease_expires_at = {calm} + interval ''1 microsecond''', 'none'),
    (:'watched', 'order_attempts', 'lease_expires_at = {run}', 'purchase_not_recorded of it -7200'), (:'paid', 'orders', 'created_at = {calm}', 'purchase_not_recorded of it -900'),
    (:'paid', 'orders', 'created_at = {calm} + interval ''1 microsecond''', 'none')) as t (id, part, changes, told);

-- Delivered orders whose purchase failed.
select is(pg_temp.has_own(:'delivered', '{"outcome": "failed"}'::jsonb || other::jsonb, part, changes), told, changes || ', ' || other || ': ' || told)
  from (values ('orders', 'cost_minor = 1', '{}', 'purchase_failed of it -7200'), ('orders', 'cost_minor = 1', '{"outcome": "bought"}', 'none'), ('orders', 'cost_minor = 1', '{"outcome": null}', 'none'), ('order_attempts', 'settled_by = ''person''', '{}', 'none'),
    ('orders', 'status = ''processing'', status_before = ''submitted_to_zinc'', due_at = now()', '{}', 'none'), ('order_attempts', 'first_sent_at = {calm}', '{}', 'purchase_failed of it -900'),
    ('order_attempts', 'first_sent_at = {calm} + interval ''1 microsecond''', '{}', 'none'), ('orders', 'created_at = {calm}', '{"order_id": null, "attempt_id": null}', 'purchase_failed of it -900'),
    ('orders', 'created_at = {calm} + interval ''1 microsecond''', '{"order_id": null, "attempt_id": null}', 'none')) as t (part, changes, other, told);
select pg_temp.with('orders', :'delivered', 'zinc_request_id = null') as a, pg_temp.with('orders', :'done', format('zinc_request_id = %L', pg_temp.request(:'delivered'))) as b \gset ignored_
select is(pg_temp.has_own(:'delivered'), 'none', 'what an attempt has is its order''s, whatever another order says');

-- How differences are kept: what comparisons tell of one thing, each begun so many seconds later; and what is known of it then.
create function pg_temp.tells(seconds numeric, subject text, other jsonb default '{}') returns void
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('select tell_differences(%L, %L)', jsonb_build_array(jsonb_build_object('kind', 'pgtap', 'subject', subject, 'about_at', pg_temp.run_at(-200), 'ripe', true, 'data', 1) || other), pg_temp.run_at(seconds)));
end $$;
create function pg_temp.known(subject text) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got(format('select string_agg(concat_ws('' '', d.kind, ''first '' || extract(epoch from d.first_at - %1$L)::float8, ''last '' || extract(epoch from d.last_at - %1$L)::float8, ''gone '' || extract(epoch from d.gone_at - %1$L)::float8, d.data), '', ''
    order by d.kind, d.first_at, d.gone_at) from differences as d where d.subject = %2$L', pg_temp.run_at(), subject)), 'none');
end $$;
create function pg_temp.after(seconds numeric, subject text, other jsonb default '{}') returns text
language plpgsql as $$
begin
  perform pg_temp.tells(seconds, subject, other);
  return pg_temp.known(subject);
end $$;
create function pg_temp.alerts(subject text) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got(format('select string_agg(concat_ws('' '', a.rule, ''opened '' || extract(epoch from a.opened_at - %1$L)::float8, ''closed '' || extract(epoch from a.closed_at - %1$L)::float8), '', '' order by a.rule, a.opened_at)
    from alerts as a where a.subject = %2$L', pg_temp.run_at(), subject)), 'none');
end $$;
-- A later comparison saw it go.
create function pg_temp.goes(seconds numeric, subject text) returns void
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('update differences set gone_at = %L where subject = %L and gone_at is null', pg_temp.run_at(seconds), subject));
end $$;
select pg_temp.tells(0, 'neighbour'), pg_temp.tells(0, 'one', '{"kind": "pgtap_other"}') \gset ignored_
select is(pg_temp.after(0, 'one'), 'pgtap first 0 last 0 1, pgtap_other first 0 last 0 1', 'a difference is written with the time at which it was seen');
select is(pg_temp.alerts('pgtap:one'), 'difference opened 0', 'and shown to a person');
select is(pg_temp.after(5, 'one', '{"data": 2}'), 'pgtap first 0 last 5 2, pgtap_other first 0 last 0 1', 'the next comparison sees that it stands, and how');
select is(pg_temp.after(3, 'one', '{"data": 3}'), 'pgtap first 0 last 5 2, pgtap_other first 0 last 0 1', 'an earlier one that is still running knows less');
select is(pg_temp.after(5, 'one', '{"data": 4}'), 'pgtap first 0 last 5 4, pgtap_other first 0 last 0 1', 'the same one may see it twice');
select is(pg_temp.after(6, 'one', '{"data": null}'), 'pgtap first 0 last 6 4, pgtap_other first 0 last 0 1', 'one that has nothing to say of it leaves what was said');
select is(pg_temp.after(7, 'one', '{"ripe": false, "data": 5}'), 'pgtap first 0 last 7 5, pgtap_other first 0 last 0 1', 'one that finds it on its way keeps it open');
select is(pg_temp.known('neighbour') || ', ' || pg_temp.alerts('pgtap:one'), 'pgtap first 0 last 0 1, difference opened 0', 'nothing else changes by it, and nobody is told twice');
select is(pg_temp.after(0, 'ripens', jsonb_build_object('ripe', ripe)), 'none', 'what may be on its way is not written: ' || coalesce(ripe::text, 'null')) from unnest('{false, null}'::boolean[]) as ripe;
select is(pg_temp.after(0, 'says nothing', '{"data": null}'), 'pgtap first 0 last 0 {}', 'a difference may have nothing to say');
select is(pg_temp.after(0, 'undated', '{"undated": true}'), 'pgtap first 0 last 0 gone 0 1', 'what no list dates is seen');
select is(pg_temp.alerts('pgtap:undated'), 'none', 'and shown to nobody');
select is(pg_temp.after(899.999999, 'undated', '{"undated": true}'), 'pgtap first 0 last 0 gone 0 1', 'before a quarter of an hour it is no news');
select is(pg_temp.after(900, 'undated', '{"undated": true}'), 'pgtap first 0 last 0 gone 0 1, pgtap first 900 last 900 1', 'then it is told');
select is(pg_temp.alerts('pgtap:undated'), 'difference opened 900', 'and shown');
select is(pg_temp.after(1800, 'undated', '{"undated": true, "data": 2}'), 'pgtap first 0 last 0 gone 0 1, pgtap first 900 last 1800 2', 'while it stands it is not seen anew, whatever changes of it');
select pg_temp.tells(0, 'changes', '{"undated": true}') as ignored \gset
select is(pg_temp.after(900, 'changes', '{"undated": true, "data": 2}'), 'pgtap first 0 last 0 gone 0 1, pgtap first 900 last 900 gone 900 2', 'only what is seen twice in the same way is told');
select pg_temp.tells(0, 'kinds', '{"undated": true, "kind": "pgtap_other"}') as ignored \gset
select is(pg_temp.after(900, 'kinds', '{"undated": true}'), 'pgtap first 900 last 900 gone 900 1, pgtap_other first 0 last 0 gone 0 1', 'and of the same kind');
select is(pg_temp.after(900, 'subjects', '{"undated": true}'), 'pgtap first 900 last 900 gone 900 1', 'and of the same thing');
select pg_temp.tells(0, 'was') as a, pg_temp.goes(100, 'was') as b \gset ignored_
select is(pg_temp.after(2000, 'was', '{"undated": true}'), 'pgtap first 0 last 0 gone 100 1, pgtap first 2000 last 2000 gone 2000 1', 'what was told and is gone must be seen twice again');
select pg_temp.tells(0, 'goes') as a, pg_temp.goes(100, 'goes') as b \gset ignored_
select is(pg_temp.after(99.999999, 'goes'), 'pgtap first 0 last 0 gone 100 1', 'what a later comparison saw go is not opened by an earlier one');
select is(pg_temp.after(100, 'goes'), 'pgtap first 0 last 0 gone 100 1, pgtap first 100 last 100 1', 'but by one that began then');
select pg_temp.tells(100, 'seen', '{"undated": true}') as ignored \gset
select is(pg_temp.after(50, 'seen'), 'pgtap first 50 last 50 1, pgtap first 100 last 100 gone 100 1', 'what a later one has only seen did not go');

-- The end of a comparison. Whatever the shop has, only what is made here is open or waits.
select pg_temp.owner_does('update differences set gone_at = greatest(last_at, now()) + interval ''100 days'' where gone_at is null') as ignored \gset
select pg_temp.owner_does('alter table money_moves disable trigger user; update money_moves set created_at = now() + interval ''100 days''; alter table money_moves enable trigger user') as ignored \gset
create function pg_temp.ends(seconds numeric, since numeric, sides text default '{payments, refunds, purchases}', missing jsonb default '[]') returns text
language plpgsql as $$
declare
  answer jsonb := pg_temp.asked('app', format('finish_reconciliation(%L, %L, %L, %L)', pg_temp.run_at(seconds), pg_temp.run_at(since), sides, missing));
begin
  return coalesce(answer ->> 'message', format('gone %s, open %s, new %s', answer ->> 'gone', answer ->> 'open', answer ->> 'new'));
end $$;
select is(pg_temp.tried('app', format('select finish_reconciliation(%s)', given)), '22023 a comparison ends with its time, its beginning, its sides and what was missing', given)
  from unnest(array['null, now(), ''{}'', ''[]''', 'now(), null, ''{}'', ''[]''', 'now(), now(), null, ''[]''', 'now(), now(), ''{}'', null']) as given;

-- What is not seen again is gone, where its list was read to its end.
create function pg_temp.gone(seconds numeric, since numeric, sides text) returns text
language plpgsql as $$
begin
  raise exception using errcode = 'ZZ000', message = pg_temp.ends(seconds, since, sides)
    || coalesce(': ' || pg_temp.got(format('select string_agg(concat_ws('' '', d.kind, nullif(d.subject, ''thing'')), '', '' order by d.kind, nullif(d.subject, ''thing'') nulls first)
      from differences as d where d.gone_at = %L and d.kind not like ''pgtap%%''', pg_temp.run_at(seconds))), '');
exception when sqlstate 'ZZ000' then
  return sqlerrm;
end $$;
select count(pg_temp.tells(-100, coalesce(subject, 'thing'), jsonb_build_object('kind', kind, 'data', coalesce(data, '{}')::jsonb))::text)
  from (values ('bought_unpaid', null, null), ('ended_with_money', null, null), ('refunded_and_bought', null, null), ('move_overdue', null, null), ('order_not_paid', null, null), ('refunded_sum_differs', null, null), ('refund_missing', null, null),
    ('purchase_missing', null, null), ('account_differs', 'stripe', null), ('account_differs', 'provider', null), ('purchase_without_order', null, null), ('purchase_without_order', 'dated', '{"placed_at": "then"}')) as t (kind, subject, data) \gset ignored_
select is(pg_temp.gone(seconds, since, sides), said, format('%s, back to %s, %s: %s', seconds, since, sides, said))
  from (values (0, -200, '{}', 'gone 4, open 8, new 0: bought_unpaid, ended_with_money, move_overdue, refunded_and_bought'),
    (0, -200, '{payments}', 'gone 7, open 5, new 0: account_differs stripe, bought_unpaid, ended_with_money, move_overdue, order_not_paid, refunded_and_bought, refunded_sum_differs'),
    (0, -200, '{refunds}', 'gone 5, open 7, new 0: bought_unpaid, ended_with_money, move_overdue, refund_missing, refunded_and_bought'),
    (0, -200, '{purchases}', 'gone 8, open 4, new 0: account_differs provider, bought_unpaid, ended_with_money, move_overdue, purchase_missing, purchase_without_order, purchase_without_order dated, refunded_and_bought'),
    (0, -199.999999, '{payments, refunds, purchases}', 'gone 7, open 5, new 0: account_differs provider, account_differs stripe, bought_unpaid, ended_with_money, move_overdue, purchase_without_order, refunded_and_bought'),
    (0, -40, '{purchases}', 'gone 6, open 6, new 0: account_differs provider, bought_unpaid, ended_with_money, move_overdue, purchase_without_order, refunded_and_bought'),
    (0, -39.999999, '{purchases}', 'gone 5, open 7, new 0: account_differs provider, bought_unpaid, ended_with_money, move_overdue, refunded_and_bought'),
    (-99.999999, -200, '{}', 'gone 4, open 8, new 0: bought_unpaid, ended_with_money, move_overdue, refunded_and_bought'),
    (-100, -200, '{payments, refunds, purchases}', 'gone 0, open 12, new 12')) as t (seconds, since, sides, said);
select pg_temp.tells(-100, 'stands'), pg_temp.tells(-100, 'once', '{"undated": true}'), pg_temp.tells(-100, repeat('x', 250)) \gset ignored_
select pg_temp.owner_does('insert into alerts (id, rule, subject, runbook, opened_at, closed_at) select gen_random_uuid(), rule, ''move_overdue:thing'', ''x'', now() - interval ''1 hour'', closed
  from (values (''pgtap'', null), (''difference'', now() - interval ''30 minutes'')) as t (rule, closed)') as ignored \gset
select is(pg_temp.ends(0, -200, '{refunds}', '[{"kind": "pgtap", "subject": "stands", "ripe": true, "about_at": "2020-01-01 00:00Z"},
  {"kind": "payment_missing", "subject": "missing", "ripe": true, "about_at": "2020-01-01 00:00Z"}]'), 'gone 5, open 10, new 1', 'a comparison ends with what is gone, what stands and what is new');
select is(pg_temp.known('stands') || ', ' || pg_temp.known('once') || ', ' || pg_temp.known('missing'), 'pgtap first -100 last 0 1, pgtap first -100 last -100 gone -100 1, payment_missing first 0 last 0 {}', 'what a partner does not know is told');
select is(pg_temp.alerts('move_overdue:thing'), 'difference opened -3600 closed -1800, difference opened -100 closed 0, pgtap opened -3600', 'what is gone is shown no more');
select is(pg_temp.alerts('order_not_paid:thing') || ', ' || pg_temp.alerts('payment_missing:missing'), 'difference opened -100, difference opened 0', 'what stands is');
select is(pg_temp.ends(60, -200, '{payments}'), 'gone 5, open 5, new 0', 'so ends the next one');
select is(pg_temp.alerts('pgtap:' || repeat('x', 194)) || ', ' || pg_temp.known('once'), 'difference opened -100 closed 60, pgtap first -100 last -100 gone -100 1', 'a long name is no other, and what was only seen has gone when it was seen');

-- Movements of money that wait for too long: an hour, or a day for a person. All were planned an hour ago.
select pg_temp.clock(-3600) as ignored \gset
-- How an order's movements stand and whether a comparison tells of them, so many seconds from now.
create function pg_temp.overdue(seconds numeric, id uuid, part text default null, changes text default null, other uuid default null) returns text
language plpgsql as $$
declare
  fault text;
begin
  perform pg_temp.with(part, coalesce(other, id), changes);
  perform pg_temp.ends(seconds, 0);
  raise exception using errcode = 'ZZ000', message = pg_temp.got('select string_agg(concat_ws('' '', m.kind, m.state, d.kind), '', '' order by m.kind) from money_moves as m left join differences as d on d.subject = m.id::text and d.order_id = m.order_id where m.order_id = {id}', id);
exception when sqlstate 'ZZ000' then
  return sqlerrm;
end $$;
create function pg_temp.move(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select id from money_moves where order_id = {id}', id);
end $$;
-- An order whose payment the bank still works on.
create function pg_temp.processing() returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.placed();
begin
  perform pg_temp.asked('service_role', format('attach_payment({id}, %L)', pg_temp.intent(id)), id);
  perform pg_temp.told(id, '{"status": "processing", "received_minor": 0}');
  return id;
end $$;
select pg_temp.owed() as owed \gset
select pg_temp.owner_does('update settings set value = ''1000'' where name = ''two_persons_above_minor''') as ignored \gset
select pg_temp.reserved() as reserved, pg_temp.processing() as cancelled, pg_temp.processing() as neighbour, pg_temp.in_status('completed') as asked, pg_temp.in_status('completed') as approved \gset
select pg_temp.said('cancel_order({id})', :'cancelled') as a, pg_temp.asked('service_role', 'refund_order({id}, 1530, ''why'')', :'asked') as b, pg_temp.asked('service_role', 'refund_order({id}, 1530, ''why'')', :'approved') as c \gset ignored_
select pg_temp.clock(-1800) as ignored \gset
select pg_temp.said('cancel_order({id})', :'reserved') as a, pg_temp.asked('service_role', format('decide_move(%L, ''approve'', 1530, null, ''{"actor": "ada"}'')', pg_temp.move(:'approved'))) as b \gset ignored_
select is(pg_temp.overdue(seconds, id::uuid, part, changes), told, concat_ws(', ', seconds || ' seconds from now', changes, told))
  from (values (0, :'owed', null, null, 'refund open'), (0.000001, :'owed', null, null, 'refund open move_overdue'), (0, :'owed', 'money_moves', 'state = ''unknown''', 'refund unknown'),
    (0.000001, :'owed', 'money_moves', 'state = ''unknown''', 'refund unknown move_overdue'), (864000, :'owed', 'money_moves', 'state = ''accepted''', 'refund accepted'), (864000, :'owed', 'money_moves', 'state = ''waiting''', 'refund waiting'),
    (0.000001, :'owed', 'payments', 'stripe_status = ''processing''', 'refund open move_overdue'), (0.000001, :'owed', 'order_events', 'data = data - ''move_id''', 'refund open move_overdue'), (82800, :'asked', null, null, 'refund awaiting_approval'),
    (82800.000001, :'asked', null, null, 'refund awaiting_approval move_overdue'), (1800, :'approved', null, null, 'refund open'), (1800.000001, :'approved', null, null, 'refund open move_overdue'),
    (864000, :'cancelled', null, null, 'cancel open'), (0.000001, :'cancelled', 'payments', 'stripe_status = ''requires_payment_method''', 'cancel open move_overdue')) as t (seconds, id, part, changes, told);
select is(pg_temp.overdue(0.000001, :'reserved'), 'cancel open, capture open move_overdue', 'whatever happened to the order meanwhile');
select is(pg_temp.overdue(0.000001, :'owed', 'order_events', format('at = now(), data = data || ''{"move_id": "%s"}''', pg_temp.move(:'owed')), :'reserved'), 'refund open move_overdue', 'or what is said of it at another order');

-- A list that could not be read to its end is told to a person, until one was.
create function pg_temp.noted(seconds numeric, whole text, failed text) returns text
language plpgsql as $$
begin
  perform pg_temp.asked('app', format('(select count(*) from note_books_compared(%L, %L, %L))', pg_temp.run_at(seconds), whole, failed));
  return coalesce(pg_temp.got(format('select string_agg(concat_ws('' '', a.subject, extract(epoch from a.opened_at - %1$L)::float8, ''closed '' || extract(epoch from a.closed_at - %1$L)::float8), '', '' order by a.subject, a.opened_at)
    from alerts as a where a.rule = ''books_not_compared'' and a.opened_at >= %1$L', pg_temp.run_at()), null), 'none');
end $$;
select pg_temp.owner_does('update alerts set closed_at = now() - interval ''1 hour'', opened_at = now() - interval ''2 hours'' where rule = ''books_not_compared''') as ignored \gset
select is(pg_temp.noted(0, '{}', '{purchases, payments, orders, refunds, payments}'), 'payments 0, purchases 0, refunds 0', 'each list is told of once');
select is(pg_temp.got('select string_agg(concat_ws('' '', subject, substring(runbook from ''check [^.]*'')), '', '' order by subject) from alerts where rule = ''books_not_compared'' and closed_at is null'),
  'payments check STRIPE_KEY and STRIPE_URL, purchases check ZINC_TOKEN and ZINC_URL, refunds check STRIPE_KEY and STRIPE_URL', 'with what to look at');
select is(pg_temp.noted(5, '{}', '{payments}'), 'payments 0, purchases 0, refunds 0', 'and not again');
select is(pg_temp.noted(0, '{payments, refunds, purchases}', '{}'), 'payments 0, purchases 0, refunds 0', 'a comparison that began at the same time does not end it');
select pg_temp.owner_does('insert into alerts (id, rule, subject, runbook, opened_at, closed_at) select gen_random_uuid(), ''pgtap_books'', ''payments'', ''x'', now(), closed from (values (null), (now() + interval ''100 seconds'')) as t (closed)') as ignored \gset
select is(pg_temp.noted(10, '{payments}', '{}'), 'payments 0 closed 10, purchases 0, refunds 0', 'a later one does, of its list');
select is(pg_temp.noted(30, '{payments, refunds}', '{}'), 'payments 0 closed 10, purchases 0, refunds 0 closed 30', 'once');
select is(pg_temp.got('select count(*) from alerts where rule = ''pgtap_books'' and closed_at is null'), '1', 'and nothing else');
select is(pg_temp.noted(9.999999, '{}', '{payments}'), 'payments 0 closed 10, purchases 0, refunds 0 closed 30', 'an earlier one that is still running does not tell it anew');
select is(pg_temp.noted(10, '{}', '{payments}'), 'payments 0 closed 10, payments 10, purchases 0, refunds 0 closed 30', 'one that began then does, whatever became of another list');

-- What a person is told of an order: once while it is open, and closed with its reason.
create function pg_temp.told_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select coalesce(string_agg(concat_ws('' '', kind, subject, data, actor, extract(epoch from opened_at - now())::float8, ''closed '' || extract(epoch from closed_at - now())::float8), '', '' order by kind, opened_at), ''none'') from findings where order_id = {id}', id)
    || ' | ' || pg_temp.got('select coalesce(string_agg(concat_ws('' '', rule, subject, runbook, extract(epoch from opened_at - now())::float8, ''closed '' || extract(epoch from closed_at - now())::float8), '', '' order by rule, opened_at), ''none'') from alerts where order_id = {id}', id);
end $$;
create function pg_temp.opens(id uuid, seconds numeric, kind text default 'pgtap') returns text
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('select open_finding({id}, %L, ''thing'', ''1'', ''ada'', %L, ''look'')', kind, pg_temp.run_at(seconds)), id);
  return pg_temp.told_of(id);
end $$;
create function pg_temp.closes(id uuid, seconds numeric, kinds text) returns text
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('select close_finding({id}, %L, %L)', kinds, pg_temp.run_at(seconds)), id);
  return pg_temp.told_of(id);
end $$;
select pg_temp.placed() as one, pg_temp.placed() as other, pg_temp.placed() as many \gset
select pg_temp.opens(:'other', 0) as ignored \gset
select is(pg_temp.opens(:'one', 0), 'pgtap thing 1 ada 0 | pgtap thing look 0', 'what disagrees is kept and shown');
select is(pg_temp.opens(:'one', 5), 'pgtap thing 1 ada 0 | pgtap thing look 0', 'once while it is open');
select is(pg_temp.closes(:'one', 10, '{pgtap_other}'), 'pgtap thing 1 ada 0 | pgtap thing look 0', 'the end of something else does not end it');
select is(pg_temp.closes(:'one', 10, '{pgtap_other, pgtap}'), 'pgtap thing 1 ada 0 closed 10 | pgtap thing look 0 closed 10', 'its own does');
select is(pg_temp.opens(:'one', 20), 'pgtap thing 1 ada 0 closed 10, pgtap thing 1 ada 20 | pgtap thing look 0 closed 10, pgtap thing look 20', 'then it is told anew');
select is(pg_temp.closes(:'one', 30, '{pgtap}'), 'pgtap thing 1 ada 0 closed 10, pgtap thing 1 ada 20 closed 30 | pgtap thing look 0 closed 10, pgtap thing look 20 closed 30', 'and what had ended has ended when it did');
select is(pg_temp.told_of(:'other'), 'pgtap thing 1 ada 0 | pgtap thing look 0', 'what is told of another order stands');
select count(pg_temp.opens(:'many', 0, kind)) from unnest('{wrong_mode, wrong_order, wrong_currency, wrong_amount, payment_canceled, payment_undone, authorisation_ending, payment_refunded, payment_disputed, payment_in_review, fraud_warning,
  payment_not_found, cancel_requested, refund_awaits_approval, order_failed, refund_owed}'::text[]) as kind \gset ignored_
select pg_temp.closes(:'many', 0, null) as ignored \gset
select is(pg_temp.got('select concat_ws('', '', (select string_agg(kind, '' '' order by kind) from findings where order_id = {id} and closed_at is null), (select string_agg(rule, '' '' order by rule) from alerts where order_id = {id} and closed_at is null))', :'many'),
  'order_failed refund_owed, order_failed refund_owed', 'the end of a hold ends all that tells of one');

-- An accepted order that does not go on as it should.
create function pg_temp.reports(id uuid, rule text, request text default 'request') returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.asked('app', format('(select count(*) from report_reading(''pgtap'', {id}, %L, %L, ''odd''))', request, rule), id) ->> 'message', pg_temp.told_of(id));
end $$;
select pg_temp.clock(0) as ignored \gset
select is(split_part(pg_temp.reports(pg_temp.placed(), rule), '.', 1), rule || ' request {"said": "odd"} engine/pgtap 0 | ' || rule || ' request ' || line, rule || ' is shown to a person')
  from (values ('reading_unreadable', 'The provider answers readings of this request with something that means nothing to us'), ('still_in_progress', 'The provider works on this request for more than a day'),
    ('not_delivered', 'Bought a month ago, and not all of it has arrived'), ('cost_above_the_cap', 'The purchase cost more than the ceiling that was sent'), ('cost_in_another_currency', 'The provider stated the cost in another currency than the order''s; it was not stored')) as t (rule, line);
select pg_temp.placed() as id \gset
select is(pg_temp.reports(:'id', rule), said, said) from (values ('odd', 'rule_param: odd is no rule of this function'), (null, 'rule_param: null is no rule of this function')) as t (rule, said);
select is(split_part(pg_temp.reports(:'id', 'not_delivered', null), ' | ', 1), 'not_delivered  {"said": "odd"} engine/pgtap 0', 'also when the request is not known');
select * from finish();
rollback;
