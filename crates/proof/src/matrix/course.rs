//! What was seen of a run: the histories of its orders at three moments, and the partners' ledgers since
//! it began. Read as text and lines; nothing here is shared with what is judged.

use super::cell::Wanted;
use super::{Fault, Spot};
use crate::world::{Shop, array};
use orders_sandbox::{Line, stripe, zinc};
use serde::Deserialize;
use serde_json::Value;

/// One event of an order's history.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Told {
    pub(super) order: String,
    pub(super) seq: u64,
    pub(super) kind: String,
    pub(super) actor: String,
    pub(super) data: Value,
}

impl Told {
    /// Histories for the message of a failure.
    pub(super) fn story(all: &[Self]) -> String {
        let line =
            |one: &Self| format!("{} {} {} {}", &one.order[..8], one.seq, one.kind, one.actor);
        all.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// The histories of these orders, each in its order.
pub(super) async fn history(shop: &Shop, wanted: &Wanted) -> Vec<Told> {
    let sql = format!(
        "select jsonb_build_object('order', e.order_id, 'seq', e.seq, 'kind', e.kind, 'actor', e.actor, 'data', e.data)::text
           from {{s}}.order_events as e where e.order_id = any ({}) order by e.order_id, e.seq",
        array(&wanted.orders())
    );
    let rows = shop.texts(&sql).await;
    rows.iter().map(|row| serde_json::from_str(row).expect("an event")).collect()
}

/// A run, as it was seen.
pub(super) struct Course {
    pub(super) spot: Spot,
    pub(super) fault: Fault,
    pub(super) wanted: Wanted,
    /// The names of the engine that met the fault and of the other one, as histories have them.
    pub(super) victim: String,
    pub(super) other: String,
    /// Whether the commit at which the victim stood had taken effect.
    pub(super) took_effect: bool,
    pub(super) at_fault: Vec<Told>,
    /// When the victim was woken, if it was stopped.
    pub(super) at_waking: Option<Vec<Told>>,
    pub(super) at_end: Vec<Told>,
    /// What the ledgers have got since the run began.
    pub(super) zinc: Vec<Line<zinc::Event>>,
    pub(super) stripe: Vec<Line<stripe::Event>>,
    /// How many lines they had before.
    before: (usize, usize),
}

impl Course {
    /// Nothing was seen yet.
    pub(super) fn begin(shop: &Shop, spot: Spot, fault: Fault) -> Self {
        Self {
            spot,
            fault,
            wanted: Wanted::default(),
            victim: String::new(),
            other: String::new(),
            took_effect: false,
            at_fault: Vec::new(),
            at_waking: None,
            at_end: Vec::new(),
            zinc: Vec::new(),
            stripe: Vec::new(),
            before: (shop.zinc().ledger().len(), shop.stripe().ledger().len()),
        }
    }

    /// Everything has been seen.
    pub(super) async fn end(&mut self, shop: &Shop) {
        self.at_end = history(shop, &self.wanted).await;
        self.zinc = shop.zinc().ledger().split_off(self.before.0);
        self.stripe = shop.stripe().ledger().split_off(self.before.1);
    }

    /// What was told after the fault.
    pub(super) fn since_fault(&self) -> impl Iterator<Item = &Told> {
        let known = |one: &&Told| {
            !self.at_fault.iter().any(|it| it.order == one.order && it.seq == one.seq)
        };
        self.at_end.iter().filter(known)
    }

    /// The orders that are to be bought, as histories name them.
    pub(super) fn bought(&self) -> impl Iterator<Item = String> {
        self.wanted.bought.iter().map(ToString::to_string)
    }
}
