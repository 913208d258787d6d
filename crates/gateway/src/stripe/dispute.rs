//! Disputes and early fraud warnings of a payment.

use super::word::{WORD_CHARS_MAX, is_id, is_word};
use orders_core::payment::Dispute;
use serde::Deserialize;
use serde_json::Value;

/// How a dispute with this status stands. The rules say which is worst: [`Dispute`] is in that order.
fn of(status: &str) -> Dispute {
    match status {
        "won" | "warning_closed" | "prevented" => Dispute::Closed,
        "lost" => Dispute::Lost,
        // needs_response, under_review, warning_needs_response, warning_under_review, and whatever
        // comes later.
        _ => Dispute::Open,
    }
}

/// One entry of a list of disputes.
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) stands: Dispute,
}

#[derive(Deserialize)]
struct Sent {
    id: String,
    object: String,
    status: String,
    payment_intent: String,
}

/// Reads a dispute of this payment.
pub(super) fn dispute(value: Value, payment_intent: &str) -> Option<Entry> {
    let dispute: Sent = serde_json::from_value(value).ok()?;
    let fits = dispute.object == "dispute"
        && is_id(&dispute.id)
        && dispute.payment_intent == payment_intent
        && is_word(&dispute.status, WORD_CHARS_MAX);
    fits.then(|| Entry { stands: of(&dispute.status), id: dispute.id })
}

#[derive(Deserialize)]
struct Warning {
    object: String,
    payment_intent: Option<String>,
}

/// Reads an early fraud warning of this payment. One that names no payment came because we asked
/// for this one's; one that names another did not.
pub(super) fn warning(value: Value, payment_intent: &str) -> Option<()> {
    let warning: Warning = serde_json::from_value(value).ok()?;
    let ours = warning.payment_intent.is_none_or(|id| id == payment_intent);
    (warning.object == "radar.early_fraud_warning" && ours).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_status_of_the_contract_stands_where_it_should_and_an_unknown_one_is_open() {
        let table = [
            ("warning_needs_response", Dispute::Open),
            ("warning_under_review", Dispute::Open),
            ("warning_closed", Dispute::Closed),
            ("needs_response", Dispute::Open),
            ("under_review", Dispute::Open),
            ("won", Dispute::Closed),
            ("lost", Dispute::Lost),
            ("prevented", Dispute::Closed),
            ("something_new", Dispute::Open),
        ];
        for (status, stands) in table {
            let entry = json!({
                "id": "dp_1", "object": "dispute", "status": status, "payment_intent": "pi_1"
            });
            assert_eq!(dispute(entry, "pi_1").unwrap().stands, stands, "{status}");
        }
        assert!(Dispute::Open > Dispute::Lost && Dispute::Lost > Dispute::Closed);
    }

    #[test]
    fn what_speaks_of_another_payment_is_not_read() {
        let entry = |payment: Value, object: &str| json!({"id": "x_1", "object": object, "status": "lost", "payment_intent": payment});
        assert!(dispute(entry("pi_2".into(), "dispute"), "pi_1").is_none());
        assert!(dispute(entry(Value::Null, "dispute"), "pi_1").is_none());
        assert!(dispute(entry("pi_1".into(), "charge"), "pi_1").is_none());
        let kind = "radar.early_fraud_warning";
        assert!(warning(entry("pi_2".into(), kind), "pi_1").is_none());
        assert!(warning(entry("pi_1".into(), "dispute"), "pi_1").is_none());
        assert!(warning(entry("pi_1".into(), kind), "pi_1").is_some());
        assert!(warning(entry(Value::Null, kind), "pi_1").is_some());
    }
}
