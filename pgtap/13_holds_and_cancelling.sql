-- A held order is not bought; a hold that the payment decides is not ended by a person. An order is cancelled
-- at once only when nothing of it was sent; otherwise the wish is kept and nothing is refunded before.
\ir begin.psql
select plan(81);

create function pg_temp.held(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', status, hold_reason) from orders where id = {id}', id);
end $$;
create function pg_temp.moves(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select string_agg(concat_ws('' '', kind, amount_minor, cause, state), '', '') from money_moves where order_id = {id}', id);
end $$;

-- Holding and releasing.
select is(pg_temp.said(format('hold_order({id}, %L)', reason), o) || ', ' || pg_temp.held(o) || ', ' || pg_temp.claimed(o), 'done, pending ' || reason || ', 0', 'held as ' || reason || ' it is not claimed')
  from (select reason, pg_temp.paid() as o from unnest('{operator, disputed, scheduled}'::text[]) as reason) as t;
select pg_temp.paid() as id \gset
select is(pg_temp.said('hold_order({id})', :'id'), 'done', 'an operator holds');
select pg_temp.stored(:'id') as before \gset
select is(pg_temp.said('hold_order({id})', :'id'), 'duplicate', 'the same hold again changes nothing');
select is(pg_temp.said('hold_order({id}, ''disputed'')', :'id'), 'refused cannot_hold', 'another hold beside it is refused');
select is(pg_temp.stored(:'id'), :'before', 'and the order is as it was');
select is(pg_temp.said('release_hold({id})', :'id'), 'done pending', 'it is released');
select is(pg_temp.held(:'id') || pg_temp.claimed(:'id'), 'pending1', 'and may be bought');
select is(pg_temp.said('release_hold({id})', :'id'), 'duplicate', 'once');
select is(pg_temp.got('select string_agg(kind, '' '' order by seq) from order_events where order_id = {id} and kind like ''%h_l%''', :'id'), 'order_held hold_released', 'each with its event');
select is(pg_temp.said('hold_order({id})', o) || ', ' || pg_temp.held(o), 'done, ' || split_part(pg_temp.held(o), ' ', 1) || ' operator', s || ' can be held')
  from (select s, pg_temp.in_status(s) as o from unnest('{submitting, unknown, submitted_to_zinc, processing, needs_review}'::text[]) as s) as t;
select is(pg_temp.said('hold_order({id})', pg_temp.in_status(s)), 'refused cannot_hold', s || ' cannot be held') from unnest('{completed, cancelled, failed}'::text[]) as s;
select is(pg_temp.said('release_hold({id})', pg_temp.placed()), 'refused payment_decides', 'an unpaid order is not released by a person');
select pg_temp.paid() as refunded \gset
select pg_temp.told(:'refunded', '{"refunded_minor": 1530}') as ignored \gset
select is(pg_temp.said('release_hold({id})', :'refunded') || ', ' || pg_temp.held(:'refunded'), 'refused payment_decides, pending payment_refunded', 'nor one whose money went back');
select pg_temp.paid() as warned \gset
select pg_temp.told(:'warned', '{"warned": true}') as ignored \gset
select is(pg_temp.held(:'warned') || ', ' || pg_temp.said('release_hold({id})', :'warned') || ', ' || pg_temp.claimed(:'warned'), 'pending fraud_warning, done pending, 0',
  'a warning of fraud may be taken upon himself by a person, and the payment is read again first');
select pg_temp.told(:'warned', '{"warned": true}') as ignored \gset
select is(pg_temp.claimed(:'warned'), '1', 'and then it may be bought');
select pg_temp.paid() as hidden \gset
select pg_temp.said('hold_order({id})', :'hidden') as ignored \gset
select pg_temp.told(:'hidden', '{"dispute": "open"}') as ignored \gset
select is(pg_temp.said('release_hold({id})', :'hidden') || ', ' || pg_temp.held(:'hidden'), 'done pending, pending payment_disputed', 'what a person''s hold has hidden holds next');

-- Cancelling at once.
select is(pg_temp.said('cancel_order({id}, ''not wanted'')', :'warned'), 'done waiting submitting', 'a claimed order may be bought: the wish is stored');
select pg_temp.paid() as gone \gset
select is(pg_temp.said('cancel_order({id}, ''not wanted'')', :'gone'), 'done cancelled', 'a paid order of which nothing was sent is cancelled');
select is(pg_temp.moves(:'gone'), 'refund 1530 order_ended open', 'and its money goes back');
select is(pg_temp.said('cancel_order({id})', :'gone'), 'duplicate cancelled', 'once');
select is(pg_temp.moves(:'gone'), 'refund 1530 order_ended open', 'and once only');
select is(pg_temp.got('select kind || '' '' || (data ->> ''reason'') from order_events where order_id = {id} and status_after = ''cancelled'' and status_before <> ''cancelled''', :'gone'),
  'order_cancelled not wanted', 'the history has the reason');
select pg_temp.placed() as unpaid \gset
select is(pg_temp.said('cancel_order({id})', :'unpaid') || coalesce(pg_temp.moves(:'unpaid'), ''), 'done cancelled', 'one without a payment moves no money');
select pg_temp.in_status('submitting') as unsent \gset
select pg_temp.setback(:'unsent', 'claim_released', 'open', null, 'pending') as ignored \gset
select is(pg_temp.said('cancel_order({id})', :'unsent') || ', ' || pg_temp.got('select settled_by from order_attempts where order_id = {id}', :'unsent'), 'done cancelled, never_sent',
  'one given back before its first byte is cancelled, and its attempt was never sent');
select pg_temp.in_status('submitting') as leased \gset
select pg_temp.setback(:'leased', 'claim_released', 'open', null, 'pending') as ignored \gset
select pg_temp.forced('order_attempts', :'leased', 'lease_token = gen_random_uuid(), lease_expires_at = now()') as ignored \gset
select is(pg_temp.said('cancel_order({id})', :'leased') || ', ' || pg_temp.got('select concat_ws('' '', settled_by, lease_token, lease_expires_at) from order_attempts where order_id = {id}', :'leased'), 'done cancelled, never_sent',
  'whoever had leased it has nothing to send any more');

-- An order of which nothing is bought any more is cancelled as if nothing had been sent, and its history tells what that changed.
create function pg_temp.ending(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.said('cancel_order({id})', id) || ', ' || pg_temp.got('select concat_ws('' '', o.status, o.hold_reason, o.review_reason, e.data -> ''set'') from orders as o join order_events as e on e.order_id = o.id and e.kind = ''order_cancelled'' where o.id = {id}', id)
    || ', ' || pg_temp.moves(id);
end $$;
select is(pg_temp.ending(pg_temp.paid()), 'done cancelled, cancelled {}, refund 1530 order_ended open', 'of a paid order nothing else changes');
select pg_temp.paid() as stopped \gset
select pg_temp.said('hold_order({id})', :'stopped') as ignored \gset
select is(pg_temp.ending(:'stopped'), 'done cancelled, cancelled {"hold_reason": null}, refund 1530 order_ended open', 'a held order is held no more');
select pg_temp.in_status('submitting') as refused, pg_temp.in_status('submitting') as reviewed \gset
select pg_temp.setback(:'refused', 'purchase_refused', 'refused', 'key_used_up', 'pending') as ignored \gset
select is(pg_temp.ending(:'refused'), 'done cancelled, cancelled {}, refund 1530 order_ended open', 'one that the provider refused ends at once');
select is(pg_temp.got('select outcome || '' '' || settled_by from order_attempts where order_id = {id}', :'refused'), 'refused key_used_up', 'and its attempt stays as it was settled');
select pg_temp.setback(:'reviewed', 'purchase_refused', 'refused', 'key_used_up', 'needs_review', 'odd_code') as ignored \gset
select is(pg_temp.ending(:'reviewed'), 'done cancelled, cancelled {"review_reason": null}, refund 1530 order_ended open', 'so does one that a person should have looked at for that');
select pg_temp.paid() as doubted \gset
select pg_temp.told(:'doubted', '{"in_review": true}') as ignored \gset
create function pg_temp.shown(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', (select count(*) from findings where order_id = {id} and closed_at is null), (select count(*) from alerts where order_id = {id} and closed_at is null))', id);
end $$;
select is(pg_temp.shown(:'doubted') || ', ' || pg_temp.ending(:'doubted') || ', ' || pg_temp.shown(:'doubted'), '1 1, done cancelled, cancelled {"hold_reason": null}, refund 1530 order_ended open, 0 0',
  'what a person was shown of its payment is shown no more');

-- The wish.
create temporary table wished as select s, pg_temp.in_status(s) as o from unnest('{submitting, unknown, submitted_to_zinc, processing, needs_review}'::text[]) as s;
select is(pg_temp.said('cancel_order({id})', o), 'done waiting ' || split_part(pg_temp.held(o), ' ', 1), s || ': the wish is stored') from wished;
select is(pg_temp.said('cancel_order({id})', o), 'duplicate waiting ' || split_part(pg_temp.held(o), ' ', 1), s || ': once') from wished;
select is(split_part(pg_temp.held(o), ' ', 2), 'cancel_requested', s || ': as a hold') from wished;
select is(pg_temp.moves(o), null, s || ': nothing is refunded before') from wished;
select is(pg_temp.got('select count(*) from alerts where order_id = {id} and rule = ''cancel_requested'' and closed_at is null', o), '1', s || ': a person is told') from wished;
select pg_temp.in_status('submitting') as settled \gset
select pg_temp.said('cancel_order({id})', :'settled') as ignored \gset
select is(pg_temp.setback(:'settled', 'purchase_refused', 'refused', 'key_used_up', 'pending'), 'done recorded', 'the purchase is settled as not bought');
select is(pg_temp.held(:'settled') || ', ' || pg_temp.moves(:'settled'), 'cancelled, refund 1530 order_ended open', 'then the order ends, and its money goes back');
select pg_temp.in_status('submitting') as bought \gset
select pg_temp.said('cancel_order({id})', :'bought') as ignored \gset
select is(pg_temp.said(format('complete_order_processing({id}, %L)', pg_temp.request(:'bought')), :'bought'), 'refused order_held', 'a report does not pass by the wish');
select is(pg_temp.said('cancel_order({id})', pg_temp.in_status(s)), 'refused order_' || s, s || ' cannot be cancelled') from unnest('{completed, failed}'::text[]) as s;

-- Misuse raises.
select matches(pg_temp.said(call, :'id'), '^' || code || ' ', call)
  from (values ('hold_order(gen_random_uuid())', 'PT404'), ('hold_order({id}, ''awaiting_payment'')', '22023'), ('hold_order({id}, null)', '22023'), ('hold_order({id}, ''x'')', '22023'),
    ('hold_order({id}, options => ''{"note": ""}'')', '22023'), ('release_hold(gen_random_uuid())', 'PT404'), ('release_hold({id}, ''{"force": "yes"}'')', '22023'),
    ('cancel_order(gen_random_uuid())', 'PT404'), ('cancel_order({id}, '''')', '22023'), ('cancel_order({id}, repeat(''x'', 301))', '22023'), ('cancel_order({id}, ''a'' || chr(10))', '22023'),
    ('cancel_order({id}, options => ''{"who": "x"}'')', '22023')) as t (call, code);
select * from finish();
rollback;
