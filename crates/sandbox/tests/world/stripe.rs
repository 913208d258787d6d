//! The fake Stripe: payments, keys and facts.

use crate::client::{Heard, SECRET, Test, call};
use orders_sandbox::stripe::{Event, Fact};

const FORM: &str = "amount=1099&currency=USD&metadata[order_id]=o1";
const PAID: &str =
    "amount=1099&currency=USD&metadata[order_id]=o1&confirm=true&payment_method=pm_card_visa";

async fn post(test: &Test, path: &str, key: &str, form: &str) -> Heard {
    let path = format!("/v1/payment_intents{path}");
    let key = format!("Idempotency-Key: {key}");
    let form_type = "Content-Type: application/x-www-form-urlencoded";
    call(test.running.addr, "POST", &path, &[SECRET, &key, form_type], form).await
}

async fn get(test: &Test, path: &str) -> Heard {
    call(test.running.addr, "GET", &format!("/v1/payment_intents{path}"), &[SECRET], "").await
}

fn id(heard: &Heard) -> String {
    heard.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_payment_is_created_confirmed_and_read() {
    let test = Test::new().await;
    let created = post(&test, "", "a", FORM).await;
    assert_eq!(created.json()["status"], "requires_payment_method");
    assert_eq!(created.json()["amount_received"], 0);
    let id = id(&created);
    assert!(id.starts_with("pi_") && id.len() == 27, "{id}");
    let path = format!("/{id}/confirm");
    let confirmed = post(&test, &path, "b", "payment_method=pm_card_visa").await;
    assert_eq!(confirmed.json()["status"], "succeeded");
    let read = get(&test, &format!("/{id}?expand[]=latest_charge")).await.json();
    assert_eq!(read["object"], "payment_intent");
    assert_eq!((&read["amount"], &read["amount_received"]), (&1099.into(), &1099.into()));
    assert_eq!(read["currency"], "usd");
    assert_eq!(read["livemode"], false);
    assert_eq!(read["metadata"]["order_id"], "o1");
    let charge = &read["latest_charge"];
    assert_eq!((&charge["refunded"], &charge["amount_refunded"]), (&false.into(), &0.into()));
    assert_eq!(charge["disputed"], false);
    let plain = get(&test, &format!("/{id}")).await.json();
    assert_eq!(plain["latest_charge"], charge["id"]);
    let events: Vec<_> = test.stripe().ledger().into_iter().map(|line| line.event).collect();
    assert!(matches!(events[0], Event::Created { .. }));
    assert!(events.iter().any(|event| matches!(event, Event::Confirmed { .. })));
}

#[tokio::test]
async fn a_payment_confirmed_at_once_has_succeeded_and_a_manual_one_waits() {
    let test = Test::new().await;
    assert_eq!(post(&test, "", "a", PAID).await.json()["status"], "succeeded");
    let manual = post(&test, "", "b", &format!("{PAID}&capture_method=manual")).await.json();
    assert_eq!(manual["status"], "requires_capture");
    assert_eq!(manual["amount_capturable"], 1099);
}

#[tokio::test]
async fn a_repeated_key_gets_the_stored_answer_and_other_parameters_an_error() {
    let test = Test::new().await;
    let first = post(&test, "", "a", PAID).await;
    let again = post(&test, "", "a", PAID).await;
    assert_eq!(first.body(), again.body());
    assert!(!first.text().contains("idempotent-replayed: true"));
    assert!(again.text().contains("idempotent-replayed: true"));
    let other = post(&test, "", "a", FORM).await;
    assert_eq!(other.status(), 400);
    assert_eq!(other.json()["error"]["type"], "idempotency_error");
    test.clock.advance(24 * 3_600_000);
    assert_ne!(post(&test, "", "a", PAID).await.body(), first.body(), "a day later the key is new");
}

#[tokio::test]
async fn a_decline_is_stored_and_a_validation_error_is_not() {
    let test = Test::new().await;
    let declined = PAID.replace("pm_card_visa", "pm_card_chargeDeclined");
    let first = post(&test, "", "a", &declined).await;
    assert_eq!(first.status(), 402);
    assert_eq!(first.json()["error"]["code"], "card_declined");
    assert_eq!(first.json()["error"]["payment_intent"]["status"], "requires_payment_method");
    assert_eq!(post(&test, "", "a", &declined).await.body(), first.body());
    let intents = |test: &Test| {
        let is_created = |event: &Event| matches!(event, Event::Created { .. });
        test.stripe().ledger().iter().filter(|line| is_created(&line.event)).count()
    };
    assert_eq!(intents(&test), 1);
    let invalid = post(&test, "", "b", "currency=usd").await;
    assert_eq!(invalid.json()["error"]["param"], "amount");
    assert_eq!(post(&test, "", "b", PAID).await.json()["status"], "succeeded");
}

#[tokio::test]
async fn wrong_calls_are_refused_in_stripes_words() {
    let test = Test::new().await;
    let addr = test.running.addr;
    let heard = call(addr, "GET", "/v1/payment_intents", &["Authorization: Bearer no"], "").await;
    assert_eq!(heard.status(), 401);
    let missing = get(&test, "/pi_nobody").await;
    assert_eq!(
        (missing.status(), &missing.json()["error"]["code"]),
        (404, &"resource_missing".into())
    );
    let paid = id(&post(&test, "", "a", PAID).await);
    let twice = post(&test, &format!("/{paid}/confirm"), "b", "payment_method=pm_card_visa").await;
    assert_eq!(twice.json()["error"]["code"], "payment_intent_unexpected_state");
    for form in ["amount=x&currency=usd", "amount=0&currency=usd", "amount=1&currency=us1"] {
        assert_eq!(post(&test, "", "c", form).await.status(), 400, "{form}");
    }
}

#[tokio::test]
async fn payments_are_listed_page_by_page_the_newest_first() {
    let test = Test::new().await;
    let ids: Vec<String> =
        (0..5).map(|n| test.stripe().pay(&format!("o{n}"), 100, "usd")).collect();
    let first = get(&test, "?limit=3").await.json();
    assert_eq!(first["data"][0]["id"], ids[4].as_str());
    assert_eq!(first["has_more"], true);
    let rest = get(&test, &format!("?limit=3&starting_after={}", ids[2])).await.json();
    assert_eq!(rest["data"].as_array().unwrap().len(), 2);
    assert_eq!(rest["has_more"], false);
    assert_eq!(rest["data"][1]["id"], ids[0].as_str());
}

#[tokio::test]
async fn facts_change_behind_the_shops_back() {
    let test = Test::new().await;
    let id = test.stripe().pay("o1", 1000, "usd");
    for fact in [
        Fact::Refunded(400),
        Fact::Disputed(true),
        Fact::AmountReceived(900),
        Fact::OrderId(Some("o2".to_owned())),
        Fact::Livemode(true),
        Fact::Review(true),
    ] {
        assert!(test.stripe().change(&id, fact));
    }
    let read = get(&test, &format!("/{id}?expand[]=latest_charge")).await.json();
    let charge = &read["latest_charge"];
    assert_eq!((&charge["amount_refunded"], &charge["refunded"]), (&400.into(), &false.into()));
    assert_eq!(charge["disputed"], true);
    assert_eq!(read["amount_received"], 900);
    assert_eq!(read["metadata"]["order_id"], "o2");
    assert_eq!(read["livemode"], true);
    assert!(read["review"].is_string());
    let body = format!("{{\"id\":\"{id}\",\"fact\":{{\"refunded\":900}}}}");
    let done = call(test.running.addr, "POST", "/_sandbox/stripe/change", &[], &body).await;
    assert_eq!(done.body(), "true");
    let read = get(&test, &format!("/{id}?expand[]=latest_charge")).await.json();
    assert_eq!(read["latest_charge"]["refunded"], true);
    assert!(!test.stripe().change("pi_nobody", Fact::Disputed(true)));
}
