//! A `PaymentIntent` as Stripe sends it, and the facts that we take from it.
//!
//! Promise: a fact that decides about paying is never filled in. Whoever reads `refunded: false`
//! may rely on Stripe having said so, or on there being nothing that could be refunded.

use super::word::{self, Odd, WORD_CHARS_MAX, is_id, is_moment, is_word};
use orders_core::payment::Dispute;
use serde::Deserialize;
use serde_json::Value;

/// What Stripe said about a payment, at the moment of reading.
#[expect(clippy::struct_excessive_bools, reason = "facts of Stripe's, each on its own")]
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
    /// What is authorised and can still be captured, in minor units.
    pub amount_capturable: i64,
    /// ISO code in upper case.
    pub currency: String,
    /// `automatic`, `automatic_async` or `manual`.
    pub capture_method: String,
    /// Whether it was real money.
    pub livemode: bool,
    /// When it was created, in seconds since 1970.
    pub created: i64,
    /// The order that the payment was made for, as the payment says.
    pub metadata_order_id: Option<String>,
    /// The id of the latest charge; absent while there is none.
    pub latest_charge: Option<String>,
    /// Until when the charge can be captured, in seconds since 1970, if Stripe says so.
    pub capture_before: Option<i64>,
    /// Whether it was refunded in full.
    pub refunded: bool,
    /// What was refunded, in minor units.
    pub amount_refunded: i64,
    /// Whether the customer's bank disputes it, or did.
    pub disputed: bool,
    /// The worst of its disputes; there is one exactly if it is disputed.
    pub dispute: Option<Dispute>,
    /// Whether Stripe's fraud review of it is open.
    pub review_open: bool,
    /// Whether the card's network gave an early fraud warning. Always false where they are not read.
    pub warned: bool,
    /// Why it was canceled, if it was.
    pub cancellation_reason: Option<String>,
}

/// What a payment says by itself, as a list gives it. It is for moving its money, for comparing books
/// and never for releasing an order: of a dispute it says only that there is or was one, and of
/// warnings nothing.
#[expect(clippy::struct_excessive_bools, reason = "facts of Stripe's, each on its own")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPayment {
    /// The payment's id.
    pub id: String,
    /// Stripe's word.
    pub status: String,
    /// What was to be paid, in minor units.
    pub amount: i64,
    /// What was received, in minor units.
    pub amount_received: i64,
    /// What is authorised and can still be captured, in minor units.
    pub amount_capturable: i64,
    /// ISO code in upper case.
    pub currency: String,
    /// `automatic`, `automatic_async` or `manual`.
    pub capture_method: String,
    /// Whether it was real money.
    pub livemode: bool,
    /// When it was created, in seconds since 1970.
    pub created: i64,
    /// The latest change that it dates: its creation, its latest charge or its end. Captures,
    /// refunds and disputes are not dated here.
    pub changed: i64,
    /// The order that the payment was made for, as the payment says.
    pub metadata_order_id: Option<String>,
    /// The id of the latest charge; absent while there is none.
    pub latest_charge: Option<String>,
    /// Until when the charge can be captured, in seconds since 1970, if Stripe says so.
    pub capture_before: Option<i64>,
    /// Whether it was refunded in full.
    pub refunded: bool,
    /// What was refunded, in minor units.
    pub amount_refunded: i64,
    /// Whether the customer's bank disputes it, or did.
    pub disputed: bool,
    /// Whether Stripe's fraud review of it is open.
    pub review_open: bool,
    /// Why it was canceled, if it was.
    pub cancellation_reason: Option<String>,
}

impl ListedPayment {
    /// The facts, once what the object itself does not say has been read.
    pub(super) fn with(self, dispute: Option<Dispute>, warned: bool) -> PaymentFacts {
        PaymentFacts {
            id: self.id,
            status: self.status,
            amount: self.amount,
            amount_received: self.amount_received,
            amount_capturable: self.amount_capturable,
            currency: self.currency,
            capture_method: self.capture_method,
            livemode: self.livemode,
            created: self.created,
            metadata_order_id: self.metadata_order_id,
            latest_charge: self.latest_charge,
            capture_before: self.capture_before,
            refunded: self.refunded,
            amount_refunded: self.amount_refunded,
            disputed: self.disputed,
            dispute,
            review_open: self.review_open,
            warned,
            cancellation_reason: self.cancellation_reason,
        }
    }
}

#[derive(Deserialize)]
struct Intent {
    id: String,
    object: String,
    status: String,
    amount: i64,
    amount_received: i64,
    amount_capturable: i64,
    currency: String,
    capture_method: String,
    livemode: bool,
    created: i64,
    /// Null says that none is open; a missing field says nothing.
    review: Value,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    latest_charge: Value,
    #[serde(default)]
    canceled_at: Value,
    cancellation_reason: Option<String>,
}

#[derive(Deserialize)]
struct Charge {
    id: String,
    #[serde(default)]
    created: Value,
    refunded: bool,
    amount_refunded: i64,
    disputed: bool,
    #[serde(default)]
    payment_method_details: Value,
}

/// Reads a PaymentIntent whose latest charge is expanded.
pub(super) fn payment(value: Value) -> Option<ListedPayment> {
    let intent: Intent = serde_json::from_value(value).ok()?;
    let charge = charge(&intent.status, intent.latest_charge).ok()?;
    let charge_id = charge.as_ref().map(|charge| charge.id.clone());
    let capture_before = match &charge {
        Some(charge) => capture_before(&charge.payment_method_details).ok()?,
        None => None,
    };
    let dated = [&intent.canceled_at, charge.as_ref().map_or(&Value::Null, |it| &it.created)];
    let dated = dated.into_iter().filter_map(Value::as_i64).filter(|moment| is_moment(*moment));
    let changed = dated.fold(intent.created, i64::max);
    // Nothing was charged, so nothing can be refunded or disputed; but then it is not paid either.
    let (refunded, amount_refunded, disputed) =
        charge.map_or((false, 0, false), |it| (it.refunded, it.amount_refunded, it.disputed));
    let amounts =
        [intent.amount, intent.amount_received, intent.amount_capturable, amount_refunded];
    let words = [&intent.status, &intent.capture_method];
    let fits = intent.object == "payment_intent"
        && is_id(&intent.id)
        && is_moment(intent.created)
        && amounts.iter().all(|amount| *amount >= 0)
        && words.iter().all(|word| is_word(word, WORD_CHARS_MAX));
    fits.then_some(())?;
    Some(ListedPayment {
        metadata_order_id: intent.metadata.get("order_id").and_then(Value::as_str).map(Into::into),
        id: intent.id,
        status: intent.status,
        amount: intent.amount,
        amount_received: intent.amount_received,
        amount_capturable: intent.amount_capturable,
        currency: word::currency(&intent.currency)?,
        capture_method: intent.capture_method,
        livemode: intent.livemode,
        created: intent.created,
        changed,
        latest_charge: charge_id,
        capture_before,
        refunded,
        amount_refunded,
        disputed,
        review_open: is_open(&intent.review)?,
        cancellation_reason: word::optional(intent.cancellation_reason).ok()?,
    })
}

/// The charge, which only a payment without money may lack.
fn charge(status: &str, value: Value) -> Result<Option<Charge>, Odd> {
    match value {
        Value::Null if !matches!(status, "succeeded" | "requires_capture") => Ok(None),
        Value::Object(_) => {
            let charge: Charge = serde_json::from_value(value).map_err(|_| Odd)?;
            if is_id(&charge.id) { Ok(Some(charge)) } else { Err(Odd) }
        }
        // An id in place of the charge says nothing about refunds.
        _ => Err(Odd),
    }
}

fn capture_before(details: &Value) -> Result<Option<i64>, Odd> {
    match details.get("card").and_then(|card| card.get("capture_before")) {
        None | Some(Value::Null) => Ok(None),
        Some(until) => until.as_i64().filter(|until| is_moment(*until)).map(Some).ok_or(Odd),
    }
}

fn is_open(review: &Value) -> Option<bool> {
    match review {
        Value::Null => Some(false),
        Value::String(_) | Value::Object(_) => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
