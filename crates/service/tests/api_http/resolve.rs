//! `/v1/orders/{id}/resolve`: a person's way out of review, over HTTP.

use super::desk::Desk;
use orders_sandbox::zinc::Injected;
use serde_json::{Value, json};
use uuid::Uuid;

/// An order in review, whose last call is long over.
async fn in_review(desk: &Desk, number: &str) -> Uuid {
    let id = desk.paid(number).await;
    desk.world.world.zinc.inject(Injected::Refusal("order_probably_placed".into()));
    assert_eq!(desk.process(id).await.code(), "needs_review");
    desk.sql(&format!(
        "update order_attempts set call_deadline_at = call_deadline_at - interval '1 day' where order_id = '{id}'"
    ))
    .await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_resolves_a_review_step_by_step_and_each_refusal_has_its_code() {
    let desk = Desk::open().await;
    let id = in_review(&desk, "1").await;
    let decide = async |id: Uuid, decision: &str| {
        let body = json!({
            "decision": decision, "reason": "looked it up at the provider", "actor": "Grace",
        });
        desk.send("POST", &format!("/v1/orders/{id}/resolve"), &body).await
    };
    for (decision, code) in [
        ("buy_again", "attempt_unsettled"),
        ("give_up", "attempt_unsettled"),
        ("watch_on", "nothing_accepted"),
    ] {
        let refused = decide(id, decision).await;
        assert_eq!((refused.status, refused.code()), (409, code), "{}", refused.text);
        assert_eq!(refused.header("content-type"), "application/problem+json");
        assert_eq!(refused.body["order_id"], json!(id));
    }
    let settled = decide(id, "nothing_was_bought").await;
    assert_eq!((settled.status, &settled.body["success"]), (200, &json!(true)), "{}", settled.text);
    assert_eq!(decide(id, "nothing_was_bought").await.code(), "already_settled");
    let again = decide(id, "buy_again").await;
    assert_eq!((again.status, &again.body["status"]), (200, &json!("pending")), "{}", again.text);
    assert_eq!(decide(id, "buy_again").await.code(), "not_in_review");
    let told = desk.get(&format!("/v1/orders/{id}/history")).await;
    let resolved: Vec<&Value> = told.body["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["kind"] == "review_resolved")
        .collect();
    assert_eq!(resolved.len(), 2, "{}", told.text);
    assert!(resolved.iter().all(|event| event["actor"] == "Grace"), "{}", told.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_without_a_word_of_the_list_or_a_real_reason_is_refused() {
    let desk = Desk::open().await;
    let id = in_review(&desk, "1").await;
    let before = desk.everything().await;
    let path = format!("/v1/orders/{id}/resolve");
    for (body, fields) in [
        (json!({}), vec!["decision", "reason"]),
        (json!({"decision": "refund", "reason": "looked it up"}), vec!["decision"]),
        (json!({"decision": "give_up", "reason": "because"}), vec!["reason"]),
        (json!({"decision": "give_up", "reason": "x         x".repeat(40)}), vec!["reason"]),
        (json!({"decision": "give_up", "reason": "          "}), vec!["reason"]),
        (json!({"decision": "give_up", "reason": "looked it up", "force": true}), vec!["force"]),
    ] {
        let answer = desk.send("POST", &path, &body).await;
        assert_eq!((answer.status, answer.fields()), (422, fields), "{}", answer.text);
    }
    assert_eq!(desk.everything().await, before);
}
