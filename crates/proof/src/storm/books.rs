//! The end of a storm: the shop's own comparison of its books with its partners', as a person runs it. It
//! must find nothing but what is with a person anyway, and what a restore has forgotten: of that it must
//! find everything. // G27, G22
//!
//! What a restore leaves behind is known from outside: from what the customers were told, and from the
//! partners' ledgers.

use super::Storm;
use super::customers::Customers;
use super::judge::{Money, Verdict};
use super::restore::Forgotten;
use crate::world::Shop;
use crate::world::child::program;
use anyhow::{Context as _, bail};
use orders_sandbox::stripe::Event as OfStripe;
use orders_sandbox::zinc::{Event as OfZinc, Purchase};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// So long everything has been at rest when it is compared; what is younger may be on its way.
pub const CALM_S: i64 = 20 * 60;
/// No comparison takes longer.
const PATIENCE: Duration = Duration::from_mins(10);

/// What a comparison prints.
#[derive(Debug, Deserialize)]
struct Comparison {
    complete: bool,
    faults: Vec<String>,
    differences: Vec<Difference>,
}

/// Something that both sides do not agree about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Difference {
    pub(super) kind: String,
    pub(super) subject: String,
    pub(super) order_id: Option<Uuid>,
}

/// What a comparison must find, and what it may, by kind and subject.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// Money and goods of orders that are forgotten for good, with the order.
    pub(super) must: HashMap<(String, String), Uuid>,
    /// More of that, and refunds that were forgotten.
    pub(super) may: HashSet<(String, String)>,
}

/// Compares twice, because some differences count when they were seen twice, and adds what is wrong.
pub(super) async fn compare(
    storm: &Storm,
    customers: &Customers,
    forgotten: &Forgotten,
    verdict: &mut Verdict,
) -> anyhow::Result<()> {
    comparison(storm).await.context("the first comparison of the books")?;
    storm.clock.passes(&storm.shop, CALM_S).await.context("the clock")?;
    let seen = comparison(storm).await.context("the second comparison of the books")?;
    if !seen.complete {
        let why = seen.faults.join("; ");
        verdict.violations.push(format!("in calm weather the books cannot be compared: {why}"));
    }
    verdict.books(&seen.differences, &Owed::of(&storm.shop, customers, forgotten));
    Ok(())
}

async fn comparison(storm: &Storm) -> anyhow::Result<Comparison> {
    let shop = &storm.shop;
    let database = storm.ground.address(&shop.database, &shop.app_role());
    let mut command = shop.command_of(&program(), &database, &shop.partners.base_url());
    command.args(["reconcile", "--since", "30d", "--json"]);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.context("it goes on and on")?.context("it does not start")?;
    match serde_json::from_slice(&output.stdout) {
        Ok(comparison) => Ok(comparison),
        Err(error) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            bail!("{}: {error}: {said}", output.status)
        }
    }
}

impl Owed {
    /// What this storm's restores have left behind.
    fn of(shop: &Shop, customers: &Customers, forgotten: &Forgotten) -> Self {
        let mut owed = Self::default();
        for (order, intent) in &customers.given_up {
            if Money::of(shop, intent).is_there() {
                let name = ("payment_without_order".to_owned(), intent.clone());
                owed.must.insert(name, *order);
            }
        }
        owed.purchases(shop, &customers.given_up);
        for line in shop.stripe().ledger() {
            if let OfStripe::RefundMade { refund } = line.event
                && forgotten.has(line.seq)
            {
                owed.may.insert(("refund_without_move".to_owned(), refund.id));
            }
        }
        owed
    }

    fn purchases(&mut self, shop: &Shop, given_up: &HashMap<Uuid, String>) {
        let mut live: HashMap<Arc<str>, Arc<Purchase>> = HashMap::new();
        for line in shop.zinc().ledger() {
            match line.event {
                OfZinc::Purchase(purchase) => {
                    live.insert(Arc::clone(&purchase.request_id), purchase);
                }
                OfZinc::Failed { request_id, .. } | OfZinc::Cancelled { request_id } => {
                    live.remove(&request_id);
                }
                _ => {}
            }
        }
        for purchase in live.values() {
            let order: Option<Uuid> = purchase.order_id.as_deref().and_then(|id| id.parse().ok());
            let Some(order) = order.filter(|order| given_up.contains_key(order)) else { continue };
            let name = ("purchase_without_order".to_owned(), purchase.request_id.to_string());
            // One that may hide behind an error is nothing that the provider calls bought.
            if purchase.error.is_none() {
                self.must.insert(name, order);
            } else {
                self.may.insert(name);
            }
        }
    }
}

impl Verdict {
    /// What the shop's own comparison must and may have found.
    pub(super) fn books(&mut self, seen: &[Difference], owed: &Owed) {
        let (mut found, mut told) = (HashSet::new(), HashSet::new());
        for one in seen {
            let name = (one.kind.clone(), one.subject.clone());
            if let Some(order) = owed.must.get(&name) {
                told.insert(*order);
                found.insert(name);
                continue;
            }
            let known = owed.may.contains(&name)
                || one.order_id.is_some_and(|order| self.people.contains(&order));
            if !known {
                let what = format!("the books differ: {} {}", one.kind, one.subject);
                self.violations.push(what);
                self.concerned.extend(one.order_id);
            }
        }
        self.told = told.len();
        for ((kind, subject), order) in owed.must.iter().filter(|(name, _)| !found.contains(name)) {
            self.lost += 1;
            let what =
                format!("order {order} was forgotten, and no comparison shows {kind} {subject}");
            self.violations.push(what);
            self.concerned.push(*order);
        }
    }
}
