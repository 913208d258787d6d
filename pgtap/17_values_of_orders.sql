-- What a row of orders, lines, private parts, history and attempts can never hold, also when somebody switches the
-- triggers off: each bad value is refused by a constraint whose name is part of the interface.
\ir begin.psql
select plan(113);

select pg_temp.in_status('submitting') as id, pg_temp.in_status('completed') as done \gset

-- A changed row, with the triggers off.
create function pg_temp.edited(part text, change text, id uuid) returns text
language plpgsql as $$
begin
  return pg_temp.tried('owner', pg_temp.by_force(part, change), id);
end $$;

select is(pg_temp.edited(part, change, :'id'), '23514 ' || rule, part || ': ' || left(change, 100))
  from (values
    ('orders', 'order_number = ''''', 'orders_order_number_length'), ('orders', 'order_number = repeat(''x'', 101)', 'orders_order_number_length'),
    ('orders', 'version = 0', 'orders_version_positive'), ('orders', 'generation = -1', 'orders_generation_positive'), ('orders', 'generation = 1001', 'orders_generation_positive'),
    ('orders', 'head = ''x''', 'orders_head_is_a_digest'), ('orders', 'zinc_request_id = ''''', 'orders_request_id_form'), ('orders', 'zinc_request_id = ''a b''', 'orders_request_id_form'),
    ('orders', 'zinc_request_id = repeat(''x'', 201)', 'orders_request_id_form'), ('orders', 'zinc_request_id = ''é''', 'orders_request_id_form'),
    ('orders', 'zinc_status = ''''', 'orders_zinc_status_length'), ('orders', 'zinc_status = repeat(''x'', 101)', 'orders_zinc_status_length'),
    ('orders', 'hold_reason = ''because''', 'orders_hold_reason_known'), ('orders', 'review_reason = ''''', 'orders_review_reason_length'),
    ('orders', 'review_reason = repeat(''x'', 101)', 'orders_review_reason_length'), ('orders', 'payment_status = ''free''', 'orders_payment_status_known'),
    ('orders', 'retailer = ''ebay''', 'orders_retailer_known'), ('orders', 'currency = ''CHF''', 'orders_currency_known'), ('orders', 'currency = ''gbp''', 'orders_currency_known'),
    ('orders', 'goods_minor = 0', 'orders_goods_positive'), ('orders', 'goods_minor = 1000000001', 'orders_goods_positive'), ('orders', 'cost_minor = -1', 'orders_cost_positive'),
    ('orders', 'capture_when = ''never''', 'orders_capture_when_known'), ('orders', 'content_digest = ''x''', 'orders_content_digest_is_a_digest'),
    ('orders', 'total_minor = goods_minor - 1, price_cap_minor = 1', 'orders_total_covers_goods'), ('orders', 'total_minor = 1000000001', 'orders_total_covers_goods'),
    ('orders', 'price_cap_minor = 0', 'orders_cap_within_total'), ('orders', 'price_cap_minor = total_minor + 1', 'orders_cap_within_total'),
    ('orders', 'due_at = null', 'orders_due_until_the_end'), ('orders', 'due_at = ''infinity''', 'orders_due_is_a_time'), ('orders', 'due_at = ''-infinity''', 'orders_due_is_a_time'),
    ('orders', 'status = ''completed''', 'orders_due_until_the_end'), ('orders', 'generation = 0', 'orders_submitting_has_an_intent'),
    ('orders', 'status = ''submitted_to_zinc'', status_before = ''submitting''', 'orders_at_zinc_has_a_request'),
    ('orders', 'status = ''processing'', status_before = ''submitted_to_zinc''', 'orders_at_zinc_has_a_request'),
    ('orders', 'status = ''needs_review'', status_before = ''submitting''', 'orders_review_has_a_reason'), ('orders', 'review_reason = ''asked''', 'orders_review_has_a_reason'),
    ('orders', 'status = ''processing'', zinc_request_id = ''x''', 'orders_edge_known'),
    ('order_items', 'line = 0', 'order_items_line_positive'), ('order_items', 'line = 1001', 'order_items_line_positive'), ('order_items', 'product_id = ''''', 'order_items_product_id_length'),
    ('order_items', 'product_id = repeat(''x'', 101)', 'order_items_product_id_length'), ('order_items', 'title = repeat(''x'', 301)', 'order_items_title_length'),
    ('order_items', 'quantity = 0', 'order_items_quantity_positive'), ('order_items', 'quantity = 100001', 'order_items_quantity_positive'),
    ('order_items', 'unit_price_minor = 0', 'order_items_price_positive'), ('order_items', 'unit_price_minor = 1000000001', 'order_items_price_positive'),
    ('order_private', 'shipping_method = ''slow''', 'order_private_shipping_method_known'), ('order_private', 'gift_message = ''''', 'order_private_gift_message_length'),
    ('order_private', 'gift_message = repeat(''x'', 241)', 'order_private_gift_message_length'),
    ('order_events', 'seq = 0', 'order_events_seq_positive'), ('order_events', 'kind = ''''', 'order_events_kind_length'), ('order_events', 'kind = repeat(''x'', 61)', 'order_events_kind_length'),
    ('order_events', 'actor = ''''', 'order_events_actor_length'), ('order_events', 'actor = repeat(''x'', 201)', 'order_events_actor_length'),
    ('order_events', 'actor_source = ''rumour''', 'order_events_actor_source_known'), ('order_events', 'hash = ''x''', 'order_events_hash_is_a_digest'), ('order_events', 'data = ''{"set": 1}''', 'order_events_set_is_an_object'),
    ('order_attempts', 'generation = 0', 'order_attempts_generation_positive'), ('order_attempts', 'provider = ''''', 'order_attempts_provider_length'), ('order_attempts', 'provider = repeat(''x'', 61)', 'order_attempts_provider_length'),
    ('order_attempts', 'provider_key = ''''', 'order_attempts_provider_key_length'), ('order_attempts', 'provider_key = repeat(''x'', 37)', 'order_attempts_provider_key_length'),
    ('order_attempts', 'request_body = ''x''', 'order_attempts_body_length'), ('order_attempts', 'request_body = repeat(''x'', 262145)::bytea', 'order_attempts_body_length'),
    ('order_attempts', 'request_digest = ''x''', 'order_attempts_digest_is_a_digest'), ('order_attempts', 'price_cap_minor = 0', 'order_attempts_cap_positive'), ('order_attempts', 'price_cap_minor = 1000000001', 'order_attempts_cap_positive'),
    ('order_attempts', 'worker = repeat(''x'', 101)', 'order_attempts_worker_length'), ('order_attempts', 'outcome = ''maybe''', 'order_attempts_outcome_known'), ('order_attempts', 'request_id = ''a b''', 'order_attempts_request_id_form'),
    ('order_attempts', 'code = repeat(''x'', 101)', 'order_attempts_code_length'), ('order_attempts', 'settled_by = ''hope''', 'order_attempts_settled_by_known'), ('order_attempts', 'calls = -1', 'order_attempts_calls_positive'),
    ('order_attempts', 'lease_token = null', 'order_attempts_lease_whole'), ('order_attempts', 'lease_expires_at = null', 'order_attempts_lease_whole'), ('order_attempts', 'outcome = ''refused''', 'order_attempts_lease_while_unanswered'),
    ('order_attempts', 'first_sent_at = null', 'order_attempts_sent_whole'), ('order_attempts', 'key_dead_at = null', 'order_attempts_sent_whole'), ('order_attempts', 'calls = 0', 'order_attempts_sent_whole'),
    ('order_attempts', 'lease_token = null, lease_expires_at = null, outcome = ''accepted'', request_id = ''pgtap-x''', 'order_attempts_accepted_when_settled'),
    ('order_attempts', 'settled_at = now(), settled_by = ''person''', 'order_attempts_lease_until_settled'),
    ('order_attempts', 'lease_token = null, lease_expires_at = null, outcome = ''accepted'', settled_at = now(), settled_by = ''delivered''', 'order_attempts_accepted_has_an_id'),
    ('order_attempts', 'settled_at = now(), lease_token = null, lease_expires_at = null', 'order_attempts_settled_has_evidence'), ('order_attempts', 'settled_by = ''person''', 'order_attempts_settled_has_evidence')) as t (part, change, rule);
select is(pg_temp.edited(part, change, :'id'), 'done', part || ' may hold: ' || left(change, 100))
  from (values ('orders', 'order_number = repeat(''x'', 100)'), ('orders', 'generation = 1000'), ('orders', 'total_minor = 1000000000'), ('orders', 'cost_minor = 0'), ('order_items', 'title = '''''),
    ('order_private', 'gift_message = repeat(''x'', 240)'), ('order_attempts', 'provider_key = repeat(''x'', 36)'), ('order_attempts', 'outcome = ''unknown'''), ('order_events', 'actor = repeat(''x'', 200)')) as t (part, change);

-- What is there once, and what belongs to an order.
select is(pg_temp.edited('orders', 'order_number = ' || quote_literal(pg_temp.got('select order_number from orders where id = {id}', :'done')), :'id'), '23505 orders_order_number_unique', 'an order number is there once');
select is(pg_temp.edited('order_items', 'order_id = gen_random_uuid()', :'id'), '23503 order_items_order_id_fkey', 'no line without its order');
select is(pg_temp.edited('order_private', 'order_id = gen_random_uuid()', :'id'), '23503 order_private_order_id_fkey', 'no private part without its order');
select is(pg_temp.edited('orders', 'id = ' || quote_literal(:'done'), :'id'), '23505 orders_pkey', 'an order is there once');
select is(pg_temp.tried('owner', 'insert into ' || part || ' select * from ' || part || ' where order_id = {id} limit 1', :'id'), '23505 ' || part || '_pkey', 'a row of ' || part || ' is there once')
  from unnest('{order_items, order_events, order_private}'::text[]) as part;

-- Amounts are integers.
select is(pg_temp.got(format('select format_type(case when t.typtype = ''d'' then t.typbasetype else t.oid end, null) from pg_attribute as a join pg_type as t on t.oid = a.atttypid
    where a.attrelid = %L::regclass and a.attname = %L', part, col)), 'bigint', part || '.' || col || ' is an integer')
  from (values ('orders', 'goods_minor'), ('orders', 'total_minor'), ('orders', 'price_cap_minor'), ('orders', 'cost_minor'), ('order_items', 'unit_price_minor'), ('order_items', 'quantity'), ('order_attempts', 'price_cap_minor'),
    ('payments', 'amount_received'), ('payments', 'amount_capturable'), ('payments', 'amount_refunded'), ('payments', 'refunds_minor'), ('money_moves', 'amount_minor')) as t (part, col);
select * from finish();
rollback;
