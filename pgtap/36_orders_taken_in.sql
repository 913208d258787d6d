-- What a shop may say of an order is taken in as it was said, and what it leaves out has one meaning; what breaks a rule
-- is refused by the field's name and the rule, at its exact bound, and then nothing is stored.
\ir begin.psql
select plan(146);

-- The answer to an order of which something is said otherwise; and to one of whose recipient it is.
create function pg_temp.answer(other jsonb, options jsonb default '{}') returns text
language plpgsql as $$
begin
  return pg_temp.said(format('place_order(%L, %L)', pg_temp.content() || other, options));
end $$;
create function pg_temp.answer_to(other jsonb) returns text
language plpgsql as $$
begin
  return pg_temp.answer(jsonb_build_object('recipient', pg_temp.content() -> 'recipient' || other));
end $$;
-- So many lines of one piece each, the last of them with something else.
create function pg_temp.lines(count integer, other jsonb default '{}') returns jsonb
language sql
return (select jsonb_build_object('total_minor', 1530, 'items', jsonb_agg('{"product_id": "a", "quantity": 1, "unit_price_minor": 1}' || case when n = count then other else '{}' end order by n)) from generate_series(1, count) as n);
-- An order, what is private of it, its payment, and what its history has of them.
create function pg_temp.row_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', retailer, currency, goods_minor, total_minor, price_cap_minor, capture_when, status, payment_status, hold_reason, generation, ''due '' || extract(epoch from due_at - now())::float8, ''placed '' || extract(epoch from created_at - now())::float8) from orders where id = {id}', id);
end $$;
create function pg_temp.lines_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select string_agg(concat_ws('' '', line, product_id, quote_literal(title), quantity, unit_price_minor), '', '' order by line) from order_items where order_id = {id}', id);
end $$;
create function pg_temp.private_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', shipping_method, is_gift, replace(gift_message, chr(10), ''/''), replace(recipient ->> ''instructions'', chr(10), ''/'')) from order_private where order_id = {id}', id);
end $$;
create function pg_temp.birth_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', e.seq, e.kind, e.status_before, e.status_after, e.actor, e.actor_source, e.data -> ''set'' = jsonb_build_object(''order_number'', o.order_number, ''retailer'', o.retailer, ''currency'', o.currency, ''goods_minor'', o.goods_minor, ''total_minor'', o.total_minor,
    ''price_cap_minor'', o.price_cap_minor, ''hold_reason'', o.hold_reason, ''payment_status'', o.payment_status, ''generation'', 0, ''capture_when'', o.capture_when, ''content_digest'', encode(o.content_digest, ''hex'')),
    (select count(*) from verify_orders((select x.id from orders as x where x.id < {id} order by x.id desc limit 1), 1) as v where v.order_id = {id}) || '' broken'')
    from order_events as e join orders as o on o.id = e.order_id where o.id = {id}', id);
end $$;
create function pg_temp.payment_of(id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.got('select concat_ws('' '', payment_intent, live, ''read '' || extract(epoch from next_read_at - now())::float8) from payments where order_id = {id}', id);
end $$;
-- The id of an order that is placed; nobody's when it is refused.
create function pg_temp.id_of(other jsonb, options jsonb default '{}') returns uuid
language plpgsql as $$
begin
  return coalesce(pg_temp.asked('service_role', format('place_order(%L, %L)', pg_temp.content() || other, options)) ->> 'order_id', '00000000-0000-0000-0000-000000000000');
end $$;
select pg_temp.clock(9) as ignored \gset
select pg_temp.not_held() as ignored \gset

-- Everything that may be said of an order.
select gen_random_uuid() as wanted \gset
select pg_temp.id_of(jsonb_build_object('retailer', 'amazon', 'currency', 'USD', 'total_minor', 2000, 'price_cap_minor', 1500, 'capture_when', 'after_purchase', 'shipping_method', 'fastest', 'is_gift', true, 'gift_message', E'For you\nAda',
  'payment_intent', 'pi_' || md5(:'wanted'), 'items', '[{"product_id": "b", "quantity": 2, "unit_price_minor": 300}, {"product_id": "a", "title": "lamp", "quantity": 1, "unit_price_minor": 999}]'::jsonb,
  'recipient', pg_temp.content() -> 'recipient' || '{"address_line2": "Flat 2", "instructions": "Ring\ntwice", "country": "US", "state": "CA"}'), jsonb_build_object('order_id', :'wanted', 'actor', 'ada')) as id \gset
select is(:'id'::uuid, :'wanted'::uuid, 'an order has the id that was wished for');
select is(pg_temp.row_of(:'id'), 'amazon USD 1599 2000 1500 after_purchase pending unpaid awaiting_payment 0 due 9 placed 9', 'its amounts, its cap and its way to pay are those that were said');
select is(pg_temp.lines_of(:'id'), '1 b '''' 2 300, 2 a ''lamp'' 1 999', 'so are its lines, with a title or without');
select is(pg_temp.private_of(:'id'), 'fastest t For you/Ada Ring/twice', 'and what belongs to a person');
select is(pg_temp.payment_of(:'id'), 'pi_' || md5(:'wanted') || ' t read 9', 'its payment is read at once');
select is(pg_temp.birth_of(:'id'), '1 order_placed new pending ada options t 0 broken', 'its history begins with all that, and with who placed it');

-- What is left out.
select pg_temp.id_of('{"price_cap_minor": null, "shipping_method": null, "is_gift": null, "gift_message": null, "payment_intent": null, "capture_when": null}') as id \gset
select is(pg_temp.row_of(:'id'), 'amazon_uk GBP 1530 1530 1530 before_purchase pending unpaid awaiting_payment 0 due 9 placed 9', 'what is null was not said: the goods are the cap, and money is taken before goods are bought');
select is(pg_temp.private_of(:'id'), 'cheapest f', 'the way is the cheapest, and it is no gift');
select is(pg_temp.payment_of(:'id'), null, 'no payment is known yet');
select is(pg_temp.birth_of(:'id'), '1 order_placed new pending ' || session_user || ' login t 0 broken', 'whoever is logged in has placed it');
select pg_temp.owner_does('update settings set value = ''after_purchase'' where name = ''capture_when''') as ignored \gset
select is(split_part(pg_temp.row_of(pg_temp.id_of('{"capture_when": null}')), ' ', 6), 'after_purchase', 'when money is taken is what the shop has set');
select is(split_part(pg_temp.row_of(pg_temp.id_of('{"capture_when": "before_purchase"}')), ' ', 6), 'before_purchase', 'unless the order says it');

-- One of each kind.
select is(pg_temp.answer(jsonb_build_object('retailer', retailer, 'currency', currency)), 'done pending', retailer || ' sells for ' || currency)
  from (values ('amazon', 'USD'), ('amazon_uk', 'GBP'), ('amazon_ca', 'CAD'), ('amazon_de', 'EUR'), ('amazon_mx', 'MXN'), ('walmart', 'USD')) as t (retailer, currency);
select is(pg_temp.answer(other), 'done pending', other::text || ' may be said')
  from unnest(array['{"shipping_method": "cheapest"}', '{"shipping_method": "free"}', '{"capture_when": "after_purchase"}', '{"is_gift": false}', '{"is_gift": true}', '{"is_gift": true, "gift_message": null}', '{"price_cap_minor": 1}', '{"price_cap_minor": 1530}', '{"total_minor": 1531}']::jsonb[]) as other;

-- The bounds of an order.
select is(pg_temp.answer(pg_temp.lines(n)), answer, n || ' lines: ' || answer) from (values (1, 'done pending'), (1000, 'done pending'), (1001, '22023 items must be an array of 1 to 1000 lines')) as t (n, answer);
select is(pg_temp.answer(jsonb_build_object('is_gift', true, 'gift_message', message)), answer, what || ' as a gift''s message: ' || answer)
  from (values ('a letter', 'x', 'done pending'), ('240 letters', repeat('x', 240), 'done pending'), ('241 letters', repeat('x', 241), '22023 gift_message must have 0 to 240 characters'), ('9 lines', repeat(E'x\n', 8) || 'x', 'done pending'),
    ('10 lines', repeat(E'x\n', 9) || 'x', '22023 gift_message must have 1 to 9 lines'), ('nothing', '', '22023 gift_message must have 1 to 9 lines'), ('a tab', E'a\tb', '22023 gift_message must not contain control characters'), ('a blank first', ' x', '22023 gift_message must not begin or end with blanks')) as t (what, message, answer);
select is(pg_temp.answer(other), answer, other::text || ': ' || answer)
  from (values ('{"total_minor": 1529}'::jsonb, '22023 total_minor must be at least the sum of the lines, 1530'), ('{"price_cap_minor": 1531}', '22023 price_cap_minor must be between 1 and 1530'), ('{"price_cap_minor": 0}', '22023 price_cap_minor must be between 1 and 1530'),
    ('{"total_minor": 2000, "price_cap_minor": 2001}', '22023 price_cap_minor must be between 1 and 2000'), ('{"total_minor": 2000, "price_cap_minor": 2000}', 'done pending'),
    ('{"order_number": null}', '22023 order_number must be given'), ('{"total_minor": null}', '22023 total_minor must be given'), ('{"items": null}', '22023 items must be an array of 1 to 1000 lines'), ('{"items": {}}', '22023 items must be an array of 1 to 1000 lines'),
    ('{"retailer": null}', '22023 retailer and currency must be amazon USD, amazon_uk GBP, amazon_ca CAD, amazon_de EUR, amazon_mx MXN or walmart USD'), ('{"retailer": "ebay"}', '22023 retailer and currency must be amazon USD, amazon_uk GBP, amazon_ca CAD, amazon_de EUR, amazon_mx MXN or walmart USD'),
    ('{"currency": "EUR"}', '22023 retailer and currency must be amazon USD, amazon_uk GBP, amazon_ca CAD, amazon_de EUR, amazon_mx MXN or walmart USD'), ('{"shipping_method": "slow"}', '22023 shipping_method must be cheapest, fastest or free'), ('{"capture_when": "never"}', '22023 capture_when must be before_purchase or after_purchase'),
    ('{"is_gift": "true"}', '22023 is_gift must be true or false'), ('{"gift_message": "hello"}', '22023 gift_message needs is_gift to be true'), ('{"is_gift": false, "gift_message": "hello"}', '22023 gift_message needs is_gift to be true'), ('{"colour": "red"}', '22023 unknown field colour'), ('{"colour": null}', '22023 unknown field colour')) as t (other, answer);
select is(pg_temp.answer(pg_temp.lines(2, other)), '22023 items[1]' || answer, 'a line with ' || other::text || ': items[1]' || answer)
  from (values ('{"sku": "x"}'::jsonb, '.sku is not known'), ('{"sku": null}', '.sku is not known'), ('{"sku": "x", "colour": "y"}', '.sku is not known'), ('{"product_id": ""}', '.product_id must have 1 to 100 characters'), ('{"product_id": null}', '.product_id must be given'),
    ('{"title": "a\nb"}', '.title must not contain line breaks or other control characters'), ('{"quantity": 100001}', '.quantity must be between 1 and 100000'), ('{"unit_price_minor": 1000000001}', '.unit_price_minor must be between 1 and 1000000000')) as t (other, answer);
select is(pg_temp.answer(jsonb_build_object('items', items)), answer, items::text || ': ' || answer)
  from (values ('["x"]'::jsonb, '22023 items[0] must be an object'), ('[null]', '22023 items[0] must be an object'), ('[[]]', '22023 items[0] must be an object'), ('[{"product_id": 7}, 7]', '22023 items[0].product_id must be a text'), ('[{}]', '22023 items[0].product_id must be given')) as t (items, answer);
select is(pg_temp.said(format('place_order(%L)', given)), '22023 order_param must be a JSON object', coalesce(given::text, 'nothing') || ' is no order') from unnest(array[null, 'null', '[]', '["items"]', '"x"', '7']::jsonb[]) as given;

-- A good field hides no bad one.
select is(pg_temp.answer(other), answer, answer || ', beside what is good')
  from (values ('{"price_cap_minor": 1530, "retailer": "ebay"}'::jsonb, '22023 retailer and currency must be amazon USD, amazon_uk GBP, amazon_ca CAD, amazon_de EUR, amazon_mx MXN or walmart USD'), ('{"price_cap_minor": 1530, "shipping_method": "slow"}', '22023 shipping_method must be cheapest, fastest or free'),
    (jsonb_build_object('payment_intent', 'pi_' || md5(random()::text), 'is_gift', true, 'gift_message', repeat('x', 241)), '22023 gift_message must have 0 to 240 characters'), ('{"payment_intent": "ch_1", "is_gift": true, "gift_message": "x"}', '22023 payment_intent must be a Stripe PaymentIntent id such as pi_3Abc: pi_ and letters, digits or underscores, at most 250 characters')) as t (other, answer);

-- To whom it goes.
select is(pg_temp.answer_to(other), answer, 'a recipient with ' || left(other::text, 60) || ': ' || answer)
  from (values ('{"country": "US", "state": "CA"}'::jsonb, 'done pending'), ('{"country": "US", "state": "C"}', '22023 recipient.state must be a USPS code of two letters for country US; nothing is filled in'), ('{"country": "US", "state": "Cal"}', '22023 recipient.state must be a USPS code of two letters for country US; nothing is filled in'),
    ('{"country": "US", "state": null}', '22023 recipient.state must be given; nothing is filled in'), ('{"country": "CA", "state": "Ontario"}', 'done pending'), ('{"country": "gb"}', '22023 recipient.country must be an ISO 3166 code of two capital letters; nothing is filled in'), ('{"country": "G1"}', '22023 recipient.country must be an ISO 3166 code of two capital letters; nothing is filled in'),
    ('{"phone_number": "(12) 345"}', 'done pending'), ('{"phone_number": "(12) 34"}', '22023 recipient.phone_number must have at least 5 digits; nothing is filled in'), ('{"phone_number": "1234567"}', 'done pending'), ('{"instructions": "Ring\ntwice"}', 'done pending'), ('{"instructions": "Ring\ttwice"}', '22023 recipient.instructions must not contain control characters; nothing is filled in'),
    ('{"city": "a\nb"}', '22023 recipient.city must not contain line breaks or other control characters; nothing is filled in'), ('{"city": null, "address_line1": 7, "last_name": ""}', '22023 recipient.address_line1 must be a text; nothing is filled in'),
    ('{"address_line2": null, "instructions": null}', 'done pending'), ('{"email": "a@b"}', '22023 recipient.email is not known; nothing is filled in'), ('{"email": null, "city": null}', '22023 recipient.city must be given; nothing is filled in')) as t (other, answer);
select is(pg_temp.answer(jsonb_build_object('recipient', recipient)), '22023 recipient must be an object', coalesce(recipient::text, 'nothing') || ' is no recipient') from unnest(array[null, 'null', '[]', '"Ada"']::jsonb[]) as recipient;

-- The rule of a text.
create function pg_temp.fault(value jsonb, fewest integer default 1, many boolean default false) returns text
language plpgsql as $$
begin
  return coalesce(pg_temp.got(format('select text_fault(%L, %s, 4, %L)', value, fewest, many)), 'good');
end $$;
select is(pg_temp.fault(null) || ', ' || pg_temp.fault('null') || ', ' || pg_temp.fault(null, 0) || ', ' || pg_temp.fault('null', 0), 'must be given, must be given, good, good', 'a text that may be empty may be left out');
select is(pg_temp.fault('""') || ', ' || pg_temp.fault('""', 0) || ', ' || pg_temp.fault('"x"') || ', ' || pg_temp.fault('"xxxx"') || ', ' || pg_temp.fault('"xxxxx"'), 'must have 1 to 4 characters, good, good, good, must have 1 to 4 characters', 'it is neither too short nor too long');
select is(pg_temp.fault(to_jsonb(repeat('ü', 4))), 'good', 'a letter is one, however many bytes it has');
select is(pg_temp.fault(value), 'must be a text', value::text || ' is no text') from unnest(array['7', 'true', '["a"]', '{}']::jsonb[]) as value;
select is(pg_temp.fault(value) || ', ' || pg_temp.fault(value, many => true), 'must not begin or end with blanks, must not begin or end with blanks', value::text || ' has a blank where nobody sees it') from unnest(array['" x"', '"x "', '"\nx"', '"x\n"']::jsonb[]) as value;
create temporary table letter (code integer, stands text);
insert into letter values (1, 'nowhere'), (9, 'nowhere'), (10, 'many'), (11, 'nowhere'), (31, 'nowhere'), (32, 'everywhere'), (126, 'everywhere'), (127, 'nowhere'), (159, 'nowhere'), (160, 'everywhere'), (8232, 'many'), (8233, 'many');
select is(pg_temp.fault(to_jsonb('a' || chr(code) || 'b')), case when stands = 'everywhere' then 'good' else 'must not contain line breaks or other control characters' end, 'character ' || code || case when stands = 'everywhere' then ' may stand' else ' may not stand' end || ' in one line') from letter;
select is(pg_temp.fault(to_jsonb('a' || chr(code) || 'b'), many => true), case when stands = 'nowhere' then 'must not contain control characters' else 'good' end, 'character ' || code || case when stands = 'nowhere' then ' may not stand' else ' may stand' end || ' in many lines') from letter;

-- A purchase that was forgotten, of an order that is placed again after the database was restored.
create function pg_temp.placed_again(changes text default 'kind = kind') returns text
language plpgsql as $$
declare
  id uuid := gen_random_uuid();
begin
  perform pg_temp.owner_does('insert into differences (id, kind, subject, about_at, data, first_at, last_at) values (gen_random_uuid(), ''purchase_without_order'', ''pgtap '' || {id}, now() - interval ''9 hours'', jsonb_build_object(''named_order'', {id}, ''attempt_id'', ''a''), now() - interval ''5 hours'', now() - interval ''2 hours'')', id);
  perform pg_temp.owner_does(format('update differences set %s where subject = ''pgtap '' || {id}', changes), id);
  return pg_temp.answer('{}', jsonb_build_object('order_id', id)) || ', ' || coalesce(pg_temp.got('select string_agg(concat_ws('' '', kind, subject = ''pgtap '' || {id}, data = jsonb_build_object(''named_order'', {id}, ''attempt_id'', ''a''), extract(epoch from now() - about_at) / 3600::float8,
    extract(epoch from now() - first_at) / 3600::float8, extract(epoch from now() - last_at) / 3600::float8, gone_at), '', '') from differences where order_id = {id}', id), 'nothing');
end $$;
select is(pg_temp.placed_again(), 'done pending, purchase_forgotten t t 9 5 2', 'a purchase that a list names for an order is its forgotten one, as old as the comparison that found it');
select is(pg_temp.placed_again(changes), 'done pending, nothing', 'not where ' || changes)
  from unnest(array['kind = ''purchase_not_recorded''', 'gone_at = now()', 'data = data - ''attempt_id''', 'data = data || ''{"attempt_id": null}''', 'data = data || ''{"named_order": "00000000-0000-0000-0000-000000000000"}''', 'data = data - ''named_order''']) as changes;

-- What breaks a rule that no caller can know of.
select pg_temp.owner_makes('create unique index pgtap_once on order_items (product_id) where product_id = ''pgtap once''') as ignored \gset
select is(pg_temp.answer(pg_temp.lines(1, '{"product_id": "pgtap once"}')), 'done pending', 'an order is placed');
select pg_temp.content() || pg_temp.lines(1, '{"product_id": "pgtap once"}') as other, 'pi_' || md5(random()::text) as intent \gset
select matches(pg_temp.said(format('place_order(%L)', :'other'::jsonb || jsonb_build_object('payment_intent', :'intent'))), '^23505 .*pgtap_once', 'what nobody foresaw is an error, and no refusal');
select is(pg_temp.got(format('select count(*) from orders where order_number = %L', :'other'::jsonb ->> 'order_number')) || pg_temp.got(format('select count(*) from payments where payment_intent = %L', :'intent')), '00', 'then neither the order nor its payment stands');
select * from finish();
rollback;
