-- Money is whole, however it went: what was intended, approved and done stands in the history of its order. Whatever
-- somebody changes by force in a movement or a payment is named, for this order and for no other.
\ir begin.psql
select plan(30);

select pg_temp.not_held() as ignored \gset
select pg_temp.clock(0) as ignored \gset
-- What is found of the money of some orders after something was done by force, which is taken back: which of them, by
-- what rule, and where.
create function pg_temp.found(ids uuid[], force text default 'select') returns text
language plpgsql as $$
declare
  answer text;
  said text;
begin
  begin
    perform pg_temp.owner_does(replace(force, '{of}', 'where order_id = {id}'), ids[1]);
    answer := pg_temp.got(format('select coalesce(string_agg(concat_ws('' '', coalesce(f.place::text, ''another''), f.rule || '':'', f.details), ''; '' order by f.place, f.rule collate "C"), ''nothing'')
      from (select array_position(%1$L, b.order_id) as place, b.rule, string_agg(coalesce(regexp_replace(replace(b.detail, '' is not as it was intended or as it ended'', ''''),
                     ''([0-9a-f]{8}-[0-9a-f-]{27}|pi_[0-9a-f]{32})'', ''x''), ''nowhere''), '', '' order by b.detail collate "C") as details
              from broken_money(%1$L) as b group by b.order_id, b.rule) as f', ids));
    raise exception using errcode = 'ZZ000';
  exception when others then
    get stacked diagnostics said = message_text;
    return coalesce(answer, said);
  end;
end $$;

-- An engine leases what is due, sends the last movement of an order, and records what became of it.
create function pg_temp.last_move(id uuid) returns uuid
language plpgsql as $$
begin
  return pg_temp.got('select m.id from money_moves as m where m.order_id = {id} order by m.settled_at is null desc, m.created_at desc limit 1', id);
end $$;
create function pg_temp.moved(id uuid, state text, stripe_id text default null, code text default null, sends boolean default true) returns text
language plpgsql as $$
begin
  perform pg_temp.asked('app', '(select count(*) from lease_moves(''pgtap'', md5(''pgtap'')::uuid, 60000, 1000))');
  if sends then
    perform pg_temp.asked('app', format('(select count(*) from commit_move(md5(''pgtap'')::uuid, %L, ''/v1/x'', ''a=1'', false, 10000, 82800000))', pg_temp.last_move(id)));
  end if;
  return pg_temp.asked('app', format('record_move(''pgtap'', md5(''pgtap'')::uuid, %L, %L, %L, %L, ''odd'', 1000)', pg_temp.last_move(id), state, code, stripe_id)) #>> '{}';
end $$;
create function pg_temp.decided(id uuid, decision text, amount integer) returns text
language plpgsql as $$
begin
  return pg_temp.said(format('decide_move(%L, %L, %s, ''seen'', ''{"actor": "Zoe"}'')', pg_temp.last_move(id), decision, amount));
end $$;
create function pg_temp.refunded(id uuid, amount integer) returns text
language plpgsql as $$
begin
  return pg_temp.said(format('refund_order({id}, %s, ''one came broken'')', amount), id);
end $$;
-- A second PaymentIntent is named for an order, and Stripe says something of it, or of the first.
create function pg_temp.second(id uuid) returns text
language sql
return pg_temp.intent(id) || '_2';
create function pg_temp.names_second(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.said(format('attach_payment({id}, %L)', pg_temp.second(id)), id);
end $$;
create function pg_temp.tells(id uuid, status text, other jsonb default '{}') returns text
language sql
return pg_temp.told(id, jsonb_build_object('status', status, 'received_minor', 0) || other);
-- An order whose payment is named and not paid.
create function pg_temp.unpaid() returns uuid
language plpgsql as $$
declare
  id uuid := pg_temp.placed();
begin
  perform pg_temp.asked('service_role', format('attach_payment({id}, %L)', pg_temp.intent(id)), id);
  return id;
end $$;
create function pg_temp.accepted(id uuid, status text default 'submitted_to_zinc') returns text
language plpgsql as $$
begin
  perform pg_temp.claimed(id);
  return pg_temp.said(format('complete_order_processing({id}, %L, ''submitted'', %L)', pg_temp.request(id), status), id);
end $$;
-- What the provider said of a purchase, with whatever it said beside.
create function pg_temp.reads(id uuid, facts jsonb) returns text
language plpgsql as $$
begin
  return pg_temp.asked('app', format('(select r.result from orders as o cross join lateral record_readings(''pgtap'', array[o.id], array[o.version]::bigint[], array[''read''], array[''processing''], array[''odd''],
    array[null]::bigint[], array[null]::text[], array[null]::text[], array[null]::text[], array[7000]::bigint[], array[%L]::jsonb[]) as r where o.id = {id})', facts), id) #>> '{}';
end $$;

-- Orders with their money, and what Stripe says of payments.
select pg_temp.in_status('completed') as refunded, pg_temp.in_status('completed') as failed, pg_temp.in_status('completed') as refused, pg_temp.in_status('completed') as approved, pg_temp.in_status('completed') as withdrawn,
       pg_temp.in_status('completed') as unapproved, pg_temp.in_status('completed') as accepted, pg_temp.in_status('completed') as unknown, pg_temp.in_status('completed') as awaiting, pg_temp.in_status('completed') as agreed, pg_temp.in_status('cancelled') as owed,
       pg_temp.reserved() as captured, pg_temp.reserved('after_purchase') as bought, pg_temp.reserved() as released, pg_temp.reserved('after_purchase') as reserved \gset
select pg_temp.unpaid() as euro, pg_temp.unpaid() as euro_later, pg_temp.unpaid() as replaced, pg_temp.unpaid() as awaited, pg_temp.unpaid() as renamed, pg_temp.owed() as lost, pg_temp.in_status('failed') as lost_too,
       pg_temp.reserved('after_purchase') as paid_twice, pg_temp.unpaid() as mismatched, pg_temp.unpaid() as partly, pg_temp.unpaid() as late, pg_temp.unpaid() as bought_before, pg_temp.in_status('submitted_to_zinc') as read \gset
select pg_temp.told(:'euro', '{"currency": "EUR"}'), pg_temp.said('cancel_order({id})', :'euro'), pg_temp.said('cancel_order({id})', :'euro_later'), pg_temp.tells(:'euro_later', 'canceled', '{"currency": "EUR"}'),
       pg_temp.tells(:'replaced', 'canceled'), pg_temp.names_second(:'replaced'), pg_temp.told(:'replaced', jsonb_build_object('payment_intent', pg_temp.second(:'replaced'))), pg_temp.said('hold_order({id})', :'replaced'),
       pg_temp.tells(:'awaited', 'canceled'), pg_temp.names_second(:'awaited'),
       pg_temp.told(:'renamed', '{"received_minor": 1000}'), pg_temp.tells(:'renamed', 'not_found', '{"received_minor": null}'), pg_temp.names_second(:'renamed'),
       pg_temp.tells(:'lost', 'not_found', '{"received_minor": null}'), pg_temp.names_second(:'lost'), pg_temp.tells(:'lost_too', 'not_found', '{"received_minor": null}'), pg_temp.names_second(:'lost_too') \gset did_
select pg_temp.tells(:'paid_twice', 'canceled'), pg_temp.names_second(:'paid_twice'), pg_temp.tells(:'paid_twice', 'requires_capture', jsonb_build_object('payment_intent', pg_temp.second(:'paid_twice'), 'capturable_minor', 1530, 'capture_before', extract(epoch from now() + interval '100 hours')::bigint)),
       pg_temp.accepted(:'paid_twice', 'completed'),
       pg_temp.told(:'mismatched', '{"received_minor": 1000}'), pg_temp.told(:'mismatched', '{"received_minor": 1200}'),
       pg_temp.tells(:'partly', 'requires_capture', '{"capturable_minor": 1000}'), pg_temp.tells(:'partly', 'processing'), pg_temp.tells(:'partly', 'processing', '{"received_minor": 500}'),
       pg_temp.said('cancel_order({id})', :'late'), pg_temp.told(:'late'), pg_temp.said('manually_complete_order({id}, ''pgtap-elsewhere'', ''seen'')', :'bought_before'), pg_temp.told(:'bought_before'), pg_temp.reads(:'read', '{"payment_intent": "pi_x", "move_id": "x", "received_minor": 1}') \gset did_
-- Movements, and what became of them.
select pg_temp.owner_does('update settings set value = ''1000'' where name = ''two_persons_above_minor''') as ignored \gset
select pg_temp.refunded(:'refunded', 500), pg_temp.refunded(:'failed', 500), pg_temp.refunded(:'refused', 500), pg_temp.refunded(:'approved', 1100), pg_temp.refunded(:'withdrawn', 500),
       pg_temp.refunded(:'unapproved', 1100), pg_temp.refunded(:'agreed', 1200), pg_temp.refunded(:'accepted', 500), pg_temp.refunded(:'unknown', 500), pg_temp.accepted(:'bought') \gset did_
select pg_temp.clock(10) as ignored \gset
select pg_temp.said('cancel_order({id})', :'released'), pg_temp.refunded(:'awaiting', 1100), pg_temp.moved(:'refunded', 'done', 're_1'), pg_temp.moved(:'failed', 'done', 're_2'), pg_temp.moved(:'refused', 'refused', null, 'declined'),
       pg_temp.decided(:'approved', 'approve', 1100), pg_temp.decided(:'agreed', 'approve', 1200), pg_temp.moved(:'withdrawn', 'open', null, 'busy', false), pg_temp.moved(:'accepted', 'accepted', 're_3'), pg_temp.moved(:'unknown', 'unknown', null, 'odd'),
       pg_temp.moved(:'captured', 'done', 'pi_captured'), pg_temp.told(:'captured') \gset did_
select pg_temp.clock(20) as ignored \gset
select pg_temp.decided(:'withdrawn', 'withdraw', 500), pg_temp.moved(:'released', 'done', 'pi_released'), pg_temp.tells(:'released', 'canceled'), pg_temp.moved(:'released', 'withdrawn', null, 'not_wanted', false),
       pg_temp.asked('app', format('fail_refund(''pgtap'', %L, ''re_2'', ''bank'')', pg_temp.last_move(:'failed'))), pg_temp.moved(:'approved', 'done', 're_4'), pg_temp.refunded(:'approved', 300),
       pg_temp.told(:'refunded', '{"refunded_minor": 500}'), pg_temp.refunded(:'refunded', 300) \gset did_
select pg_temp.clock(86400) as ignored \gset
select pg_temp.asked('app', 'plan_captures(''pgtap'', 1000)') as ignored \gset
select pg_temp.told(:'paid_twice'), pg_temp.refunded(:'paid_twice', 500) \gset did_
-- From here on nothing guards the records.
select pg_temp.owner_does(string_agg(format('alter table %I disable trigger user', part), '; ')) as ignored from unnest('{orders, order_events, payments, money_moves}'::text[]) as part \gset
select array[:'refunded', :'failed', :'refused', :'approved', :'withdrawn', :'unapproved', :'accepted', :'unknown', :'awaiting', :'agreed', :'owed',
       :'captured', :'bought', :'released', :'reserved', :'euro', :'euro_later', :'replaced', :'awaited', :'renamed', :'lost', :'lost_too', :'paid_twice', :'mismatched', :'partly', :'late', :'bought_before', :'read']::uuid[] as all_of_them \gset
select is(pg_temp.got(format('select string_agg(coalesce((select string_agg(concat_ws('' '', m.kind, m.state), '' and '' order by m.created_at, m.kind desc) from money_moves as m where m.order_id = o.id), o.payment_status), '', '' order by u.n)
    from unnest(%L::uuid[]) with ordinality as u (id, n) join orders as o on o.id = u.id', :'all_of_them')),
  'refund done and refund open, refund failed, refund refused, refund done and refund open, refund withdrawn, refund withdrawn, refund accepted, refund unknown, refund awaiting_approval, refund open, refund open, '
  'capture done, capture open, capture withdrawn and cancel done, authorized, refund open, cancel open, paid, unpaid, unpaid, refund open and cancel open, refund open and cancel open, refund open and capture open, unpaid, unpaid, refund open and cancel open, paid, paid', 'money goes in many ways');
select is(pg_temp.found(:'all_of_them'), 'nothing', 'all of it is whole');
select is(pg_temp.found(array[:'refunded']::uuid[], format('update money_moves set amount_minor = 501, currency = ''USD'' where order_id = %1$L;
  update payments set live = false, amount_received = 1531, refunds_minor = 7 where order_id = %1$L; update order_events set data = data || ''{"payment_intent": "pi_x"}'' where order_id = %1$L', :'failed')), 'nothing', 'what is wrong with the money of another order is not found here');

-- A movement, against what was intended and what it came to.
select is(pg_temp.found(array[:'refunded']::uuid[], force), named, sentence)
  from (values ('update money_moves set payment_intent = (select p.payment_intent from payments as p where p.order_id = ' || quote_literal(:'read') || '), kind = ''capture'', amount_minor = 501, currency = ''USD'',
      cause = ''order_ended'', reason = ''x'', requested_by = ''x'', approved_by = ''y'', created_at = created_at - interval ''1 microsecond'', state = ''refused'',
      settled_at = settled_at + interval ''1 microsecond'', stripe_id = ''re_x'', code = ''x'' {of} and state = ''done''',
      '1 money: movement x: amount_minor, movement x: approved_by, movement x: cause, movement x: code, movement x: created_at, movement x: currency, movement x: kind, movement x: payment_intent, movement x: reason, '
      'movement x: requested_by, movement x: settled_at, movement x: state, movement x: stripe_id; 1 payment: x: refunds_minor', 'a refund stands as it was intended, and as it ended'),
    ('update money_moves set state = ''failed'' {of} and state = ''done''', '1 money: movement x: state; 1 payment: x: refunds_minor', 'a refund that was made did not fail'),
    ('update money_moves set state = ''unknown'', settled_at = null, due_at = now() {of} and state = ''done''', '1 money: movement x: settled_at, movement x: state', 'nor is it under way'),
    ('update money_moves set state = ''waiting'' {of} and state = ''open''', '1 money: movement x: state', 'one that is to be sent does not wait for its order'),
    ('update money_moves set state = ''awaiting_approval'' {of} and state = ''open''', '1 money: movement x: state', 'nor for a second person'),
    ('delete from money_moves {of} and state = ''done''; update payments set refunds_minor = 300 {of}', '1 money: movement x: id', 'a movement that is gone is missed'),
    ('insert into money_moves select (jsonb_populate_record(m, jsonb_build_object(''id'', gen_random_uuid(), ''request_key'', null))).* from money_moves as m {of} and state = ''done'';
      update payments set refunds_minor = 1300 {of}',
      '1 money: movement x: id', 'and one that nobody intended is found')) as t (force, named, sentence);
select is(pg_temp.found(array[id], force), named, sentence)
  from (values (:'unknown'::uuid, 'update money_moves set state = ''open'' {of}', '1 money: movement x: state', 'what was sent is never unsent'),
    (:'awaiting', 'update money_moves set state = ''open'', approved_by = ''Zoe'' {of}', '1 money: movement x: approved_by, movement x: state', 'what nobody approved is not approved'),
    (:'awaiting', 'update money_moves set state = ''open'' {of}', '1 money: movement x: state', 'and not sent'),
    (:'unapproved', 'update money_moves set code = null {of}', '1 money: movement x: code', 'why an engine ended it stands')) as t (id, force, named, sentence);
select is(pg_temp.found(array[:'refunded', :'failed']::uuid[], force), named, sentence)
  from (values ('update money_moves set order_id = ' || quote_literal(:'failed') || ' {of} and state = ''done''', '1 money: movement x: id; 2 money: movement x: id', 'the movement of one order is no other''s'),
    ('update order_events set data = (select e.data || ''{"state": "open"}'' from order_events as e where e.order_id = ' || quote_literal(:'refunded') || ' and e.kind = ''move_ended''), kind = ''move_approved'', actor = ''Zoe'' where order_id = ' || quote_literal(:'failed') || ' and seq = 2;
      update money_moves set approved_by = ''Zoe'' {of} and state = ''done''',
      '1 money: movement x: approved_by', 'nobody approves it in the history of another'),
    ('update order_events set kind = ''move_ended'', data = jsonb_build_object(''move_id'', (select m.id from money_moves as m where m.order_id = ' || quote_literal(:'refunded') || ' and m.state = ''open''), ''state'', ''done'') where order_id = ' || quote_literal(:'failed') || ' and seq = 2;
      update money_moves as m set state = ''done'', due_at = null, settled_at = (select e.at from order_events as e where e.order_id = ' || quote_literal(:'failed') || ' and e.seq = 2) {of} and state = ''open''',
      '1 money: movement x: settled_at, movement x: state', 'or ends it there'),
    ('update payments set order_id = ' || quote_literal(:'failed') || ', live = false, amount_received = 1531 {of}', '1 payment: x is named by the history and is no payment of this order', 'the payment of one order is no other''s')) as t (force, named, sentence);

-- A payment, against the events that name it.
select is(pg_temp.found(array[:'read']::uuid[], force), named, sentence)
  from (values ('update payments set payment_intent = ''pi_x'' {of}', '1 payment: x is named by the history and is no payment of this order', 'a payment that was confirmed stands under its name'),
    ('update payments set amount_received = 1531 {of}', '1 payment: x: amount_received', 'with the amount that was received'),
    ('update payments set refunds_minor = 5 {of}', '1 payment: x: refunds_minor', 'and with what was returned, which is nothing'),
    ('update payments set live = false {of}', '1 payment: 0 of 1 payments count, x was the last to be told of and does not count', 'it counts')) as t (force, named, sentence);
select is(pg_temp.found(array[id], force), named, sentence)
  from (values (:'reserved'::uuid, 'update payments set payment_intent = ''pi_x'' {of}', '1 payment: x is named by the history and is no payment of this order', 'so does one that is reserved'),
    (:'mismatched', 'update payments set payment_intent = ''pi_x'' {of}', '1 payment: x is named by the history and is no payment of this order', 'one that is wrong'),
    (:'awaited', 'update payments set payment_intent = ''pi_x'' {of} and live', '1 payment: x_2 is named by the history and is no payment of this order', 'one that is only named'),
    (:'bought_before', 'update payments set payment_intent = ''pi_x'' {of}', '1 payment: x is named by the history and is no payment of this order', 'and one that came when the goods were bought'),
    (:'bought_before', 'update payments set amount_received = 1531 {of}', '1 payment: x: amount_received', 'with what came'),
    (:'owed', 'update payments set amount_received = 1531 {of}', '1 payment: x: amount_received', 'whatever is intended with it since'),
    (:'replaced', 'update payments set live = false {of}', '1 payment: 0 of 2 payments count, x_2 was the last to be told of and does not count', 'one payment of an order counts'),
    (:'replaced', 'update payments set live = false {of}; update payments set live = true {of} and stripe_status = ''canceled''', '1 payment: x_2 was the last to be told of and does not count', 'and it is the last that the history tells of')) as t (id, force, named, sentence);
select * from finish();
rollback;
