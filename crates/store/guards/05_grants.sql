-- Who may do what. Everything is closed to everybody first, then opened by name; a test compares the
-- catalogue with an allow-list. Lease tokens, request bytes, private data, keys and settings stay
-- closed. // G38, D1

-- Whoever was given what since the last installation loses it here, and row security with its policies
-- begins anew. Names come from the catalogue, quoted: a new table or function is closed as well.
do $close$
declare
  step text;
begin
  for step in
    select distinct format('revoke all %s %s from %s cascade', o.part, o.name,
             case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end)
      from (select 'on table', c.oid::regclass::text, c.relowner, c.relacl
              from pg_class as c where c.relnamespace = ':"schema"'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
            union all
            select format('(%I) on table', t.attname), c.oid::regclass::text, c.relowner, t.attacl
              from pg_class as c join pg_attribute as t on t.attrelid = c.oid
             where c.relnamespace = ':"schema"'::regnamespace
            union all
            -- A new function is open to everybody by default.
            select 'on function', p.oid::regprocedure::text, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
              from pg_proc as p where p.pronamespace = ':"schema"'::regnamespace) as o (part, name, owner, acl)
     cross join lateral aclexplode(o.acl) as a
     where o.owner = :'owner'::regrole and a.grantee <> o.owner
  loop
    execute step;
  end loop;
  for step in
    select format('drop policy %I on %s', p.polname, c.oid::regclass)
      from pg_policy as p join pg_class as c on c.oid = p.polrelid
     where c.relnamespace = ':"schema"'::regnamespace and c.relowner = :'owner'::regrole
    union all
    select format('alter table %s enable row level security, no force row level security', c.oid::regclass)
      from pg_class as c
     where c.relnamespace = ':"schema"'::regnamespace and c.relowner = :'owner'::regrole and c.relkind in ('r', 'p')
  loop
    execute step;
  end loop;
end $close$;

-- What may be read.
grant select on :"schema".orders, :"schema".order_items, :"schema".order_events, :"schema".order_edges, :"schema".payments,
  :"schema".findings, :"schema".alerts, :"schema".differences, :"schema".tallies, :"schema".cursors, :"schema".shop, :"schema".workers, :"schema".provider_accounts,
  :"schema".protected_functions, :"schema".protected_objects, :"schema".schema_migrations
  to service_role, :"app";
grant select (order_id, generation, attempt_id, provider, provider_key, request_digest, price_cap_minor, calls,
              opened_at, first_sent_at, key_dead_at, call_deadline_at, lease_expires_at, worker, outcome,
              request_id, code, settled_at, settled_by)
  on :"schema".order_attempts to service_role, :"app";
grant select (id, order_id, payment_intent, kind, amount_minor, currency, cause, reason, requested_by, approved_by, state, key_number,
              calls, first_sent_at, key_dead_at, call_deadline_at, lease_expires_at, stripe_id, stripe_status, code, due_at, created_at, settled_at)
  on :"schema".money_moves to service_role, :"app";
grant select (event_id, source, kind, object, object_id, payment_intent, livemode, created_at, received_at, state, tries, due_at, handled_at)
  on :"schema".inbox to service_role, :"app";
create policy read_by_the_shop on :"schema".orders for select to service_role, :"app" using (true);
create policy read_by_the_shop on :"schema".order_items for select to service_role, :"app" using (true);
create policy read_by_the_shop on :"schema".order_events for select to service_role, :"app" using (true);
create policy read_by_the_shop on :"schema".order_edges for select to service_role, :"app" using (true);
create policy read_by_the_shop on :"schema".order_attempts for select to service_role, :"app" using (true);
create policy read_by_the_shop on :"schema".payments for select to service_role, :"app" using (true);
create policy read_by_the_shop on :"schema".findings for select to service_role, :"app" using (true);
create policy read_by_the_shop on :"schema".alerts for select to service_role, :"app" using (true);
create policy read_by_the_shop on :"schema".money_moves for select to service_role, :"app" using (true);
create policy read_by_the_shop on :"schema".inbox for select to service_role, :"app" using (true);
create policy read_by_the_shop on :"schema".differences for select to service_role, :"app" using (true);
create policy read_by_the_shop on :"schema".tallies for select to service_role, :"app" using (true);
create policy read_by_the_shop on :"schema".cursors for select to service_role, :"app" using (true);
create policy read_by_the_shop on :"schema".shop for select to service_role, :"app" using (true);
create policy read_by_the_shop on :"schema".workers for select to service_role, :"app" using (true);
create policy read_by_the_shop on :"schema".provider_accounts for select to service_role, :"app" using (true);
create policy read_by_the_shop on :"schema".protected_functions for select to service_role, :"app" using (true);
create policy read_by_the_shop on :"schema".protected_objects for select to service_role, :"app" using (true);
create policy read_by_the_shop on :"schema".schema_migrations for select to service_role, :"app" using (true);

-- Only so that the guards can answer with an error that names the function to call, instead of
-- "permission denied": a trigger refuses every one of these statements. (A truncate of orders alone is
-- refused by PostgreSQL, because other tables refer to it; with cascade it meets the triggers of all
-- of them, once it is permitted on all of them.)
grant update (status), delete, truncate on :"schema".orders to service_role, :"app";
grant truncate on :"schema".order_items, :"schema".order_private, :"schema".payments, :"schema".money_moves, :"schema".differences, :"schema".findings, :"schema".alerts
  to service_role, :"app";

-- The doors of the shop.
grant execute on function :"schema".place_order(jsonb, jsonb) to service_role, :"app";
grant execute on function :"schema".complete_order_processing(uuid, text, text, text, jsonb) to service_role, :"app";
grant execute on function :"schema".manually_complete_order(uuid, text, text, jsonb) to service_role, :"app";
grant execute on function :"schema".recover_stuck_orders(integer, jsonb) to service_role, :"app";
grant execute on function :"schema".attach_payment(uuid, text, jsonb) to service_role, :"app";
grant execute on function :"schema".refund_order(uuid, bigint, text, jsonb) to service_role, :"app";
grant execute on function :"schema".decide_move(uuid, text, bigint, text, jsonb) to service_role, :"app";
grant execute on function :"schema".hold_order(uuid, text, jsonb) to service_role, :"app";
grant execute on function :"schema".resolve_review(uuid, text, text, jsonb) to service_role, :"app";
grant execute on function :"schema".release_hold(uuid, jsonb) to service_role, :"app";
grant execute on function :"schema".cancel_order(uuid, text, jsonb) to service_role, :"app";
grant execute on function :"schema".hold_shop(text, jsonb) to service_role, :"app";
grant execute on function :"schema".release_shop(text, jsonb) to service_role, :"app";
grant execute on function :"schema".order_system_health() to service_role, :"app";
grant execute on function :"schema".verify_orders(uuid, integer) to service_role, :"app";
-- The doors of the engine.
grant execute on function :"schema".lock_due_orders(text, integer, uuid) to :"app";
grant execute on function :"schema".commit_intents(text, text, uuid, integer, integer, bigint, uuid[], bigint[], integer[], uuid[], text[], bytea[], bytea[], bytea, bigint, timestamptz) to :"app";
grant execute on function :"schema".record_acceptances(text, integer, uuid[], uuid[], text[]) to :"app";
grant execute on function :"schema".record_setbacks(text, uuid[], uuid[], text[], text[], text[], text[], text[], text[], text[], bigint[]) to :"app";
grant execute on function :"schema".review_orders(text, uuid[], bigint[], text[]) to :"app";
grant execute on function :"schema".renew_leases(uuid[], uuid[], integer) to :"app";
grant execute on function :"schema".touch_waiting_orders(integer) to :"app";
grant execute on function :"schema".due_watches(integer) to :"app";
grant execute on function :"schema".record_readings(text, uuid[], bigint[], text[], text[], text[], bigint[], text[], text[], text[], bigint[], jsonb[]) to :"app";
grant execute on function :"schema".report_reading(text, uuid, text, text, text) to :"app";
grant execute on function :"schema".due_payments(integer) to :"app";
grant execute on function :"schema".record_payments(text, boolean, jsonb) to :"app";
grant execute on function :"schema".adopt_payment(text, text, text) to :"app";
grant execute on function :"schema".lease_moves(text, uuid, integer, integer, bigint) to :"app";
grant execute on function :"schema".commit_move(uuid, uuid, text, bytea, boolean, integer, bigint) to :"app";
grant execute on function :"schema".record_move(text, uuid, uuid, text, text, text, text, bigint) to :"app";
grant execute on function :"schema".plan_captures(text, integer) to :"app";
grant execute on function :"schema".expire_unpaid(text, integer) to :"app";
grant execute on function :"schema".receive_event(text, text, text, text, text, bytea, text, boolean, bigint, text, bytea, boolean, text, boolean) to :"app";
grant execute on function :"schema".due_events(integer) to :"app";
grant execute on function :"schema".finish_events(text[], text[], text[]) to :"app";
grant execute on function :"schema".uncount_events(text[]) to :"app";
grant execute on function :"schema".add_tallies(text[], bigint[]) to :"app";
grant execute on function :"schema".move_cursor(text, timestamptz) to :"app";
grant execute on function :"schema".payment_to_read(uuid) to :"app";
grant execute on function :"schema".nudge_moves(text[]) to :"app";
grant execute on function :"schema".fail_refund(text, uuid, text, text) to :"app";
grant execute on function :"schema".events_from(text) to :"app";
grant execute on function :"schema".begin_reconciliation(bigint) to :"app";
grant execute on function :"schema".reconcile_payments(timestamptz, boolean, jsonb) to :"app";
grant execute on function :"schema".reconcile_refunds(timestamptz, jsonb) to :"app";
grant execute on function :"schema".reconcile_purchases(timestamptz, timestamptz, jsonb) to :"app";
grant execute on function :"schema".reconcile_orders(timestamptz, uuid, integer) to :"app";
grant execute on function :"schema".finish_reconciliation(timestamptz, timestamptz, text[], jsonb) to :"app";
grant execute on function :"schema".note_books_compared(timestamptz, text[], text[]) to :"app";
grant execute on function :"schema".note_shop_compared(text, timestamptz, timestamptz, text[]) to :"app";
grant execute on function :"schema".begin_work(text, text) to :"app";
grant execute on function :"schema".pause_provider(text, text, bigint, boolean) to :"app";
grant execute on function :"schema".claim_account(text, bytea, boolean) to :"app";
grant execute on function :"schema".beat_worker(text, text, boolean, bigint) to :"app";
grant execute on function :"schema".add_api_key(text, bytea, text, text) to :"app";
grant execute on function :"schema".find_api_key(bytea) to :"app";
grant execute on function :"schema".list_api_keys() to :"app";
grant execute on function :"schema".revoke_api_key(text) to :"app";
grant execute on function :"schema".shop_settings() to :"app";
-- (The schema itself is opened by the installer, who may.)
