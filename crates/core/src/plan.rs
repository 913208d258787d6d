//! What to do next: pure decisions from facts, in the engine's three moments.
//!
//! Promise: no answer but a settled refusal leads to a new key, and nothing here leads to a refund.
//! [`before_send`] decides what a locked order may send, [`after_answer`] what an answer means for
//! it, [`reading::after_reading`] what the provider's later word means. The database refuses, on its own,
//! what must never follow. // G5, G6, G7

use crate::outcome::{Answer, Class, Doubt, Refusal};
use crate::retry::Backoff;
use crate::state::Status;
use std::time::Duration;

pub mod reading;

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
    /// How long an account whose set-up is wrong is left alone.
    pub account_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls_max: 12,
            generations_max: 5,
            repeat: Backoff { first: Duration::from_secs(1), cap: Duration::from_mins(10) },
            renew: Backoff { first: Duration::from_secs(5), cap: Duration::from_mins(30) },
            account_pause: Duration::from_mins(5),
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
    /// Whether the whole account must pause, and whether that is a fault of its set-up.
    pub pause: Option<Pause>,
}

/// A pause of the whole account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// For how long.
    pub length: Duration,
    /// Whether a person must repair something.
    pub alarm: bool,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The number of the attempt.
    pub generation: u32,
    /// Calls under this key, the one that ended included.
    pub calls: u32,
}

/// Decides what an answer means; `chance` spreads the pauses.
pub fn after_answer(answer: Answer, sent: Sent, limits: &Limits, chance: u64) -> Consequence {
    match answer {
        Answer::Accepted { request_id } => Consequence::Accept(request_id),
        Answer::Unknown { doubt, retry_after } => {
            Consequence::Setback(doubtful(doubt, retry_after, sent, limits, chance))
        }
        Answer::NotSent { why } => Consequence::Setback(Setback {
            kind: "claim_released",
            code: why.to_owned(),
            outcome: "open",
            settlement: None,
            after: Status::Pending,
            review_reason: None,
            hold_reason: None,
            delay: limits.repeat.pause(sent.calls, chance),
            // Nobody can be reached: the account rests, or every order would be claimed and given
            // back without end, two events each time.
            pause: matches!(why, "no_connection" | "connect_timed_out" | "tls_failed")
                .then_some(Pause { length: limits.repeat.first, alarm: false }),
        }),
        Answer::Refused(refusal) => Consequence::Setback(refused(refusal, sent, limits, chance)),
    }
}

fn doubtful(
    doubt: Doubt,
    retry_after: Option<Duration>,
    sent: Sent,
    limits: &Limits,
    chance: u64,
) -> Setback {
    let exhausted = sent.calls >= limits.calls_max;
    let pause = limits.repeat.pause(sent.calls, chance).max(retry_after.unwrap_or_default());
    let slow_down = (doubt == Doubt::TooManyRequests)
        .then_some(Pause { length: retry_after.unwrap_or(limits.repeat.first), alarm: false });
    Setback {
        kind: "answer_lost",
        code: doubt.name().to_owned(),
        outcome: "unknown",
        settlement: None,
        after: if exhausted { Status::NeedsReview } else { Status::Submitting },
        review_reason: exhausted.then(|| "outcome_unknown".to_owned()),
        hold_reason: None,
        delay: if exhausted { REMINDER } else { pause },
        pause: slow_down,
    }
}

/// When a person is reminded of an order that waits for a decision.
pub const REMINDER: Duration = Duration::from_hours(24);

fn refused(refusal: Refusal, sent: Sent, limits: &Limits, chance: u64) -> Setback {
    let Refusal { class, code, key_used_up } = refusal;
    match class {
        Class::Configuration => Setback {
            kind: "provider_refused_us",
            outcome: "unknown",
            settlement: None,
            after: Status::Submitting,
            review_reason: None,
            hold_reason: None,
            delay: limits.account_pause,
            pause: Some(Pause { length: limits.account_pause, alarm: true }),
            code,
        },
        Class::InProgress | Class::RetrySameKey => {
            Setback { code, ..doubtful(Doubt::Unreadable, None, sent, limits, chance) }
        }
        // A refusal settles only when the provider has used the key up: then the same key can never
        // buy again. Without that a purchase may exist, and only a person may say otherwise. // G6
        _ if class == Class::NeedsReview || !key_used_up => Setback {
            kind: "purchase_doubtful",
            outcome: "unknown",
            settlement: None,
            after: Status::NeedsReview,
            review_reason: Some(code.clone()),
            hold_reason: None,
            delay: REMINDER,
            pause: None,
            code,
        },
        _ => settled(&ending(class, sent.generation, limits, chance), "key_used_up", code),
    }
}

/// What follows a refusal that is settled.
pub(crate) struct Ending {
    pub(crate) after: Status,
    pub(crate) review_reason: Option<&'static str>,
    pub(crate) hold_reason: Option<&'static str>,
    pub(crate) delay: Duration,
}

pub(crate) fn ending(class: Class, generation: u32, limits: &Limits, chance: u64) -> Ending {
    let review = |reason| Ending {
        after: Status::NeedsReview,
        review_reason: Some(reason),
        hold_reason: None,
        delay: REMINDER,
    };
    match class {
        Class::RetryNewKey if generation >= limits.generations_max => review("attempts_exhausted"),
        Class::RetryNewKey => Ending {
            after: Status::Pending,
            review_reason: None,
            hold_reason: None,
            delay: limits.renew.pause(generation, chance),
        },
        Class::HoldUntilFunded => Ending {
            after: Status::Pending,
            review_reason: None,
            hold_reason: Some("awaiting_funds"),
            delay: limits.renew.pause(generation, chance),
        },
        // The customer's money is here and nothing will be bought: a person refunds (ruling 39).
        _ => review("refund_owed"),
    }
}

fn settled(ending: &Ending, evidence: &'static str, code: String) -> Setback {
    Setback {
        kind: "purchase_refused",
        code,
        outcome: "refused",
        settlement: Some(evidence),
        after: ending.after,
        review_reason: ending.review_reason.map(str::to_owned),
        hold_reason: ending.hold_reason,
        delay: ending.delay,
        pause: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::is_edge;

    const SENT: Sent = Sent { generation: 1, calls: 1 };

    fn setback(answer: Answer, sent: Sent) -> Setback {
        match after_answer(answer, sent, &Limits::default(), 7) {
            Consequence::Setback(setback) => setback,
            Consequence::Accept(id) => panic!("accepted {id}"),
        }
    }

    fn refusal(class: Class, key_used_up: bool) -> Refusal {
        Refusal { class, code: "some_code".into(), key_used_up }
    }

    #[test]
    fn an_unknown_outcome_is_never_settled_and_never_returns_to_pending() {
        for doubt in [
            Doubt::TimedOut,
            Doubt::ConnectionBroke,
            Doubt::ServerError,
            Doubt::Unreadable,
            Doubt::TooManyRequests,
            Doubt::UnreadableClientError,
            Doubt::Stopped,
            Doubt::LeaseEnded,
        ] {
            for calls in [1, 5, 12, 13] {
                let answer = Answer::Unknown { doubt, retry_after: None };
                let next = setback(answer, Sent { calls, ..SENT });
                assert_eq!((next.outcome, next.settlement), ("unknown", None));
                assert_eq!(next.after == Status::NeedsReview, calls >= 12, "{doubt:?} {calls}");
                assert_ne!(next.after, Status::Pending);
            }
        }
    }

    #[test]
    fn a_refusal_is_settled_only_when_the_key_is_used_up() {
        for class in Class::ALL {
            for key_used_up in [true, false] {
                for generation in [1, 5] {
                    let sent = Sent { generation, ..SENT };
                    let next = setback(Answer::Refused(refusal(class, key_used_up)), sent);
                    assert!(key_used_up || next.settlement.is_none(), "{class}");
                    assert_eq!(next.settlement.is_some(), next.outcome == "refused", "{class}");
                    if next.after == Status::Pending {
                        assert!(next.settlement.is_some(), "{class} would buy again");
                    }
                    assert!(
                        next.after == Status::Submitting
                            || is_edge(Some(Status::Submitting), next.after)
                    );
                    assert_eq!(
                        next.after == Status::NeedsReview,
                        next.review_reason.is_some(),
                        "{class}"
                    );
                }
            }
        }
    }

    #[test]
    fn each_class_has_the_consequence_of_the_contract() {
        let after = |class| {
            let next = setback(Answer::Refused(refusal(class, true)), SENT);
            (next.after, next.hold_reason, next.review_reason)
        };
        assert_eq!(after(Class::RetryNewKey), (Status::Pending, None, None));
        assert_eq!(after(Class::HoldUntilFunded), (Status::Pending, Some("awaiting_funds"), None));
        assert_eq!(after(Class::Rejected), (Status::NeedsReview, None, Some("refund_owed".into())));
        assert_eq!(
            after(Class::Cancelled),
            (Status::NeedsReview, None, Some("refund_owed".into()))
        );
        assert_eq!(
            after(Class::NeedsReview),
            (Status::NeedsReview, None, Some("some_code".into()))
        );
        assert_eq!(after(Class::Configuration), (Status::Submitting, None, None));
        let exhausted = Sent { generation: 5, calls: 1 };
        let next = setback(Answer::Refused(refusal(Class::RetryNewKey, true)), exhausted);
        assert_eq!(next.review_reason.as_deref(), Some("attempts_exhausted"));
    }

    #[test]
    fn a_wrong_account_pauses_the_account_and_fails_no_order() {
        let next = setback(Answer::Refused(refusal(Class::Configuration, false)), SENT);
        assert!(next.pause.is_some_and(|pause| pause.alarm));
        assert_eq!((next.after, next.outcome), (Status::Submitting, "unknown"));
    }

    #[test]
    fn only_an_order_without_an_open_attempt_gets_a_new_key() {
        let limits = Limits::default();
        let open = OpenAttempt { generation: 1, calls: 1, key_dead: false, may_still_run: false };
        assert_eq!(before_send(0, None, &limits), Intent::Open(1));
        assert_eq!(before_send(4, None, &limits), Intent::Open(5));
        assert_eq!(before_send(5, None, &limits), Intent::Review("attempts_exhausted"));
        assert_eq!(before_send(1, Some(open), &limits), Intent::Repeat(1));
        for (attempt, intent) in [
            (OpenAttempt { key_dead: true, ..open }, Intent::Review("key_dead")),
            (OpenAttempt { calls: 12, ..open }, Intent::Review("outcome_unknown")),
            (OpenAttempt { may_still_run: true, ..open }, Intent::Leave),
        ] {
            assert_eq!(before_send(1, Some(attempt), &limits), intent);
        }
    }
}
