-- place_order: all or nothing, once. The same number with the same content is a duplicate, with other content
-- it is refused; every bad field is named and nothing is filled in; amounts are integers.
\ir begin.psql
select plan(90);

select pg_temp.content() as content \gset
select pg_temp.asked('service_role', format('place_order(%L)', :'content')) as first \gset
select :'first'::jsonb ->> 'order_id' as id \gset
select is(pg_temp.word(:'first'::jsonb), 'done pending', 'an order is placed');
select is(pg_temp.got('select concat_ws('' '', status, payment_status, hold_reason, version, generation, goods_minor, total_minor, price_cap_minor, currency)
    from orders where id = {id}', :'id'), 'pending unpaid awaiting_payment 1 0 1530 1530 1530 GBP', 'it waits for its payment');
select is(pg_temp.got('select string_agg(concat_ws('' '', line, product_id, title, quantity, unit_price_minor), '', '') from order_items where order_id = {id}', :'id'),
  '1 85123A lantern 6 255', 'with its lines');
select is(pg_temp.got('select recipient ->> ''city'' || '' '' || shipping_method || '' '' || is_gift from order_private where order_id = {id}', :'id'), 'London cheapest false', 'and its private part');
select is(pg_temp.got('select count(*) from order_events where data::text like ''%Elm Street%'' and order_id = {id}', :'id'), '0', 'of which the history has a digest only');
select pg_temp.stored(:'id') as before \gset
select is(pg_temp.said(format('place_order(%L)', :'content')), 'duplicate pending', 'the same again is a duplicate');
select is(pg_temp.asked('service_role', format('place_order(%L)', :'content')) ->> 'order_id', :'id', 'of the same order');
select is(pg_temp.said(format('place_order(%L)', :'content'::jsonb || other)), 'refused order_number_conflict', 'the same number with ' || other::text || ' is refused')
  from unnest(array['{"total_minor": 1600}', '{"shipping_method": "fastest"}', '{"price_cap_minor": 1529}',
    '{"items": [{"product_id": "85123A", "title": "lantern", "quantity": 5, "unit_price_minor": 255}]}']::jsonb[]) as other;
select is(pg_temp.got('select count(*) from findings where order_id = {id} and kind = ''order_number_conflict''', :'id'), '4', 'and kept as a finding each');
select is(pg_temp.stored(:'id'), :'before', 'the first one stands as it was');

-- A PaymentIntent and an id that somebody gives.
select pg_temp.paid() as paid \gset
select is(pg_temp.said(format('place_order(%L)', pg_temp.content() || jsonb_build_object('payment_intent', pg_temp.intent(:'paid')))), 'refused payment_taken',
  'an order with the PaymentIntent of another is not placed');
select is(pg_temp.said(format('place_order(%L)', :'content'::jsonb || jsonb_build_object('payment_intent', pg_temp.intent(:'id')))), 'duplicate pending',
  'a PaymentIntent that comes with a duplicate is tied to it');
select is(pg_temp.got('select live || '' '' || payment_intent from payments where order_id = {id}', :'id'), 'true ' || pg_temp.intent(:'id'), 'and stands');
select matches(pg_temp.said(format('place_order(%L, %L)', pg_temp.content(), jsonb_build_object('order_id', :'id'))), '^PT409 ', 'an id is there once');

-- A caller's key.
select pg_temp.content() as keyed, jsonb_build_object('idempotency_key', 'pgtap ' || gen_random_uuid(), 'caller', 'pgtap', 'request_digest', repeat('a', 64)) as options \gset
select pg_temp.asked('service_role', format('place_order(%L, %L)', :'keyed', :'options')) as answer \gset
select is(pg_temp.word(:'answer'::jsonb), 'done pending', 'an order is placed under a key');
select is(pg_temp.asked('service_role', format('place_order(%L, %L)', :'keyed', :'options')), :'answer'::jsonb || '{"replayed": true}', 'the key gives the first answer again');
select matches(pg_temp.said(format('place_order(%L, %L)', :'keyed', :'options'::jsonb || jsonb_build_object('request_digest', repeat('b', 64)))), '^PT422 ', 'for another request it is refused');
select matches(pg_temp.said(format('place_order(%L, %L)', :'keyed', :'options'::jsonb - part)), '^22023 ', 'a key without ' || part || ' is refused')
  from unnest('{idempotency_key, caller, request_digest}'::text[]) as part;

-- What is refused, by name. A null takes the field away.
create temporary table fault (change jsonb, said text);
insert into fault values
  ('{"order_number": null}', 'order_number must be given'), ('{"order_number": ""}', 'order_number must have 1 to 100 characters'), ('{"order_number": 7}', 'order_number must be a text'),
  (jsonb_build_object('order_number', repeat('x', 101)), 'order_number must have 1 to 100 characters'), ('{"order_number": " x"}', 'order_number must not begin or end with blanks'),
  ('{"order_number": "a\nb"}', 'order_number must not contain line breaks'), (jsonb_build_object('order_number', gen_random_uuid()), 'order_number must not have the form of an order''s id'),
  ('{"retailer": "ebay"}', 'retailer and currency must be'), ('{"currency": "USD"}', 'retailer and currency must be'), ('{"currency": "gbp"}', 'retailer and currency must be'), ('{"retailer": null}', 'retailer and currency must be'),
  ('{"total_minor": null}', 'total_minor must be given'), ('{"total_minor": 15.3}', 'total_minor must be a whole number'), ('{"total_minor": "1530"}', 'total_minor must be a whole number'),
  ('{"total_minor": 0}', 'total_minor must be between 1 and 1000000000'), ('{"total_minor": -1530}', 'total_minor must be between'), ('{"total_minor": 1529}', 'total_minor must be at least the sum of the lines, 1530'),
  ('{"total_minor": 1000000001}', 'total_minor must be between'), ('{"total_minor": 1e400}', 'total_minor must be'),
  ('{"price_cap_minor": 0}', 'price_cap_minor must be between 1 and 1530'), ('{"price_cap_minor": 1531}', 'price_cap_minor must be between 1 and 1530'), ('{"price_cap_minor": 1.5}', 'price_cap_minor must be a whole number'),
  ('{"items": []}', 'items must be an array of 1 to 1000 lines'), ('{"items": {}}', 'items must be an array'), ('{"items": null}', 'items must be an array'), ('{"items": [7]}', 'items\[0\] must be an object'),
  ('{"items": [{"product_id": "a", "quantity": 0, "unit_price_minor": 1}]}', 'items\[0\].quantity must be between 1 and 100000'),
  ('{"items": [{"product_id": "a", "quantity": -1, "unit_price_minor": 1}]}', 'items\[0\].quantity must be between 1 and 100000'),
  ('{"items": [{"product_id": "a", "quantity": 1.5, "unit_price_minor": 1}]}', 'items\[0\].quantity must be a whole number'),
  ('{"items": [{"product_id": "a", "quantity": 1, "unit_price_minor": 0}]}', 'items\[0\].unit_price_minor must be between 1'),
  ('{"items": [{"product_id": "a", "quantity": 1, "unit_price_minor": 2.55}]}', 'items\[0\].unit_price_minor must be a whole number'),
  ('{"items": [{"product_id": "a", "quantity": 1, "unit_price_minor": 1}, {"quantity": 1, "unit_price_minor": 1}]}', 'items\[1\].product_id must be given'),
  ('{"items": [{"product_id": "a", "quantity": 1, "unit_price_minor": 1, "sku": "b"}]}', 'items\[0\].sku is not known'),
  ('{"items": [{"product_id": "a", "title": 7, "quantity": 1, "unit_price_minor": 1}]}', 'items\[0\].title must be a text'),
  ('{"shipping_method": "slow"}', 'shipping_method must be'), ('{"capture_when": "never"}', 'capture_when must be'), ('{"is_gift": "yes"}', 'is_gift must be true or false'),
  ('{"gift_message": "hello"}', 'gift_message needs is_gift'), ('{"is_gift": true, "gift_message": ""}', 'gift_message must have 1 to 9 lines'),
  (jsonb_build_object('is_gift', true, 'gift_message', repeat('x', 241)), 'gift_message must have 0 to 240 characters'),
  ('{"payment_intent": "ch_1"}', 'payment_intent must be a Stripe PaymentIntent id'), ('{"colour": "red"}', 'unknown field colour'), ('{"recipient": null}', 'recipient must be an object'), ('{"recipient": []}', 'recipient must be an object');
select matches(pg_temp.said(format('place_order(%L)', jsonb_strip_nulls(pg_temp.content() || change))), '^22023 .*' || said, left(change::text, 90)) from fault;
select matches(pg_temp.said(format('place_order(%L)', jsonb_strip_nulls(jsonb_set(pg_temp.content(), array['recipient', field], coalesce(value, 'null'))))), '^22023 recipient.' || field || ' ',
    'a recipient with ' || field || ' ' || coalesce(left(value::text, 40), 'left out'))
  from (values ('first_name', null::jsonb), ('last_name', null), ('address_line1', null), ('zip_code', null), ('city', null), ('state', null), ('country', null), ('phone_number', null),
    ('first_name', '""'), ('first_name', to_jsonb(repeat('x', 61))), ('country', '"gb"'), ('country', '"GBR"'), ('phone_number', '"1234"'), ('email', '"a@b"'), ('address_line2', '7'), ('city', '"a\tb"')) as t (field, value);
select matches(pg_temp.said(format('place_order(%L)', pg_temp.content() || '{"total_minor": null}')), '^22023 .*total_minor must be given', 'a null in the place of a number is none');
select matches(pg_temp.said('place_order(' || given || ')'), '^22023 ', 'place_order(' || given || ')')
  from unnest(array['null', '''[]''', '''"x"''', '''{}''', quote_literal(pg_temp.content()) || ', ''{"who": "x"}''', quote_literal(pg_temp.content()) || ', ''{"order_id": "x"}''']) as given;
select * from finish();
rollback;
