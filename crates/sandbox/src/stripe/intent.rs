//! A payment intent, and its JSON after the official fixtures.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A payment intent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// `pi_` and 24 letters.
    pub id: String,
    /// Seconds since 1970.
    pub created: i64,
    /// The amount asked for, in the currency's smallest unit.
    pub amount: i64,
    /// The amount received.
    pub amount_received: i64,
    /// Lower case.
    pub currency: String,
    /// One of Stripe's words.
    pub status: String,
    /// `automatic`, `automatic_async` or `manual`.
    pub capture_method: String,
    /// Never true, unless a test says so.
    pub livemode: bool,
    /// Carries `order_id`.
    pub metadata: BTreeMap<String, String>,
    /// Attached payment method.
    pub payment_method: Option<String>,
    /// Set while Stripe's fraud review is open.
    pub review: Option<String>,
    /// How much was refunded.
    pub amount_refunded: i64,
    /// Whether the customer disputes the charge.
    pub disputed: bool,
    /// Whether the last try was declined.
    pub declined: bool,
}

/// Something that changes a payment behind the shop's back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// So much was refunded.
    Refunded(i64),
    /// The charge is disputed, or no longer so.
    Disputed(bool),
    /// The amount asked for is another.
    Amount(i64),
    /// The amount received is another.
    AmountReceived(i64),
    /// The currency is another.
    Currency(String),
    /// The status is another.
    Status(String),
    /// The object is a live one, or not.
    Livemode(bool),
    /// The notes name another order, or none.
    OrderId(Option<String>),
    /// A fraud review is open, or not.
    Review(bool),
}

impl Intent {
    /// Money arrives, or is authorised when capture is manual.
    pub(super) fn confirm(&mut self, payment_method: &str) {
        self.payment_method = Some(payment_method.to_owned());
        self.declined = false;
        if self.capture_method == "manual" {
            "requires_capture".clone_into(&mut self.status);
        } else {
            "succeeded".clone_into(&mut self.status);
            self.amount_received = self.amount;
        }
    }

    /// The card says no; the intent waits for another one.
    pub(super) fn decline(&mut self) {
        "requires_payment_method".clone_into(&mut self.status);
        self.payment_method = None;
        self.declined = true;
    }

    /// The fact becomes true.
    pub(super) fn learn(&mut self, fact: &Fact) {
        match fact {
            Fact::Refunded(amount) => self.amount_refunded = *amount,
            Fact::Disputed(disputed) => self.disputed = *disputed,
            Fact::Amount(amount) => self.amount = *amount,
            Fact::AmountReceived(amount) => self.amount_received = *amount,
            Fact::Currency(currency) => self.currency.clone_from(currency),
            Fact::Status(status) => self.status.clone_from(status),
            Fact::Livemode(livemode) => self.livemode = *livemode,
            Fact::OrderId(Some(order_id)) => {
                self.metadata.insert("order_id".to_owned(), order_id.clone());
            }
            Fact::OrderId(None) => {
                self.metadata.remove("order_id");
            }
            Fact::Review(open) => self.review = open.then(|| self.named("prv")),
        }
    }

    /// Whether there is a charge: after a confirmation that worked, or one that was declined.
    fn charged(&self) -> bool {
        self.declined || matches!(self.status.as_str(), "succeeded" | "requires_capture")
    }

    /// An object that belongs to this intent shares its letters.
    fn named(&self, prefix: &str) -> String {
        self.id.replacen("pi", prefix, 1)
    }

    /// The object; with the charge inside when it was asked for.
    pub(super) fn to_json(&self, expand_charge: bool) -> Value {
        let latest_charge = match (self.charged(), expand_charge) {
            (false, _) => Value::Null,
            (true, false) => self.named("ch").into(),
            (true, true) => self.charge(),
        };
        let capturable = if self.status == "requires_capture" { self.amount } else { 0 };
        let error = self.declined.then(
            || json!({ "type": "card_error", "code": "card_declined", "message": "Declined." }),
        );
        json!({
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_capturable": capturable,
            "amount_details": { "tip": {} },
            "amount_received": self.amount_received,
            "application": null,
            "application_fee_amount": null,
            "automatic_payment_methods": null,
            "canceled_at": null,
            "cancellation_reason": null,
            "capture_method": self.capture_method,
            "client_secret": format!("{}_secret_sandbox", self.id),
            "confirmation_method": "automatic",
            "created": self.created,
            "currency": self.currency,
            "customer": null,
            "description": null,
            "last_payment_error": error,
            "latest_charge": latest_charge,
            "livemode": self.livemode,
            "metadata": self.metadata,
            "next_action": null,
            "on_behalf_of": null,
            "payment_method": self.payment_method,
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "processing": null,
            "receipt_email": null,
            "review": self.review,
            "setup_future_usage": null,
            "shipping": null,
            "source": null,
            "statement_descriptor": null,
            "statement_descriptor_suffix": null,
            "status": self.status,
            "transfer_data": null,
            "transfer_group": null,
        })
    }

    fn charge(&self) -> Value {
        let status = if self.declined { "failed" } else { "succeeded" };
        let refunded = self.amount_refunded > 0 && self.amount_refunded >= self.amount_received;
        json!({
            "id": self.named("ch"),
            "object": "charge",
            "amount": self.amount,
            "amount_captured": self.amount_received,
            "amount_refunded": self.amount_refunded,
            "balance_transaction": null,
            "captured": self.status == "succeeded",
            "created": self.created,
            "currency": self.currency,
            "customer": null,
            "disputed": self.disputed,
            "failure_code": self.declined.then_some("card_declined"),
            "failure_message": null,
            "livemode": self.livemode,
            "metadata": self.metadata,
            "paid": !self.declined,
            "payment_intent": self.id,
            "payment_method": self.payment_method,
            "payment_method_details": {
                "card": { "brand": "visa", "last4": "4242", "capture_before": null },
                "type": "card",
            },
            // Stripe sets this only when nothing is left; a partial refund shows in the amount.
            "refunded": refunded,
            "review": self.review,
            "status": status,
        })
    }
}
