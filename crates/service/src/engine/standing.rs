//! Whether the shop's database can be trusted: a database that was restored, cloned or failed over has
//! forgotten what was bought since, and would have it bought again. // G22
//!
//! Promise: an engine asks before it claims anything, and remembers how often it has said that it lives;
//! claims carry that number, so that a database that went back in time under a running engine claims
//! nothing. While the shop is held this engine buys nothing and moves no money; it compares the books at
//! once, and what they say decides (`note_shop_compared.sql`). A clock of the database that jumps ahead
//! ends no call that is under way: what may still run by the engine's own clock is not repeated. // G16

use super::Engine;
use jiff::Timestamp;
use orders_core::clock::DatabaseClock;
use orders_store::Error;
use orders_store::shop::{self, Standing};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How often an engine that works on demand only says that it lives.
const BEAT: Duration = Duration::from_secs(10);

/// What an engine knows of the database that it works on.
pub(crate) struct Trust {
    /// The most beats that the database has confirmed.
    beats: AtomicI64,
    /// Whether the shop was held when it was last asked.
    held: AtomicBool,
    /// Told when it begins to be held.
    pub(crate) changed: Notify,
    /// What its clock shows, by the engine's own.
    clock: Mutex<DatabaseClock>,
}

impl Trust {
    /// What it knows when it begins: it asked at that time of its own clock.
    pub(crate) fn of(standing: &Standing, clock: DatabaseClock, asked: Duration) -> Self {
        let trust = Self {
            beats: AtomicI64::new(0),
            held: AtomicBool::new(false),
            changed: Notify::new(),
            clock: Mutex::new(clock),
        };
        trust.learn(standing, asked);
        trust
    }

    /// What the database's clock shows at the most, if it has not jumped.
    pub(crate) fn clock_at_most(&self, own: Duration) -> Option<Timestamp> {
        let clock = *self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        clock.at_most_ms(own).and_then(|ms| Timestamp::from_millisecond(ms).ok())
    }

    /// How often the engine has said that it lives, as it remembers it.
    pub(crate) fn beats_seen(&self) -> i64 {
        self.beats.load(Ordering::SeqCst)
    }

    /// Whether the shop is held, as far as this engine knows.
    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::SeqCst)
    }

    fn learn(&self, standing: &Standing, asked: Duration) {
        self.beats.fetch_max(standing.beats, Ordering::SeqCst);
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        if standing.at_ms.is_some_and(|at_ms| clock.sees(at_ms, asked)) {
            tracing::warn!(
                "the database's clock has jumped ahead: calls whose outcome is unknown are repeated when all of before have ended"
            );
        }
        self.hold(standing.held.as_deref());
    }

    fn hold(&self, because: Option<&str>) {
        let before = self.held.swap(because.is_some(), Ordering::SeqCst);
        match because {
            Some(because) if !before => {
                tracing::warn!(
                    because,
                    "the shop is held: nothing is bought and no money is moved; see `atomic-orders shop show`"
                );
                self.changed.notify_one();
            }
            None if before => tracing::info!("the shop is held no more"),
            _ => {}
        }
    }
}

impl Engine {
    /// Says that this worker is alive, or that it stopped in order.
    pub(crate) async fn beat(&self, stopping: bool) {
        let (seen, asked) = (self.trust.beats_seen(), self.clock.now());
        match shop::beat(&self.store, &self.options.worker, stopping, seen).await {
            Ok(standing) => self.trust.learn(&standing, asked),
            Err(error) => self.fault("beat", &error),
        }
    }

    /// Says again and again that it lives, until the stop.
    pub(crate) async fn keep_beating(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            Self::pause(BEAT, stop).await;
            // The stop does not wait for a database that is away.
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = self.beat(false) => {}
            }
        }
    }

    /// Tells the database what a comparison has read, and learns whether the shop is held now.
    pub(crate) async fn note_shop_compared(
        &self,
        run_at: Timestamp,
        since: Timestamp,
        read: &[&str],
    ) -> Result<(), Error> {
        let worker = &self.options.worker;
        let held = shop::note_compared(&self.store, worker, run_at, since, read).await?;
        self.trust.hold(held.then_some("see its alert"));
        Ok(())
    }
}
