//! The fake Zinc keeps the contract, in its worst reading.

use crate::client::{TOKEN, Test, call, create, order, order_json, settings};
use orders_sandbox::zinc::{self, Event, Injected, Outcome};
use orders_sandbox::{Fault, Faults};
use serde_json::json;

const HOUR_MS: i64 = 3_600_000;

fn creates(lines: &[orders_sandbox::Line<Event>]) -> usize {
    lines.iter().filter(|line| matches!(line.event, Event::Create(_))).count()
}

#[tokio::test]
async fn the_same_key_and_bytes_buy_once_and_answer_the_same_id() {
    let test = Test::new().await;
    let first = test.create(&order("k1", "o1")).await;
    let second = test.create(&order("k1", "o1")).await;
    assert_eq!(first.status(), 200);
    assert_eq!(first.request_id().len(), 32);
    assert_eq!(first.request_id(), second.request_id());
    let purchases = test.zinc().purchases_of("o1");
    assert_eq!(purchases.len(), 1);
    assert_eq!(&*purchases[0].request_id, first.request_id());
    assert_eq!(purchases[0].attempt_id.as_deref(), Some("attempt of k1"));
    assert_eq!(purchases[0].max_price, 4200);
    assert_eq!(purchases[0].sha256, orders_sandbox::Digest::of(order("k1", "o1").as_bytes()));
    assert_eq!(test.zinc().calls_of("k1"), 2);
    assert_eq!(test.zinc().summary().duplicate_calls, 1);
}

#[tokio::test]
async fn without_a_key_every_call_buys() {
    let test = Test::new().await;
    let mut body = order_json("", "o1");
    body.as_object_mut().unwrap().remove("idempotency_key");
    let (first, second) =
        (test.create(&body.to_string()).await, test.create(&body.to_string()).await);
    assert_ne!(first.request_id(), second.request_id());
    let summary = test.zinc().summary();
    assert_eq!((summary.live_purchases, summary.keyless_purchases), (2, 2));
    assert_eq!(summary.duplicates.len(), 1);
}

#[tokio::test]
async fn other_bytes_under_a_key_are_ignored_and_noted_as_a_violation() {
    let test = Test::new().await;
    let first = test.create(&order("k1", "o1")).await;
    let second = test.create(&order("k1", "o2")).await;
    assert_eq!(first.request_id(), second.request_id());
    assert!(test.zinc().purchases_of("o2").is_empty());
    assert_eq!(test.zinc().summary().violations, 1);
    assert_eq!(test.zinc().summary().seen_but_not_bought, ["o2"]);
}

#[tokio::test]
async fn an_error_is_stored_under_its_key_and_another_key_buys() {
    let test = Test::new().await;
    test.zinc().inject(Injected::Refusal("product_unavailable".to_owned()));
    let first = test.create(&order("k1", "o1")).await;
    let second = test.create(&order("k1", "o1")).await;
    assert_eq!(first.json()["_type"], "error");
    assert_eq!(first.json()["code"], "product_unavailable");
    assert_eq!((first.status(), first.body()), (second.status(), second.body()));
    assert!(test.zinc().purchases_of("o1").is_empty());
    test.create(&order("k2", "o1")).await.request_id();
    assert_eq!(test.zinc().purchases_of("o1").len(), 1);
    assert_eq!(test.zinc().summary().refusals["product_unavailable"], 1);
}

#[tokio::test]
async fn a_key_is_forgotten_after_its_time_and_buys_again() {
    let test = Test::new().await;
    let first = test.create(&order("k1", "o1")).await.request_id();
    test.clock.advance(24 * HOUR_MS - 1);
    assert_eq!(test.create(&order("k1", "o1")).await.request_id(), first);
    test.clock.advance(1);
    assert_ne!(test.create(&order("k1", "o1")).await.request_id(), first);
    let duplicates = test.zinc().duplicates();
    assert_eq!(duplicates.len(), 1);
    assert_eq!(duplicates[0].request_ids.len(), 2);
}

#[tokio::test]
async fn equal_keys_in_flight_are_both_bought() {
    let test = Test::with(zinc::Settings { latency_ms: 50, ..settings() }).await;
    let addr = test.running.addr;
    let send = || tokio::spawn(async move { create(addr, &order("k1", "o1")).await });
    let (first, second) = (send(), send());
    test.zinc().wait_until(|lines| creates(lines) == 2).await;
    assert_eq!(test.zinc().summary().purchases, 0, "a purchase is made at the end of the call");
    test.clock.advance(50);
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_ne!(first.request_id(), second.request_id());
    assert_eq!(test.zinc().duplicates().len(), 1);
    assert_eq!(test.zinc().summary().overlapping_purchases, 1);
    let third = tokio::spawn(async move { create(addr, &order("k1", "o1")).await });
    test.zinc().wait_until(|lines| creates(lines) == 3).await;
    test.clock.advance(50);
    third.await.unwrap().request_id();
    assert_eq!(test.zinc().purchases_of("o1").len(), 2, "after the end the key is known");
}

#[tokio::test]
async fn a_kind_provider_may_be_asked_for() {
    let test = Test::with(zinc::Settings { latency_ms: 50, double_buy: 0.0, ..settings() }).await;
    let addr = test.running.addr;
    let send = || tokio::spawn(async move { create(addr, &order("k1", "o1")).await });
    let (first, second) = (send(), send());
    test.zinc().wait_until(|lines| creates(lines) == 2).await;
    test.clock.advance(50);
    assert_eq!(first.await.unwrap().request_id(), second.await.unwrap().request_id());
    assert_eq!(test.zinc().purchases_of("o1").len(), 1);
}

#[tokio::test]
async fn a_late_purchase_overlaps_inside_the_processing_bound_only() {
    let faults = Faults { buy_late_ms: 20_000, ..Faults::none() };
    for (waited_ms, bought) in [(9_999, 2), (10_000, 1)] {
        let test = Test::with_faults(faults.clone()).await;
        test.zinc().inject(Injected::Fault(Fault::BuyLate));
        test.create(&order("k1", "o1")).await;
        test.clock.advance(waited_ms);
        test.create(&order("k1", "o1")).await.request_id();
        test.clock.advance(20_000);
        assert_eq!(test.zinc().purchases_of("o1").len(), bought, "after {waited_ms} ms");
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_is_bought_for_all_the_same() {
    let test = Test::with(zinc::Settings { latency_ms: 50, ..settings() }).await;
    let addr = test.running.addr;
    let sent = tokio::spawn(async move { create(addr, &order("k1", "o1")).await });
    test.zinc().wait_until(|lines| creates(lines) == 1).await;
    sent.abort();
    assert!(sent.await.unwrap_err().is_cancelled());
    test.clock.advance(50);
    assert_eq!(test.zinc().purchases_of("o1").len(), 1);
}

#[tokio::test]
async fn a_request_is_processed_then_placed_then_delivered() {
    let test = Test::with(zinc::Settings {
        placed_after_ms: 2_000,
        delivered_after_ms: 5_000,
        ..settings()
    })
    .await;
    let id = test.create(&order("k1", "o1")).await.request_id();
    assert_eq!(test.read(&id).await.json()["code"], "request_processing");
    test.clock.advance(2_000);
    let placed = test.read(&id).await.json();
    assert_eq!(placed["_type"], "order_response");
    assert!(placed["price_components"]["total"].as_i64().unwrap() <= 4200);
    assert_eq!(placed["price_components"]["currency"], "USD");
    let parts =
        ["subtotal", "shipping", "tax"].map(|name| placed["price_components"][name].clone());
    let sum: i64 = parts.iter().filter_map(serde_json::Value::as_i64).sum();
    assert_eq!(placed["price_components"]["total"], sum);
    assert_eq!(placed["merchant_order_ids"][0]["placed_at"], "2026-01-01T00:00:02.000Z");
    assert_eq!(placed["tracking"], json!([]));
    assert_eq!(placed["request"], order_json("k1", "o1"));
    test.clock.advance(5_000);
    let delivered = test.read(&id).await.json();
    assert_eq!(delivered["tracking"][0]["delivery_status"], "Delivered");
}

#[tokio::test]
async fn a_request_that_fails_later_no_longer_counts() {
    let faults = Faults { fail_later: 1.0, ..Faults::none() };
    let test = Test::with(zinc::Settings { placed_after_ms: 10, faults, ..settings() }).await;
    let id = test.create(&order("k1", "o1")).await.request_id();
    assert_eq!(test.zinc().purchases_of("o1").len(), 1);
    test.clock.advance(10);
    let answer = test.read(&id).await.json();
    assert_eq!(answer["_type"], "error");
    let code = answer["code"].as_str().unwrap().to_owned();
    assert!(Faults::none().fail_codes.contains(&code));
    assert!(test.zinc().purchases_of("o1").is_empty());
    assert_eq!(test.zinc().summary().failures[&code], 1);
}

#[tokio::test]
async fn the_dry_run_ends_in_max_price_exceeded() {
    let test = Test::new().await;
    let mut body = order_json("k1", "o1");
    body["max_price"] = json!(1);
    let id = test.create(&body.to_string()).await.request_id();
    assert_eq!(test.read(&id).await.json()["code"], "max_price_exceeded");
    assert!(test.zinc().purchases_of("o1").is_empty());
}

#[tokio::test]
async fn probably_placed_may_hide_a_purchase() {
    let test = Test::new().await;
    for n in 0..40 {
        test.zinc().inject(Injected::Refusal("order_probably_placed".to_owned()));
        let answer = test.create(&order(&format!("k{n}"), &format!("o{n}"))).await;
        assert_eq!(answer.json()["code"], "order_probably_placed");
    }
    let bought = test.zinc().summary().live_purchases;
    assert!((10..30).contains(&bought), "{bought} of 40");
}

#[tokio::test]
async fn the_list_hides_what_has_not_ended() {
    let test = Test::with(zinc::Settings { placed_after_ms: 1_000, ..settings() }).await;
    let first = test.create(&order("k1", "o1")).await.request_id();
    test.clock.advance(1_000);
    test.create(&order("k2", "o2")).await;
    let list = test.get("/v1/orders?limit=5000").await.json();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["request_id"], first.as_str());
    assert_eq!(list[0]["request"]["client_notes"]["order_id"], "o1");
    test.clock.advance(1_000);
    let both = test.get("/v1/orders").await.json();
    assert_eq!(both[0]["request"]["client_notes"]["order_id"], "o2", "the newest first");
    let start_ms = 1_767_225_600_000_i64;
    for (query, count) in [
        ("limit=1".to_owned(), 1),
        ("skip=1".to_owned(), 1),
        (format!("starting_after={}", start_ms + 1_000), 1),
        (format!("starting_after={}", start_ms + 1_001), 0),
        (format!("ending_before={}", start_ms + 1_000), 1),
        (format!("ending_before={start_ms}"), 0),
    ] {
        let list = test.get(&format!("/v1/orders?{query}")).await.json();
        assert_eq!(list.as_array().unwrap().len(), count, "{query}");
    }
}

#[tokio::test]
async fn the_list_may_show_what_has_not_ended_and_come_as_an_object() {
    let test = Test::with(zinc::Settings {
        placed_after_ms: 1_000,
        list_unfinished: true,
        list_as_object: true,
        ..settings()
    })
    .await;
    test.create(&order("k1", "o1")).await;
    let list = test.get("/v1/orders").await.json();
    assert_eq!(list["orders"][0]["code"], "request_processing");
    assert_eq!(list["orders"][0]["request"]["client_notes"]["order_id"], "o1");
}

#[tokio::test]
async fn a_wrong_token_is_401_and_buys_nothing() {
    let test = Test::new().await;
    let addr = test.running.addr;
    for headers in [&[][..], &["Authorization: Basic d3Jvbmc6"], &[crate::client::SECRET]] {
        let heard = call(addr, "POST", "/v1/orders", headers, &order("k1", "o1")).await;
        assert_eq!(heard.status(), 401);
        assert_eq!(heard.json()["code"], "invalid_client_token");
    }
    assert_eq!(test.zinc().summary().unauthorized, 3);
    assert_eq!(test.zinc().summary().purchases, 0);
}

#[tokio::test]
async fn an_invalid_body_is_refused_with_reasons_and_the_key_is_used_up() {
    let test = Test::new().await;
    let mut body = order_json("k1", "o1");
    body["products"] = json!([]);
    body["payment_method"] = json!({});
    let heard = test.create(&body.to_string()).await;
    assert_eq!(heard.status(), 400);
    assert_eq!(heard.json()["code"], "invalid_request");
    assert_eq!(heard.json()["data"]["validator_errors"].as_array().unwrap().len(), 2);
    let again = test.create(&order("k1", "o1")).await;
    assert_eq!(again.body(), heard.body(), "the error is stored under the key");
    assert_eq!(test.zinc().summary().purchases, 0);
}

#[tokio::test]
async fn each_rule_of_the_body_is_checked() {
    let test = Test::new().await;
    let changes = [
        json!({ "retailer": "nobody" }),
        json!({ "retailer": "walmart" }),
        json!({ "products": [{ "product_id": "", "quantity": 1 }] }),
        json!({ "products": [{ "product_id": "B1", "quantity": 0 }] }),
        json!({ "products": "B1" }),
        json!({ "shipping_address": null }),
        json!({ "shipping_address": { "first_name": "Ada" } }),
        json!({ "shipping_method": null }),
        json!({ "shipping": { "order_by": "price" } }),
        json!({ "shipping_method": "by owl" }),
        json!({ "is_gift": null }),
        json!({ "max_price": null }),
        json!({ "max_price": -1 }),
        json!({ "gift_message": "x".repeat(241) }),
        json!({ "gift_message": "x\n".repeat(10) }),
        json!({ "zma_discount": 3 }),
        json!({ "billing_address": {} }),
        json!({ "addax": false }),
    ];
    for (n, change) in changes.iter().enumerate() {
        let mut body = order_json(&format!("k{n}"), "o1");
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let heard = test.create(&body.to_string()).await;
        assert_eq!(heard.json()["code"], "invalid_request", "{change}");
    }
    assert_eq!(test.create("{\"retailer\":").await.json()["code"], "invalid_json");
    assert_eq!(test.zinc().summary().purchases, 0);
}

#[tokio::test]
async fn an_unknown_request_and_an_unknown_path_are_404() {
    let test = Test::new().await;
    assert_eq!(test.read("0123").await.json()["code"], "invalid_request_id");
    for path in ["/v1/orders/0123/case", "/v1/ordersx", "/"] {
        assert_eq!(
            call(test.running.addr, "GET", path, &[TOKEN], "").await.status(),
            404,
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_summary_finds_a_planted_duplicate_until_one_is_cancelled() {
    let test = Test::new().await;
    let first = test.create(&order("k1", "o1")).await.request_id();
    let second = test.create(&order("k2", "o1")).await.request_id();
    test.create(&order("k3", "o2")).await;
    let summary = test.get("/_sandbox/zinc/summary").await.json();
    assert_eq!(
        summary["duplicates"],
        json!([{ "order_id": "o1", "request_ids": [first, second] }])
    );
    assert_eq!(summary["orders_bought_once"], 1);
    assert_eq!(summary["keys_by_calls"], json!({ "1": 3 }));
    assert_eq!(test.zinc().never_bought(["o1", "o2", "o3"]), ["o3"]);
    let missing = test.post("/_sandbox/zinc/never_bought", "[\"o2\",\"o4\"]").await.json();
    assert_eq!(missing, json!(["o4"]));
    assert!(test.zinc().cancel(&second));
    assert!(!test.zinc().cancel(&second));
    assert!(test.zinc().duplicates().is_empty());
    let updates = test.read(&second).await.json()["status_updates"].clone();
    assert_eq!(updates.as_array().unwrap().last().unwrap()["type"], "order.cancelled");
}

#[tokio::test]
async fn the_ledger_is_read_over_http_line_by_line() {
    let test = Test::new().await;
    test.create(&order("k1", "o1")).await;
    let ledger = test.get("/_sandbox/zinc/ledger").await.body();
    let lines: Vec<orders_sandbox::Line<Event>> =
        ledger.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, test.zinc().ledger());
    assert!(matches!(&lines[0].event, Event::Create(create)
        if matches!(create.outcome, Outcome::Accepted(_))));
    assert!(matches!(&lines[1].event, Event::Purchase(_)));
    let rest = test.get("/_sandbox/zinc/ledger?after=1").await.body();
    assert_eq!(rest.lines().count(), 1);
}

#[tokio::test]
async fn stopping_is_bounded_even_when_answers_wait_for_a_clock_that_stands() {
    let test = Test::with(zinc::Settings { latency_ms: 50, ..settings() }).await;
    let addr = test.running.addr;
    let sent = tokio::spawn(async move { create(addr, &order("k1", "o1")).await });
    test.zinc().wait_until(|lines| creates(lines) == 1).await;
    test.running.stop().await;
    assert!(sent.await.unwrap().is_nothing());
}
