//! What else can be known about a payment: reviews and warnings of fraud, and the checkout session
//! that it came from.

use super::book::Book;
use super::event::Event;
use super::intent::Intent;
use super::notice::Cause;
use super::table::Object;
use crate::chance::Chance;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A fraud review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// `prv_` and 24 letters.
    pub id: String,
    /// Seconds since 1970.
    pub created: i64,
    /// The intent under review.
    pub payment_intent: String,
    /// Its charge.
    pub charge: Option<String>,
    /// Why it was closed, once it is: `approved`, `refunded`, `refunded_as_fraud`, `disputed`, ...
    pub closed_reason: Option<String>,
    /// As that of the intent.
    pub livemode: bool,
}

/// A bank's early warning of fraud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// `issfr_` and 24 letters.
    pub id: String,
    /// Seconds since 1970.
    pub created: i64,
    /// The intent.
    pub payment_intent: String,
    /// Its charge.
    pub charge: String,
    /// As that of the intent.
    pub livemode: bool,
}

/// A checkout session that the customer went through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// `cs_test_` and 24 letters.
    pub id: String,
    /// Seconds since 1970.
    pub created: i64,
    /// The intent that it made.
    pub payment_intent: String,
}

/// All three have an id and a date.
macro_rules! object {
    ($($kind:ty),*) => {$(
        impl Object for $kind {
            fn id(&self) -> &str {
                &self.id
            }

            fn created(&self) -> i64 {
                self.created
            }
        }
    )*};
}

object!(Review, Warning, Session);

impl Review {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "review",
            "billing_zip": null,
            "charge": self.charge,
            "closed_reason": self.closed_reason,
            "created": self.created,
            "ip_address": null,
            "ip_address_location": null,
            "livemode": self.livemode,
            "open": self.closed_reason.is_none(),
            "opened_reason": "rule",
            "payment_intent": self.payment_intent,
            "reason": self.closed_reason.as_deref().unwrap_or("rule"),
            "session": null,
        })
    }
}

impl Warning {
    /// The object. Whether a refund would still avert a dispute, changes with the charge.
    pub(super) fn to_json(&self, actionable: bool) -> Value {
        json!({
            "id": self.id,
            "object": "radar.early_fraud_warning",
            "actionable": actionable,
            "charge": self.charge,
            "created": self.created,
            "fraud_type": "made_with_stolen_card",
            "livemode": self.livemode,
            "payment_intent": self.payment_intent,
        })
    }
}

impl Session {
    /// The object. Whether it is paid, is the intent's word.
    pub(super) fn to_json(&self, intent: &Intent) -> Value {
        let paid = if intent.status == "succeeded" { "paid" } else { "unpaid" };
        json!({
            "id": self.id,
            "object": "checkout.session",
            "amount_subtotal": intent.amount,
            "amount_total": intent.amount,
            "cancel_url": null,
            "client_reference_id": intent.metadata.get("order_id"),
            "created": self.created,
            "currency": intent.currency,
            "customer": null,
            "customer_details": null,
            "customer_email": null,
            "expires_at": self.created + 24 * 60 * 60,
            "livemode": intent.livemode,
            "metadata": intent.metadata,
            "mode": "payment",
            "payment_intent": self.payment_intent,
            "payment_method_types": ["card"],
            "payment_status": paid,
            "status": "complete",
            "success_url": null,
            "url": null,
        })
    }
}

impl Book {
    fn letters(&self, purpose: &str, count: u64) -> String {
        Chance::of(self.settings.seed, purpose, "", count).hex(3)
    }

    /// Stripe looks at a payment more closely. Nothing if it does so already.
    pub(super) fn open_review(&mut self, cause: &Cause, intent_id: &str) -> Option<String> {
        let intent = self.intents.get(intent_id).filter(|intent| intent.review.is_none())?;
        let id = format!("prv_{}", self.letters("review", self.reviews.count()));
        let review = Review {
            id: id.clone(),
            created: cause.at_s(),
            payment_intent: intent_id.to_owned(),
            charge: intent.charges.last().map(|charge| charge.id.clone()),
            closed_reason: None,
            livemode: intent.livemode,
        };
        self.record(cause.at_ms, Event::ReviewOpened { review: Box::new(review) });
        self.announce(cause, "review.opened", &id, None);
        Some(id)
    }

    /// The review ends. False if there is no open one.
    pub(super) fn close_review(&mut self, cause: &Cause, id: &str, reason: &str) -> bool {
        if self.reviews.get(id).is_none_or(|review| review.closed_reason.is_some()) {
            return false;
        }
        let event = Event::ReviewClosed { id: id.to_owned(), reason: reason.to_owned() };
        self.record(cause.at_ms, event);
        let previous = json!({ "open": true, "closed_reason": null });
        self.announce(cause, "review.closed", id, Some(previous));
        true
    }

    /// A bank suspects fraud. Nothing if the intent was never paid.
    pub(super) fn warn(&mut self, cause: &Cause, intent_id: &str) -> Option<String> {
        let intent = self.intents.get(intent_id)?;
        let id = format!("issfr_{}", self.letters("warning", self.warnings.count()));
        let warning = Warning {
            id: id.clone(),
            created: cause.at_s(),
            payment_intent: intent_id.to_owned(),
            charge: intent.paid_charge()?.id.clone(),
            livemode: intent.livemode,
        };
        self.record(cause.at_ms, Event::Warned { warning: Box::new(warning) });
        self.announce(cause, "radar.early_fraud_warning.created", &id, None);
        Some(id)
    }

    /// The customer went through a checkout, paid or not. Nothing if there is no such intent.
    pub(super) fn check_out(&mut self, cause: &Cause, intent_id: &str) -> Option<String> {
        self.intents.get(intent_id)?;
        let id = format!("cs_test_{}", self.letters("session", self.sessions.count()));
        let (created, payment_intent) = (cause.at_s(), intent_id.to_owned());
        let session = Session { id: id.clone(), created, payment_intent };
        self.record(cause.at_ms, Event::CheckedOut { session: Box::new(session) });
        self.announce(cause, "checkout.session.completed", &id, None);
        Some(id)
    }

    /// The bank's late word reaches the sessions of an intent.
    pub(super) fn end_sessions(&mut self, cause: &Cause, intent_id: &str, paid: bool) {
        let of = |it: &&Session| it.payment_intent == intent_id;
        let ids: Vec<String> =
            self.sessions.rows().iter().filter(of).map(|it| it.id.clone()).collect();
        let kind = if paid {
            "checkout.session.async_payment_succeeded"
        } else {
            "checkout.session.async_payment_failed"
        };
        for id in ids {
            self.announce(cause, kind, &id, None);
        }
    }
}
