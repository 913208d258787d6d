//! What was met, counted; and what a run of many histories must meet.
//!
//! Promise: a run that never met one of the cells of [`wanted`] says so and fails. What cannot be met stands
//! in [`UNMET`] with its reason, and a test finds there what was met after all.

use super::mishap;
use super::operation::{Break, Mishap, Step};
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
}

/// Edges of orders and answers of functions that no history leads to, with the reason.
pub const UNMET: [(&str, &str); 0] = [];

/// The statuses an order can have.
const STATUSES: [&str; 8] = [
    "pending",
    "submitting",
    "submitted_to_zinc",
    "processing",
    "completed",
    "needs_review",
    "cancelled",
    "failed",
];

/// What the functions of the shop answer.
const ANSWERS: [(&str, &[&str]); 10] = [
    ("place_order", &["ok", "duplicate", "order_number_conflict"]),
    (
        "attach_payment",
        &["ok", "duplicate", "second_payment", "payment_not_awaited", "payment_taken"],
    ),
    (
        "cancel_order",
        &["ok", "duplicate", "waits", "waits already", "order_completed", "order_failed", "PT404"],
    ),
    ("hold_order", &["ok", "duplicate", "cannot_hold", "22023"]),
    ("release_hold", &["ok", "duplicate", "payment_decides"]),
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
        ],
    ),
    (
        "complete_order_processing",
        &[
            "ok",
            "duplicate",
            "good_news_only",
            "request_id_conflict",
            "order_held",
            "order_completed",
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
            "attempts_exhausted",
        ],
    ),
];

/// The kinds of operations that there are.
const OPERATIONS: [&str; 4] = ["place", "place again", "attach", "deliver oldest"];

/// What a run of many histories must meet.
pub fn wanted() -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    wanted.extend(OPERATIONS.iter().map(|kind| format!("operation: {kind}")));
    for (door, answers) in ANSWERS {
        wanted.extend(answers.iter().map(|answer| format!("{door}: {answer}")));
    }
    for status in STATUSES {
        wanted.extend(["submit", "cancel", "release"].map(|kind| format!("{status} × {kind}")));
    }
    for step in [Step::Submit(0), Step::Watch, Step::Move, Step::Recover] {
        let points = |of: &[orders_core::gate::Point],
                      made: fn(orders_core::gate::Point) -> Mishap| {
            of.iter().filter_map(|point| made(*point).kind()).collect::<Vec<_>>()
        };
        wanted.extend(points(mishap::deaths(step), Mishap::Dies).into_iter().map(met));
        wanted.extend(points(mishap::stands(step), Mishap::Stands).into_iter().map(met));
    }
    wanted.extend(
        mishap::ZINC.iter().chain(&mishap::ZINC_READS).map(|fault| format!("zinc did: {fault:?}")),
    );
    wanted.extend(
        mishap::STRIPE
            .iter()
            .chain(&mishap::STRIPE_READS)
            .map(|fault| format!("stripe did: {fault:?}")),
    );
    wanted.extend(mishap::REFUSALS.iter().map(|code| format!("zinc refused: {code}")));
    wanted.extend(
        mishap::SQLSTATES
            .iter()
            .filter_map(|code| Mishap::Database(Break::Refuses(code), "").kind())
            .map(met),
    );
    wanted.extend(mishap::CUTS.iter().filter_map(|cut| Mishap::Wire(*cut).kind()).map(met));
    let edges = orders_core::state::EDGES.iter();
    wanted
        .extend(edges.map(|edge| format!("edge: {} -> {}", edge.before_name(), edge.after.name())));
    wanted.retain(|cell| !UNMET.iter().any(|(unmet, _)| unmet == cell));
    wanted
}

fn met(kind: impl AsRef<str>) -> String {
    format!("mishap: {}", kind.as_ref())
}
