//! Wires between an engine and the world: a proxy before its database and one before its partners, each
//! of which reads what passes and can hold, cut, refuse, answer wrongly or swallow it at an exact place.
//!
//! Promise: what is not meddled with passes byte for byte. A wire belongs to one engine, so what happens
//! to it happens to nobody else.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on must end"
)]

pub mod database;
pub mod partner;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// How long a test waits for somebody to come to a place, and whoever stands there to be let go.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where somebody is made to stand still: told when he stands there, and let go by the test. Whoever
/// comes when everybody was let go does not stand.
#[derive(Debug)]
pub struct Stop {
    /// How many have come.
    standing: watch::Sender<u32>,
    /// How many of them may go on, in the order in which they came.
    free: watch::Sender<u32>,
    /// The same, for whoever stands here without a runtime's help.
    gate: (Mutex<u32>, Condvar),
}

impl Default for Stop {
    fn default() -> Self {
        let (standing, free) = (watch::Sender::new(0), watch::Sender::new(0));
        Self { standing, free, gate: (Mutex::default(), Condvar::new()) }
    }
}

impl Stop {
    fn arrive(&self) -> u32 {
        let mut number = 0;
        self.standing.send_modify(|count| {
            *count += 1;
            number = *count;
        });
        number
    }

    /// Stands here until the test lets go; bounded, so that a test that fails does not hang as well.
    pub async fn stand(&self) {
        let (number, mut free) = (self.arrive(), self.free.subscribe());
        let _ = tokio::time::timeout(PATIENCE, free.wait_for(|free| *free >= number)).await;
    }

    /// The same, keeping the thread.
    pub fn stand_blocking(&self) {
        let number = self.arrive();
        let free = self.gate.0.lock().expect("no holder panics");
        drop(self.gate.1.wait_timeout_while(free, PATIENCE, |free| *free < number));
    }

    /// Waits until somebody stands here; whether one came in this time.
    pub async fn reached(&self, within: Duration) -> bool {
        self.reached_by(1, within).await
    }

    /// Waits until so many have come; whether they did in this time.
    pub async fn reached_by(&self, count: u32, within: Duration) -> bool {
        let mut standing = self.standing.subscribe();
        let come = standing.wait_for(|standing| *standing >= count);
        matches!(tokio::time::timeout(within, come).await, Ok(Ok(_)))
    }

    /// How many have come.
    pub fn count(&self) -> u32 {
        *self.standing.borrow()
    }

    /// Lets everybody go who stands here now.
    pub fn let_these_go(&self) {
        self.free_up_to(self.count());
    }

    /// Lets everybody go, for good.
    pub fn let_go(&self) {
        self.free_up_to(u32::MAX);
    }

    fn free_up_to(&self, number: u32) {
        self.free.send_modify(|free| *free = number.max(*free));
        let mut free = self.gate.0.lock().expect("no holder panics");
        *free = number.max(*free);
        self.gate.1.notify_all();
    }
}

/// Whether anything passes, for all connections of a wire.
#[derive(Debug)]
pub(crate) struct Line {
    /// Whether bytes stand still, as they do before a process that is stopped.
    frozen: watch::Sender<bool>,
    /// Raised by one to cut every connection that stands.
    cut: watch::Sender<u64>,
    /// Whether new connections are refused.
    deaf: AtomicBool,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            frozen: watch::Sender::new(false),
            cut: watch::Sender::new(0),
            deaf: AtomicBool::new(false),
        }
    }
}

impl Line {
    /// Waits while nothing passes.
    async fn flows(&self) {
        let mut frozen = self.frozen.subscribe();
        // The sender lives as long as the wire.
        let _ = frozen.wait_for(|frozen| !*frozen).await;
    }

    /// Waits until the connections that stand now are cut.
    async fn cut(&self) {
        let mut cut = self.cut.subscribe();
        let _ = cut.changed().await;
    }

    fn cut_all(&self) {
        self.cut.send_modify(|count| *count += 1);
    }

    fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }

    fn is_deaf(&self) -> bool {
        self.deaf.load(Ordering::SeqCst)
    }

    fn set_deaf(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::SeqCst);
    }
}
