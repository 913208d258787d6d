//! A call that moves money, and what it told us.

use bytes::Bytes;
use orders_core::gate::Gate;
use orders_core::outcome::Doubt;
use std::time::Duration;

/// A stored request and how it is sent. Its own bytes and its own key, each time.
pub struct Act<'a> {
    /// The stored target, see [`super::Prepared`].
    pub target: &'a str,
    /// The stored bytes.
    pub body: Bytes,
    /// The stored key: at most 255 printable characters without a blank.
    pub key: &'a str,
    /// On the boot clock of the client: not one byte of the request from here on. // G16
    pub send_until: Duration,
    /// Told when the first bytes were handed over.
    pub gate: &'a dyn Gate,
}

/// What one call that moves money told us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActAnswer {
    /// Stripe has it, and says what became of it; whether that is what was wanted, its status and its
    /// amount tell.
    Done(Acted),
    /// Stripe said no, for these parameters for good.
    Refused {
        /// The HTTP status: 400, 402 or 404.
        status: u16,
        /// Stripe's code, or `http_<status>` where it gave none.
        code: String,
        /// Stripe's type of the error.
        kind: String,
        /// Whether it is the stored answer to an earlier call under the key.
        replayed: bool,
    },
    /// The key was used for something else: a fault of this program, for a person.
    Bug {
        /// Stripe's code, or `idempotency_error` where it gave none.
        code: String,
    },
    /// Stripe refuses the caller, with this HTTP status: our set-up, and no word about the payment.
    Barred(u16),
    /// We cannot know whether it was done.
    Unknown {
        /// What happened instead of an answer.
        doubt: Doubt,
        /// How long Stripe asked us to wait, if it did.
        retry_after: Option<Duration>,
        /// Whether it is the stored answer to an earlier call: it stays what it is, and only reading
        /// the object tells the truth.
        replayed: bool,
        /// Whether Stripe said that the same call will not do better: look the truth up instead.
        repeat_is_useless: bool,
    },
    /// Not one byte of the request was written by *this* call, certainly. An earlier call under the
    /// same key may have arrived. With a fixed word for the log.
    NotSent(&'static str),
}

impl ActAnswer {
    /// No answer at all.
    pub(super) fn lost(doubt: Doubt) -> Self {
        Self::Unknown { doubt, retry_after: None, replayed: false, repeat_is_useless: false }
    }
}

/// What Stripe says it did, about the very object that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acted {
    /// Stripe's id of the payment or of the refund.
    pub id: String,
    /// `payment_intent` or `refund`.
    pub object: &'static str,
    /// Stripe's word, of the object as it is now.
    pub status: String,
    /// What was received in all for a payment, what is given back for a refund; in minor units.
    pub amount_minor: i64,
    /// ISO code in upper case.
    pub currency: String,
    /// Our own id of a refund.
    pub refund_id: Option<String>,
}
