//! The kinds of objects that a message may be about, and the payment that each belongs to.

use super::word::{self, Odd, is_id};
use serde::Deserialize;
use serde_json::Value;

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Object {
    /// The payment itself.
    PaymentIntent,
    /// A try to charge it.
    Charge,
    /// Money given back.
    Refund,
    /// The customer's bank wants it back.
    Dispute,
    /// Stripe's fraud review.
    Review,
    /// A warning of the card's network.
    EarlyFraudWarning,
    /// A page on which a customer pays.
    CheckoutSession,
}

impl Object {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::PaymentIntent,
        Self::Charge,
        Self::Refund,
        Self::Dispute,
        Self::Review,
        Self::EarlyFraudWarning,
        Self::CheckoutSession,
    ];

    /// Stripe's word for it, as it stands in the field `object`.
    pub fn name(self) -> &'static str {
        match self {
            Self::PaymentIntent => "payment_intent",
            Self::Charge => "charge",
            Self::Refund => "refund",
            Self::Dispute => "dispute",
            Self::Review => "review",
            Self::EarlyFraudWarning => "radar.early_fraud_warning",
            Self::CheckoutSession => "checkout.session",
        }
    }

    /// Reads the word of a message's object; other kinds are none of ours.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|object| object.name() == word)
    }

    /// Where objects of this kind are read.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::PaymentIntent => "/payment_intents",
            Self::Charge => "/charges",
            Self::Refund => "/refunds",
            Self::Dispute => "/disputes",
            Self::Review => "/reviews",
            Self::EarlyFraudWarning => "/radar/early_fraud_warnings",
            Self::CheckoutSession => "/checkout/sessions",
        }
    }
}

#[derive(Deserialize)]
struct Owned {
    id: String,
    object: String,
    #[serde(default)]
    payment_intent: Value,
}

/// The payment that this very object belongs to; some belong to none.
pub(super) fn owner(value: Value, object: Object, id: &str) -> Result<Option<String>, Odd> {
    let owned: Owned = serde_json::from_value(value).map_err(|_| Odd)?;
    let fits = is_id(&owned.id) && owned.id == id && owned.object == object.name();
    if fits { word::reference(&owned.payment_intent) } else { Err(Odd) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_is_read_from_its_own_word_and_nothing_else_is() {
        for object in Object::ALL {
            assert_eq!(Object::parse(object.name()), Some(object));
        }
        for word in ["", "Charge", "customer", "early_fraud_warning", "checkout_session"] {
            assert_eq!(Object::parse(word), None);
        }
    }

    #[test]
    fn the_payment_of_an_object_is_named_absent_or_unreadable() {
        let of = |payment: Value| {
            owner(
                json!({"id": "ch_1", "object": "charge", "payment_intent": payment}),
                Object::Charge,
                "ch_1",
            )
        };
        assert_eq!(of("pi_1".into()), Ok(Some("pi_1".into())));
        assert_eq!(of(Value::Null), Ok(None));
        assert_eq!(of(json!({"id": "pi_1"})), Err(Odd));
        let bare = json!({"id": "prv_1", "object": "review"});
        assert_eq!(owner(bare.clone(), Object::Review, "prv_1"), Ok(None));
        assert_eq!(owner(bare.clone(), Object::Review, "prv_2"), Err(Odd));
        assert_eq!(owner(bare, Object::Charge, "prv_1"), Err(Odd));
    }
}
