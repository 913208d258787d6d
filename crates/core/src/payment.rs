//! What Stripe says about a payment, in the words of the rules.
//!
//! When a payment is good is decided in one place only, where the facts are stored: the database's
//! function `payment_deviation`.

use crate::money::Minor;

/// What Stripe said about a PaymentIntent and its latest charge, read from its API, never from a
/// client or an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentFacts {
    /// Stripe's status.
    pub status: String,
    /// What was really received.
    pub received_minor: Minor,
    /// What is reserved and can be captured.
    pub capturable_minor: Minor,
    /// What was returned.
    pub refunded_minor: Minor,
    /// ISO code in upper case.
    pub currency: String,
    /// Live or test mode.
    pub livemode: bool,
    /// The order that its metadata names, as it stands there.
    pub named_order: Option<String>,
    /// Until when it can be captured, in Unix seconds, when Stripe says so.
    pub capture_before_s: Option<i64>,
    /// How its worst dispute stands, if there is one.
    pub dispute: Option<Dispute>,
    /// Whether Stripe's review of it is open.
    pub in_review: bool,
    /// Whether Stripe warned of fraud.
    pub warned: bool,
}

/// How a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dispute {
    /// Ended in the shop's favour, or warned of and closed.
    Closed,
    /// Lost: the money is gone.
    Lost,
    /// Under way.
    Open,
}

impl Dispute {
    /// The word that the database stores.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Lost => "lost",
            Self::Open => "open",
        }
    }
}
