-- The claim: an order, its payment and its attempt must stand as the plan has seen them, the key must be alive and
-- no earlier call under way; what is committed then is what is sent.
\ir begin.psql
select plan(100);

-- An order is claimed as an engine would do it, but for what is said otherwise: generation and calls, or nothing.
create function pg_temp.claims(id uuid, other jsonb default '{}') returns text
language plpgsql as $$
declare
  said jsonb := '{"provider": "pgtap", "age": 0, "step": 1, "lease_ms": 60000, "call_ms": 30000, "key_ms": 82800000, "body": "bytes", "mark": null, "beats": 0}'::jsonb || other;
begin
  return coalesce(pg_temp.asked('app', format('(select concat_ws('' '', c.generation, c.calls) from orders as o cross join lateral commit_intents(%L, ''pgtap'', md5({id}::text)::uuid,
    %s, %s, %s, array[o.id], array[o.version - %s], array[o.generation + %s], array[coalesce(%L, md5({id}::text || o.generation)::uuid)], array[md5(''key '' || {id} || o.generation)],
    array[%L::bytea], array[sha256(''bytes'')], %L, %s) as c where o.id = {id})', said ->> 'provider', said ->> 'lease_ms', said ->> 'call_ms', said ->> 'key_ms', said ->> 'age', said ->> 'step',
    said ->> 'attempt', said ->> 'body', said ->> 'mark', said ->> 'beats'), id) #>> '{}', '');
end $$;
-- The same bytes under the same key.
create function pg_temp.repeats(id uuid, other jsonb default '{}') returns text
language sql
return pg_temp.claims(id, '{"body": null, "step": 0}'::jsonb || other);
create function pg_temp.attempt(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', generation, provider, provider_key = md5(''key '' || order_id || generation - 1), request_body = ''bytes'', request_digest = sha256(''bytes''), price_cap_minor, ''calls '' || calls, ''opened '' || extract(epoch from opened_at - now())::float8,
    ''sent '' || extract(epoch from first_sent_at - now())::float8, ''dead '' || extract(epoch from key_dead_at - now())::float8, ''deadline '' || extract(epoch from call_deadline_at - now())::float8, lease_token = md5({id}::text)::uuid, ''lease '' || extract(epoch from lease_expires_at - now())::float8, worker)
    from order_attempts where order_id = {id} order by generation desc limit 1', id);
end $$;
-- An attempt whose call ended in an unknown way, and what is changed of it.
create function pg_temp.unknown(changes text default 'code = code') returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.paid();
begin
  perform pg_temp.claims(id);
  perform pg_temp.setback(id, 'answer_lost', 'unknown', null, 'submitting');
  perform pg_temp.owner_does('update order_attempts set call_deadline_at = now() - interval ''1 hour'' where order_id = {id}', id);
  perform pg_temp.forced('order_attempts', id, changes);
  return id;
end $$;
select pg_temp.clock(0) as ignored \gset
select pg_temp.not_held() as ignored \gset

-- What is committed.
select pg_temp.paid() as id \gset
select is(pg_temp.claims(:'id'), '1 1', 'an order that is paid is claimed');
select is(pg_temp.attempt(:'id'), '1 pgtap t t t 1530 calls 1 opened 0 sent 0 dead 82800 deadline 30 t lease 60 pgtap', 'with its key, its bytes, its cap and its lease');
select is(pg_temp.got('select concat_ws('' '', kind, status_before, status_after, actor, actor_source, data - ''attempt_id'' - ''provider_key'', data ->> ''attempt_id'' = md5({id}::text || 0)::uuid::text, data ->> ''provider_key'' = md5(''key '' || {id} || 0)) from order_events where order_id = {id} order by seq desc limit 1', :'id'),
  'purchase_opened pending submitting engine/pgtap options {"set": {"generation": 1}, "provider": "pgtap", "request_digest": "' || encode(sha256('bytes'), 'hex') || '", "price_cap_minor": 1530} t t', 'and its event');
select is(pg_temp.got('select concat_ws('' '', status, generation, extract(epoch from due_at - now())::float8) from orders where id = {id}', :'id'), 'submitting 1 60', 'it is due when the lease ends');
select is(pg_temp.claims(:'id'), '', 'nobody else claims it');
select is(pg_temp.repeats(:'id'), '', 'in whatever way');

-- The order must stand as it was seen.
select is(pg_temp.claims(pg_temp.paid(), other), '', other::text) from unnest(array['{"age": 1}', '{"step": 0}', '{"step": 2}', '{"body": null}']::jsonb[]) as other;
select is(pg_temp.claims(pg_temp.in_status(s)), '', s || ' is not bought') from unnest('{submitted_to_zinc, processing, completed, cancelled, failed, needs_review}'::text[]) as s;
select pg_temp.placed() as unpaid \gset
select is(pg_temp.claims(:'unpaid'), '', 'nor what is not paid');

-- The payment must have been read within a minute, and found good.
create function pg_temp.claims_with(changes text) returns text
language plpgsql as $$
declare
  id uuid := pg_temp.paid();
begin
  perform pg_temp.forced('payments', id, changes);
  return pg_temp.claims(id);
end $$;
select is(pg_temp.claims_with(changes), claimed, changes)
  from (values ('live = live', '1 1'), ('live = false', ''), ('deviation = ''wrong_amount''', ''), ('stale_since = now()', ''), ('read_at = now() - interval ''60 seconds''', '1 1'),
    ('read_at = now() - interval ''60 seconds'' - interval ''1 microsecond''', ''), ('read_at = now() + interval ''1 microsecond''', ''), ('read_at = null', '')) as t (changes, claimed);
create function pg_temp.claims_reserved(kind text, state text) returns text
language plpgsql as $$
declare
  id uuid := pg_temp.reserved('after_purchase');
begin
  if kind is not null then
    perform pg_temp.owner_does(format('insert into money_moves (id, order_id, payment_intent, kind, amount_minor, currency, cause, reason, requested_by, state, due_at, created_at)
      values (gen_random_uuid(), {id}, %L, %L, 1, ''GBP'', ''person'', ''x'', ''x'', ''open'', now(), now())', pg_temp.intent(id), kind), id);
    perform pg_temp.forced('money_moves', id, format('state = %L', state));
  end if;
  return pg_temp.claims(id);
end $$;
select is(pg_temp.claims_reserved(null, null), '1 1', 'what is captured after the purchase is bought when its money is reserved');
select is(pg_temp.claims_reserved('cancel', 'unknown'), '', 'not while that may be released');
select is(pg_temp.claims_reserved('cancel', 'open'), '1 1', 'but while that is only intended');
select is(pg_temp.claims_reserved('capture', 'unknown'), '1 1', 'and while it may be captured');
select pg_temp.reserved('before_purchase') as reserved \gset
select pg_temp.forced('payments', :'reserved', 'deviation = null') as ignored \gset
select pg_temp.forced('orders', :'reserved', 'hold_reason = null, payment_status = ''authorized''') as ignored \gset
select is(pg_temp.claims(:'reserved'), '', 'what is captured before is not');
select pg_temp.paid() as neither \gset
select pg_temp.forced('orders', :'neither', 'payment_status = ''refund_pending'', capture_when = ''after_purchase''') as ignored \gset
select is(pg_temp.claims(:'neither'), '', 'nor what is neither paid nor reserved');

-- A repeat: the stored bytes, while the key lives, when no earlier call can be under way.
create function pg_temp.repeats_with(changes text, other jsonb default '{}') returns text
language plpgsql as $$
begin
  return pg_temp.repeats(pg_temp.unknown(changes), other);
end $$;
select is(pg_temp.repeats_with(changes, other::jsonb), claimed, changes || other)
  from (values ('code = code', '{}', '1 2'), ('code = code', '{"body": "bytes"}', ''), ('code = code', '{"step": 1}', ''), ('code = code', '{"step": 1, "body": "bytes"}', ''), ('code = code', '{"provider": "pgtap_other"}', ''),
    ('outcome = ''refused''', '{}', ''), ('key_dead_at = now()', '{}', ''), ('key_dead_at = now() + interval ''1 microsecond''', '{}', '1 2'), ('call_deadline_at = now() - interval ''60 seconds''', '{}', '1 2'),
    ('call_deadline_at = now() - interval ''60 seconds'' + interval ''1 microsecond''', '{}', '')) as t (changes, other, claimed);
select pg_temp.paid() as released \gset
select pg_temp.claims(:'released') as ignored \gset
select pg_temp.setback(:'released', 'claim_released', 'open', null, 'pending') as ignored \gset
select is(pg_temp.claims(:'released'), '', 'an attempt that stands is not followed by another');
select pg_temp.clock(5) as ignored \gset
select is(pg_temp.repeats(:'released'), '1 1', 'what was given back before the first byte is sent as it stands');
select is(pg_temp.attempt(:'released'), '1 pgtap t t t 1530 calls 1 opened 0 sent 5 dead 82805 deadline 35 t lease 65 pgtap', 'and its key begins its life then');
select pg_temp.clock(0) as ignored \gset
select pg_temp.unknown('worker = ''former''') as again \gset
select pg_temp.clock(5) as ignored \gset
select pg_temp.forced('payments', :'again', 'read_at = now()') as ignored \gset
select is(pg_temp.repeats(:'again', '{"key_ms": 1}'), '1 2', 'a repeat');
select is(pg_temp.attempt(:'again'), '1 pgtap t t t 1530 calls 2 opened 0 sent 0 dead 82800 deadline 35 t lease 65 pgtap', 'counts the call and leaves the key its age');
select is(pg_temp.got('select concat_ws('' '', kind, status_before, status_after, data) from order_events where order_id = {id} order by seq desc limit 1', :'again'), 'purchase_repeated submitting submitting {"generation": 1}', 'with its event');
select pg_temp.clock(0) as ignored \gset

-- Each attempt for itself.
select pg_temp.paid() as second \gset
select pg_temp.claims(:'second') as ignored \gset
select pg_temp.setback(:'second', 'purchase_refused', 'refused', 'key_used_up', 'pending') as ignored \gset
select is(pg_temp.claims(:'second'), '2 1', 'a new key after a refusal that used the first one up');
select pg_temp.setback(:'second', 'answer_lost', 'unknown', null, 'submitting') as ignored \gset
select pg_temp.owner_does('update order_attempts set call_deadline_at = now() - interval ''1 hour'' where order_id = {id} and generation = 2', :'second') as ignored \gset
select is(pg_temp.repeats(:'second'), '2 2', 'and the same one again');
select is(pg_temp.got('select string_agg(concat_ws('' '', generation, calls, lease_token is null), '', '' order by generation) from order_attempts where order_id = {id}', :'second'), '1 1 t, 2 2 f', 'leave the first as it was');

-- Many at once, each for itself.
select pg_temp.unknown() as old, pg_temp.paid() as new, pg_temp.placed() as no \gset
select is(pg_temp.got(format('select string_agg(concat_ws('' '', c.order_id = %1$L, c.generation, c.calls), '', '' order by c.calls) from commit_intents(''pgtap'', ''pgtap'', md5(''both'')::uuid, 60000, 30000, 1000, array[%1$L, %2$L, %3$L]::uuid[],
  array[(select version from orders where id = %1$L), (select version from orders where id = %2$L), (select version from orders where id = %3$L)], array[1, 1, 1], array[gen_random_uuid(), gen_random_uuid(), gen_random_uuid()],
  array[''k1'', ''k2'', ''k3''] , array[null, ''bytes'', ''bytes'']::bytea[], array[sha256(''bytes''), sha256(''bytes''), sha256(''bytes'')]) as c', :'old', :'new', :'no')), 'f 1 1, t 1 2', 'a repeat and a first call in one claim');
select is(pg_temp.got('select string_agg(concat_ws('' '', provider_key = ''k2'', calls, lease_token = md5(''both'')::uuid), '', '' order by calls) from order_attempts where order_id in (' || quote_literal(:'old') || ', ' || quote_literal(:'new') || ')'), 't 1 t, f 2 t', 'each with its own key');

-- The provider's account.
select pg_temp.owner_does('insert into provider_accounts (provider, account_mark) values (''pgtap_other'', sha256(''b'')), (''pgtap'', sha256(''a''))') as ignored \gset
select pg_temp.paid() as account \gset
select matches(pg_temp.claims(:'account', jsonb_build_object('mark', mark)), '55000', 'another account than the shop''s claims nothing') from unnest(array[null, sha256('b')::text]) as mark;
select is(pg_temp.claims(:'account', jsonb_build_object('mark', sha256('a')::text)), '1 1', 'the shop''s does');
select pg_temp.owner_does('delete from provider_accounts where provider like ''pgtap%''') as ignored \gset

-- A purchase that the database forgot was sent when the provider's list says.
create function pg_temp.forgotten(seconds integer, other jsonb default '{}', kind text default 'purchase_forgotten', gone boolean default false, same boolean default true) returns text
language plpgsql as $$
declare
  id uuid := pg_temp.paid();
  attempt uuid := md5('forgotten' || id)::uuid;
begin
  perform pg_temp.forgot(id, kind, seconds, jsonb_build_object('attempt_id', case when same then attempt::text else 'another' end)::text);
  if gone then
    perform pg_temp.owner_does('update differences set gone_at = now() where order_id = {id}', id);
  end if;
  return concat_ws(', ', pg_temp.claims(id, jsonb_build_object('attempt', attempt) || other), substring(pg_temp.attempt(id) from 'calls.*dead [0-9.-]+'),
    pg_temp.got('select data ->> ''first_sent_at'' is not null from order_events where order_id = {id} order by seq desc limit 1', id));
end $$;
select is(pg_temp.forgotten(100), '1 2, calls 2 opened 0 sent -100 dead 82700, true', 'its key is as old as the forgotten call, which counts');
select is(pg_temp.forgotten(100, gone => true), '1 1, calls 1 opened 0 sent 0 dead 82800, false', 'what is gone is not forgotten');
select is(pg_temp.forgotten(100, kind => 'purchase_not_recorded'), '1 1, calls 1 opened 0 sent 0 dead 82800, false', 'nor is another difference');
select is(pg_temp.forgotten(100, same => false), '1 1, calls 1 opened 0 sent 0 dead 82800, false', 'nor another attempt');
select is(pg_temp.forgotten(100, '{"key_ms": 130000}'), ', false', 'a key that would die in the call is not sent');
select is(pg_temp.forgotten(100, '{"key_ms": 130001}'), '1 2, calls 2 opened 0 sent -100 dead 30.001, true', 'one that outlives it is');
select pg_temp.paid() as neighbour, pg_temp.paid() as other \gset
select pg_temp.forgot(:'other', seconds => 100, data => jsonb_build_object('attempt_id', md5(:'neighbour' || 0)::uuid)::text) as ignored \gset
select is(pg_temp.claims(:'neighbour'), '1 1', 'nor what another order has');
select is(pg_temp.claims(:'other', '{"beats": 9000000000000000000}'), '', 'an engine that remembers more than the database claims nothing');
select pg_temp.not_held() as ignored \gset

select pg_temp.unknown() as remembered \gset
select pg_temp.forgot(:'remembered', seconds => 100, data => jsonb_build_object('attempt_id', md5(:'remembered' || 0)::uuid)::text) as ignored \gset
select is(pg_temp.repeats(:'remembered', jsonb_build_object('attempt', md5(:'remembered' || 0)::uuid)), '1 2', 'a call that the database knows counts once');

-- What is offered to be claimed.
create function pg_temp.offered(id uuid, provider text default 'pgtap', batch integer default 1) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got(format('select concat_ws('' '', l.status, l.generation, l.retailer, l.currency, l.price_cap_minor, l.items, l.recipient ->> ''city'', l.open_generation, l.calls, l.outcome, l.key_dead, l.repeat_in_ms, l.code)
    from lock_due_orders(%L, %s, %L) as l', provider, batch, id)), 'nothing');
end $$;
select pg_temp.paid() as due \gset
select is(pg_temp.offered(:'due'), 'pending 0 amazon_uk GBP 1530 [{"quantity": 6, "product_id": "85123A", "unit_price_minor": 255}] London', 'an order that is due, with what its plan needs');
select is(pg_temp.offered(:'due', batch => 0), 'nothing', 'so many as were asked for');
select pg_temp.unknown('code = ''odd''') as due_again \gset
select pg_temp.owner_does('update orders set due_at = now() where id = {id}', :'due_again') as ignored \gset
select is(substring(pg_temp.offered(:'due_again') from 'London.*'), 'London 1 1 unknown f -3540000 odd', 'one whose attempt is unknown');
select is(pg_temp.offered(:'due_again', 'pgtap_other'), 'nothing', 'to its own provider');
create function pg_temp.offered_with(changes text, of_payment text default null, of_attempt text default null) returns text
language plpgsql as $$
declare
  id uuid := case when of_attempt is null then pg_temp.paid() else pg_temp.unknown(of_attempt) end;
begin
  perform pg_temp.forced('orders', id, changes);
  if of_payment is not null then
    perform pg_temp.forced('payments', id, of_payment);
  end if;
  return split_part(pg_temp.offered(id), ' ', 1);
end $$;
select is(pg_temp.offered_with(changes, of_payment, of_attempt), offered, concat_ws(', ', changes, of_payment, of_attempt))
  from (values ('due_at = now()', null, null, 'pending'), ('due_at = now() + interval ''1 microsecond''', null, null, 'nothing'), ('hold_reason = ''operator''', null, null, 'nothing'), ('payment_status = ''unpaid''', null, null, 'nothing'),
    ('payment_status = ''refund_pending'', capture_when = ''after_purchase''', null, null, 'nothing'), ('payment_status = ''authorized''', null, null, 'nothing'), ('payment_status = ''authorized'', capture_when = ''after_purchase''', null, null, 'pending'),
    ('due_at = now()', 'live = false', null, 'nothing'), ('due_at = now()', 'deviation = ''wrong_amount''', null, 'nothing'), ('due_at = now()', 'stale_since = now()', null, 'nothing'),
    ('due_at = now()', 'read_at = now() - interval ''60 seconds''', null, 'pending'), ('due_at = now()', 'read_at = now() - interval ''60 seconds'' - interval ''1 microsecond''', null, 'nothing'), ('due_at = now()', 'read_at = now() + interval ''1 microsecond''', null, 'nothing'),
    ('due_at = now()', null, 'code = code', 'submitting'), ('due_at = now()', null, 'outcome = ''refused''', 'nothing'), ('due_at = now()', null, 'lease_token = gen_random_uuid(), lease_expires_at = now() - interval ''1 hour''', 'nothing')) as t (changes, of_payment, of_attempt, offered);
select is(pg_temp.offered(pg_temp.in_status(s)), 'nothing', s || ' is not offered') from unnest('{submitted_to_zinc, processing, completed, cancelled, failed, needs_review, submitting}'::text[]) as s;
select is(substring(pg_temp.offered(o) from 'unknown . .*'), said, said)
  from (select pg_temp.unknown('key_dead_at = now()') as o, 'unknown t -3540000 code' as said union all select pg_temp.unknown('key_dead_at = now() + interval ''1 microsecond'', call_deadline_at = now()'), 'unknown f 60000 code') as t
 where pg_temp.owner_does('update orders set due_at = now() where id = {id}', o) is not null;
select pg_temp.owner_does('insert into provider_accounts (provider, paused_until) values (''pgtap'', now() + interval ''1 microsecond''), (''pgtap_other'', now() + interval ''1 hour'')') as ignored \gset
select is(pg_temp.offered(:'due'), 'nothing', 'a paused account is offered nothing');
select pg_temp.owner_does('update provider_accounts set paused_until = now() where provider = ''pgtap''') as ignored \gset
select is(split_part(pg_temp.offered(:'due'), ' ', 1), 'pending', 'until its pause is over, whatever another account does');
create function pg_temp.offered_reserved(kind text, state text) returns text
language plpgsql as $$
declare
  id uuid := pg_temp.reserved('after_purchase');
begin
  perform pg_temp.owner_does(format('insert into money_moves (id, order_id, payment_intent, kind, amount_minor, currency, cause, reason, requested_by, state, due_at, created_at)
    values (gen_random_uuid(), {id}, %L, %L, 1, ''GBP'', ''person'', ''x'', ''x'', ''open'', now(), now())', pg_temp.intent(id), kind), id);
  perform pg_temp.forced('money_moves', id, format('state = %L', state));
  return split_part(pg_temp.offered(id), ' ', 1);
end $$;
select is(pg_temp.offered_reserved(kind, state), offered, 'reserved money and a ' || kind || ' that is ' || state)
  from (values ('cancel', 'unknown', 'nothing'), ('cancel', 'open', 'pending'), ('capture', 'unknown', 'pending')) as t (kind, state, offered);
select pg_temp.paid() as anew \gset
select pg_temp.claims(:'anew') as ignored \gset
select pg_temp.setback(:'anew', 'purchase_refused', 'refused', 'key_used_up', 'pending') as ignored \gset
select is(substring(pg_temp.offered(:'anew') from 'pending .*London.*'), 'pending 1 amazon_uk GBP 1530 [{"quantity": 6, "product_id": "85123A", "unit_price_minor": 255}] London', 'an order whose attempt is settled may have another');
select pg_temp.paid() as first \gset
select pg_temp.owner_does('update orders set due_at = now() - interval ''10 years'' where id = {id}', :'first') as ignored \gset
select is(pg_temp.got('select string_agg(id::text, '' '') from lock_due_orders(''pgtap'', 1)'), :'first', 'the oldest first');
select * from finish();
rollback;
