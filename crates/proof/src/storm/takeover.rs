//! What a dead worker had in its hands, and when others took it over: measured from outside, from its
//! death (or from the database's return, when that was away) until its order has moved on. // G15

use super::fleet::Death;
use super::ground::Ground;
use crate::world::Shop;
use orders_store::Error;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// An order of a dead worker.
struct Left {
    order: Uuid,
    /// The number of its last event when its worker was found dead.
    version: i64,
    from: Instant,
    /// How often the database's clock had been changed then.
    clock_changes: u32,
}

/// The orders of the dead.
#[derive(Default)]
pub struct Takeovers {
    deaths: Vec<Death>,
    left: Vec<Left>,
    /// How long each order waited that was taken over while the clock was let alone.
    pub waits: Vec<Duration>,
    /// Orders during whose wait the database's clock was changed, because leases end by that clock, or the
    /// database was put back.
    pub unmeasured: u32,
    /// Deaths.
    pub kills: u32,
    /// Deaths with an order in hand.
    pub kills_in_hand: u32,
}

impl Takeovers {
    /// Somebody died.
    pub fn died(&mut self, deaths: Vec<Death>) {
        self.kills += u32::try_from(deaths.len()).unwrap_or(u32::MAX);
        self.deaths.extend(deaths);
    }

    /// The database was put back: what the dead had in hand then is another story.
    pub fn forget(&mut self) {
        self.unmeasured += u32::try_from(self.left.len()).unwrap_or(u32::MAX);
        self.left.clear();
        self.deaths.clear();
    }

    /// Looks what the dead have left and what has been taken over since; what cannot be asked now is
    /// asked again at the next look.
    pub async fn look(
        &mut self,
        shop: &Shop,
        ground: &Ground,
        clock_changes: u32,
    ) -> Result<(), Error> {
        let Some(up_since) = ground.up_since() else { return Ok(()) };
        while let Some(death) = self.deaths.last() {
            let from = death.at.max(up_since);
            let held = held(shop, &death.worker).await?;
            self.kills_in_hand += u32::from(!held.is_empty());
            let left = held.into_iter().map(|(order, version)| Left {
                order,
                version,
                from,
                clock_changes,
            });
            self.left.extend(left);
            self.deaths.pop();
        }
        if self.left.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = self.left.iter().map(|left| left.order).collect();
        let now = versions(shop, &ids).await?;
        let seen = Instant::now();
        let mut left = Vec::new();
        for one in self.left.drain(..) {
            if now.get(&one.order).is_none_or(|version| *version == one.version) {
                left.push(one);
            } else if one.clock_changes == clock_changes {
                self.waits.push(seen.duration_since(one.from));
            } else {
                self.unmeasured += 1;
            }
        }
        self.left = left;
        Ok(())
    }

    /// How many wait to be taken over.
    pub fn waiting(&self) -> usize {
        self.left.len() + self.deaths.len()
    }

    /// The wait that so many of a hundred did not exceed, in milliseconds.
    pub fn percentile(&self, of_hundred: usize) -> u64 {
        percentile(&self.waits, of_hundred)
    }
}

/// The orders that a worker holds a lease on, each with the number of its last event.
async fn held(shop: &Shop, worker: &str) -> Result<Vec<(Uuid, i64)>, Error> {
    let sql = format!(
        "select o.id, o.version::bigint from {{schema}}.orders as o
           join {{schema}}.order_attempts as a on a.order_id = o.id and a.settled_at is null
          where o.status = 'submitting' and a.lease_token is not null and a.worker = '{worker}'"
    );
    let rows = shop.admin.query("storm.held", &shop.admin.in_schema(&sql), &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn versions(shop: &Shop, ids: &[Uuid]) -> Result<HashMap<Uuid, i64>, Error> {
    let sql = format!(
        "select id, version::bigint from {{schema}}.orders where id = any ({})",
        crate::world::array(ids)
    );
    let rows = shop.admin.query("storm.versions", &shop.admin.in_schema(&sql), &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

fn percentile(waits: &[Duration], of_hundred: usize) -> u64 {
    let mut sorted = waits.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() * of_hundred).div_ceil(100).saturating_sub(1);
    let wait = sorted.get(place).copied().unwrap_or_default();
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_wait_that_was_seen() {
        let waits: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(
            (percentile(&waits, 50), percentile(&waits, 99), percentile(&waits, 100)),
            (100, 198, 200)
        );
        assert_eq!((percentile(&waits[..1], 50), percentile(&[], 100)), (200, 0));
    }
}
