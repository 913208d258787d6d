//! Attempts are frozen: what was sent is never edited, an outcome never taken back. // G4, A11, A13
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use shop::{Setback, Shop};

/// What the owner gets for a change of an attempt of some generation.
async fn refused(shop: &Shop, change: &str, generation: i32) {
    let owner = shop.session("postgres").await;
    owner.batch_execute("set role public_orders_owner").await.unwrap();
    let before = shop.text("select jsonb_agg(to_jsonb(a)) from order_attempts as a").await;
    let sql = format!("update order_attempts set {change} where generation = {generation}");
    let error = owner.batch_execute(&sql).await.expect_err(&sql);
    assert_eq!(error.code().unwrap().code(), "42501", "{sql}: {error}");
    assert_eq!(shop.text("select jsonb_agg(to_jsonb(a)) from order_attempts as a").await, before);
}

#[tokio::test]
async fn identity_key_bytes_and_cap_are_frozen_even_for_the_owner() {
    let shop = Shop::fresh().await;
    shop.submitting("1", 60_000).await;
    for change in [
        "order_id = gen_random_uuid()",
        "generation = 2",
        "attempt_id = gen_random_uuid()",
        "provider = 'zinc_v2'",
        "provider_key = 'other'",
        "request_body = 'other'",
        "request_digest = sha256('other')",
        "price_cap_minor = price_cap_minor + 1",
        "opened_at = opened_at + interval '1 second'",
        "first_sent_at = first_sent_at + interval '1 second'",
        "key_dead_at = key_dead_at + interval '1 second'",
        "calls = 0, first_sent_at = null, key_dead_at = null, outcome = 'unknown', generation = 7",
    ] {
        refused(&shop, change, 1).await;
    }
}

#[tokio::test]
async fn an_outcome_is_never_taken_back_and_a_settlement_never_undone() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.setback(id, token, &Setback::UNKNOWN).await.unwrap();
    refused(&shop, "outcome = 'open'", 1).await;
    shop.complete(id, "req-1", "submitted", "submitted_to_zinc").await;
    for change in ["outcome = 'open'", "calls = 0"] {
        refused(&shop, change, 1).await;
    }
    let version = shop.text("select version from orders").await;
    shop.sql(&format!(
        "select * from record_readings('t', array['{id}'::uuid], array[{version}], array['purchase_failed'], array['pending'], array['x'],
           array[null::bigint], array['provider_final'], array[null::text], array[null::text], array[0::bigint], array['{{}}'::jsonb])"
    ))
    .await;
    for change in [
        "outcome = 'refused'",
        "outcome = 'open'",
        "outcome = 'unknown'",
        "request_id = 'other'",
        "settled_at = null, settled_by = null",
        "settled_at = now()",
        "settled_by = 'person'",
        "request_id = null",
    ] {
        refused(&shop, change, 1).await;
    }
    shop.verify().await;
}

#[tokio::test]
async fn attempts_are_kept_for_ever() {
    let shop = Shop::fresh().await;
    shop.submitting("1", 60_000).await;
    for role in ["public_orders_owner", "postgres"] {
        let session = shop.session("postgres").await;
        session.batch_execute(&format!("set role {role}")).await.unwrap();
        for sql in ["delete from order_attempts", "truncate order_attempts"] {
            let error = session.batch_execute(sql).await.expect_err(sql);
            assert_eq!(error.code().unwrap().code(), "42501", "{role}: {sql}");
        }
    }
    assert_eq!(shop.text("select count(*) from order_attempts").await, "1");
}

#[tokio::test]
async fn window_a1_no_submitting_order_is_without_its_bytes_key_and_digest() {
    let shop = Shop::fresh().await;
    let id = shop.paid("1").await;
    for (body, key, digest) in [
        ("''", "'k'", "sha256('')"),
        ("'{}'", "''", "sha256('{}')"),
        ("'{}'", "'k'", "'\\x00'"),
        ("'{}'", "null", "sha256('{}')"),
    ] {
        let sql = format!(
            "select count(*) from commit_intents('zinc_v1', 't', gen_random_uuid(), 60000, 30000, 82800000, array['{id}'::uuid],
               array[2], array[1], array[gen_random_uuid()], array[{key}]::text[], array[{body}::bytea], array[{digest}::bytea])"
        );
        let error = shop.app.query("test", &sql, &[]).await.unwrap_err();
        assert!(
            ["23514", "23502"].contains(&error.sqlstate().unwrap_or_default()),
            "{sql}: {error}"
        );
    }
    assert_eq!(shop.status(id).await, "pending");
    shop.verify().await;
}

#[tokio::test]
async fn a_request_id_belongs_to_one_attempt_for_ever() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.accept(id, token, "req-1").await;
    let version = shop.text("select version from orders").await;
    shop.sql(&format!(
        "select * from record_readings('t', array['{id}'::uuid], array[{version}], array['purchase_failed'], array['pending'], array['x'],
           array[null::bigint], array['provider_final'], array[null::text], array[null::text], array[0::bigint], array['{{}}'::jsonb])"
    ))
    .await;
    let token = shop.claim(id, 60_000).await;
    assert_eq!(
        shop.accept(id, token, "req-1").await,
        "id_taken",
        "window_a13: the old purchase answers under the new key"
    );
    let (other, token) = shop.submitting("2", 60_000).await;
    assert_eq!(shop.accept(other, token, "req-1").await, "id_taken");
    shop.verify().await;
}
