//! A refund as Stripe sends it.

use super::word::{self, WORD_CHARS_MAX, is_id, is_moment, is_word};
use serde::Deserialize;
use serde_json::Value;

/// What Stripe said about a refund, at the moment of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundFacts {
    /// The refund's id at Stripe.
    pub id: String,
    /// The payment that it gives back; a charge without a payment may be refunded too.
    pub payment_intent: Option<String>,
    /// What is given back, in minor units.
    pub amount: i64,
    /// ISO code in upper case.
    pub currency: String,
    /// `pending`, `requires_action`, `succeeded`, `failed` or `canceled`.
    pub status: String,
    /// Why the money did not reach the customer, if it did not.
    pub failure_reason: Option<String>,
    /// Our id of the refund, as the refund says; absent where it was not us.
    pub metadata_refund_id: Option<String>,
    /// When it was created, in seconds since 1970.
    pub created: i64,
}

/// What a list said about a refund. It is for comparing books and never for moving money: Stripe may
/// leave open how a refund stands, and then that is not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRefund {
    /// The refund's id at Stripe.
    pub id: String,
    /// The payment that it gives back; a charge without a payment may be refunded too.
    pub payment_intent: Option<String>,
    /// What is given back, in minor units.
    pub amount: i64,
    /// ISO code in upper case.
    pub currency: String,
    /// As in [`RefundFacts`]; absent where Stripe says null.
    pub status: Option<String>,
    /// Why the money did not reach the customer, if it did not.
    pub failure_reason: Option<String>,
    /// Our id of the refund, as the refund says; absent where it was not us.
    pub metadata_refund_id: Option<String>,
    /// When it was created, in seconds since 1970.
    pub created: i64,
}

#[derive(Deserialize)]
struct Sent {
    id: String,
    object: String,
    amount: i64,
    currency: String,
    /// Null leaves it open; a missing field says nothing.
    status: Value,
    created: i64,
    #[serde(default)]
    payment_intent: Value,
    failure_reason: Option<String>,
    #[serde(default)]
    metadata: Value,
}

/// Reads a refund of a list.
pub(super) fn listed(value: Value) -> Option<ListedRefund> {
    let refund: Sent = serde_json::from_value(value).ok()?;
    let fits = refund.object == "refund"
        && is_id(&refund.id)
        && refund.amount >= 0
        && is_moment(refund.created);
    fits.then_some(())?;
    let status = match refund.status {
        Value::Null => None,
        Value::String(word) if is_word(&word, WORD_CHARS_MAX) => Some(word),
        _ => return None,
    };
    Some(ListedRefund {
        metadata_refund_id: refund
            .metadata
            .get("refund_id")
            .and_then(Value::as_str)
            .map(Into::into),
        payment_intent: word::reference(&refund.payment_intent).ok()?,
        currency: word::currency(&refund.currency)?,
        failure_reason: word::optional(refund.failure_reason).ok()?,
        id: refund.id,
        amount: refund.amount,
        status,
        created: refund.created,
    })
}

/// Reads a refund. Without a status there are no facts: nothing is decided by what Stripe leaves open.
pub(super) fn refund(value: Value) -> Option<RefundFacts> {
    let refund = listed(value)?;
    Some(RefundFacts {
        status: refund.status?,
        id: refund.id,
        payment_intent: refund.payment_intent,
        amount: refund.amount,
        currency: refund.currency,
        failure_reason: refund.failure_reason,
        metadata_refund_id: refund.metadata_refund_id,
        created: refund.created,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(change: impl FnOnce(&mut Value)) -> Option<RefundFacts> {
        refund(changed(change))
    }

    fn changed(change: impl FnOnce(&mut Value)) -> Value {
        let mut value = json!({
            "id": "re_1", "object": "refund", "amount": 700, "currency": "usd", "status": "failed",
            "failure_reason": "expired_or_canceled_card", "created": 1_767_225_600,
            "payment_intent": "pi_1", "metadata": {"refund_id": "0198"},
        });
        change(&mut value);
        value
    }

    #[test]
    fn a_refund_is_read_with_our_id_of_it() {
        let read = RefundFacts {
            id: "re_1".into(),
            payment_intent: Some("pi_1".into()),
            amount: 700,
            currency: "USD".into(),
            status: "failed".into(),
            failure_reason: Some("expired_or_canceled_card".into()),
            metadata_refund_id: Some("0198".into()),
            created: 1_767_225_600,
        };
        assert_eq!(with(|_| ()), Some(read));
        let foreign = with(|refund| {
            refund["metadata"] = json!({});
            refund["payment_intent"] = Value::Null;
            refund["failure_reason"] = Value::Null;
        });
        let foreign = foreign.unwrap();
        assert_eq!((foreign.metadata_refund_id, foreign.payment_intent), (None, None));
    }

    #[test]
    fn a_refund_that_says_too_little_is_not_read() {
        for field in ["id", "object", "amount", "currency", "status", "created"] {
            assert_eq!(with(|refund| refund[field] = Value::Null), None, "{field}");
        }
        assert_eq!(with(|refund| refund["object"] = "charge".into()), None);
        assert_eq!(with(|refund| refund["amount"] = (-1).into()), None);
        assert_eq!(with(|refund| refund["payment_intent"] = json!({"id": "pi_1"})), None);
    }

    #[test]
    fn a_list_may_leave_open_how_a_refund_stands_and_nothing_else() {
        let open = listed(changed(|refund| refund["status"] = Value::Null)).unwrap();
        assert_eq!((open.status, open.amount), (None, 700));
        let failed = listed(changed(|_| ())).unwrap();
        assert_eq!(failed.status.as_deref(), Some("failed"));
        let missing = changed(|refund| {
            refund.as_object_mut().unwrap().remove("status");
        });
        assert_eq!(listed(missing), None);
        for odd in [json!(7), json!(""), json!("Not a word")] {
            assert_eq!(listed(changed(|refund| refund["status"] = odd)), None);
        }
        for field in ["id", "object", "amount", "currency", "created"] {
            assert_eq!(listed(changed(|refund| refund[field] = Value::Null)), None, "{field}");
        }
    }
}
