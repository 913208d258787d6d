//! What stands in the ledger of the fake Zinc. A restarted sandbox reads nothing but these lines,
//! so they carry everything that it must remember.

use super::fault::Fault;
use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A line's content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A purchase was made. This line, and no other, is money spent.
    Purchase(Arc<Purchase>),
    /// A create was received, with what became of it.
    Create(Create),
    /// A request was read.
    Read {
        /// The request asked for.
        request_id: Arc<str>,
        /// What was done to the call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<Fault>,
    },
    /// Requests were listed.
    List {
        /// What was done to the call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<Fault>,
    },
    /// A call came without the right token.
    Unauthorized,
    /// A purchase ended with an error: it no longer counts.
    Failed {
        /// The request.
        request_id: Arc<str>,
        /// The error.
        code: String,
    },
    /// A purchase was cancelled: it no longer counts.
    Cancelled {
        /// The request.
        request_id: Arc<str>,
    },
    /// The client broke its promise: other bytes under a key it had used.
    Violation {
        /// The key.
        key: Arc<str>,
        /// The first bytes.
        first: Digest,
        /// These bytes.
        this: Digest,
    },
}

/// A purchase, with its whole life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Purchase {
    /// The provider's id.
    pub request_id: Arc<str>,
    /// The key it was bought under.
    pub idempotency_key: Option<Arc<str>>,
    /// Our order, from the notes.
    pub order_id: Option<Arc<str>>,
    /// Our attempt, from the notes.
    pub attempt_id: Option<Arc<str>>,
    /// The ceiling that was sent.
    pub max_price: i64,
    /// What it costs.
    pub total_cents: i64,
    /// In which currency.
    #[serde(default = "usd")]
    pub currency: String,
    /// The body's digest.
    pub sha256: Digest,
    /// When the retailer's order is placed, or the error is final.
    pub placed_ms: i64,
    /// When it is delivered.
    pub delivered_ms: i64,
    /// The error that reads show from `placed_ms` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the error means that nothing was bought. Not so for `order_probably_placed`, which
    /// may hide a purchase.
    #[serde(default)]
    pub void: bool,
}

/// What ledgers meant before they said so.
fn usd() -> String {
    "USD".to_owned()
}

/// A create that was received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Create {
    /// The key, if one was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Arc<str>>,
    /// The n-th call under this key; the n-th of all calls without one.
    pub call: u32,
    /// Our order, from the notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<Arc<str>>,
    /// Our attempt, from the notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_id: Option<Arc<str>>,
    /// The body's digest.
    pub sha256: Digest,
    /// What became of it.
    pub outcome: Outcome,
    /// What was done to the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Until then an equal key would be bought once more.
    pub busy_until_ms: i64,
    /// The purchase, if it is made later than this line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later: Option<Later>,
}

/// A purchase that is still to be made, whatever happens to the client or to this process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Later {
    /// When.
    pub due_ms: i64,
    /// Which.
    pub purchase: Arc<Purchase>,
}

/// What became of a create.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A new request.
    Accepted(Arc<str>),
    /// A new request beside the one that the same key was busy with: bought twice.
    AcceptedAgain(Arc<str>),
    /// The key was known; its request id again.
    DuplicateOf(Arc<str>),
    /// An error, now stored under the key.
    Refused(Arc<StoredError>),
    /// The error that is stored under the key, again.
    RefusedAgain(String),
    /// A fault came first: nothing was done.
    TurnedAway,
}

/// An error as it is stored under a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredError {
    /// The HTTP status that it is answered with.
    pub status: u16,
    /// The code.
    pub code: String,
    /// What the validator found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validator_errors: Vec<String>,
}
