//! Answers that the contract allows and that a kind provider would never give: without a name,
//! without a code, too early, too often, one parcel at a time.

use crate::client::{Heard, Test, order, settings};
use orders_sandbox::zinc::{Injected, Settings};
use orders_sandbox::{Fault, Faults};
use serde_json::{Value, json};

/// What the client hears of a create with this fault, and whether it was bought.
async fn one(fault: Fault) -> (Heard, bool, Test) {
    let test = Test::new().await;
    test.zinc().inject(Injected::Fault(fault));
    let heard = test.create(&order("k1", "o1")).await;
    let bought = !test.zinc().purchases_of("o1").is_empty();
    (heard, bought, test)
}

/// The code and the id that an answer carries, if it is JSON at all.
fn said(heard: &Heard) -> (Value, Value) {
    let body: Value = serde_json::from_str(&heard.body()).unwrap_or_default();
    (body["code"].clone(), body["request_id"].clone())
}

#[tokio::test]
async fn an_early_answer_is_true_before_its_purchase_is() {
    let (heard, bought, test) = one(Fault::EarlyAnswer).await;
    let id = heard.request_id();
    assert!(!bought);
    assert_eq!(test.read(&id).await.json()["code"], "invalid_request_id", "nobody knows it yet");
    test.clock.advance(1_999);
    assert!(test.zinc().purchases_of("o1").is_empty());
    test.clock.advance(1);
    assert_eq!(test.zinc().purchases_of("o1").len(), 1);
    assert_eq!(test.read(&id).await.json()["_type"], "order_response");
    assert_eq!(test.create(&order("k1", "o1")).await.request_id(), id);
}

#[tokio::test]
async fn a_request_to_slow_down_does_nothing_and_says_how_long() {
    let (heard, bought, test) = one(Fault::TooMany).await;
    assert_eq!((heard.status(), bought), (429, false));
    assert!(heard.text().to_lowercase().contains("retry-after: 1\r\n"), "{}", heard.text());
    let silent = Faults { retry_after_s: 0, ..Faults::none() };
    test.zinc().set_faults(silent).unwrap();
    test.zinc().inject(Injected::Fault(Fault::TooMany));
    let heard = test.create(&order("k1", "o1")).await;
    assert!(!heard.text().to_lowercase().contains("retry-after"));
    test.create(&order("k1", "o1")).await.request_id();
}

#[tokio::test]
async fn refusals_and_answers_without_a_word_say_nothing_of_what_was_done() {
    for (fault, statuses, buys) in [
        (Fault::Forbidden, 401..404, false),
        (Fault::OddError, 400..423, true),
        (Fault::EmptyAnswer, 200..203, true),
    ] {
        let (heard, bought, test) = one(fault).await;
        assert!(statuses.contains(&heard.status()), "{fault:?}: {}", heard.status());
        assert_eq!(said(&heard), (Value::Null, Value::Null), "{fault:?}");
        assert_eq!(bought, buys, "{fault:?}");
        test.create(&order("k1", "o1")).await.request_id();
        assert_eq!(test.zinc().purchases_of("o1").len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn reads_and_lists_are_refused_in_the_same_ways() {
    for (fault, statuses) in [
        (Fault::ReadTooMany, 429..430),
        (Fault::ReadForbidden, 401..404),
        (Fault::ReadOdd, 200..423),
    ] {
        let test = Test::new().await;
        let id = test.create(&order("k1", "o1")).await.request_id();
        for path in [format!("/v1/orders/{id}"), "/v1/orders".to_owned()] {
            test.zinc().inject(Injected::Fault(fault));
            let heard = test.get(&path).await;
            assert!(statuses.contains(&heard.status()), "{fault:?}: {}", heard.status());
            assert_eq!(said(&heard), (Value::Null, Value::Null), "{fault:?}");
        }
        assert_eq!(test.read(&id).await.json()["_type"], "order_response");
        assert_eq!(test.zinc().summary().faults[&fault], 2);
    }
}

#[tokio::test]
async fn an_end_without_a_purchase_names_nobody_but_in_the_list() {
    let faults = Faults { fail_later: 1.0, ..Faults::none() };
    let test = Test::with_faults(faults).await;
    let id = test.create(&order("k1", "o1")).await.request_id();
    let read = test.read(&id).await;
    assert_eq!(read.json()["_type"], "error");
    assert!(!read.body().contains("o1") && !read.body().contains("client_notes"));
    let list = test.get("/v1/orders").await.json();
    assert_eq!(list[0]["request"]["client_notes"]["order_id"], "o1");
    assert_eq!((&list[0]["request_id"], &list[0]["_type"]), (&json!(id), &json!("error")));
}

#[tokio::test]
async fn parcels_are_delivered_one_by_one() {
    let test = Test::with(Settings {
        placed_after_ms: 1_000,
        delivered_after_ms: 4_000,
        quirks: true,
        split: 1.0,
        ..settings()
    })
    .await;
    let id = test.create(&order("k1", "o1")).await.request_id();
    let arrived = async |by_ms| {
        test.clock.advance(by_ms);
        let answer = test.read(&id).await.json();
        let name = |entry: &Value| entry["merchant_order_id"].as_str().unwrap().to_owned();
        let all = |field: &str| -> Vec<String> {
            answer[field].as_array().unwrap().iter().map(name).collect()
        };
        assert_eq!(all("merchant_order_ids").len(), 2);
        assert_eq!(all("merchant_order_ids")[..all("tracking").len()], all("tracking"));
        all("tracking").len()
    };
    assert_eq!(arrived(1_000).await, 0);
    assert_eq!(arrived(1_999).await, 0);
    assert_eq!(arrived(1).await, 1, "half of it");
    assert_eq!(arrived(1_999).await, 1);
    assert_eq!(arrived(1).await, 2);
}

#[tokio::test]
async fn a_fault_of_the_account_is_stored_under_its_key_like_any_other_error() {
    let test = Test::new().await;
    test.zinc().inject(Injected::Refusal("account_locked".to_owned()));
    for _ in 0..3 {
        assert_eq!(test.create(&order("k1", "o1")).await.json()["code"], "account_locked");
    }
    test.create(&order("k2", "o1")).await.request_id();
    let codes = [Faults::none().refuse_codes, Faults::none().fail_codes];
    assert!(codes.iter().all(|codes| codes.contains(&"account_locked".to_owned())));
}
