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

/// Where somebody is made to stand still: told when he stands there, and let go by the test.
#[derive(Debug)]
pub struct Stop {
    standing: watch::Sender<u32>,
    open: watch::Sender<bool>,
    /// For whoever stands here without a runtime's help.
    gate: (Mutex<bool>, Condvar),
}

impl Default for Stop {
    fn default() -> Self {
        let (standing, open) = (watch::Sender::new(0), watch::Sender::new(false));
        Self { standing, open, gate: (Mutex::default(), Condvar::new()) }
    }
}

impl Stop {
    /// Stands here until the test lets go; bounded, so that a test that fails does not hang as well.
    pub async fn stand(&self) {
        self.standing.send_modify(|count| *count += 1);
        let mut open = self.open.subscribe();
        let _ = tokio::time::timeout(PATIENCE, open.wait_for(|open| *open)).await;
    }

    /// The same, keeping the thread.
    pub fn stand_blocking(&self) {
        self.standing.send_modify(|count| *count += 1);
        let open = self.gate.0.lock().expect("no holder panics");
        drop(self.gate.1.wait_timeout_while(open, PATIENCE, |open| !*open));
    }

    /// Waits until somebody stands here; whether one came in this time.
    pub async fn reached(&self, within: Duration) -> bool {
        let mut standing = self.standing.subscribe();
        matches!(
            tokio::time::timeout(within, standing.wait_for(|count| *count > 0)).await,
            Ok(Ok(_))
        )
    }

    /// How many have stood here.
    pub fn count(&self) -> u32 {
        *self.standing.borrow()
    }

    /// Lets everybody go, for good.
    pub fn let_go(&self) {
        self.open.send_replace(true);
        *self.gate.0.lock().expect("no holder panics") = true;
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
