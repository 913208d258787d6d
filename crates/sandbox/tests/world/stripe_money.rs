//! The fake Stripe's money: authorised, captured, released, refunded, and never more than there is.

use crate::client::Test;
use crate::shop::{PAID, START_S, ids, kinds_from, shop};
use orders_sandbox::stripe::{DisputeStatus, Fact, RefundStatus, Settings};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

async fn charge(test: &Test, intent: &str) -> serde_json::Value {
    let read = test.look(&format!("/payment_intents/{intent}?expand[]=latest_charge")).await.json();
    read["latest_charge"].clone()
}

#[tokio::test]
async fn an_authorisation_is_captured_once_and_the_rest_is_released() {
    let test = Test::new().await;
    let id = test.stripe().authorise("o1", 1000, "USD");
    let held = test.look(&format!("/payment_intents/{id}")).await.json();
    assert_eq!(
        (&held["status"], &held["amount_capturable"]),
        (&"requires_capture".into(), &1000.into())
    );
    assert_eq!(held["amount_received"], 0);
    let before = charge(&test, &id).await;
    assert_eq!((&before["captured"], &before["paid"]), (&false.into(), &true.into()));
    let before_s = &before["payment_method_details"]["card"]["capture_before"];
    assert_eq!(*before_s, START_S + 7 * 86_400);
    let path = format!("/payment_intents/{id}/capture");
    let over = test.ask(&path, "a", "amount_to_capture=1001").await;
    assert_eq!((over.status(), &over.json()["error"]["code"]), (400, &"amount_too_large".into()));
    let captured = test.ask(&path, "b", "amount_to_capture=700").await.json();
    assert_eq!(
        (&captured["status"], &captured["amount_received"]),
        (&"succeeded".into(), &700.into())
    );
    assert_eq!((&captured["amount_capturable"], &captured["amount"]), (&0.into(), &1000.into()));
    let after = charge(&test, &id).await;
    assert_eq!((&after["captured"], &after["amount_captured"]), (&true.into(), &700.into()));
    assert_eq!((&after["amount_refunded"], &after["refunded"]), (&0.into(), &false.into()));
    let again = test.ask(&path, "c", "").await.json();
    assert_eq!(again["error"]["code"], "payment_intent_unexpected_state");
    assert_eq!(again["error"]["payment_intent"]["id"], id.as_str());
}

#[tokio::test]
async fn a_release_shows_as_a_refund_where_that_is_asked_for() {
    let test = shop(Settings { release_shows_as_refund: true, ..Settings::default() }).await;
    let part = test.stripe().authorise("o1", 1000, "usd");
    let from = test.stripe().events().len();
    test.ask(&format!("/payment_intents/{part}/capture"), "a", "amount_to_capture=700").await;
    assert_eq!(kinds_from(test.stripe(), from), ["payment_intent.succeeded", "charge.refunded"]);
    let shown = charge(&test, &part).await;
    assert_eq!((&shown["amount_refunded"], &shown["refunded"]), (&300.into(), &false.into()));
    let none = test.stripe().authorise("o2", 500, "usd");
    let from = test.stripe().events().len();
    test.ask(&format!("/payment_intents/{none}/cancel"), "b", "").await;
    assert_eq!(kinds_from(test.stripe(), from), ["payment_intent.canceled", "charge.refunded"]);
    let shown = charge(&test, &none).await;
    assert_eq!((&shown["amount_refunded"], &shown["refunded"]), (&500.into(), &true.into()));
    // It is no refund: all that was captured can still be returned.
    assert_eq!(test.stripe().refund(&part, None).map(|_| ()), Ok(()));
    assert_eq!(test.stripe().refunds_of(&part)[0].amount, 700);
}

#[tokio::test]
async fn an_authorisation_that_is_not_captured_in_time_is_canceled_by_itself() {
    let test = Test::new().await;
    let id = test.stripe().authorise("o1", 1000, "usd");
    let captured = test.stripe().authorise("o2", 1000, "usd");
    test.ask(&format!("/payment_intents/{captured}/capture"), "a", "").await;
    test.clock.advance(7 * DAY_MS - 1);
    assert_eq!(test.stripe().intent(&id).unwrap().status, "requires_capture");
    test.clock.advance(1);
    let late = test.ask(&format!("/payment_intents/{id}/capture"), "b", "").await.json();
    assert_eq!(late["error"]["code"], "payment_intent_unexpected_state");
    let read = test.look(&format!("/payment_intents/{id}")).await.json();
    assert_eq!(
        (&read["status"], &read["cancellation_reason"]),
        (&"canceled".into(), &"automatic".into())
    );
    assert_eq!(read["canceled_at"], START_S + 7 * 86_400);
    assert_eq!(read["amount_capturable"], 0);
    assert_eq!(test.stripe().intent(&captured).unwrap().status, "succeeded");
    let last = test.stripe().events().last().unwrap().clone();
    assert_eq!((last.kind.as_str(), last.request.clone()), ("payment_intent.canceled", None));
}

#[tokio::test]
async fn the_window_of_an_authorisation_can_be_set_and_begins_anew_with_another_one() {
    let test = shop(Settings { capture_window_ms: 5_000, ..Settings::default() }).await;
    let id = test.stripe().authorise("o1", 1000, "usd");
    test.stripe().change(&id, Fact::Status("requires_payment_method".to_owned()));
    test.clock.advance(1_000);
    test.stripe().approve(&id);
    test.clock.advance(4_999);
    assert_eq!(test.stripe().intent(&id).unwrap().status, "requires_capture");
    test.clock.advance(1);
    assert_eq!(test.stripe().intent(&id).unwrap().status, "canceled");
}

#[tokio::test]
async fn an_intent_is_canceled_before_it_is_paid_and_never_after() {
    let test = Test::new().await;
    let cancel = |id: String| format!("/payment_intents/{id}/cancel");
    let open = test.stripe().open_intent("o1", 10, "usd");
    let done = test.ask(&cancel(open.clone()), "a", "cancellation_reason=abandoned").await.json();
    assert_eq!(
        (&done["status"], &done["cancellation_reason"]),
        (&"canceled".into(), &"abandoned".into())
    );
    let held = test.stripe().authorise("o2", 10, "usd");
    assert_eq!(test.ask(&cancel(held), "b", "").await.json()["status"], "canceled");
    let paid = test.stripe().pay("o3", 10, "usd");
    let slow = PAID.replace("pm_card_visa", "pm_usBankAccount");
    let slow = test.ask("/payment_intents", "c", &slow).await.json();
    assert_eq!(slow["status"], "processing");
    for id in [open, paid, slow["id"].as_str().unwrap().to_owned()] {
        let refused = test.ask(&cancel(id.clone()), &format!("d {id}"), "").await;
        assert_eq!(refused.json()["error"]["code"], "payment_intent_unexpected_state", "{id}");
    }
    let wrong = test.ask("/payment_intents/pi_x/cancel", "e", "cancellation_reason=mood").await;
    assert_eq!(wrong.json()["error"]["param"], "cancellation_reason");
}

#[tokio::test]
async fn slow_banks_and_absent_customers_say_yes_or_no_later() {
    let test = Test::new().await;
    let make = async |key: &str, method: &str| {
        let made = test.ask("/payment_intents", key, &PAID.replace("pm_card_visa", method)).await;
        (made.json()["id"].as_str().unwrap().to_owned(), made.json())
    };
    let (slow, json) = make("a", "pm_usBankAccount").await;
    assert_eq!((&json["status"], &json["amount_received"]), (&"processing".into(), &0.into()));
    assert_eq!(charge(&test, &slow).await["status"], "pending");
    assert!(test.stripe().approve(&slow));
    let paid = charge(&test, &slow).await;
    assert_eq!((&paid["status"], &paid["amount_captured"]), (&"succeeded".into(), &1099.into()));
    assert!(!test.stripe().approve(&slow), "it was paid already");
    let (absent, json) = make("b", "pm_card_authenticationRequired").await;
    assert_eq!((&json["status"], &json["latest_charge"]), (&"requires_action".into(), &().into()));
    assert!(test.stripe().decline(&absent));
    let failed = charge(&test, &absent).await;
    assert_eq!((&failed["status"], &failed["paid"]), (&"failed".into(), &false.into()));
    let path = format!("/payment_intents/{absent}/confirm");
    test.ask(&path, "c", "payment_method=pm_card_visa").await;
    let second = charge(&test, &absent).await;
    assert_ne!(second["id"], failed["id"], "each try has a charge of its own");
    let first = test.look(&format!("/charges/{}", failed["id"].as_str().unwrap())).await.json();
    assert_eq!((&first["status"], &first["amount_captured"]), (&"failed".into(), &0.into()));
}

#[tokio::test]
async fn refunds_never_exceed_what_was_captured() {
    let test = Test::new().await;
    let id = test.stripe().authorise("o1", 1000, "usd");
    test.ask(&format!("/payment_intents/{id}/capture"), "a", "amount_to_capture=700").await;
    let form = |rest: &str| format!("payment_intent={id}{rest}");
    let first = test.ask("/refunds", "b", &form("&amount=200&metadata[refund_id]=r1")).await.json();
    assert_eq!((&first["object"], &first["amount"]), (&"refund".into(), &200.into()));
    assert_eq!(
        (&first["status"], &first["metadata"]["refund_id"]),
        (&"succeeded".into(), &"r1".into())
    );
    let over = test.ask("/refunds", "c", &form("&amount=501")).await;
    assert_eq!((over.status(), &over.json()["error"]["code"]), (400, &"amount_too_large".into()));
    assert_eq!(charge(&test, &id).await["refunded"], false);
    let rest = test.ask("/refunds", "d", &form("&reason=requested_by_customer")).await.json();
    assert_eq!((&rest["amount"], &rest["reason"]), (&500.into(), &"requested_by_customer".into()));
    let charge = charge(&test, &id).await;
    assert_eq!((&charge["amount_refunded"], &charge["refunded"]), (&700.into(), &true.into()));
    let none = test.ask("/refunds", "e", &form("")).await;
    assert_eq!(none.json()["error"]["code"], "charge_already_refunded");
    let by_charge = format!("charge={}", charge["id"].as_str().unwrap());
    let none = test.ask("/refunds", "f", &by_charge).await;
    assert_eq!(none.json()["error"]["code"], "charge_already_refunded");
    let list = test.look(&format!("/refunds?payment_intent={id}")).await.json();
    assert_eq!(ids(&list), [&rest["id"], &first["id"]].map(|id| id.as_str().unwrap()));
    let read = test.look(&format!("/refunds/{}", ids(&list)[1])).await.json();
    assert_eq!(read["amount"], 200);
}

#[tokio::test]
async fn what_was_never_captured_cannot_be_refunded() {
    let test = Test::new().await;
    let held = test.stripe().authorise("o1", 1000, "usd");
    let open = test.stripe().open_intent("o2", 1000, "usd");
    for (key, id) in [("a", held), ("b", open)] {
        let refused = test.ask("/refunds", key, &format!("payment_intent={id}")).await;
        assert_eq!(refused.status(), 400);
        assert_eq!(refused.json()["error"]["code"], "payment_intent_unexpected_state");
    }
    assert_eq!(test.ask("/refunds", "c", "payment_intent=pi_nobody").await.status(), 404);
    for form in [
        "",
        "amount=1",
        "payment_intent=x&amount=0",
        "payment_intent=x&reason=mood",
        "payment_intent=x&ammount=1",
    ] {
        assert_eq!(test.ask("/refunds", "d", form).await.status(), 400, "{form}");
    }
    assert_eq!(test.stripe().summary().sums["usd"].refunded, 0);
}

#[tokio::test]
async fn a_pending_refund_counts_until_it_fails_and_then_the_money_can_be_refunded_again() {
    let test = Test::new().await;
    let id = test.stripe().pay("o1", 1000, "usd");
    test.stripe().next_refund(RefundStatus::Pending);
    let form = format!("payment_intent={id}");
    let refund = test.ask("/refunds", "a", &form).await.json();
    let refund_id = refund["id"].as_str().unwrap();
    assert_eq!(
        (&refund["status"], &refund["pending_reason"]),
        (&"pending".into(), &"processing".into())
    );
    assert_eq!(charge(&test, &id).await["amount_refunded"], 1000);
    assert!(test.stripe().move_refund(refund_id, RefundStatus::Succeeded));
    // Days later it comes back.
    test.clock.advance(3 * DAY_MS);
    assert!(test.stripe().move_refund(refund_id, RefundStatus::Failed));
    let failed = test.look(&format!("/refunds/{refund_id}")).await.json();
    assert_eq!(failed["status"], "failed");
    assert!(
        failed["failure_reason"].is_string() && failed["failure_balance_transaction"].is_string()
    );
    let shown = charge(&test, &id).await;
    assert_eq!((&shown["amount_refunded"], &shown["refunded"]), (&0.into(), &false.into()));
    assert!(!test.stripe().move_refund(refund_id, RefundStatus::Succeeded), "it is over");
    assert_eq!(test.ask("/refunds", "b", &form).await.json()["status"], "succeeded");
    assert_eq!(test.stripe().refunds_of(&id).len(), 2);
    assert_eq!(test.stripe().summary().sums["usd"].refunded, 1000);
}

#[tokio::test]
async fn a_disputed_charge_is_not_refunded_and_stays_disputed_when_that_is_won() {
    let test = Test::new().await;
    let id = test.stripe().pay("o1", 1000, "usd");
    let dispute = test.stripe().dispute(&id, DisputeStatus::NeedsResponse).unwrap();
    let form = format!("payment_intent={id}");
    let refused = test.ask("/refunds", "a", &form).await;
    assert_eq!(
        (refused.status(), &refused.json()["error"]["code"]),
        (400, &"charge_disputed".into())
    );
    assert!(test.stripe().move_dispute(&dispute, DisputeStatus::Won));
    assert_eq!(charge(&test, &id).await["disputed"], true);
    assert_eq!(test.ask("/refunds", "a", &form).await.body(), refused.body(), "the key keeps it");
    assert_eq!(test.ask("/refunds", "b", &form).await.status(), 200);
    let lost = test.stripe().pay("o2", 1000, "usd");
    test.stripe().dispute(&lost, DisputeStatus::Lost).unwrap();
    assert_eq!(test.stripe().refund(&lost, None), Err("charge_disputed".to_owned()));
    let asked = test.stripe().pay("o3", 1000, "usd");
    test.stripe().dispute(&asked, DisputeStatus::WarningNeedsResponse).unwrap();
    assert!(test.stripe().refund(&asked, None).is_ok(), "an inquiry can be answered by a refund");
}

#[tokio::test]
async fn a_refund_under_a_forgotten_key_is_another_refund() {
    let test = Test::new().await;
    let id = test.stripe().pay("o1", 1000, "usd");
    let form = format!("payment_intent={id}&amount=100&metadata[refund_id]=r1");
    let first = test.ask("/refunds", "a", &form).await;
    test.clock.advance(DAY_MS - 1);
    assert_eq!(test.ask("/refunds", "a", &form).await.body(), first.body());
    assert_eq!(test.stripe().summary().repeated_refunds, []);
    test.clock.advance(1);
    assert_ne!(test.ask("/refunds", "a", &form).await.body(), first.body());
    let summary = test.stripe().summary();
    assert_eq!(summary.repeated_refunds.len(), 1);
    assert_eq!(summary.repeated_refunds[0].refund_id, "r1");
    assert_eq!((summary.sums["usd"].refunded, summary.refunds[&id]), (200, 2));
}
