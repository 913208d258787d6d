//! The tests of reading a payment.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn intent() -> Value {
    json!({
        "id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 4200,
        "amount_received": 4200, "amount_capturable": 0, "currency": "gbp",
        "capture_method": "automatic", "livemode": false, "review": null, "created": 1_767_225_600,
        "cancellation_reason": null, "metadata": {"order_id": "0198"},
        "latest_charge": {"id": "ch_1", "refunded": false, "amount_refunded": 0,
            "disputed": false, "status": "succeeded",
            "payment_method_details": {"card": {"capture_before": null}, "type": "card"}},
    })
}

fn with(change: impl FnOnce(&mut Value)) -> Option<ListedPayment> {
    let mut intent = intent();
    change(&mut intent);
    payment(intent)
}

#[test]
fn the_latest_change_is_that_of_the_charge_or_of_the_end() {
    let changed = |change: fn(&mut Value)| with(change).unwrap().changed;
    assert_eq!(changed(|_| ()), 1_767_225_600);
    assert_eq!(changed(|pi| pi["latest_charge"]["created"] = json!(1_767_225_700)), 1_767_225_700);
    assert_eq!(changed(|pi| pi["canceled_at"] = json!(1_767_225_800)), 1_767_225_800);
    assert_eq!(changed(|pi| pi["canceled_at"] = json!("odd")), 1_767_225_600);
}

#[test]
fn a_payment_is_read_with_its_charge() {
    assert_eq!(
        with(|_| ()).map(|read| read.with(None, false)),
        Some(PaymentFacts {
            id: "pi_1".into(),
            status: "succeeded".into(),
            amount: 4200,
            amount_received: 4200,
            amount_capturable: 0,
            currency: "GBP".into(),
            capture_method: "automatic".into(),
            livemode: false,
            created: 1_767_225_600,
            metadata_order_id: Some("0198".into()),
            latest_charge: Some("ch_1".into()),
            capture_before: None,
            refunded: false,
            amount_refunded: 0,
            disputed: false,
            dispute: None,
            review_open: false,
            warned: false,
            cancellation_reason: None,
        })
    );
    let read = with(|pi| {
        pi["latest_charge"] =
            json!({"id": "ch_2", "refunded": true, "amount_refunded": 4200, "disputed": true});
        pi["review"] = "prv_1".into();
    });
    let facts = read.unwrap().with(Some(Dispute::Open), true);
    assert!(facts.refunded && facts.disputed && facts.amount_refunded == 4200);
    assert!(facts.review_open && facts.warned && facts.dispute == Some(Dispute::Open));
}

#[test]
fn an_authorisation_says_until_when_and_how_much_can_be_captured() {
    let authorised = with(|pi| {
        pi["status"] = "requires_capture".into();
        pi["capture_method"] = "manual".into();
        pi["amount_received"] = 0.into();
        pi["amount_capturable"] = 4200.into();
        pi["latest_charge"]["payment_method_details"]["card"]["capture_before"] =
            1_767_830_400.into();
    });
    let authorised = authorised.unwrap();
    assert_eq!((authorised.amount_capturable, authorised.amount_received), (4200, 0));
    assert_eq!(authorised.capture_before, Some(1_767_830_400));
    let canceled = with(|pi| {
        pi["status"] = "canceled".into();
        pi["cancellation_reason"] = "expired".into();
        pi["latest_charge"] = Value::Null;
    });
    let canceled = canceled.unwrap();
    assert_eq!(canceled.cancellation_reason.as_deref(), Some("expired"));
    assert_eq!((canceled.latest_charge, canceled.refunded), (None, false));
}

#[test]
fn what_decides_about_paying_is_never_filled_in() {
    assert_eq!(with(|pi| pi["latest_charge"] = "ch_1".into()), None);
    assert_eq!(with(|pi| pi["latest_charge"] = Value::Null), None);
    assert_eq!(with(|pi| pi["latest_charge"] = json!({"refunded": false})), None);
    for field in ["id", "refunded", "amount_refunded", "disputed"] {
        assert_eq!(with(|pi| pi["latest_charge"][field] = Value::Null), None, "{field}");
    }
    let fields = [
        "id",
        "object",
        "status",
        "amount",
        "amount_received",
        "amount_capturable",
        "currency",
        "capture_method",
        "livemode",
        "created",
    ];
    for field in fields {
        assert_eq!(with(|pi| pi[field] = Value::Null), None, "{field}");
        assert_eq!(with(|pi| drop(pi.as_object_mut().unwrap().remove(field))), None, "{field}");
    }
    // No review is null, not silence.
    assert_eq!(with(|pi| drop(pi.as_object_mut().unwrap().remove("review"))), None);
    assert_eq!(with(|pi| pi["review"] = false.into()), None);
    for wrong in [json!(42.5), json!(-1), json!("4200"), json!(u64::MAX)] {
        assert_eq!(with(|pi| pi["amount_received"] = wrong.clone()), None);
        assert_eq!(with(|pi| pi["latest_charge"]["amount_refunded"] = wrong.clone()), None);
        let until = |pi: &mut Value| {
            pi["latest_charge"]["payment_method_details"]["card"]["capture_before"] = wrong.clone();
        };
        assert_eq!(with(until), None);
    }
    let unpaid = with(|pi| {
        pi["latest_charge"] = Value::Null;
        pi["status"] = "requires_payment_method".into();
    });
    assert!(!unpaid.unwrap().refunded);
    // An authorisation has a charge, and with it an end.
    let headless = with(|pi| {
        pi["latest_charge"] = Value::Null;
        pi["status"] = "requires_capture".into();
    });
    assert_eq!(headless, None);
}

#[test]
fn a_text_that_is_no_word_of_stripes_is_not_taken() {
    assert_eq!(with(|pi| pi["object"] = "charge".into()), None);
    assert_eq!(with(|pi| pi["status"] = "succeeded ".into()), None);
    assert_eq!(with(|pi| pi["cancellation_reason"] = "x\ny".into()), None);
    assert_eq!(with(|pi| pi["currency"] = "g/p".into()), None);
    assert_eq!(with(|pi| pi["metadata"] = Value::Null).unwrap().metadata_order_id, None);
}

proptest! {
    #[test]
    fn no_object_makes_it_panic_or_succeed(
        fields in proptest::collection::btree_map("[a-z_]{1,20}", any::<i64>(), 0..20)
    ) {
        prop_assert_eq!(payment(json!(fields)), None);
    }
}
