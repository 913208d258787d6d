//! The money side of the proof: what Stripe's own ledger says was received, captured and returned,
//! against what was sold.

use super::invoices::Shop;
use orders_sandbox::World;
use orders_store::Store;
use orders_store::read::health;
use serde_json::{Value, json};

/// The money of all orders, in pence, as Stripe's ledger has it.
#[derive(Debug, Clone, Default)]
pub struct Money {
    received: i64,
    captured: i64,
    refunded: i64,
    reserved: i64,
    /// Movements that have not ended.
    in_flight: u64,
    /// What the orders that were not cancelled come to.
    sold: i64,
    /// How many were paid and cancelled, and how many of them got their money back in one refund.
    regretted: (usize, usize),
    /// Refunds made twice, refunds beyond what was received, payments captured twice.
    wrong: usize,
}

impl Money {
    /// Reads Stripe's ledger, which shares no code with the engine.
    pub async fn gather(store: &Store, world: &World, shop: &Shop) -> anyhow::Result<Self> {
        let ledger = world.stripe.summary();
        let sums = ledger.sums.get("gbp").copied().unwrap_or_default();
        let health = health(store).await?;
        let moves = health["moves"].as_object();
        let in_flight = moves.map_or(u64::MAX, |moves| {
            moves.values().map(|count| count.as_u64().unwrap_or(u64::MAX)).sum()
        });
        let once = ledger.refunds.values().filter(|count| **count == 1).count();
        Ok(Self {
            received: sums.received,
            captured: sums.captured,
            refunded: sums.refunded,
            reserved: sums.authorised,
            in_flight,
            sold: shop.orders.iter().map(|(_, total)| total).sum(),
            regretted: (shop.regretted.len(), once),
            wrong: ledger.repeated_refunds.len()
                + ledger.over_refunded.len()
                + ledger.captured_twice.len(),
        })
    }

    /// What is there and should not be, or should be there and is not.
    fn difference(&self) -> i64 {
        self.received + self.reserved - self.refunded - self.sold
    }

    /// Whether every penny is where it belongs, with enough having been moved to mean something.
    pub fn holds(&self) -> bool {
        self.difference() == 0
            && self.in_flight == 0
            && self.wrong == 0
            && self.captured > 0
            && self.regretted.0 > 0
            && self.regretted.0 == self.regretted.1
    }

    /// The rows of the table: what, how much, what it must be.
    pub fn rows(&self) -> [(&'static str, String, &'static str); 9] {
        let pounds = |pence: i64| {
            let sign = if pence < 0 { "-" } else { "" };
            format!("{sign}{}.{:02}", pence.unsigned_abs() / 100, pence.unsigned_abs() % 100)
        };
        [
            ("received in Stripe's ledger (GBP)", pounds(self.received), ""),
            ("  of it captured by us", pounds(self.captured), "> 0"),
            ("refunded", pounds(self.refunded), "> 0"),
            ("still reserved", pounds(self.reserved), ""),
            ("sold (orders that were not cancelled)", pounds(self.sold), ""),
            ("difference", pounds(self.difference()), "0.00"),
            ("movements of money under way", self.in_flight.to_string(), "0"),
            ("paid, cancelled, refunded once", self.regretted.1.to_string(), "all of them"),
            ("refunded or captured twice, or too much", self.wrong.to_string(), "0"),
        ]
    }

    /// For programs, in pence.
    pub fn json(&self) -> Value {
        json!({
            "received": self.received, "captured": self.captured, "refunded": self.refunded,
            "reserved": self.reserved, "sold": self.sold, "difference": self.difference(),
            "in_flight": self.in_flight, "regretted": self.regretted.0,
            "refunded_once": self.regretted.1, "moved_twice": self.wrong,
        })
    }

    /// Money as it must be.
    #[cfg(test)]
    pub fn good() -> Self {
        Self {
            received: 1100,
            captured: 300,
            refunded: 100,
            reserved: 0,
            in_flight: 0,
            sold: 1000,
            regretted: (1, 1),
            wrong: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_money_fails_when_any_one_of_its_conditions_does() {
        assert!(Money::good().holds());
        let spoilings: [fn(&mut Money); 8] = [
            |money| money.received += 1,
            |money| money.sold += 1,
            |money| money.reserved = 1,
            |money| money.in_flight = 1,
            |money| money.wrong = 1,
            |money| money.captured = 0,
            |money| money.regretted = (0, 0),
            |money| money.regretted = (2, 1),
        ];
        for (number, spoil) in spoilings.into_iter().enumerate() {
            let mut money = Money::good();
            spoil(&mut money);
            assert!(!money.holds(), "condition {number}");
        }
    }

    #[test]
    fn pence_are_written_as_pounds() {
        let money = Money { received: 5, sold: 1234, ..Money::default() };
        assert_eq!(money.rows()[0].1, "0.05");
        assert_eq!(money.rows()[5].1, "-12.29");
    }
}
