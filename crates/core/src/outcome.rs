//! What a provider's words mean to us. Not knowing is one of the meanings. // G5
//!
//! Promise: [`Answer::Unknown`] is a value, not an error: it cannot be swallowed by `?`, and
//! nothing turns it into a refusal. The adapters translate their provider's codes into these types;
//! [`crate::plan`] decides what follows.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// How an answer of the provider is to be treated; the closed table of each adapter maps codes to
/// these. Whatever is not in the table is [`Class::NeedsReview`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The provider still works on it: poll, wait.
    InProgress,
    /// The outcome of the call is unknown: same key, same bytes, after a pause.
    RetrySameKey,
    /// Final, nothing bought, temporary cause: a new attempt with a new key after a pause.
    RetryNewKey,
    /// Final, nothing bought, the account's balance was too low.
    HoldUntilFunded,
    /// A purchase may exist, or only a person can decide.
    NeedsReview,
    /// Final, nothing bought, and the same content would fail again.
    Rejected,
    /// Final, ended by an abort or a cancellation.
    Cancelled,
    /// Our account or set-up is wrong: stop all submissions of this account, fail no order.
    Configuration,
}

impl Class {
    /// Every class, for tables and tests.
    pub const ALL: [Self; 8] = [
        Self::InProgress,
        Self::RetrySameKey,
        Self::RetryNewKey,
        Self::HoldUntilFunded,
        Self::NeedsReview,
        Self::Rejected,
        Self::Cancelled,
        Self::Configuration,
    ];

    /// The name as it stands in the history.
    pub fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::RetrySameKey => "retry_same_key",
            Self::RetryNewKey => "retry_new_key",
            Self::HoldUntilFunded => "hold_until_funded",
            Self::NeedsReview => "needs_review",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Configuration => "configuration",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A readable word of failure from the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The class that the adapter's table gives the code.
    pub class: Class,
    /// The provider's code, exactly as it came, at most 100 characters.
    pub code: String,
    /// Whether the provider has used the key up, so that the same key can never buy again.
    /// Only then may a machine settle the attempt without a quarantine (see `ARCHITECTURE.md`).
    pub key_used_up: bool,
    /// Whether the provider may keep this answer and give it again for the same key. It does not
    /// when it refuses the caller: a wrong token is seen before any key is looked at.
    pub kept: bool,
    /// Set when the provider calls our request itself wrong, which is a fault of the program: the
    /// fields that it named, out of a closed list, so that nothing of a customer can stand here.
    pub wrong_fields: Option<Vec<&'static str>>,
}

/// Why we do not know what a call did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// The hard deadline passed while the call was under way.
    TimedOut,
    /// No connection, or it broke before a whole answer was there.
    ConnectionBroke,
    /// The provider answered with a server error; it may have acted.
    ServerError,
    /// The answer was not what the contract allows: wrong length, no JSON, neither id nor code.
    Unreadable,
    /// The provider asked us to slow down.
    TooManyRequests,
    /// A client error without a readable code.
    UnreadableClientError,
    /// The engine was stopped while the call was under way.
    Stopped,
    /// The lease ended and nobody recorded an answer.
    LeaseEnded,
}

impl Doubt {
    /// Whether the provider answered, with something that means nothing to us. The other doubts are
    /// about the way to it.
    pub fn is_odd(self) -> bool {
        matches!(self, Self::Unreadable | Self::UnreadableClientError)
    }

    /// The name as it stands in the history.
    pub fn name(self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::ConnectionBroke => "connection_broke",
            Self::ServerError => "server_error",
            Self::Unreadable => "unreadable",
            Self::TooManyRequests => "too_many_requests",
            Self::UnreadableClientError => "unreadable_client_error",
            Self::Stopped => "stopped",
            Self::LeaseEnded => "lease_ended",
        }
    }
}

/// What one create call told us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The provider has the request, under this id.
    Accepted {
        /// The provider's id for the request.
        request_id: String,
    },
    /// The provider said no, in words we can read.
    Refused(Refusal),
    /// We cannot know whether the provider has it.
    Unknown {
        /// What happened instead of an answer.
        doubt: Doubt,
        /// How long the provider asked us to wait, if it did.
        retry_after: Option<Duration>,
    },
    /// Not one byte of the request was written by *this* call, certainly. An earlier call of the same
    /// attempt may have arrived.
    NotSent {
        /// For the log: a fixed word, never the provider's text.
        why: &'static str,
    },
}

/// What reading a request that the provider has accepted told us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Still being worked on; not a failure, whatever the provider's type field says.
    InProgress {
        /// The provider's code, for `zinc_status`.
        code: String,
    },
    /// The retailer took the order.
    Placed(Placed, Whose),
    /// The provider stated an end without a purchase, or something only a person can judge.
    Failed(Refusal, Whose),
    /// The answer belongs to another order or attempt than the one that was asked for: the request id
    /// that we stored is not ours.
    OtherOrder,
    /// The provider knows no request of this id, not yet or not any more. It says nothing about the
    /// purchase.
    NotFound {
        /// The provider's code.
        code: String,
    },
    /// The provider refuses the caller, so nothing can be read; it says nothing about the request.
    Barred {
        /// The provider's code, or ours for the status.
        code: String,
    },
    /// The read itself failed or made no sense; nothing is known that was not known before.
    Nothing {
        /// What happened instead of an answer.
        doubt: Doubt,
    },
}

/// Whose request an answer to a read speaks of. A request id alone does not say: the provider may
/// have given us another order's id for ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// It names our attempt, in the answer or in the provider's list.
    Ours,
    /// It names nobody.
    Unsaid,
}

impl Reading {
    /// Whether it would move the order or settle its attempt, and does not say that it speaks of
    /// ours: then it counts only once the provider's list says so. // G6
    pub fn wants_a_name(&self) -> bool {
        match self {
            Self::Placed(_, whose) => *whose == Whose::Unsaid,
            Self::Failed(refusal, whose) => *whose == Whose::Unsaid && refusal.is_an_end(),
            _ => false,
        }
    }
}

impl Refusal {
    /// Whether it states an end without a purchase, after which the same key can never buy.
    pub fn is_an_end(&self) -> bool {
        self.key_used_up
            && matches!(
                self.class,
                Class::RetryNewKey | Class::HoldUntilFunded | Class::Rejected | Class::Cancelled
            )
    }
}

/// The facts of a placed retailer order that we keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// What the purchase cost in all, in minor units, when the provider said so.
    pub cost_minor: Option<i64>,
    /// The currency of the cost, ISO code in upper case, when the provider said so.
    pub currency: Option<String>,
    /// The retailer's order numbers; several are normal.
    pub merchant_order_ids: Vec<String>,
    /// Whether each of the retailer's orders has a parcel and every parcel has been delivered.
    pub delivered: bool,
}

/// One entry of the provider's list, found by the notes that we sent along. Whose it is and what
/// became of it stand in one place, so one cannot be another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Our order id, as echoed in the notes.
    pub order_id: uuid::Uuid,
    /// Our attempt id, as echoed in the notes.
    pub attempt_id: uuid::Uuid,
    /// The provider's id for the request.
    pub request_id: String,
    /// What became of it, as far as the entry says so.
    pub reading: Option<Reading>,
}

/// What the provider's list told us. Absence never proves that nothing was bought: not every
/// provider lists unfinished requests, so there is no "not found" here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// The entries that carry our notes, one page.
    Page(Vec<Listed>),
    /// The look-up failed; nothing is known that was not known before.
    Nothing {
        /// What happened instead of an answer.
        doubt: Doubt,
    },
}
