-- What a person decides about an order: how it leaves review, how a hold ends and what holds it next, and his word that
-- it was bought. Each decision changes this order alone, says in its history what it changed, and nothing is hidden by it.
\ir begin.psql
select plan(106);

select pg_temp.clock(0) as ignored \gset
select pg_temp.not_held() as ignored \gset
create function pg_temp.order_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', status, review_reason, hold_reason, zinc_request_id, ''due '' || extract(epoch from due_at - now())::float8) from orders where id = {id}', id);
end $$;
-- Each attempt of an order, in their order.
create function pg_temp.attempts_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select string_agg(concat_ws('' '', outcome, settled_by, request_id, ''at '' || extract(epoch from settled_at - now())::float8, case when lease_token is not null then ''leased'' end), '' | '' order by generation) from order_attempts where order_id = {id}', id);
end $$;
create function pg_temp.last_event(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', kind, status_before, status_after, actor, actor_source, data) from order_events where order_id = {id} order by seq desc limit 1', id);
end $$;
create function pg_temp.moves(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got('select string_agg(concat_ws('' '', kind, amount_minor, cause, state), '', '') from money_moves where order_id = {id}', id), 'no money');
end $$;
-- What people are shown of an order.
create function pg_temp.shown(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got('select string_agg(rule, '' '' order by rule) from alerts where order_id = {id} and closed_at is null', id), 'nothing');
end $$;
create function pg_temp.decided(id uuid, word text, reason text default 'their support says so') returns text
language plpgsql as $$
begin
  return pg_temp.said(format('resolve_review({id}, %L, %L, ''{"actor": "Ada"}'')', word, reason), id);
end $$;
create function pg_temp.released(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.said('release_hold({id}, ''{"actor": "Ada", "note": "seen"}'')', id) || ', ' || pg_temp.order_of(id);
end $$;
create function pg_temp.held(id uuid, reason text default 'operator') returns uuid
language plpgsql as $$
begin
  perform pg_temp.said(format('hold_order({id}, %L)', reason), id);
  return id;
end $$;
create function pg_temp.wished(id uuid) returns uuid
language plpgsql as $$
begin
  perform pg_temp.said('cancel_order({id})', id);
  return id;
end $$;
-- The call of a claimed order was refused under a key that is used up; by itself a person has to look at it.
create function pg_temp.refused(id uuid, after text default 'needs_review') returns uuid
language plpgsql as $$
begin
  perform pg_temp.setback(id, 'purchase_refused', 'refused', 'key_used_up', after, case after when 'needs_review' then 'odd_code' end);
  return id;
end $$;
-- The provider answers a claimed order.
create function pg_temp.answered(id uuid) returns uuid
language plpgsql as $$
begin
  perform pg_temp.asked('app', format('(select max(result) from record_acceptances(''pgtap'', 1000, array[{id}]::uuid[], array[md5({id}::text)::uuid], array[%L]))', pg_temp.request(id)), id);
  return id;
end $$;
-- A second call under another key, after the first was refused.
create function pg_temp.second() returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.refused(pg_temp.in_status('submitting'), 'pending');
begin
  perform pg_temp.claimed(id);
  return id;
end $$;
create function pg_temp.remembered(id uuid) returns void
language plpgsql as $$
begin
  perform pg_temp.owner_does('update differences set gone_at = now() where order_id = {id}', id);
end $$;

-- Nothing was bought: the last attempt is settled, from the moment on when its call has surely ended.
select pg_temp.in_status('needs_review') as neighbour, pg_temp.in_status('needs_review') as id, pg_temp.in_status('watched') as watched, pg_temp.second() as second, pg_temp.second() as waits \gset
select pg_temp.setback(:'second', 'purchase_doubtful', 'unknown', null, 'needs_review', 'odd_code') as ignored \gset
select pg_temp.stored(:'neighbour') as before \gset
select pg_temp.clock(59.999999) as ignored \gset
select is(pg_temp.decided(:'id', 'nothing_was_bought'), 'refused call_may_still_run', 'a call may run until the provider''s bound after its end');
select pg_temp.clock(60) as ignored \gset
select is(pg_temp.decided(:'id', 'nothing_was_bought') || ', ' || pg_temp.order_of(:'id') || ', ' || pg_temp.attempts_of(:'id'),
  'done needs_review, needs_review nothing_was_bought due 0, refused person at 60', 'then a person knows; the order stays with him, and is due as it was');
select is(pg_temp.last_event(:'id'), 'review_resolved needs_review needs_review Ada options {"set": {"review_reason": "nothing_was_bought", "zinc_request_id": null}, "reason": "their support says so", "decision": "nothing_was_bought"}', 'his name, his words and what they change are kept');
select is(pg_temp.stored(:'neighbour'), :'before', 'of another order nobody said anything');
select is(pg_temp.decided(:'second', 'nothing_was_bought') || ', ' || pg_temp.attempts_of(:'second'), 'done needs_review, refused key_used_up at 0 | refused person at 60', 'an earlier attempt stays as it was settled');
select pg_temp.clock(90) as ignored \gset
select is(pg_temp.attempts_of(:'watched'), 'open leased', 'of an order that was held while it was called');
select is(pg_temp.decided(:'watched', 'nothing_was_bought') || ', ' || pg_temp.order_of(:'watched') || ', ' || pg_temp.attempts_of(:'watched'),
  format('done needs_review, needs_review nothing_was_bought disputed due 1, accepted person %s at 90', pg_temp.request(:'watched')), 'the attempt keeps the request id that the provider gave, and the order has none');

-- Buying again and giving up.
select pg_temp.clock(0) as ignored \gset
select pg_temp.refused(pg_temp.in_status('submitting')) as again, pg_temp.held(pg_temp.refused(pg_temp.in_status('submitting'))) as stopped, pg_temp.refused(pg_temp.in_status('submitting')) as vain,
  pg_temp.held(pg_temp.refused(pg_temp.in_status('submitting'))) as vain_too, pg_temp.refused(pg_temp.in_status('submitting')) as large, pg_temp.refused(pg_temp.in_status('submitting')) as refunded, pg_temp.reserved('after_purchase') as reserved, pg_temp.in_status('watched') as accepted \gset
select pg_temp.told(:'refunded', '{"refunded_minor": 1530}') as ignored \gset
select pg_temp.claimed(:'reserved') as ignored \gset
select pg_temp.refused(:'reserved') as ignored \gset
select pg_temp.clock(5) as ignored \gset
select is(pg_temp.decided(:'again', 'buy_again') || ', ' || pg_temp.order_of(:'again'), 'done pending, pending due 5', 'what is bought again is due at once');
select is(pg_temp.last_event(:'again'), 'review_resolved needs_review pending Ada options {"set": {"review_reason": null, "zinc_request_id": null}, "reason": "their support says so", "decision": "buy_again"}', 'and in the history');
select is(pg_temp.decided(:'stopped', 'buy_again') || ', ' || pg_temp.order_of(:'stopped'), 'done pending, pending operator due 5', 'a hold outlives the decision');
select is(pg_temp.decided(:'reserved', 'buy_again') || ', ' || pg_temp.order_of(:'reserved'), 'done pending, pending due 5', 'for reserved money it is bought again');
select is(pg_temp.decided(:'refunded', 'buy_again') || ', ' || pg_temp.order_of(:'refunded'), 'refused order_unpaid, needs_review odd_code payment_refunded due 0', 'for money that went back it is not');
select is(pg_temp.decided(:'refunded', 'give_up') || ', ' || pg_temp.moves(:'refunded'), 'done failed, no money', 'but given up, and nothing is left to return');
select is(pg_temp.decided(:'accepted', 'watch_on') || ', ' || pg_temp.last_event(:'accepted'), 'done submitted_to_zinc, review_resolved needs_review submitted_to_zinc Ada options {"set": {"review_reason": null}, "reason": "their support says so", "decision": "watch_on"}', 'what is watched on keeps its request id');
select pg_temp.refused(pg_temp.in_status('submitting')) as named \gset
select pg_temp.forced('orders', :'named', 'zinc_request_id = ''late-'' || {id}') as ignored \gset
select is(pg_temp.decided(:'named', 'watch_on'), 'refused nothing_accepted', 'an attempt that is settled is not watched on, whatever id its order has');
select pg_temp.owner_does('update settings set value = ''1'' where name = ''generations_max''') as ignored \gset
select is(pg_temp.decided(:'vain', 'give_up', repeat('x', 500)) || ', ' || pg_temp.order_of(:'vain') || ', ' || pg_temp.moves(:'vain'), 'done failed, failed, refund 1530 order_ended open', 'an order is given up however often it was tried, and its money goes back');
select is(pg_temp.last_event(:'vain') like 'move_planned % "reason": "' || repeat('x', 300) || '", %', true, 'with the first of a long reason');
select pg_temp.owner_does('update settings set value = ''5'' where name = ''generations_max''') as ignored \gset
select is(pg_temp.decided(:'vain_too', 'give_up') || ', ' || pg_temp.order_of(:'vain_too'), 'done failed, failed', 'a hold ends with it');
select is(pg_temp.got('select data -> ''set'' from order_events where order_id = {id} and kind = ''review_resolved''', :'vain_too'), '{"hold_reason": null, "review_reason": null}', 'and the history says so');
select is(pg_temp.got('select data -> ''set'' from order_events where order_id = {id} and kind = ''review_resolved''', :'vain'), '{"review_reason": null}', 'where there was one');
select pg_temp.owner_does('update settings set value = ''1529'' where name = ''two_persons_above_minor''') as ignored \gset
select is(pg_temp.decided(:'large', 'give_up') || ', ' || pg_temp.moves(:'large'), 'done failed, refund 1530 order_ended awaiting_approval', 'one person gives up, and a second one agrees to a large refund');
select pg_temp.owner_does('update settings set value = ''0'' where name = ''two_persons_above_minor''') as ignored \gset

-- A wish to cancel, and a purchase that was forgotten.
select pg_temp.clock(0) as ignored \gset
select pg_temp.wished(pg_temp.in_status('needs_review')) as wished, pg_temp.forgot(pg_temp.wished(pg_temp.in_status('needs_review'))) as forgotten, pg_temp.forgot(pg_temp.in_status('needs_review')) as unwished,
  pg_temp.refused(pg_temp.forgot(pg_temp.wished(pg_temp.in_status('submitting'))), 'pending') as settled, pg_temp.answered(pg_temp.wished(pg_temp.in_status('submitting'))) as bought \gset
select is(pg_temp.decided(:'forgotten', 'give_up'), 'refused attempt_unsettled', 'whatever was forgotten, an attempt is settled first');
select is(pg_temp.decided(:'settled', 'buy_again'), 'refused cancel_requested', 'nobody buys again what somebody wants cancelled');
select is(pg_temp.order_of(:'bought') || ', ' || pg_temp.decided(:'bought', 'watch_on'), format('needs_review accepted_while_held cancel_requested %s due 1, refused cancel_requested', pg_temp.request(:'bought')), 'nor watches it on');
select is(pg_temp.decided(:'settled', 'give_up') || ', ' || pg_temp.order_of(:'settled'), 'refused purchase_forgotten, needs_review purchase_forgotten cancel_requested due 0', 'what may have been bought by a forgotten call is not given up');
select pg_temp.remembered(:'settled') as ignored \gset
select is(pg_temp.shown(:'settled') || ', ' || pg_temp.decided(:'settled', 'give_up') || ', ' || pg_temp.order_of(:'settled') || ', ' || pg_temp.shown(:'settled'), 'cancel_requested needs_review, done failed, failed, nothing', 'without one it is, and the wish is shown no more');
select pg_temp.clock(60) as ignored \gset
select is(pg_temp.decided(:'unwished', 'nothing_was_bought'), 'done needs_review', 'what this database knows of may be settled beside a forgotten call');
select is(pg_temp.decided(:'unwished', 'give_up') || ', ' || pg_temp.moves(:'unwished'), 'refused purchase_forgotten, no money', 'not given up, whether somebody wished it or not');
select is(pg_temp.decided(:'unwished', 'buy_again'), 'done pending', 'but bought again: its next key is the forgotten one');
select is(pg_temp.decided(:'forgotten', 'nothing_was_bought') || ', ' || pg_temp.attempts_of(:'forgotten'), 'refused purchase_forgotten, unknown', 'not where that would fulfil a wish');
select pg_temp.remembered(:'forgotten') as ignored \gset
select is(pg_temp.decided(:'forgotten', 'nothing_was_bought'), 'done cancelled', 'the wish waits until it is known');
select is(pg_temp.shown(:'wished') || ', ' || pg_temp.decided(:'wished', 'nothing_was_bought') || ', ' || pg_temp.order_of(:'wished') || ', ' || pg_temp.attempts_of(:'wished') || ', ' || pg_temp.moves(:'wished') || ', ' || pg_temp.shown(:'wished'),
  'cancel_requested needs_review, done cancelled, cancelled, refused person at 60, refund 1530 order_ended open, nothing', 'nothing was bought: a wish is fulfilled, and its money goes back');
select is(pg_temp.got('select data -> ''set'' from order_events where order_id = {id} and kind = ''review_resolved''', :'wished'), '{"hold_reason": null, "review_reason": null, "zinc_request_id": null}', 'with all that it changes');

-- A hold that the payment decides ends by what Stripe says, not by a person; one for a sign when the sign is gone.
create function pg_temp.payment_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', deviation, case when warning_accepted then ''accepted'' end, case when next_read_at = ''infinity'' then ''never'' else ''next '' || extract(epoch from next_read_at - now())::float8 end, ''old since '' || extract(epoch from stale_since - now())::float8) from payments where order_id = {id} and live', id);
end $$;
select pg_temp.clock(0) as ignored \gset
create function pg_temp.told_of(id uuid, facts jsonb) returns uuid
language plpgsql as $$
begin
  perform pg_temp.told(id, facts);
  return id;
end $$;
select is(pg_temp.released(o), 'refused payment_decides, pending ' || hold || ' due 0', hold || ' ends by facts')
  from (select 'awaiting_payment' as hold, pg_temp.placed() as o union all select 'authorisation_ending', pg_temp.reserved('after_purchase', 0)
    union all select hold, pg_temp.told_of(pg_temp.paid(), facts::jsonb) from (values ('wrong_mode', '{"livemode": true}'), ('wrong_order', '{"named_order": "x"}'), ('wrong_currency', '{"currency": "USD"}'), ('wrong_amount', '{"received_minor": 1529}'),
      ('payment_canceled', '{"status": "canceled"}'), ('payment_undone', '{"status": "processing"}')) as t (hold, facts)) as t;
create temporary table by_sign as select sign, pg_temp.told_of(pg_temp.paid(), facts::jsonb) as o
  from (values ('payment_refunded', '{"refunded_minor": 1530}'), ('payment_disputed', '{"dispute": "open"}'), ('payment_in_review', '{"in_review": true}'), ('fraud_warning', '{"warned": true}')) as t (sign, facts);
select is(pg_temp.released(o), 'refused payment_decides, pending ' || sign || ' due 0', sign || ' is not released while it is so') from by_sign where sign <> 'fraud_warning';
select pg_temp.paid() as bystander \gset
select pg_temp.stored(:'bystander') as before \gset
select string_agg(pg_temp.told(o), ' ') as ignored from by_sign where sign <> 'fraud_warning' \gset
select pg_temp.clock(5) as ignored \gset
select is(pg_temp.shown(o) || ', ' || pg_temp.released(o) || ', ' || pg_temp.payment_of(o) || ', ' || pg_temp.shown(o), sign || ', done pending, pending due 5, next 5 old since 5, nothing', sign || ' is over: it is due when it is released, its payment is read first, and nobody is shown it any more')
  from by_sign where sign <> 'fraud_warning';
select is(pg_temp.stored(:'bystander'), :'before', 'the payment of another order is not read for that');

-- A warning of fraud is taken upon himself by a person, and what else is wrong then holds.
select pg_temp.clock(0) as ignored \gset
select pg_temp.told_of(pg_temp.paid(), '{"warned": true}') as warned, pg_temp.told_of(pg_temp.told_of(pg_temp.paid(), '{"warned": true}'), '{"warned": true, "received_minor": 1529}') as less,
  pg_temp.told_of(pg_temp.reserved('before_purchase'), '{"status": "requires_capture", "received_minor": 0, "capturable_minor": 1530, "warned": true}') as uncaptured \gset
select pg_temp.owner_does('update payments set stale_since = now() + interval ''100 seconds'', next_read_at = ''infinity'' where order_id = {id}', :'less') as ignored \gset
select is(pg_temp.payment_of(:'warned') || ', ' || pg_temp.payment_of(:'less') || ', ' || pg_temp.order_of(:'uncaptured'), 'fraud_warning next 5, wrong_amount never old since 100, pending fraud_warning due 0', 'Stripe warned of three, and of one less was received as well');
select pg_temp.clock(7) as ignored \gset
select is(pg_temp.released(:'warned') || ', ' || pg_temp.payment_of(:'warned') || ', ' || pg_temp.shown(:'warned'), 'done pending, pending due 7, accepted next 7 old since 7, nothing', 'a person is sure of the customer');
select is(pg_temp.last_event(:'warned'), 'hold_released pending pending Ada options {"set": {"hold_reason": null}, "note": "seen"}', 'with his name and his words');
select is(pg_temp.released(:'less') || ', ' || pg_temp.payment_of(:'less'), 'done pending, pending wrong_amount due 7, wrong_amount accepted next 7 old since 100', 'what is wrong beside a warning holds next');
select is(pg_temp.released(:'uncaptured'), 'done pending, pending awaiting_payment due 7', 'reserved money still waits to be captured');
select pg_temp.told(:'warned', '{"warned": true, "dispute": "open"}'), pg_temp.told(:'warned', '{"warned": true, "dispute": "closed"}') as again \gset ignored_
select is(pg_temp.released(:'warned') || ', ' || pg_temp.payment_of(:'warned'), 'done pending, pending due 7, accepted next 7 old since 7', 'and is sure of him ever after');

-- What a person's hold has hidden holds next.
select pg_temp.clock(0) as ignored \gset
select pg_temp.told_of(pg_temp.held(pg_temp.paid()), '{"status": "processing"}') as undone, pg_temp.told_of(pg_temp.held(pg_temp.in_status('submitting')), '{"dispute": "open"}') as disputed, pg_temp.told_of(pg_temp.held(pg_temp.in_status('submitted_to_zinc')), '{"dispute": "open"}') as bought,
  pg_temp.held(pg_temp.paid()) as good, pg_temp.placed() as twice \gset
select pg_temp.payment_of(:'good') as payment \gset
select pg_temp.clock(5) as ignored \gset
select is(pg_temp.released(:'undone'), 'done pending, pending awaiting_payment due 5', 'money that is not there any more is waited for');
select is(pg_temp.released(:'disputed'), 'done submitting, submitting payment_disputed due 60', 'a dispute of an order that is called holds it');
select is(pg_temp.released(:'bought'), format('done submitted_to_zinc, submitted_to_zinc %s due 5', pg_temp.request(:'bought')), 'of one that is bought it does not, and it is looked at now');
select is(pg_temp.released(:'good') || ', ' || (pg_temp.payment_of(:'good') = :'payment'), 'done pending, pending due 5, true', 'where all is well nothing holds, and its payment is not read for it');
select pg_temp.clock(0) as ignored \gset
-- Another payment was named for an order, after the first was canceled at Stripe.
select pg_temp.said(format('attach_payment({id}, %L)', 'pi_first_' || replace(:'twice', '-', '')), :'twice') as ignored \gset
select pg_temp.asked('app', format('(select count(*) from record_payments(''pgtap'', false, %L))', jsonb_build_array(jsonb_build_object('payment_intent', 'pi_first_' || replace(:'twice', '-', ''), 'order_id', :'twice', 'status', 'canceled', 'livemode', false)))) as ignored \gset
select pg_temp.said(format('attach_payment({id}, %L)', pg_temp.intent(:'twice')), :'twice') as ignored \gset
select pg_temp.told(:'twice') as ignored \gset
select pg_temp.held(:'twice') as ignored \gset
create function pg_temp.first_payment(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select to_jsonb(p) from payments as p where p.order_id = {id} and not p.live', id);
end $$;
select is(pg_temp.first_payment(:'twice')::jsonb ->> 'deviation', 'payment_canceled', 'an order has a payment that was canceled before');
select pg_temp.first_payment(:'twice') as before \gset
select is(pg_temp.released(:'twice'), 'done pending, pending due 0', 'a payment that does not count any more holds nothing');
select pg_temp.told(:'twice', '{"warned": true}') as ignored \gset
select is(pg_temp.released(:'twice') || ', ' || (pg_temp.first_payment(:'twice') = :'before'), 'done pending, pending due 0, true', 'and no warning is accepted for it');

-- A wish to cancel is taken back: what stood before it stands again.
select pg_temp.in_status('submitting') as id, pg_temp.in_status('submitting') as neighbour \gset
select pg_temp.wished(:'id') as ignored \gset
select is(pg_temp.shown(:'id') || ', ' || pg_temp.released(:'id') || ', ' || pg_temp.shown(:'id'), 'cancel_requested, done submitting, submitting due 60, nothing', 'nothing stood before');
select pg_temp.wished(pg_temp.held(:'id', 'disputed')) as ignored \gset
select is(pg_temp.last_event(:'id') like '%"reason": null, "hold_before": "disputed"}', true, 'the wish keeps which hold stood');
select pg_temp.setback(:'id', 'answer_lost', 'unknown', null, 'submitting') as ignored \gset
-- Another order has a longer history, and its own wish.
select count(pg_temp.released(pg_temp.held(:'neighbour'))) as ignored from generate_series(1, 5) \gset
select pg_temp.wished(pg_temp.held(:'neighbour', 'scheduled')) as ignored \gset
select is(pg_temp.released(:'id'), 'done submitting, submitting disputed due 60', 'a hold stood before, whatever came of the call since');
select is(pg_temp.released(:'id'), 'done submitting, submitting due 60', 'which ends by itself');
select is(pg_temp.released(:'id'), 'duplicate, submitting due 60', 'once');

-- When it is due: at once, or when its call has surely ended; and not later or earlier than somebody looks while it is leased.
select pg_temp.held(pg_temp.in_status('unknown')) as unknown, pg_temp.held(pg_temp.in_status('unknown')) as long_ago, pg_temp.held(pg_temp.in_status('submitting')) as leased, pg_temp.held(pg_temp.second()) as second, pg_temp.held(pg_temp.paid()) as other,
  pg_temp.in_status('submitting') as unsent, pg_temp.in_status('submitting') as taken, pg_temp.refused(pg_temp.in_status('submitting')) as review \gset
select pg_temp.setback(:'unsent', 'claim_released', 'open', null, 'pending'), pg_temp.setback(:'taken', 'claim_released', 'open', null, 'pending') as taken \gset ignored_
select pg_temp.forced('order_attempts', :'unsent', 'call_deadline_at = now() + interval ''30 seconds''') as ignored \gset
select pg_temp.forced('order_attempts', :'taken', 'lease_token = gen_random_uuid(), lease_expires_at = now() + interval ''1 minute''') as ignored \gset
select pg_temp.held(:'unsent'), pg_temp.held(:'taken') as taken \gset ignored_
select pg_temp.clock(59) as ignored \gset
select is(pg_temp.released(:'unknown'), 'done submitting, submitting due 60', 'an unknown call has ended by then');
select is(pg_temp.released(:'leased'), 'done submitting, submitting due 60', 'a lease stands: whoever has it looks, or nobody does, which is found');
select is(pg_temp.released(:'second'), 'done submitting, submitting due 60', 'whatever call came before');
select is(pg_temp.released(:'other'), 'done pending, pending due 59', 'nothing was sent of another');
select is(pg_temp.released(:'unsent') || ' | ' || pg_temp.released(:'taken'), 'done pending, pending due 90 | done pending, pending due 59', 'what waits to be sent is not before an earlier call has ended, and no lease keeps it');
select pg_temp.clock(61) as ignored \gset
select is(pg_temp.released(:'long_ago'), 'done submitting, submitting due 61', 'an unknown call has ended long ago');
select pg_temp.told(:'review', '{"received_minor": 1529}'), pg_temp.order_of(:'review') as wrong \gset ignored_
select pg_temp.told(:'review') as ignored \gset
select is(:'ignored_wrong' || ', ' || pg_temp.order_of(:'review'), 'needs_review odd_code wrong_amount due 0, needs_review odd_code due 0', 'a person who has to look is reminded when he would have been');

-- Who releases a hold for want of funds has funded the account, and no other is opened by that.
create function pg_temp.paused() returns text
language plpgsql as $$
begin
  return pg_temp.got('select string_agg(concat_ws('' '', substring(provider from 7), extract(epoch from paused_until - now())::float8), '', '' order by provider) from provider_accounts where provider like ''pgtap\_%''');
end $$;
select pg_temp.clock(0) as ignored \gset
select pg_temp.in_status('submitting') as poor, pg_temp.held(pg_temp.paid()) as held \gset
select pg_temp.asked('app', '(select max(result) from record_setbacks(''pgtap'', array[{id}]::uuid[], array[md5({id}::text)::uuid], array[''purchase_refused''], array[''insufficient_zma_balance''], array[''refused''],
  array[''key_used_up''], array[''pending''], array[null]::text[], array[''awaiting_funds''], array[0]::bigint[]))', :'poor') as ignored \gset
select pg_temp.owner_does('insert into provider_accounts (provider, paused_until, paused_code) values (''pgtap_empty'', now() + interval ''1 hour'', ''insufficient_zma_balance''),
  (''pgtap_earlier'', now() - interval ''1 hour'', ''insufficient_zma_balance''), (''pgtap_wrong'', now() + interval ''1 hour'', ''invalid_token'')') as ignored \gset
select is(pg_temp.released(:'held') || ', ' || pg_temp.paused(), 'done pending, pending due 0, earlier -3600, empty 3600, wrong 3600', 'another hold says nothing about funds');
select is(pg_temp.shown(:'poor') || ', ' || pg_temp.released(:'poor') || ', ' || pg_temp.shown(:'poor') || ', ' || pg_temp.paused(), 'awaiting_funds, done pending, pending due 0, nothing, earlier -3600, empty 0, wrong 3600', 'this one does');

-- Holding.
select pg_temp.paid() as id, pg_temp.paid() as neighbour \gset
select pg_temp.stored(:'neighbour') as before \gset
select pg_temp.clock(5) as ignored \gset
select is(pg_temp.said('hold_order({id}, ''scheduled'', ''{"actor": "Ada", "note": "on Monday"}'')', :'id') || ', ' || pg_temp.order_of(:'id'), 'done, pending scheduled due 0', 'an order waits for a day');
select is(pg_temp.last_event(:'id'), 'order_held pending pending Ada options {"set": {"hold_reason": "scheduled"}, "note": "on Monday"}', 'with who said so, and why');
select is(pg_temp.stored(:'neighbour'), :'before', 'no other does');
select pg_temp.clock(0) as ignored \gset

-- A person's word that it was bought.
create function pg_temp.by_word(id uuid, given text default null) returns text
language plpgsql as $$
begin
  return pg_temp.said(format('manually_complete_order({id}, %L, ''seen there'', ''{"actor": "Ada"}'')', given), id);
end $$;
-- A purchase that the provider had taken ended in vain: its attempt keeps the request id, and its order has none.
create function pg_temp.in_vain(after text) returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.in_status('submitted_to_zinc');
begin
  perform pg_temp.asked('app', format('(select max(r.result) from orders as o cross join lateral record_readings(''pgtap'', array[o.id], array[o.version]::bigint[], array[''purchase_failed''], array[%L], array[''odd''],
    array[null]::bigint[], array[''provider_final''], array[%L]::text[], array[null]::text[], array[0]::bigint[], array[null]::jsonb[]) as r where o.id = {id})', after, case after when 'needs_review' then 'odd_code' end), id);
  return id;
end $$;
create function pg_temp.findings(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got('select string_agg(concat_ws('' '', kind, subject, actor, data ->> ''given_request_id''), '', '' order by kind, subject) from findings where order_id = {id}', id), 'none');
end $$;
select pg_temp.in_status('submitting') as neighbour, pg_temp.in_status('submitting') as leased, pg_temp.second() as second, pg_temp.in_status('unknown') as unknown, pg_temp.held(pg_temp.in_status('needs_review')) as review, pg_temp.paid() as outside, pg_temp.paid() as stranger,
  pg_temp.in_vain('needs_review') as former, pg_temp.in_vain('pending') as again, pg_temp.in_status('submitting') as unsent, pg_temp.in_status('completed') as unnamed, pg_temp.in_status('failed') as failed \gset
select pg_temp.claimed(:'again') as ignored \gset
select pg_temp.refused(:'again') as ignored \gset
select pg_temp.setback(:'unsent', 'claim_released', 'open', null, 'pending') as ignored \gset
select pg_temp.forced('order_attempts', :'unsent', 'lease_token = gen_random_uuid(), lease_expires_at = now() + interval ''1 hour''') as ignored \gset
select pg_temp.forced('orders', :'unnamed', 'zinc_request_id = null') as ignored \gset
select pg_temp.stored(:'neighbour') as before \gset
select is(pg_temp.by_word(:'unknown'), 'refused request_id_needed', 'nobody is at an order whose call is unknown: it is finished by its request id');
select pg_temp.clock(59.999999) as ignored \gset
select is(pg_temp.by_word(:'leased') || ', ' || pg_temp.by_word(:'second', pg_temp.request(:'second')), 'refused lease_alive, refused lease_alive', 'while a worker is at it, it is not finished by a word');
select is(pg_temp.findings(:'second'), 'none', 'and nobody has to look: the id will come');
select pg_temp.clock(60) as ignored \gset
select is(pg_temp.by_word(:'leased'), 'refused request_id_needed', 'from the end of the lease on it is');
select is(pg_temp.by_word(:'leased', pg_temp.request(:'leased')) || ', ' || pg_temp.order_of(:'leased') || ', ' || pg_temp.attempts_of(:'leased'), format('done completed, completed %1$s, accepted person %1$s at 60', pg_temp.request(:'leased')), 'with the id that the person saw');
select is(pg_temp.last_event(:'leased'), format('completed_by_person submitting completed Ada options {"set": {"zinc_request_id": "%s"}, "reason": "seen there"}', pg_temp.request(:'leased')), 'his name and his words are kept');
select is(pg_temp.by_word(:'second', pg_temp.request(:'second')) || ', ' || pg_temp.attempts_of(:'second'), format('done completed, refused key_used_up at 0 | accepted person %s at 60', pg_temp.request(:'second')), 'the last attempt was accepted, and an earlier one stays refused');
select is(pg_temp.by_word(:'review', pg_temp.request(:'review')) || ', ' || pg_temp.last_event(:'review'), format('done completed, completed_by_person needs_review completed Ada options {"set": {"hold_reason": null, "review_reason": null, "zinc_request_id": "%s"}, "reason": "seen there"}', pg_temp.request(:'review')), 'review and hold end with it');
select is(pg_temp.by_word(:'outside', 'outside-' || :'outside') || ', ' || pg_temp.last_event(:'outside') || ', ' || pg_temp.findings(:'outside'),
  format('done completed, completed_by_person pending completed Ada options {"set": {"zinc_request_id": "outside-%1$s"}, "reason": "seen there"}, bought_outside outside-%1$s Ada outside-%1$s', :'outside'), 'what was bought outside is compared with the provider''s list');
select is(pg_temp.by_word(:'unsent', 'outside-' || :'unsent') || ', ' || pg_temp.attempts_of(:'unsent'), 'done completed, open never_sent at 60', 'the attempt that was not sent has no part in it, whoever had it');
select is(pg_temp.stored(:'neighbour'), :'before', 'of another order nothing was said');
select is(pg_temp.by_word(:'stranger', pg_temp.request(:'former')) || ', ' || pg_temp.findings(:'stranger'), format('refused request_id_conflict, request_id_conflict %1$s Ada %1$s', pg_temp.request(:'former')), 'an id that another order''s attempt has is not this order''s');
select is(pg_temp.by_word(:'again', pg_temp.request(:'again')), 'refused request_id_conflict', 'nor is that of its own earlier attempt, which ended in vain');
select is(pg_temp.by_word(:'former', pg_temp.request(:'former')) || ', ' || pg_temp.order_of(:'former') || ', ' || pg_temp.attempts_of(:'former'), format('done completed, completed %1$s, accepted provider_final %1$s at 0', pg_temp.request(:'former')), 'that of its last attempt is, when it did arrive');
select is(pg_temp.by_word(:'unnamed', 'x-' || :'unnamed') || ', ' || pg_temp.by_word(:'unnamed'), 'refused request_id_conflict, duplicate completed', 'one that was completed without an id has none later');
select is(pg_temp.by_word(:'failed', 'x-' || :'failed') || ', ' || pg_temp.findings(:'failed'), format('refused order_failed, order_failed x-%1$s Ada x-%1$s', :'failed'), 'an order that failed stays so, and the id is looked up');

-- Another session may be in the way of that word: it is tried three times; and another order may take the same id in that moment.
create temporary sequence tries;
grant usage, select, update on sequence tries to public;
select pg_get_functiondef('complete_by_word'::regproc) as as_it_is \gset
create function pg_temp.meets(error text, times integer, rule text default '', given text default null) returns text
language plpgsql as $$
declare
  id uuid := pg_temp.in_status('submitted_to_zinc');
begin
  perform pg_temp.owner_makes(format('create or replace function complete_by_word(locked orders, given_id text, reason_param text, said_by text, said_by_source text) returns jsonb language plpgsql as $x$
    begin
      if nextval(''pg_temp.tries'') <= %s then
        raise exception ''in the way'' using errcode = %L, constraint = %L;
      end if;
      return ''{"success": true, "status": "completed"}'';
    end $x$', times, error, rule));
  perform setval('pg_temp.tries', 1, false);
  return pg_temp.by_word(id, given) || ', ' || replace(pg_temp.findings(id), pg_temp.request(id), 'own');
end $$;
select is(pg_temp.meets(error, 2) || ' | ' || pg_temp.meets(error, 3), 'done completed, none | ' || error || ' in the way, none', error || ' is tried three times') from unnest('{lock_not_available, deadlock_detected}'::text[]) as name, lateral (select case name when 'lock_not_available' then '55P03' else '40P01' end as error) as e;
select is(pg_temp.meets('23505', 1, rule), 'refused request_id_conflict, request_id_conflict own Ada own', 'where another order takes the id that this one has, it is looked up: ' || rule) from unnest('{orders_request_id_unique, order_attempts_request_id_unique}'::text[]) as rule;
select is(pg_temp.meets('23505', 1, 'orders_request_id_unique', 'given'), 'refused request_id_conflict, request_id_conflict given Ada given', 'so it is with the id that the person gave');
select is(pg_temp.meets('23505', 1, 'order_attempts_pkey'), '23505 in the way, none', 'what else is not unique is an error');
select pg_temp.owner_makes(:'as_it_is') as ignored \gset

-- Misuse of a decision raises.
select is(pg_temp.said(format('resolve_review({id}, ''give_up'', %s)', reason), :'neighbour'), said, reason)
  from (values ('repeat(''x'', 9)', '22023 reason_param must say in 10 to 500 characters how this is known'), ('''  '' || repeat(''x'', 8) || ''  ''', '22023 reason_param must say in 10 to 500 characters how this is known'),
    ('repeat(''x'', 10)', 'refused not_in_review'), ('repeat(''x'', 500)', 'refused not_in_review'), ('repeat(''x'', 501)', '22023 reason_param must say in 10 to 500 characters how this is known'),
    ('''they say'' || chr(10) || ''nothing''', '22023 reason_param must not contain line breaks or other control characters')) as t (reason, said);
select * from finish();
rollback;
