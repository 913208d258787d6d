//! A payment intent: what becomes of it, and its JSON after the official fixtures.

use super::charge::{Charge, ChargeStatus};
use super::table::Object;
use crate::chance::Chance;
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
    /// The amount authorised and not captured yet.
    #[serde(default)]
    pub amount_capturable: i64,
    /// Lower case.
    pub currency: String,
    /// One of Stripe's words.
    pub status: String,
    /// `automatic`, `automatic_async` or `manual`.
    pub capture_method: String,
    /// Until when an authorisation can be captured, in milliseconds since 1970.
    #[serde(default)]
    pub capture_before_ms: Option<i64>,
    /// When it was canceled, in seconds since 1970.
    #[serde(default)]
    pub canceled_at: Option<i64>,
    /// Why it was canceled.
    #[serde(default)]
    pub cancellation_reason: Option<String>,
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
    /// What was released of an authorisation and is shown as refunded; usually nothing is.
    #[serde(default)]
    pub released_as_refund: i64,
    /// Whether the customer disputes the charge, or ever did.
    pub disputed: bool,
    /// Whether the last try was declined.
    pub declined: bool,
    /// One for each try that reached a bank, the last one last.
    #[serde(default)]
    pub charges: Vec<Charge>,
}

/// Something that changes a payment behind the shop's back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// So much was refunded in all: a refund without notes is made, or the last ones fail.
    Refunded(i64),
    /// The charge is disputed, or (which Stripe never says) no longer so.
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

impl Object for Intent {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Intent {
    /// The customer or the bank takes its time.
    pub(super) fn wait(&mut self, at_ms: i64, payment_method: &str, status: &str) {
        self.payment_method = Some(payment_method.to_owned());
        self.declined = false;
        status.clone_into(&mut self.status);
        if status == "processing" {
            self.charge(at_ms, ChargeStatus::Pending);
        }
    }

    /// Money arrives, or is authorised when capture is manual.
    pub(super) fn confirm(&mut self, at_ms: i64, payment_method: &str, before_ms: Option<i64>) {
        self.payment_method = Some(payment_method.to_owned());
        self.declined = false;
        self.charge(at_ms, ChargeStatus::Succeeded);
        if self.capture_method == "manual" {
            "requires_capture".clone_into(&mut self.status);
            self.amount_capturable = self.amount;
            self.capture_before_ms = before_ms;
        } else {
            "succeeded".clone_into(&mut self.status);
            self.amount_received = self.amount;
            self.take();
        }
    }

    /// The card says no; the intent waits for another one.
    pub(super) fn decline(&mut self, at_ms: i64) {
        self.charge(at_ms, ChargeStatus::Failed);
        "requires_payment_method".clone_into(&mut self.status);
        self.payment_method = None;
        self.declined = true;
    }

    /// Authorised money is taken; the rest is released.
    pub(super) fn capture(&mut self, amount: i64, release_shown: bool) {
        if release_shown {
            self.released_as_refund += self.amount_capturable - amount;
        }
        self.amount_capturable = 0;
        self.amount_received += amount;
        "succeeded".clone_into(&mut self.status);
        self.take();
    }

    /// It ends unpaid; what was authorised is released.
    pub(super) fn cancel(&mut self, at_ms: i64, reason: Option<&str>, release_shown: bool) {
        if release_shown {
            self.released_as_refund += self.amount_capturable;
        }
        self.amount_capturable = 0;
        self.canceled_at = Some(at_ms.div_euclid(1000));
        self.cancellation_reason = reason.map(str::to_owned);
        "canceled".clone_into(&mut self.status);
    }

    /// The fact becomes true.
    pub(super) fn learn(&mut self, at_ms: i64, fact: &Fact) {
        match fact {
            Fact::Refunded(amount) => self.amount_refunded = *amount,
            Fact::Disputed(disputed) => self.disputed = *disputed,
            Fact::Amount(amount) => self.amount = *amount,
            Fact::AmountReceived(amount) => self.amount_received = *amount,
            Fact::Currency(currency) => self.currency.clone_from(currency),
            Fact::Status(status) => self.turn(at_ms, status),
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

    /// A status that a test asks for, with what goes with it; money is another fact.
    fn turn(&mut self, at_ms: i64, status: &str) {
        status.clone_into(&mut self.status);
        let is_held = status == "requires_capture";
        self.amount_capturable = if is_held { self.amount } else { 0 };
        self.canceled_at = (status == "canceled").then_some(at_ms.div_euclid(1000));
        if is_held || status == "succeeded" {
            if self.paid_charge().is_none() {
                self.charge(at_ms, ChargeStatus::Succeeded);
            }
            self.declined = false;
        }
        if status == "succeeded" {
            self.take();
        }
    }

    /// The charge of this try: the one that is pending, or a new one.
    fn charge(&mut self, at_ms: i64, status: ChargeStatus) {
        if let Some(last) = self.charges.last_mut()
            && last.status == ChargeStatus::Pending
        {
            last.status = status;
            return;
        }
        let id = match u64::try_from(self.charges.len()) {
            Ok(0) | Err(_) => self.named("ch"),
            Ok(nth) => format!("ch_{}", Chance::of(0, "charge", &self.id, nth).hex(3)),
        };
        self.charges.push(Charge {
            id,
            created: at_ms.div_euclid(1000),
            amount: self.amount,
            status,
            captured: false,
            payment_method: self.payment_method.clone(),
        });
    }

    /// The money of the last charge is with the shop.
    fn take(&mut self) {
        if let Some(last) = self.charges.last_mut() {
            last.captured = true;
        }
    }

    /// The charge that a bank agreed to.
    pub(super) fn paid_charge(&self) -> Option<&Charge> {
        self.charges.last().filter(|charge| charge.status == ChargeStatus::Succeeded)
    }

    /// What can still be refunded.
    pub(super) fn refundable(&self) -> i64 {
        self.amount_received - self.amount_refunded
    }

    /// An object that belongs to this intent shares its letters.
    fn named(&self, prefix: &str) -> String {
        self.id.replacen("pi", prefix, 1)
    }

    /// The object, with ids in the place of other objects.
    pub(super) fn to_json(&self) -> Value {
        let error = self.declined.then(
            || json!({ "type": "card_error", "code": "card_declined", "message": "Declined." }),
        );
        let next_action = (self.status == "requires_action")
            .then(|| json!({ "type": "use_stripe_sdk", "use_stripe_sdk": {} }));
        json!({
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_capturable": self.amount_capturable,
            "amount_details": { "tip": {} },
            "amount_received": self.amount_received,
            "application": null,
            "application_fee_amount": null,
            "automatic_payment_methods": null,
            "canceled_at": self.canceled_at,
            "cancellation_reason": self.cancellation_reason,
            "capture_method": self.capture_method,
            "client_secret": format!("{}_secret_sandbox", self.id),
            "confirmation_method": "automatic",
            "created": self.created,
            "currency": self.currency,
            "customer": null,
            "description": null,
            "last_payment_error": error,
            "latest_charge": self.charges.last().map(|charge| &charge.id),
            "livemode": self.livemode,
            "metadata": self.metadata,
            "next_action": next_action,
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
}
