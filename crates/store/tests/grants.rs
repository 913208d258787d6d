//! Who may do what, read from the catalogue and tried by everybody. // G38, D1
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use shop::Shop;
use std::collections::{BTreeMap, BTreeSet};

/// Functions for the service and for `service_role`.
const OF_THE_SHOP: [&str; 15] = [
    "attach_payment",
    "cancel_order",
    "complete_order_processing",
    "decide_move",
    "hold_order",
    "hold_shop",
    "manually_complete_order",
    "order_system_health",
    "place_order",
    "recover_stuck_orders",
    "refund_order",
    "release_hold",
    "release_shop",
    "resolve_review",
    "verify_orders",
];
/// Functions for the service alone.
const OF_THE_ENGINE: [&str; 45] = [
    "add_api_key",
    "add_tallies",
    "adopt_payment",
    "beat_worker",
    "begin_reconciliation",
    "begin_work",
    "claim_account",
    "commit_intents",
    "commit_move",
    "due_events",
    "due_payments",
    "due_watches",
    "events_from",
    "expire_unpaid",
    "fail_refund",
    "find_api_key",
    "finish_events",
    "finish_reconciliation",
    "lease_moves",
    "list_api_keys",
    "lock_due_orders",
    "move_cursor",
    "note_books_compared",
    "note_shop_compared",
    "nudge_moves",
    "pause_provider",
    "payment_to_read",
    "plan_captures",
    "receive_event",
    "reconcile_orders",
    "reconcile_payments",
    "reconcile_purchases",
    "reconcile_refunds",
    "report_reading",
    "record_acceptances",
    "record_move",
    "record_payments",
    "record_readings",
    "record_setbacks",
    "renew_leases",
    "review_orders",
    "revoke_api_key",
    "shop_settings",
    "touch_waiting_orders",
    "uncount_events",
];
/// Written in standard SQL, bound to their functions at creation: no path is searched when they run.
const BOUND_AT_CREATION: [&str; 13] = [
    "clock_now",
    "ends_by_facts",
    "event_actor",
    "event_hash",
    "line_fault",
    "lines_digest",
    "new_order_id",
    "payment_intent_fault",
    "private_digest",
    "refusal_by_word",
    "request_id_fault",
    "text_fault",
    "whole_fault",
];
/// Tables that may be read.
const READABLE: [&str; 16] = [
    "alerts",
    "cursors",
    "differences",
    "findings",
    "order_edges",
    "order_events",
    "order_items",
    "orders",
    "payments",
    "protected_functions",
    "protected_objects",
    "provider_accounts",
    "schema_migrations",
    "shop",
    "tallies",
    "workers",
];

/// What may be read of an attempt: neither its bytes nor the token of its lease.
const OF_AN_ATTEMPT: [&str; 19] = [
    "order_id",
    "generation",
    "attempt_id",
    "provider",
    "provider_key",
    "request_digest",
    "price_cap_minor",
    "calls",
    "opened_at",
    "first_sent_at",
    "key_dead_at",
    "call_deadline_at",
    "lease_expires_at",
    "worker",
    "outcome",
    "request_id",
    "code",
    "settled_at",
    "settled_by",
];
/// What may be read of a movement of money: neither its bytes nor the token of its lease.
const OF_A_MOVE: [&str; 23] = [
    "id",
    "order_id",
    "payment_intent",
    "kind",
    "amount_minor",
    "currency",
    "cause",
    "reason",
    "requested_by",
    "approved_by",
    "state",
    "key_number",
    "calls",
    "first_sent_at",
    "key_dead_at",
    "call_deadline_at",
    "lease_expires_at",
    "stripe_id",
    "stripe_status",
    "code",
    "due_at",
    "created_at",
    "settled_at",
];
/// What may be read of a message: not its body.
const OF_A_MESSAGE: [&str; 13] = [
    "event_id",
    "source",
    "kind",
    "object",
    "object_id",
    "payment_intent",
    "livemode",
    "created_at",
    "received_at",
    "state",
    "tries",
    "due_at",
    "handled_at",
];

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

async fn names(shop: &Shop, sql: &str) -> BTreeSet<String> {
    shop.sql(sql).await.iter().map(|row| row.get::<_, String>(0)).collect()
}

#[tokio::test]
async fn every_function_has_one_form_one_owner_and_a_pinned_path() {
    let shop = Shop::fresh().await;
    let all = "from pg_proc as p where p.pronamespace = 'public'::regnamespace";
    let overloads =
        names(&shop, &format!("select p.proname::text {all} group by 1 having count(*) > 1")).await;
    assert_eq!(overloads, set(&[]));
    let foreign =
        format!("select p.proname::text {all} and p.proowner <> 'public_orders_owner'::regrole");
    assert_eq!(names(&shop, &foreign).await, set(&[]));
    let unpinned = format!(
        "select p.proname::text {all} and not coalesce(p.proconfig @> array['search_path=pg_catalog, pg_temp'], false)"
    );
    assert_eq!(names(&shop, &unpinned).await, set(&BOUND_AT_CREATION));
    let bodies_of_text = format!(
        "select p.proname::text {all} and p.prosqlbody is null and not (p.proconfig is not null)"
    );
    assert_eq!(names(&shop, &bodies_of_text).await, set(&[]));
    let definers = names(&shop, &format!("select p.proname::text {all} and p.prosecdef")).await;
    let mut doors: BTreeSet<_> = set(&OF_THE_SHOP).union(&set(&OF_THE_ENGINE)).cloned().collect();
    // A trigger's: nobody may call it.
    doors.insert("refunds_within_received".into());
    assert_eq!(definers, doors, "exactly the doors run with the owner's rights");
    let waiting = format!(
        "select p.proname::text {all} and p.prosecdef and p.provolatile = 'v' and p.prolang <> (select oid from pg_language where lanname = 'sql')
            and not coalesce(p.proconfig @> array['lock_timeout=1s'], false)"
    );
    assert_eq!(
        names(&shop, &waiting).await,
        set(&[]),
        "every door that writes has a limit for locks"
    );
}

#[tokio::test]
async fn functions_are_executable_by_exactly_the_allow_list() {
    let shop = Shop::fresh().await;
    shop.sql(&format!("create role {}_nobody", shop.database)).await;
    let granted = |role: &str| {
        format!(
            "select p.proname::text from pg_proc as p where p.pronamespace = 'public'::regnamespace
                and has_function_privilege('{role}', p.oid, 'execute')"
        )
    };
    for role in ["anon", "authenticated", &format!("{}_nobody", shop.database)] {
        assert_eq!(names(&shop, &granted(role)).await, set(&[]), "{role}");
    }
    assert_eq!(names(&shop, &granted("service_role")).await, set(&OF_THE_SHOP));
    let app: BTreeSet<_> = set(&OF_THE_SHOP).union(&set(&OF_THE_ENGINE)).cloned().collect();
    assert_eq!(names(&shop, &granted("public_orders_app")).await, app);
}

/// Every grant there is, of either role.
fn may_be_read_or_meets_a_trigger() -> BTreeSet<String> {
    let mut wanted: BTreeSet<String> =
        READABLE.iter().map(|table| format!("{table} SELECT")).collect();
    // Each of these meets a trigger that refuses it by name.
    wanted.extend(set(&["orders DELETE", "orders.status UPDATE"]));
    for table in [
        "alerts",
        "differences",
        "findings",
        "money_moves",
        "order_items",
        "order_private",
        "orders",
        "payments",
    ] {
        wanted.insert(format!("{table} TRUNCATE"));
    }
    for column in OF_A_MOVE {
        wanted.insert(format!("money_moves.{column} SELECT"));
    }
    for column in OF_A_MESSAGE {
        wanted.insert(format!("inbox.{column} SELECT"));
    }
    for column in OF_AN_ATTEMPT {
        wanted.insert(format!("order_attempts.{column} SELECT"));
    }
    wanted
}

#[tokio::test]
async fn tables_are_open_to_exactly_the_allow_list_and_behind_row_security() {
    let shop = Shop::fresh().await;
    let open = "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f', 'S')";
    assert_eq!(names(&shop, &format!("{open} and not relrowsecurity")).await, set(&[]));
    assert_eq!(names(&shop, &format!("{open} and relforcerowsecurity")).await, set(&[]));
    assert_eq!(
        names(&shop, &format!("{open} and relowner <> 'public_orders_owner'::regrole")).await,
        set(&[])
    );
    let rows = shop
        .sql(
            "select coalesce(nullif(a.grantee, 0)::regrole::text, 'public'), c.relname || ' ' || a.privilege_type
               from pg_class as c cross join lateral aclexplode(c.relacl) as a
              where c.relnamespace = 'public'::regnamespace and a.grantee <> c.relowner
             union all
             select coalesce(nullif(a.grantee, 0)::regrole::text, 'public'), c.relname || '.' || t.attname || ' ' || a.privilege_type
               from pg_attribute as t join pg_class as c on c.oid = t.attrelid cross join lateral aclexplode(t.attacl) as a
              where c.relnamespace = 'public'::regnamespace and a.grantee <> c.relowner",
        )
        .await;
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in &rows {
        found.entry(row.get(0)).or_default().insert(row.get(1));
    }
    let wanted = may_be_read_or_meets_a_trigger();
    assert_eq!(
        found.keys().map(String::as_str).collect::<Vec<_>>(),
        ["public_orders_app", "service_role"]
    );
    for (role, grants) in found {
        assert_eq!(grants, wanted, "{role}");
    }
}

#[tokio::test]
async fn window_d1_strangers_are_refused_at_every_function_and_every_table() {
    let shop = Shop::fresh().await;
    let nobody = format!("{}_nobody", shop.database);
    shop.sql(&format!("create role {nobody}")).await;
    let functions = shop
        .sql(
            "select format('select %s(%s)', p.oid::regproc, (select string_agg('null::' || format_type(t, null), ', ')
                from unnest(p.proargtypes) as t)) from pg_proc as p
              where p.pronamespace = 'public'::regnamespace and p.prorettype <> 'trigger'::regtype",
        )
        .await;
    let tables = shop.sql("select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'").await;
    assert!(functions.len() >= 50 && tables.len() >= 16);
    for role in ["anon", "authenticated", &nobody] {
        shop.login(role).await;
        let session = shop.session(role).await;
        let mut tries: Vec<String> = functions.iter().map(|row| row.get(0)).collect();
        for row in &tables {
            let table: String = row.get(0);
            tries.extend([
                format!("select from {table}"),
                format!("insert into {table} default values"),
                format!("delete from {table}"),
                format!("truncate {table}"),
                format!("copy {table} to stdout"),
            ]);
        }
        tries.push("create table mine ()".into());
        tries.push("create function mine() returns void language sql as ''".into());
        for sql in tries {
            let error = session.batch_execute(&sql).await.expect_err(&sql);
            assert_eq!(
                error.code().map(tokio_postgres::error::SqlState::code),
                Some("42501"),
                "{role}: {sql}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn tokens_bytes_addresses_keys_and_settings_are_closed_to_the_shops_own_roles() {
    let shop = Shop::fresh().await;
    shop.submitting("1", 60_000).await;
    shop.login("service_role").await;
    for role in ["service_role", "public_orders_app"] {
        let session = shop.session(role).await;
        for sql in [
            "select lease_token from order_attempts",
            "select request_body from order_attempts",
            "select * from order_attempts",
            "select from order_private where recipient is not null",
            "select * from api_keys",
            "select * from settings",
            "select * from idempotency_keys",
            "update orders set zinc_request_id = 'x'",
            "update order_attempts set outcome = 'refused'",
            "update payments set amount_received = 1",
            "insert into payments (payment_intent) values ('pi_1')",
            "insert into order_events default values",
            "update settings set value = '0'",
            "set role public_orders_owner",
            "create table mine ()",
            "alter table orders disable trigger all",
            "set session_replication_role = replica",
        ] {
            let error = session.batch_execute(sql).await.expect_err(sql);
            assert_eq!(
                error.code().map(tokio_postgres::error::SqlState::code),
                Some("42501"),
                "{role}: {sql}: {error}"
            );
        }
    }
    let secret =
        shop.session("service_role").await.query("select shop_settings()", &[]).await.unwrap_err();
    assert_eq!(secret.code().unwrap().code(), "42501");
}

#[tokio::test]
async fn temporary_tables_and_types_of_a_caller_do_not_stand_before_ours() {
    let shop = Shop::fresh().await;
    let (id, _) = shop.submitting("1", 60_000).await;
    let caller = shop.session("public_orders_app").await;
    caller
        .batch_execute(
            "create temp table orders (id uuid, status text, zinc_request_id text, version bigint);
             create temp table order_attempts (order_id uuid);
             create temp table settings (name text, value text);
             create function pg_temp.clock_now() returns timestamptz language sql as 'select ''infinity''::timestamptz';
             create function pg_temp.open_finding(uuid, text, text, jsonb, text, timestamptz, text) returns void language sql as '';
             set search_path = pg_temp, public",
        )
        .await
        .unwrap();
    let row = caller
        .query_one(&format!("select public.complete_order_processing('{id}', 'req-1')"), &[])
        .await
        .unwrap();
    let answer: serde_json::Value = row.get(0);
    assert_eq!(answer["duplicate"], serde_json::json!(false), "{answer}");
    assert_eq!(shop.status(id).await, "submitted_to_zinc");
    assert_eq!(
        shop.text("select bool_and(at < now() + interval '1 minute') from order_events").await,
        "true"
    );
    shop.verify().await;
}

/// The statements of a function that begin with a word, without comments and texts.
fn statements(source: &str, word: &str) -> Vec<String> {
    let code: String = source
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let mut found = Vec::new();
    let mut rest = code.as_str();
    while let Some(at) = rest.find(word) {
        let inner = &rest[at..];
        if rest[..at].ends_with("for ") || rest[..at].ends_with("for no key ") {
            rest = &inner[word.len()..];
            continue;
        }
        found.push(inner[..inner.find(';').unwrap_or(inner.len())].to_owned());
        rest = &inner[word.len()..];
    }
    found
}

#[tokio::test]
async fn no_update_or_delete_asks_for_time_or_chance_and_no_function_notifies_or_locks_beside_rows()
{
    let shop = Shop::fresh().await;
    let rows = shop
        .sql("select p.proname::text, p.prosrc from pg_proc as p where p.pronamespace = 'public'::regnamespace")
        .await;
    let mut updates = 0;
    for row in &rows {
        let (name, source): (String, String) = (row.get(0), row.get(1));
        for word in ["update ", "delete from"] {
            for statement in statements(&source, word)
                .iter()
                .filter(|s| s.contains(" set ") || word != "update ")
            {
                updates += 1;
                for volatile in [
                    "clock_now(",
                    "clock_timestamp(",
                    "statement_timestamp(",
                    "now(",
                    "random(",
                    "gen_random_uuid(",
                ] {
                    assert!(!statement.contains(volatile), "{name}: {statement}");
                }
            }
        }
        for banned in [
            "advisory",
            "pg_notify",
            "notify ",
            "lock table",
            "when others",
            "dblink",
            "execute format",
        ] {
            assert!(!source.contains(banned), "{name} says {banned}");
        }
    }
    assert!(updates >= 15, "the check must see the statements: {updates}");
}
