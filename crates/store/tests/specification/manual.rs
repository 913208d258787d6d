//! `manually_complete_order`: one test per row of ruling 18's table.

use crate::shop::{Setback, Shop, call};
use serde_json::{Value, json};
use uuid::Uuid;

const FINDINGS: &str =
    "select coalesce(string_agg(kind || ' ' || subject, ', ' order by kind), '') from findings";

/// Demands a refusal under a code, with PostgREST's fields, that changed nothing.
async fn refused(shop: &Shop, id: Uuid, given: Option<&str>, code: &str) -> Value {
    let before = shop.everything(id).await;
    let answer = shop.by_word(id, given).await;
    assert_eq!((&answer["success"], &answer["code"]), (&json!(false), &json!(code)), "{answer}");
    assert!(answer["message"].is_string() && answer["hint"].is_string(), "{answer}");
    assert_eq!(shop.everything(id).await, before);
    shop.verify().await;
    answer
}

/// Demands that the order is completed now, by a person's word that stands in the history.
async fn completed(shop: &Shop, id: Uuid, given: Option<&str>, request_id: &str) {
    let answer = shop.by_word(id, given).await;
    assert_eq!(answer["duplicate"], json!(false), "{answer}");
    assert_eq!(answer["zinc_request_id"], json!(request_id), "{answer}");
    assert_eq!(shop.status(id).await, "completed");
    let word = shop
        .text(&format!(
            "select kind || '|' || actor || '|' || actor_source || '|' || (data ->> 'reason') from order_events
              where order_id = '{id}' order by seq desc limit 1"
        ))
        .await;
    assert_eq!(word, "completed_by_person|public_orders_app|login|seen at Zinc");
    shop.verify().await;
}

#[tokio::test]
async fn an_accepted_order_is_completed() {
    let shop = Shop::fresh().await;
    for (number, last, given) in [
        ("1", "submitted_to_zinc", None),
        ("2", "processing", None),
        ("3", "processing", Some("req-3")),
    ] {
        let (id, _) = shop.submitting(number, 60_000).await;
        let request = format!("req-{number}");
        shop.complete(id, &request, "submitted", last).await;
        completed(&shop, id, given, &request).await;
    }
    let settled = shop.text("select count(*) from order_attempts where settled_by = 'person' and outcome = 'accepted'").await;
    assert_eq!(settled, "3");
}

#[tokio::test]
async fn an_unknown_order_is_completed_with_the_id_found_at_the_provider() {
    let shop = Shop::fresh().await;
    let (unknown, token) = shop.submitting("1", 60_000).await;
    shop.setback(unknown, token, &Setback::UNKNOWN).await.unwrap();
    completed(&shop, unknown, Some("req-1"), "req-1").await;
    let (review, token) = shop.submitting("2", 60_000).await;
    shop.setback(review, token, &Setback::REVIEW).await.unwrap();
    completed(&shop, review, Some("req-2"), "req-2").await;
    let (ended, _) = shop.submitting("3", 1).await;
    shop.until("select bool_and(lease_expires_at <= clock_now())::text from order_attempts where lease_token is not null").await;
    completed(&shop, ended, Some("req-3"), "req-3").await;
    let attempts = shop.text("select string_agg(outcome || ' ' || settled_by || ' ' || request_id, ', ' order by request_id) from order_attempts").await;
    assert_eq!(attempts, "accepted person req-1, accepted person req-2, accepted person req-3");
}

#[tokio::test]
async fn an_order_accepted_while_held_is_completed_by_the_id_it_has() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.sql(&format!("select hold_order('{id}')")).await;
    shop.accept(id, token, "req-1").await;
    completed(&shop, id, None, "req-1").await;
    assert_eq!(shop.text("select hold_reason from orders").await, "");
}

#[tokio::test]
async fn an_order_under_a_live_lease_is_refused_and_says_until_when() {
    let shop = Shop::fresh().await;
    let (id, _) = shop.submitting("1", 60_000).await;
    for given in [None, Some("req-1")] {
        let answer = refused(&shop, id, given, "lease_alive").await;
        let until = shop.text("select to_char(lease_expires_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') from order_attempts").await;
        assert!(answer["message"].as_str().unwrap().contains(&until), "{answer}");
    }
}

#[tokio::test]
async fn an_unknown_order_without_an_id_is_refused() {
    let shop = Shop::fresh().await;
    let (unknown, token) = shop.submitting("1", 60_000).await;
    shop.setback(unknown, token, &Setback::UNKNOWN).await.unwrap();
    refused(&shop, unknown, None, "request_id_needed").await;
    let (review, token) = shop.submitting("2", 60_000).await;
    shop.setback(review, token, &Setback::REVIEW).await.unwrap();
    refused(&shop, review, None, "request_id_needed").await;
    assert_eq!(shop.text(FINDINGS).await, "");
}

#[tokio::test]
async fn a_pending_order_is_completed_with_an_id_and_a_finding() {
    let shop = Shop::fresh().await;
    let paid = shop.paid("1").await;
    completed(&shop, paid, Some("req-1"), "req-1").await;
    let unpaid = shop.place("2").await;
    completed(&shop, unpaid, Some("req-2"), "req-2").await;
    let (released, token) = shop.submitting("3", 60_000).await;
    shop.setback(released, token, &Setback::RELEASED).await.unwrap();
    completed(&shop, released, Some("req-3"), "req-3").await;
    assert_eq!(
        shop.text(FINDINGS).await,
        "bought_outside req-1, bought_outside req-2, bought_outside req-3"
    );
    assert_eq!(
        shop.text("select settled_by || ' ' || outcome from order_attempts").await,
        "never_sent open"
    );
}

#[tokio::test]
async fn a_pending_order_without_an_id_is_refused() {
    let shop = Shop::fresh().await;
    let paid = shop.paid("1").await;
    refused(&shop, paid, None, "nothing_was_bought").await;
    assert_eq!(shop.text(FINDINGS).await, "");
}

#[tokio::test]
async fn a_completed_order_says_so_again() {
    let shop = Shop::fresh().await;
    let (id, _) = shop.submitting("1", 60_000).await;
    shop.complete(id, "req-1", "delivered", "completed").await;
    let before = shop.everything(id).await;
    for given in [None, Some("req-1")] {
        let answer = shop.by_word(id, given).await;
        assert_eq!(
            (&answer["success"], &answer["duplicate"]),
            (&json!(true), &json!(true)),
            "{answer}"
        );
    }
    assert_eq!(shop.everything(id).await, before);
}

#[tokio::test]
async fn another_id_than_the_stored_one_is_refused_in_every_state_and_kept() {
    let shop = Shop::fresh().await;
    for (number, last) in [("1", "submitted_to_zinc"), ("2", "processing"), ("3", "completed")] {
        let (id, _) = shop.submitting(number, 60_000).await;
        shop.complete(id, &format!("req-{number}"), "submitted", last).await;
        refused(&shop, id, Some("other"), "request_id_conflict").await;
    }
    let (id, token) = shop.submitting("4", 60_000).await;
    shop.setback(id, token, &Setback::UNKNOWN).await.unwrap();
    refused(&shop, id, Some("req-1"), "request_id_conflict").await;
    let paid = shop.paid("5").await;
    refused(&shop, paid, Some("req-1"), "request_id_conflict").await;
    assert_eq!(
        shop.text("select count(*) from findings where kind = 'request_id_conflict'").await,
        "5"
    );
}

#[tokio::test]
async fn an_ended_order_is_refused_with_a_finding_when_an_id_is_given() {
    let shop = Shop::fresh().await;
    let id = shop.place("1").await;
    shop.sql(&format!("select cancel_order('{id}')")).await;
    refused(&shop, id, None, "order_cancelled").await;
    assert_eq!(shop.text(FINDINGS).await, "");
    refused(&shop, id, Some("req-1"), "order_cancelled").await;
    assert_eq!(shop.text(FINDINGS).await, "order_cancelled req-1");
}

#[tokio::test]
async fn misuse_raises() {
    let shop = Shop::fresh().await;
    let nobody = Uuid::from_u128(1).to_string();
    let error = call(&shop.app, "manually_complete_order", &[("order_uuid", &nobody, "uuid")])
        .await
        .unwrap_err();
    assert_eq!(error.sqlstate(), Some("PT404"));
    let id = shop.paid("1").await.to_string();
    for given in ["", &"x".repeat(201)] {
        let args = [("order_uuid", &*id, "uuid"), ("zinc_request_id_param", given, "text")];
        let error = call(&shop.app, "manually_complete_order", &args).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("22023"));
    }
    let wrong = [("order_uuid", &*id, "uuid"), ("reason", "x", "text")];
    assert_eq!(
        call(&shop.app, "manually_complete_order", &wrong).await.unwrap_err().sqlstate(),
        Some("42883")
    );
}

#[tokio::test]
async fn the_actor_is_the_given_one_else_the_jwts_else_the_login_role() {
    let shop = Shop::fresh().await;
    let cases = [
        ("{\"actor\": \"ada\"}", "{\"role\": \"service_role\"}", "ada", "options"),
        ("{}", "{\"role\": \"service_role\", \"sub\": \"u1\"}", "service_role:u1", "jwt"),
        ("{\"actor\": null}", "", "public_orders_app", "login"),
        ("{}", "{\"role\": null}", "public_orders_app", "login"),
        ("{}", "{\"role\": \"\"}", "public_orders_app", "login"),
    ];
    for (at, (options, claims, actor, source)) in cases.into_iter().enumerate() {
        let id = shop.paid(&at.to_string()).await;
        let session = shop.session("public_orders_app").await;
        session
            .batch_execute(&format!(
                "begin; set local request.jwt.claims = '{claims}';
                 select manually_complete_order('{id}', 'req-{at}', 'r', '{options}'); commit"
            ))
            .await
            .unwrap();
        let who = shop.text(&format!("select actor || ' ' || actor_source from order_events where order_id = '{id}' order by seq desc limit 1")).await;
        assert_eq!(who, format!("{actor} {source}"), "{options} {claims}");
    }
}

#[tokio::test]
async fn an_id_that_another_order_takes_at_the_same_moment_is_refused_and_kept() {
    let shop = Shop::fresh().await;
    let (one, token) = shop.submitting("1", 60_000).await;
    shop.setback(one, token, &Setback::UNKNOWN).await.unwrap();
    let (two, token) = shop.submitting("2", 60_000).await;
    shop.setback(two, token, &Setback::UNKNOWN).await.unwrap();
    let first = shop.session("public_orders_app").await;
    first
        .batch_execute(&format!(
            "begin; select manually_complete_order('{one}', 'req-1', 'seen at Zinc')"
        ))
        .await
        .unwrap();
    let before = shop.everything(two).await;
    // The second does not see the first one's word, and waits at the index for its end.
    let second = shop.by_word(two, Some("req-1"));
    let end = async {
        shop.until_blocked(1).await;
        first.batch_execute("commit").await.unwrap();
    };
    let (answer, ()) = tokio::join!(second, end);
    assert_eq!(answer["code"], json!("request_id_conflict"), "{answer}");
    assert!(answer["message"].is_string() && answer["hint"].is_string(), "{answer}");
    assert_eq!(shop.everything(two).await, before);
    assert_eq!(shop.text(FINDINGS).await, "request_id_conflict req-1");
    shop.verify().await;
}
