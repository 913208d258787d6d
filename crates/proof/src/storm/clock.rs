//! The shop's clock in a storm. It is wrong for a while, and right again; and where something was written
//! in the wrong time that lies ahead, time passes for everybody until then.
//!
//! A jump ahead ends every lease at once, also of calls that are under way; whoever repeats such a call
//! is in its way at the provider, which may take two equal calls at the same time for two purchases. The
//! program counts on a clock that does not do that. So the provider takes no calls while the clock jumps:
//! none is under way there when it does, and no call that was claimed before is still allowed to be sent
//! when the provider is back.

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
        if right + by_s > AHEAD_MAX_S {
            return Ok(false);
        }
        self.shielded(shop, right + by_s).await?;
        tokio::time::sleep(length).await;
        self.set(shop, right).await?;
        tokio::time::sleep(length).await;
        let later = right + by_s;
        self.ahead_s.store(later, Ordering::SeqCst);
        self.partners.to(Duration::from_secs(later.unsigned_abs()));
        self.shielded(shop, later).await?;
        Ok(true)
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
