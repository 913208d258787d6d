//! Every change is told: which events there are, and what stands in them.

use crate::client::Test;
use crate::shop::{PAID, START_S, kinds, kinds_from, shop};
use orders_sandbox::StripeFaults;
use orders_sandbox::stripe::{Fact, RefundStatus, Settings};
use std::collections::BTreeSet;

#[tokio::test]
async fn every_change_of_a_payment_is_told_once() {
    let test = Test::new().await;
    let stripe = test.stripe();
    let ask = async |path: &str, form: &str| {
        let from = stripe.events().len();
        let answer = test.ask(path, &format!("{path} {form} {from}"), form).await.json();
        let id = answer["id"].as_str().or(answer["error"]["payment_intent"]["id"].as_str());
        (id.unwrap_or_default().to_owned(), kinds_from(stripe, from).join(" "))
    };
    let made = "payment_intent.created";
    let (_, told) = ask("/payment_intents", PAID).await;
    assert_eq!(told, format!("{made} payment_intent.succeeded"));
    let (id, told) = ask("/payment_intents", &PAID.replace("visa", "chargeDeclined")).await;
    assert_eq!(told, format!("{made} payment_intent.payment_failed"));
    let confirm = format!("/payment_intents/{id}/confirm");
    let (_, told) = ask(&confirm, "payment_method=pm_card_visa").await;
    assert_eq!(told, "payment_intent.succeeded");
    let (_, told) = ask("/payment_intents", &PAID.replace("card_visa", "usBankAccount")).await;
    assert_eq!(told, format!("{made} payment_intent.processing"));
    let (id, told) = ask("/payment_intents", &PAID.replace("visa", "authenticationRequired")).await;
    assert_eq!(told, format!("{made} payment_intent.requires_action"));
    let (_, told) = ask(&format!("/payment_intents/{id}/cancel"), "").await;
    assert_eq!(told, "payment_intent.canceled");
    let (id, told) = ask("/payment_intents", &format!("{PAID}&capture_method=manual")).await;
    assert_eq!(told, format!("{made} payment_intent.amount_capturable_updated"));
    let (_, told) = ask(&format!("/payment_intents/{id}/capture"), "").await;
    assert_eq!(told, "payment_intent.succeeded");
    stripe.next_refund(RefundStatus::Pending);
    let (refund, told) = ask("/refunds", &format!("payment_intent={id}")).await;
    assert_eq!(told, "refund.created charge.refunded");
    let from = stripe.events().len();
    stripe.move_refund(&refund, RefundStatus::Succeeded);
    assert_eq!(kinds_from(stripe, from), ["refund.updated"]);
    stripe.move_refund(&refund, RefundStatus::Failed);
    assert_eq!(kinds_from(stripe, from + 1), ["refund.updated", "refund.failed"]);
}

#[tokio::test]
async fn an_event_shows_its_object_as_it_stood_then() {
    let test = Test::new().await;
    let made = test.ask("/payment_intents", "key 1", PAID).await.json();
    let id = made["id"].as_str().unwrap();
    test.clock.advance(2000);
    test.stripe().change(id, Fact::Amount(5));
    test.stripe().refund(id, Some(99)).unwrap();
    let list = test.look("/events").await.json();
    let events = list["data"].as_array().unwrap();
    let [refunded, returned, paid, created] = events.as_slice() else { panic!("{list}") };
    assert_eq!(
        (&created["type"], &paid["type"]),
        (&"payment_intent.created".into(), &"payment_intent.succeeded".into())
    );
    let object = &paid["data"]["object"];
    assert_eq!((&object["amount"], &object["status"]), (&1099.into(), &"succeeded".into()));
    assert!(object["latest_charge"].is_string(), "not expanded");
    assert_eq!((&paid["object"], &paid["created"]), (&"event".into(), &START_S.into()));
    assert_eq!(paid["api_version"], "2025-04-30.basil");
    assert_eq!((&paid["livemode"], &paid["pending_webhooks"]), (&false.into(), &0.into()));
    assert_eq!(paid["request"]["idempotency_key"], "key 1");
    assert!(paid["request"]["id"].as_str().unwrap().starts_with("req_"));
    assert_eq!(refunded["type"], "charge.refunded");
    assert_eq!(
        (&refunded["data"]["object"]["object"], &refunded["created"]),
        (&"charge".into(), &(START_S + 2).into())
    );
    assert_eq!(refunded["data"]["previous_attributes"]["amount_refunded"], 0);
    assert_eq!(returned["data"]["object"]["metadata"], serde_json::json!({}));
    assert!(refunded["request"]["id"].is_null(), "nobody's call");
    let one = test.look(&format!("/events/{}", paid["id"].as_str().unwrap())).await.json();
    assert_eq!(one, *paid);
}

#[tokio::test]
async fn the_version_and_the_mode_of_events_are_those_of_the_account() {
    let settings = Settings { api_version: "2026-09-30.endive".to_owned(), ..Settings::default() };
    let test = shop(settings).await;
    let id = test.stripe().pay("o1", 100, "usd");
    test.stripe().change(&id, Fact::Livemode(true));
    test.stripe().refund(&id, None).unwrap();
    let events = test.stripe().events();
    assert!(events.iter().all(|event| event.api_version == "2026-09-30.endive"));
    let modes: Vec<bool> = events.iter().map(|event| event.livemode).collect();
    assert_eq!(modes, [false, false, true, true], "a refund is as live as its intent");
}

#[tokio::test]
async fn the_ids_of_events_follow_from_the_seed() {
    let make = async |seed| {
        let test = shop(Settings { seed, ..Settings::default() }).await;
        test.stripe().pay("o1", 100, "usd");
        test.stripe().pay("o2", 100, "usd");
        test.stripe().events().iter().map(|event| event.id.clone()).collect::<Vec<_>>()
    };
    let first = make(1).await;
    assert_eq!(first, make(1).await);
    assert_ne!(first, make(2).await);
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 4);
    assert!(first.iter().all(|id| id.starts_with("evt_") && id.len() == 28), "{first:?}");
}

#[tokio::test]
async fn one_fact_may_become_two_events() {
    let faults = StripeFaults { event_doubled: 1.0, ..StripeFaults::none() };
    let test = shop(Settings { faults, ..Settings::default() }).await;
    test.stripe().pay("o1", 100, "usd");
    let events = test.stripe().events();
    let twice = ["payment_intent.created", "payment_intent.succeeded"].map(|kind| [kind; 2]);
    assert_eq!(kinds(test.stripe()), twice.concat());
    assert_eq!(events[2].object, events[3].object);
    assert_ne!(events[2].id, events[3].id);
}

#[tokio::test]
async fn a_status_set_by_a_test_is_told_and_other_facts_are_not() {
    let test = Test::new().await;
    let id = test.stripe().pay("o1", 100, "usd");
    for (status, kind) in [
        ("canceled", "payment_intent.canceled"),
        ("processing", "payment_intent.processing"),
        ("requires_action", "payment_intent.requires_action"),
        ("requires_payment_method", "payment_intent.payment_failed"),
        ("requires_capture", "payment_intent.amount_capturable_updated"),
        ("succeeded", "payment_intent.succeeded"),
    ] {
        let from = test.stripe().events().len();
        test.stripe().change(&id, Fact::Status(status.to_owned()));
        assert_eq!(kinds_from(test.stripe(), from), [kind]);
    }
    let from = test.stripe().events().len();
    test.stripe().change(&id, Fact::AmountReceived(1));
    test.stripe().change(&id, Fact::Currency("eur".to_owned()));
    assert!(kinds_from(test.stripe(), from).is_empty());
}
