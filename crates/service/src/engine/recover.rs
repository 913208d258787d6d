//! What was left behind: ended leases, dead keys, waiting submissions, and the heartbeat.
//!
//! Promise: work of a dead worker is due again within its lease and two seconds; nothing here sends
//! anything or makes a new key. // G15

use super::Engine;
use super::stats::Stats;
use orders_core::gate::Point;
use orders_store::recovery;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often ended leases are looked for.
const EVERY: Duration = Duration::from_secs(1);
/// The most orders of one turn; turns follow each other until nothing is left.
const BATCH: i32 = 500;
/// Every so many turns the waiting submissions are touched and the heart beats.
const TURNS_PER_BEAT: u32 = 10;

impl Engine {
    /// Recovers until the stop.
    pub(crate) async fn recover_all(self: Arc<Self>, stop: CancellationToken) {
        let mut turn = 0_u32;
        while !stop.is_cancelled() {
            self.gate.pass(Point::RecoveryStarted);
            self.recover_ended().await;
            if turn.is_multiple_of(TURNS_PER_BEAT) {
                self.touch_waiting().await;
                self.beat(false).await;
            }
            turn = turn.wrapping_add(1);
            Self::pause(EVERY, &stop).await;
        }
    }

    pub(super) async fn recover_ended(&self) {
        loop {
            match recovery::recover(&self.store, &self.options.worker, BATCH).await {
                Ok(found) => {
                    Stats::add(&self.stats.recovered, found.recovered);
                    Stats::add(&self.stats.reviewed, found.needs_review);
                    if found.recovered + found.needs_review == 0 {
                        return;
                    }
                    tracing::info!(
                        found.recovered,
                        found.needs_review,
                        "took over submissions whose lease had ended"
                    );
                }
                Err(error) => return self.fault("recover", &error),
            }
        }
    }

    pub(super) async fn touch_waiting(&self) {
        loop {
            match recovery::touch_waiting(&self.store, BATCH).await {
                Ok(touched) if touched == BATCH => {}
                Ok(_) => return,
                Err(error) => return self.fault("touch_waiting", &error),
            }
        }
    }
}
