-- What a comparison finds where the money of the orders does not agree with Stripe's lists or with the orders themselves:
-- each kind of difference by itself, nothing of what agrees, and nothing of what may be on its way.
\ir begin.psql
select plan(218);

-- A comparison begins at a whole second, because lists know no others. All that is made here is two hours older.
create function pg_temp.run_at(seconds numeric default 0) returns timestamptz
language sql
return date_trunc('second', now()) + seconds * interval '1 second';
create function pg_temp.listed_s(seconds jsonb) returns bigint
language sql
return extract(epoch from pg_temp.run_at((seconds #>> '{}')::numeric))::bigint;
-- {calm} is the time from which on something may be on its way: a quarter of an hour before the comparison began; {run}, when it began.
create function pg_temp.at_times(what text) returns text
language sql
return replace(replace(what, '{calm}', quote_literal(pg_temp.run_at(-900)) || '::timestamptz'), '{run}', quote_literal(pg_temp.run_at()) || '::timestamptz');
create function pg_temp.with(part text, id uuid, changes text) returns uuid
language plpgsql as $$
begin
  if part = 'payments' then
    perform pg_temp.owner_does('update payments set ' || pg_temp.at_times(changes) || ' where order_id = {id}', id);
  elsif part is not null then
    perform pg_temp.forced(part, id, pg_temp.at_times(changes));
  end if;
  return id;
end $$;
-- What is known about an order or about something of a list: told to a person, or seen once only.
create function pg_temp.found(subject text) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got(format('select string_agg(d.kind || case when d.gone_at is not null then '' once'' else '''' end, '', '' order by d.kind, d.gone_at nulls first) from differences as d where %L in (d.subject, d.order_id::text)', subject)), 'none');
end $$;
-- What a comparison finds of it, or its error.
create function pg_temp.compares(what text, subject text) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.asked('app', '(select count(*) from ' || what || ')') ->> 'message', pg_temp.found(subject));
end $$;
-- The same where some rows of an order are otherwise, and all of that is undone again.
create function pg_temp.finds(what text, subject text, part text default null, id uuid default null, changes text default null) returns text
language plpgsql as $$
begin
  perform pg_temp.with(part, id, changes);
  raise exception using errcode = 'ZZ000', message = pg_temp.compares(what, subject);
exception when sqlstate 'ZZ000' then
  return sqlerrm;
end $$;

-- What a comparison makes of Stripe's list where it has a payment, with other facts than the good ones if given (created and changed in seconds).
create function pg_temp.of_list(id uuid, other jsonb, seconds numeric default 0, live_mode boolean default false) returns text
language plpgsql as $$
declare
  fact jsonb := jsonb_build_object('payment_intent', pg_temp.intent(id), 'status', 'succeeded', 'received_minor', 1530, 'capturable_minor', 0, 'refunded_minor', 0,
    'currency', 'GBP', 'livemode', false, 'named_order', id, 'disputed', false, 'in_review', false, 'created', -3600, 'changed', null) || other;
begin
  fact := fact || jsonb_build_object('created_s', pg_temp.listed_s(fact -> 'created'), 'changed_s', pg_temp.listed_s(fact -> 'changed'));
  return format('reconcile_payments(%L, %L, %L)', pg_temp.run_at(seconds), live_mode, jsonb_build_array(fact));
end $$;
create function pg_temp.lists(id uuid, other jsonb default '{}', part text default null, changes text default null, live_mode boolean default false) returns text
language sql
return pg_temp.finds(pg_temp.of_list(id, other, 0, live_mode), pg_temp.intent(id), part, id, changes);
-- The same, and what was found stays.
create function pg_temp.lists_at(seconds numeric, id uuid, other jsonb default '{}') returns text
language sql
return pg_temp.compares(pg_temp.of_list(id, other, seconds), pg_temp.intent(id));
-- A payment that no order has names this one, whose own payment may be otherwise.
create function pg_temp.names(named text, other jsonb default '{}', changes text default null) returns text
language plpgsql as $$
declare
  nobody uuid := gen_random_uuid();
begin
  return pg_temp.finds(pg_temp.of_list(nobody, jsonb_build_object('named_order', named) || other), pg_temp.intent(nobody), case when changes is not null then 'payments' end, case when changes is not null then named::uuid end, changes);
end $$;
-- An order whose payment nobody has read yet.
create function pg_temp.unread() returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.placed();
begin
  perform pg_temp.asked('service_role', format('attach_payment({id}, %L)', pg_temp.intent(id)), id);
  return id;
end $$;
-- When a payment is read next, and since when what is known of it is old.
create function pg_temp.read_next(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', case when next_read_at = ''infinity'' then ''never'' else extract(epoch from next_read_at - now())::float8::text end, extract(epoch from stale_since - now())::float8) from payments where order_id = {id}', id);
end $$;
select pg_temp.clock(-7200) as ignored \gset
select pg_temp.not_held() as ignored \gset
select pg_temp.paid() as neighbour, pg_temp.owed() as returning, pg_temp.paid() as paid, pg_temp.unread() as unread, pg_temp.placed() as placed, pg_temp.placed() as ended, gen_random_uuid() as nobody \gset
select pg_temp.reserved('after_purchase') as reserved, pg_temp.reserved('before_purchase') as reserved_before, pg_temp.in_status('submitting') as submitting,
       pg_temp.in_status('needs_review') as in_review, pg_temp.in_status('submitted_to_zinc') as bought, pg_temp.in_status('completed') as completed \gset
-- Cancelled before its payment was named, which nobody has read yet.
select pg_temp.said('cancel_order({id})', :'ended') as a, pg_temp.asked('service_role', format('attach_payment({id}, %L)', pg_temp.intent(:'ended')), :'ended') as b \gset ignored_

-- Money for no order.
select is(pg_temp.names(null), 'payment_without_order', 'money that names no order is told');
select is(pg_temp.names(named), 'payment_without_order', 'so is what names ' || coalesce(nullif(named, ''), 'nothing')) from unnest(array['', 'basket 7', :'nobody', :'neighbour' || 'x']) as named;
select is(pg_temp.names(null, other::jsonb), told, other || ': ' || told)
  from (values ('{"status": "requires_capture", "received_minor": 0, "capturable_minor": 1}', 'payment_without_order'), ('{"status": "requires_capture", "capturable_minor": 0}', 'none'),
    ('{"refunded_minor": 1529}', 'payment_without_order'), ('{"refunded_minor": 1530}', 'none'), ('{"refunded_minor": 1530, "capturable_minor": 1530}', 'none'),
    ('{"status": "processing", "capturable_minor": 1530}', 'none'), ('{"livemode": true}', 'payment_without_order'), ('{"disputed": true}', 'payment_without_order'),
    ('{"created": -900}', 'payment_without_order'), ('{"created": -899}', 'none'), ('{"changed": -900}', 'payment_without_order'), ('{"changed": -899}', 'none'),
    ('{"created": -900, "changed": -1800}', 'payment_without_order'), ('{"created": -899, "changed": -900}', 'none')) as t (other, told);

-- Money that an order does not know of.
select is(pg_temp.names(:'placed'), 'payment_not_tied', 'money for an order that knows no payment is told');
select is(pg_temp.names(upper(replace(:'placed', '-', ''))), 'payment_not_tied', 'however its name is written');
select is(pg_temp.names(:'placed', other), 'none', 'not with ' || other::text) from unnest(array['{"status": "processing"}', '{"created": -899}']::jsonb[]) as other;
select is(pg_temp.names(:'unread'), 'second_payment', 'an order that has another payment is paid twice');
select is(pg_temp.names(:'unread', other), 'none', 'not with ' || other::text) from unnest(array['{"status": "processing"}', '{"created": -899}']::jsonb[]) as other;
select is(pg_temp.names(:'unread', '{}', 'stripe_status = ''canceled'''), 'payment_not_tied', 'a payment that Stripe canceled is no other');
select is(pg_temp.names(:'unread', '{}', 'live = false'), 'payment_not_tied', 'nor is one that counts no more');
select is(pg_temp.lists(:'unread', '{}', 'payments', 'live = false'), 'second_payment', 'money of one that counts no more is told by itself');
select is(pg_temp.lists(:'unread', '{"status": "processing"}', 'payments', 'live = false'), 'none', 'not without money');

-- A payment that its order knows.
select is(pg_temp.lists(:'paid'), 'none', 'a payment that agrees is told nowhere');
select is(pg_temp.lists(:'paid', other::jsonb), told, other || ': ' || told)
  from (values ('{"livemode": true}', 'mode_differs'), ('{"named_order": "basket 7"}', 'order_differs'), ('{"named_order": null}', 'order_differs'), ('{"currency": "USD"}', 'currency_differs'),
    ('{"received_minor": 1529}', 'amount_differs'), ('{"received_minor": 1531}', 'amount_differs'), ('{"livemode": true, "created": -899}', 'none')) as t (other, told);
select is(pg_temp.lists(:'paid', jsonb_build_object('named_order', :'neighbour')), 'order_differs', 'nor does it pay the order that another one pays');
select is(pg_temp.lists(:'paid', '{}', null, null, true), 'mode_differs', 'test money does not pay where money is real');
select is(pg_temp.lists(:'paid', '{"livemode": true}', null, null, true), 'none', 'real money does');
select is(pg_temp.lists(:'reserved', '{"status": "requires_capture", "received_minor": 0, "capturable_minor": 1529}'), 'amount_differs', 'what is reserved is compared as well');
select is(pg_temp.lists(:'unread', '{"status": "processing", "received_minor": 0, "livemode": true, "named_order": null, "currency": "USD"}'), 'none', 'where there is no money nothing can differ');

-- An order that Stripe has the money of, and that is not paid.
select is(pg_temp.lists(:'unread', other::jsonb), told, other || ': ' || told)
  from (values ('{}', 'order_not_paid once'), ('{"livemode": true}', 'mode_differs'), ('{"named_order": null}', 'order_differs'), ('{"currency": "USD"}', 'currency_differs'), ('{"received_minor": 1529}', 'amount_differs'),
    ('{"refunded_minor": 1}', 'refunded_sum_differs once'), ('{"disputed": true}', 'dispute_unknown once'), ('{"in_review": true}', 'none'), ('{"status": "processing", "capturable_minor": 1530}', 'none'),
    ('{"status": "requires_capture", "received_minor": 0, "capturable_minor": 1530}', 'none')) as t (other, told);
select is(pg_temp.lists(id::uuid, '{}', 'orders', 'payment_status = ''unpaid'''), told, status || ' and unpaid: ' || told)
  from (values (:'paid', 'pending', 'order_not_paid once'), (:'submitting', 'submitting', 'order_not_paid once'), (:'in_review', 'needs_review', 'order_not_paid once'), (:'bought', 'submitted_to_zinc', 'none'), (:'completed', 'completed', 'none')) as t (id, status, told);
create function pg_temp.lists_reserved(id uuid, status text, payment_status text default 'unpaid') returns text
language sql
return pg_temp.lists(id, jsonb_build_object('status', status, 'received_minor', 0, 'capturable_minor', 1530), 'orders', format('payment_status = %L', payment_status));
select is(pg_temp.lists_reserved(:'reserved', 'requires_capture'), 'order_not_paid once', 'reserved money pays what is captured after the purchase');
select is(pg_temp.lists_reserved(:'reserved_before', 'requires_capture'), 'none', 'and not what is captured before');
select is(pg_temp.lists_reserved(:'reserved', 'processing'), 'none', 'money that is still processed does not');
select is(pg_temp.lists_at(0, :'unread'), 'order_not_paid once', 'what no list dates is seen once');
select is(pg_temp.lists_at(899, :'unread'), 'order_not_paid once', 'told to nobody before a quarter of an hour');
select is(pg_temp.lists_at(900, :'unread'), 'order_not_paid, order_not_paid once', 'and then told when it is seen again');

-- Money that came when its order had ended.
select is(pg_temp.lists(:'ended', '{}', 'orders', format('status = %L, status_before = ''submitting''', status)), 'paid_after_end once', 'money for an order that is ' || status) from unnest('{cancelled, failed}'::text[]) as status;
select is(pg_temp.lists(:'ended', '{"status": "processing"}'), 'none', 'no money yet');
select is(pg_temp.lists(:'ended', '{}', 'payments', 'stripe_status = ''succeeded'''), 'none', 'money that is known there');
select is(pg_temp.lists(:'ended', '{}', 'payments', 'live = false'), 'second_payment', 'money of a payment that counts no more');

-- An order that counts as paid although Stripe does not have the money.
select is(pg_temp.lists(:'paid', '{"status": "processing", "received_minor": 0}', 'orders', format('payment_status = %L', payment_status)), told, payment_status || ' and still processed at Stripe: ' || told)
  from (values ('paid', 'paid_not_received once'), ('refund_pending', 'paid_not_received once'), ('partially_refunded', 'paid_not_received once'), ('refunded', 'paid_not_received once'), ('disputed', 'paid_not_received once'),
    ('authorized', 'paid_not_received once'), ('unpaid', 'none'), ('failed', 'none')) as t (payment_status, told);
select is(pg_temp.lists_reserved(:'paid', 'requires_capture', 'paid'), 'paid_not_received once', 'what is only reserved is not received');
select is(pg_temp.lists_reserved(:'paid', 'requires_capture', 'authorized'), 'none', 'it is reserved');
select is(pg_temp.lists(:'paid', '{}', 'orders', 'payment_status = ''authorized'''), 'none', 'what is received was reserved');
select is(pg_temp.lists(:'paid', '{"status": "processing"}', 'payments', 'live = false'), 'none', 'a payment that counts no more makes no order paid');

-- Disputes and refunds that the shop has not read.
select is(pg_temp.lists(:'paid', '{"disputed": true}'), 'dispute_unknown once', 'a dispute that the shop has not read');
select is(pg_temp.lists(:'paid', '{"disputed": true}', 'payments', 'dispute = ''open'''), 'none', 'one that it has');
select is(pg_temp.lists(:'paid', jsonb_build_object('refunded_minor', refunded), 'payments', changes), told, changes || ', ' || refunded || ': ' || told)
  from (values ('amount_refunded = 500', 500, 'none'), ('amount_refunded = 500', 501, 'refunded_sum_differs once'), ('amount_refunded = 500', 0, 'refunded_sum_differs once'),
    ('amount_refunded = null', 0, 'none'), ('amount_refunded = null', 1, 'refunded_sum_differs once')) as t (changes, refunded, told);
select is(pg_temp.lists(:'ended', '{"status": "processing", "refunded_minor": 1}'), 'none', 'nothing is returned of what was not received');
-- A refund of a payment was told of.
create function pg_temp.knows(id uuid, gone text default 'null') returns uuid
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('insert into differences (id, kind, subject, about_at, data, first_at, last_at, gone_at) values (gen_random_uuid(), ''refund_without_move'', gen_random_uuid()::text, now(), jsonb_build_object(''payment_intent'', %L), now(), now(), %s)', pg_temp.intent(id), gone));
  return id;
end $$;
select is(pg_temp.lists(pg_temp.knows(:'completed'), '{"refunded_minor": 1}'), 'none', 'the refund that it comes from is told already');
select is(pg_temp.lists(:'paid', '{"refunded_minor": 1}'), 'refunded_sum_differs once', 'not that of another payment');
select is(pg_temp.lists(pg_temp.knows(:'bought', 'now()'), '{"refunded_minor": 1}'), 'refunded_sum_differs once', 'nor one that is gone');
select is(pg_temp.lists_at(0, :'in_review', '{"refunded_minor": 1, "currency": "USD"}'), 'currency_differs, refunded_sum_differs once', 'whatever else is told of the payment');
select is(pg_temp.lists_at(900, :'in_review', '{"refunded_minor": 1, "currency": "USD"}'), 'currency_differs, refunded_sum_differs, refunded_sum_differs once', 'the sum is told as well');
select is(pg_temp.lists_at(1800, :'in_review', '{"refunded_minor": 1, "currency": "USD"}'), 'currency_differs, refunded_sum_differs, refunded_sum_differs once', 'and not anew by the next comparison');
select is(pg_temp.got(format('select string_agg(extract(epoch from last_at - %L)::integer::text, '' '' order by kind) from differences where gone_at is null and order_id = {id}', pg_temp.run_at()), :'in_review'), '1800 1800', 'which sees that it stands');

-- What may be on its way.
select is(pg_temp.lists(:'paid', '{"disputed": true}'::jsonb || other::jsonb, 'payments', changes), told, changes || ', ' || other || ': ' || told)
  from (values ('live = live', '{"created": -900}', 'dispute_unknown once'), ('live = live', '{"created": -899}', 'none'), ('live = live', '{"changed": -899}', 'none'),
    ('created_at = {calm}', '{}', 'dispute_unknown once'), ('created_at = {calm} + interval ''1 microsecond''', '{}', 'none'),
    ('read_at = {run} - interval ''1 microsecond''', '{}', 'dispute_unknown once'), ('read_at = {run}', '{}', 'none'), ('read_at = null', '{}', 'dispute_unknown once')) as t (changes, other, told);
-- A part of the money of an order is being returned, or was.
select pg_temp.asked('service_role', 'refund_order({id}, 500, ''one came back'')', :'completed') as ignored \gset
select is(pg_temp.lists(:'completed', '{"disputed": true}', 'money_moves', changes), told, changes || ': ' || told)
  from (values ('state = ''open''', 'none'), ('state = ''unknown''', 'none'), ('state = ''accepted''', 'none'), ('state = ''awaiting_approval''', 'dispute_unknown once'),
    ('state = ''done'', due_at = null, settled_at = {calm}', 'dispute_unknown once'), ('state = ''done'', due_at = null, settled_at = {calm} + interval ''1 microsecond''', 'none')) as t (changes, told);

-- A payment whose facts are not those that were read is read again before anything is bought with it.
create function pg_temp.rereads(id uuid, changes text, other jsonb) returns text
language plpgsql as $$
begin
  perform pg_temp.with('payments', id, changes);
  perform pg_temp.lists_at(0, id, other);
  raise exception using errcode = 'ZZ000', message = pg_temp.read_next(id);
exception when sqlstate 'ZZ000' then
  return sqlerrm;
end $$;
select pg_temp.clock(0) as ignored \gset
select pg_temp.with('payments', :'neighbour', 'next_read_at = ''infinity'', stale_since = null') as a, pg_temp.with('payments', :'paid', 'next_read_at = ''infinity'', stale_since = null') as b \gset ignored_
select is(pg_temp.rereads(:'paid', changes, other::jsonb), again, changes || ', ' || other || ': ' || again)
  from (values ('read_at = read_at', '{}', 'never'), ('live = false', '{"disputed": true}', 'never'), ('stripe_status = ''processing''', '{}', '0 0'), ('amount_received = 1', '{}', '0 0'), ('amount_capturable = 1', '{}', '0 0'),
    ('amount_refunded = 1', '{}', '0 0'), ('dispute = null', '{"disputed": true}', '0 0'), ('dispute = ''open''', '{"disputed": true}', 'never'), ('dispute = ''closed''', '{}', 'never'), ('in_review = true', '{}', '0 0'),
    ('in_review = null', '{}', '0 0'), ('in_review = true', '{"in_review": true}', 'never'), ('reads = 0', '{"livemode": true}', 'never'),
    ('read_at = null', '{"disputed": true}', '0 0'), ('read_at = now()', '{"disputed": true}', '0 0'), ('read_at = now() + interval ''1 microsecond''', '{"disputed": true}', 'never'),
    ('next_read_at = now() - interval ''5 seconds'', stale_since = now() - interval ''5 seconds''', '{"disputed": true}', '-5 0'),
    ('next_read_at = now() + interval ''5 seconds'', stale_since = now() + interval ''5 seconds''', '{"disputed": true}', '0 5')) as t (changes, other, again);
select pg_temp.lists_at(0, :'paid', '{"disputed": true}') as ignored \gset
select is(pg_temp.read_next(:'paid') || ', ' || pg_temp.read_next(:'neighbour'), '0 0, never', 'and no other payment');

-- An order is compared with its own payment and movements of money, in a page of its own: what is found of it.
create function pg_temp.pages(after text, size integer) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('(select concat_ws('' '', orders, last_order) from reconcile_orders(%L, %L, %s))', pg_temp.run_at(), after, size)) #>> '{}';
end $$;
create function pg_temp.of_page(id uuid, seconds numeric default 0) returns text
language plpgsql as $$
begin
  return format('reconcile_orders(%L, %L, 1)', pg_temp.run_at(seconds), pg_temp.got('select id from orders where id < {id} order by id desc limit 1', id));
end $$;
create function pg_temp.looks(id uuid, part text default null, changes text default null) returns text
language sql
return pg_temp.finds(pg_temp.of_page(id), id::text, part, id, changes);
create function pg_temp.looks_at(seconds numeric, id uuid) returns text
language sql
return pg_temp.compares(pg_temp.of_page(id, seconds), id::text);
-- The movement of an order's money has come to an end.
create function pg_temp.moved(id uuid, state text) returns uuid
language plpgsql as $$
begin
  perform pg_temp.forced('money_moves', id, 'lease_token = md5(order_id::text)::uuid, lease_expires_at = clock_now() + interval ''1 minute''');
  perform pg_temp.asked('app', format('(select record_move(''pgtap'', md5({id}::text)::uuid, m.id, %L, ''odd'', null, null, 1000) from money_moves as m where m.order_id = {id} and m.settled_at is null)', state), id);
  return id;
end $$;
-- The money of a cancelled order stayed, because Stripe refused its return.
create function pg_temp.stayed() returns uuid
language sql
return pg_temp.moved(pg_temp.owed(), 'refused');
select pg_temp.clock(-7200) as ignored \gset

-- Pages.
select pg_temp.got('select id from orders order by id limit 1') as first, pg_temp.got('select id from orders order by id desc limit 1') as last,
       pg_temp.got('select id from orders order by id desc offset 1 limit 1') as one_before, pg_temp.got('select id from orders order by id desc offset 2 limit 1') as two_before \gset
select is(pg_temp.pages(null, 1), '1 ' || :'first', 'the first page begins with the first order');
select is(pg_temp.pages(:'two_before', 2), '2 ' || :'last', 'a page begins after the last order of the one before');
select is(pg_temp.pages(:'one_before', 2), '1', 'a page that is not full is the last');
select is(pg_temp.pages(:'last', 2), '0', 'and may be empty');

-- Goods that nobody paid.
select pg_temp.in_status('processing') as processing, pg_temp.stayed() as stayed, pg_temp.moved(pg_temp.owed(), 'done') as returned \gset
select is(pg_temp.looks(id::uuid, 'orders', format('payment_status = %L', payment_status)), told, status || ' and ' || payment_status || ': ' || told)
  from (values (:'bought', 'submitted_to_zinc', 'unpaid', 'bought_unpaid'), (:'processing', 'processing', 'unpaid', 'bought_unpaid'), (:'completed', 'completed', 'unpaid', 'bought_unpaid'), (:'completed', 'completed', 'failed', 'bought_unpaid'),
    (:'completed', 'completed', 'paid', 'none'), (:'completed', 'completed', 'authorized', 'none'), (:'neighbour', 'pending', 'unpaid', 'none'), (:'submitting', 'submitting', 'unpaid', 'none')) as t (id, status, payment_status, told);

-- Money that stayed after an order had ended without goods.
select is(pg_temp.looks(:'stayed'), 'ended_with_money', 'money of a cancelled order that is not returned');
select is(pg_temp.looks(:'stayed', 'orders', 'status = ''failed'', status_before = ''submitting'''), 'ended_with_money', 'and of one that failed');
select is(pg_temp.looks(:'returning'), 'none', 'not while it is being returned');
select is(pg_temp.looks(:'returned'), 'none', 'nor when it was');
select is(pg_temp.looks(id), 'none', 'nor of an order that has not ended, or not without goods') from unnest(array[:'neighbour', :'submitting', :'completed']::uuid[]) as id;
select is(pg_temp.looks(:'stayed', part, changes), told, changes || ': ' || told)
  from (values ('orders', 'updated_at = {calm}', 'ended_with_money'), ('orders', 'updated_at = {calm} + interval ''1 microsecond''', 'none'), ('money_moves', 'settled_at = {calm}', 'ended_with_money'),
    ('money_moves', 'settled_at = {calm} + interval ''1 microsecond''', 'none'), ('payments', 'dispute = ''open''', 'ended_with_money'), ('payments', 'dispute = ''closed''', 'ended_with_money'), ('payments', 'dispute = ''lost''', 'none'),
    ('payments', 'amount_refunded = 1529', 'ended_with_money'), ('payments', 'amount_refunded = 1530', 'none'), ('payments', 'stripe_status = ''canceled''', 'none'), ('payments', 'live = false', 'none'),
    ('payments', 'stripe_status = ''requires_capture'', amount_capturable = 1', 'ended_with_money'), ('payments', 'stripe_status = ''requires_capture'', amount_capturable = 0', 'ended_with_money')) as t (part, changes, told);
-- When a comparison has last seen what is told of an order.
create function pg_temp.last_seen(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got(format('select extract(epoch from last_at - %L)::integer from differences where order_id = {id} and gone_at is null', pg_temp.run_at()), id);
end $$;
select is(pg_temp.looks_at(0, :'stayed'), 'ended_with_money', 'money that stayed');
select is(pg_temp.asked('service_role', 'refund_order({id}, null, ''once more'')', :'stayed') ->> 'state', 'open', 'is returned by a person');
select is(pg_temp.looks_at(900, :'stayed') || ', seen ' || pg_temp.last_seen(:'stayed'), 'ended_with_money, seen 900', 'while that is under way it is not gone');
select pg_temp.moved(:'stayed', 'done') as ignored \gset
select is(pg_temp.looks_at(1800, :'stayed') || ', seen ' || pg_temp.last_seen(:'stayed'), 'ended_with_money, seen 900', 'then it is seen no more');
select pg_temp.owner_does('insert into money_moves (id, order_id, payment_intent, kind, amount_minor, currency, cause, reason, requested_by, state, due_at, created_at)
  select gen_random_uuid(), order_id, payment_intent, ''capture'', 1530, ''GBP'', ''person'', ''x'', ''x'', ''unknown'', now(), now() from payments where order_id = {id}', :'stayed') as ignored \gset
select is(pg_temp.looks_at(2700, :'stayed') || ', seen ' || pg_temp.last_seen(:'stayed'), 'ended_with_money, seen 900', 'a capture that nobody knows the end of returns nothing');

-- Money that was returned for goods that are bought: by a person, or by nobody here.
select pg_temp.in_status('completed') as taken_back \gset
select pg_temp.asked('service_role', 'refund_order({id}, 1530, ''it came back'')', :'taken_back') as ignored \gset
select pg_temp.moved(:'taken_back', 'done') as a, pg_temp.with('payments', :'taken_back', 'amount_refunded = 1530') as b, pg_temp.with('money_moves', :'completed', 'state = ''done'', due_at = null, settled_at = now() - interval ''1 hour''') as c \gset ignored_
select is(pg_temp.looks(:'taken_back', 'money_moves', changes), told, 'a person''s refund with ' || changes || ': ' || told)
  from (values ('calls = calls', 'none'), ('state = ''accepted'', due_at = now(), settled_at = null', 'none'), ('state = ''refused''', 'refunded_and_bought'), ('cause = ''order_ended''', 'refunded_and_bought'),
    ('kind = ''capture''', 'refunded_and_bought'), ('amount_minor = 1529', 'refunded_and_bought')) as t (changes, told);
select is(pg_temp.looks(id::uuid, 'payments', 'amount_refunded = 1530'), told, status || ' and returned: ' || told)
  from (values (:'bought', 'submitted_to_zinc', 'refunded_and_bought'), (:'processing', 'processing', 'refunded_and_bought'), (:'completed', 'completed', 'refunded_and_bought'), (:'neighbour', 'pending', 'none'), (:'submitting', 'submitting', 'none')) as t (id, status, told);
select is(pg_temp.looks(:'bought', 'payments', changes), told, changes || ': ' || told)
  from (values ('amount_refunded = 1529', 'none'), ('amount_refunded = 1531', 'refunded_and_bought'), ('amount_refunded = 1530, stripe_status = ''canceled''', 'none'), ('amount_received = 0, amount_refunded = 5', 'none')) as t (changes, told);

-- Stripe's list has a refund of an order's payment, by default one that nobody here has ordered: what is found of it.
create function pg_temp.refunds(id uuid, other jsonb default '{}', changes text default null) returns text
language plpgsql as $$
declare
  fact jsonb := jsonb_build_object('refund_id', 're_other', 'payment_intent', pg_temp.intent(id), 'amount_minor', 1530, 'currency', 'GBP', 'status', 'succeeded', 'named_move', null, 'created', -3600) || other;
begin
  fact := fact || jsonb_build_object('created_s', pg_temp.listed_s(fact -> 'created'));
  return pg_temp.finds(format('reconcile_refunds(%L, %L)', pg_temp.run_at(), jsonb_build_array(fact)), fact ->> 'refund_id', case when changes is not null then 'money_moves' end, id, changes);
end $$;
-- One that names the movement of an order; and the one that this shop has ordered.
create function pg_temp.refunds_named(id uuid, named uuid) returns text
language plpgsql as $$
begin
  return pg_temp.refunds(id, jsonb_build_object('named_move', pg_temp.got('select id from money_moves where order_id = {id}', named)));
end $$;
create function pg_temp.refunds_own(id uuid, other jsonb default '{}', changes text default 'calls = calls') returns text
language sql
return pg_temp.refunds(id, '{"refund_id": "re_own"}'::jsonb || other, 'stripe_id = ''re_own'', ' || changes);
select pg_temp.moved(pg_temp.owed(), 'done') as unnamed \gset
select pg_temp.with('money_moves', :'returned', 'stripe_id = ''re_known''') as ignored \gset

-- Refunds that this shop did not order.
select is(pg_temp.refunds(:'paid', other::jsonb), told, other || ': ' || told)
  from (values ('{}', 'refund_without_move'), ('{"status": "pending"}', 'refund_without_move'), ('{"status": null}', 'refund_without_move'), ('{"status": "failed"}', 'none'), ('{"status": "canceled"}', 'none'), ('{"created": -900}', 'refund_without_move'),
    ('{"created": -899}', 'none'), ('{"amount_minor": 1, "currency": "USD"}', 'refund_without_move')) as t (other, told);
select is(pg_temp.refunds(:'nobody'), 'none', 'what a person returned of a payment that no order has is his own affair');
select is(pg_temp.refunds(:'returned'), 'refund_without_move', 'a second refund beside one that was ordered');
select is(pg_temp.refunds_named(:'returned', :'returned'), 'refund_without_move', 'although it names that one');
select is(pg_temp.refunds(:'returning'), 'refund_without_move', 'one that names nothing, where another may have been made');
select is(pg_temp.refunds_named(:'returning', :'unnamed'), 'refund_without_move', 'one that names the refund of another payment');
select is(pg_temp.refunds_named(:'reserved_before', :'reserved_before'), 'refund_without_move', 'one that names a capture');
select is(pg_temp.refunds(:'returned', '{"refund_id": "re_known"}'), 'none', 'a refund is known by its id');
select is(pg_temp.refunds_named(:'unnamed', :'unnamed'), 'none', 'or by its note, where its id was never told');

-- Refunds of another amount.
select is(pg_temp.refunds_own(:'returned', other::jsonb), told, other || ': ' || told)
  from (values ('{}', 'none'), ('{"amount_minor": 1529}', 'refund_amount_differs'), ('{"amount_minor": 1531}', 'refund_amount_differs'), ('{"currency": "USD"}', 'refund_amount_differs'), ('{"amount_minor": 1529, "created": -899}', 'none')) as t (other, told);

-- Refunds of another end.
create function pg_temp.in_state(state text) returns text
language sql
return format('state = %1$L, settled_at = case when %1$L in (''done'', ''failed'') then {calm} end, due_at = case when %1$L in (''accepted'', ''unknown'') then {calm} end', state);
select is(pg_temp.refunds_own(:'returned', jsonb_build_object('status', status), pg_temp.in_state(state)), told, state || ' here and ' || coalesce(status, 'open') || ' at Stripe: ' || told)
  from (values ('done', 'succeeded', 'none'), ('done', 'pending', 'refund_status_differs once'), ('done', 'failed', 'refund_status_differs once'), ('done', 'canceled', 'refund_status_differs once'), ('done', null, 'none'), ('accepted', 'pending', 'none'),
    ('accepted', 'succeeded', 'refund_status_differs'), ('accepted', 'failed', 'refund_status_differs'), ('failed', 'failed', 'none'), ('failed', 'canceled', 'none'), ('failed', 'succeeded', 'refund_status_differs'),
    ('failed', 'pending', 'refund_status_differs'), ('unknown', 'succeeded', 'refund_status_differs')) as t (state, status, told);
select is(pg_temp.refunds_own(:'returned', '{"status": "failed"}'::jsonb || other::jsonb, changes), 'none', changes || ', ' || other || ': none')
  from (values ('state = ''accepted'', settled_at = null, due_at = {calm} + interval ''1 microsecond''', '{}'), ('settled_at = {calm} + interval ''1 microsecond''', '{}'), ('state = ''failed''', '{"created": -899, "status": "succeeded"}')) as t (changes, other);
select * from finish();
rollback;
