//! The oracle: what the ledger's lines say, and nothing but the lines.
//!
//! This folds the lines anew at each question. It shares no table with the books that decide, so a
//! mistake in the de-duplication cannot hide itself here.

use super::event::{Event, Outcome, Purchase};
use super::fault::Fault;
use crate::ledger::Line;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// An order that was bought more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicate {
    /// The order.
    pub order_id: String,
    /// Its live purchases.
    pub request_ids: Vec<String>,
}

/// What happened so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Creates received.
    pub creates: u64,
    /// Reads received.
    pub reads: u64,
    /// Lists received.
    pub lists: u64,
    /// Calls without the right token.
    pub unauthorized: u64,
    /// Purchases made, ever.
    pub purchases: u64,
    /// Purchases that neither failed nor were cancelled.
    pub live_purchases: u64,
    /// Live purchases under no key: nothing protects them.
    pub keyless_purchases: u64,
    /// Live purchases that name no order of ours.
    pub purchases_without_order: u64,
    /// Orders with exactly one live purchase.
    pub orders_bought_once: u64,
    /// Orders with more than one live purchase.
    pub duplicates: Vec<Duplicate>,
    /// Orders that were asked for and have no live purchase. An order that never reached the
    /// provider is not known here: see [`Zinc::never_bought`](super::Zinc::never_bought).
    pub seen_but_not_bought: Vec<String>,
    /// Creates that were answered from a stored request.
    pub duplicate_calls: u64,
    /// Creates under a key that was busy, which were bought once more.
    pub overlapping_purchases: u64,
    /// New refusals, by code.
    pub refusals: BTreeMap<String, u64>,
    /// Purchases that ended with an error, by code.
    pub failures: BTreeMap<String, u64>,
    /// How many keys had so many creates.
    pub keys_by_calls: BTreeMap<u64, u64>,
    /// Creates with other bytes under a known key.
    pub violations: u64,
    /// What was done to calls.
    pub faults: BTreeMap<Fault, u64>,
    /// Why the ledger's file can no longer be trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_failure: Option<String>,
}

/// The purchases that neither failed nor were cancelled, in their order.
pub(super) fn live(lines: &[Line<Event>]) -> Vec<&Arc<Purchase>> {
    let mut dead = HashSet::new();
    for line in lines {
        if let Event::Failed { request_id, .. } | Event::Cancelled { request_id } = &line.event {
            dead.insert(request_id);
        }
    }
    let purchases = lines.iter().filter_map(|line| match &line.event {
        Event::Purchase(purchase) => Some(purchase),
        _ => None,
    });
    purchases.filter(|purchase| !dead.contains(&purchase.request_id)).collect()
}

/// Live purchases by order.
fn by_order<'a>(live: &[&'a Arc<Purchase>]) -> BTreeMap<&'a str, Vec<&'a Arc<Purchase>>> {
    let mut orders: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for purchase in live {
        if let Some(order_id) = &purchase.order_id {
            orders.entry(order_id).or_default().push(*purchase);
        }
    }
    orders
}

/// Orders with more than one live purchase.
pub(super) fn duplicates(lines: &[Line<Event>]) -> Vec<Duplicate> {
    by_order(&live(lines))
        .into_iter()
        .filter(|(_, purchases)| purchases.len() > 1)
        .map(|(order_id, purchases)| Duplicate {
            order_id: order_id.to_owned(),
            request_ids: purchases.iter().map(|it| it.request_id.to_string()).collect(),
        })
        .collect()
}

/// Those of the orders that have no live purchase.
pub(super) fn never_bought<'a>(
    lines: &[Line<Event>],
    expected: impl IntoIterator<Item = &'a str>,
) -> Vec<String> {
    let live = live(lines);
    let bought = by_order(&live);
    expected.into_iter().filter(|id| !bought.contains_key(id)).map(str::to_owned).collect()
}

/// Everything at once.
pub(super) fn summary(lines: &[Line<Event>], ledger_failure: Option<&str>) -> Summary {
    let mut sum =
        Summary { ledger_failure: ledger_failure.map(str::to_owned), ..Summary::default() };
    let mut seen = BTreeSet::new();
    let mut calls: BTreeMap<&str, u64> = BTreeMap::new();
    for line in lines {
        let fault = match &line.event {
            Event::Create(create) => {
                sum.creates += 1;
                seen.extend(create.order_id.as_deref());
                if let Some(key) = &create.key {
                    *calls.entry(key).or_default() += 1;
                }
                match &create.outcome {
                    Outcome::AcceptedAgain(_) => sum.overlapping_purchases += 1,
                    Outcome::DuplicateOf(_) => sum.duplicate_calls += 1,
                    Outcome::Refused(error) => {
                        *sum.refusals.entry(error.code.clone()).or_default() += 1;
                    }
                    Outcome::Accepted(_) | Outcome::RefusedAgain(_) | Outcome::TurnedAway => {}
                }
                create.fault
            }
            Event::Read { fault, .. } => {
                sum.reads += 1;
                *fault
            }
            Event::List { fault } => {
                sum.lists += 1;
                *fault
            }
            Event::Purchase(_) => {
                sum.purchases += 1;
                None
            }
            Event::Failed { code, .. } => {
                *sum.failures.entry(code.clone()).or_default() += 1;
                None
            }
            Event::Unauthorized => {
                sum.unauthorized += 1;
                None
            }
            Event::Violation { .. } => {
                sum.violations += 1;
                None
            }
            Event::Cancelled { .. } => None,
        };
        if let Some(fault) = fault {
            *sum.faults.entry(fault).or_default() += 1;
        }
    }
    for count in calls.into_values() {
        *sum.keys_by_calls.entry(count).or_default() += 1;
    }
    count_orders(&mut sum, lines, seen);
    sum
}

fn count_orders<'a>(
    sum: &mut Summary,
    lines: &'a [Line<Event>],
    seen: impl IntoIterator<Item = &'a str>,
) {
    let count = |all: usize| u64::try_from(all).unwrap_or(u64::MAX);
    let live = live(lines);
    sum.live_purchases = count(live.len());
    sum.keyless_purchases = count(live.iter().filter(|it| it.idempotency_key.is_none()).count());
    sum.purchases_without_order = count(live.iter().filter(|it| it.order_id.is_none()).count());
    let once = by_order(&live).into_values().filter(|purchases| purchases.len() == 1).count();
    sum.orders_bought_once = count(once);
    sum.duplicates = duplicates(lines);
    sum.seen_but_not_bought = never_bought(lines, seen);
}
