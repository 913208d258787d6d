//! A charge: one try to be paid, and its JSON after the official fixtures.

use super::intent::Intent;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One try to be paid. What was refunded or disputed stands with its intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// `ch_` and 24 letters.
    pub id: String,
    /// Seconds since 1970.
    pub created: i64,
    /// The amount of the try.
    pub amount: i64,
    /// What the bank said.
    pub status: ChargeStatus,
    /// Whether the money was taken, not only authorised.
    pub captured: bool,
    /// With what.
    pub payment_method: Option<String>,
}

/// What the bank said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeStatus {
    /// Nothing yet.
    Pending,
    /// Yes.
    Succeeded,
    /// No.
    Failed,
}

/// Fields that a charge has at Stripe and that nothing here sets.
const NEVER_SET: [&str; 21] = [
    "application",
    "application_fee",
    "application_fee_amount",
    "balance_transaction",
    "calculated_statement_descriptor",
    "customer",
    "description",
    "failure_balance_transaction",
    "failure_message",
    "on_behalf_of",
    "outcome",
    "receipt_email",
    "receipt_number",
    "receipt_url",
    "shipping",
    "source",
    "source_transfer",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
    "transfer_group",
];

impl Charge {
    /// The object. Only the paid charge of an intent has money on it.
    pub(super) fn to_json(&self, intent: &Intent) -> Value {
        let paid = self.status == ChargeStatus::Succeeded;
        let of_paid = |amount: i64| if paid { amount } else { 0 };
        let captured = if self.captured { intent.amount_received } else { 0 };
        let returned = of_paid(intent.amount_refunded);
        let all = if self.captured { captured } else { self.amount };
        let released = of_paid(intent.released_as_refund);
        let failed = self.status == ChargeStatus::Failed;
        // Stripe sets this only when nothing is left; a partial refund shows in the amount.
        let refunded = (returned > 0 && returned >= all) || (released > 0 && !self.captured);
        let mut charge = json!({
            "id": self.id,
            "object": "charge",
            "amount": self.amount,
            "amount_captured": captured,
            "amount_refunded": returned + released,
            "billing_details": billing_details(),
            "captured": self.captured,
            "created": self.created,
            "currency": intent.currency,
            "disputed": paid && intent.disputed,
            "failure_code": failed.then_some("card_declined"),
            "fraud_details": {},
            "livemode": intent.livemode,
            "metadata": intent.metadata,
            "paid": paid,
            "payment_intent": intent.id,
            "payment_method": self.payment_method,
            "payment_method_details": { "card": self.card(intent), "type": "card" },
            "refunded": refunded,
            "review": intent.review,
            "status": self.status,
        });
        for name in NEVER_SET {
            charge[name] = Value::Null;
        }
        charge
    }

    fn card(&self, intent: &Intent) -> Value {
        let before_ms = intent.capture_before_ms.filter(|_| self.status == ChargeStatus::Succeeded);
        json!({
            "amount_authorized": self.amount,
            "brand": "visa",
            "capture_before": before_ms.map(|before_ms| before_ms.div_euclid(1000)),
            "country": "US",
            "exp_month": 8,
            "exp_year": 2040,
            "funding": "credit",
            "last4": "4242",
            "network": "visa",
            "wallet": null,
        })
    }
}

fn billing_details() -> Value {
    let address = json!({
        "city": null, "country": null, "line1": null, "line2": null, "postal_code": null,
        "state": null,
    });
    json!({ "address": address, "email": null, "name": null, "phone": null, "tax_id": null })
}
