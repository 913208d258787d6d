//! What the provider's later word means for an order that it has accepted.
//!
//! Promise: an order is moved and its attempt settled only by an answer that speaks of this attempt,
//! by its own words or by the provider's list. What says nothing usable changes nothing; when that
//! goes on, a person is called, and no machine buys again. // G6, G9

use super::{Limits, Pause, REMINDER, ending};
use crate::money::{Currency, Minor};
use crate::outcome::{Class, Doubt, Placed, Reading, Refusal, Whose};
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
    /// The cost as the provider stated it, when it is not one that we can take: evidence.
    pub odd_cost: Option<OddCost>,
}

/// A cost that does not fit the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddCost {
    /// What the provider stated.
    pub minor: Minor,
    /// In which currency, if it said so.
    pub currency: Option<String>,
    /// What is wrong with it.
    pub rule: &'static str,
}

/// Something that a person must see, and that changes nothing of the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The kind of thing.
    pub rule: &'static str,
    /// What the provider said.
    pub subject: String,
}

/// What follows from a reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Next {
    /// What changes.
    pub step: Option<Step>,
    /// What a person is told.
    pub notice: Option<Notice>,
    /// How long the whole account must rest, when it is at fault.
    pub pause: Option<Pause>,
}

impl From<Step> for Next {
    fn from(step: Step) -> Self {
        Self { step: Some(step), ..Self::default() }
    }
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
    /// The most that it may cost.
    pub price_cap_minor: Minor,
    /// How far it has to go.
    pub complete_on: CompleteOn,
    /// The pause between two polls.
    pub poll: Duration,
    /// Since its bytes were first sent.
    pub age: Duration,
    /// Readings in a row that said nothing usable, this one included.
    pub vain: u32,
}

/// Whether a reading says nothing usable of the order, and may say it the next time.
pub fn is_vain(reading: &Reading) -> bool {
    match reading {
        Reading::NotFound { .. } => true,
        Reading::Nothing { doubt } => doubt.is_odd(),
        reading => reading.wants_a_name(),
    }
}

/// Decides what a reading means. One that wants a name has been looked for in the provider's list
/// before, in vain.
pub fn after_reading(reading: Reading, watched: Watched, limits: &Limits, chance: u64) -> Next {
    let patient = watched.vain < limits.vain_readings_max;
    match reading {
        // An order that the retailer took already is read as working only by a stale answer.
        Reading::InProgress { code } if watched.status == Status::SubmittedToZinc => Next {
            notice: overdue("still_in_progress", code, watched, limits.unplaced_max),
            ..Next::default()
        },
        Reading::Nothing { doubt } if doubt.is_odd() => {
            Next { notice: (!patient).then(|| unreadable(doubt)), ..Next::default() }
        }
        // A provider that cannot be reached says nothing of one order.
        Reading::InProgress { .. } | Reading::Nothing { .. } => Next::default(),
        Reading::Barred { .. } => {
            Next { pause: Some(Pause::of_set_up(limits.account_pause)), ..Next::default() }
        }
        Reading::OtherOrder => review("request_of_another_order", "other_order").into(),
        // Whose request it speaks of is not known, so nothing is settled and nothing bought. // G6
        Reading::NotFound { .. } | Reading::Placed(_, Whose::Unsaid) if patient => Next::default(),
        Reading::NotFound { code } => review(&code, &code).into(),
        Reading::Placed(_, Whose::Unsaid) => {
            review("request_not_confirmed", "order_response").into()
        }
        Reading::Placed(placed, Whose::Ours) => after_placed(placed, watched, limits),
        Reading::Failed(refusal, Whose::Unsaid) if refusal.is_an_end() => {
            let called = || review("request_not_confirmed", &refusal.code);
            Next { step: (!patient).then(called), ..Next::default() }
        }
        Reading::Failed(refusal, _) => after_failure(refusal, watched, limits, chance),
    }
}

fn unreadable(doubt: Doubt) -> Notice {
    Notice { rule: "reading_unreadable", subject: doubt.name().to_owned() }
}

/// Age ends nothing; it only tells. // A5
fn overdue(
    rule: &'static str,
    subject: String,
    watched: Watched,
    age_max: Duration,
) -> Option<Notice> {
    (watched.age > age_max).then_some(Notice { rule, subject })
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
        odd_cost: None,
    }
}

fn review(reason: &str, zinc_status: &str) -> Step {
    Step { review_reason: Some(reason.to_owned()), ..step("review_needed", zinc_status) }
}

fn after_placed(placed: Placed, watched: Watched, limits: &Limits) -> Next {
    let done = placed.delivered || watched.complete_on == CompleteOn::Placed;
    let (cost_minor, odd_cost) = cost(&placed, watched);
    let notice = odd_cost.as_ref().map(|odd| Notice {
        rule: odd.rule,
        subject: format!("{} {}", odd.minor, odd.currency.as_deref().unwrap_or("?")),
    });
    match watched.status {
        // One step along the edges at a time; the next look follows at once when there is more.
        Status::SubmittedToZinc => Next {
            step: Some(Step {
                after: Status::Processing,
                cost_minor,
                odd_cost,
                delay: if done { Duration::ZERO } else { watched.poll },
                merchant_order_ids: placed.merchant_order_ids,
                ..step("retailer_order_placed", "order_response")
            }),
            notice,
            pause: None,
        },
        Status::Processing if done => Next {
            step: Some(Step {
                after: Status::Completed,
                cost_minor,
                odd_cost,
                settlement: Some("delivered"),
                merchant_order_ids: placed.merchant_order_ids,
                ..step(
                    "order_completed",
                    if placed.delivered { "delivered" } else { "order_response" },
                )
            }),
            notice,
            pause: None,
        },
        Status::Processing => Next {
            notice: notice.or_else(|| {
                overdue("not_delivered", "order_response".into(), watched, limits.undelivered_max)
            }),
            ..Next::default()
        },
        _ => Next::default(),
    }
}

/// The cost that can be taken, and the one that cannot be taken or is more than was allowed. A cost
/// in another currency is not this order's amount; it is kept as evidence, never converted. // C8
fn cost(placed: &Placed, watched: Watched) -> (Option<Minor>, Option<OddCost>) {
    let Some(minor) = placed.cost_minor else { return (None, None) };
    let odd = |rule| Some(OddCost { minor, currency: placed.currency.clone(), rule });
    if placed.currency.as_deref().is_some_and(|code| code != watched.currency.code()) {
        return (None, odd("cost_in_another_currency"));
    }
    let above = minor > watched.price_cap_minor;
    (Some(minor), if above { odd("cost_above_the_cap") } else { None })
}

fn after_failure(refusal: Refusal, watched: Watched, limits: &Limits, chance: u64) -> Next {
    match refusal.class {
        Class::InProgress | Class::RetrySameKey => return Next::default(),
        // An end that says nothing against the order: a person decides about it, and repairs the
        // account before others meet the same.
        Class::Configuration => {
            return Next {
                step: Some(review(&refusal.code, &refusal.code)),
                notice: None,
                pause: Some(Pause::of_set_up(limits.account_pause)),
            };
        }
        _ if !refusal.is_an_end() => return review(&refusal.code, &refusal.code).into(),
        _ => {}
    }
    let ending = ending(&refusal, watched.generation, limits, chance);
    Next {
        step: Some(Step {
            after: ending.after,
            settlement: Some("provider_final"),
            review_reason: ending.review_reason,
            hold_reason: ending.hold_reason,
            delay: ending.delay,
            ..step("purchase_failed", refusal.code)
        }),
        notice: None,
        pause: ending.pause,
    }
}

#[cfg(test)]
mod tests;
