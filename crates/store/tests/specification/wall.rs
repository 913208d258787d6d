//! Forbidden operations: whoever tries them, the database refuses.

use crate::shop::Shop;
use tokio_postgres::Client;

/// What a session gets for a statement: the SQLSTATE, the message and the hint.
async fn refused(session: &Client, sql: &str) -> (String, String, String) {
    let error = session.batch_execute(sql).await.expect_err(sql);
    let db = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error}"));
    (db.code().code().to_owned(), db.message().to_owned(), db.hint().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn the_forbidden_update_is_refused_with_the_name_of_the_function_to_call() {
    let shop = Shop::fresh().await;
    let (id, _) = shop.submitting("1", 60_000).await;
    shop.login("service_role").await;
    for role in ["public_orders_app", "service_role", "postgres"] {
        let session = shop.session(role).await;
        let sql = format!("UPDATE orders SET status = 'completed' WHERE id = '{id}';");
        let (code, message, hint) = refused(&session, &sql).await;
        assert_eq!(code, "42501", "{role}");
        assert_eq!(message, "orders.status is written by functions only", "{role}");
        for function in
            ["complete_order_processing", "manually_complete_order", "recover_stuck_orders"]
        {
            assert!(hint.contains(function), "{role}: {hint}");
        }
    }
    assert_eq!(shop.status(id).await, "submitting");
}

#[tokio::test]
async fn strangers_have_no_access_to_any_status() {
    let shop = Shop::fresh().await;
    let (id, _) = shop.submitting("1", 60_000).await;
    let stranger = format!("{}_stranger", shop.database);
    shop.sql(&format!("create role {stranger}")).await;
    for role in ["anon", "authenticated", &stranger] {
        shop.login(role).await;
        let session = shop.session(role).await;
        for sql in [
            format!("update orders set status = 'completed' where id = '{id}'"),
            "select status from orders".to_owned(),
            format!("select manually_complete_order('{id}')"),
            "select recover_stuck_orders()".to_owned(),
        ] {
            assert_eq!(refused(&session, &sql).await.0, "42501", "{role}: {sql}");
        }
    }
}

#[tokio::test]
async fn no_order_is_deleted_truncated_or_born_in_a_later_state() {
    let shop = Shop::fresh().await;
    let (id, _) = shop.submitting("1", 60_000).await;
    shop.login("service_role").await;
    let later = format!(
        "insert into orders select (jsonb_populate_record(null::orders, to_jsonb(o) ||
           '{{\"id\": \"{}\", \"order_number\": \"2\"}}')).* from orders as o where id = '{id}'",
        uuid::Uuid::from_u128(7)
    );
    for role in ["public_orders_app", "service_role", "postgres", "public_orders_owner"] {
        let session =
            shop.session(if role == "public_orders_owner" { "postgres" } else { role }).await;
        if role == "public_orders_owner" {
            session.batch_execute("set role public_orders_owner").await.unwrap();
        }
        let (code, message, _) =
            refused(&session, &format!("delete from orders where id = '{id}'")).await;
        assert_eq!((&*code, &*message), ("42501", "orders are never deleted"), "{role}");
        let truncate = refused(&session, "truncate orders").await;
        assert!(["42501", "0A000"].contains(&&*truncate.0), "{role}: {truncate:?}");
        assert_eq!(refused(&session, "truncate orders cascade").await.0, "42501", "{role}");
        assert_eq!(refused(&session, &later).await.0, "42501", "{role}");
    }
    assert_eq!(shop.text("select count(*) from orders").await, "1");
}

#[tokio::test]
async fn history_and_evidence_are_never_edited_not_even_by_the_owner() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.accept(id, token, "req-1").await;
    shop.complete(id, "req-2", "submitted", "submitted_to_zinc").await;
    let before = shop.everything(id).await;
    for role in ["postgres", "public_orders_owner", "public_orders_app", "service_role"] {
        let session = shop.session("postgres").await;
        session.batch_execute(&format!("set role {role}")).await.unwrap();
        for sql in [
            "update order_events set kind = 'edited'",
            "update order_events set data = '{}' where seq = 1",
            "delete from order_events",
            "truncate order_events",
            "update order_items set quantity = 1",
            "delete from order_items",
            "truncate order_items",
            "delete from order_attempts",
            "truncate order_attempts",
            "delete from findings",
        ] {
            assert_eq!(refused(&session, sql).await.0, "42501", "{role}: {sql}");
        }
    }
    assert_eq!(shop.everything(id).await, before);
}

#[tokio::test]
async fn an_event_is_written_by_the_functions_whoever_writes_beside_them() {
    let shop = Shop::fresh().await;
    let (id, _) = shop.submitting("1", 60_000).await;
    let before = shop.everything(id).await;
    for role in ["postgres", "public_orders_app", "service_role"] {
        let session = shop.session("postgres").await;
        session.batch_execute(&format!("set role {role}")).await.unwrap();
        let gap = "insert into order_events select order_id, seq + 7, at, kind, status_before, status_after,
                     actor, actor_source, data, hash from order_events";
        assert_eq!(refused(&session, gap).await.0, "42501", "{role}");
    }
    assert_eq!(shop.everything(id).await, before);
}

#[tokio::test]
async fn the_owner_cannot_change_an_order_without_its_event() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.accept(id, token, "req-1").await;
    let before = shop.everything(id).await;
    let session = shop.session("postgres").await;
    session.batch_execute("set role public_orders_owner").await.unwrap();
    for change in [
        "status = 'processing'",
        "status = 'processing', status_before = 'submitted_to_zinc'",
        "zinc_request_id = 'other'",
        "zinc_status = 'x'",
        "hold_reason = 'operator'",
        "payment_status = 'refunded'",
        "generation = 2",
        "cost_minor = 1",
        "version = version + 2, head = sha256('x')",
        "version = version + 1",
        "head = sha256('x')",
        "status_before = 'pending', version = version + 1, head = sha256('x')",
        "order_number = 'other'",
        "price_cap_minor = 1",
        "total_minor = 2000",
        "goods_minor = 1",
        "content_digest = sha256('x')",
        "created_at = now()",
        "retailer = 'amazon'",
    ] {
        let (code, message, _) = refused(&session, &format!("update orders set {change}")).await;
        assert_eq!(code, "42501", "{change}: {message}");
    }
    assert_eq!(shop.everything(id).await, before);
}
