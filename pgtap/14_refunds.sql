-- refund_order and decide_move: money goes back once, never more than was received, never while something may
-- be bought for it, and above a limit only when a second person agrees.
\ir begin.psql
select plan(46);

create function pg_temp.moves(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select string_agg(concat_ws('' '', kind, amount_minor, state), '', '' order by created_at) from money_moves where order_id = {id}', id);
end $$;
create function pg_temp.refunded(id uuid, amount bigint, reason text, options jsonb default '{}') returns text
language plpgsql as $$
declare
  answer jsonb := pg_temp.asked('service_role', format('refund_order({id}, %L, %L, %L)', amount, reason, options), id);
begin
  return concat_ws(' ', pg_temp.word(answer), answer ->> 'amount_minor', answer ->> 'state');
end $$;

-- Who may be refunded.
select is(pg_temp.refunded(pg_temp.in_status(s), null, 'why'), 'refused may_be_bought', s || ' may be bought: nothing is refunded')
  from unnest('{pending, submitting, unknown, submitted_to_zinc, processing, needs_review}'::text[]) as s;
select pg_temp.placed() as unpaid \gset
select pg_temp.said('cancel_order({id})', :'unpaid') as ignored \gset
select is(pg_temp.refunded(:'unpaid', null, 'why'), 'refused nothing_was_received', 'nothing was received: nothing is refunded');
select is(pg_temp.refunded(pg_temp.in_status(s), null, 'why'), 'duplicate 1530 open', s || ': its money is on its way back by itself') from unnest('{cancelled, failed}'::text[]) as s;
select pg_temp.in_status('completed') as disputed \gset
select pg_temp.told(:'disputed', '{"dispute": "open"}') as ignored \gset
select is(pg_temp.refunded(:'disputed', null, 'why'), 'refused payment_disputed', 'of a disputed payment the bank takes the money itself');

-- Parts, repeats, sums.
select pg_temp.in_status('completed') as id \gset
select is(pg_temp.refunded(:'id', 1531, 'too much'), 'refused more_than_is_left', 'no more than was received');
select is(pg_temp.refunded(:'id', 500, 'one came broken'), 'done 500 open', 'a part');
select is(pg_temp.refunded(:'id', 500, 'one came broken'), 'duplicate 500 open', 'the same words mean it once');
select is(pg_temp.refunded(:'id', 500, 'in other words'), 'duplicate 500 open', 'the same amount while it is under way too');
select is(pg_temp.refunded(:'id', 600, 'another'), 'refused refund_under_way', 'another one waits for the first to end');
select pg_temp.owner_does('update money_moves set state = ''done'', settled_at = now(), due_at = null where order_id = {id}', :'id') as ignored \gset
select is(pg_temp.refunded(:'id', 500, 'one came broken'), 'duplicate 500 done', 'the same words long afterwards mean it once');
select is(pg_temp.refunded(:'id', 1031, 'another'), 'refused more_than_is_left', 'what went back is gone');
select is(pg_temp.refunded(:'id', null, 'the rest'), 'done 1030 open', 'without an amount all that is left');
select is(pg_temp.moves(:'id'), 'refund 500 done, refund 1030 open', 'two refunds, and no third');
select is(pg_temp.got('select payment_status from orders where id = {id}', :'id'), 'refund_pending', 'the order tells it');

-- A caller's key.
select pg_temp.in_status('completed') as keyed \gset
select is(pg_temp.refunded(:'keyed', 300, 'why', '{"idempotency_key": "k1"}'), 'done 300 open', 'under a key');
select is(pg_temp.refunded(:'keyed', 300, 'why', '{"idempotency_key": "k1"}'), 'duplicate 300 open', 'the same key and request is one refund');
select is(pg_temp.refunded(:'keyed', 400, 'why', '{"idempotency_key": "k1"}'), 'refused idempotency_key_reused', 'the same key for another amount is refused');
select is(pg_temp.refunded(:'keyed', 300, 'other', '{"idempotency_key": "k1"}'), 'refused idempotency_key_reused', 'or for another reason');

-- Two persons.
select pg_temp.owner_does('update settings set value = ''1000'' where name = ''two_persons_above_minor''') as ignored \gset
select pg_temp.in_status('completed') as much \gset
select is(pg_temp.refunded(:'much', 1001, 'why', '{"actor": "Ada"}'), 'done 1001 awaiting_approval', 'above the limit it waits for a second person');
select pg_temp.got('select id from money_moves where order_id = {id}', :'much') as move \gset
create function pg_temp.decided(move text, word text, amount bigint, who text) returns text
language plpgsql as $$
declare
  answer jsonb := pg_temp.asked('service_role', format('decide_move(%L, %L, %L, null, %L)', move, word, amount, jsonb_build_object('actor', who)));
begin
  return concat_ws(' ', pg_temp.word(answer), answer ->> 'state');
end $$;
select is(pg_temp.decided(:'move', 'approve', 1001, 'Ada'), 'refused same_person awaiting_approval', 'who asked cannot agree');
select is(pg_temp.decided(:'move', 'approve', 1000, 'Bob'), 'refused other_amount awaiting_approval', 'who agrees names the amount');
select is(pg_temp.decided(:'move', 'again', 1001, 'Bob'), 'refused nothing_to_repeat awaiting_approval', 'what has not ended is not tried again');
select is(pg_temp.decided(:'move', 'approve', 1001, 'Bob'), 'done open', 'another person agrees');
select is(pg_temp.decided(:'move', 'approve', 1001, 'Bob'), 'duplicate open', 'once');
select is(pg_temp.decided(:'move', 'approve', 1001, 'Eve'), 'refused nothing_to_approve open', 'a third person has nothing to agree to');
select is(pg_temp.tried('owner', format('update money_moves set approved_by = null where id = %L', :'move')), '42501 a movement of money is frozen: amount, key and bytes never change', 'an agreement is not taken back');
select is(pg_temp.decided(:'move', 'withdraw', 1001, 'Bob'), 'done withdrawn', 'what was not sent may be withdrawn');
select is(pg_temp.decided(:'move', 'withdraw', 1001, 'Bob'), 'duplicate withdrawn', 'once');
select is(pg_temp.got('select refunds_minor from payments where order_id = {id}', :'much'), '0', 'and its money is free again');
select is(pg_temp.refunded(pg_temp.in_status('completed'), 1000, 'why', '{"actor": "Ada"}'), 'done 1000 open', 'at the limit one person is enough');

select pg_temp.in_status('completed') as late \gset
select pg_temp.refunded(:'late', 1001, 'why', '{"actor": "Ada"}') as ignored \gset
select pg_temp.owner_does('alter table money_moves disable trigger user; update money_moves set created_at = created_at - interval ''25 hours'' where order_id = {id};
  alter table money_moves enable trigger user', :'late') as ignored \gset
select is(pg_temp.decided(pg_temp.got('select id from money_moves where order_id = {id}', :'late'), 'approve', 1001, 'Bob'), 'refused request_too_old awaiting_approval', 'after a day it is asked anew');

-- Misuse raises.
select matches(pg_temp.said(call, :'id'), '^' || code || ' ', call)
  from (values ('refund_order(gen_random_uuid(), 1, ''why'')', 'PT404'), ('refund_order({id})', '22023'), ('refund_order({id}, 1, '' '')', '22023'), ('refund_order({id}, 0, ''why'')', '22023'),
    ('refund_order({id}, -5, ''why'')', '22023'), ('refund_order({id}, 1, repeat(''x'', 301))', '22023'), ('refund_order({id}, 1, ''why'', ''{"all": true}'')', '22023'),
    ('decide_move(gen_random_uuid(), ''approve'', 1)', 'PT404'), ('decide_move(null, ''maybe'', 1)', '22023')) as t (call, code);
select * from finish();
rollback;
