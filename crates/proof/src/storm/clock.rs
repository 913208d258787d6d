//! The shop's clock in a storm. It is wrong for a while, and right again; and where something was written
//! in the wrong time that lies ahead, time passes for everybody until then.
//!
//! A jump ahead ends every lease at once, also of calls that are under way, and the provider may take two
//! equal calls at the same time for two purchases. Engines that saw the clock before repeat nothing then
//! (`tests/clocks.rs`); one that is started a moment after the jump has seen nothing, and here they are
//! killed and started all the time. So the provider takes no calls while the clock jumps: none is under way
//! there when it does, and no call that was claimed before is still allowed to be sent when it is back.

use super::fleet::CALL;
use crate::world::Shop;
use crate::world::money::PutForward;
use orders_store::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

/// How long the provider works on a call at most, by its own settings, and a moment.
const PROVIDER_BOUND: Duration = Duration::from_millis(600);
/// So far it may be put forward in one storm: signatures of messages are judged by this machine's clock.
const AHEAD_MAX_S: i64 = 20 * 3600;
/// A clock that cannot be set now is set when the database can be asked.
const TRIES: u32 = 200;

/// The clock.
pub struct ShopClock {
    partners: Arc<PutForward>,
    /// How far the right time is before this machine's, in seconds.
    ahead_s: AtomicI64,
    changes: AtomicU32,
}

impl ShopClock {
    /// It is right, and the partners have this one.
    pub fn new(partners: Arc<PutForward>) -> Self {
        Self { partners, ahead_s: AtomicI64::new(0), changes: AtomicU32::new(0) }
    }

    /// How often it was changed.
    pub fn changes(&self) -> u32 {
        self.changes.load(Ordering::SeqCst)
    }

    /// It goes so many seconds ahead, stays there for a while, and is right again; then time passes, so
    /// that nothing stays in the future for ever. Whether there was room for that.
    pub async fn goes_ahead(
        &self,
        shop: &Shop,
        by_s: i64,
        length: Duration,
    ) -> Result<bool, Error> {
        let right = self.ahead_s.load(Ordering::SeqCst);
        if !self.has_room(by_s) {
            return Ok(false);
        }
        self.shielded(shop, right + by_s).await?;
        tokio::time::sleep(length).await;
        self.set(shop, right).await?;
        tokio::time::sleep(length).await;
        self.passes(shop, by_s).await?;
        Ok(true)
    }

    /// Whether so many seconds more may pass in this storm.
    pub fn has_room(&self, by_s: i64) -> bool {
        self.ahead_s.load(Ordering::SeqCst) + by_s <= AHEAD_MAX_S
    }

    /// So many seconds pass for everybody.
    pub async fn passes(&self, shop: &Shop, by_s: i64) -> Result<(), Error> {
        let later = self.later(by_s);
        self.shielded(shop, later).await
    }

    /// So many seconds have passed for everybody, while nobody could work on the database.
    pub async fn has_passed(&self, shop: &Shop, by_s: i64) -> Result<(), Error> {
        let later = self.later(by_s);
        self.set(shop, later).await
    }

    /// The right time, from now on.
    fn later(&self, by_s: i64) -> i64 {
        let later = self.ahead_s.fetch_add(by_s, Ordering::SeqCst) + by_s;
        self.partners.to(Duration::from_secs(later.unsigned_abs()));
        later
    }

    /// It falls so many seconds behind, stays there for a while, and is right again.
    pub async fn falls_behind(
        &self,
        shop: &Shop,
        by_s: i64,
        length: Duration,
    ) -> Result<bool, Error> {
        let right = self.ahead_s.load(Ordering::SeqCst);
        self.set(shop, right - by_s).await?;
        tokio::time::sleep(length).await;
        self.shielded(shop, right).await?;
        Ok(true)
    }

    /// A jump ahead, while the provider takes no calls.
    async fn shielded(&self, shop: &Shop, to_s: i64) -> Result<(), Error> {
        shop.zinc().set_outage(true);
        tokio::time::sleep(PROVIDER_BOUND).await;
        let set = self.set(shop, to_s).await;
        tokio::time::sleep(CALL + PROVIDER_BOUND).await;
        shop.zinc().set_outage(false);
        set
    }

    async fn set(&self, shop: &Shop, to_s: i64) -> Result<(), Error> {
        let sql = format!("update {{schema}}.test_clock set shift = '{to_s} seconds'");
        let sql = shop.admin.in_schema(&sql);
        let mut tries = 0;
        loop {
            self.changes.fetch_add(1, Ordering::SeqCst);
            // Saying it twice changes nothing.
            match shop.admin.query("storm.clock", &sql, &[]).await {
                Err(_) if tries < TRIES => tries += 1,
                answer => return answer.map(drop),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
