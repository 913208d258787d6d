//! Money over HTTP: a refund is intended once, looked at, and decided by a second person.

use super::desk::Desk;
use serde_json::{Value, json};
use uuid::Uuid;

/// An order that was paid and finished by a person's word.
async fn finished(desk: &Desk, number: &str) -> Uuid {
    let id = desk.paid(number).await;
    let args = json!({"order_uuid": id, "zinc_request_id_param": number});
    assert_eq!(desk.rpc("manually_complete_order", &args).await.status, 200);
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_is_intended_once_however_often_it_is_asked_for() {
    let desk = Desk::open().await;
    let id = finished(&desk, "1").await;
    let path = format!("/v1/orders/{id}/refund");
    let ask = json!({"amount_minor": 500, "reason": "one of three is missing", "actor": "ada"});
    let first = desk.send("POST", &path, &ask).await;
    assert_eq!((first.status, &first.body["duplicate"]), (200, &json!(false)), "{}", first.text);
    let again = desk.send("POST", &path, &ask).await;
    assert_eq!(again.body["duplicate"], json!(true));
    assert_eq!(again.body["move_id"], first.body["move_id"]);
    let more = desk.send("POST", &path, &json!({"amount_minor": 1031, "reason": "more"})).await;
    assert_eq!((more.status, more.code()), (409, "refund_under_way"));
    let money = desk.get("/v1/orders/1/payments").await.body;
    let moved = &money["payments"][0]["moves"];
    assert_eq!(moved.as_array().map(Vec::len), Some(1), "{money}");
    assert_eq!(
        (&moved[0]["amount_minor"], &moved[0]["requested_by"]),
        (&json!(500), &json!("ada"))
    );
    assert_eq!(money["payments"][0]["amount_received"], json!(1530));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_with_a_key_is_one_and_the_key_stands_for_nothing_else() {
    let desk = Desk::open().await;
    let id = finished(&desk, "1").await;
    let path = format!("/v1/orders/{id}/refund");
    let key = desk.key.clone();
    let ask = async |key_of_request: &str, amount: i64| {
        let body = json!({"amount_minor": amount, "reason": "came back"}).to_string();
        let headers = [("apikey", &*key), ("idempotency-key", key_of_request)];
        desk.raw("POST", &path, &headers, body.as_bytes()).await
    };
    let first = ask("a", 500).await;
    assert_eq!((first.status, &first.body["duplicate"]), (200, &json!(false)), "{}", first.text);
    let again = ask("a", 500).await;
    assert_eq!((again.status, &again.body["duplicate"]), (200, &json!(true)), "{}", again.text);
    let other = ask("a", 501).await;
    assert_eq!((other.status, other.code()), (409, "idempotency_key_reused"));
    let long = ask(&"k".repeat(256), 500).await;
    assert_eq!((long.status, long.code()), (400, "invalid"), "{}", long.text);
    let second = ask("b", 500).await;
    assert_eq!((second.status, second.code()), (409, "refund_under_way"), "{}", second.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn g35_a_second_person_decides_over_http_about_the_amount_that_was_seen() {
    let desk = Desk::open().await;
    desk.sql("update settings set value = '400' where name = 'two_persons_above_minor'").await;
    let id = finished(&desk, "1").await;
    let ask = json!({"amount_minor": 500, "reason": "came back", "actor": "ada"});
    let asked = desk.send("POST", &format!("/v1/orders/{id}/refund"), &ask).await;
    assert_eq!(asked.body["state"], json!("awaiting_approval"), "{}", asked.text);
    let listed = desk.get("/v1/moves").await.body["moves"][0].clone();
    assert_eq!((&listed["id"], &listed["requested_by"]), (&asked.body["move_id"], &json!("ada")));
    let path = format!("/v1/moves/{}/decide", asked.body["move_id"].as_str().unwrap());
    let word = |actor: &str, amount: i64| json!({"decision": "approve", "amount_minor": amount, "reason": "seen", "actor": actor});
    for (actor, amount, code) in [("ada", 500, "same_person"), ("bob", 501, "other_amount")] {
        let refused = desk.send("POST", &path, &word(actor, amount)).await;
        assert_eq!((refused.status, refused.code()), (409, code), "{}", refused.text);
    }
    let agreed = desk.send("POST", &path, &word("bob", 500)).await;
    assert_eq!((agreed.status, &agreed.body["state"]), (200, &json!("open")), "{}", agreed.text);
    let fields = desk.send("POST", &path, &json!({"decision": "maybe"})).await;
    assert_eq!((fields.status, fields.fields()), (422, vec!["decision", "amount_minor"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c5_a_wish_to_cancel_says_that_it_waits() {
    let desk = Desk::open().await;
    let id = desk.paid("1").await;
    desk.process(id).await;
    let path = format!("/v1/orders/{id}/cancel");
    let wish = desk.send("POST", &path, &json!({"reason": "changed his mind"})).await;
    assert_eq!((wish.status, &wish.body["waiting"]), (200, &json!(true)), "{}", wish.text);
    assert_eq!(desk.status(id).await, "submitted_to_zinc");
    let refund =
        desk.send("POST", &format!("/v1/orders/{id}/refund"), &json!({"reason": "x"})).await;
    assert_eq!((refund.status, refund.code()), (409, "may_be_bought"));
    assert_eq!(desk.get("/v1/moves").await.body["moves"], Value::Array(Vec::new()));
}
