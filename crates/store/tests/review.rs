//! A person's ways out of review, and the one that is closed: buying again while an earlier purchase
//! is open or unknown.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use serde_json::{Value, json};
use shop::{Shop, call};
use uuid::Uuid;

const REASON: &str = "the provider's support says that it has no such request";

async fn decide(shop: &Shop, id: Uuid, decision: &str) -> Value {
    let id = id.to_string();
    let args = [
        ("order_uuid", id.as_str(), "uuid"),
        ("decision_param", decision, "text"),
        ("reason_param", REASON, "text"),
        ("options", r#"{"actor": "ada"}"#, "jsonb"),
    ];
    call(&shop.app, "resolve_review", &args).await.unwrap()
}

/// An order whose outcome is unknown and whose tries are used up.
async fn in_review(shop: &Shop) -> Uuid {
    shop.sql("update settings set value = '1' where name = 'calls_max'").await;
    let (id, _) = shop.submitting("1", 60_000).await;
    shop.shift("1 hour").await;
    assert_eq!(shop.recover(0, 10).await["needs_review"], json!(1));
    id
}

#[tokio::test]
async fn window_a11_nobody_buys_again_while_an_earlier_attempt_is_unknown() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let id = in_review(&shop).await;
    for decision in ["buy_again", "give_up", "watch_on"] {
        let refused = decide(&shop, id, decision).await;
        assert_eq!(refused["success"], json!(false), "{decision}: {refused}");
        assert_eq!(shop.status(id).await, "needs_review");
    }
    assert_eq!(decide(&shop, id, "nothing_was_bought").await["success"], json!(true));
    assert_eq!(decide(&shop, id, "nothing_was_bought").await["code"], json!("already_settled"));
    let attempt = "select outcome || ' ' || settled_by || ' ' || generation from order_attempts";
    assert_eq!(shop.text(attempt).await, "refused person 1", "it is settled and kept");
    assert_eq!(decide(&shop, id, "buy_again").await["status"], json!("pending"));
    shop.claim(id, 60_000).await;
    assert_eq!(shop.text("select max(generation) from order_attempts").await, "2");
    let said = "select count(*) from order_events where kind = 'review_resolved' and actor = 'ada' and data ->> 'reason' is not null";
    assert_eq!(shop.text(said).await, "2");
    assert_eq!(shop.text("select count(*) from alerts where closed_at is null").await, "0");
    shop.verify().await;
}

#[tokio::test]
async fn an_order_is_given_up_only_when_its_attempt_is_settled() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let id = in_review(&shop).await;
    decide(&shop, id, "nothing_was_bought").await;
    assert_eq!(decide(&shop, id, "give_up").await["status"], json!("failed"));
    assert_eq!(decide(&shop, id, "buy_again").await["code"], json!("not_in_review"));
    shop.verify().await;
}

#[tokio::test]
async fn a_purchase_accepted_while_held_is_watched_on() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.sql(&format!("select hold_order('{id}')")).await;
    assert_eq!(shop.accept(id, token, "req-1").await, "recorded");
    assert_eq!(shop.status(id).await, "needs_review");
    assert_eq!(decide(&shop, id, "watch_on").await["status"], json!("submitted_to_zinc"));
    assert_eq!(shop.text("select count(*) from due_watches(10)").await, "1");
    shop.verify().await;
}

#[tokio::test]
async fn a_call_that_may_still_run_is_not_settled_and_a_reason_is_needed() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let id = in_review(&shop).await;
    // A call limit of thirty seconds and the provider's bound of sixty are not over yet.
    shop.shift("40 s").await;
    assert_eq!(decide(&shop, id, "nothing_was_bought").await["code"], json!("call_may_still_run"));
    let id = id.to_string();
    for (decision, reason) in [("nothing_was_bought", "short"), ("forget_it", REASON)] {
        let args = [
            ("order_uuid", id.as_str(), "uuid"),
            ("decision_param", decision, "text"),
            ("reason_param", reason, "text"),
        ];
        let error = call(&shop.app, "resolve_review", &args).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("22023"), "{error}");
    }
}

/// An order whose accepted purchase ended without goods, and whose money was received.
async fn dead(shop: &Shop) -> Uuid {
    let (id, token) = shop.submitting("1", 60_000).await;
    assert_eq!(shop.accept(id, token, "DEAD").await, "recorded");
    let version = shop.text(&format!("select version from orders where id = '{id}'")).await;
    let reading = format!(
        "select result from record_readings('t', array['{id}'::uuid], array[{version}::bigint], array['purchase_failed'],
           array['needs_review'], array['failed'], array[null::bigint], array['provider_final'], array['refund_owed'],
           array[null::text], array[0::bigint], array['{{}}'::jsonb])"
    );
    assert_eq!(shop.text(&reading).await, "recorded");
    id
}

#[tokio::test]
async fn a_purchase_bought_again_has_no_request_id_of_the_dead_one() {
    let shop = Shop::fresh().await;
    let id = dead(&shop).await;
    assert_eq!(decide(&shop, id, "watch_on").await["code"], json!("nothing_accepted"));
    assert_eq!(decide(&shop, id, "buy_again").await["status"], json!("pending"));
    let said = "select data -> 'set' -> 'zinc_request_id' from order_events where kind = 'review_resolved'";
    assert_eq!(shop.text(said).await, "null", "the event itself says that the id is gone");
    shop.claim(id, 60_000).await;
    let stale = shop.complete(id, "DEAD", "submitted", "submitted_to_zinc").await;
    assert_eq!(stale["code"], json!("request_id_stale"), "{stale}");
    let bought = shop.complete(id, "NEW", "submitted", "submitted_to_zinc").await;
    assert_eq!(
        (&bought["success"], &bought["duplicate"]),
        (&json!(true), &json!(false)),
        "{bought}"
    );
    let ids = "select o.zinc_request_id || ' ' || a.request_id || ' ' || a.outcome || ' ' || a.settled_by
                 from orders as o join order_attempts as a on a.order_id = o.id and a.generation = 1";
    assert_eq!(shop.text(ids).await, "NEW DEAD accepted provider_final");
    shop.verify().await;
}

#[tokio::test]
async fn a_paid_order_that_is_given_up_sends_its_money_back() {
    let shop = Shop::fresh().await;
    let id = dead(&shop).await;
    assert_eq!(decide(&shop, id, "give_up").await["status"], json!("failed"));
    let left = "select count(*) from alerts where closed_at is null";
    assert_eq!(shop.text(left).await, "0", "no person is needed");
    let moved = "select concat_ws(' ', kind, amount_minor, state, requested_by) from money_moves";
    assert_eq!(shop.text(moved).await, "refund 1530 open ada");
    shop.verify().await;
}

#[tokio::test]
async fn an_acceptance_is_settled_as_one_when_a_person_says_that_nothing_was_bought() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.sql(&format!("select hold_order('{id}')")).await;
    assert_eq!(shop.accept(id, token, "req-1").await, "recorded");
    shop.shift("1 hour").await;
    assert_eq!(decide(&shop, id, "nothing_was_bought").await["success"], json!(true));
    let attempt =
        "select concat_ws(' ', outcome, request_id, settled_by, lease_token) from order_attempts";
    assert_eq!(shop.text(attempt).await, "accepted req-1 person");
    assert_eq!(shop.text("select zinc_request_id is null from orders").await, "true");
    shop.verify().await;
}
