-- What the scenes of two sessions speak of: people and orders under short names, a clock that a scene may move,
-- and patience. Made once, by a superuser, in a shop that is set back before every scene; everything here is called
-- as the owner of the shop, who may execute what no door gives away.

create schema stage;

-- The shop's clock: the real time and what a scene has added to it.
create table stage.clock (shift interval not null);
insert into stage.clock values ('0');
create or replace function public.clock_now() returns timestamptz
language sql volatile
return clock_timestamp() + (select c.shift from stage.clock as c);

-- So much later it is now.
create function stage.later(time_passed interval) returns void
language sql
begin atomic
  update stage.clock set shift = shift + time_passed;
end;

-- Whoever waits here waits for longer than in life: a slow machine must not be taken for a changed function.
create function stage.be_patient() returns void
language plpgsql as $$
declare
  name regprocedure;
begin
  for name in
    select p.oid from pg_proc as p where p.pronamespace = 'public'::regnamespace and 'lock_timeout=1s' = any (p.proconfig)
  loop
    execute format('alter function %s set lock_timeout = ''20s''', name);
  end loop;
end $$;
select stage.be_patient();

-- Nobody reads payments at Stripe here, however late it is.
update public.settings set value = '999999999999' where name = 'gate_age_ms';

create function stage.content(number text) returns jsonb
language sql
return jsonb_build_object('order_number', number, 'retailer', 'amazon_uk', 'currency', 'GBP', 'total_minor', 1530,
  'items', '[{"product_id": "85123A", "title": "lantern", "quantity": 6, "unit_price_minor": 255}]'::jsonb,
  'recipient', '{"first_name": "Ada", "last_name": "Miller", "address_line1": "12 Elm Street", "zip_code": "SW1A 1AA",
    "city": "London", "state": "Greater London", "country": "GB", "phone_number": "+442079460000"}'::jsonb);

-- The order of a number, and the token of whoever works on it.
create function stage.ordered(number text) returns uuid
language sql stable
return (select o.id from public.orders as o where o.order_number = number);
create function stage.token(number text) returns uuid
language sql immutable
return md5(number)::uuid;

-- An order that waits for a payment; one whose payment is named.
create function stage.placed(number text, other jsonb default '{}') returns void
language plpgsql as $$
begin
  perform public.place_order(stage.content(number) || other);
end $$;
create function stage.named(number text, other jsonb default '{}') returns void
language plpgsql as $$
begin
  perform stage.placed(number, other);
  perform public.attach_payment(stage.ordered(number), 'pi_' || number);
end $$;

-- Stripe's word about an order's payment is stored, with other facts than the good ones if given.
create function stage.told(number text, other jsonb default '{}') returns text
language plpgsql as $$
declare
  id uuid := stage.ordered(number);
begin
  return (select string_agg(r.result, ' ') from public.record_payments('stage', false, jsonb_build_array(jsonb_build_object(
    'payment_intent', 'pi_' || number, 'order_id', id, 'status', 'succeeded', 'received_minor', 1530, 'capturable_minor', 0,
    'refunded_minor', 0, 'currency', 'GBP', 'livemode', false, 'named_order', id, 'capture_before', null, 'dispute', null,
    'in_review', false, 'warned', false) || other)) as r);
end $$;

-- An order that is paid and may be bought; one whose money is reserved until it is bought.
create function stage.paid(number text) returns void
language plpgsql as $$
begin
  perform stage.named(number);
  perform stage.told(number);
end $$;
create function stage.reserved(number text) returns void
language plpgsql as $$
begin
  perform stage.named(number, '{"capture_when": "after_purchase"}');
  perform stage.told(number, jsonb_build_object('status', 'requires_capture', 'received_minor', 0, 'capturable_minor', 1530,
    'capture_before', floor(extract(epoch from public.clock_now()))::bigint + 500000));
end $$;

-- An order is claimed as an engine would: gives how many were.
create function stage.claimed(number text, account_mark bytea default null) returns bigint
language plpgsql as $$
begin
  return (select count(*) from public.lock_due_orders('zinc_v1', 1, stage.ordered(number)) as o cross join lateral
    public.commit_intents('zinc_v1', 'stage', stage.token(number), 60000, 30000, 82800000, array[o.id], array[o.version],
      array[coalesce(o.open_generation, o.generation + 1)], array[gen_random_uuid()], array[gen_random_uuid()::text],
      array[case when o.open_generation is null then '{}'::bytea end], array[sha256('{}')], account_mark) as c);
end $$;

-- The call of a claimed order was answered with a request id; or ended otherwise.
create function stage.accepted(number text) returns text
language plpgsql as $$
begin
  return (select r.result from public.record_acceptances('stage', 1000, array[stage.ordered(number)],
    array[stage.token(number)], array['req-' || number]) as r);
end $$;
create function stage.ended(number text, kind text, outcome text, after text) returns text
language plpgsql as $$
begin
  return (select r.result from public.record_setbacks('stage', array[stage.ordered(number)], array[stage.token(number)],
    array[kind], array['code'], array[outcome], array[null]::text[], array[after],
    array[case when after = 'needs_review' then 'odd_code' end], array[null]::text[], array[0]::bigint[]) as r);
end $$;

-- Orders that came that far: sent, sent and unanswered, at the provider, in review.
create function stage.sent(number text) returns void
language plpgsql as $$
begin
  perform stage.paid(number);
  perform stage.claimed(number);
end $$;
create function stage.unanswered(number text) returns void
language plpgsql as $$
begin
  perform stage.sent(number);
  perform stage.ended(number, 'answer_lost', 'unknown', 'submitting');
end $$;
create function stage.bought(number text) returns void
language plpgsql as $$
begin
  perform stage.sent(number);
  perform stage.accepted(number);
end $$;
create function stage.doubtful(number text) returns void
language plpgsql as $$
begin
  perform stage.sent(number);
  perform stage.ended(number, 'purchase_doubtful', 'unknown', 'needs_review');
end $$;

-- What the provider says of an order, read with the version that stands as this begins; its word that the retailer
-- has it; its word that nothing was bought: it may be bought anew, and its request id stays the attempt's.
create function stage.read_as(number text, kind text, after text, word text, settlement text) returns text
language plpgsql as $$
begin
  return (select r.result from public.orders as o cross join lateral public.record_readings('stage', array[o.id],
    array[o.version], array[kind], array[after], array[word], array[null]::bigint[], array[settlement],
    array[null]::text[], array[null]::text[], array[1000]::bigint[], array[null]::jsonb[]) as r
   where o.order_number = number);
end $$;
create function stage.watched(number text) returns text
language sql
return stage.read_as(number, 'retailer_order_placed', 'processing', 'placed', null);
create function stage.refused(number text) returns text
language sql
return stage.read_as(number, 'purchase_failed', 'pending', 'failed', 'provider_final');

-- An order that is cancelled and owes its money; the movement of an order's money.
create function stage.owing(number text) returns void
language plpgsql as $$
begin
  perform stage.paid(number);
  perform public.cancel_order(stage.ordered(number));
end $$;
create function stage.moved(number text) returns uuid
language sql stable
return (select m.id from public.money_moves as m where m.order_id = stage.ordered(number) order by m.created_at limit 1);

-- The movement that has been due for longest is leased; its call is committed; what became of it is recorded.
create function stage.leased(number text) returns void
language plpgsql as $$
begin
  perform from public.lease_moves('stage', stage.token(number), 60000, 1);
end $$;
create function stage.called(number text) returns bigint
language plpgsql as $$
begin
  return (select count(*) from public.commit_move(stage.token(number), stage.moved(number), 'target', '{}', false, 1000, 82800000));
end $$;
create function stage.refunded(number text, state text) returns text
language plpgsql as $$
begin
  return public.record_move('stage', stage.token(number), stage.moved(number), state, null, 're_' || number, state, 3600000);
end $$;

-- A refund that no door made: only the guards of the tables stand before it.
create function stage.refunded_past_the_doors(number text, amount bigint) returns void
language plpgsql as $$
begin
  insert into public.money_moves (id, order_id, payment_intent, kind, amount_minor, currency, cause, reason, requested_by, state, due_at, created_at)
  values (gen_random_uuid(), stage.ordered(number), 'pi_' || number, 'refund', amount, 'GBP', 'person', 'by hand', 'stage', 'open',
          public.clock_now(), public.clock_now());
end $$;

-- A message of Stripe, about a PaymentIntent if one is named.
create function stage.heard(event text, intent text default null) returns text
language plpgsql as $$
begin
  return public.receive_event('webhook', event, 'charge.updated', 'charge', 'ch_' || event, sha256(event::bytea), intent,
    false, 1, null, null, false, null, true);
end $$;

-- A payment as Stripe lists it, too young to be told of, with this sum refunded.
create function stage.listed(number text, refunded bigint) returns jsonb
language sql
return jsonb_build_array(jsonb_build_object('payment_intent', 'pi_' || number, 'status', 'succeeded', 'received_minor', 1530,
  'capturable_minor', 0, 'refunded_minor', refunded, 'currency', 'GBP', 'livemode', false, 'named_order', stage.ordered(number),
  'disputed', false, 'in_review', false, 'created_s', floor(extract(epoch from public.clock_now()))::bigint));

-- Money for no order, found so many minutes ago by a comparison.
create function stage.different(minutes integer, ripe boolean) returns void
language plpgsql as $$
begin
  perform public.tell_differences(jsonb_build_array(jsonb_build_object('kind', 'payment_without_order', 'subject', 'pi_x',
    'about_at', '2001-01-01', 'ripe', ripe, 'undated', false, 'data', '{}'::jsonb)),
    public.clock_now() - minutes * interval '1 minute');
end $$;
-- A comparison that began so many minutes ago and saw nothing ends: gives how many differences are gone.
create function stage.compared(minutes integer) returns text
language plpgsql as $$
begin
  return public.finish_reconciliation(public.clock_now() - minutes * interval '1 minute', '2000-01-01',
    '{payments, refunds, purchases}', '[]') ->> 'gone';
end $$;

-- A purchase of an order that the provider has had for a day and that the database forgot.
create function stage.forgotten(number text) returns void
language plpgsql as $$
begin
  insert into public.differences (id, kind, subject, order_id, about_at, data, first_at, last_at)
  values (gen_random_uuid(), 'purchase_forgotten', number, stage.ordered(number), public.clock_now() - interval '21 hours',
          '{"attempt_id": "forgotten"}', public.clock_now(), public.clock_now());
end $$;

grant usage on schema stage to public_orders_owner;
grant select, update on stage.clock to public_orders_owner;

-- Everything is again as it is now: no scene finds what another one has left. Guards and foreign keys are not asked.
do $$
declare
  name regclass;
begin
  for name in
    select c.oid from pg_class as c where c.relkind = 'r' and (c.relnamespace = 'public'::regnamespace or c.oid = 'stage.clock'::regclass)
  loop
    execute format('create table stage.%I as table %s', 'first_' || (select c.relname from pg_class as c where c.oid = name), name);
  end loop;
end $$;
create function stage.begin_anew() returns void
language plpgsql
set session_replication_role = replica
as $$
declare
  one record;
begin
  for one in
    select c.oid::regclass as first, coalesce(to_regclass('public.' || substr(c.relname, 7)), to_regclass('stage.' || substr(c.relname, 7))) as name
      from pg_class as c where c.relnamespace = 'stage'::regnamespace and c.relname like 'first\_%'
  loop
    execute format('delete from %1$s; insert into %1$s select * from %2$s', one.name, one.first);
  end loop;
end $$;
