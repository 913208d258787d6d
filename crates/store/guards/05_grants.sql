-- Who may do what. Everything is closed first, then opened by name; a test compares the catalogue with
-- an allow-list. Lease tokens, request bytes, private data, keys and settings stay closed. // G38, D1

-- (Every function is closed where it is created: the installer revokes it from everybody first.)
revoke all on 
  :"schema".order_edges, :"schema".order_items, :"schema".order_events, :"schema".order_attempts, 
  :"schema".order_private, :"schema".payments, :"schema".findings, :"schema".alerts, 
  :"schema".idempotency_keys, :"schema".api_keys, :"schema".workers, :"schema".provider_accounts, 
  :"schema".settings, :"schema".protected_functions, :"schema".schema_migrations, :"schema".orders
  from public, anon, authenticated, service_role, :"app";
alter table :"schema".orders enable row level security;
alter table :"schema".order_items enable row level security;
alter table :"schema".order_events enable row level security;
alter table :"schema".order_edges enable row level security;
alter table :"schema".payments enable row level security;
alter table :"schema".findings enable row level security;
alter table :"schema".alerts enable row level security;
alter table :"schema".workers enable row level security;
alter table :"schema".provider_accounts enable row level security;
alter table :"schema".protected_functions enable row level security;
alter table :"schema".schema_migrations enable row level security;
alter table :"schema".order_attempts enable row level security;
alter table :"schema".order_private enable row level security;
alter table :"schema".idempotency_keys enable row level security;
alter table :"schema".api_keys enable row level security;
alter table :"schema".settings enable row level security;

grant select on :"schema".orders to service_role, :"app";
grant select on :"schema".order_items to service_role, :"app";
grant select on :"schema".order_events to service_role, :"app";
grant select on :"schema".order_edges to service_role, :"app";
grant select on :"schema".payments to service_role, :"app";
grant select on :"schema".findings to service_role, :"app";
grant select on :"schema".alerts to service_role, :"app";
grant select on :"schema".workers to service_role, :"app";
grant select on :"schema".provider_accounts to service_role, :"app";
grant select on :"schema".protected_functions to service_role, :"app";
grant select on :"schema".schema_migrations to service_role, :"app";
grant select (order_id, generation, attempt_id, provider, provider_key, request_digest, price_cap_minor, calls,
              opened_at, first_sent_at, key_dead_at, call_deadline_at, lease_expires_at, worker, outcome,
              request_id, code, settled_at, settled_by)
  on :"schema".order_attempts to service_role, :"app";

drop policy if exists read_by_the_shop on :"schema".orders;
create policy read_by_the_shop on :"schema".orders for select to service_role, :"app" using (true);
drop policy if exists read_by_the_shop on :"schema".order_items;
create policy read_by_the_shop on :"schema".order_items for select to service_role, :"app" using (true);
drop policy if exists read_by_the_shop on :"schema".order_events;
create policy read_by_the_shop on :"schema".order_events for select to service_role, :"app" using (true);
drop policy if exists read_by_the_shop on :"schema".order_edges;
create policy read_by_the_shop on :"schema".order_edges for select to service_role, :"app" using (true);
drop policy if exists read_by_the_shop on :"schema".payments;
create policy read_by_the_shop on :"schema".payments for select to service_role, :"app" using (true);
drop policy if exists read_by_the_shop on :"schema".findings;
create policy read_by_the_shop on :"schema".findings for select to service_role, :"app" using (true);
drop policy if exists read_by_the_shop on :"schema".alerts;
create policy read_by_the_shop on :"schema".alerts for select to service_role, :"app" using (true);
drop policy if exists read_by_the_shop on :"schema".workers;
create policy read_by_the_shop on :"schema".workers for select to service_role, :"app" using (true);
drop policy if exists read_by_the_shop on :"schema".provider_accounts;
create policy read_by_the_shop on :"schema".provider_accounts for select to service_role, :"app" using (true);
drop policy if exists read_by_the_shop on :"schema".protected_functions;
create policy read_by_the_shop on :"schema".protected_functions for select to service_role, :"app" using (true);
drop policy if exists read_by_the_shop on :"schema".schema_migrations;
create policy read_by_the_shop on :"schema".schema_migrations for select to service_role, :"app" using (true);
drop policy if exists read_by_the_shop on :"schema".order_attempts;
create policy read_by_the_shop on :"schema".order_attempts for select to service_role, :"app" using (true);

-- Only so that the guards can answer with an error that names the function to call, instead of
-- "permission denied": a trigger refuses every one of these statements.
grant update (status), delete, truncate on :"schema".orders to service_role, :"app";

-- The doors of the shop.
grant execute on function :"schema".place_order(jsonb, jsonb) to service_role, :"app";
grant execute on function :"schema".complete_order_processing(uuid, text, text, text, jsonb) to service_role, :"app";
grant execute on function :"schema".manually_complete_order(uuid, text, text, jsonb) to service_role, :"app";
grant execute on function :"schema".recover_stuck_orders(integer, jsonb) to service_role, :"app";
grant execute on function :"schema".attach_payment(uuid, text, jsonb) to service_role, :"app";
grant execute on function :"schema".hold_order(uuid, text, jsonb) to service_role, :"app";
grant execute on function :"schema".resolve_review(uuid, text, text, jsonb) to service_role, :"app";
grant execute on function :"schema".release_hold(uuid, jsonb) to service_role, :"app";
grant execute on function :"schema".cancel_order(uuid, text, jsonb) to service_role, :"app";
grant execute on function :"schema".order_system_health() to service_role, :"app";
grant execute on function :"schema".verify_orders(uuid, integer) to service_role, :"app";
-- The doors of the engine.
grant execute on function :"schema".lock_due_orders(text, integer, uuid) to :"app";
grant execute on function :"schema".commit_intents(text, text, uuid, integer, integer, bigint, uuid[], bigint[], integer[], uuid[], text[], bytea[], bytea[]) to :"app";
grant execute on function :"schema".record_acceptances(text, integer, uuid[], uuid[], text[]) to :"app";
grant execute on function :"schema".record_setbacks(text, uuid[], uuid[], text[], text[], text[], text[], text[], text[], text[], bigint[]) to :"app";
grant execute on function :"schema".review_orders(text, uuid[], bigint[], text[]) to :"app";
grant execute on function :"schema".renew_leases(uuid[], uuid[], integer) to :"app";
grant execute on function :"schema".touch_waiting_orders(integer) to :"app";
grant execute on function :"schema".due_watches(integer) to :"app";
grant execute on function :"schema".record_readings(text, uuid[], bigint[], text[], text[], text[], bigint[], text[], text[], text[], bigint[], jsonb[]) to :"app";
grant execute on function :"schema".due_payments(integer) to :"app";
grant execute on function :"schema".record_payments(text, boolean, text[], uuid[], text[], bigint[], text[], boolean[], text[], boolean[]) to :"app";
grant execute on function :"schema".pause_provider(text, text, bigint, boolean) to :"app";
grant execute on function :"schema".beat_worker(text, text, boolean) to :"app";
grant execute on function :"schema".add_api_key(text, bytea, text, text) to :"app";
grant execute on function :"schema".find_api_key(bytea) to :"app";
grant execute on function :"schema".shop_settings() to :"app";

grant usage on schema :"schema" to service_role, :"app";
