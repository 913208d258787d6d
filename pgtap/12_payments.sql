-- Only a payment that was read at Stripe and is good for this order opens the gate; each single deviation
-- holds the order under a name of its own. A PaymentIntent pays one order, an order has one that counts.
\ir begin.psql
select plan(116);

create function pg_temp.held(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', status, payment_status, hold_reason) from orders where id = {id}', id);
end $$;
create function pg_temp.attached(id uuid, intent text) returns text
language plpgsql as $$
begin
  return pg_temp.said(format('attach_payment({id}, %L)', intent), id);
end $$;
create function pg_temp.awaiting() returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.placed();
begin
  perform pg_temp.attached(id, pg_temp.intent(id));
  return id;
end $$;

select pg_temp.placed() as id \gset
select is(pg_temp.attached(:'id', pg_temp.intent(:'id')), 'done', 'a PaymentIntent is named');
select is(pg_temp.attached(:'id', pg_temp.intent(:'id')), 'duplicate', 'naming it again changes nothing');
select is(pg_temp.held(:'id'), 'pending unpaid awaiting_payment', 'naming it pays nothing');
select is(pg_temp.claimed(:'id'), '0', 'and buys nothing');
select is(pg_temp.attached(:'id', 'pi_pgtap_second'), 'refused second_payment', 'a second one is refused');
select pg_temp.placed() as other \gset
select is(pg_temp.attached(:'other', pg_temp.intent(:'id')), 'refused payment_taken', 'one that pays another order is refused');
select is(pg_temp.got('select string_agg(kind, '' '') from findings where order_id = {id}', o::uuid), kind, kind || ' is kept as a finding')
  from (values (:'id', 'second_payment'), (:'other', 'payment_taken')) as t (o, kind);
select is(pg_temp.told(:'id'), 'paid', 'facts that fit pay it');
select is(pg_temp.held(:'id'), 'pending paid', 'the hold is gone');
select is(pg_temp.claimed(:'id'), '1', 'and it may be bought');
select is(pg_temp.attached(:'id', 'pi_pgtap_third'), 'refused second_payment', 'no other payment beside one that paid');

-- Each deviation alone, while the order waits for its payment and after it was paid.
create temporary table judged as
select t.*, pg_temp.awaiting() as waiting, pg_temp.paid() as paid, null::text as told
  from (values ('{"livemode": true}'::jsonb, 'wrong_mode'), ('{"livemode": null}', 'wrong_mode'), ('{"named_order": "another"}', 'wrong_order'), ('{"named_order": null}', 'wrong_order'),
    ('{"currency": "USD"}', 'wrong_currency'), ('{"currency": null}', 'wrong_currency'), ('{"received_minor": 1529}', 'wrong_amount'), ('{"received_minor": 1531}', 'wrong_amount'),
    ('{"received_minor": null}', 'wrong_amount'), ('{"status": "canceled", "received_minor": 0}', 'payment_canceled'),
    ('{"refunded_minor": 1}'::jsonb, 'payment_refunded'), ('{"refunded_minor": null}', 'payment_refunded'), ('{"dispute": "open"}', 'payment_disputed'), ('{"dispute": "lost"}', 'payment_disputed'),
    ('{"in_review": true}', 'payment_in_review'), ('{"in_review": null}', 'payment_in_review'), ('{"warned": true}', 'fraud_warning'), ('{"warned": null}', 'fraud_warning'),
    ('{"status": "processing", "received_minor": 0}', 'awaiting_payment'), ('{"status": "requires_action", "received_minor": 0}', 'awaiting_payment'),
    ('{"status": "requires_payment_method", "received_minor": 0}', 'awaiting_payment'), ('{"status": "requires_capture", "received_minor": 0, "capturable_minor": 1530}', 'awaiting_payment'),
    ('{"status": null}', 'awaiting_payment')) as t (change, hold);
update judged set told = concat(pg_temp.told(waiting, change), pg_temp.told(paid, change));
select is(pg_temp.got('select hold_reason from orders where id = {id}', waiting), hold, 'before it was paid: ' || change::text) from judged;
select is(pg_temp.claimed(waiting), '0', 'buys nothing: ' || change::text) from judged;
select is(pg_temp.got('select hold_reason from orders where id = {id}', paid), hold, 'after it was paid: ' || change::text) from judged where hold <> 'awaiting_payment';
select is(pg_temp.claimed(paid), '0', 'buys nothing any more: ' || change::text) from judged;
select pg_temp.awaiting() as mended \gset
select pg_temp.told(:'mended', '{"received_minor": 1}') as ignored \gset
select is(pg_temp.held(:'mended'), 'pending unpaid wrong_amount', 'a wrong amount holds');
select is(pg_temp.told(:'mended') || ' ' || pg_temp.held(:'mended'), 'paid pending paid', 'until Stripe''s word fits');
select pg_temp.awaiting() as again \gset
select pg_temp.told(:'again', '{"status": "canceled", "received_minor": 0}') as ignored \gset
select is(pg_temp.attached(:'again', 'pi_pgtap_again'), 'done', 'after a cancelled one another PaymentIntent may be named');
select is(pg_temp.held(:'again'), 'pending unpaid awaiting_payment', 'and is waited for');
select is(pg_temp.got('select string_agg(live::text, '' '' order by created_at) from payments where order_id = {id}', :'again'), 'false true', 'the former one stays, and does not count');

-- Misuse raises; an ended order waits for none.
select is(pg_temp.attached(pg_temp.in_status(s), 'pi_pgtap_' || s), 'refused second_payment', s || ' has its payment')
  from unnest('{submitting, submitted_to_zinc, completed, cancelled, failed}'::text[]) as s;
select matches(pg_temp.said(call, :'id'), '^' || code || ' ', call)
  from (values ('attach_payment(gen_random_uuid(), ''pi_1'')', 'PT404'), ('attach_payment({id}, null)', '22023'), ('attach_payment({id}, '''')', '22023'), ('attach_payment({id}, ''ch_1'')', '22023'),
    ('attach_payment({id}, ''pi_a b'')', '22023'), ('attach_payment({id}, ''pi_'' || repeat(''x'', 248))', '22023'), ('attach_payment({id}, ''pi_1'', ''{"live": "no"}'')', '22023')) as t (call, code);
select * from finish();
rollback;
