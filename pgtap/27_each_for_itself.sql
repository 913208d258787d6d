-- Each movement of money for itself: whatever is sent, fails, is woken or is withdrawn, no other movement and no other
-- payment changes with it, although the same engine has leased it in the same moment.
\ir begin.psql
select plan(18);

create function pg_temp.move(id uuid, kind text default 'refund') returns uuid
language plpgsql as $$
begin
  return pg_temp.got(format('select m.id from money_moves as m where m.order_id = {id} and m.kind = %L', kind), id);
end $$;
-- All that is due is leased under one token, as an engine does it; then one movement is committed.
create function pg_temp.leased() returns void
language plpgsql as $$
begin
  perform pg_temp.asked('app', '(select count(*) from lease_moves(''pgtap'', md5(''pgtap'')::uuid, 60000, 1000))');
end $$;
create function pg_temp.committed(id uuid, kind text default 'refund', renew boolean default false) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('(select string_agg(concat_ws('' '', split_part(c.key, '':'', 1), split_part(c.key, '':'', 3)), '', '') from commit_move(md5(''pgtap'')::uuid, %L, ''/v1/x'', ''a=1'', %L, 10000, 82800000) as c)',
    pg_temp.move(id, kind), renew)) #>> '{}';
end $$;
create function pg_temp.recorded(id uuid, stripe_id text, kind text default 'refund') returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('record_move(''pgtap'', md5(''pgtap'')::uuid, %L, ''done'', null, %L, ''succeeded'', 1000)', pg_temp.move(id, kind), stripe_id)) #>> '{}';
end $$;
create function pg_temp.state(id uuid, kind text default 'refund') returns text
language plpgsql as $$
begin
  return pg_temp.got(format('select concat_ws('' '', state, calls, ''due '' || extract(epoch from due_at - now())::float8) from money_moves where order_id = {id} and kind = %L', kind), id);
end $$;
-- When a payment is read next, and since when what is known of it is old; and a payment of which that is never.
create function pg_temp.read_next(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', case when next_read_at = ''infinity'' then ''never'' else extract(epoch from next_read_at - now())::float8::text end, extract(epoch from stale_since - now())::float8) from payments where order_id = {id}', id);
end $$;
create function pg_temp.never_read(id uuid, stale text default 'null') returns void
language plpgsql as $$
begin
  perform pg_temp.owner_does('update payments set next_read_at = ''infinity'', stale_since = ' || stale || ' where order_id = {id}', id);
end $$;
select pg_temp.clock(0) as ignored \gset
select pg_temp.not_held() as ignored \gset

-- Sent.
select pg_temp.in_status('cancelled') as one, pg_temp.in_status('cancelled') as other, pg_temp.reserved() as capture, pg_temp.reserved() as ended \gset
select pg_temp.leased() as ignored \gset
select is(pg_temp.committed(:'one'), 'refund 1', 'one refund is sent');
select is(pg_temp.state(:'one') || ', ' || pg_temp.state(:'other'), 'unknown 1 due 60, open 0 due 60', 'and not the other that was leased with it');
select is(pg_temp.committed(:'capture', 'capture', true), null, 'a capture has no second key before it was sent under the first');
select is(pg_temp.committed(:'capture', 'capture'), 'capture 1', 'under the first it is sent');
select is(pg_temp.said('cancel_order({id})', :'ended'), 'done cancelled', 'an order ends while its capture is leased');
select is(pg_temp.committed(:'ended', 'capture'), null, 'then that is not sent any more');
select is(pg_temp.state(:'ended', 'capture'), 'open 0 due 60', 'and is as it was');

-- Failed after it was done.
create function pg_temp.given_back(id uuid, stripe_id text, kind text default 'refund') returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('fail_refund(''pgtap'', %L, %L, ''odd'')', pg_temp.move(id, kind), stripe_id)) #>> '{}';
end $$;
select is(pg_temp.recorded(:'one', 're_one') || ', ' || pg_temp.recorded(:'capture', 'pi_capture', 'capture'), 'recorded, recorded', 'a refund and a capture are done');
select pg_temp.never_read(:'one', 'now() + interval ''100 seconds'''), pg_temp.never_read(:'other') \gset ignored_
select pg_temp.clock(9) as ignored \gset
select is(pg_temp.given_back(:'capture', 'pi_capture', 'capture') || ', ' || pg_temp.state(:'capture', 'capture'), 'stale, done 1', 'the bank gives no capture back');
select is(pg_temp.given_back(:'one', 're_one') || ', ' || pg_temp.state(:'one'), 'recorded, failed 1', 'a refund it does');
select is(pg_temp.read_next(:'one'), '9 100', 'what was told of its payment later than that is newer still');
select is(pg_temp.read_next(:'other'), 'never', 'and no other payment is read for it');

-- Woken by a message of Stripe.
create function pg_temp.woken(id uuid, due text) returns text
language plpgsql as $$
begin
  perform pg_temp.forced('money_moves', id, 'state = ''unknown'', due_at = ' || due);
  return pg_temp.asked('app', format('nudge_moves(array[%L])', pg_temp.intent(id))) #>> '{}' || ', ' || pg_temp.state(id);
end $$;
select is(pg_temp.woken(:'other', 'clock_now() + interval ''1 microsecond'''), '1, unknown 0 due 9', 'what is due later is looked at now');
select is(pg_temp.woken(:'other', 'clock_now()'), '0, unknown 0 due 9', 'what is due now need not be woken');
select is(pg_temp.woken(:'other', 'clock_now() - interval ''1 second'''), '0, unknown 0 due 8', 'and what has waited longer loses no time');

-- Withdrawn because no second person approved it.
select pg_temp.clock(0) as ignored \gset
select pg_temp.owner_does('update settings set value = ''1000'' where name = ''two_persons_above_minor''') as ignored \gset
select pg_temp.in_status('completed') as asked, pg_temp.in_status('completed') as neighbour \gset
select pg_temp.asked('service_role', 'refund_order({id}, 1001, ''why'')', :'asked') as ignored \gset
select is(pg_temp.state(:'asked'), 'awaiting_approval 0 due 86400', 'a refund waits for a second person');
select pg_temp.never_read(:'asked'), pg_temp.never_read(:'neighbour') \gset ignored_
select pg_temp.clock(86400) as ignored \gset
select pg_temp.asked('app', 'plan_captures(''pgtap'', 1000)') as ignored \gset
select is(pg_temp.state(:'asked'), 'withdrawn 0', 'for a day');
select is(pg_temp.read_next(:'asked') || ', ' || pg_temp.read_next(:'neighbour'), '86400 86400, never', 'then its payment is read again, and no other');
select * from finish();
rollback;
