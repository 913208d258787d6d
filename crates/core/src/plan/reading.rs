//! What the provider's later word means for an order that it has accepted.

use super::{Limits, REMINDER, ending};
use crate::money::{Currency, Minor};
use crate::outcome::{Class, Placed, Reading, Refusal};
use crate::state::Status;
use std::time::Duration;

/// What is recorded when a reading changed something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The kind of event.
    pub kind: &'static str,
    /// The status that follows.
    pub after: Status,
    /// The provider's word for `zinc_status`.
    pub zinc_status: String,
    /// What it really cost, when known.
    pub cost_minor: Option<Minor>,
    /// The evidence that settles the attempt, if it is settled.
    pub settlement: Option<&'static str>,
    /// Why a person must decide.
    pub review_reason: Option<String>,
    /// The hold that follows.
    pub hold_reason: Option<&'static str>,
    /// When the order is due again.
    pub delay: Duration,
    /// The retailer's order numbers.
    pub merchant_order_ids: Vec<String>,
}

/// How far the shop wants an order to go before it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompleteOn {
    /// When the retailer took the order.
    Placed,
    /// When every parcel is delivered.
    Delivered,
}

impl CompleteOn {
    /// Reads the setting `complete_on`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "placed" => Some(Self::Placed),
            "delivered" => Some(Self::Delivered),
            _ => None,
        }
    }
}

/// Where an order stood when the provider was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// Its status: `submitted_to_zinc` or `processing`.
    pub status: Status,
    /// The number of its attempt.
    pub generation: u32,
    /// The currency in which its amounts are.
    pub currency: Currency,
    /// How far it has to go.
    pub complete_on: CompleteOn,
    /// The pause between two polls.
    pub poll: Duration,
}

/// Decides what a reading means; nothing when it changes nothing.
pub fn after_reading(
    reading: Reading,
    watched: Watched,
    limits: &Limits,
    chance: u64,
) -> Option<Step> {
    match reading {
        Reading::InProgress { .. } | Reading::Nothing { .. } => None,
        Reading::OtherOrder => Some(Step {
            after: Status::NeedsReview,
            review_reason: Some("request_of_another_order".into()),
            ..step("review_needed", "other_order")
        }),
        Reading::Placed(placed) => after_placed(placed, watched),
        Reading::Failed(refusal) => after_failure(refusal, watched, limits, chance),
    }
}

fn step(kind: &'static str, zinc_status: impl Into<String>) -> Step {
    Step {
        kind,
        after: Status::NeedsReview,
        zinc_status: zinc_status.into(),
        cost_minor: None,
        settlement: None,
        review_reason: None,
        hold_reason: None,
        delay: REMINDER,
        merchant_order_ids: Vec::new(),
    }
}

fn after_placed(placed: Placed, watched: Watched) -> Option<Step> {
    let done = placed.delivered || watched.complete_on == CompleteOn::Placed;
    // A cost in another currency is not this order's amount; it is left out, never converted.
    let same_currency =
        placed.currency.as_deref().is_none_or(|code| code == watched.currency.code());
    let cost_minor = placed.cost_minor.filter(|_| same_currency);
    match watched.status {
        // One step along the edges at a time; the next look follows at once when there is more.
        Status::SubmittedToZinc => Some(Step {
            after: Status::Processing,
            cost_minor,
            delay: if done { Duration::ZERO } else { watched.poll },
            merchant_order_ids: placed.merchant_order_ids,
            ..step("retailer_order_placed", "order_response")
        }),
        Status::Processing if done => Some(Step {
            after: Status::Completed,
            cost_minor,
            settlement: Some("delivered"),
            merchant_order_ids: placed.merchant_order_ids,
            ..step("order_completed", if placed.delivered { "delivered" } else { "order_response" })
        }),
        _ => None,
    }
}

fn after_failure(refusal: Refusal, watched: Watched, limits: &Limits, chance: u64) -> Option<Step> {
    let Refusal { class, code, key_used_up } = refusal;
    let final_word = key_used_up
        && matches!(
            class,
            Class::RetryNewKey | Class::HoldUntilFunded | Class::Rejected | Class::Cancelled
        );
    if matches!(class, Class::InProgress | Class::RetrySameKey | Class::Configuration) {
        return None;
    }
    if !final_word {
        return Some(Step { review_reason: Some(code.clone()), ..step("review_needed", code) });
    }
    let ending = ending(class, watched.generation, limits, chance);
    Some(Step {
        after: ending.after,
        settlement: Some("provider_final"),
        review_reason: ending.review_reason.map(str::to_owned),
        hold_reason: ending.hold_reason,
        delay: ending.delay,
        ..step("purchase_failed", code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Doubt;
    use crate::state::is_edge;

    fn refusal(class: Class, key_used_up: bool) -> Refusal {
        Refusal { class, code: "some_code".into(), key_used_up }
    }

    #[test]
    fn a_reading_moves_one_step_and_a_failure_settles_only_by_the_providers_final_word() {
        let watched = Watched {
            status: Status::SubmittedToZinc,
            generation: 1,
            currency: Currency::Gbp,
            complete_on: CompleteOn::Delivered,
            poll: Duration::from_mins(5),
        };
        let placed = |delivered| {
            Reading::Placed(Placed {
                cost_minor: Some(1500),
                currency: Some("GBP".into()),
                merchant_order_ids: vec!["112".into()],
                delivered,
            })
        };
        let limits = Limits::default();
        let next = |reading, watched| after_reading(reading, watched, &limits, 7);
        let first = next(placed(true), watched).unwrap();
        assert_eq!((first.after, first.delay), (Status::Processing, Duration::ZERO));
        let processing = Watched { status: Status::Processing, ..watched };
        let last = next(placed(true), processing).unwrap();
        assert_eq!((last.after, last.settlement), (Status::Completed, Some("delivered")));
        assert_eq!(next(placed(false), processing), None);
        assert_eq!(next(Reading::Nothing { doubt: Doubt::TimedOut }, watched), None);
        for class in Class::ALL {
            for used_up in [true, false] {
                if let Some(step) = next(Reading::Failed(refusal(class, used_up)), watched) {
                    assert!(step.settlement.is_none() || used_up, "{class}");
                    assert!(step.after != Status::Pending || step.settlement.is_some(), "{class}");
                    assert!(is_edge(Some(Status::SubmittedToZinc), step.after), "{class}");
                }
            }
        }
    }
}
