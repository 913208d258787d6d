-- Each table has its columns, of their types, with ! where nothing may be missing; its indexes, with ! where
-- they refuse what is there twice; and its triggers, all switched on. Every constraint was validated.
\ir begin.psql
select plan(60);

create temporary table has_columns (part text, list text);
insert into has_columns values
  ('alerts', 'closed_at timestamp with time zone, id! uuid, opened_at! timestamp with time zone, order_id uuid, rule! text, runbook! '
    || 'text, subject! text'),
  ('api_keys', 'created_at! timestamp with time zone, digest! bytea, expires_at timestamp with time zone, id! uuid, note! text, prefix! '
    || 'text, revoked_at timestamp with time zone, role! text'),
  ('cursors', 'at! timestamp with time zone, name! text'),
  ('differences', 'about_at! timestamp with time zone, data! jsonb, first_at! timestamp with time zone, gone_at timestamp with time zone, '
    || 'id! uuid, kind! text, last_at! timestamp with time zone, order_id uuid, subject! text'),
  ('findings', 'actor! text, closed_at timestamp with time zone, data! jsonb, id! uuid, kind! text, opened_at! timestamp with time zone, '
    || 'order_id uuid, subject! text'),
  ('idempotency_keys', 'answer! jsonb, caller! text, created_at! timestamp with time zone, digest! bytea, key! text'),
  ('inbox', 'body bytea, created_at! timestamp with time zone, due_at timestamp with time zone, event_id! text, handled_at timestamp '
    || 'with time zone, kind! text, livemode! boolean, object! text, object_digest! bytea, object_id! text, payment_intent text, '
    || 'received_at! timestamp with time zone, source! text, state! text, tries! integer'),
  ('money_moves', 'amount_minor! bigint, approved_by text, body bytea, call_deadline_at timestamp with time zone, calls! integer, cause! '
    || 'text, code text, created_at! timestamp with time zone, currency! character(3), due_at timestamp with time zone, '
    || 'first_sent_at timestamp with time zone, id! uuid, key_dead_at timestamp with time zone, key_number! integer, kind! text, '
    || 'lease_expires_at timestamp with time zone, lease_token uuid, order_id! uuid, payment_intent! text, reason! text, '
    || 'request_key text, requested_by! text, settled_at timestamp with time zone, state! text, stripe_id text, stripe_status '
    || 'text, target text'),
  ('order_attempts', 'attempt_id! uuid, call_deadline_at timestamp with time zone, calls! integer, code order_attempts_code, first_sent_at '
    || 'timestamp with time zone, generation! integer, key_dead_at timestamp with time zone, lease_expires_at timestamp with '
    || 'time zone, lease_token uuid, opened_at! timestamp with time zone, order_id! uuid, outcome! order_attempts_outcome, '
    || 'price_cap_minor! order_attempts_price_cap_minor, provider! order_attempts_provider, provider_key! '
    || 'order_attempts_provider_key, request_body! order_attempts_request_body, request_digest! order_attempts_request_digest, '
    || 'request_id order_attempts_request_id, settled_at timestamp with time zone, settled_by order_attempts_settled_by, worker '
    || 'order_attempts_worker'),
  ('order_edges', 'meaning! text, status_after! text, status_before! text'),
  ('order_events', 'actor! order_events_actor, actor_source! order_events_actor_source, at! timestamp with time zone, data! '
    || 'order_events_data, hash! order_events_hash, kind! order_events_kind, order_id! uuid, seq! order_events_seq, '
    || 'status_after! text, status_before! text'),
  ('order_items', 'line! integer, order_id! uuid, product_id! text, quantity! bigint, title! text, unit_price_minor! bigint'),
  ('order_private', 'gift_message text, is_gift! boolean, order_id! uuid, recipient! jsonb, shipping_method! text'),
  ('orders', 'capture_when! orders_capture_when, content_digest! orders_content_digest, cost_minor orders_cost_minor, created_at! '
    || 'timestamp with time zone, currency! orders_currency, due_at timestamp with time zone, generation! orders_generation, '
    || 'goods_minor! orders_goods_minor, head! orders_head, hold_reason orders_hold_reason, id! uuid, order_number! '
    || 'orders_order_number, payment_status! orders_payment_status, price_cap_minor! bigint, retailer! orders_retailer, '
    || 'review_reason orders_review_reason, status! text, status_before! text, total_minor! bigint, updated_at! timestamp with '
    || 'time zone, version! orders_version, zinc_request_id orders_zinc_request_id, zinc_status orders_zinc_status'),
  ('payments', 'amount_capturable bigint, amount_received bigint, amount_refunded bigint, authorised_at timestamp with time zone, '
    || 'capture_before timestamp with time zone, created_at! timestamp with time zone, currency character(3), deviation text, '
    || 'dispute text, in_review boolean, live! boolean, livemode boolean, named_order text, next_read_at! timestamp with time '
    || 'zone, order_id! uuid, payment_intent! text, read_at timestamp with time zone, reads! integer, refunds_minor! bigint, '
    || 'stale_since timestamp with time zone, stripe_status text, warned boolean, warning_accepted! boolean'),
  ('protected_functions', 'digest! bytea, release! text, signature! text'),
  ('protected_objects', 'digest! bytea, kind! text, name! text, parent! text, release! text'),
  ('provider_accounts', 'account_mark bytea, paused_code text, paused_until timestamp with time zone, pauses! integer, provider! text'),
  ('schema_migrations', 'applied_at! timestamp with time zone, digest! bytea, name! text, version! integer'),
  ('settings', 'name! text, value! text'),
  ('shop', 'beaten_at timestamp with time zone, beats! bigint, compare_since timestamp with time zone, compared_at timestamp with time zone, '
    || 'forgotten_from timestamp with time zone, held_because text, held_since timestamp with time zone, one! boolean, place text, '
    || 'server_started_at timestamp with time zone'),
  ('tallies', 'at! timestamp with time zone, count! bigint, name! text'),
  ('workers', 'beats! bigint, release! text, seen_at! timestamp with time zone, started_at! timestamp with time zone, stopped_at timestamp with time '
    || 'zone, worker! text');
create temporary table has_indexes (part text, list text);
insert into has_indexes values
  ('alerts', 'alerts_once_while_open!, alerts_pkey!'),
  ('api_keys', 'api_keys_digest_unique!, api_keys_pkey!'),
  ('cursors', 'cursors_pkey!'),
  ('differences', 'differences_by_subject, differences_of_orders_open, differences_once_while_open!, differences_pkey!'),
  ('findings', 'findings_once_while_open!, findings_pkey!'),
  ('idempotency_keys', 'idempotency_keys_by_age, idempotency_keys_pkey!'),
  ('inbox', 'inbox_by_content, inbox_by_payment, inbox_by_time, inbox_due, inbox_pkey!'),
  ('money_moves', 'money_moves_by_order, money_moves_by_payment, money_moves_by_stripe_id, money_moves_due, money_moves_one_cancel!, '
    || 'money_moves_one_capture!, money_moves_one_per_request!, money_moves_pkey!'),
  ('order_attempts', 'order_attempts_attempt_id_unique!, order_attempts_one_unsettled!, order_attempts_pkey!, '
    || 'order_attempts_provider_key_unique!, order_attempts_request_id_unique!'),
  ('order_edges', 'order_edges_pkey!'),
  ('order_events', 'order_events_pkey!'),
  ('order_items', 'order_items_pkey!'),
  ('order_private', 'order_private_pkey!'),
  ('orders', 'orders_by_creation, orders_in_review, orders_order_number_unique!, orders_pkey!, orders_request_id_unique!, '
    || 'orders_sendable, orders_submitting, orders_to_capture, orders_unpaid, orders_watched'),
  ('payments', 'payments_by_order, payments_one_live_per_order!, payments_pkey!, payments_to_capture, payments_to_read'),
  ('protected_functions', 'protected_functions_pkey!'),
  ('protected_objects', 'protected_objects_pkey!'),
  ('provider_accounts', 'provider_accounts_pkey!'),
  ('schema_migrations', 'schema_migrations_pkey!'),
  ('settings', 'settings_pkey!'),
  ('shop', 'shop_pkey!'),
  ('tallies', 'tallies_pkey!'),
  ('workers', 'workers_pkey!');
create temporary table has_triggers (part text, list text);
insert into has_triggers values
  ('alerts', 'alerts_never_truncated'),
  ('differences', 'differences_kept'),
  ('findings', 'findings_kept, findings_never_truncated'),
  ('inbox', 'inbox_event_stays'),
  ('money_moves', 'money_moves_bytes_stand, money_moves_end_once, money_moves_frozen, money_moves_kept, money_moves_never_truncated, '
    || 'money_moves_within_received, money_moves_written_by_functions_only'),
  ('order_attempts', 'order_attempts_calls_counted, order_attempts_frozen, order_attempts_kept, order_attempts_never_truncated, '
    || 'order_attempts_outcome_stands, order_attempts_settled_once'),
  ('order_events', 'order_events_append_only, order_events_never_truncated, order_events_written_by_functions_only'),
  ('order_items', 'order_items_fixed, order_items_never_truncated'),
  ('order_private', 'order_private_fixed, order_private_never_truncated'),
  ('orders', 'orders_born_pending, orders_changed_with_their_event, orders_never_deleted, orders_never_truncated, '
    || 'orders_stay_as_placed, orders_written_by_functions_only'),
  ('payments', 'payments_kept, payments_never_truncated');

select is((select string_agg(a.attname || case when a.attnotnull then '!' else '' end || ' ' || format_type(a.atttypid, a.atttypmod), ', ' order by a.attname collate "C")
    from pg_attribute as a where a.attrelid = part::regclass and a.attnum > 0 and not a.attisdropped), list, part || ' has its columns') from has_columns;
select is((select string_agg(i.relname || case when x.indisunique then '!' else '' end, ', ' order by i.relname collate "C")
    from pg_index as x join pg_class as i on i.oid = x.indexrelid where x.indrelid = part::regclass and x.indisvalid
     and i.relname = any (string_to_array(replace(list, '!', ''), ', '))), list, part || ' has its indexes') from has_indexes;
select is((select string_agg(t.tgname, ', ' order by t.tgname collate "C") from pg_trigger as t where t.tgrelid = part::regclass and not t.tgisinternal and t.tgenabled = 'O'), list,
    part || ' has its triggers, and they are on') from has_triggers;
select is((select string_agg(conname, ' ') from pg_constraint where connamespace = :'schema'::regnamespace and not convalidated
    and (conrelid in (select part::regclass from has_columns) or contypid in (select oid from pg_type where typowner = pg_temp.role_of('owner')::regrole))), null, 'every constraint was validated');
select is((select string_agg(tgname, ' ') from pg_trigger as t where t.tgrelid in (select part::regclass from has_columns) and t.tgisinternal and t.tgenabled <> 'O'), null, 'and no foreign key is switched off');
select is(current_setting('session_replication_role'), 'origin', 'nor is this session one without triggers');
select * from finish();
rollback;
