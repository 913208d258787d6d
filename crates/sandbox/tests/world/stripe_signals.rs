//! Disputes, reviews, warnings and checkouts, as the shop reads them and as it is told of them.

use crate::client::Test;
use crate::shop::{PAID, ids, kinds_from};
use orders_sandbox::stripe::{DisputeStatus, Fact};

#[tokio::test]
async fn a_dispute_is_read_listed_and_told_at_every_step() {
    let test = Test::new().await;
    let (other, id) = (test.stripe().pay("o0", 5, "usd"), test.stripe().pay("o1", 1000, "usd"));
    let from = test.stripe().events().len();
    let dispute = test.stripe().dispute(&id, DisputeStatus::WarningNeedsResponse).unwrap();
    for status in [
        DisputeStatus::WarningUnderReview,
        DisputeStatus::NeedsResponse,
        DisputeStatus::UnderReview,
        DisputeStatus::Lost,
    ] {
        assert!(test.stripe().move_dispute(&dispute, status));
    }
    assert!(!test.stripe().move_dispute(&dispute, DisputeStatus::Lost), "nothing changes");
    assert_eq!(
        kinds_from(test.stripe(), from),
        [
            "charge.dispute.created",
            "charge.dispute.updated",
            "charge.dispute.updated",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.updated",
            "charge.dispute.closed",
        ]
    );
    let read = test.look(&format!("/disputes/{dispute}")).await.json();
    assert_eq!((&read["status"], &read["amount"]), (&"lost".into(), &1000.into()));
    assert_eq!(
        (&read["object"], &read["is_charge_refundable"]),
        (&"dispute".into(), &false.into())
    );
    let of = |id: &str| format!("/disputes?payment_intent={id}");
    assert_eq!(ids(&test.look(&of(&id)).await.json()), [dispute.as_str()]);
    assert!(ids(&test.look(&of(&other)).await.json()).is_empty());
    let by_charge = format!("/disputes?charge={}", read["charge"].as_str().unwrap());
    assert_eq!(ids(&test.look(&by_charge).await.json()), [dispute.as_str()]);
    assert_eq!(test.look(&of("pi_nobody")).await.status(), 404, "not an empty list");
}

#[tokio::test]
async fn a_chargeback_takes_the_money_at_once_and_winning_brings_it_back() {
    let test = Test::new().await;
    let id = test.stripe().pay("o1", 1000, "usd");
    let from = test.stripe().events().len();
    let dispute = test.stripe().dispute(&id, DisputeStatus::NeedsResponse).unwrap();
    test.stripe().move_dispute(&dispute, DisputeStatus::Won);
    assert_eq!(
        kinds_from(test.stripe(), from),
        [
            "charge.dispute.created",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.closed",
            "charge.dispute.funds_reinstated",
        ]
    );
    let open = test.stripe().open_intent("o2", 5, "usd");
    assert_eq!(test.stripe().dispute(&open, DisputeStatus::NeedsResponse), None);
}

#[tokio::test]
async fn a_review_stands_on_its_intent_until_it_is_closed() {
    let test = Test::new().await;
    let id = test.stripe().pay("o1", 1000, "usd");
    let from = test.stripe().events().len();
    let review = test.stripe().review(&id).unwrap();
    assert_eq!(test.stripe().review(&id), None, "one is open");
    let path = format!("/payment_intents/{id}");
    assert_eq!(test.look(&path).await.json()["review"], review.as_str());
    let read = test.look(&format!("/reviews/{review}")).await.json();
    assert_eq!((&read["open"], &read["closed_reason"]), (&true.into(), &().into()));
    assert_eq!(read["payment_intent"], id.as_str());
    assert!(test.stripe().close_review(&review, "refunded_as_fraud"));
    assert!(!test.stripe().close_review(&review, "approved"), "it is closed");
    assert_eq!(test.look(&path).await.json()["review"], serde_json::Value::Null);
    let read = test.look(&format!("/reviews/{review}")).await.json();
    assert_eq!(
        (&read["open"], &read["closed_reason"]),
        (&false.into(), &"refunded_as_fraud".into())
    );
    assert_eq!(kinds_from(test.stripe(), from), ["review.opened", "review.closed"]);
    // The same as a fact.
    test.stripe().change(&id, Fact::Review(true));
    assert!(test.look(&path).await.json()["review"].is_string());
    test.stripe().change(&id, Fact::Review(false));
    assert!(test.look(&path).await.json()["review"].is_null());
}

#[tokio::test]
async fn a_warning_is_listed_for_its_intent_and_told() {
    let test = Test::new().await;
    let (other, id) = (test.stripe().pay("o0", 5, "usd"), test.stripe().pay("o1", 1000, "usd"));
    let warning = test.stripe().warn(&id).unwrap();
    assert_eq!(test.stripe().events().last().unwrap().kind, "radar.early_fraud_warning.created");
    let of = |id: &str| format!("/radar/early_fraud_warnings?payment_intent={id}");
    assert_eq!(ids(&test.look(&of(&id)).await.json()), [warning.as_str()]);
    assert!(ids(&test.look(&of(&other)).await.json()).is_empty());
    let path = format!("/radar/early_fraud_warnings/{warning}");
    let read = test.look(&path).await.json();
    assert_eq!((&read["payment_intent"], &read["actionable"]), (&id.as_str().into(), &true.into()));
    test.stripe().refund(&id, None).unwrap();
    assert_eq!(test.look(&path).await.json()["actionable"], false);
}

#[tokio::test]
async fn a_checkout_that_is_complete_may_still_be_unpaid() {
    let test = Test::new().await;
    let slow = PAID.replace("pm_card_visa", "pm_usBankAccount");
    let mut from = 0;
    for (key, paid, kind) in [
        ("a", true, "checkout.session.async_payment_succeeded"),
        ("b", false, "checkout.session.async_payment_failed"),
    ] {
        let intent = test.ask("/payment_intents", key, &slow).await.json();
        let id = intent["id"].as_str().unwrap();
        let session = test.stripe().check_out(id).unwrap();
        let path = format!("/checkout/sessions/{session}");
        let read = test.look(&path).await.json();
        assert_eq!(
            (&read["status"], &read["payment_status"]),
            (&"complete".into(), &"unpaid".into())
        );
        assert_eq!(read["payment_intent"], id);
        let told = if paid { test.stripe().approve(id) } else { test.stripe().decline(id) };
        assert!(told);
        let read = test.look(&path).await.json();
        assert_eq!(read["payment_status"], if paid { "paid" } else { "unpaid" });
        let word = if paid { "payment_intent.succeeded" } else { "payment_intent.payment_failed" };
        assert_eq!(
            kinds_from(test.stripe(), from),
            [
                "payment_intent.created",
                "payment_intent.processing",
                "checkout.session.completed",
                word,
                kind,
            ]
        );
        from = test.stripe().events().len();
    }
}

#[tokio::test]
async fn facts_make_real_refunds_and_disputes() {
    let test = Test::new().await;
    let id = test.stripe().pay("o1", 1000, "usd");
    for (total, live) in [(400, 1), (900, 2), (400, 1), (0, 0)] {
        test.stripe().change(&id, Fact::Refunded(total));
        let refunds = test.stripe().refunds_of(&id);
        let live_now: Vec<_> = refunds.iter().filter(|it| it.status.is_live()).collect();
        assert_eq!(live_now.len(), live, "{total}");
        assert_eq!(live_now.iter().map(|it| it.amount).sum::<i64>(), total);
        assert_eq!(test.stripe().intent(&id).unwrap().amount_refunded, total);
    }
    test.stripe().change(&id, Fact::Disputed(true));
    let list = test.look(&format!("/disputes?payment_intent={id}")).await.json();
    assert_eq!(list["data"][0]["status"], "needs_response");
}
