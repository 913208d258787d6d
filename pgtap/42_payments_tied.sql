-- Which PaymentIntent counts for an order, and what Stripe's word of it means there: before the purchase the order is
-- held, after it a person is told, and after an end without goods the money goes back.
\ir begin.psql
select plan(178);

select pg_temp.clock(0) as ignored \gset
select pg_temp.not_held() as ignored \gset
create function pg_temp.order_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', status, payment_status, hold_reason) from orders where id = {id}', id);
end $$;
-- The PaymentIntents of an order, the one that counts first, each by what follows its own name.
create function pg_temp.intents(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got(format('select string_agg(concat_ws('' '', replace(payment_intent, %L, ''pi''), case when live then ''counts'' end), '', '' order by live desc, payment_intent) from payments where order_id = {id}', pg_temp.intent(id)), id), 'none');
end $$;
create function pg_temp.findings(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got('select string_agg(f.kind, '', '' order by f.kind) from findings as f where f.order_id = {id} and f.closed_at is null', id), 'none');
end $$;
-- What a person should do about the last that he was told of an order.
create function pg_temp.runbook(id uuid, kind text) returns text
language plpgsql as $$
begin
  return pg_temp.got(format('select split_part(runbook, ''.'', 1) from alerts where order_id = {id} and rule = %L and closed_at is null', kind), id);
end $$;
create function pg_temp.last_event(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', kind, status_after, actor, data - ''payment_intent'') from order_events where order_id = {id} order by seq desc limit 1', id);
end $$;
create function pg_temp.moves(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got('select string_agg(concat_ws('' '', kind, amount_minor, cause, state), '', '' order by kind, created_at, state) from money_moves where order_id = {id}', id), 'none');
end $$;
-- An order names a PaymentIntent: its own name, and what is added to it.
create function pg_temp.names(id uuid, added text default '') returns text
language plpgsql as $$
begin
  return pg_temp.said(format('attach_payment({id}, %L, ''{"actor": "pgtap shop"}'')', pg_temp.intent(id) || added), id);
end $$;
create function pg_temp.awaiting() returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.placed();
begin
  perform pg_temp.names(id);
  return id;
end $$;
-- Something else is true of the payment of an order, or of the order.
create function pg_temp.but(id uuid, of_payment text default null, of_order text default null) returns uuid
language plpgsql as $$
begin
  perform pg_temp.owner_does('update payments set ' || of_payment || ' where live and order_id = {id}', id) where of_payment is not null;
  perform pg_temp.forced('orders', id, of_order) where of_order is not null;
  return id;
end $$;
-- Stripe's word changes a payment: what becomes of its order, and with what a person is told of it.
create function pg_temp.becomes(id uuid, other jsonb default '{}') returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.told(id, other), 'nothing') || ', ' || pg_temp.order_of(id);
end $$;
create function pg_temp.after(id uuid, other jsonb default '{}') returns text
language plpgsql as $$
begin
  return pg_temp.becomes(id, other) || ', ' || pg_temp.findings(id);
end $$;
create function pg_temp.unpaid_as(status text) returns jsonb
language sql
return jsonb_build_object('status', status, 'received_minor', 0);
create function pg_temp.reserving() returns jsonb
language sql
return '{"status": "requires_capture", "received_minor": 0, "capturable_minor": 1530, "capture_before": 4000000000}'::jsonb;

-- The name of a PaymentIntent.
select pg_temp.placed() as id \gset
select matches(pg_temp.said(format('attach_payment({id}, %L)', name), :'id'), '^22023 payment_intent_param must be a Stripe PaymentIntent id', 'no name: ' || coalesce(left(name, 20), 'null'))
  from unnest(array[null, '', 'pi_', 'ch_1', 'pi_a-b', 'pi_' || repeat('x', 248)]) as name;
select is(pg_temp.said(format('attach_payment({id}, %L)', 'pi_' || repeat('x', 247)), :'id'), 'done', 'a name of 250 characters is one');

-- Which one counts.
select pg_temp.awaiting() as neighbour, pg_temp.awaiting() as id \gset
select pg_temp.stored(:'neighbour') as before \gset
select is(pg_temp.names(:'id') || ', ' || pg_temp.names(:'id', '_b') || ', ' || pg_temp.intents(:'id'), 'duplicate, refused second_payment, pi counts', 'one of which Stripe has said nothing yet counts');
select is(pg_temp.findings(:'id') || ', ' || pg_temp.runbook(:'id', 'second_payment'), 'second_payment, A second PaymentIntent was named for this order', 'a person is told of the second');
select is(pg_temp.got('select concat_ws('' '', actor, subject, data ->> ''status'', data ->> ''payment_status'') from findings where order_id = {id}', :'id'), 'pgtap shop ' || pg_temp.intent(:'id') || '_b pending unpaid', 'which it was, and who named it');
select pg_temp.told(:'id', pg_temp.unpaid_as('canceled')) as ignored \gset
select is(pg_temp.findings(:'id') || ', ' || pg_temp.names(:'id', '_b') || ', ' || pg_temp.intents(:'id'), 'payment_canceled, second_payment, done, pi_b counts, pi', 'after one that was canceled another one counts');
select is(pg_temp.order_of(:'id') || ', ' || pg_temp.findings(:'id'), 'pending unpaid awaiting_payment, second_payment', 'it is waited for, and the canceled one is over');
select is(pg_temp.last_event(:'id'), 'order_held pending pgtap shop {"set": {"hold_reason": "awaiting_payment", "payment_status": "unpaid"}}', 'with an event');
select is(pg_temp.got('select concat_ws('' '', next_read_at = now(), created_at = now()) from payments where live and order_id = {id}', :'id'), 't t', 'and is read now');
select is(pg_temp.names(:'id') || ', ' || pg_temp.intents(:'id'), 'refused second_payment, pi_b counts, pi', 'the former one counts no more');
select pg_temp.but(:'id', 'stripe_status = ''canceled''') as ignored \gset
select is(pg_temp.names(:'id') || ', ' || pg_temp.intents(:'id'), 'refused payment_taken, pi_b counts, pi', 'not even when the other one was canceled as well');
select is(pg_temp.runbook(:'id', 'payment_taken'), 'The shop named the PaymentIntent of another order for this one', 'a person is told');
select pg_temp.owner_does('update payments set stripe_status = ''processing'' where not live and order_id = {id}', :'id') as ignored \gset
select is(pg_temp.names(:'id', '_c') || ', ' || pg_temp.intents(:'id'), 'done, pi_c counts, pi, pi_b', 'whatever Stripe says of it, a third may be named');
select is(pg_temp.names(:'neighbour', '_b'), 'refused second_payment', 'what counts for another order counts still');
select is(pg_temp.intents(:'neighbour'), 'pi counts', 'and is the only one there');
select pg_temp.awaiting() as lost \gset
select is(pg_temp.after(:'lost', pg_temp.unpaid_as('not_found')), 'nothing, pending unpaid awaiting_payment, payment_not_found', 'a PaymentIntent that Stripe does not know pays nothing');
select is(pg_temp.runbook(:'lost', 'payment_not_found'), 'Stripe knows no such PaymentIntent', 'and a person is told');
select is(pg_temp.names(:'lost', '_b') || ', ' || pg_temp.intents(:'lost'), 'done, pi_b counts, pi', 'after it another one counts');
select is(pg_temp.got('select string_agg(kind, '' '' order by seq) from order_events where order_id = {id}', :'lost'), 'order_placed', 'for the order nothing changes by that');

-- An order that waits again for its payment, and what a person was told of the former one.
create function pg_temp.named_anew(changes text) returns text
language plpgsql as $$
declare
  id uuid := pg_temp.but(pg_temp.awaiting(), 'stripe_status = ''canceled''', changes);
begin
  perform pg_temp.owner_does('select open_finding({id}, kind, ''pgtap'', ''{}'', ''pgtap'', now(), ''x'') from unnest(''{payment_canceled, payment_undone, authorisation_ending, payment_not_found, second_payment}''::text[]) as kind', id);
  return pg_temp.names(id, '_b') || ', ' || pg_temp.order_of(id) || ', ' || pg_temp.findings(id);
end $$;
select is(pg_temp.named_anew(changes), named, 'named anew: ' || changes)
  from (values ('hold_reason = ''payment_canceled''', 'done, pending unpaid awaiting_payment, second_payment'), ('hold_reason = ''payment_undone''', 'done, pending unpaid awaiting_payment, second_payment'),
    ('hold_reason = ''authorisation_ending''', 'done, pending unpaid awaiting_payment, second_payment'), ('hold_reason = ''fraud_warning'', payment_status = ''failed''', 'done, pending unpaid fraud_warning, second_payment'),
    ('hold_reason = ''wrong_amount''', 'done, pending unpaid wrong_amount, authorisation_ending, payment_canceled, payment_not_found, payment_undone, second_payment')) as t (changes, named);

-- A person's hold is his to end.
select pg_temp.paid() as id \gset
select is(pg_temp.said('hold_order({id}, ''operator'')', :'id') || ', ' || pg_temp.becomes(:'id', pg_temp.unpaid_as('canceled')), 'done, changed, pending failed operator', 'a person holds an order, and then its payment is canceled');
select is(pg_temp.names(:'id', '_b') || ', ' || pg_temp.order_of(:'id'), 'done, pending unpaid operator', 'another payment does not end his hold');
select is(pg_temp.becomes(:'id', jsonb_build_object('payment_intent', pg_temp.intent(:'id') || '_b')) || ', claims ' || pg_temp.claimed(:'id'), 'changed, pending paid operator, claims 0', 'nor when it is paid: nothing is bought');

-- For which orders one may be named after a canceled one.
create temporary table named as select t.*, pg_temp.in_status(status) as id
  from (values ('pending', null, 'refused payment_not_awaited'), ('pending', 'payment_status = ''disputed''', 'refused payment_not_awaited'), ('pending', 'payment_status = ''failed''', 'done'), ('pending', 'payment_status = ''unpaid''', 'done'), ('submitting', null, 'refused payment_not_awaited'),
    ('submitting', 'payment_status = ''unpaid''', 'refused payment_not_awaited'), ('submitted_to_zinc', 'payment_status = ''unpaid''', 'refused payment_not_awaited'), ('completed', 'payment_status = ''failed''', 'refused payment_not_awaited'), ('needs_review', 'payment_status = ''unpaid''', 'refused payment_not_awaited'),
    ('cancelled', 'payment_status = ''paid''', 'done'), ('cancelled', 'payment_status = ''failed''', 'done'), ('failed', 'payment_status = ''paid''', 'done'), ('failed', 'payment_status = ''failed''', 'done')) as t (status, changes, said);
select count(pg_temp.but(id, 'stripe_status = ''canceled''', changes)) as ignored from named \gset
select is(pg_temp.names(id, '_b'), said, concat_ws(', ', 'after a canceled one', status, changes)) from named;
select is(pg_temp.intents(id) || ', ' || pg_temp.findings(id), 'pi counts, payment_not_awaited', 'a person is told: ' || concat_ws(', ', status, changes)) from named where said like 'refused%' and coalesce(changes, '') !~ 'disputed';
select is(pg_temp.runbook((select id from named where status = 'completed'), 'payment_not_awaited'), 'A PaymentIntent was named for an order that waits for none', 'and what he should do');
select is(pg_temp.stored(:'neighbour'), :'before', 'nothing of another order changed');

-- One that Stripe tells of, with the name of an order.
create function pg_temp.adopted(id uuid, added text default '', named text default null) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('adopt_payment(''pgtap'', %L, %L)', pg_temp.intent(id) || added, coalesce(named, id::text)), id) #>> '{}';
end $$;
select pg_temp.placed() as id, pg_temp.placed() as other \gset
select is(pg_temp.adopted(:'id', named => name), 'unmatched', 'no order is named: ' || left(name, 20)) from unnest(array['', 'pgtap', gen_random_uuid()::text, upper(:'id'), replace(:'id', '-', ''), :'id' || ' ', '{' || :'id' || '}']) as name;
select is(pg_temp.asked('app', format('adopt_payment(''pgtap'', %L, %L)', name, :'id')) #>> '{}', 'unmatched', 'no PaymentIntent: ' || name) from unnest(array['ch_1', 'pi_', '']) as name;
select is(pg_temp.intents(:'id') || ', ' || pg_temp.findings(:'id'), 'none, none', 'nothing is tied by that');
select is(pg_temp.adopted(:'id') || ', ' || pg_temp.intents(:'id'), 'tied, pi counts', 'one that names an order is its own');
select is(pg_temp.adopted(:'id') || ', ' || pg_temp.intents(:'id'), 'tied, pi counts', 'once');
select is(pg_temp.adopted(:'id', '_b') || ', ' || pg_temp.findings(:'id'), 'second_payment, second_payment', 'a second one is not, and a person is told');
select is(pg_temp.got('select string_agg(actor, '' '') from findings where order_id = {id}', :'id'), 'engine/pgtap', 'by the engine');
select is(pg_temp.adopted(:'id', named => :'other') || ', ' || pg_temp.intents(:'other'), 'payment_taken, none', 'nor is one that pays another order');

-- Held by one sign after the other; what a person sees is not replaced by what ends by itself.
select pg_temp.paid() as id \gset
select is(pg_temp.becomes(:'id', other), told, other::text)
  from (values (1, '{"refunded_minor": 1}'::jsonb, 'mismatch, pending partially_refunded payment_refunded'), (2, '{"dispute": "open"}', 'mismatch, pending disputed payment_disputed'),
    (3, '{"in_review": true}', 'mismatch, pending paid payment_in_review'), (4, '{"warned": true}', 'mismatch, pending paid fraud_warning'), (5, '{"refunded_minor": 1}', 'mismatch, pending partially_refunded payment_refunded'),
    (6, '{"received_minor": 1}', 'nothing, pending partially_refunded payment_refunded'), (7, '{}', 'changed, pending paid payment_refunded')) as t (step, other, told) order by step;
select pg_temp.paid() as held \gset
select pg_temp.said('hold_order({id})', :'held') as ignored \gset
select is(pg_temp.becomes(:'held', other), told, 'held by a person: ' || other::text)
  from (values (1, '{"dispute": "open"}'::jsonb, 'changed, pending disputed operator'), (2, '{}', 'changed, pending paid operator'), (3, '{"currency": "USD"}', 'nothing, pending paid operator')) as t (step, other, told) order by step;
-- What ends by itself is replaced by what is wrong now, and ends.
select pg_temp.awaiting() as id \gset
select is(pg_temp.after(:'id', other), told, 'one after the other: ' || other::text)
  from (values (1, '{"currency": "USD"}'::jsonb, 'mismatch, pending unpaid wrong_currency, wrong_currency'), (2, '{"livemode": true}', 'mismatch, pending unpaid wrong_mode, wrong_mode'), (3, '{"status": "processing", "received_minor": 0}', 'changed, pending unpaid awaiting_payment, none'),
    (4, '{"status": "processing", "received_minor": 0}', 'nothing, pending unpaid awaiting_payment, none'), (5, '{"warned": true}', 'mismatch, pending paid fraud_warning, fraud_warning'), (6, '{"status": "processing", "received_minor": 0}', 'nothing, pending paid fraud_warning, fraud_warning, payment_undone')) as t (step, other, told) order by step;
select pg_temp.paid() as id \gset
select is(pg_temp.after(:'id', other), told, 'after it was paid: ' || other::text)
  from (values (1, '{"status": "processing", "received_minor": 0}'::jsonb, 'mismatch, pending paid payment_undone, payment_undone'), (2, '{"status": "canceled", "received_minor": 0}', 'mismatch, pending failed payment_canceled, payment_canceled'),
    (3, '{"status": "processing", "received_minor": 0}', 'nothing, pending failed payment_canceled, payment_canceled'), (4, '{"refunded_minor": 1530}', 'mismatch, pending refunded payment_refunded, payment_refunded')) as t (step, other, told) order by step;
select pg_temp.reserved('after_purchase') as reserved \gset
select is(pg_temp.after(:'reserved', pg_temp.unpaid_as('processing')), 'mismatch, pending authorized payment_undone, payment_undone', 'reserved money may be undone as well');
select is(pg_temp.after(pg_temp.but(pg_temp.awaiting(), null, changes), pg_temp.unpaid_as('processing')), told, 'unpaid with ' || changes)
  from (values ('hold_reason = ''operator''', 'nothing, pending unpaid operator, none'), ('hold_reason = ''wrong_amount''', 'changed, pending unpaid awaiting_payment, none'), ('hold_reason = ''payment_canceled'', payment_status = ''refunded''', 'nothing, pending refunded payment_canceled, none')) as t (changes, told);
select pg_temp.but(pg_temp.in_status('submitting'), null, 'hold_reason = ''wrong_amount'', payment_status = ''unpaid''') as sent \gset
select is(pg_temp.after(:'sent', pg_temp.unpaid_as('processing')), 'nothing, submitting unpaid wrong_amount, none', 'what may be bought already waits for no payment');

-- What the history says, and when the order is due.
create function pg_temp.due_then(id uuid, other jsonb default '{}') returns text
language plpgsql as $$
begin
  perform pg_temp.forced('orders', id, 'due_at = now() + interval ''1 day''');
  perform pg_temp.told(id, other);
  return pg_temp.last_event(id) || ' due ' || pg_temp.got('select extract(epoch from due_at - now())::float8 from orders where id = {id}', id);
end $$;
select pg_temp.paid() as id, pg_temp.reserved('after_purchase') as early, pg_temp.awaiting() as wrong \gset
select is(pg_temp.due_then(:'id', '{"currency": "USD"}'), 'payment_mismatched pending engine/pgtap {"set": {"hold_reason": "wrong_currency"}, "deviation": "wrong_currency", "stripe_status": "succeeded", "received_minor": 1530} due 86400', 'what does not fit holds an order, which is due as before');
select is(pg_temp.due_then(:'id'), 'payment_confirmed pending engine/pgtap {"set": {"hold_reason": null}, "stripe_status": "succeeded", "received_minor": 1530} due 0', 'when it fits again it is due now');
select is(pg_temp.due_then(:'early'), 'payment_changed pending engine/pgtap {"set": {"payment_status": "paid"}, "stripe_status": "succeeded", "received_minor": 1530} due 86400', 'money that is captured early hurries nobody');
select is(pg_temp.due_then(:'wrong', '{"currency": "USD"}') || ', ' || pg_temp.due_then(:'wrong', pg_temp.unpaid_as('processing')),
  'payment_mismatched pending engine/pgtap {"set": {"hold_reason": "wrong_currency"}, "deviation": "wrong_currency", "stripe_status": "succeeded", "received_minor": 1530} due 86400, payment_changed pending engine/pgtap {"set": {"hold_reason": "awaiting_payment"}, "stripe_status": "processing", "received_minor": 0} due 86400', 'nor what is waited for again');
select is(pg_temp.told(:'early', '{"dispute": "open"}') || ', ' || pg_temp.last_event(:'early'), 'mismatch, payment_mismatched pending engine/pgtap {"set": {"hold_reason": "payment_disputed", "payment_status": "disputed"}, "deviation": "payment_disputed", "stripe_status": "succeeded", "received_minor": 1530}', 'a hold and what the money means are one event');

-- After the purchase: nothing is held, and a person is told.
create temporary table bought as select s, pg_temp.in_status(s) as id from unnest('{submitted_to_zinc, processing, completed, watched, submitting, unknown, needs_review}'::text[]) as s;
select is(pg_temp.after(id, '{"in_review": true}'), case when s in ('submitted_to_zinc', 'processing', 'completed') then 'nothing, ' || s || ' paid, payment_in_review_after_purchase'
    when s = 'watched' then 'nothing, needs_review paid disputed, payment_in_review_after_purchase' else 'mismatch, ' || replace(s, 'unknown', 'submitting') || ' paid payment_in_review, payment_in_review' end, 'in review when it is ' || s) from bought;
select pg_temp.in_status('completed') as goods \gset
select is(pg_temp.told(:'goods', '{"dispute": "lost"}') || ', ' || pg_temp.last_event(:'goods'), 'changed, payment_changed completed engine/pgtap {"set": {"payment_status": "disputed"}, "deviation": "payment_disputed", "stripe_status": "succeeded", "received_minor": 1530}', 'a dispute that is lost changes what the money means');

-- What a person should do.
create temporary table advice as select t.*, pg_temp.paid() as before, pg_temp.in_status('processing') as after
  from (values ('{"livemode": true}'::jsonb, 'wrong_mode', 'The payment does not match its order', 'Something happened to the payment of an order that is bought'), ('{"status": "canceled", "received_minor": 0}', 'payment_canceled', 'The PaymentIntent was canceled at Stripe, which is final', 'The goods are bought, and their money is not there: the authorisation ended before it was captured'),
    ('{"status": "processing", "received_minor": 0}', 'payment_undone', 'The payment does not pay the order any more', 'The goods are bought, and their money is not there: the authorisation ended before it was captured'), ('{"refunded_minor": 1}', 'payment_refunded', 'Money of this payment was returned at Stripe', 'Something happened to the payment of an order that is bought'),
    ('{"dispute": "open"}', 'payment_disputed', 'The payment is disputed', 'The customer''s bank disputes the payment of an order that is bought'), ('{"warned": true}', 'fraud_warning', 'Stripe warns of fraud', 'Something happened to the payment of an order that is bought'),
    ('{"in_review": true}', 'payment_in_review', 'Stripe''s review of the payment is open', 'Something happened to the payment of an order that is bought')) as t (other, kind, runbook, bought);
select count(pg_temp.told(before, other)) + count(pg_temp.told(after, other)) as ignored from advice \gset
select is(pg_temp.findings(before) || ', ' || pg_temp.runbook(before, kind), kind || ', ' || runbook, 'told before the purchase: ' || kind) from advice;
select is(pg_temp.findings(after) || ', ' || pg_temp.runbook(after, kind || '_after_purchase'), kind || '_after_purchase, ' || bought, 'told after the purchase: ' || kind) from advice;
select is(pg_temp.got('select (data - ''payment_intent'' - ''named_order'')::text from findings where order_id = {id}', before), '{"status": "pending", "dispute": "open", "currency": "GBP", "stripe_status": "succeeded", "received_minor": 1530, "refunded_minor": 0}', 'with the facts') from advice where kind = 'payment_disputed';
select pg_temp.reserved('after_purchase') as ending, pg_temp.reserved('after_purchase') as bought \gset
select pg_temp.but(:'bought', null, 'status = ''processing'', status_before = ''submitted_to_zinc'', generation = 1, zinc_request_id = ''pgtap-'' || id') as ignored \gset
select is(pg_temp.after(id, pg_temp.reserving() || '{"capture_before": 0}'), told, 'an authorisation that ends is told ' || split_part(told, ' ', 2))
  from (values (:'ending'::uuid, 'mismatch, pending authorized authorisation_ending, authorisation_ending'), (:'bought', 'nothing, processing authorized, none')) as t (id, told);
select is(pg_temp.after(id, pg_temp.unpaid_as('not_found')), 'nothing, completed paid, payment_undone_after_purchase', 'a payment that is gone after the purchase is undone') from (select pg_temp.in_status('completed') as id) as t;

-- Our own refunds are no surprise.
create function pg_temp.with_refund(state text default 'open', ago text default '0 seconds', kind text default 'refund') returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.in_status('completed');
begin
  perform pg_temp.owner_does(format('insert into money_moves (id, order_id, payment_intent, kind, amount_minor, currency, cause, reason, requested_by, state, due_at, settled_at, created_at)
    values (gen_random_uuid(), {id}, %L, %L, 500, ''GBP'', ''person'', ''x'', ''x'', %L, case when %4$L then null else now() end, case when %4$L then now() - interval %5$L end, now())',
    pg_temp.intent(id), kind, state, state in ('done', 'refused', 'failed', 'withdrawn'), ago), id);
  return id;
end $$;
select is(pg_temp.after(id, jsonb_build_object('refunded_minor', refunded)), 'changed, completed ' || told, state || ' ' || kind || ' of 500 and refunds of ' || coalesce(refunded::text, 'nobody knows what'))
  from (select t.*, pg_temp.with_refund(state, ago, kind) as id from (values ('open', '0 seconds', 'refund', 500, 'refund_pending, none'), ('open', '0 seconds', 'refund', 501, 'refund_pending, payment_refunded_after_purchase'), ('unknown', '0 seconds', 'refund', 500, 'refund_pending, none'),
    ('awaiting_approval', '0 seconds', 'refund', 0, 'refund_pending, none'), ('done', '2 hours', 'refund', 500, 'partially_refunded, none'), ('refused', '0 seconds', 'refund', 500, 'partially_refunded, payment_refunded_after_purchase'), ('withdrawn', '0 seconds', 'refund', 500, 'partially_refunded, payment_refunded_after_purchase'),
    ('failed', '3599.999999 seconds', 'refund', 500, 'partially_refunded, none'), ('failed', '1 hour', 'refund', 500, 'partially_refunded, payment_refunded_after_purchase'), ('done', '0 seconds', 'capture', 500, 'partially_refunded, payment_refunded_after_purchase'),
    ('done', '0 seconds', 'refund', 1530, 'refunded, payment_refunded_after_purchase'), ('done', '0 seconds', 'refund', 1529, 'partially_refunded, payment_refunded_after_purchase'), ('done', '0 seconds', 'refund', 1531, 'refunded, payment_refunded_after_purchase')) as t (state, ago, kind, refunded, told) offset 0) as t;
select is(pg_temp.after(pg_temp.with_refund(state)), 'nothing, completed paid, none', 'a refund that is ' || state || ' is pending no more') from unnest('{done, refused, failed, withdrawn}'::text[]) as state;
select is(pg_temp.after(pg_temp.with_refund('open', kind => 'capture')), 'nothing, completed paid, none', 'a capture is no refund');
select is(pg_temp.after(pg_temp.in_status('completed'), other), told, 'another order''s refund is none of this one: ' || other::text)
  from (values ('{}'::jsonb, 'nothing, completed paid, none'), ('{"refunded_minor": 500}', 'changed, completed partially_refunded, payment_refunded_after_purchase'), ('{"refunded_minor": null}', 'nothing, completed paid, none'), ('{"dispute": "lost"}', 'changed, completed disputed, payment_disputed_after_purchase')) as t (other, told);

-- What the money of an order means.
select is(pg_temp.after(pg_temp.in_status('completed'), other), told, 'completed: ' || other::text)
  from (values ('{"status": "canceled", "received_minor": 0}'::jsonb, 'changed, completed failed, payment_canceled_after_purchase'), ('{"livemode": true, "dispute": "open"}', 'nothing, completed paid, wrong_mode_after_purchase'), (pg_temp.reserving(), 'changed, completed authorized, none'),
    (pg_temp.reserving() || '{"received_minor": 100, "refunded_minor": 100}', 'changed, completed authorized, payment_refunded_after_purchase')) as t (other, told);
select is(pg_temp.after(pg_temp.awaiting(), pg_temp.unpaid_as('canceled')), 'mismatch, pending unpaid payment_canceled, payment_canceled', 'what was never paid is unpaid when it is canceled');
select is(pg_temp.after(pg_temp.awaiting(), pg_temp.reserving()), 'nothing, pending unpaid awaiting_payment, none', 'what is reserved is not paid where it is captured before the purchase');
select is(pg_temp.after(pg_temp.reserved('after_purchase')), 'changed, pending paid, none', 'what was reserved is paid when it is captured');

-- After an end without goods the money goes back, whatever it is.
create function pg_temp.ended(status text, changes text default null) returns uuid
language plpgsql as $$
declare
  id uuid := case status when 'cancelled' then pg_temp.awaiting() else pg_temp.in_status('submitting') end;
begin
  return pg_temp.but(id, null, format('status = %L, status_before = %L, due_at = null, hold_reason = null', status, case status when 'cancelled' then 'pending' else 'submitting' end) || coalesce(', ' || changes, ''));
end $$;
create function pg_temp.returned(id uuid, other jsonb default '{}') returns text
language plpgsql as $$
begin
  return pg_temp.after(id, other) || ', ' || pg_temp.moves(id);
end $$;
select is(pg_temp.returned(pg_temp.ended(status, changes), other), told, concat_ws(', ', status, changes, other::text))
  from (values
    ('cancelled', null, '{}'::jsonb, 'changed, cancelled refund_pending, none, refund 1530 paid_after_end open'), ('failed', 'payment_status = ''unpaid''', '{}', 'changed, failed refund_pending, none, refund 1530 paid_after_end open'),
    ('failed', null, '{}', 'nothing, failed refund_pending, none, refund 1530 order_ended open'), ('cancelled', 'payment_status = ''paid''', '{}', 'nothing, cancelled refund_pending, none, refund 1530 order_ended open'),
    ('cancelled', null, pg_temp.reserving(), 'nothing, cancelled unpaid, none, cancel 0 order_ended open'),
    ('cancelled', null, '{"received_minor": 1}', 'changed, cancelled refund_pending, none, refund 1 paid_after_end open'), ('failed', 'payment_status = ''unpaid''', '{"received_minor": 1}', 'changed, failed refund_pending, none, refund 1 paid_after_end open'),
    ('cancelled', null, '{"received_minor": 0}', 'changed, cancelled paid, none, none'), ('failed', null, '{"in_review": true}', 'nothing, failed refund_pending, none, refund 1530 order_ended open'), ('cancelled', null, '{"warned": true}', 'changed, cancelled refund_pending, none, refund 1530 paid_after_end open'),
    ('failed', null, '{"dispute": "open"}', 'changed, failed disputed, disputed_and_ended, payment_disputed, none'), ('cancelled', null, '{"dispute": "lost"}', 'changed, cancelled disputed, disputed_and_ended, payment_disputed, none'),
    ('failed', 'zinc_request_id = ''pgtap-'' || id', '{"dispute": "open"}', 'changed, failed disputed, disputed_and_ended, payment_disputed, none'), ('cancelled', null, '{"status": "not_found", "received_minor": 0}', 'nothing, cancelled unpaid, none, none'),
    ('cancelled', null, '{"status": "canceled", "received_minor": 0}', 'nothing, cancelled unpaid, none, none')) as t (status, changes, other, told);
select pg_temp.owed() as owed \gset
select is(pg_temp.returned(:'owed', '{"status": "canceled"}'), 'changed, cancelled failed, none, refund 1530 order_ended open', 'a refund of what was canceled is pending nowhere');

-- Reserved money that is captured before the purchase: once, by itself.
select pg_temp.reserved('before_purchase') as one, pg_temp.awaiting() as two \gset
select is(pg_temp.moves(:'one'), 'capture 1530 payment_authorised open', 'reserved money is captured');
select is(pg_temp.returned(:'one', pg_temp.reserving()), 'nothing, pending unpaid awaiting_payment, none, capture 1530 payment_authorised open', 'once');
select pg_temp.owner_does('update money_moves set state = ''refused'', settled_at = now(), due_at = null where order_id = {id}', :'one') as ignored \gset
select is(pg_temp.returned(:'one', pg_temp.reserving()), 'nothing, pending unpaid awaiting_payment, none, capture 1530 payment_authorised refused', 'one that was refused is a person''s');
select is(pg_temp.returned(:'two', pg_temp.unpaid_as('processing')), 'nothing, pending unpaid awaiting_payment, none, none', 'what is not reserved yet is not captured');
select pg_temp.owner_does(format('select plan_move({id}, %L, ''cancel'', 0, ''unpaid_too_long'', ''not paid in time'', ''open'', ''pgtap'', ''options'', now())', pg_temp.intent(:'two')), :'two') as ignored \gset
select is(pg_temp.returned(:'two', pg_temp.reserving()), 'nothing, pending unpaid awaiting_payment, none, cancel 0 unpaid_too_long open, capture 1530 payment_authorised open', 'what was to be cancelled and is reserved now is captured');
select is(pg_temp.returned(id, pg_temp.reserving()), told, 'reserved: ' || told)
  from (values (pg_temp.but(pg_temp.awaiting(), null, 'hold_reason = ''operator'''), 'nothing, pending unpaid operator, none, none'), (pg_temp.but(pg_temp.in_status('submitting'), null, 'hold_reason = ''awaiting_payment'', payment_status = ''unpaid'''), 'nothing, submitting unpaid awaiting_payment, none, none'),
    (pg_temp.but(pg_temp.awaiting(), null, 'capture_when = ''after_purchase'''), 'paid, pending authorized, none, none')) as t (id, told);
select * from finish();
rollback;
