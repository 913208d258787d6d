//! A `PaymentIntent` as Stripe sends it, and the facts that we take from it.
//!
//! Promise: a fact that decides about paying is never filled in. Whoever reads `refunded: false`
//! may rely on Stripe having said so, or on there being nothing that could be refunded.

use super::PaymentError;
use orders_core::outcome::Doubt;
use serde::Deserialize;
use serde_json::Value;

/// What Stripe said about a payment, at the moment of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentFacts {
    /// The payment's id; the one that was asked for.
    pub id: String,
    /// Stripe's word; only `succeeded` is paid.
    pub status: String,
    /// What was to be paid, in minor units.
    pub amount: i64,
    /// What was received, in minor units.
    pub amount_received: i64,
    /// ISO code in upper case.
    pub currency: String,
    /// Whether it was real money.
    pub livemode: bool,
    /// The order that the payment was made for, as the payment says.
    pub metadata_order_id: Option<String>,
    /// Whether it was refunded in full.
    pub refunded: bool,
    /// What was refunded, in minor units.
    pub amount_refunded: i64,
    /// Whether the customer's bank disputes it.
    pub disputed: bool,
}

#[derive(Deserialize)]
struct Intent {
    id: String,
    object: String,
    status: String,
    amount: i64,
    amount_received: i64,
    currency: String,
    livemode: bool,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    latest_charge: Value,
}

#[derive(Deserialize)]
struct Charge {
    refunded: bool,
    amount_refunded: i64,
    disputed: bool,
}

/// The facts of an answer to `GET /v1/payment_intents/{id}?expand[]=latest_charge`.
pub(super) fn facts(status: u16, body: &[u8], id: &str) -> Result<PaymentFacts, PaymentError> {
    match status {
        200..=299 => read(body, id).ok_or(PaymentError::Unknown(Doubt::Unreadable)),
        // Somebody else's 404, a wrong base address for instance, is not Stripe's word.
        404 if is_error(body) => Err(PaymentError::NotFound),
        404 | 409 => Err(PaymentError::Unknown(Doubt::UnreadableClientError)),
        429 => Err(PaymentError::Unknown(Doubt::TooManyRequests)),
        400..=499 => Err(PaymentError::Refused(status)),
        500..=599 => Err(PaymentError::Unknown(Doubt::ServerError)),
        _ => Err(PaymentError::Unknown(Doubt::Unreadable)),
    }
}

fn is_error(body: &[u8]) -> bool {
    let body = serde_json::from_slice::<Value>(body);
    body.is_ok_and(|body| body.get("error").is_some_and(Value::is_object))
}

fn read(body: &[u8], id: &str) -> Option<PaymentFacts> {
    let intent: Intent = serde_json::from_slice(body).ok()?;
    let is_currency = |c: &str| c.len() == 3 && c.bytes().all(|b| b.is_ascii_alphabetic());
    if intent.object != "payment_intent" || intent.id != id || !is_currency(&intent.currency) {
        return None;
    }
    let charge = match intent.latest_charge {
        // Nothing was charged, so nothing can be refunded; but then it is not paid either.
        Value::Null if intent.status != "succeeded" => {
            Charge { refunded: false, amount_refunded: 0, disputed: false }
        }
        charge @ Value::Object(_) => serde_json::from_value(charge).ok()?,
        // An id in place of the charge says nothing about refunds.
        _ => return None,
    };
    Some(PaymentFacts {
        metadata_order_id: intent.metadata.get("order_id").and_then(Value::as_str).map(Into::into),
        id: intent.id,
        status: intent.status,
        amount: intent.amount,
        amount_received: intent.amount_received,
        currency: intent.currency.to_ascii_uppercase(),
        livemode: intent.livemode,
        refunded: charge.refunded,
        amount_refunded: charge.amount_refunded,
        disputed: charge.disputed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn intent() -> Value {
        json!({
            "id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 4200,
            "amount_received": 4200, "currency": "gbp", "livemode": false, "review": null,
            "metadata": {"order_id": "0198"},
            "latest_charge": {"id": "ch_1", "refunded": false, "amount_refunded": 0,
                "disputed": false, "status": "succeeded"},
        })
    }

    fn with(change: impl FnOnce(&mut Value)) -> Result<PaymentFacts, PaymentError> {
        let mut intent = intent();
        change(&mut intent);
        facts(200, intent.to_string().as_bytes(), "pi_1")
    }

    const UNREADABLE: PaymentError = PaymentError::Unknown(Doubt::Unreadable);

    #[test]
    fn a_payment_is_read_with_its_refund_and_dispute() {
        assert_eq!(
            with(|_| ()),
            Ok(PaymentFacts {
                id: "pi_1".into(),
                status: "succeeded".into(),
                amount: 4200,
                amount_received: 4200,
                currency: "GBP".into(),
                livemode: false,
                metadata_order_id: Some("0198".into()),
                refunded: false,
                amount_refunded: 0,
                disputed: false,
            })
        );
        let facts = with(|pi| {
            pi["latest_charge"] =
                json!({"refunded": true, "amount_refunded": 4200, "disputed": true});
        });
        let facts = facts.unwrap();
        assert!(facts.refunded && facts.disputed && facts.amount_refunded == 4200);
    }

    #[test]
    fn what_decides_about_paying_is_never_filled_in() {
        assert_eq!(with(|pi| pi["latest_charge"] = "ch_1".into()), Err(UNREADABLE));
        assert_eq!(with(|pi| pi["latest_charge"] = Value::Null), Err(UNREADABLE));
        assert_eq!(with(|pi| pi["latest_charge"] = json!({"refunded": false})), Err(UNREADABLE));
        for field in ["amount", "amount_received", "currency", "livemode", "status", "id"] {
            assert_eq!(with(|pi| pi[field] = Value::Null), Err(UNREADABLE), "{field}");
        }
        assert_eq!(with(|pi| pi["amount_received"] = 42.5.into()), Err(UNREADABLE));
        let unpaid = with(|pi| {
            pi["latest_charge"] = Value::Null;
            pi["status"] = "requires_payment_method".into();
        });
        assert!(!unpaid.unwrap().refunded);
    }

    #[test]
    fn another_payment_than_the_one_asked_for_is_not_taken() {
        assert_eq!(with(|pi| pi["id"] = "pi_2".into()), Err(UNREADABLE));
        assert_eq!(with(|pi| pi["object"] = "charge".into()), Err(UNREADABLE));
        assert_eq!(with(|pi| pi["metadata"] = Value::Null).unwrap().metadata_order_id, None);
    }

    #[test]
    fn each_status_has_its_meaning_whatever_the_body() {
        let body = intent().to_string();
        let of = |status| facts(status, body.as_bytes(), "pi_1").unwrap_err();
        assert_eq!(of(401), PaymentError::Refused(401));
        assert_eq!(of(402), PaymentError::Refused(402));
        assert_eq!(of(404), PaymentError::Unknown(Doubt::UnreadableClientError));
        assert_eq!(of(409), PaymentError::Unknown(Doubt::UnreadableClientError));
        assert_eq!(of(429), PaymentError::Unknown(Doubt::TooManyRequests));
        assert_eq!(of(500), PaymentError::Unknown(Doubt::ServerError));
        assert_eq!(of(302), UNREADABLE);
        let error = br#"{"error":{"code":"resource_missing","type":"invalid_request_error"}}"#;
        assert_eq!(facts(404, error, "pi_1"), Err(PaymentError::NotFound));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_succeed(
            status in 0_u16..1000, body in proptest::collection::vec(any::<u8>(), 0..200)
        ) {
            prop_assert!(facts(status, &body, "pi_1").is_err());
        }
    }
}
