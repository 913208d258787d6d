//! What was met, counted; and what a run of many histories must meet.
//!
//! Promise: the cells that must be met are everything that can happen (`alphabet`), every answer of every
//! function, every edge of orders and every mishap of every step, less the list of what cannot be met, each
//! with its reason (`unmet`). A run that never met one of them fails, and so does one that met what stands in
//! that list, or what stands nowhere: the list may only shrink, and the enumeration is whole.

use super::alphabet::{EVENTS, STATUSES, about, everything, mishaps};
use super::mishap::SQLSTATES;
use super::operation::{Break, Mishap, Slot, Step, word};
use super::unmet::UNMET;
use std::collections::{BTreeMap, BTreeSet};

/// Counts by the names of cells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(pub BTreeMap<String, u64>);

impl Coverage {
    /// Counts a cell once.
    pub fn hit(&mut self, cell: String) {
        *self.0.entry(cell).or_default() += 1;
    }

    /// Adds what another has counted.
    pub fn add(&mut self, other: &Self) {
        for (cell, count) in &other.0 {
            *self.0.entry(cell.clone()).or_default() += count;
        }
    }

    /// Which of the cells that must be met were not.
    pub fn missing(&self) -> Vec<String> {
        wanted().into_iter().filter(|cell| !self.0.contains_key(cell)).collect()
    }

    /// What was met although it stands in the list of what cannot be.
    pub fn met_after_all(&self) -> Vec<String> {
        let unmet = UNMET.iter().map(|(cell, _)| (*cell).to_owned());
        unmet.filter(|cell| self.0.contains_key(cell)).collect()
    }

    /// What was met of the kinds that are enumerated, and stands in no list.
    pub fn strange(&self) -> Vec<String> {
        let all = all();
        let counted = |cell: &&String| ENUMERATED.iter().any(|kind| cell.contains(kind));
        self.0.keys().filter(counted).filter(|cell| !all.contains(*cell)).cloned().collect()
    }

    /// Everything that a run of many histories did not do as it must, in words.
    pub fn faults(&self) -> Vec<String> {
        let said = |what: &str, cells: Vec<String>| {
            cells.into_iter().map(|cell| format!("{what}: {cell}")).collect::<Vec<_>>()
        };
        [
            said("never met", self.missing()),
            said("met, and listed as what cannot be", self.met_after_all()),
            said("met, and enumerated nowhere", self.strange()),
        ]
        .concat()
    }
}

/// By what the cells are known that are enumerated; others are counted only.
const ENUMERATED: [&str; 10] = [
    "operation: ",
    " × ",
    "edge: ",
    "mishap: ",
    "refused with: ",
    "zinc did: ",
    "zinc refused: ",
    "stripe did: ",
    "at Stripe: ",
    "answered: ",
];

/// What the functions of the shop answer.
const ANSWERS: [(&str, &[&str]); 13] = [
    (
        "place_order",
        &["ok", "duplicate", "order_number_conflict", "payment_taken", "22023", "PT409", "PT422"],
    ),
    (
        "attach_payment",
        &[
            "ok",
            "duplicate",
            "second_payment",
            "payment_not_awaited",
            "payment_taken",
            "22023",
            "PT404",
        ],
    ),
    (
        "cancel_order",
        &[
            "ok",
            "duplicate",
            "waits",
            "waits already",
            "order_completed",
            "order_failed",
            "shop_held",
            "purchase_forgotten",
            "22023",
            "PT404",
        ],
    ),
    ("hold_order", &["ok", "duplicate", "cannot_hold", "22023", "PT404"]),
    ("release_hold", &["ok", "duplicate", "payment_decides", "22023", "PT404"]),
    (
        "refund_order",
        &[
            "ok",
            "duplicate",
            "idempotency_key_reused",
            "may_be_bought",
            "nothing_was_received",
            "payment_disputed",
            "refund_under_way",
            "more_than_is_left",
            "22023",
            "PT404",
        ],
    ),
    (
        "decide_move",
        &[
            "ok",
            "duplicate",
            "other_amount",
            "nothing_to_approve",
            "same_person",
            "request_too_old",
            "nothing_to_repeat",
            "may_be_sent",
            "names_another_order",
            "22023",
            "PT404",
        ],
    ),
    (
        "manually_complete_order",
        &[
            "ok",
            "duplicate",
            "request_id_conflict",
            "order_cancelled",
            "order_failed",
            "lease_alive",
            "nothing_was_bought",
            "request_id_needed",
            "22023",
            "PT404",
        ],
    ),
    (
        "complete_order_processing",
        &[
            "ok",
            "duplicate",
            "good_news_only",
            "request_id_conflict",
            "request_id_stale",
            "order_cancelled",
            "order_failed",
            "order_completed",
            "order_held",
            "nothing_was_sent",
            "22023",
            "PT404",
        ],
    ),
    (
        "resolve_review",
        &[
            "ok",
            "not_in_review",
            "already_settled",
            "call_may_still_run",
            "nothing_accepted",
            "attempt_unsettled",
            "cancel_requested",
            "attempts_exhausted",
            "order_unpaid",
            "shop_held",
            "purchase_forgotten",
            "22023",
            "PT404",
        ],
    ),
    ("recover_stuck_orders", &["ok", "22023"]),
    ("hold_shop", &["ok", "duplicate", "22023"]),
    ("release_shop", &["ok", "duplicate", "not_compared", "too_early", "held_anew", "22023"]),
];

/// An answer of a function of the shop.
pub fn answer(door: &str, code: &str) -> String {
    format!("{door} answered: {code}")
}

/// A mishap that is known to have happened by itself; what a partner does stands in his ledger.
pub fn happened(step: Step, mishap: &Mishap) -> Vec<String> {
    let mut cells = Vec::new();
    if let Mishap::Dies(_) | Mishap::Stands(_) | Mishap::Database(..) | Mishap::Wire(_) = mishap
        && let Some(kind) = mishap.kind()
    {
        cells.push(format!("mishap: {}: {kind}", step.kind()));
    }
    if let Mishap::Database(Break::Refuses(code), _) = mishap {
        cells.push(format!("refused with: {code}"));
    }
    cells
}

/// Everything that there is to meet.
fn all() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    all.extend(everything().iter().map(|one| format!("operation: {}", one.kind())));
    for operation in about(Slot::of(0)) {
        all.extend(STATUSES.map(|status| format!("{status} × {}", operation.kind())));
    }
    for (door, answers) in ANSWERS {
        all.extend(answers.iter().map(|code| answer(door, code)));
    }
    let edges = orders_core::state::EDGES.iter();
    all.extend(edges.map(|edge| format!("edge: {} -> {}", edge.before_name(), edge.after.name())));
    for (step, mishap) in mishaps(Slot::of(0)) {
        all.extend(happened(step, &mishap));
        match mishap {
            Mishap::Zinc(fault) => all.insert(format!("zinc did: {fault:?}")),
            Mishap::Refused(code) => all.insert(format!("zinc refused: {code}")),
            Mishap::Stripe(fault) => all.insert(format!("stripe did: {fault:?}")),
            _ => false,
        };
    }
    all.extend(SQLSTATES.map(|code| format!("refused with: {code}")));
    all.extend(EVENTS.map(|event| format!("at Stripe: {}", word(&event))));
    all
}

/// What a run of many histories must meet.
pub fn wanted() -> BTreeSet<String> {
    let mut wanted = all();
    wanted.retain(|cell| !UNMET.iter().any(|(unmet, _)| unmet == cell));
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use orders_core::gate::Point;

    #[test]
    fn what_cannot_be_met_is_something_that_there_is_and_has_a_reason() {
        let all = all();
        for (cell, reason) in UNMET {
            assert!(all.contains(*cell), "there is no {cell}");
            assert!(reason.len() > 20, "{cell}: {reason}");
        }
    }

    #[test]
    fn a_worker_dies_at_every_point_of_the_engine_in_some_step() {
        let wanted = wanted();
        for point in Point::ALL {
            let dies = format!(": dies at {}", point.name());
            assert!(wanted.iter().any(|cell| cell.ends_with(&dies)), "{dies}");
        }
    }

    #[test]
    fn a_run_that_meets_too_little_or_what_nobody_listed_is_at_fault() {
        let mut coverage = Coverage::default();
        for cell in wanted() {
            coverage.hit(cell);
        }
        assert_eq!(coverage.faults(), Vec::<String>::new());
        coverage.0.remove("operation: place");
        coverage.hit("edge: completed -> pending".into());
        coverage.hit("messages: 200".into());
        assert_eq!(
            coverage.faults(),
            [
                "never met: operation: place",
                "met, and enumerated nowhere: edge: completed -> pending"
            ]
        );
    }
}
