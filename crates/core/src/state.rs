//! The statuses of an order and the edges between them.
//!
//! Promise: [`EDGES`] is the only list. The database's check constraint is generated from it, its
//! table `order_edges` is compared with it by a test, and so is the table in `ARCHITECTURE.md`.
//! // G10

use serde::{Deserialize, Serialize};
use std::fmt;

/// What we *know* about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The provider certainly has nothing under the current attempt.
    Pending,
    /// The provider may have it.
    Submitting,
    /// The provider has it, under a request id.
    SubmittedToZinc,
    /// The retailer took the order.
    Processing,
    /// Delivered, or as far as the shop's setting `complete_on` asks.
    Completed,
    /// Ended before anything was bought.
    Cancelled,
    /// Ended without a purchase, refused for good.
    Failed,
    /// A person must decide.
    NeedsReview,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Submitting,
        Self::SubmittedToZinc,
        Self::Processing,
        Self::Completed,
        Self::Cancelled,
        Self::Failed,
        Self::NeedsReview,
    ];

    /// The name as the database stores it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Submitting => "submitting",
            Self::SubmittedToZinc => "submitted_to_zinc",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::NeedsReview => "needs_review",
        }
    }

    /// Reads a name written by [`Status::name`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether nothing follows; such an order has no due time, every other has one. // G9
    pub fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Failed)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One permitted change of status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The status before; `None` is birth.
    pub before: Option<Status>,
    /// The status after.
    pub after: Status,
    /// When it happens, in a shopkeeper's words.
    pub meaning: &'static str,
}

/// The word that the database uses for "before birth".
pub const BIRTH: &str = "new";

impl Edge {
    /// The name of the status before, or [`BIRTH`].
    pub fn before_name(&self) -> &'static str {
        self.before.map_or(BIRTH, Status::name)
    }
}

const fn edge(before: Status, after: Status, meaning: &'static str) -> Edge {
    Edge { before: Some(before), after, meaning }
}

/// Every edge there is.
pub const EDGES: [Edge; 29] = {
    use Status::{
        Cancelled, Completed, Failed, NeedsReview, Pending, Processing, SubmittedToZinc, Submitting,
    };
    [
        Edge { before: None, after: Pending, meaning: "placed" },
        edge(Pending, Submitting, "claimed: intent and lease committed"),
        edge(Pending, Cancelled, "cancelled before anything was sent"),
        edge(Pending, NeedsReview, "cannot be sent as it is"),
        edge(Pending, Completed, "bought outside, by a person's word"),
        edge(Submitting, SubmittedToZinc, "accepted by the provider"),
        edge(
            Submitting,
            Pending,
            "nothing sent, certainly; or refused, settled, a new key follows",
        ),
        edge(Submitting, NeedsReview, "a person must decide"),
        edge(Submitting, Failed, "refused for good and settled; its money goes back"),
        edge(Submitting, Cancelled, "refused and settled, and somebody had asked to cancel"),
        edge(Submitting, Completed, "bought, by a person's word"),
        edge(SubmittedToZinc, Processing, "the retailer took the order"),
        edge(SubmittedToZinc, Pending, "ended without a purchase, settled, a new key follows"),
        edge(SubmittedToZinc, NeedsReview, "a person must decide"),
        edge(SubmittedToZinc, Failed, "ended without a purchase, settled; its money goes back"),
        edge(
            SubmittedToZinc,
            Cancelled,
            "ended without a purchase, and somebody had asked to cancel",
        ),
        edge(SubmittedToZinc, Completed, "finished, by a person's word"),
        edge(Processing, Completed, "delivered"),
        edge(Processing, Pending, "cancelled by the retailer, settled, a new key follows"),
        edge(Processing, NeedsReview, "a person must decide"),
        edge(Processing, Failed, "cancelled by the retailer, settled; its money goes back"),
        edge(Processing, Cancelled, "cancelled by the retailer, and somebody had asked to cancel"),
        edge(NeedsReview, Pending, "a person allows a new attempt; the last one is settled"),
        edge(NeedsReview, Submitting, "a person asks for the same key again"),
        edge(NeedsReview, SubmittedToZinc, "evidence of acceptance arrived"),
        edge(NeedsReview, Processing, "evidence of the retailer's order arrived"),
        edge(NeedsReview, Completed, "bought, by a person's word"),
        edge(NeedsReview, Cancelled, "ended by a person, nothing was bought"),
        edge(NeedsReview, Failed, "ended by a person, refused for good"),
    ]
};

/// The reasons to hold an order, in the order of the database's list.
pub const HOLDS: [&str; 18] = [
    "awaiting_payment",
    "awaiting_funds",
    "disputed",
    "scheduled",
    "operator",
    "restored",
    "cancel_requested",
    "wrong_mode",
    "wrong_order",
    "wrong_currency",
    "wrong_amount",
    "payment_canceled",
    "payment_undone",
    "authorisation_ending",
    "payment_refunded",
    "payment_disputed",
    "payment_in_review",
    "fraud_warning",
];

/// Whether the change is permitted.
pub fn is_edge(before: Option<Status>, after: Status) -> bool {
    EDGES.iter().any(|edge| edge.before == before && edge.after == after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_edge_stands_twice_and_none_leads_back_to_its_own_status() {
        let pairs: HashSet<_> = EDGES.iter().map(|e| (e.before, e.after)).collect();
        assert_eq!(pairs.len(), EDGES.len());
        assert!(EDGES.iter().all(|edge| edge.before != Some(edge.after)));
    }

    #[test]
    fn nothing_follows_an_end_and_something_follows_everything_else() {
        for status in Status::ALL {
            let leaves = EDGES.iter().any(|edge| edge.before == Some(status));
            assert_eq!(leaves, !status.is_end(), "{status}");
        }
    }

    #[test]
    fn every_status_but_the_first_is_reached_and_an_end_can_be_reached_from_each() {
        for status in Status::ALL {
            let mut reached = HashSet::from([status]);
            for _ in Status::ALL {
                for edge in &EDGES {
                    if edge.before.is_some_and(|before| reached.contains(&before)) {
                        reached.insert(edge.after);
                    }
                }
            }
            assert!(reached.iter().any(|s| s.is_end()), "{status}");
            assert!(EDGES.iter().any(|edge| edge.after == status), "{status}");
        }
    }

    #[test]
    fn the_protected_transitions_of_the_specification_are_edges() {
        use Status::*;
        let line = [Pending, Submitting, SubmittedToZinc, Processing, Completed];
        assert!(line.windows(2).all(|pair| is_edge(Some(pair[0]), pair[1])));
        assert!(!is_edge(Some(Pending), SubmittedToZinc));
        assert!(!is_edge(Some(Completed), Pending) && !is_edge(None, Submitting));
    }

    #[test]
    fn names_are_read_back() {
        assert!(Status::ALL.iter().all(|s| Status::parse(s.name()) == Some(*s)));
        assert_eq!(Status::parse("Pending"), None);
    }
}
