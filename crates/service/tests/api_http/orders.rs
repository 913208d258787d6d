//! `/v1/orders`: placing once, listing, deciding; and every bad input changes nothing.

use super::desk::{Desk, order};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Barrier;

/// A good order with one change.
fn changed(number: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut body = order(number);
    change(&mut body);
    body
}

/// Posts an order under an idempotency key.
async fn post(desk: &Desk, key: &str, body: &Value) -> super::desk::Answer {
    let headers = [
        ("apikey", desk.key.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", key),
    ];
    desk.raw("POST", "/v1/orders", &headers, body.to_string().as_bytes()).await
}

/// What makes a good order a bad one.
type Change = fn(&mut Value);

fn american(order: &mut Value, state: &str) {
    order["recipient"]["country"] = json!("US");
    order["recipient"]["state"] = json!(state);
}

#[tokio::test]
async fn each_rule_that_an_order_breaks_is_named_and_nothing_changes() {
    let desk = Desk::open().await;
    let before = desk.everything().await;
    let cases: [(&str, Change); 30] = [
        ("order_number", |o| o["order_number"] = json!("")),
        ("order_number", |o| o["order_number"] = json!("x".repeat(101))),
        ("order_number", |o| o["order_number"] = json!("0198c0de-0000-7000-8000-00000000000A")),
        ("order_number", |o| o["order_number"] = json!("1\n2")),
        ("order_number", |o| o["order_number"] = json!("1\u{1b}[2J")),
        ("retailer", |o| o["retailer"] = json!("tesco")),
        ("currency", |o| o["currency"] = json!("USD")),
        ("currency", |o| o["currency"] = json!("gbp")),
        ("items", |o| o["items"] = json!([])),
        ("items", |o| o["items"] = json!(vec![o["items"][0].clone(); 1001])),
        ("items[0].quantity", |o| o["items"][0]["quantity"] = json!(0)),
        ("items[0].quantity", |o| o["items"][0]["quantity"] = json!("6")),
        ("items[0].unit_price_minor", |o| o["items"][0]["unit_price_minor"] = json!(2.55)),
        ("items[0].unit_price_minor", |o| o["items"][0]["unit_price_minor"] = json!(-255)),
        ("items[0].colour", |o| o["items"][0]["colour"] = json!("red")),
        ("total_minor", |o| o["total_minor"] = json!(1529)),
        ("total_minor", |o| o["total_minor"] = json!(1e18)),
        ("price_cap_minor", |o| o["price_cap_minor"] = json!(1531)),
        ("recipient.phone_number", |o| o["recipient"]["phone_number"] = Value::Null),
        ("recipient.city", |o| o["recipient"]["city"] = json!("")),
        ("recipient.city", |o| o["recipient"]["city"] = json!("London\nParis")),
        ("recipient.country", |o| o["recipient"]["country"] = json!("GBR")),
        ("recipient.country", |o| o["recipient"]["country"] = json!("XX")),
        ("recipient.state", |o| american(o, "99")),
        ("recipient.state", |o| american(o, "or")),
        ("recipient.state", |o| o["recipient"]["country"] = json!("US")),
        ("recipient.zip_code", |o| o["recipient"]["zip_code"] = json!(12345)),
        ("payment_intent", |o| o["payment_intent"] = json!("ch_3Abc")),
        ("payment_intent", |o| o["payment_intent"] = json!("pi_3-Abc")),
        ("status", |o| o["status"] = json!("completed")),
    ];
    for (field, change) in cases {
        let answer = desk.send("POST", "/v1/orders", &changed("1", change)).await;
        assert_eq!(answer.status, 422, "{field}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(answer.fields().contains(&field), "{field}: {}", answer.text);
        assert!(answer.body["violations"][0]["rule"].as_str().is_some_and(|rule| !rule.is_empty()));
        assert!(!answer.text.contains("Elm Street"), "{}", answer.text);
    }
    assert_eq!(desk.everything().await, before);
}

#[tokio::test]
async fn a_body_that_is_no_order_is_refused_before_it_is_read_on() {
    let desk = Desk::open().await;
    let before = desk.everything().await;
    let key = desk.key.clone();
    let json = [("apikey", key.as_str()), ("content-type", "application/json")];
    let large = format!("{{\"order_number\": \"{}\"}}", "x".repeat(300 * 1024));
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("[]", 400),
        ("null", 400),
        ("{\"a\": 1}}", 400),
        ("\u{feff}{}", 400),
        ("{}", 422),
        (deep.as_str(), 400),
        (large.as_str(), 413),
    ] {
        let answer = desk.raw("POST", "/v1/orders", &json, body.as_bytes()).await;
        assert_eq!(answer.status, status, "{}: {}", &body[..body.len().min(20)], answer.text);
        assert_eq!(answer.body["status"], status, "{}", answer.text);
    }
    assert_eq!(desk.raw("POST", "/v1/orders", &json, b"{\"a\": \"\xff\"}").await.status, 400);
    let nul = desk.send("POST", "/v1/orders", &changed("a\0b", |_| ())).await;
    assert_eq!((nul.status, nul.fields()), (422, vec!["order_number"]));
    let text = [("apikey", key.as_str()), ("content-type", "text/plain")];
    let answer = desk.raw("POST", "/v1/orders", &text, order("1").to_string().as_bytes()).await;
    assert_eq!((answer.status, answer.code()), (415, "json_expected"));
    let long = "k".repeat(256);
    for bad in ["", long.as_str()] {
        assert_eq!(post(&desk, bad, &order("1")).await.status, 400);
    }
    assert_eq!(desk.everything().await, before);
}

#[tokio::test]
async fn an_order_is_placed_once_per_number() {
    let desk = Desk::open().await;
    let first = desk.send("POST", "/v1/orders", &order("1")).await;
    assert_eq!((first.status, &first.body["duplicate"]), (201, &json!(false)), "{}", first.text);
    let path = format!("/v1/orders/{}", first.body["order_id"].as_str().unwrap());
    assert_eq!(first.header("location"), path);
    let again = desk.send("POST", "/v1/orders", &order("1")).await;
    assert_eq!((again.status, &again.body["duplicate"]), (200, &json!(true)));
    assert_eq!(
        (&again.body["order_id"], again.header("location")),
        (&first.body["order_id"], path.as_str())
    );
    let other =
        desk.send("POST", "/v1/orders", &changed("1", |o| o["total_minor"] = json!(2000))).await;
    assert_eq!((other.status, other.code()), (409, "order_number_conflict"), "{}", other.text);
    assert_eq!(other.body["order_id"], first.body["order_id"]);
    assert_eq!(desk.text("select count(*) from orders").await, "1");
    assert_eq!(
        desk.text("select count(*) from findings where kind = 'order_number_conflict'").await,
        "1"
    );
}

#[tokio::test]
async fn an_idempotency_key_gives_the_stored_answer_and_refuses_another_body() {
    let desk = Desk::open().await;
    let first = post(&desk, "key-1", &order("1")).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (201, ""), "{}", first.text);
    // The same content, written differently.
    let mut spread = order("1");
    spread["gift_message"] = Value::Null;
    for body in [order("1"), spread] {
        let again = post(&desk, "key-1", &body).await;
        assert_eq!(
            (again.status, again.header("idempotent-replayed")),
            (201, "true"),
            "{}",
            again.text
        );
        assert_eq!(again.body, first.body);
    }
    let other = post(&desk, "key-1", &order("2")).await;
    assert_eq!((other.status, other.code()), (422, "idempotency_key_reused"), "{}", other.text);
    assert_eq!(desk.text("select count(*) from orders").await, "1");
    // A stored refusal is an error every time, and its finding is kept once.
    for replayed in ["", "true"] {
        let conflict =
            post(&desk, "key-2", &changed("1", |o| o["total_minor"] = json!(2000))).await;
        assert_eq!(
            (conflict.status, conflict.code()),
            (409, "order_number_conflict"),
            "{}",
            conflict.text
        );
        assert_eq!(conflict.header("idempotent-replayed"), replayed, "{}", conflict.text);
        assert!(conflict.body["replayed"].is_null(), "{}", conflict.text);
    }
    assert_eq!(desk.text("select count(*) from findings").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_equal_requests_at_once_place_one_order() {
    let desk = Arc::new(Desk::open().await);
    let barrier = Arc::new(Barrier::new(64));
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (desk, barrier) = (Arc::clone(&desk), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                post(&desk, "race", &order("1")).await
            })
        })
        .collect();
    let mut fresh = 0;
    let mut ids = std::collections::BTreeSet::new();
    for task in tasks {
        let answer = task.await.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text);
        fresh += u32::from(answer.header("idempotent-replayed").is_empty());
        ids.insert(answer.body["order_id"].as_str().unwrap().to_owned());
    }
    assert_eq!((fresh, ids.len()), (1, 1));
    assert_eq!(desk.text("select count(*) from orders").await, "1");
    assert_eq!(desk.text("select count(*) from order_events").await, "1");
}

#[tokio::test]
async fn orders_are_listed_page_by_page_and_shown_without_what_is_private() {
    let desk = Desk::open().await;
    let mut ids = Vec::new();
    for number in 1..=5 {
        ids.push(desk.place(&number.to_string()).await.to_string());
    }
    let mut seen = Vec::new();
    let mut path = "/v1/orders?limit=2&status=pending&hold=awaiting_payment".to_owned();
    loop {
        let page = desk.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let orders = page.body["orders"].as_array().unwrap();
        assert!((1..=2).contains(&orders.len()));
        seen.extend(orders.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        let Some(next) = page.body["next"].as_str() else { break };
        path = format!("/v1/orders?limit=2&status=pending&hold=awaiting_payment&after={next}");
    }
    seen.reverse();
    assert_eq!(seen, ids);
    let found = desk.get("/v1/orders?search=3").await;
    assert_eq!(found.body["orders"][0]["id"], ids[2].as_str());
    for query in ["status=open", "hold=x", "limit=201", "limit=0", "after=7", "search=", "sort=id"]
    {
        let answer = desk.get(&format!("/v1/orders?{query}")).await;
        assert_eq!(
            (answer.status, answer.fields()),
            (422, vec![query.split('=').next().unwrap()]),
            "{query}"
        );
    }
    for path in
        [format!("/v1/orders/{}", ids[0]), "/v1/orders/1".into(), "/v1/orders/1/history".into()]
    {
        let shown = desk.get(&path).await;
        assert_eq!(shown.status, 200, "{}", shown.text);
        for private in ["Ada", "Miller", "Elm", "SW1A", "7946", "lease_token", "request_body"] {
            assert!(!shown.text.contains(private), "{private}: {}", shown.text);
        }
    }
    for path in ["/v1/orders/nobody", "/v1/orders/nobody/history"] {
        assert_eq!(desk.get(path).await.code(), "order_not_found");
    }
}

#[tokio::test]
async fn decisions_are_made_by_the_doors_and_refusals_are_problems() {
    let desk = Desk::open().await;
    let id = desk.paid("1").await;
    let act = async |verb: &str, body: Value| {
        desk.send("POST", &format!("/v1/orders/{id}/{verb}"), &body).await
    };
    let held =
        act("hold", json!({"reason": "operator", "note": "customer called", "actor": "Grace"}))
            .await;
    assert_eq!(
        (held.status, &held.body["hold_reason"]),
        (200, &json!("operator")),
        "{}",
        held.text
    );
    let actor = desk
        .text(&format!(
            "select actor from order_events where order_id = '{id}' order by seq desc limit 1"
        ))
        .await;
    assert_eq!(actor, "Grace");
    assert_eq!(act("hold", json!({"reason": "scheduled"})).await.code(), "cannot_hold");
    assert_eq!(act("release", Value::Null).await.status, 200);
    let nothing = act("complete", json!({"reason": "done"})).await;
    assert_eq!((nothing.status, nothing.code()), (409, "nothing_was_bought"), "{}", nothing.text);
    assert_eq!(nothing.header("content-type"), "application/problem+json");
    assert_eq!(
        act("payment", json!({"payment_intent": "pi_other"})).await.code(),
        "second_payment"
    );
    assert_eq!(act("cancel", json!({"reason": "not wanted"})).await.body["status"], "cancelled");
    assert_eq!(act("cancel", Value::Null).await.body["duplicate"], true);
    for (verb, body, field) in [
        ("hold", json!({"reason": "because"}), "reason"),
        ("hold", json!({"why": "x"}), "why"),
        ("complete", json!({"zinc_request_id": ""}), "zinc_request_id"),
        ("cancel", json!({"reason": 7}), "reason"),
        ("payment", json!({}), "payment_intent"),
    ] {
        let answer = act(verb, body).await;
        assert_eq!((answer.status, answer.fields()), (422, vec![field]), "{}", answer.text);
    }
    let nobody = "/v1/orders/00000000-0000-7000-8000-000000000001/cancel";
    assert_eq!(desk.send("POST", nobody, &Value::Null).await.code(), "not_found");
    assert_eq!(desk.send("POST", "/v1/orders/1/cancel", &Value::Null).await.status, 400);
    let recovered = desk.send("POST", "/v1/recover", &json!({"max_age_minutes": 0})).await;
    assert_eq!(
        (recovered.status, &recovered.body["recovered"]),
        (200, &json!(0)),
        "{}",
        recovered.text
    );
    assert_eq!(
        desk.send("POST", "/v1/recover", &json!({"max_age_minutes": -1})).await.fields(),
        ["max_age_minutes"]
    );
}

#[tokio::test]
async fn a_payment_is_attached_once_and_to_one_order() {
    let desk = Desk::open().await;
    let (one, two) = (desk.place("1").await, desk.place("2").await);
    let attach = async |id, intent: &str| {
        desk.send("POST", &format!("/v1/orders/{id}/payment"), &json!({"payment_intent": intent}))
            .await
    };
    assert_eq!(attach(one, "pi_1").await.status, 200);
    assert_eq!(attach(one, "pi_1").await.body["duplicate"], true);
    assert_eq!(attach(one, "not a payment").await.fields(), ["payment_intent"]);
    for (id, intent, code) in [(two, "pi_1", "payment_taken"), (one, "pi_2", "second_payment")] {
        let taken = attach(id, intent).await;
        assert_eq!((taken.status, taken.code()), (409, code), "{}", taken.text);
        assert!(!taken.text.contains("constraint"), "{}", taken.text);
    }
    assert_eq!(desk.text("select count(*) from payments").await, "1");
}
