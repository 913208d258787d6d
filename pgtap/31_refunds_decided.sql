-- A person's refunds: whose money is returned, what was asked for once and what may be asked for again, when a second
-- person must agree, and what is withdrawn or tried again.
\ir begin.psql
select plan(75);

select pg_temp.clock(0) as ignored \gset
select pg_temp.not_held() as ignored \gset
create function pg_temp.refunded(id uuid, amount bigint, reason text, options jsonb default '{}') returns text
language plpgsql as $$
declare
  answer jsonb := pg_temp.asked('service_role', format('refund_order({id}, %L, %L, %L)', amount, reason, options), id);
begin
  return concat_ws(' ', pg_temp.word(answer), answer ->> 'amount_minor', answer ->> 'state', 'left ' || (answer ->> 'left_minor'));
end $$;
-- The movement of an order that is not over, or else its last one.
create function pg_temp.move(id uuid, kind text default 'refund') returns uuid
language plpgsql as $$
begin
  return pg_temp.got(format('select m.id from money_moves as m where m.order_id = {id} and m.kind = %L order by m.settled_at is null desc, m.created_at desc limit 1', kind), id);
end $$;
create function pg_temp.moves(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got(format('select string_agg(concat_ws('' '', kind, nullif(amount_minor, 0), state, nullif(payment_intent, %L)), '', '' order by created_at, kind, settled_at is null) from money_moves where order_id = {id}', pg_temp.intent(id)), id), 'none');
end $$;
-- What is under way for an order ends so.
create function pg_temp.ends(id uuid, state text, kind text default 'refund') returns uuid
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('update money_moves set state = %L, settled_at = now(), due_at = null where order_id = {id} and kind = %L and settled_at is null', state, kind), id);
  return id;
end $$;
-- Goods that have arrived, while their money is reserved only.
create function pg_temp.bought() returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.reserved('after_purchase');
begin
  perform pg_temp.claimed(id);
  perform pg_temp.said(format('complete_order_processing({id}, %L, ''submitted'', ''completed'')', pg_temp.request(id)), id);
  return id;
end $$;

-- Whose money.
select pg_temp.bought() as reserved, pg_temp.in_status('completed') as foreign, pg_temp.bought() as named, pg_temp.paid() as naming, pg_temp.in_status('completed') as twice, pg_temp.bought() as captured \gset
select is(pg_temp.refunded(:'reserved', null, 'why'), 'refused nothing_was_received', 'money that is only reserved was not received');
select pg_temp.told(:'foreign', '{"named_order": "another"}') as ignored \gset
select is(pg_temp.refunded(:'foreign', null, 'why'), 'refused nothing_was_received', 'money that names another order is not this one''s');
select pg_temp.forced('payments', :'naming', format('named_order = %L', :'named')) as ignored \gset
select is(pg_temp.refunded(:'named', null, 'why'), 'refused nothing_was_received', 'nor is money of another order, whatever it names');
select pg_temp.owner_does(format('insert into payments (payment_intent, order_id, live, stripe_status, amount_received, currency, named_order, next_read_at, created_at)
  values (''pi_former'', {id}, false, ''succeeded'', 1530, ''GBP'', %L, now(), now() - interval ''1 day'')', :'twice'), :'twice') as ignored \gset
select is(pg_temp.refunded(:'twice', 300, 'why') || ', ' || pg_temp.moves(:'twice'), 'done 300 open, refund 300 open', 'of two PaymentIntents that were paid the one that counts is refunded');
select pg_temp.asked('app', 'plan_captures(''pgtap'', 1000000)') as planned, pg_temp.told(:'captured') as told \gset ignored_
select is(pg_temp.refunded(:'captured', 500, 'why') || ', ' || pg_temp.moves(:'captured'), 'done 500 open, capture 1530 open, refund 500 open', 'a capture whose end is not recorded yet is no refund under way');
select pg_temp.in_status('completed') as lost, pg_temp.in_status('completed') as won \gset
select pg_temp.told(:'lost', '{"dispute": "lost"}') as a, pg_temp.told(:'won', '{"dispute": "closed"}') as b \gset ignored_
select is(pg_temp.refunded(:'lost', null, 'why'), 'refused payment_disputed left 1530', 'of a dispute that was lost the bank has taken the money');
select is(pg_temp.refunded(:'won', null, 'why'), 'done 1530 open', 'of one that is closed it can be returned');

-- Asked once.
select pg_temp.in_status('completed') as one, pg_temp.in_status('completed') as other, pg_temp.in_status('completed') as penny, pg_temp.in_status('completed') as keyed, pg_temp.in_status('failed') as failed \gset
select is(pg_temp.refunded(:'one', null, 'all came broken'), 'done 1530 open', 'all that is left is asked for');
select is(pg_temp.refunded(:'other', null, 'all came broken'), 'done 1530 open', 'the same words for another order are another request');
select is(pg_temp.refunded(pg_temp.ends(:'one', 'done'), null, 'all came broken'), 'duplicate 1530 done', 'the same words mean it once, long after it was made');
select is(pg_temp.refunded(:'one', null, 'and again'), 'refused more_than_is_left left 0', 'in other words nothing is left');
select pg_temp.refunded(:'penny', 1529, 'nearly all') as ignored \gset
select is(pg_temp.refunded(pg_temp.ends(:'penny', 'done'), null, 'the rest'), 'done 1 open', 'the last penny can be returned');
select is(pg_temp.refunded(:'keyed', 300, 'why', '{"idempotency_key": "k1"}'), 'done 300 open', 'a refund under a key');
select is(pg_temp.refunded(:'keyed', 300, 'why', '{"idempotency_key": "k2"}'), 'refused refund_under_way left 1230', 'the same under another key is another refund, and waits');
select pg_temp.clock(1) as ignored \gset
select pg_temp.told(:'failed', '{"received_minor": 2000}') as ignored \gset
select is(pg_temp.moves(:'failed'), 'refund 1530 open, refund 470 open', 'two refunds of a failed order are under way, since more was received');
select is(pg_temp.refunded(:'failed', 470, 'why') || ', ' || pg_temp.refunded(:'failed', 1530, 'why') || ', ' || pg_temp.refunded(:'failed', null, 'why'), 'duplicate 470 open, duplicate 1530 open, duplicate 1530 open', 'who asks for the amount of one means that one, else the first');
select is(pg_temp.refunded(pg_temp.ends(:'failed', 'refused'), 2000, 'the bank says yes now'), 'done 2000 open', 'and when they have failed a person asks anew');
select pg_temp.clock(0) as ignored \gset

-- What was not made may be asked for again, but not under its key.
create function pg_temp.in_vain(state text, options jsonb default '{}') returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.in_status('completed');
begin
  perform pg_temp.refunded(id, 500, 'why', options);
  return pg_temp.ends(id, state);
end $$;
select is(pg_temp.refunded(o, 600, 'another') || ', ' || pg_temp.refunded(pg_temp.ends(o, 'refused'), 500, 'why'), 'done 600 open, done 500 open', 'after a refund that is ' || s || ' another one is made, or the same')
  from (select s, pg_temp.in_vain(s) as o from unnest('{refused, failed, withdrawn}'::text[]) as s) as t;
select is(pg_temp.refunded(o, 500, 'why', '{"idempotency_key": "k"}') || ', ' || pg_temp.refunded(o, 600, 'why', '{"idempotency_key": "k"}'), 'duplicate 500 ' || s || ', refused idempotency_key_reused left 1530', 'the key of a refund that is ' || s || ' means that one for ever')
  from (select s, pg_temp.in_vain(s, '{"idempotency_key": "k"}') as o from unnest('{refused, failed, withdrawn}'::text[]) as s) as t;

-- Misuse raises.
select is(pg_temp.refunded(:'one', 1, null), '22023 reason_param must say why, in 1 to 300 characters', 'a refund has a reason');
select matches(pg_temp.refunded(:'one', 1, 'why', jsonb_build_object('idempotency_key', repeat('k', 256))), '^22023 options.idempotency_key must have 1 to 255', 'a key has 255 characters at most');
select is(pg_temp.refunded(pg_temp.in_status('completed'), 1, 'why', jsonb_build_object('idempotency_key', repeat('k', 255))), 'done 1 open', 'and so many it may have');

-- A second person: above the limit, for what a person has caused.
select pg_temp.owner_does('update settings set value = ''1000'' where name = ''two_persons_above_minor''') as ignored \gset
select pg_temp.bought() as captured, pg_temp.in_status('completed') as sums, pg_temp.in_status('completed') as approved \gset
select pg_temp.asked('app', 'plan_captures(''pgtap'', 1000000)') as planned, pg_temp.ends(:'captured', 'done', 'capture') as done, pg_temp.told(:'captured') as told \gset ignored_
select is(pg_temp.refunded(:'captured', 1000, 'why'), 'done 1000 open', 'at the limit one person is enough, and a capture is no refund');
select pg_temp.refunded(:'sums', 600, 'why') as a, pg_temp.ends(:'sums', 'done') as b \gset ignored_
select is(pg_temp.refunded(:'sums', 401, 'why'), 'done 401 awaiting_approval', 'what was refunded before counts');
select is(pg_temp.refunded(pg_temp.ends(:'sums', 'withdrawn'), 400, 'why'), 'done 400 open', 'as far as the limit');
select pg_temp.refunded(:'approved', 1001, 'why', '{"actor": "Ada"}') as ignored \gset
create function pg_temp.decided(move uuid, word text, amount bigint, options jsonb default '{"actor": "Bob"}', reason text default null) returns text
language plpgsql as $$
declare
  answer jsonb := pg_temp.asked('service_role', format('decide_move(%L, %L, %L, %L, %L)', move, word, amount, reason, options));
begin
  return concat_ws(' ', pg_temp.word(answer), answer ->> 'state', case when (answer ->> 'move_id')::uuid <> move then 'as a new one' end);
end $$;
select pg_temp.decided(pg_temp.move(:'approved'), 'approve', 1001) as ignored \gset
select is(pg_temp.refunded(pg_temp.ends(:'approved', 'done'), 529, 'why'), 'done 529 open', 'not what a second person has approved');
create function pg_temp.after_900(state text) returns text
language plpgsql as $$
declare
  id uuid := pg_temp.in_status('completed');
begin
  perform pg_temp.refunded(id, 900, 'why');
  return pg_temp.refunded(pg_temp.ends(id, state), 1000, 'why');
end $$;
select is(pg_temp.after_900(s), 'done 1000 open', 'nor what is ' || s) from unnest('{refused, failed, withdrawn}'::text[]) as s;

-- An order that ended returns its money: who has caused it?
select pg_temp.in_status('submitting') as wished, pg_temp.placed() as late, pg_temp.placed() as expired, pg_temp.reserved('after_purchase') as given_up \gset
select is(pg_temp.moves(pg_temp.in_status('failed')), 'refund 1530 open', 'a purchase that failed was nobody''s word, and its money goes back at once');
select is(pg_temp.moves(pg_temp.in_status('cancelled')), 'refund 1530 awaiting_approval', 'who cancels an order has caused its refund: a second person must agree');
select pg_temp.said('cancel_order({id})', :'wished') as a, pg_temp.setback(:'wished', 'purchase_refused', 'refused', 'key_used_up', 'failed') as b \gset ignored_
select is(pg_temp.moves(:'wished'), 'refund 1530 awaiting_approval', 'so has who wished to');
-- A PaymentIntent whose order has ended is paid all the same.
create function pg_temp.paid_late(id uuid) returns text
language plpgsql as $$
begin
  perform pg_temp.asked('service_role', format('attach_payment({id}, %L)', pg_temp.intent(id)), id);
  perform pg_temp.told(id);
  return pg_temp.moves(id);
end $$;
select pg_temp.said('cancel_order({id})', :'late') as ignored \gset
select is(pg_temp.paid_late(:'late'), 'refund 1530 awaiting_approval', 'or had cancelled it before it was paid');
select pg_temp.owner_does('update settings set value = ''3600'' where name = ''expire_unpaid_after_s''') as ignored \gset
select pg_temp.clock(3601) as a, pg_temp.asked('app', 'expire_unpaid(''pgtap'', 1000000)') as b, pg_temp.clock(0) as c \gset ignored_
select is(pg_temp.got('select status from orders where id = {id}', :'expired') || ', ' || pg_temp.paid_late(:'expired'), 'cancelled, refund 1530 open', 'an order that ended because nobody paid it in time was nobody''s word');
select pg_temp.claimed(:'given_up') as a, pg_temp.setback(:'given_up', 'purchase_refused', 'refused', 'key_used_up', 'needs_review', 'odd') as b,
  pg_temp.said('resolve_review({id}, ''give_up'', ''the goods are sold out'')', :'given_up') as c \gset ignored_
select pg_temp.told(:'given_up') as ignored \gset
select is(pg_temp.moves(:'given_up'), 'cancel open, refund 1530 awaiting_approval', 'who gives an order up has caused what goes back later');

-- The second person's word.
create function pg_temp.waiting(actor text default 'Ada', amount bigint default 1001) returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.in_status('completed');
begin
  perform pg_temp.refunded(id, amount, 'why', jsonb_build_object('actor', actor));
  perform pg_temp.owner_does('update payments set next_read_at = ''infinity'', stale_since = null where order_id = {id}', id);
  return pg_temp.move(id);
end $$;
-- How a movement stands, what its order's people are told, and when its payment is read next and counts as old since.
create function pg_temp.stands(move uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got(format('select concat_ws('' '', m.state, ''by '' || m.approved_by, ''due '' || extract(epoch from m.due_at - now())::float8, ''settled '' || extract(epoch from m.settled_at - now())::float8,
    (select string_agg(f.kind, '' '' order by f.kind) from findings as f where f.order_id = m.order_id and f.closed_at is null), case when p.next_read_at < ''infinity'' then ''read '' || extract(epoch from p.next_read_at - now())::float8 end, ''old '' || extract(epoch from p.stale_since - now())::float8)
    from money_moves as m join payments as p on p.payment_intent = m.payment_intent where m.id = %L', move));
end $$;
create function pg_temp.last_event(move uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got(format('select concat_ws('' '', e.kind, e.status_after, e.actor, e.actor_source, e.data - ''move_id'', e.data ->> ''move_id'' = m.id::text) from order_events as e join money_moves as m on m.order_id = e.order_id where m.id = %L order by e.seq desc limit 1', move));
end $$;
select pg_temp.waiting() as agreed, pg_temp.waiting() as neighbour, pg_temp.waiting() as taken_back, pg_temp.waiting() as in_time, pg_temp.waiting() as too_late \gset
select pg_temp.clock(9) as ignored \gset
select is(pg_temp.decided(:'agreed', 'approve', 1001, reason => 'seen the lanterns'), 'done open', 'another person agrees');
select is(pg_temp.stands(:'agreed'), 'open by Bob due 9 read 9 old 9', 'then it is due at once, nobody is asked any more, and its payment is read again');
select is(pg_temp.last_event(:'agreed'), 'move_approved completed Bob options {"move": "refund", "state": "open", "reason": "seen the lanterns", "amount_minor": 1001} t', 'with its event');
select is(pg_temp.stands(:'neighbour'), 'awaiting_approval due 86400 refund_awaits_approval', 'what else waits goes on waiting');
select is(pg_temp.decided(:'taken_back', 'withdraw', 1001, '{"actor": "Ada"}'), 'done withdrawn', 'who has asked may take it back');
select is(pg_temp.stands(:'taken_back'), 'withdrawn settled 9 read 9 old 9', 'for ever');
select is(pg_temp.last_event(:'taken_back'), 'move_ended completed Ada options {"move": "refund", "state": "withdrawn", "amount_minor": 1001} t', 'with its event');
select is(pg_temp.stands(:'neighbour') || ', ' || pg_temp.stands(:'agreed'), 'awaiting_approval due 86400 refund_awaits_approval, open by Bob due 9 read 9 old 9', 'and nothing else');
select is(pg_temp.decided(:'taken_back', 'approve', 1001), 'refused nothing_to_approve withdrawn', 'then nobody agrees any more');
select pg_temp.owner_does(format('update payments set stale_since = now() + interval ''2 days'' where payment_intent = (select payment_intent from money_moves where id = %L)', :'in_time')) as ignored \gset
select pg_temp.clock(86400) as ignored \gset
select is(pg_temp.decided(:'in_time', 'approve', 1001), 'done open', 'a request may be approved for a day');
select is(pg_temp.stands(:'in_time'), 'open by Bob due 86400 read 86400 old 172800', 'what was told of its payment later than that is newer still');
select pg_temp.clock(86400.000001) as ignored \gset
select is(pg_temp.decided(:'too_late', 'approve', 1001), 'refused request_too_old awaiting_approval', 'and not longer');
select is(pg_temp.decided(:'too_late', 'withdraw', 1001), 'done withdrawn', 'then it can be withdrawn');
select pg_temp.clock(0) as ignored \gset

-- What may have been sent is not withdrawn.
create function pg_temp.withdrawn(changes text) returns text
language plpgsql as $$
declare
  id uuid := pg_temp.in_status('failed');
begin
  perform pg_temp.forced('money_moves', id, changes);
  return pg_temp.decided(pg_temp.move(id), 'withdraw', 1530);
end $$;
select is(pg_temp.withdrawn(changes), answer, said)
  from (values ('state = ''unknown''', 'refused may_be_sent unknown', 'a refund that may have been made is not withdrawn'), ('state = ''accepted''', 'refused may_be_sent accepted', 'nor one that Stripe has accepted'),
    ('state = ''done'', due_at = null, settled_at = now()', 'refused may_be_sent done', 'nor one that was made'), ('calls = 1, target = ''/v1/x'', body = ''a=1''', 'refused may_be_sent open', 'nor one of which anything was sent, whatever else is said of it'),
    ('lease_token = gen_random_uuid(), lease_expires_at = now() + interval ''1 microsecond''', 'refused may_be_sent open', 'nor one that an engine is about to send'),
    ('lease_token = gen_random_uuid(), lease_expires_at = now()', 'done withdrawn', 'when its lease has ended it is'), ('state = ''waiting''', 'done withdrawn', 'so is one that waits')) as t (changes, answer, said);

-- What was not made is tried again: captures and cancellations.
select pg_temp.owner_does('update settings set value = ''0'' where name = ''two_persons_above_minor''') as ignored \gset
-- A capture that ended so, and a person knows of it.
create function pg_temp.not_captured(state text) returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.ends(pg_temp.reserved(), state, 'capture');
begin
  perform pg_temp.owner_does('select open_finding({id}, kind, ''pgtap'', ''{}'', ''pgtap'', now(), ''x'') from unnest(''{capture_refused, capture_owed, capture_due}''::text[]) as kind', id);
  return pg_temp.move(id, 'capture');
end $$;
-- The movements of the same payment, each with its reason; and what its order's people are told.
create function pg_temp.beside(move uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got(format('select string_agg(concat_ws('' '', b.kind, b.state, b.amount_minor, b.cause, b.reason), '', '' order by b.settled_at is null, b.kind) from money_moves as m join money_moves as b on b.payment_intent = m.payment_intent where m.id = %L', move)) || ' | '
    || pg_temp.got(format('select string_agg(f.kind, '' '' order by f.kind) from findings as f join money_moves as m on m.order_id = f.order_id where m.id = %L and f.closed_at is null', move));
end $$;
select pg_temp.clock(172800) as ignored \gset
select is(pg_temp.decided(pg_temp.not_captured(s), 'again', 1530), 'done open as a new one', 'a capture that is ' || s || ' is tried again') from unnest('{refused, failed, withdrawn}'::text[]) as s;
select pg_temp.clock(0) as ignored \gset
select pg_temp.not_captured('refused') as refused, pg_temp.not_captured('refused') as foreign, pg_temp.reserved() as both, pg_temp.reserved() as standing \gset
select is(pg_temp.decided(:'refused', 'again', 1529), 'refused other_amount refused', 'who tries it again names its amount');
select pg_temp.clock(172800) as ignored \gset
select is(pg_temp.decided(:'refused', 'again', 1530), 'done open as a new one', 'however long ago it was refused');
select is(pg_temp.beside(:'refused'), 'capture refused 1530 payment_authorised captured before the purchase, capture open 1530 person tried again | capture_due', 'as a new one; what was told of the first is over');
select is(pg_temp.decided(:'refused', 'again', 1530), 'duplicate open as a new one', 'once');
select pg_temp.clock(0) as ignored \gset
select is(pg_temp.decided(pg_temp.move(:'standing', 'capture'), 'again', 1530), 'refused nothing_to_repeat open', 'what is under way is not tried again');
select pg_temp.forced('payments', (select pg_temp.got(format('select order_id from money_moves where id = %L', :'foreign'))::uuid), 'named_order = ''another''') as ignored \gset
select is(pg_temp.decided(:'foreign', 'again', 1530), 'refused names_another_order', 'nor what is another order''s money by now');
select is(pg_temp.beside(:'foreign'), 'capture refused 1530 payment_authorised captured before the purchase | capture_due capture_owed capture_refused', 'and a person still knows of it');
select pg_temp.said('cancel_order({id})', :'both') as a, pg_temp.ends(:'both', 'refused', 'cancel') as b \gset ignored_
select is(pg_temp.decided(pg_temp.move(:'both', 'cancel'), 'again', 0, reason => 'Stripe was down'), 'done open as a new one', 'a cancellation is tried again while a capture is under way');
select is(pg_temp.moves(:'both'), 'cancel refused, cancel open, capture 1530 open', 'as another one');
select pg_temp.in_status('failed') as owed \gset
select is(pg_temp.decided(pg_temp.move(pg_temp.ends(:'owed', 'refused')), 'again', 1530), 'refused nothing_to_repeat refused', 'a refund is asked for anew, with its reason');

-- Misuse raises.
select matches(pg_temp.decided(pg_temp.move(:'standing', 'capture'), word, 1530, options, reason), '^22023 ' || said, 'no decision: ' || said)
  from (values (null, '{"actor": "Bob"}'::jsonb, 'why', 'decision_param must be'), ('withdraw', '{"actor": "Bob"}', ' ', 'reason_param must have'), ('withdraw', '{"all": "x"}', 'why', 'options.all is not known')) as t (word, options, reason, said);
select * from finish();
rollback;
