//! What stands in the ledger of the fake Stripe. A restarted sandbox reads nothing but these lines,
//! so they carry everything that it must remember.
//!
//! These are not Stripe's own events; such a one is a [`Notice`], and a line too.

use super::call::Deferred;
use super::dispute::{Dispute, DisputeStatus};
use super::fault::StripeFault;
use super::intent::{Fact, Intent};
use super::notice::{Fate, Notice};
use super::refund::{Refund, RefundStatus};
use super::signal::{Review, Session, Warning};
use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A line's content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// An intent was created.
    Created {
        /// The intent as it was then.
        intent: Box<Intent>,
    },
    /// An intent waits for the customer, or for the bank.
    Waiting {
        /// The intent.
        id: String,
        /// With what it is to be paid.
        payment_method: String,
        /// `requires_action` or `processing`.
        status: String,
    },
    /// An intent was paid, or authorised.
    Confirmed {
        /// The intent.
        id: String,
        /// With what.
        payment_method: String,
        /// Until when an authorisation can be captured.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capture_before_ms: Option<i64>,
    },
    /// A card said no.
    Declined {
        /// The intent.
        id: String,
    },
    /// Authorised money was taken. This line is money received.
    Captured {
        /// The intent.
        id: String,
        /// How much.
        amount: i64,
        /// Whether the rest shows as refunded.
        #[serde(default)]
        release_shown: bool,
    },
    /// An intent ended unpaid.
    Canceled {
        /// The intent.
        id: String,
        /// Why, if it was said.
        reason: Option<String>,
        /// Whether the authorised money shows as refunded.
        #[serde(default)]
        release_shown: bool,
    },
    /// A test changed a fact.
    Changed {
        /// The intent.
        id: String,
        /// The fact.
        fact: Fact,
    },
    /// A refund was made. This line, and no other, is money returned.
    RefundMade {
        /// The refund as it was then.
        refund: Box<Refund>,
    },
    /// A refund moved on; when it failed or was canceled, the money is with the shop again.
    RefundMoved {
        /// The refund.
        id: String,
        /// How far it is now.
        status: RefundStatus,
    },
    /// A charge was disputed.
    DisputeOpened {
        /// The dispute as it was then.
        dispute: Box<Dispute>,
    },
    /// A dispute moved on.
    DisputeMoved {
        /// The dispute.
        id: String,
        /// How far it is now.
        status: DisputeStatus,
    },
    /// A fraud review began.
    ReviewOpened {
        /// The review.
        review: Box<Review>,
    },
    /// A fraud review ended.
    ReviewClosed {
        /// The review.
        id: String,
        /// With which result.
        reason: String,
    },
    /// A bank warned of fraud.
    Warned {
        /// The warning.
        warning: Box<Warning>,
    },
    /// A customer went through a checkout.
    CheckedOut {
        /// The session.
        session: Box<Session>,
    },
    /// An event of Stripe's own came into being.
    Notified {
        /// The event.
        notice: Arc<Notice>,
        /// How it will be delivered.
        fate: Fate,
    },
    /// A delivery was tried.
    Tried {
        /// The event's id.
        notice: String,
        /// Which delivery; a repeat has the number of the first try.
        delivery: u64,
        /// What the endpoint said; nothing when it did not answer.
        status: Option<u16>,
    },
    /// The endpoint was removed, and with it all that was owed to it.
    EndpointGone,
    /// A call was cut off; its effect comes later.
    Later {
        /// When.
        due_ms: i64,
        /// The call.
        call: Box<Deferred>,
    },
    /// A call was answered, or not.
    Called {
        /// `GET` or `POST`.
        method: String,
        /// Where.
        path: String,
        /// Its idempotency key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// The status of the answer; nothing when there was none.
        status: Option<u16>,
        /// What was done to it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<StripeFault>,
    },
    /// A call was one too many in its second.
    Limited {
        /// Where.
        path: String,
    },
    /// An answer was stored under a key.
    Stored {
        /// The key.
        key: String,
        /// The parameters' digest.
        parameters: Digest,
        /// The status.
        status: u16,
        /// The body.
        body: String,
        /// Until when the first call is still being answered.
        #[serde(default)]
        busy_until_ms: i64,
    },
    /// A stored answer was given again.
    Replayed {
        /// The key.
        key: String,
    },
    /// A key came back while its first call was under way.
    Busy {
        /// The key.
        key: String,
    },
    /// A key came back with other parameters.
    Violation {
        /// The key.
        key: String,
    },
    /// A call came without the right key, or with one that lacks the right to it.
    Unauthorized,
}
