//! The proof: what the provider's own ledger says against what we believe.

use super::invoices::Shop;
use super::money::Money;
use crate::cli::table::table;
use orders_sandbox::World;
use orders_sandbox::zinc::Summary;
use orders_store::read::{Filter, health, orders};
use orders_store::{Store, verify};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Everything that has to hold, as numbers.
pub struct Proof {
    orders: usize,
    ledger: Summary,
    /// Orders without a purchase in the ledger that are not with a person either.
    lost: Vec<String>,
    /// Orders that we call bought and the ledger does not know.
    imagined: Vec<String>,
    completed: usize,
    review: BTreeMap<String, usize>,
    stuck: u64,
    unknown_met: i64,
    unknown_left: u64,
    repeats: i64,
    events: u64,
    broken: Vec<verify::Broken>,
    /// How often the engine was killed, and how often at least it should have been.
    kills: u32,
    kills_wanted: u32,
    money: Money,
}

/// Compares the ledger with the database.
pub async fn gather(
    store: &Store,
    world: &World,
    shop: &Shop,
    (kills, kills_wanted): (u32, u32),
) -> anyhow::Result<Proof> {
    let ids: Vec<String> = shop.orders.iter().map(|(id, _)| id.to_string()).collect();
    let never = world.zinc.never_bought(ids.iter().map(String::as_str));
    let review = ids_in(store, "needs_review").await?;
    let completed = ids_in(store, "completed").await?;
    let mut reasons = BTreeMap::new();
    for reason in review.values() {
        *reasons.entry(reason.clone()).or_insert(0) += 1;
    }
    let health = health(store).await?;
    let (events, broken) = verified(store).await?;
    Ok(Proof {
        orders: ids.len(),
        ledger: world.zinc.summary(),
        lost: never.iter().filter(|id| !review.contains_key(*id)).cloned().collect(),
        imagined: never.into_iter().filter(|id| completed.contains_key(id)).collect(),
        completed: completed.len(),
        review: reasons,
        stuck: health["stuck"].as_u64().unwrap_or(u64::MAX),
        unknown_met: events_of(store, &["answer_lost", "lease_ended"]).await?,
        unknown_left: health["unknown"].as_u64().unwrap_or(u64::MAX),
        repeats: events_of(store, &["purchase_repeated"]).await?,
        events,
        broken,
        kills,
        kills_wanted,
        money: Money::gather(store, world, shop).await?,
    })
}

/// Ids of the orders with a status, each with its reason for review.
async fn ids_in(store: &Store, status: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut filter = Filter { status: Some(status.to_owned()), limit: 200, ..Filter::default() };
    loop {
        let page = orders(store, &filter).await?;
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        for row in &page {
            found.insert(text(row, "id"), text(row, "review_reason"));
        }
        match page.last().and_then(|row| row["id"].as_str()?.parse().ok()) {
            Some(last) if page.len() == 200 => filter.after = Some(last),
            _ => return Ok(found),
        }
    }
}

async fn events_of(store: &Store, kinds: &[&str]) -> anyhow::Result<i64> {
    Ok(orders_store::read::count_events(store, kinds).await?)
}

async fn verified(store: &Store) -> anyhow::Result<(u64, Vec<verify::Broken>)> {
    let (mut events, mut broken, mut after) = (0, Vec::new(), None);
    loop {
        let page = verify::page(store, after, 1000).await?;
        events += page.events;
        broken.extend(page.broken);
        match page.last {
            Some(last) => after = Some(last),
            None => return Ok((events, broken)),
        }
    }
}

impl Proof {
    /// Whether everything that was promised holds, with enough having happened to mean something.
    pub fn holds(&self) -> bool {
        let in_review: usize = self.review.values().sum();
        self.ledger.duplicates.is_empty()
            && self.ledger.violations == 0
            && self.ledger.overlapping_purchases == 0
            && self.ledger.purchases_without_order == 0
            && self.ledger.keyless_purchases == 0
            && self.lost.is_empty()
            && self.imagined.is_empty()
            && self.broken.is_empty()
            && self.stuck == 0
            && self.completed + in_review == self.orders
            && self.orders > 400
            && self.ledger.orders_bought_once > 400
            && self.unknown_met > 0
            && self.kills >= self.kills_wanted
            && self.money.holds()
    }

    /// For eyes.
    pub fn table(&self) -> String {
        let mut proof = table(["what", "count", "must be"]);
        let mut row = |what: &str, count: String, must: &str| {
            proof.add_row([what, &count, must]);
        };
        let in_review: usize = self.review.values().sum();
        row("orders placed and paid", self.orders.to_string(), "> 400");
        row(
            "purchases in the provider's ledger (live)",
            self.ledger.live_purchases.to_string(),
            "",
        );
        row("orders bought exactly once", self.ledger.orders_bought_once.to_string(), "> 400");
        row("orders bought more than once", self.ledger.duplicates.len().to_string(), "0");
        row("orders lost (neither bought nor with a person)", self.lost.len().to_string(), "0");
        row("orders believed bought, unknown to the ledger", self.imagined.len().to_string(), "0");
        row("same key sent with other bytes", self.ledger.violations.to_string(), "0");
        row(
            "same key sent while it was still being worked on",
            self.ledger.overlapping_purchases.to_string(),
            "0",
        );
        row("orders completed", self.completed.to_string(), "");
        row("orders in review", in_review.to_string(), "");
        for (reason, count) in &self.review {
            row(&format!("  of these: {reason}"), count.to_string(), "");
        }
        row("engine killed (SIGKILL)", self.kills.to_string(), &format!("≥ {}", self.kills_wanted));
        row("unknown outcomes met", self.unknown_met.to_string(), "> 0");
        row("unknown outcomes left, with a person", self.unknown_left.to_string(), "");
        row("same bytes sent again under the same key", self.repeats.to_string(), "");
        row(
            "calls answered from the provider's memory",
            self.ledger.duplicate_calls.to_string(),
            "",
        );
        let faults: u64 = self.ledger.faults.values().sum();
        row("faults done to calls by the sandbox", faults.to_string(), "");
        row("refusals by the provider", self.ledger.refusals.values().sum::<u64>().to_string(), "");
        for (what, count, must) in self.money.rows() {
            row(what, count, must);
        }
        row("events in the history, verified", self.events.to_string(), "");
        row("broken rules found by verify", self.broken.len().to_string(), "0");
        row("stuck orders", self.stuck.to_string(), "0");
        proof.to_string()
    }

    /// The last line: what the table comes to.
    pub fn verdict(&self) -> String {
        if self.holds() {
            return format!(
                "It holds: {} orders bought exactly once, none twice, none lost, and every penny \
                 accounted for.",
                self.ledger.orders_bought_once
            );
        }
        "It does not hold: a count of the table is not what it must be.".to_owned()
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "orders": self.orders, "live_purchases": self.ledger.live_purchases,
            "bought_once": self.ledger.orders_bought_once, "duplicates": self.ledger.duplicates.len(),
            "lost": self.lost, "imagined": self.imagined, "violations": self.ledger.violations,
            "overlapping_purchases": self.ledger.overlapping_purchases, "completed": self.completed,
            "in_review": self.review, "kills": self.kills, "unknown_met": self.unknown_met,
            "unknown_left": self.unknown_left, "repeats": self.repeats, "faults": self.ledger.faults,
            "refusals": self.ledger.refusals, "events": self.events, "broken": self.broken,
            "stuck": self.stuck, "money": self.money.json(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orders_sandbox::zinc::Duplicate;

    fn good() -> Proof {
        Proof {
            orders: 423,
            ledger: Summary { orders_bought_once: 420, ..Summary::default() },
            lost: Vec::new(),
            imagined: Vec::new(),
            completed: 420,
            review: [("outcome_unknown".to_owned(), 3)].into(),
            stuck: 0,
            unknown_met: 1,
            unknown_left: 3,
            repeats: 1,
            events: 1,
            broken: Vec::new(),
            kills: 3,
            kills_wanted: 3,
            money: Money::good(),
        }
    }

    #[test]
    fn the_proof_fails_when_any_one_of_its_conditions_does() {
        assert!(good().holds() && good().verdict().starts_with("It holds"));
        let spoilings: [fn(&mut Proof); 16] = [
            |proof| {
                proof
                    .ledger
                    .duplicates
                    .push(Duplicate { order_id: "an order".into(), request_ids: Vec::new() });
            },
            |proof| proof.ledger.violations = 1,
            |proof| proof.ledger.overlapping_purchases = 1,
            |proof| proof.ledger.purchases_without_order = 1,
            |proof| proof.ledger.keyless_purchases = 1,
            |proof| proof.ledger.orders_bought_once = 400,
            |proof| proof.lost.push("an order".to_owned()),
            |proof| proof.imagined.push("an order".to_owned()),
            |proof| {
                proof.broken.push(verify::Broken {
                    order_id: uuid::Uuid::nil(),
                    rule: "chain".to_owned(),
                    detail: String::new(),
                });
            },
            |proof| proof.stuck = 1,
            |proof| proof.completed = 419,
            |proof| proof.review.clear(),
            |proof| (proof.orders, proof.completed) = (400, 397),
            |proof| proof.unknown_met = 0,
            |proof| proof.kills = 2,
            |proof| proof.money = Money::default(),
        ];
        for (number, spoil) in spoilings.into_iter().enumerate() {
            let mut proof = good();
            spoil(&mut proof);
            assert!(!proof.holds(), "condition {number}");
            assert!(proof.verdict().starts_with("It does not hold"));
        }
    }
}
