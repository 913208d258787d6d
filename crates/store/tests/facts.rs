//! What Stripe and the provider tell: recorded once, in any order, and never believed too much.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use serde_json::{Value, json};
use shop::{Shop, facts};
use std::sync::Arc;
use uuid::Uuid;

/// One payment as Stripe would tell it, with changes; gives the result's word.
async fn read(shop: &Shop, id: Uuid, change: (&str, Value)) -> String {
    let mut told = facts(id);
    told[change.0] = change.1;
    shop.told(&[told]).await
}

#[tokio::test]
async fn window_c1_each_single_deviation_of_a_payment_blocks_the_purchase() {
    let shop = Shop::fresh().await;
    let changes = [
        ("livemode", json!(true), "wrong_mode"),
        ("livemode", Value::Null, "wrong_mode"),
        ("named_order", json!("somebody else"), "wrong_order"),
        ("named_order", Value::Null, "wrong_order"),
        ("currency", json!("USD"), "wrong_currency"),
        ("currency", Value::Null, "wrong_currency"),
        ("received_minor", json!(1529), "wrong_amount"),
        ("received_minor", json!(1531), "wrong_amount"),
        ("received_minor", Value::Null, "wrong_amount"),
        ("refunded_minor", json!(1), "payment_refunded"),
        ("refunded_minor", Value::Null, "payment_refunded"),
        ("dispute", json!("open"), "payment_disputed"),
        ("dispute", json!("lost"), "payment_disputed"),
        ("in_review", json!(true), "payment_in_review"),
        ("in_review", Value::Null, "payment_in_review"),
        ("warned", json!(true), "fraud_warning"),
        ("warned", Value::Null, "fraud_warning"),
        ("status", json!("canceled"), "payment_canceled"),
    ];
    for (at, (field, value, reason)) in changes.into_iter().enumerate() {
        let id = shop.unpaid(&at.to_string()).await;
        assert_eq!(read(&shop, id, (field, value.clone())).await, "mismatch", "{field} {value}");
        let held = format!("select hold_reason from orders where id = '{id}'");
        assert_eq!(shop.text(&held).await, reason, "{field} {value}");
        let found = format!("select string_agg(kind, ' ') from findings where order_id = '{id}'");
        assert_eq!(shop.text(&found).await, reason);
        let shown = format!("select string_agg(rule, ' ') from alerts where order_id = '{id}'");
        assert_eq!(shop.text(&shown).await, reason);
        if reason != "fraud_warning" {
            let released = shop.text(&format!("select release_hold('{id}') ->> 'code'")).await;
            assert_eq!(released, "payment_decides", "window_c2: no person makes an order paid");
        }
    }
    assert_eq!(shop.text("select count(*) from lock_due_orders('zinc_v1', 100)").await, "0");
    shop.verify().await;
}

#[tokio::test]
async fn window_c3_only_received_money_opens_the_gate() {
    let shop = Shop::fresh().await;
    let id = shop.unpaid("1").await;
    for status in ["requires_payment_method", "processing", "requires_action", "not_found"] {
        assert_eq!(read(&shop, id, ("status", json!(status))).await, "", "{status}");
        assert_eq!(shop.text("select hold_reason from orders").await, "awaiting_payment");
    }
    assert_eq!(read(&shop, id, ("payment_intent", json!("pi_of_nobody"))).await, "");
    assert_eq!(shop.told(&[facts(id)]).await, "paid");
    let before = shop.text("select version from orders").await;
    assert_eq!(shop.told(&[facts(id)]).await, "", "the same again changes nothing");
    assert_eq!(shop.text("select version from orders").await, before);
    shop.verify().await;
}

#[tokio::test]
async fn a_payment_of_another_order_or_named_twice_is_counted_once_for_its_own() {
    let shop = Shop::fresh().await;
    let (a, b) = (shop.unpaid("1").await, shop.unpaid("2").await);
    let foreign = ("payment_intent", json!(format!("pi_{}", b.simple())));
    assert_eq!(read(&shop, a, foreign).await, "");
    assert_eq!(
        shop.text("select count(*) from payments where read_at is not null").await,
        "0",
        "nothing is stored for a wrong pair"
    );
    assert_eq!(shop.told(&[facts(a), facts(a)]).await, "paid");
    shop.verify().await;
}

#[tokio::test]
async fn two_recorders_of_the_same_payments_in_opposite_order_do_not_embrace() {
    let shop = Arc::new(Shop::fresh().await);
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(shop.unpaid(&number.to_string()).await);
    }
    let mut recorders = tokio::task::JoinSet::new();
    for recorder in 0..6_usize {
        let (shop, mut ids) = (shop.clone(), ids.clone());
        ids.rotate_left(recorder * 3);
        if !recorder.is_multiple_of(2) {
            ids.reverse();
        }
        recorders.spawn(async move {
            let session = shop.session("public_orders_app").await;
            let told = Value::from(ids.iter().map(|id| facts(*id)).collect::<Vec<_>>());
            let sql = format!("select from record_payments('t', false, '{told}')");
            let mut paid = 0;
            for _ in 0..10 {
                // No retry here: an error would be a deadlock.
                paid += session.query(&sql, &[]).await.unwrap().len();
            }
            paid
        });
    }
    assert_eq!(recorders.join_all().await.into_iter().sum::<usize>(), 20, "each is paid once");
    shop.verify().await;
}

#[tokio::test]
async fn due_payments_are_given_to_one_reader_and_come_again_later() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.unpaid("1").await;
    let due = "select count(*) from due_payments(10)";
    assert_eq!(shop.text(due).await, "1");
    assert_eq!(shop.text(due).await, "0");
    shop.shift("6 seconds").await;
    assert_eq!(shop.text(due).await, "1");
    shop.shift("1 hour").await;
    assert_eq!(shop.text(due).await, "1");
}

/// A reading of an accepted order; gives the result's word.
async fn reading(
    shop: &Shop,
    id: Uuid,
    version: i64,
    after: &str,
    settlement: &str,
) -> Result<String, orders_store::Error> {
    let sql = format!(
        "select result from record_readings('t', array['{id}'::uuid], array[{version}::bigint], array['told'], array['{after}'], array['word'],
           array[1400::bigint], array[{settlement}]::text[], array['why'], array[null::text], array[1000::bigint], array['{{}}'::jsonb])"
    );
    shop.app.query("test.reading", &sql, &[]).await.map(|rows| rows[0].get(0))
}

async fn accepted(shop: &Shop, number: &str) -> Uuid {
    let (id, token) = shop.submitting(number, 60_000).await;
    assert_eq!(shop.accept(id, token, &format!("req-{number}")).await, "recorded");
    id
}

#[tokio::test]
async fn window_b9_an_older_reading_never_undoes_a_newer_one() {
    let shop = Shop::fresh().await;
    let id = accepted(&shop, "1").await;
    assert_eq!(reading(&shop, id, 4, "processing", "null").await.unwrap(), "recorded");
    let before = shop.everything(id).await;
    assert_eq!(reading(&shop, id, 4, "needs_review", "null").await.unwrap(), "stale");
    assert_eq!(shop.everything(id).await, before);
    assert_eq!(reading(&shop, id, 5, "completed", "'delivered'").await.unwrap(), "recorded");
    assert_eq!(
        shop.text("select concat_ws(' ', status, cost_minor, zinc_request_id) from orders").await,
        "completed 1400 req-1"
    );
    shop.verify().await;
}

#[tokio::test]
async fn an_order_returns_for_a_new_key_only_when_its_attempt_is_settled() {
    let shop = Shop::fresh().await;
    let id = accepted(&shop, "1").await;
    let before = shop.everything(id).await;
    for (after, settlement) in [
        ("pending", "null"),
        ("failed", "null"),
        ("completed", "null"),
        ("pending", "'delivered'"),
        ("completed", "'provider_final'"),
    ] {
        let error = reading(&shop, id, 4, after, settlement).await.unwrap_err();
        assert!(
            ["PT409", "23514"].contains(&error.sqlstate().unwrap()),
            "{after} {settlement}: {error}"
        );
    }
    assert_eq!(shop.everything(id).await, before);
    assert_eq!(reading(&shop, id, 4, "pending", "'provider_final'").await.unwrap(), "recorded");
    let row = shop.text("select concat_ws(' ', o.status, o.zinc_request_id, a.request_id, a.outcome, a.settled_by) from orders as o join order_attempts as a on a.order_id = o.id").await;
    assert_eq!(
        row, "pending req-1 accepted provider_final",
        "the order forgets the id, the attempt keeps it"
    );
    shop.verify().await;
}

#[tokio::test]
async fn an_unknown_edge_of_one_reading_is_an_error_and_a_doubled_one_is_recorded_once() {
    let shop = Shop::fresh().await;
    let id = accepted(&shop, "1").await;
    let error = reading(&shop, id, 4, "submitting", "'provider_final'").await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("23514"), "{error}");
    let twice = format!(
        "select string_agg(result, ' ') from record_readings('t', array['{id}', '{id}']::uuid[], array[4, 4], array['a', 'a'],
           array['processing', 'processing'], array['w', 'w'], array[1, 1], array[null, null]::text[], array[null, null]::text[],
           array[null, null]::text[], array[0, 0], array['{{}}', '{{}}']::jsonb[])"
    );
    assert_eq!(shop.text(&twice).await, "recorded recorded");
    assert_eq!(shop.text("select version from orders").await, "5");
    shop.verify().await;
}

#[tokio::test]
async fn due_watches_are_given_to_one_reader_however_old_they_are() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.shift("-1 year").await;
    for number in 0..5 {
        accepted(&shop, &number.to_string()).await;
    }
    shop.shift("0").await;
    let due = "select count(*) from due_watches(3)";
    for expected in ["3", "2", "0"] {
        assert_eq!(shop.text(due).await, expected, "window_b6");
    }
    shop.shift("1 hour").await;
    assert_eq!(shop.text(due).await, "3");
}

#[tokio::test]
async fn holds_and_cancellations_do_what_they_say_or_refuse() {
    let shop = Shop::fresh().await;
    let paid = shop.paid("1").await;
    for reason in ["null", "'awaiting_payment'", "'x'"] {
        let error = shop
            .app
            .query("test", &format!("select hold_order('{paid}', {reason})"), &[])
            .await
            .unwrap_err();
        assert_eq!(error.sqlstate(), Some("22023"), "{reason}");
    }
    let word = |call: String| {
        let shop = &shop;
        async move {
            shop.text(&format!("select concat_ws(' ', a ->> 'success', a ->> 'duplicate', a ->> 'code') from {call} as a")).await
        }
    };
    assert_eq!(word(format!("hold_order('{paid}')")).await, "true false");
    assert_eq!(word(format!("hold_order('{paid}')")).await, "true true");
    assert_eq!(word(format!("hold_order('{paid}', 'disputed')")).await, "false cannot_hold");
    assert_eq!(word(format!("release_hold('{paid}')")).await, "true false");
    assert_eq!(word(format!("release_hold('{paid}')")).await, "true true");
    assert_eq!(word(format!("cancel_order('{paid}')")).await, "true false");
    assert_eq!(word(format!("cancel_order('{paid}')")).await, "true true");
    let (sent, token) = shop.submitting("2", 60_000).await;
    assert_eq!(word(format!("cancel_order('{sent}')")).await, "true false", "the wish is stored");
    shop.setback(sent, token, &shop::Setback::REVIEW).await.unwrap();
    assert_eq!(word(format!("cancel_order('{sent}')")).await, "true true", "it may exist still");
    assert_eq!(shop.status(sent).await, "needs_review");
    let (released, token) = shop.submitting("3", 60_000).await;
    shop.setback(released, token, &shop::Setback::RELEASED).await.unwrap();
    assert_eq!(word(format!("cancel_order('{released}')")).await, "true false");
    shop.verify().await;
}
