//! What to do next: pure decisions from facts, in the engine's three moments.
//!
//! Promise: no answer but a settled refusal leads to a new key, or to the end at which money goes back.
//! [`before_send`] decides what a locked order may send, [`after_answer`] what an answer means for
//! it, [`reading::after_reading`] what the provider's later word means. The database refuses, on its own,
//! what must never follow. // G5, G6, G7

use crate::outcome::{Answer, Class, Doubt, Refusal};
use crate::retry::Backoff;
use crate::state::Status;
use std::time::Duration;

pub mod reading;
pub mod trouble;

pub use trouble::Pause;

/// The bounds of trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most calls under one key; then a person.
    pub calls_max: u32,
    /// The most attempts of one order; then a person.
    pub generations_max: u32,
    /// Pauses between calls under one key, on top of the provider's processing bound.
    pub repeat: Backoff,
    /// Pauses before a new key.
    pub renew: Backoff,
    /// How long an account whose set-up is wrong, or whose balance is too low, is left alone.
    pub account_pause: Duration,
    /// Readings in a row that say nothing usable of an order; then a person.
    pub vain_readings_max: u32,
    /// How old a purchase may be that the provider still works on before a person is told: the
    /// provider's queue holds it for four hours at most, and a day is taken for stuck.
    pub unplaced_max: Duration,
    /// The same for one whose goods have not all arrived.
    pub undelivered_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls_max: 12,
            generations_max: 5,
            repeat: Backoff { first: Duration::from_secs(1), cap: Duration::from_mins(10) },
            renew: Backoff { first: Duration::from_secs(5), cap: Duration::from_mins(30) },
            account_pause: Duration::from_mins(5),
            vain_readings_max: 3,
            unplaced_max: Duration::from_hours(24),
            undelivered_max: Duration::from_hours(30 * 24),
        }
    }
}

/// The attempt that a locked order has open, if it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenAttempt {
    /// Its number.
    pub generation: i32,
    /// How often its bytes were sent, or were about to be.
    pub calls: u32,
    /// Whether the provider may have forgotten its key.
    pub key_dead: bool,
    /// Whether the last call may still be running at the provider. // ruling 4
    pub may_still_run: bool,
}

/// What a locked order may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// A new attempt of this number, with bytes made now.
    Open(i32),
    /// The stored bytes of the open attempt, under its key.
    Repeat(i32),
    /// Nothing; a person must decide, for this reason.
    Review(&'static str),
    /// Nothing now.
    Leave,
}

/// Decides what a locked order may send.
pub fn before_send(generation: i32, open: Option<OpenAttempt>, limits: &Limits) -> Intent {
    match open {
        None if generation.unsigned_abs() >= limits.generations_max => {
            Intent::Review("attempts_exhausted")
        }
        None => Intent::Open(generation + 1),
        Some(attempt) if attempt.key_dead => Intent::Review("key_dead"),
        Some(attempt) if attempt.calls >= limits.calls_max => Intent::Review("outcome_unknown"),
        Some(attempt) if attempt.may_still_run => Intent::Leave,
        Some(attempt) => Intent::Repeat(attempt.generation),
    }
}

/// What is recorded when a call ended in anything but an acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setback {
    /// The kind of event.
    pub kind: &'static str,
    /// The provider's code, or ours for what happened instead of an answer.
    pub code: String,
    /// What is known of the attempt now: `open`, `unknown` or `refused`.
    pub outcome: &'static str,
    /// The evidence that settles the attempt, if it is settled.
    pub settlement: Option<&'static str>,
    /// The status that follows.
    pub after: Status,
    /// Why a person must decide, when one must.
    pub review_reason: Option<String>,
    /// The hold that follows.
    pub hold_reason: Option<&'static str>,
    /// When the order is due again.
    pub delay: Duration,
    /// Whether the whole account must pause.
    pub pause: Option<Pause>,
}

/// What an answer means for its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consequence {
    /// The provider has it, under this id.
    Accept(String),
    /// Anything else.
    Setback(Setback),
}

/// Where the order stood when the call was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The number of the attempt.
    pub generation: u32,
    /// Calls under this key, the one that ended included.
    pub calls: u32,
    /// What the call before it was answered, if it was: the code that the attempt has stored.
    pub last_code: Option<String>,
}

/// Decides what an answer means; `chance` spreads the pauses.
pub fn after_answer(answer: Answer, sent: &Sent, limits: &Limits, chance: u64) -> Consequence {
    match answer {
        Answer::Accepted { request_id } => Consequence::Accept(request_id),
        Answer::Unknown { doubt, retry_after } => {
            Consequence::Setback(doubtful(doubt, retry_after, sent, limits, chance))
        }
        Answer::NotSent { why } => Consequence::Setback(not_sent(why, sent, limits, chance)),
        Answer::Refused(refusal) => Consequence::Setback(refused(refusal, sent, limits, chance)),
    }
}

/// When a person is reminded of an order that waits for a decision.
pub const REMINDER: Duration = Duration::from_hours(24);

/// Nothing went out. The account rests, and longer each time: else every order would be claimed and
/// given back without end, two events each time.
fn not_sent(why: &'static str, sent: &Sent, limits: &Limits, chance: u64) -> Setback {
    Setback {
        kind: "claim_released",
        code: why.to_owned(),
        outcome: "open",
        settlement: None,
        after: Status::Pending,
        review_reason: None,
        hold_reason: None,
        delay: limits.repeat.pause(sent.calls, chance),
        pause: match why {
            // Our own stop says nothing of the way to the provider.
            "stopped" => None,
            "request_not_built" => Some(Pause::of_set_up(limits.account_pause)),
            _ => Some(Pause::of_our_own(limits.repeat.first)),
        },
    }
}

fn doubtful(
    doubt: Doubt,
    retry_after: Option<Duration>,
    sent: &Sent,
    limits: &Limits,
    chance: u64,
) -> Setback {
    let exhausted = sent.calls >= limits.calls_max;
    // The provider's own word is taken as it is, up to a bound: nobody may stop us for days.
    let asked = retry_after.map(|wait| wait.min(trouble::PAUSE_MAX)).filter(|wait| !wait.is_zero());
    let delay = limits.repeat.pause(sent.calls, chance).max(asked.unwrap_or_default());
    let slow_down = asked.map_or(Pause::of_our_own(limits.repeat.first), Pause::as_asked);
    Setback {
        kind: "answer_lost",
        code: doubt.name().to_owned(),
        outcome: "unknown",
        settlement: None,
        after: if exhausted { Status::NeedsReview } else { Status::Submitting },
        review_reason: exhausted.then(|| "outcome_unknown".to_owned()),
        hold_reason: None,
        delay: if exhausted { REMINDER } else { delay },
        pause: (doubt == Doubt::TooManyRequests).then_some(slow_down),
    }
}

fn refused(refusal: Refusal, sent: &Sent, limits: &Limits, chance: u64) -> Setback {
    match refusal.class {
        Class::Configuration => account_refused(refusal, sent, limits, chance),
        Class::InProgress | Class::RetrySameKey => Setback {
            code: refusal.code,
            ..doubtful(Doubt::Unreadable, None, sent, limits, chance)
        },
        // A refusal settles only when the provider has used the key up: then the same key can never
        // buy again. Without that a purchase may exist, and only a person may say otherwise. // G6
        _ if !refusal.is_an_end() => doubted(refusal.code),
        _ => settled(ending(&refusal, sent.generation, limits, chance), refusal.code),
    }
}

/// Our account is refused, not the order: everything pauses, and the same key is tried once more.
///
/// When the repeat brings the very answer of the first call, the provider has stored it under the
/// key: the key is used up, and the account may be well again. That is certain only while every call
/// under the key is known to have ended so. A lost call before may have bought, and an account may
/// be refused before its keys are looked at; then a person decides. // G6
fn account_refused(refusal: Refusal, sent: &Sent, limits: &Limits, chance: u64) -> Setback {
    let stored = refusal.kept && sent.last_code.as_deref() == Some(&refusal.code);
    if stored && sent.calls == 2 {
        let renewed = Refusal { class: Class::RetryNewKey, ..refusal };
        return settled(ending(&renewed, sent.generation, limits, chance), renewed.code);
    }
    if stored {
        return doubted(refusal.code);
    }
    let exhausted = sent.calls >= limits.calls_max;
    Setback {
        kind: "provider_refused_us",
        code: refusal.code,
        outcome: "unknown",
        settlement: None,
        after: if exhausted { Status::NeedsReview } else { Status::Submitting },
        review_reason: exhausted.then(|| "outcome_unknown".to_owned()),
        hold_reason: None,
        delay: if exhausted { REMINDER } else { limits.account_pause },
        pause: Some(Pause::of_set_up(limits.account_pause)),
    }
}

/// A purchase may exist.
fn doubted(code: String) -> Setback {
    Setback {
        kind: "purchase_doubtful",
        outcome: "unknown",
        settlement: None,
        after: Status::NeedsReview,
        review_reason: Some(code.clone()),
        hold_reason: None,
        delay: REMINDER,
        pause: None,
        code,
    }
}

/// What follows a refusal that is settled.
pub(crate) struct Ending {
    pub(crate) after: Status,
    pub(crate) review_reason: Option<String>,
    pub(crate) hold_reason: Option<&'static str>,
    pub(crate) delay: Duration,
    pub(crate) pause: Option<Pause>,
}

pub(crate) fn ending(refusal: &Refusal, generation: u32, limits: &Limits, chance: u64) -> Ending {
    let again = Ending {
        after: Status::Pending,
        review_reason: None,
        hold_reason: None,
        delay: limits.renew.pause(generation, chance),
        pause: None,
    };
    let review = |reason: String| Ending {
        after: Status::NeedsReview,
        review_reason: Some(reason),
        hold_reason: None,
        delay: REMINDER,
        pause: None,
    };
    match refusal.class {
        Class::RetryNewKey if generation >= limits.generations_max => {
            review("attempts_exhausted".into())
        }
        Class::RetryNewKey => again,
        // Every other order would meet the same answer and lose its key, so all of them wait.
        Class::HoldUntilFunded => Ending {
            hold_reason: Some("awaiting_funds"),
            pause: Some(Pause::as_asked(limits.account_pause)),
            ..again
        },
        // The provider calls our request itself wrong: somebody mends the program.
        _ if refusal.wrong_fields.is_some() => {
            let named = refusal.wrong_fields.as_deref().unwrap_or_default().join(", ");
            review(if named.is_empty() {
                "request_invalid".to_owned()
            } else {
                format!("request_invalid: {named}").chars().take(100).collect()
            })
        }
        // Nothing will ever be bought: the order ends, and its money goes back.
        _ => Ending { after: Status::Failed, delay: Duration::ZERO, ..again },
    }
}

fn settled(ending: Ending, code: String) -> Setback {
    Setback {
        kind: "purchase_refused",
        code,
        outcome: "refused",
        settlement: Some("key_used_up"),
        after: ending.after,
        review_reason: ending.review_reason,
        hold_reason: ending.hold_reason,
        delay: ending.delay,
        pause: ending.pause,
    }
}

#[cfg(test)]
mod tests;
