//! What happens to payments without a call: at the customer's, at the bank, in the dashboard. Tests
//! do it through these methods, and Stripe tells of it in events.

use super::Stripe;
use super::book::Book;
use super::dispute::DisputeStatus;
use super::event::Event;
use super::intent::{Fact, Intent};
use super::notice::{Cause, Notice};
use super::pay::NewIntent;
use super::refund::{NewRefund, Refund, RefundStatus};
use std::collections::BTreeMap;
use std::sync::Arc;

/// With what a customer pays here.
const CARD: &str = "pm_card_visa";

impl Stripe {
    /// Create an intent for an order and pay it. Answers the intent's id.
    pub fn pay(&self, order_id: &str, amount: i64, currency: &str) -> String {
        self.make(order_id, amount, currency, "automatic", true)
    }

    /// Create an intent for an order and authorise it: it waits in `requires_capture`.
    pub fn authorise(&self, order_id: &str, amount: i64, currency: &str) -> String {
        self.make(order_id, amount, currency, "manual", true)
    }

    /// Create an intent for an order that nobody has paid yet.
    pub fn open_intent(&self, order_id: &str, amount: i64, currency: &str) -> String {
        self.make(order_id, amount, currency, "automatic", false)
    }

    fn make(
        &self,
        order_id: &str,
        amount: i64,
        currency: &str,
        capture_method: &str,
        paid: bool,
    ) -> String {
        let metadata = BTreeMap::from([("order_id".to_owned(), order_id.to_owned())]);
        let new = NewIntent {
            amount,
            currency: currency.to_ascii_lowercase(),
            capture_method: capture_method.to_owned(),
            metadata,
            payment_method: paid.then(|| CARD.to_owned()),
            confirm: paid,
        };
        // A good card is never refused, so there always is an id.
        self.outside(|book, cause| book.create(cause, new)).unwrap_or_default()
    }

    /// The customer or the bank says yes to an intent that waits for that, or that was not tried
    /// yet. False if it does not wait.
    pub fn approve(&self, id: &str) -> bool {
        self.outside(|book, cause| {
            let Some(intent) = book.intents.get(id).filter(|it| waits(it)) else { return false };
            let was_processing = intent.status == "processing";
            let card = intent.payment_method.clone().unwrap_or_else(|| CARD.to_owned());
            book.succeed(cause, id, card);
            if was_processing {
                book.end_sessions(cause, id, true);
            }
            true
        })
    }

    /// The customer or the bank says no, as [`Stripe::approve`]; another try may follow.
    pub fn decline(&self, id: &str) -> bool {
        self.outside(|book, cause| {
            let Some(intent) = book.intents.get(id).filter(|it| waits(it)) else { return false };
            let was_processing = intent.status == "processing";
            book.fail(cause, id);
            if was_processing {
                book.end_sessions(cause, id, false);
            }
            true
        })
    }

    /// Change a fact about a payment. False if there is no such intent.
    pub fn change(&self, id: &str, fact: Fact) -> bool {
        self.outside(|book, cause| {
            let Some(intent) = book.intents.get(id) else { return false };
            let review = intent.review.clone();
            match fact {
                Fact::Refunded(total) => book.refund_in_all(cause, id, total),
                Fact::Disputed(true) => {
                    let status = DisputeStatus::NeedsResponse;
                    if book.dispute(cause, id, status).is_none() {
                        // Never paid: there is nothing to dispute, but a test may say so.
                        let (id, fact) = (id.to_owned(), Fact::Disputed(true));
                        book.record(cause.at_ms, Event::Changed { id, fact });
                    }
                }
                Fact::Review(true) => {
                    book.open_review(cause, id);
                }
                Fact::Review(false) => {
                    book.close_review(cause, &review.unwrap_or_default(), "approved");
                }
                fact => {
                    let kind = match &fact {
                        Fact::Status(status) => told_of(status),
                        _ => None,
                    };
                    book.record(cause.at_ms, Event::Changed { id: id.to_owned(), fact });
                    if let Some(kind) = kind {
                        book.announce(cause, kind, id, None);
                    }
                }
            }
            true
        })
    }

    /// Refund an intent in the dashboard, without notes; all that is left, if no amount is given.
    /// Answers the refund's id, or Stripe's word for why not.
    pub fn refund(&self, intent_id: &str, amount: Option<i64>) -> Result<String, String> {
        let new = NewRefund::by_hand(intent_id, amount);
        self.outside(|book, cause| book.refund(cause, new)).map_err(|refused| refused.code())
    }

    /// Let the next refund begin so, instead of `succeeded`; several wait in line.
    pub fn next_refund(&self, status: RefundStatus) {
        self.book().next_refunds.push_back(status);
    }

    /// A refund moves on: an open one anywhere, one that succeeded to `failed` or `canceled`.
    /// False if it cannot.
    pub fn move_refund(&self, refund_id: &str, status: RefundStatus) -> bool {
        self.outside(|book, cause| book.move_refund(cause, refund_id, status))
    }

    /// Open a dispute about an intent. Answers its id; nothing if the intent was never paid.
    pub fn dispute(&self, intent_id: &str, status: DisputeStatus) -> Option<String> {
        self.outside(|book, cause| book.dispute(cause, intent_id, status))
    }

    /// A dispute moves on. False if there is none, or nothing changes.
    pub fn move_dispute(&self, dispute_id: &str, status: DisputeStatus) -> bool {
        self.outside(|book, cause| book.move_dispute(cause, dispute_id, status))
    }

    /// Open a fraud review of an intent. Answers its id; nothing if one is open.
    pub fn review(&self, intent_id: &str) -> Option<String> {
        self.outside(|book, cause| book.open_review(cause, intent_id))
    }

    /// Close a fraud review: `approved`, `refunded`, `refunded_as_fraud`, `disputed`, ... False if
    /// there is no open one.
    pub fn close_review(&self, review_id: &str, reason: &str) -> bool {
        self.outside(|book, cause| book.close_review(cause, review_id, reason))
    }

    /// Warn early of fraud. Answers the warning's id; nothing if the intent was never paid.
    pub fn warn(&self, intent_id: &str) -> Option<String> {
        self.outside(|book, cause| book.warn(cause, intent_id))
    }

    /// A customer went through a checkout that made this intent, paid or not; the bank's later word
    /// ([`Stripe::approve`], [`Stripe::decline`]) reaches the session too. Answers the session's
    /// id.
    pub fn check_out(&self, intent_id: &str) -> Option<String> {
        self.outside(|book, cause| book.check_out(cause, intent_id))
    }

    /// An intent as it stands.
    pub fn intent(&self, id: &str) -> Option<Intent> {
        self.book().intents.get(id).cloned()
    }

    /// The refunds of an intent, oldest first.
    pub fn refunds_of(&self, intent_id: &str) -> Vec<Refund> {
        let of = |it: &&Refund| it.payment_intent == intent_id;
        self.book().refunds.rows().iter().filter(of).cloned().collect()
    }

    /// Stripe's own events, oldest first.
    pub fn events(&self) -> Vec<Arc<Notice>> {
        self.book().notices.rows().to_vec()
    }

    fn outside<T>(&self, act: impl FnOnce(&mut Book, &Cause) -> T) -> T {
        let mut book = self.book();
        let cause = Cause::outside(self.clock.now_ms());
        act(&mut book, &cause)
    }
}

fn waits(intent: &Intent) -> bool {
    matches!(
        intent.status.as_str(),
        "requires_payment_method" | "requires_confirmation" | "requires_action" | "processing"
    )
}

/// The event of a status that a test asks for.
fn told_of(status: &str) -> Option<&'static str> {
    match status {
        "succeeded" => Some("payment_intent.succeeded"),
        "processing" => Some("payment_intent.processing"),
        "requires_action" => Some("payment_intent.requires_action"),
        "requires_capture" => Some("payment_intent.amount_capturable_updated"),
        "requires_payment_method" => Some("payment_intent.payment_failed"),
        "canceled" => Some("payment_intent.canceled"),
        _ => None,
    }
}
