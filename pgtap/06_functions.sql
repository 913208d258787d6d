-- Each function has one form, the owner and a pinned search path. Doors run with the owner's rights, end
-- their waiting for locks, and are open to exactly the roles of the allow-list; nobody else may call.
\ir begin.psql
select plan(235);

create temporary table door (name text, arguments text, result text);
insert into door values
  ('attach_payment', 'order_uuid uuid, payment_intent_param text, options jsonb DEFAULT ''{}''::jsonb', 'jsonb'),
  ('cancel_order', 'order_uuid uuid, reason_param text DEFAULT NULL::text, options jsonb DEFAULT ''{}''::jsonb', 'jsonb'),
  ('complete_order_processing', 'order_uuid uuid, zinc_request_id_param text, zinc_status_param text DEFAULT ''submitted''::text, '
    || 'final_status_param text DEFAULT ''submitted_to_zinc''::text, options jsonb DEFAULT ''{}''::jsonb', 'jsonb'),
  ('decide_move', 'move_uuid uuid, decision_param text, amount_minor_param bigint, reason_param text DEFAULT NULL::text, '
    || 'options jsonb DEFAULT ''{}''::jsonb', 'jsonb'),
  ('hold_order', 'order_uuid uuid, reason_param text DEFAULT ''operator''::text, options jsonb DEFAULT ''{}''::jsonb', 'jsonb'),
  ('hold_shop', 'reason_param text, options jsonb DEFAULT ''{}''::jsonb', 'jsonb'),
  ('manually_complete_order', 'order_uuid uuid, zinc_request_id_param text DEFAULT NULL::text, reason_param text DEFAULT NULL::text, '
    || 'options jsonb DEFAULT ''{}''::jsonb', 'jsonb'),
  ('order_system_health', '', 'jsonb'),
  ('place_order', 'order_param jsonb, options jsonb DEFAULT ''{}''::jsonb', 'jsonb'),
  ('recover_stuck_orders', 'max_age_minutes integer DEFAULT 2, options jsonb DEFAULT ''{}''::jsonb', 'jsonb'),
  ('refund_order', 'order_uuid uuid, amount_minor_param bigint DEFAULT NULL::bigint, reason_param text DEFAULT NULL::text, '
    || 'options jsonb DEFAULT ''{}''::jsonb', 'jsonb'),
  ('release_hold', 'order_uuid uuid, options jsonb DEFAULT ''{}''::jsonb', 'jsonb'),
  ('release_shop', 'reason_param text, options jsonb DEFAULT ''{}''::jsonb', 'jsonb'),
  ('resolve_review', 'order_uuid uuid, decision_param text, reason_param text, options jsonb DEFAULT ''{}''::jsonb', 'jsonb'),
  ('verify_orders', 'after_order uuid, page_size integer',
    'TABLE(order_id uuid, rule text, detail text, orders_checked bigint, events_checked bigint, last_order uuid)');
create temporary table of_the_engine as select unnest('{
    add_api_key, add_tallies, adopt_payment, beat_worker, begin_reconciliation, begin_work, claim_account, commit_intents,
    commit_move, due_events, due_payments, due_watches, events_from, expire_unpaid, fail_refund, find_api_key,
    finish_events, finish_reconciliation, lease_moves, list_api_keys, lock_due_orders, move_cursor,
    note_books_compared, note_shop_compared, nudge_moves, pause_provider, payment_to_read, plan_captures, receive_event,
    reconcile_orders, reconcile_payments, reconcile_purchases, reconcile_refunds, record_acceptances,
    record_move, record_payments, record_readings, record_setbacks, renew_leases, report_reading,
    review_orders, revoke_api_key, shop_settings, touch_waiting_orders, uncount_events}'::text[]) as name;
create temporary table inside as select unnest('{
    accept_patiently, accept_purchase, alert_people, ask_to_cancel, broken_attempts, broken_histories, broken_money, broken_records,
    check_options, check_order_content, check_order_recipient, clock_now, close_finding, close_late_ids,
    complete_by_word, difference_runbook, due_when_released, end_unbought, ends_by_facts, event_actor,
    event_hash, forgotten_effects, forgotten_purchase, free_shop, hold_forgotten, hold_shop_for, insert_order, line_fault, lines_digest, may_claim, money_left, move_wanted, needs_approval, new_order_id,
    objection_to_acceptance, objection_to_ending, open_finding, payment_deviation, payment_intent_fault, payment_word, plan_move,
    private_digest, recover_dead_keys, recover_ended_leases, refunds_within_received, refusal,
    refusal_by_word, refuse_birth, refuse_word, refuse_write, repeated_order, report_payment,
    request_id_fault, return_money, setting_ms, setting_number, settle_payment, shop_place, take_idempotency_key,
    tell_differences, text_fault, tie_payment, whole_fault, withdraw_unapproved, write_event, write_events}'::text[]) as name;

create temporary table found as
select p.*, coalesce(p.proacl, acldefault('f', p.proowner)) as acl
  from pg_proc as p
 where p.pronamespace = :'schema'::regnamespace
   and (p.proowner = pg_temp.role_of('owner')::regrole or p.proname in (
     select name from door union all select name from of_the_engine union all select name from inside));

-- The doors of a shop: names, parameters and defaults are for ever.
select is((select array_agg(pg_get_function_arguments(f.oid)) from found as f where f.proname = d.name), array[d.arguments],
    d.name || ' has one form, with these names and defaults') from door as d;
select is((select array_agg(pg_get_function_result(f.oid)) from found as f where f.proname = d.name), array[d.result],
    d.name || ' answers as it always did') from door as d;
select is((select array_agg(f.provolatile::text) from found as f where f.proname = d.name),
    array[case when d.name in ('order_system_health', 'verify_orders') then 's' else 'v' end],
    d.name || case when d.name in ('order_system_health', 'verify_orders') then ' only reads' else ' may write, so that PostgREST lets it' end) from door as d;

-- All doors.
create temporary table any_door as select name, true as for_the_shop from door union all select name, false from of_the_engine;
select is((select array_agg(f.prosecdef) from found as f where f.proname = d.name), '{true}', d.name || ' runs with the owner''s rights') from any_door as d;
select is((select bool_and(f.provolatile = 's' or f.proconfig @> '{lock_timeout=1s}' or f.prolang = (select oid from pg_language where lanname = 'sql'))
    from found as f where f.proname = d.name), true, d.name || ' ends its waiting for locks') from any_door as d;
select is((select string_agg(distinct a.name, ' ' order by a.name)
             from (select coalesce(nullif(x.grantee, 0)::regrole::text, 'everybody')
                     from found as f cross join lateral aclexplode(f.acl) as x where f.proname = d.name and x.grantee <> f.proowner) as a (name)),
    (select string_agg(r, ' ' order by r) from unnest(array[pg_temp.role_of('app')]
       || case when d.for_the_shop then array['service_role'] else '{}' end) as r),
    d.name || case when d.for_the_shop then ' is for service_role and the service' else ' is for the service alone' end) from any_door as d;

-- Everything.
select is((select array_agg(f.proname::text order by f.proname) from found as f),
  (select array_agg(name order by name collate "C") from (select name from door union all select name from of_the_engine union all select name from inside) as x),
  'the functions are these, and none of them has a second form');
select is((select string_agg(f.proname, ' ') from found as f where f.proowner <> pg_temp.role_of('owner')::regrole), null, 'all belong to the owner');
select is((select string_agg(f.proname, ' ' order by f.proname) from found as f where f.prosqlbody is null
    and not coalesce(f.proconfig @> array['search_path=pg_catalog, pg_temp'], false)), null,
  'each has a pinned search path, or was bound to its names at creation');
select is((select string_agg(f.proname, ' ' order by f.proname) from found as f where f.prosecdef and f.proname in (select name from inside)),
  'refunds_within_received', 'of the others only one trigger runs with the owner''s rights');
select is((select bool_and(f.proconfig @> '{lock_timeout=1s}') from found as f where f.proname = 'refunds_within_received'), true, 'and it ends its waiting');
select is((select string_agg(distinct f.proname, ' ') from found as f cross join lateral aclexplode(f.acl) as a
    where f.proname in (select name from inside) and a.grantee <> f.proowner), null, 'the others may be called by nobody');
select is((select string_agg(f.proname, ' ') from found as f where has_function_privilege(who, f.oid, 'execute')), null, who || ' may call none')
  from unnest('{anon, authenticated}'::text[]) as who;
select is((select string_agg(f.proname, ' ' order by f.proname) from found as f where has_function_privilege('service_role', f.oid, 'execute')),
  (select string_agg(name, ' ' order by name) from door), 'service_role may call exactly the doors of the shop');
select is((select string_agg(f.proname, ' ') from found as f cross join lateral aclexplode(f.acl) as a where a.is_grantable and a.grantee <> f.proowner), null,
  'nobody may pass on what he may call');
select * from finish();
rollback;
