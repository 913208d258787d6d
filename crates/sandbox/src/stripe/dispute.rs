//! Disputes: the customer's bank asks for the money back.

use super::book::Book;
use super::event::Event;
use super::notice::Cause;
use super::table::Object;
use crate::chance::Chance;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A dispute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// `dp_` and 24 letters.
    pub id: String,
    /// Seconds since 1970.
    pub created: i64,
    /// In the currency's smallest unit.
    pub amount: i64,
    /// Lower case.
    pub currency: String,
    /// The charge.
    pub charge: String,
    /// The intent of that charge.
    pub payment_intent: String,
    /// How far it is.
    pub status: DisputeStatus,
    /// As that of the intent.
    pub livemode: bool,
}

/// How far a dispute is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStatus {
    /// An inquiry, which takes no money yet.
    WarningNeedsResponse,
    /// An inquiry that was answered.
    WarningUnderReview,
    /// An inquiry that came to nothing.
    WarningClosed,
    /// The money is taken; the shop may answer.
    NeedsResponse,
    /// The shop answered.
    UnderReview,
    /// The shop has its money again.
    Won,
    /// The customer keeps it.
    Lost,
    /// Settled with the bank before it became one.
    Prevented,
}

impl DisputeStatus {
    fn is_warning(self) -> bool {
        matches!(self, Self::WarningNeedsResponse | Self::WarningUnderReview | Self::WarningClosed)
    }

    fn is_closed(self) -> bool {
        matches!(self, Self::WarningClosed | Self::Won | Self::Lost | Self::Prevented)
    }

    /// Whether the money is with the bank, so that the shop cannot return it once more. An inquiry
    /// can be answered by a refund, and what was won belongs to the shop again.
    pub(super) fn blocks_refunds(self) -> bool {
        !self.is_warning() && self != Self::Won
    }
}

impl Object for Dispute {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

const EVIDENCE: [&str; 27] = [
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
];
/// How long the shop may take to answer.
const RESPONSE_S: i64 = 9 * 24 * 60 * 60;

impl Dispute {
    pub(super) fn to_json(&self) -> Value {
        let mut evidence: Map<String, Value> =
            EVIDENCE.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
        evidence.insert("enhanced_evidence".to_owned(), json!({}));
        let case_type = if self.status.is_warning() { "inquiry" } else { "chargeback" };
        json!({
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "balance_transactions": [],
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "enhanced_eligibility_types": [],
            "evidence": evidence,
            "evidence_details": {
                "due_by": self.created + RESPONSE_S,
                "enhanced_eligibility": {},
                "has_evidence": false,
                "past_due": false,
                "submission_count": 0,
            },
            "is_charge_refundable": !self.status.blocks_refunds(),
            "livemode": self.livemode,
            "metadata": {},
            "payment_intent": self.payment_intent,
            "payment_method_details": {
                "card": {
                    "brand": "visa", "case_type": case_type, "network_reason_code": "10.4",
                    "network": "visa",
                },
                "type": "card",
            },
            "reason": "fraudulent",
            "status": self.status,
        })
    }
}

impl Book {
    /// The customer's bank asks for the money of an intent. Nothing if it was never paid.
    pub(super) fn dispute(
        &mut self,
        cause: &Cause,
        intent_id: &str,
        status: DisputeStatus,
    ) -> Option<String> {
        let intent = self.intents.get(intent_id)?;
        let charge = intent.paid_charge()?.id.clone();
        let number = self.disputes.count();
        let id = format!("dp_{}", Chance::of(self.settings.seed, "dispute", "", number).hex(3));
        let dispute = Dispute {
            id: id.clone(),
            created: cause.at_s(),
            amount: intent.amount_received,
            currency: intent.currency.clone(),
            charge,
            payment_intent: intent_id.to_owned(),
            status,
            livemode: intent.livemode,
        };
        self.record(cause.at_ms, Event::DisputeOpened { dispute: Box::new(dispute) });
        self.announce(cause, "charge.dispute.created", &id, None);
        if !status.is_warning() {
            self.announce(cause, "charge.dispute.funds_withdrawn", &id, None);
        }
        Some(id)
    }

    /// A dispute moves on. False if there is none, or nothing changes.
    pub(super) fn move_dispute(&mut self, cause: &Cause, id: &str, status: DisputeStatus) -> bool {
        let Some(former) = self.disputes.get(id).map(|dispute| dispute.status) else {
            return false;
        };
        if former == status {
            return false;
        }
        self.record(cause.at_ms, Event::DisputeMoved { id: id.to_owned(), status });
        let kind =
            if status.is_closed() { "charge.dispute.closed" } else { "charge.dispute.updated" };
        self.announce(cause, kind, id, Some(json!({ "status": former })));
        if former.is_warning() && !status.is_warning() && !status.is_closed() {
            self.announce(cause, "charge.dispute.funds_withdrawn", id, None);
        }
        if status == DisputeStatus::Won {
            self.announce(cause, "charge.dispute.funds_reinstated", id, None);
        }
        true
    }
}
