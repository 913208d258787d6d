//! What a call was answered, and what follows from it.

use super::{Due, Kind, PAUSES, REFUSED_ONCE, Record, STORED_ERROR, State, long_pause, pause};
use crate::money::Minor;
use std::time::Duration;

/// What one call told, in our own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Stripe shows the object that was asked for.
    Done {
        /// Stripe's id of the payment, or of the refund.
        stripe_id: String,
        /// Stripe's word for it now.
        status: String,
        /// What was received in all, or what is returned, in minor units.
        amount_minor: Minor,
    },
    /// Stripe said no.
    Refused {
        /// Its code.
        code: String,
    },
    /// What was sent is a fault of this program.
    Bug {
        /// Which.
        code: String,
    },
    /// Stripe refuses the caller, with this status.
    Barred(u16),
    /// Nobody knows.
    Unknown {
        /// What happened instead of an answer.
        doubt: &'static str,
        /// How long Stripe asked us to wait, if it did.
        retry_after: Option<Duration>,
        /// Whether it is the stored answer to an earlier call.
        replayed: bool,
    },
    /// Nothing left by this call, for this reason.
    NotSent(&'static str),
}

/// Decides what a call means for its movement; `chance` spreads the pauses. `due` is the movement
/// before the call, which is one more than it counts.
pub fn after_answer(answer: Answer, due: &Due, chance: u64) -> Record {
    let soon = pause(due.calls.saturating_add(1), chance);
    match answer {
        Answer::Done { stripe_id, status, amount_minor } => {
            done(due, stripe_id, status, amount_minor, soon, chance)
        }
        Answer::Refused { code } => match &due.code {
            Some(former) if former.starts_with(REFUSED_ONCE) => Record::ended(State::Refused, code),
            // It may speak of what we did ourselves: the next look tells.
            _ => Record::unknown(Some(format!("{REFUSED_ONCE}{code}")), soon),
        },
        Answer::Bug { code } => Record::ended(State::Refused, format!("fault_of_ours:{code}")),
        Answer::Barred(status) => {
            Record::unknown(due.memory(format!("stripe_http_{status}")), long_pause(chance))
        }
        Answer::Unknown { doubt, retry_after, replayed } => {
            let code = if replayed { STORED_ERROR } else { doubt };
            let asked = retry_after.unwrap_or_default().min(PAUSES.cap);
            Record::unknown(Some(code.to_owned()), soon.max(asked))
        }
        Answer::NotSent(why) => Record::unknown(due.memory(why.to_owned()), soon),
    }
}

/// What Stripe shows in its answer. What is not plainly what was asked for is looked at.
fn done(
    due: &Due,
    stripe_id: String,
    status: String,
    amount_minor: Minor,
    soon: Duration,
    chance: u64,
) -> Record {
    let state = match (due.kind, status.as_str()) {
        (Kind::Cancel, "canceled") => State::Done,
        _ if due.kind == Kind::Cancel || amount_minor != due.amount_minor => State::Unknown,
        (_, "succeeded") => State::Done,
        (Kind::Refund, "pending" | "requires_action") => State::Accepted,
        (Kind::Refund, "failed" | "canceled") => State::Failed,
        _ => State::Unknown,
    };
    match state {
        State::Unknown => Record::unknown(Some("odd_answer".to_owned()), soon),
        State::Accepted => {
            Record { delay: long_pause(chance), ..Record::shown(state, stripe_id, status) }
        }
        state => Record::shown(state, stripe_id, status),
    }
}

impl Due {
    /// The code after a call that told nothing of the movement: what is remembered stays.
    fn memory(&self, word: String) -> Option<String> {
        let kept = self.code.clone();
        kept.filter(|code| code == STORED_ERROR || code.starts_with(REFUSED_ONCE)).or(Some(word))
    }
}
