//! Deliveries: signed, repeated, lost, doubled, late and out of order.

use crate::client::Test;
use crate::shop::{Answer, Delivered, Endpoint, START_S, ids, kinds, shop};
use orders_sandbox::StripeFaults;
use orders_sandbox::stripe::{Event, Settings};

const CREATED: &str = "payment_intent.created";
const SUCCEEDED: &str = "payment_intent.succeeded";

async fn with_endpoint(settings: Settings) -> (Test, Endpoint) {
    let endpoint = Endpoint::start().await;
    let webhook_url = Some(endpoint.url.clone());
    // One after the other, so that the order is the courier's and not the network's.
    (shop(Settings { webhook_url, webhooks_at_once: 1, ..settings }).await, endpoint)
}

async fn with_faults(faults: StripeFaults) -> (Test, Endpoint) {
    with_endpoint(Settings { faults, ..Settings::default() }).await
}

fn tries(test: &Test) -> Vec<Option<u16>> {
    let lines = test.stripe().ledger();
    let status = |event: &Event| match event {
        Event::Tried { status, .. } => Some(*status),
        _ => None,
    };
    lines.iter().filter_map(|line| status(&line.event)).collect()
}

#[tokio::test]
async fn an_event_is_delivered_with_a_signature_over_its_very_bytes() {
    let (test, endpoint) = with_endpoint(Settings::default()).await;
    test.clock.advance(5_000);
    test.stripe().pay("o1", 100, "usd");
    test.stripe().deliveries_tried().await;
    let heard = endpoint.heard();
    assert_eq!(endpoint.heard_kinds(), [CREATED, SUCCEEDED]);
    for delivered in &heard {
        assert!(delivered.head.starts_with("POST /hooks/stripe HTTP/1.1\r\n"));
        assert!(delivered.is_signed_with("whsec_sandbox"));
        assert_eq!(delivered.signed_s(), START_S + 5);
        assert_eq!(delivered.event()["pending_webhooks"], 1);
        assert_ne!(delivered.event().to_string(), delivered.body, "other bytes if written anew");
    }
    assert_eq!(heard[1].id(), test.stripe().events()[1].id);
    assert_eq!(tries(&test), [Some(200), Some(200)]);
    let read = test.look(&format!("/events/{}", heard[1].id())).await.json();
    assert_eq!(read["pending_webhooks"], 0);
    assert!(ids(&test.look("/events?delivery_success=false").await.json()).is_empty());
}

#[tokio::test]
async fn while_a_secret_is_changed_both_sign_and_a_v0_proves_nothing() {
    let (test, endpoint) = with_endpoint(Settings::default()).await;
    let secrets = vec!["whsec_old".to_owned(), "whsec_new".to_owned()];
    test.stripe().set_webhook(Some(&endpoint.url), secrets).unwrap();
    test.stripe().pay("o1", 100, "usd");
    test.stripe().deliveries_tried().await;
    let delivered = endpoint.heard()[0].clone();
    assert!(delivered.is_signed_with("whsec_old") && delivered.is_signed_with("whsec_new"));
    assert!(!delivered.is_signed_with("whsec_sandbox"));
    let parts: Vec<&str> = delivered.signature().split(',').map(|part| &part[..3]).collect();
    assert_eq!(parts, ["t=1", "v1=", "v1=", "v0="]);
}

#[tokio::test]
async fn a_failed_delivery_is_repeated_with_growing_gaps_and_new_signatures_for_three_days() {
    let (test, endpoint) = with_endpoint(Settings::default()).await;
    endpoint.answer(&[Answer::Status(500); 40]);
    test.stripe().open_intent("o1", 100, "usd");
    test.stripe().deliveries_tried().await;
    let mut gaps = Vec::new();
    while let Some(owed) = test.stripe().owed().first().cloned() {
        let pending = test.look("/events?delivery_success=false").await.json();
        assert_eq!(pending["data"][0]["pending_webhooks"], 1, "listed while it is repeated");
        let now_ms = START_S * 1000 + gaps.iter().sum::<i64>();
        gaps.push(owed.due_ms - now_ms);
        test.clock.advance(owed.due_ms - now_ms - 1);
        test.stripe().deliveries_tried().await;
        assert_eq!(endpoint.heard().len(), gaps.len(), "not before its time");
        test.clock.advance(1);
        test.stripe().deliveries_tried().await;
    }
    assert!(gaps.windows(2).all(|pair| pair[1] > pair[0]), "{gaps:?}");
    assert!((2..=3).contains(&(gaps.iter().sum::<i64>() / 86_400_000)), "{gaps:?}");
    let heard = endpoint.heard();
    assert_eq!(heard.len(), gaps.len() + 1);
    assert!(heard.iter().all(|it| it.is_signed_with("whsec_sandbox") && it.body == heard[0].body));
    assert!(heard.windows(2).all(|pair| pair[1].signed_s() > pair[0].signed_s()));
    let list = test.look("/events?delivery_success=false").await.json();
    assert_eq!(list["data"][0]["pending_webhooks"], 0, "given up, and still to be found");
}

#[tokio::test]
async fn the_number_of_tries_can_be_limited_as_in_test_mode() {
    let settings =
        Settings { webhook_tries_max: Some(3), webhook_gap_ms: 10, ..Settings::default() };
    let (test, endpoint) = with_endpoint(settings).await;
    endpoint.answer(&[Answer::Status(404), Answer::Status(302), Answer::Status(500)]);
    test.stripe().open_intent("o1", 100, "usd");
    for _ in 0..3 {
        test.stripe().deliveries_tried().await;
        test.clock.advance(1_000);
    }
    assert_eq!(tries(&test), [Some(404), Some(302), Some(500)]);
    assert!(test.stripe().owed().is_empty());
}

#[tokio::test]
async fn silence_and_a_closed_door_are_failures_too() {
    let (test, endpoint) = with_endpoint(Settings::default()).await;
    endpoint.answer(&[Answer::Silence]);
    test.stripe().open_intent("o1", 100, "usd");
    endpoint.until(1).await;
    test.clock.advance(9_999);
    assert!(tries(&test).is_empty());
    test.clock.advance(1);
    test.stripe().deliveries_tried().await;
    assert_eq!(tries(&test), [None]);
    test.stripe().set_webhook(Some("http://127.0.0.1:1/"), vec!["whsec_x".to_owned()]).unwrap();
    test.clock.advance(60_000);
    test.stripe().deliveries_tried().await;
    assert_eq!(tries(&test), [None, None]);
    test.stripe().set_webhook(Some(&endpoint.url), vec!["whsec_x".to_owned()]).unwrap();
    test.clock.advance(180_000);
    test.stripe().deliveries_tried().await;
    assert_eq!(tries(&test), [None, None, Some(200)]);
}

#[tokio::test]
async fn held_deliveries_go_out_in_the_order_that_a_test_says() {
    let (test, endpoint) = with_endpoint(Settings::default()).await;
    test.stripe().hold_deliveries(true);
    test.stripe().pay("o1", 100, "usd");
    test.stripe().pay("o2", 100, "usd");
    test.stripe().deliveries_tried().await;
    assert!(endpoint.heard().is_empty());
    let owed = test.stripe().owed();
    assert_eq!(
        owed.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>(),
        [CREATED, SUCCEEDED, CREATED, SUCCEEDED]
    );
    endpoint.answer(&[Answer::Status(200), Answer::Status(500)]);
    let said = test.stripe().deliver(&[3, 1, 3, 9]).await;
    assert_eq!(said, [Some(200), Some(500), Some(200)]);
    let heard: Vec<String> = endpoint.heard().iter().map(Delivered::id).collect();
    assert_eq!(heard, [&owed[3].event, &owed[1].event, &owed[3].event].map(Clone::clone));
    let rest: Vec<u32> = test.stripe().owed().iter().map(|it| it.tries).collect();
    assert_eq!(rest, [0, 1, 0], "what failed is still owed");
    test.stripe().hold_deliveries(false);
    test.clock.advance(60_000);
    test.stripe().deliveries_tried().await;
    assert!(test.stripe().owed().is_empty());
    assert_eq!(endpoint.heard().len(), 6);
}

#[tokio::test]
async fn a_lost_event_is_never_delivered_and_can_be_found() {
    let (test, endpoint) =
        with_faults(StripeFaults { event_lost: 1.0, ..StripeFaults::none() }).await;
    test.stripe().pay("o1", 100, "usd");
    test.clock.advance(4 * 86_400_000);
    test.stripe().deliveries_tried().await;
    assert!(endpoint.heard().is_empty());
    let list = test.look("/events?delivery_success=false").await.json();
    assert_eq!(ids(&list).len(), 2);
}

#[tokio::test]
async fn an_event_may_come_twice() {
    let (test, endpoint) =
        with_faults(StripeFaults { event_twice: 1.0, ..StripeFaults::none() }).await;
    test.stripe().pay("o1", 100, "usd");
    test.stripe().deliveries_tried().await;
    assert_eq!(endpoint.heard_kinds(), [CREATED, CREATED, SUCCEEDED, SUCCEEDED]);
    let heard = endpoint.heard();
    assert_eq!((heard[0].id(), heard[2].id()), (heard[1].id(), heard[3].id()));
    assert_eq!(kinds(test.stripe()).len(), 2);
}

#[tokio::test]
async fn an_event_may_come_late_but_not_later_than_that() {
    let faults =
        StripeFaults { event_delayed: 1.0, event_delay_ms_max: 500, ..StripeFaults::none() };
    let (test, endpoint) = with_faults(faults).await;
    test.stripe().pay("o1", 100, "usd");
    test.stripe().deliveries_tried().await;
    assert!(endpoint.heard().is_empty());
    test.clock.advance(500);
    test.stripe().deliveries_tried().await;
    assert_eq!(endpoint.heard().len(), 2);
}

#[tokio::test]
async fn an_event_may_be_overtaken_by_a_later_one() {
    let (test, endpoint) =
        with_faults(StripeFaults { event_overtaken: 1.0, ..StripeFaults::none() }).await;
    let id = test.stripe().open_intent("o1", 100, "usd");
    test.stripe().set_faults(StripeFaults::none()).unwrap();
    test.stripe().deliveries_tried().await;
    assert!(endpoint.heard().is_empty());
    test.stripe().approve(&id);
    test.stripe().deliveries_tried().await;
    assert_eq!(endpoint.heard_kinds(), [SUCCEEDED, CREATED]);
}

#[tokio::test]
async fn an_event_that_nothing_overtakes_comes_all_the_same() {
    let (test, endpoint) =
        with_faults(StripeFaults { event_overtaken: 1.0, ..StripeFaults::none() }).await;
    test.stripe().open_intent("o1", 100, "usd");
    test.clock.advance(1_000);
    test.stripe().deliveries_tried().await;
    assert_eq!(endpoint.heard_kinds(), [CREATED]);
}

#[tokio::test]
async fn what_becomes_due_is_told_although_nobody_looks() {
    let (test, endpoint) =
        with_endpoint(Settings { capture_window_ms: 5_000, ..Settings::default() }).await;
    endpoint.answer(&[Answer::Status(500)]);
    let id = test.stripe().authorise("o1", 100, "usd");
    test.stripe().deliveries_tried().await;
    // The world's clock alone: no call, no method, and the repeat is due only later.
    test.clock.advance(5_000);
    endpoint.until(3).await;
    let last = endpoint.heard()[2].event();
    assert_eq!(last["type"], "payment_intent.canceled");
    assert_eq!(last["data"]["object"]["id"], id.as_str());
}

#[tokio::test]
async fn an_endpoint_that_is_removed_is_owed_nothing_more() {
    let (test, endpoint) = with_endpoint(Settings::default()).await;
    test.stripe().hold_deliveries(true);
    test.stripe().pay("o1", 100, "usd");
    test.stripe().set_webhook(None, Vec::new()).unwrap();
    assert!(test.stripe().owed().is_empty() && test.stripe().webhook_url().is_none());
    test.stripe().pay("o2", 100, "usd");
    test.stripe().set_webhook(Some(&endpoint.url), vec!["whsec_x".to_owned()]).unwrap();
    test.stripe().hold_deliveries(false);
    test.stripe().deliveries_tried().await;
    assert!(endpoint.heard().is_empty(), "what happened before an endpoint is not sent to it");
    let failed = ids(&test.look("/events?delivery_success=false").await.json());
    assert_eq!(failed.len(), 2, "those that were owed; nobody was to get the others");
    assert!(test.stripe().set_webhook(Some("https://example.com/"), Vec::new()).is_err());
}
