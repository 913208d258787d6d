-- What a row of payments, movements of money, messages, findings, alerts, keys and settings can never hold: each
-- bad value is refused by a constraint whose name is part of the interface.
\ir begin.psql
select plan(118);

select pg_temp.in_status('completed') as id \gset
select pg_temp.said('refund_order({id}, 500, ''one came broken'')', :'id') as ignored \gset
create temporary table sample (part text, example jsonb);
insert into sample values
  ('payments', pg_temp.asked('owner', '(select p from payments as p where order_id = {id})', :'id')), ('money_moves', pg_temp.asked('owner', '(select m from money_moves as m where order_id = {id})', :'id')),
  ('findings', jsonb_build_object('id', gen_random_uuid(), 'order_id', :'id', 'kind', 'pgtap', 'subject', 'x', 'data', '{}'::jsonb, 'actor', 'x', 'opened_at', now())),
  ('alerts', jsonb_build_object('id', gen_random_uuid(), 'order_id', :'id', 'rule', 'pgtap', 'subject', 'x', 'runbook', 'x', 'opened_at', now())),
  ('differences', jsonb_build_object('id', gen_random_uuid(), 'kind', 'pgtap', 'subject', :'id', 'about_at', now(), 'data', '{}'::jsonb, 'first_at', now(), 'last_at', now())),
  ('inbox', jsonb_build_object('event_id', 'evt_pgtap', 'source', 'webhook', 'kind', 'charge.refunded', 'object', 'charge', 'object_id', 'ch_1', 'object_digest', sha256('x'), 'livemode', false,
    'created_at', now(), 'received_at', now(), 'state', 'new', 'tries', 0, 'due_at', now())),
  ('idempotency_keys', jsonb_build_object('caller', 'pgtap', 'key', 'x', 'digest', sha256('x'), 'answer', '{}'::jsonb, 'created_at', now())),
  ('api_keys', jsonb_build_object('id', gen_random_uuid(), 'prefix', 'pgtap', 'digest', sha256(convert_to(:'id', 'UTF8')), 'role', 'service_role', 'note', '', 'created_at', now())),
  ('workers', jsonb_build_object('worker', 'pgtap', 'release', 'x', 'started_at', now(), 'seen_at', now(), 'beats', 0)), ('provider_accounts', '{"provider": "pgtap", "pauses": 0}'), ('settings', '{"name": "pgtap", "value": "x"}'),
  ('shop', jsonb_build_object('one', true, 'beats', 0)),
  ('tallies', jsonb_build_object('name', 'pgtap', 'count', 1, 'at', now())), ('cursors', jsonb_build_object('name', 'pgtap', 'at', now()));
create function pg_temp.with(table_name text, change jsonb) returns text
language plpgsql as $$
begin
  return pg_temp.tried('owner', format('alter table %1$I disable trigger user; insert into %1$I select (jsonb_populate_record(null::%1$I, %2$L)).*', table_name,
    (select s.example || change from sample as s where s.part = table_name)));
end $$;

-- A good row of each stands, so that it is the bad value that is refused.
select is(pg_temp.with(part, case part when 'payments' then '{"payment_intent": "pi_pgtap", "live": false}' when 'money_moves' then '{"request_key": null}' else '{}' end::jsonb
    || case when part = 'money_moves' then jsonb_build_object('id', gen_random_uuid()) else '{}' end), 'done', 'a good row of ' || part || ' is taken') from sample where part <> 'shop';

select is(pg_temp.with(part, change::jsonb), '23514 ' || rule, part || ': ' || left(change, 100))
  from (values
    ('payments', '{"payment_intent": "ch_1"}', 'payments_payment_intent_form'), ('payments', '{"amount_received": -1}', 'payments_amount_received_positive'), ('payments', '{"amount_capturable": -1}', 'payments_amount_capturable_positive'),
    ('payments', '{"amount_refunded": -1}', 'payments_amount_refunded_positive'), ('payments', '{"dispute": "x"}', 'payments_dispute_known'), ('payments', '{"deviation": ""}', 'payments_deviation_length'),
    ('payments', '{"refunds_minor": 1531}', 'payments_refunds_within_received'), ('payments', '{"amount_received": 499}', 'payments_refunds_within_received'),
    ('payments', jsonb_build_object('stripe_status', repeat('x', 61))::text, 'payments_stripe_status_length'), ('payments', jsonb_build_object('named_order', repeat('x', 101))::text, 'payments_named_order_length'),
    ('money_moves', '{"kind": "gift"}', 'money_moves_kind_known'), ('money_moves', '{"kind": "cancel", "amount_minor": -1}', 'money_moves_amount_positive'), ('money_moves', '{"amount_minor": 1000000001}', 'money_moves_amount_positive'),
    ('money_moves', '{"amount_minor": 0}', 'money_moves_amount_of_its_kind'), ('money_moves', '{"cause": "x"}', 'money_moves_cause_known'), ('money_moves', '{"reason": ""}', 'money_moves_reason_length'),
    ('money_moves', '{"requested_by": ""}', 'money_moves_requested_by_length'), ('money_moves', '{"approved_by": ""}', 'money_moves_approved_by_length'), ('money_moves', '{"requested_by": "x", "approved_by": "x"}', 'money_moves_two_persons'),
    ('money_moves', '{"state": "x"}', 'money_moves_state_known'), ('money_moves', '{"key_number": 0}', 'money_moves_key_number_positive'), ('money_moves', '{"key_number": 101}', 'money_moves_key_number_positive'),
    ('money_moves', jsonb_build_object('target', repeat('x', 301))::text, 'money_moves_target_length'), ('money_moves', jsonb_build_object('body', repeat('x', 4097)::bytea)::text, 'money_moves_body_length'),
    ('money_moves', '{"calls": -1, "target": "x", "body": "x"}', 'money_moves_calls_positive'), ('money_moves', '{"stripe_id": "re 1"}', 'money_moves_stripe_id_form'),
    ('money_moves', jsonb_build_object('stripe_status', repeat('x', 61))::text, 'money_moves_stripe_status_length'), ('money_moves', jsonb_build_object('code', repeat('x', 101))::text, 'money_moves_code_length'),
    ('money_moves', '{"request_key": ""}', 'money_moves_request_key_length'), ('money_moves', jsonb_build_object('lease_token', gen_random_uuid())::text, 'money_moves_lease_whole'),
    ('money_moves', '{"due_at": null}', 'money_moves_due_until_the_end'), ('money_moves', '{"state": "done", "due_at": null}', 'money_moves_settled_at_the_end'), ('money_moves', '{"settled_at": "2026-01-01"}', 'money_moves_settled_at_the_end'),
    ('money_moves', '{"calls": 1}', 'money_moves_sent_with_bytes'), ('money_moves', '{"first_sent_at": "2026-01-01"}', 'money_moves_sent_with_bytes'),
    ('money_moves', '{"state": "awaiting_approval", "calls": 1, "target": "x", "body": "x"}', 'money_moves_unapproved_is_not_sent'),
    ('findings', '{"kind": ""}', 'findings_kind_length'), ('findings', jsonb_build_object('subject', repeat('x', 201))::text, 'findings_subject_length'),
    ('alerts', '{"rule": ""}', 'alerts_rule_length'), ('alerts', jsonb_build_object('subject', repeat('x', 201))::text, 'alerts_subject_length'), ('alerts', '{"runbook": ""}', 'alerts_runbook_length'),
    ('differences', '{"kind": ""}', 'differences_kind_length'), ('differences', '{"subject": ""}', 'differences_subject_length'),
    ('inbox', '{"event_id": "evt 1"}', 'inbox_event_id_form'), ('inbox', '{"source": "rumour"}', 'inbox_source_known'), ('inbox', '{"kind": "A B"}', 'inbox_kind_form'), ('inbox', '{"object": ""}', 'inbox_object_length'),
    ('inbox', '{"object_id": "a b"}', 'inbox_object_id_form'), ('inbox', '{"object_digest": "x"}', 'inbox_digest_is_a_digest'), ('inbox', '{"payment_intent": "a b"}', 'inbox_payment_intent_form'),
    ('inbox', jsonb_build_object('body', repeat('x', 524289)::bytea)::text, 'inbox_body_length'), ('inbox', '{"state": "x", "due_at": null, "handled_at": "2026-01-01"}', 'inbox_state_known'),
    ('inbox', '{"due_at": null}', 'inbox_due_while_new'), ('inbox', '{"handled_at": "2026-01-01"}', 'inbox_handled_when_not_new'),
    ('idempotency_keys', '{"caller": ""}', 'idempotency_keys_caller_length'), ('idempotency_keys', '{"key": ""}', 'idempotency_keys_key_length'), ('idempotency_keys', '{"digest": "x"}', 'idempotency_keys_digest_is_a_digest'),
    ('api_keys', '{"prefix": "abc"}', 'api_keys_prefix_length'), ('api_keys', '{"digest": "x"}', 'api_keys_digest_is_a_digest'), ('api_keys', '{"role": "postgres"}', 'api_keys_role_known'),
    ('api_keys', jsonb_build_object('note', repeat('x', 201))::text, 'api_keys_note_length'), ('workers', '{"worker": ""}', 'workers_worker_length'), ('workers', '{"beats": -1}', 'workers_beats_positive'),
    ('provider_accounts', jsonb_build_object('paused_code', repeat('x', 101))::text, 'provider_accounts_paused_code_length'), ('provider_accounts', '{"account_mark": "x"}', 'provider_accounts_mark_is_a_digest'),
    ('shop', '{"one": false}', 'shop_is_one'), ('shop', '{"beats": -1}', 'shop_beats_positive'), ('shop', '{"place": ""}', 'shop_place_length'),
    ('shop', '{"held_because": "x", "held_since": "2026-01-01"}', 'shop_held_because_known'), ('shop', '{"held_because": "operator"}', 'shop_held_for_a_reason'),
    ('shop', '{"compare_since": "2026-01-01"}', 'shop_compared_while_held'),
    ('settings', '{"name": ""}', 'settings_name_length'), ('settings', jsonb_build_object('value', repeat('x', 1001))::text, 'settings_value_length'), ('tallies', '{"name": ""}', 'tallies_name_length'),
    ('tallies', '{"count": -1}', 'tallies_count_positive'), ('cursors', '{"name": ""}', 'cursors_name_length')) as t (part, change, rule);

-- What is there once, and what belongs to something.
create function pg_temp.twice(table_name text, change jsonb) returns text
language plpgsql as $$
begin
  return pg_temp.tried('owner', format('alter table %1$I disable trigger user; insert into %1$I select (jsonb_populate_record(null::%1$I, %2$L)).*;
    insert into %1$I select (jsonb_populate_record(null::%1$I, %3$L)).*', table_name, (select s.example from sample as s where s.part = table_name),
    (select s.example || change from sample as s where s.part = table_name)));
end $$;
select is(pg_temp.twice(part, '{}'), '23505 ' || part || '_pkey', 'a row of ' || part || ' is there once')
  from sample where part not in ('payments', 'money_moves') order by part;
select is(pg_temp.twice(part, jsonb_build_object('id', gen_random_uuid())), '23505 ' || rule, rule)
  from (values ('findings', 'findings_once_while_open'), ('alerts', 'alerts_once_while_open'), ('differences', 'differences_once_while_open'), ('api_keys', 'api_keys_digest_unique')) as t (part, rule);
select is(pg_temp.twice(part, jsonb_build_object('id', gen_random_uuid(), 'order_id', null)), 'done', part || ' of no order stands beside one of an order')
  from unnest('{findings, alerts}'::text[]) as part;
select is(pg_temp.with(part, jsonb_build_object('order_id', gen_random_uuid(), 'id', gen_random_uuid(), 'payment_intent', 'pi_pgtap', 'live', false, 'request_key', null)), '23503 ' || part || '_' || col || '_fkey', part || ' belong to something that is there')
  from (values ('payments', 'order_id'), ('findings', 'order_id'), ('alerts', 'order_id'), ('differences', 'order_id'), ('money_moves', 'order_id')) as t (part, col);
select is(pg_temp.with('money_moves', jsonb_build_object('id', gen_random_uuid(), 'payment_intent', 'pi_pgtap_nobody', 'request_key', null)), '23503 money_moves_payment_intent_fkey', 'no movement without its PaymentIntent');
select is(pg_temp.tried('owner', 'insert into ' || part || ' select * from ' || part || ' limit 1'), '23505 ' || part || '_pkey', 'a row of ' || part || ' is there once')
  from unnest('{order_edges, protected_functions, protected_objects, schema_migrations}'::text[]) as part;
select is(pg_temp.with('money_moves', '{"request_key": null}'), '23505 money_moves_pkey', 'a movement is there once');
select * from finish();
rollback;
