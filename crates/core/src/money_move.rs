//! One movement of money that is due: what Stripe was just read to say decides before every send, and
//! what a call was answered decides after it. // C6, G28
//!
//! Promise:
//! - Nothing is sent without a look right before it, and nothing is sent that the look shows to be
//!   done, or that it shows to be impossible.
//! - A refund gets a new key only when its former one is dead, its last call is long over and Stripe
//!   shows no refund with our id. A capture and a cancellation can take effect once only, whatever
//!   their keys, so that they may have a new key as soon as the former one gives a stored error.
//! - No answer but Stripe's own word ends a movement, and a refusal only when it was given twice with
//!   a look in between: the first may speak of our own effect. // G5
//! - What is not known yet is asked again, with pauses of five minutes at most, and with a bounded
//!   number of keys: many in its first hours, then one a day.
//!
//! Reading order: [`Due`] (the facts that are ours), `look` ([`Seen`] and [`before_send`]), `answer`
//! ([`Answer`] and [`after_answer`]), [`Record`] (what is stored).

mod answer;
mod look;

pub use answer::{Answer, after_answer};
pub use look::{Seen, SeenRefund, Step, before_send};

use crate::money::Minor;
use crate::retry::Backoff;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// The pauses between two looks at one movement.
const PAUSES: Backoff = Backoff { first: Duration::from_secs(1), cap: Duration::from_mins(5) };
/// The shortest of them.
const PAUSE_LEAST: Duration = Duration::from_millis(200);

/// What is stored as the code of a movement whose key gives an error of the server again and again,
/// because Stripe has stored it: only another key would be a new call.
const STORED_ERROR: &str = "stored_error";
/// What stands before the code of a refusal that was given once.
const REFUSED_ONCE: &str = "refused:";

/// What money is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Reserved money is taken.
    Capture,
    /// Received money is returned.
    Refund,
    /// A payment that received nothing is ended, and what it reserves released.
    Cancel,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Capture, Self::Refund, Self::Cancel];

    /// The name as the database stores it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Refund => "refund",
            Self::Cancel => "cancel",
        }
    }

    /// Reads a name written by [`Kind::name`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Why a movement is made, as far as that decides about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// Nobody has paid: money that is reserved meanwhile speaks against it. // B10
    Unpaid,
    /// Anything else.
    Other,
}

/// How far a movement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Nothing of it was sent.
    Open,
    /// Stripe may have done it.
    Unknown,
    /// Stripe has it, the bank not yet.
    Accepted,
    /// It was made.
    Done,
    /// Stripe refused it for good, or it had become impossible.
    Refused,
    /// The bank returned it: the money is ours again.
    Failed,
    /// Nothing needs it any more, and nothing of it was sent.
    Withdrawn,
}

impl State {
    /// Every state that an engine deals with.
    pub const ALL: [Self; 7] = [
        Self::Open,
        Self::Unknown,
        Self::Accepted,
        Self::Done,
        Self::Refused,
        Self::Failed,
        Self::Withdrawn,
    ];

    /// The name as the database stores it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Unknown => "unknown",
            Self::Accepted => "accepted",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Reads a name written by [`State::name`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether nothing follows.
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Open | Self::Unknown | Self::Accepted)
    }
}

/// A movement of money that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Our id of it; a refund carries it at Stripe.
    pub id: String,
    /// What is moved.
    pub kind: Kind,
    /// How much, in minor units; a cancellation may have none.
    pub amount_minor: Minor,
    /// How far it is: open, unknown or accepted.
    pub state: State,
    /// How often it was sent, or was about to be.
    pub calls: u32,
    /// The number of its key, from 1.
    pub keys: u32,
    /// Whether Stripe may have forgotten that key.
    pub key_dead: bool,
    /// Whether its last call is over at Stripe too, as far as anybody can tell.
    pub call_over: bool,
    /// Why it is made.
    pub why: Why,
    /// Whether its order still needs it.
    pub wanted: bool,
    /// Stripe's id of it, if it is known.
    pub stripe_id: Option<String>,
    /// What was stored after the last call, see [`Record::code`].
    pub code: Option<String>,
}

/// What is stored of a movement after a look or a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// How far it is.
    pub state: State,
    /// The reason, for people; and what the next look must know of the last call.
    pub code: Option<String>,
    /// Stripe's id of it, if it is known now.
    pub stripe_id: Option<String>,
    /// Stripe's word.
    pub stripe_status: Option<String>,
    /// When it is due again, if it has not ended.
    pub delay: Duration,
}

impl Record {
    fn shown(state: State, stripe_id: String, status: String) -> Self {
        let (stripe_id, stripe_status) = (Some(stripe_id), Some(status));
        Self { state, code: None, stripe_id, stripe_status, delay: Duration::ZERO }
    }

    fn ended(state: State, code: String) -> Self {
        let code = Some(code);
        Self { state, code, stripe_id: None, stripe_status: None, delay: Duration::ZERO }
    }

    fn unknown(code: Option<String>, delay: Duration) -> Self {
        Self { state: State::Unknown, code, stripe_id: None, stripe_status: None, delay }
    }

    /// Nothing new: it is due again after this.
    pub fn unchanged(due: &Due, delay: Duration) -> Self {
        let (state, code) = (due.state, due.code.clone());
        Self { state, code, stripe_id: None, stripe_status: None, delay }
    }

    /// Stripe could not be read: as before, and due again after a pause that grows with the number of
    /// turns in a row in which it could not.
    pub fn unread(due: &Due, vain_turns: u32, chance: u64) -> Self {
        Self::unchanged(due, pause(vain_turns, chance))
    }
}

/// The pause after so many tries.
fn pause(tries: u32, chance: u64) -> Duration {
    PAUSES.pause(tries, chance).max(PAUSE_LEAST)
}

/// The pause when nothing is to be expected soon.
fn long_pause(chance: u64) -> Duration {
    PAUSES.cap / 2 + Backoff { first: PAUSES.cap / 2, cap: PAUSES.cap / 2 }.pause(1, chance)
}
