-- What an order that ended without goods owes to its payment: a refund of what is left of it, the cancellation of what can
-- still be paid, or a person's look at it; each intended once.
\ir begin.psql
select plan(70);

select pg_temp.clock(0) as ignored \gset
select pg_temp.not_held() as ignored \gset
create function pg_temp.moves(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got('select string_agg(concat_ws('' '', kind, nullif(amount_minor, 0), state, nullif(cause, ''order_ended'')), '', '' order by settled_at, kind, created_at) from money_moves where order_id = {id}', id), 'none');
end $$;
-- What is under way for an order ends so.
create function pg_temp.ends(id uuid, state text, code text default null, kind text default null) returns uuid
language plpgsql as $$
begin
  perform pg_temp.owner_does(format('update money_moves set state = %L, code = %L, settled_at = clock_now(), due_at = null where order_id = {id} and kind = coalesce(%L, kind) and settled_at is null', state, code, kind), id);
  return id;
end $$;
create function pg_temp.findings(id uuid) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got('select string_agg(concat_ws('' '', f.kind, f.data), '', '' order by f.kind) from findings as f where f.order_id = {id} and f.closed_at is null', id), 'none');
end $$;
create function pg_temp.cancelled(id uuid) returns text
language plpgsql as $$
begin
  perform pg_temp.said('cancel_order({id})', id);
  return pg_temp.moves(id) || ' | ' || pg_temp.findings(id);
end $$;
-- Stripe is asked once more about the payment of an order that has ended.
create function pg_temp.read_again(id uuid, other jsonb default '{}') returns text
language plpgsql as $$
begin
  perform pg_temp.told(id, other);
  return pg_temp.moves(id) || ' | ' || pg_temp.findings(id);
end $$;
-- An order with a PaymentIntent that Stripe said this of, or nothing yet.
create function pg_temp.named(status text default null, former text default null) returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.placed();
begin
  if former is not null then
    perform pg_temp.owner_does(format('insert into payments (payment_intent, order_id, live, stripe_status, amount_received, currency, named_order, next_read_at, created_at)
      values (%L, {id}, false, %L, 1530, ''GBP'', {id}, ''infinity'', now())', 'pi_former_' || md5(id::text), former), id);
  end if;
  perform pg_temp.asked('service_role', format('attach_payment({id}, %L)', pg_temp.intent(id)), id);
  if status is not null then
    perform pg_temp.told(id, jsonb_build_object('status', status, 'received_minor', case status when 'succeeded' then 1530 else 0 end));
  end if;
  return id;
end $$;
create function pg_temp.disputed(dispute text) returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.paid();
begin
  perform pg_temp.told(id, jsonb_build_object('dispute', dispute));
  return id;
end $$;

-- What is returned.
select pg_temp.paid() as elsewhere, pg_temp.paid() as returned, pg_temp.paid() as foreign, pg_temp.paid() as lost \gset
select is(pg_temp.cancelled(pg_temp.placed()), 'none | none', 'an order without a payment owes nothing');
select is(pg_temp.cancelled(pg_temp.paid()), 'refund 1530 open | none', 'what was received is refunded');
select is(pg_temp.cancelled(pg_temp.reserved('after_purchase')), 'cancel open | none', 'what is reserved is released');
select is(pg_temp.cancelled(pg_temp.named('requires_payment_method')), 'cancel open | none', 'what can still be paid is cancelled');
select is(pg_temp.cancelled(pg_temp.named()), 'cancel open | none', 'and what was never read, whatever it is');
select is(pg_temp.cancelled(pg_temp.named('canceled')), 'none | none', 'what Stripe has canceled needs nothing');
select is(pg_temp.cancelled(pg_temp.named('not_found')), 'none | none', 'nor does what Stripe never knew');
select pg_temp.told(:'lost', '{"status": "not_found", "named_order": null}') as ignored \gset
select is(pg_temp.cancelled(:'lost'), 'none | refund_owed {"named_order": null, "stripe_status": "not_found"}', 'what it knew once, and knows no more, a person looks for');
select is(pg_temp.cancelled(pg_temp.named('canceled', 'succeeded')) || ', ' || pg_temp.cancelled(pg_temp.named('succeeded', 'canceled')), 'none | none, refund 1530 open | none', 'only the PaymentIntent that counts for the order is looked at');
select pg_temp.told(:'foreign', '{"named_order": "another"}') as ignored \gset
select is(pg_temp.cancelled(:'foreign'), 'none | payment_names_another_order {"named_order": "another", "stripe_status": "succeeded"}', 'what names another order is not touched');
select is(pg_temp.cancelled(pg_temp.disputed('open')), 'none | disputed_and_ended {"dispute": "open"}', 'what is disputed the bank takes itself');
select is(pg_temp.cancelled(pg_temp.disputed('lost')), 'none | disputed_and_ended {"dispute": "lost"}', 'or has taken');
select is(pg_temp.cancelled(pg_temp.disputed('closed')), 'refund 1530 open | none', 'when it does not, the money goes back');
select pg_temp.told(:'elsewhere', '{"refunded_minor": 500}') as a, pg_temp.told(:'returned', '{"refunded_minor": 1530}') as b \gset ignored_
select is(pg_temp.cancelled(:'elsewhere'), 'refund 1030 open | none', 'what somebody has refunded at Stripe does not go back twice');
select is(pg_temp.cancelled(:'returned'), 'none | none', 'and of nothing nothing is returned');

-- Once by itself; then a person decides.
select pg_temp.in_status('failed') as by_person, pg_temp.in_status('failed') as more, pg_temp.in_status('failed') as unwanted, pg_temp.reserved() as capture \gset
select is(pg_temp.read_again(pg_temp.ends(pg_temp.in_status('failed'), s)), 'refund 1530 ' || s || ' | refund_owed {"left_minor": 1530}', 'a refund that is ' || s || ' is not tried again by itself')
  from unnest('{refused, failed, withdrawn}'::text[]) as s;
select is(pg_temp.read_again(pg_temp.ends(:'unwanted', 'withdrawn', 'not_wanted')), 'refund 1530 withdrawn | refund_owed {"left_minor": 1530}', 'whatever the reason');
select is(pg_temp.read_again(pg_temp.ends(:'more', 'done'), '{"received_minor": 2000}'), 'refund 1530 done, refund 470 open | none', 'after one that was made, what was received since goes back too');
select pg_temp.forced('money_moves', pg_temp.ends(:'by_person', 'refused'), 'cause = ''person''') as ignored \gset
select is(pg_temp.read_again(:'by_person'), 'refund 1530 refused person, refund 1530 open | none', 'one that a person had asked for does not stand for the order''s own');
select is(pg_temp.cancelled(pg_temp.ends(:'capture', 'refused')), 'capture 1530 refused payment_authorised, cancel open | none', 'a capture that was refused does not hinder the release');
-- The PaymentIntent of a cancelled order could not be cancelled, and can still be paid.
create function pg_temp.not_released(state text, code text default null) returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.reserved('after_purchase');
begin
  perform pg_temp.cancelled(id);
  return pg_temp.ends(id, state, code);
end $$;
create function pg_temp.reserved_again(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.read_again(id, jsonb_build_object('status', 'requires_capture', 'received_minor', 0, 'capturable_minor', 1530));
end $$;
select is(pg_temp.reserved_again(pg_temp.not_released('refused', code)), 'cancel refused, cancel open | none', 'a cancellation that ended as ' || code || ' is tried again when it is needed after all') from unnest('{succeeded, canceled, not_wanted}'::text[]) as code;
select is(pg_temp.reserved_again(pg_temp.not_released('refused', 'odd')), 'cancel refused | cancel_owed {"left_minor": 0}', 'any other is a person''s');
select is(pg_temp.reserved_again(pg_temp.not_released('withdrawn')), 'cancel withdrawn | cancel_owed {"left_minor": 0}', 'as is one that a person has withdrawn');
select pg_temp.not_released('refused', 'succeeded') as tried \gset
select pg_temp.asked('service_role', format('decide_move(%L, ''again'', 0)', pg_temp.got('select id from money_moves where order_id = {id}', :'tried'))) as ignored \gset
select is(pg_temp.reserved_again(pg_temp.ends(:'tried', 'refused', 'odd')), 'cancel refused, cancel refused person, cancel open | none', 'what a person tried in vain is tried again by itself');
select is(pg_temp.reserved_again(:'tried'), 'cancel refused, cancel refused person, cancel open | none', 'once');
select pg_temp.in_status('cancelled') as odd \gset
select pg_temp.owner_does('update settings set value = ''1000'' where name = ''two_persons_above_minor''') as ignored \gset
select is(pg_temp.read_again(:'odd', '{"status": "requires_capture"}'), 'cancel open, refund 1530 open | none', 'a cancellation returns nothing, and needs no second person, whatever was refunded');
select is(pg_temp.cancelled(pg_temp.paid()), 'refund 1530 awaiting_approval | refund_awaits_approval {"reason": "the order was cancelled", "amount_minor": 1530}', 'a refund above the limit does');
select pg_temp.owner_does('update settings set value = ''0'' where name = ''two_persons_above_minor''') as ignored \gset

-- What may be paid late is read as that of an ended order.
create function pg_temp.never_read(id uuid, next text default '''infinity''') returns uuid
language plpgsql as $$
begin
  perform pg_temp.owner_does('update payments set next_read_at = ' || next || ' where order_id = {id}', id);
  return id;
end $$;
create function pg_temp.read_next(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select case when next_read_at = ''infinity'' then ''never'' else extract(epoch from next_read_at - now())::float8::text end from payments where order_id = {id}', id);
end $$;
create function pg_temp.cancelled_and_read(id uuid) returns text
language plpgsql as $$
begin
  perform pg_temp.cancelled(id);
  return pg_temp.read_next(id);
end $$;
select pg_temp.never_read(pg_temp.named('requires_payment_method')) as neighbour, pg_temp.never_read(pg_temp.named()) as unread, pg_temp.never_read(pg_temp.named('requires_payment_method')) as ended,
  pg_temp.never_read(pg_temp.named('requires_payment_method'), 'now() + interval ''9 seconds''') as sooner, pg_temp.never_read(pg_temp.named()) as future, pg_temp.never_read(pg_temp.paid()) as paid \gset
select pg_temp.clock(10) as ignored \gset
select is(pg_temp.cancelled_and_read(:'ended'), '10', 'a payment that can still be made is read when its order ends');
select is(pg_temp.cancelled_and_read(:'unread'), '10', 'as is one that was never read');
select is(pg_temp.cancelled_and_read(:'sooner'), '9', 'one that is due already keeps its place');
select is(pg_temp.cancelled_and_read(:'paid'), 'never', 'one that was paid need not be read again');
select is(pg_temp.read_next(:'neighbour'), 'never', 'nor need another order''s');
create function pg_temp.told_and_read(id uuid) returns text
language plpgsql as $$
begin
  perform pg_temp.never_read(id, 'now() + interval ''1 hour''');
  perform pg_temp.told(id, '{"status": "requires_payment_method", "received_minor": 0}');
  return pg_temp.read_next(id);
end $$;
select is(pg_temp.told_and_read(:'ended'), '3600', 'what was read at the end or later waits for its next reading');
select pg_temp.clock(9.999999) as ignored \gset
select is(pg_temp.told_and_read(:'ended'), '14.999999', 'what was read before is read in five seconds: the clock was set back');
select pg_temp.clock(0) as ignored \gset
select is(pg_temp.cancelled_and_read(:'future'), '0', 'that another order ends later changes nothing');

-- Intended: what is written of it.
create function pg_temp.last_event(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', kind, actor, data - ''move_id'' - ''payment_intent'') from order_events where order_id = {id} order by seq desc limit 1', id);
end $$;
create function pg_temp.planned(id uuid, kind text, amount bigint) returns text
language plpgsql as $$
begin
  return pg_temp.got(format('select plan_move({id}, %L, %L, %s, ''order_ended'', ''why'', ''open'', ''pgtap'', ''options'', now())', pg_temp.intent(id), kind, amount), id);
end $$;
create function pg_temp.payment_status(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select payment_status from orders where id = {id}', id);
end $$;
select pg_temp.in_status('completed') as id, pg_temp.in_status('completed') as part, pg_temp.paid() as undone, pg_temp.in_status('failed') as twice, pg_temp.in_status('completed') as restored \gset
select is(pg_temp.planned(:'id', 'refund', 1531), null, 'no refund is intended of more than is left');
select pg_temp.planned(:'id', 'refund', 1530) as move \gset
select is(pg_temp.last_event(:'id') || ', ' || pg_temp.payment_status(:'id'), 'move_planned pgtap {"set": {"payment_status": "refund_pending"}, "move": "refund", "cause": "order_ended", "state": "open", "reason": "why", "amount_minor": 1530}, refund_pending', 'one of all that is left is, with its event');
select pg_temp.told(:'part', '{"refunded_minor": 500}') as ignored \gset
select is(pg_temp.payment_status(:'part') || ', ' || (pg_temp.planned(:'part', 'refund', 100) is not null) || ', ' || pg_temp.payment_status(:'part'), 'partially_refunded, true, refund_pending', 'an order tells that a refund is under way');
select pg_temp.told(:'twice', '{"received_minor": 2000}') as ignored \gset
select is(pg_temp.last_event(:'twice'), 'move_planned engine/pgtap {"set": {}, "move": "refund", "cause": "order_ended", "state": "open", "reason": "the order ended without goods: failed", "amount_minor": 470}', 'which it does not tell twice');
select pg_temp.told(:'undone', '{"status": "requires_payment_method", "received_minor": 0}') as ignored \gset
select is(pg_temp.cancelled(:'undone') || ', ' || pg_temp.payment_status(:'undone'), 'cancel open | none, paid', 'a cancellation is no refund, and the order does not tell of one');
select is(pg_temp.planned(o, 'cancel', 0) is not null, planned, 'after a cancellation that is ' || s || ' another one is ' || case when planned then 'intended' else 'not' end)
  from (select s, planned, pg_temp.not_released(s) as o from (values ('refused', true), ('failed', true), ('withdrawn', true), ('done', false)) as t (s, planned)) as t;
-- A restored database forgets what was intended, whatever became of other orders and of other movements.
create function pg_temp.restored(id uuid) returns void
language plpgsql as $$
begin
  perform pg_temp.owner_does('alter table money_moves disable trigger user; delete from money_moves where order_id = {id}; alter table money_moves enable trigger user; update payments set refunds_minor = 0 where order_id = {id}', id);
end $$;
select pg_temp.planned(:'restored', 'refund', 500) as first, pg_temp.planned(:'restored', 'refund', 500) as second \gset
select pg_temp.restored(:'restored') as a, pg_temp.planned(:'part', 'refund', 1) as b, pg_temp.planned(:'restored', 'cancel', 0) as c \gset ignored_
select is(pg_temp.planned(:'restored', 'refund', 500) || ' ' || pg_temp.planned(:'restored', 'refund', 500), :'first' || ' ' || :'second', 'a restored database intends the same movements once more, and Stripe knows them by their keys');

-- What is left.
create function pg_temp.left_of(changes text default 'reads = reads', own bigint default 0, state text default 'open') returns text
language plpgsql as $$
declare
  id uuid := pg_temp.in_status('completed');
begin
  if own > 0 then
    perform pg_temp.planned(id, 'refund', own);
    perform pg_temp.owner_does(format('update money_moves set state = %L%s where order_id = {id}', state, case when state not in ('open', 'accepted') then ', due_at = null, settled_at = now()' end), id);
  end if;
  perform pg_temp.forced('payments', id, changes);
  return pg_temp.got(format('select concat_ws('' of '', money_left(%L), amount_received) from payments where order_id = {id}', pg_temp.intent(id)), id);
end $$;
select is(pg_temp.left_of('amount_received = null, amount_refunded = null'), '0', 'of what was never read nothing is left');
select is(pg_temp.left_of('amount_refunded = null'), '1530 of 1530', 'of what was received all of it');
select is(pg_temp.left_of('amount_refunded = 500'), '1030 of 1530', 'less what somebody else has refunded at Stripe');
select is(pg_temp.left_of('amount_refunded = 500', 500, s), '1030 of 1530', 'a refund of ours that is ' || s || ' counts once, when Stripe knows it') from unnest('{accepted, done}'::text[]) as s;
select is(pg_temp.left_of('amount_refunded = 0', 500, s), '1030 of 1530', 'one that is ' || s || ' counts before Stripe tells of it') from unnest('{open, accepted, done}'::text[]) as s;
select is(pg_temp.left_of('amount_refunded = 500', 500, 'open'), '530 of 1530', 'what was refunded before ours was sent is another refund');
select is(pg_temp.left_of('amount_refunded = 0', 500, s), '1530 of 1530', 'one that is ' || s || ' leaves what there was') from unnest('{refused, failed, withdrawn}'::text[]) as s;
select pg_temp.reserved() as captured \gset
select pg_temp.ends(:'captured', 'done') as a, pg_temp.told(:'captured', '{"refunded_minor": 500}') as b, pg_temp.planned(:'captured', 'refund', 30) as c \gset ignored_
select is(pg_temp.got('select concat_ws('' '', money_left(payment_intent), refunds_minor) from payments where order_id = {id}', :'captured'), '1000 30', 'a capture is no refund');

-- What is still wanted when it is about to be sent.
create function pg_temp.wanted(id uuid, kind text, cause text) returns text
language plpgsql as $$
begin
  return pg_temp.got(format('select move_wanted(o, %L, %L) from orders as o where o.id = {id}', kind, cause), id);
end $$;
select pg_temp.forgot(pg_temp.in_status('cancelled')) as forgotten, pg_temp.forgot(pg_temp.in_status('cancelled')) as gone, pg_temp.in_status('cancelled') as ended, pg_temp.paid() as pending, pg_temp.in_status('submitting') as sent \gset
select is(pg_temp.wanted(:'forgotten', 'refund', 'order_ended') || pg_temp.wanted(:'forgotten', 'cancel', 'order_ended'), 'falsefalse', 'where a purchase was forgotten nothing goes back by itself');
select is(pg_temp.wanted(:'forgotten', 'refund', 'person') || pg_temp.wanted(pg_temp.forgot(pg_temp.in_status('failed')), 'refund', 'person'), 'truetrue', 'but by a person''s word');
select pg_temp.owner_does('update differences set gone_at = now() where order_id = {id}', :'gone') as ignored \gset
select is(pg_temp.wanted(o, 'refund', 'order_ended') || pg_temp.wanted(o, 'cancel', 'order_ended'), 'truetrue', said)
  from (values (:'ended'::uuid, 'whatever was forgotten of another order'), (:'gone', 'nor a difference that is gone')) as t (o, said);
select is(pg_temp.wanted(pg_temp.forgot(pg_temp.in_status('cancelled'), 'purchase_not_recorded'), 'refund', 'order_ended'), 'true', 'nor another difference');
select pg_temp.in_status('failed') as known \gset
select pg_temp.forgot(:'known', data => pg_temp.got('select jsonb_build_object(''attempt_id'', attempt_id) from order_attempts where order_id = {id}', :'known')) as ignored \gset
select is(pg_temp.wanted(:'known', 'refund', 'order_ended'), 'true', 'nor a purchase that the database knows');
select pg_temp.forced('payments', :'pending', 'live = false') as a, pg_temp.forced('payments', :'sent', 'live = false') as b, pg_temp.forced('orders', :'sent', 'payment_status = ''unpaid''') as c \gset ignored_
select is(pg_temp.wanted(:'pending', 'cancel', 'unpaid_too_long'), 'false', 'an order that was paid once is not one that nobody paid');
select is(pg_temp.wanted(:'sent', 'cancel', 'unpaid_too_long'), 'false', 'nor is one that may be bought');
select * from finish();
rollback;
