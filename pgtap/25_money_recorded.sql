-- Money to its end: what a person is told of a movement and when that is over, which reserved money is captured, and
-- which orders end because nobody paid them.
\ir begin.psql
select plan(59);

select pg_temp.clock(0) as ignored \gset
select pg_temp.not_held() as ignored \gset
-- Whatever the shop has, only what is made here waits for a capture or for its payment.
select pg_temp.owner_does('alter table payments disable trigger user; update payments set stripe_status = ''succeeded'' where stripe_status = ''requires_capture''; alter table payments enable trigger user') as ignored \gset
select pg_temp.owner_does('alter table orders disable trigger user; update orders set hold_reason = ''operator'' where hold_reason in (''awaiting_payment'', ''payment_canceled''); alter table orders enable trigger user') as ignored \gset

-- An order whose money is reserved until it is bought, and that the provider has taken.
create function pg_temp.bought(status text default 'submitted_to_zinc') returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.reserved('after_purchase');
begin
  perform pg_temp.claimed(id);
  perform pg_temp.said(format('complete_order_processing({id}, %L, ''submitted'', %L)', pg_temp.request(id), status), id);
  return id;
end $$;
-- The same, and then it failed there.
create function pg_temp.bought_in_vain() returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.bought();
begin
  perform pg_temp.asked('app', 'plan_captures(''pgtap'', 1000)');
  perform pg_temp.forced('orders', id, 'status = ''failed'', status_before = ''submitting'', due_at = null');
  return id;
end $$;
-- Reserved money that is released, because its order was cancelled.
create function pg_temp.released() returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.reserved('after_purchase');
begin
  perform pg_temp.said('cancel_order({id})', id);
  return id;
end $$;
create function pg_temp.findings(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got('select string_agg(concat_ws('' '', f.kind, f.data ->> ''code''), '', '' order by f.kind, f.subject) from findings as f where f.order_id = {id} and f.closed_at is null', id), 'none');
end $$;
-- A person has been told of this about an order.
create function pg_temp.knows(id uuid, kinds text, subject text default 'pgtap') returns void
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('select open_finding({id}, kind, %L, ''{}'', ''pgtap'', now(), ''x'') from unnest(%L::text[]) as kind', subject, kinds), id);
end $$;
create function pg_temp.runbook(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select split_part(runbook, ''.'', 1) from alerts where order_id = {id} and closed_at is null', id);
end $$;
-- The movements of an order, each with its PaymentIntent.
create function pg_temp.moves(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got(format('select string_agg(concat_ws('' '', kind, state, replace(payment_intent, %L, ''pi'')), '', '' order by kind, state, payment_intent) from money_moves where order_id = {id}', pg_temp.intent(id)), id), 'none');
end $$;
-- What was recorded of a movement that its worker has leased, and what a person is told then.
create function pg_temp.ended(id uuid, kind text, state text, code text default null, changes text default 'calls = calls') returns text
language plpgsql as $$
begin
  perform pg_temp.forced('money_moves', id, 'lease_token = md5(order_id::text)::uuid, lease_expires_at = clock_now() + interval ''1 minute'', ' || changes);
  return (pg_temp.asked('app', format('(select record_move(''pgtap'', md5({id}::text)::uuid, m.id, %L, %L, null, null, 1000) from money_moves as m where m.order_id = {id} and m.kind = %L and m.settled_at is null)', state, code, kind), id) #>> '{}')
    || ', ' || pg_temp.findings(id);
end $$;

-- What was told of a movement is over with it.
select pg_temp.owed() as whole, pg_temp.in_status('completed') as part, pg_temp.owed() as elsewhere, pg_temp.reserved('before_purchase') as captured \gset
select pg_temp.knows(:'whole', '{refund_refused, refund_failed, refund_owed, move_unknown}') as ignored \gset
select is(pg_temp.ended(:'whole', 'refund', 'done'), 'recorded, none', 'a refund of all that was left ends what a person was told of the customer''s money');
select pg_temp.asked('service_role', 'refund_order({id}, 530, ''one lantern came back'')', :'part') as ignored \gset
select pg_temp.knows(:'part', '{refund_refused, refund_failed, refund_owed, move_unknown}') as ignored \gset
select is(pg_temp.ended(:'part', 'refund', 'done'), 'recorded, refund_failed, refund_owed, refund_refused', 'a refund of a part ends only the doubt about itself');
select pg_temp.knows(:'elsewhere', '{refund_owed, move_unknown}') as ignored \gset
select pg_temp.forced('payments', :'elsewhere', 'amount_refunded = 1530') as ignored \gset
select is(pg_temp.ended(:'elsewhere', 'refund', 'refused', 'charge_already_refunded'), 'recorded, refund_owed, refund_refused charge_already_refunded', 'so does a refund that was refused, although nothing is left');
select pg_temp.knows(:'captured', '{capture_due, move_unknown, payment_disputed}') as ignored \gset
select is(pg_temp.ended(:'captured', 'capture', 'done'), 'recorded, payment_disputed', 'a capture ends what was told of it, and nothing else');

-- What a person is told of one that did not work.
select pg_temp.bought() as goods \gset
select pg_temp.asked('app', 'plan_captures(''pgtap'', 1000)') as ignored \gset
select is(pg_temp.ended(:'goods', 'capture', 'refused', 'odd') || ', ' || pg_temp.runbook(:'goods'), 'recorded, capture_refused odd, The goods are bought, and their money could not be captured', 'a capture that Stripe refuses when the goods are bought');
select is(pg_temp.ended(pg_temp.bought_in_vain(), 'capture', state, 'odd'), 'recorded, none', 'a capture that is ' || state || ' is missed by nobody where the order failed') from unnest('{refused, failed}'::text[]) as state;
select is(pg_temp.ended(pg_temp.released(), 'cancel', 'refused', code), 'recorded, none', 'a cancellation that is refused as ' || code || ' needs nobody') from unnest('{succeeded, canceled, not_wanted, reserved}'::text[]) as code;
select pg_temp.reserved('before_purchase') as stored \gset
select is(pg_temp.ended(:'stored', 'capture', 'unknown', 'stored_error') || ', ' || pg_temp.runbook(:'stored'), 'recorded, move_unknown stored_error, Stripe does not say whether this movement of money was made', 'an error that Stripe keeps for a capture waits for no key''s end');
select pg_temp.owed() as unapproved, pg_temp.owed() as read, pg_temp.owed() as other \gset
select is(pg_temp.ended(:'unapproved', 'refund', 'done', null, 'state = ''awaiting_approval''') || ', ' || pg_temp.moves(:'unapproved'), 'stale, none, refund awaiting_approval pi', 'what waits for a second person was made by nobody');
select pg_temp.owner_does('update payments set next_read_at = ''infinity'', stale_since = null') as ignored \gset
select pg_temp.ended(:'read', 'refund', 'done') as ignored \gset
select is(pg_temp.got('select string_agg(order_id::text, '' '') from payments where next_read_at < ''infinity'' or stale_since is not null'), :'read', 'the payment whose money was moved is read again, and no other');

-- Captures of what the provider has taken.
create function pg_temp.plans(batch integer default 1000) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('plan_captures(''pgtap'', %s)', batch)) #>> '{}';
end $$;
-- How the money of a bought order moves when something else is true of it than what is good.
create function pg_temp.captures_with(part text, changes text, status text default 'submitted_to_zinc') returns text
language plpgsql as $$
declare
  id uuid := pg_temp.bought(status);
begin
  perform pg_temp.forced(part, id, changes);
  perform pg_temp.plans();
  return pg_temp.moves(id);
end $$;
-- The order had another PaymentIntent before, and of that Stripe says the same.
create function pg_temp.with_former(id uuid, changes text default 'reads = 0') returns uuid
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('insert into payments (payment_intent, order_id, live, stripe_status, amount_received, amount_capturable, amount_refunded, currency, named_order, capture_before, authorised_at, next_read_at, created_at)
    select payment_intent || ''_former'', order_id, false, stripe_status, amount_received, amount_capturable, amount_refunded, currency, named_order, capture_before, authorised_at, next_read_at, created_at from payments where order_id = {id}'), id);
  perform pg_temp.owner_does('update payments set ' || changes || ' where order_id = {id} and not live', id);
  return id;
end $$;
select is(pg_temp.plans() || ', ' || pg_temp.moves(:'goods'), '0, capture refused pi', 'a capture that Stripe refused is not tried again by itself');
select pg_temp.bought() as one, pg_temp.bought() as two \gset
select is(pg_temp.plans(1), '1', 'so many captures at a time as were asked for');
select is(pg_temp.plans(1), '1', 'then the next');
select is(pg_temp.plans() || ', ' || pg_temp.moves(:'one') || ', ' || pg_temp.moves(:'two'), '0, capture open pi, capture open pi', 'each once');
select is(pg_temp.captures_with('orders', 'cost_minor = null', status), 'capture open pi', 'the money of an order is captured when it is ' || status) from unnest('{submitted_to_zinc, processing, completed}'::text[]) as status;
select is(pg_temp.captures_with(part, changes), 'none', 'nothing is captured with ' || changes)
  from (values ('orders', 'payment_status = ''disputed'''), ('payments', 'stripe_status = ''succeeded'''), ('payments', 'live = false'), ('payments', 'named_order = null')) as t (part, changes);
select pg_temp.with_former(pg_temp.bought()) as replaced, pg_temp.bought() as named, pg_temp.reserved('after_purchase') as naming, pg_temp.bought() as spared \gset
select pg_temp.forced('payments', :'naming', format('named_order = %L', :'named')) as ignored \gset
select pg_temp.owner_does(format('select plan_move({id}, %L, ''cancel'', 0, ''unpaid_too_long'', ''not paid in time'', ''open'', ''pgtap'', ''options'', now())', pg_temp.intent(:'spared')), :'spared') as ignored \gset
select pg_temp.ended(:'spared', 'cancel', 'refused', 'reserved') as ignored \gset
select is(pg_temp.plans(), '3', 'it is told how many captures are new');
select is(pg_temp.moves(:'replaced'), 'capture open pi', 'only the PaymentIntent that counts for the order is captured');
select is(pg_temp.moves(:'named'), 'capture open pi', 'another order''s money is not, whatever it names');
select is(pg_temp.moves(:'spared'), 'cancel refused pi, capture open pi', 'a cancellation that came too late is no capture');
select least(one, other) as foreign, greatest(one, other) as own from (select pg_temp.bought() as one, pg_temp.bought() as other offset 0) as t \gset
select pg_temp.forced('payments', :'foreign', 'named_order = ''another''') as ignored \gset
select is(pg_temp.plans(1) || ', ' || pg_temp.moves(:'foreign') || ', ' || pg_temp.moves(:'own'), '1, none, capture open pi', 'money that names another order is not captured, and nobody waits behind it');

-- Reserved money that lapses soon: a person is told.
create function pg_temp.late(id uuid, hours_left integer default 20) returns uuid
language plpgsql as $$
begin
  perform pg_temp.forced('payments', id, format('authorised_at = now() - (100 - %1$s) * interval ''1 hour'', capture_before = now() + %1$s * interval ''1 hour''', hours_left));
  return id;
end $$;
create function pg_temp.after_plans(id uuid) returns text
language plpgsql as $$
begin
  perform pg_temp.plans();
  return pg_temp.findings(id);
end $$;
select pg_temp.late(pg_temp.reserved('after_purchase'), 20) as later, pg_temp.late(pg_temp.reserved('after_purchase'), 10) as sooner \gset
select is(pg_temp.plans(1) || ', ' || pg_temp.findings(:'sooner') || ', ' || pg_temp.findings(:'later'), '0, capture_due, none', 'what lapses first is told first, so many as were asked for');
select is(pg_temp.plans(1) || ', ' || pg_temp.findings(:'sooner') || ', ' || pg_temp.findings(:'later'), '0, capture_due, capture_due', 'then the next: what a person knows keeps nobody waiting');
select pg_temp.owner_does('select close_finding({id}, ''{capture_due}'', now())', :'sooner') as ignored \gset
select is(pg_temp.after_plans(:'sooner'), 'capture_due', 'what a person has put aside is told anew while it lasts');
select pg_temp.late(pg_temp.reserved('after_purchase')) as other_kind, pg_temp.late(pg_temp.reserved('after_purchase')) as other_payment, pg_temp.late(pg_temp.reserved('after_purchase')) as other_order \gset
select pg_temp.knows(:'other_kind', '{payment_disputed}', pg_temp.intent(:'other_kind')) as a, pg_temp.knows(:'other_payment', '{capture_due}', 'pi_former') as b, pg_temp.knows(:'one', '{capture_due}', pg_temp.intent(:'other_order')) as c \gset ignored_
select is(pg_temp.after_plans(:'other_kind'), 'capture_due, payment_disputed', 'whatever else is known of the payment');
select is(pg_temp.after_plans(:'other_payment'), 'capture_due, capture_due', 'or was known of another payment of the order');
select is(pg_temp.after_plans(:'other_order'), 'capture_due', 'or is told beside another order');
select is(pg_temp.after_plans(pg_temp.late(pg_temp.released())), 'none', 'of a cancelled order nobody waits for the money');
select is(pg_temp.after_plans(pg_temp.late(pg_temp.bought_in_vain())), 'none', 'nor of one that failed');
select pg_temp.late(pg_temp.with_former(pg_temp.reserved('after_purchase'))) as settled \gset
select pg_temp.owner_does('update payments set stripe_status = ''succeeded'' where order_id = {id} and live', :'settled') as ignored \gset
select is(pg_temp.after_plans(:'settled'), 'none', 'what is captured does not lapse, and what counts no more may');

-- Orders that nobody paid in an hour.
select pg_temp.owner_does('update settings set value = ''3600'' where name = ''expire_unpaid_after_s''') as ignored \gset
-- An order with a PaymentIntent, what Stripe said of it, and what is changed of that.
create function pg_temp.unpaid(status text default 'requires_payment_method', changes text default 'reads = 0') returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.placed();
begin
  perform pg_temp.asked('service_role', format('attach_payment({id}, %L)', pg_temp.intent(id)), id);
  perform pg_temp.told(id, jsonb_build_object('status', status, 'received_minor', 0));
  perform pg_temp.forced('payments', id, changes);
  return id;
end $$;
create function pg_temp.unpaid_but(changes text) returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.placed();
begin
  perform pg_temp.forced('orders', id, changes);
  return id;
end $$;
-- How many orders were worked on so many seconds later, and how this one stands then.
create function pg_temp.after(seconds numeric, id uuid, batch integer default 1000) returns text
language plpgsql as $$
declare
  worked text;
begin
  perform pg_temp.clock(seconds);
  worked := pg_temp.asked('app', format('expire_unpaid(''pgtap'', %s)', batch)) #>> '{}';
  perform pg_temp.clock(0);
  return worked || ', ' || pg_temp.got('select concat_ws('' '', status, hold_reason, (select string_agg(kind || '' '' || state, '','') from money_moves where order_id = {id})) from orders where id = {id}', id);
end $$;
create function pg_temp.after_an_hour(id uuid, batch integer default 1000) returns text
language sql
return pg_temp.after(3600.000001, id, batch);
select least(one, other) as first, greatest(one, other) as second from (select pg_temp.placed() as one, pg_temp.placed() as other offset 0) as t \gset
select is(pg_temp.after_an_hour(:'first', 1), '1, cancelled', 'so many orders are cancelled at a time as were asked for');
select is(pg_temp.after_an_hour(:'second', 1), '1, cancelled', 'then the next');
select is(pg_temp.after_an_hour(pg_temp.unpaid('requires_payment_method', 'stripe_status = ' || quote_literal(status))), '0, pending awaiting_payment', 'an order waits whose payment is ' || status || ' at Stripe')
  from unnest('{requires_capture, processing, succeeded, not_found}'::text[]) as status;
select is(pg_temp.after_an_hour(pg_temp.unpaid('requires_payment_method', 'named_order = ''another''')), '0, pending awaiting_payment', 'one whose PaymentIntent names another order waits for a person, and is not counted');
select is(pg_temp.after_an_hour(pg_temp.with_former(pg_temp.unpaid('processing'), 'stripe_status = ''canceled''')), '0, pending awaiting_payment', 'only the PaymentIntent that counts says whether an order may still be paid');
select is(pg_temp.after_an_hour(pg_temp.unpaid_but('hold_reason = ''operator''')), '0, pending operator', 'one that a person holds is his');
select is(pg_temp.after_an_hour(pg_temp.unpaid_but('payment_status = ''disputed''')), '0, pending awaiting_payment', 'one that was paid once is not one that nobody paid');
select pg_temp.in_status('submitting') as sent \gset
select pg_temp.forced('orders', :'sent', 'hold_reason = ''awaiting_payment'', payment_status = ''unpaid''') as a, pg_temp.forced('payments', :'sent', 'live = false') as b \gset ignored_
select is(pg_temp.after_an_hour(:'sent'), '0, submitting awaiting_payment', 'one that may be bought is not cancelled, whoever paid it');
select pg_temp.placed() as forgotten \gset
select pg_temp.owner_does('insert into differences (id, kind, subject, order_id, about_at, data, first_at, last_at) values (gen_random_uuid(), ''purchase_forgotten'', {id}::text, {id}, now(), ''{"attempt_id": "of before"}'', now(), now())', :'forgotten') as ignored \gset
select is(pg_temp.after_an_hour(:'forgotten'), '0, pending awaiting_payment', 'nor one that the provider has and a restored database forgot');
select pg_temp.unpaid('canceled') as canceled \gset
select is(pg_temp.findings(:'canceled'), 'payment_canceled', 'a PaymentIntent was canceled at Stripe, and a person is told');
select is(pg_temp.after_an_hour(:'canceled') || ', ' || pg_temp.findings(:'canceled'), '1, cancelled, none', 'until its order is cancelled for it');
select pg_temp.unpaid() as named \gset
select is(pg_temp.after_an_hour(:'named'), '1, pending awaiting_payment cancel open', 'a PaymentIntent that can still be paid is cancelled first');
select is(pg_temp.after_an_hour(:'named'), '0, pending awaiting_payment cancel open', 'once');
select pg_temp.ended(:'named', 'cancel', 'done') as a, pg_temp.told(:'named', '{"status": "canceled", "received_minor": 0}') as b \gset ignored_
select is(pg_temp.after_an_hour(:'named'), '1, cancelled cancel done', 'and when Stripe has confirmed that, its order');
select pg_temp.unpaid() as refused \gset
select pg_temp.after_an_hour(:'refused') as ignored \gset
select pg_temp.ended(:'refused', 'cancel', 'refused', 'odd') as ignored \gset
select is(pg_temp.after_an_hour(:'refused'), '0, pending awaiting_payment cancel refused', 'what Stripe refused to cancel is a person''s');
select pg_temp.placed() as later \gset
select pg_temp.clock(1800) as ignored \gset
select pg_temp.asked('service_role', format('attach_payment({id}, %L)', pg_temp.intent(:'later')), :'later') as ignored \gset
select is(pg_temp.after(5400, :'later'), '0, pending awaiting_payment', 'a payment that was named later has its own hour');
select is(pg_temp.after(5400.000001, :'later'), '1, pending awaiting_payment cancel open', 'and not more');
select * from finish();
rollback;
