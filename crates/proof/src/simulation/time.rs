//! The time of a simulated world: one number that moves when the simulation says so. The fakes, the
//! engines' boot clocks and the shop's database all read it, the database through a shift of its own.

use orders_gateway::http::BootClock;
use orders_sandbox::{Clock, Sleep};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// When every simulation begins: the first of January 2027.
pub const BEGIN_MS: i64 = 1_798_761_600_000;

/// The time, in milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct Time(Arc<watch::Sender<i64>>);

impl Default for Time {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(BEGIN_MS)))
    }
}

impl Time {
    /// Sets it back to the beginning, for another world.
    pub fn begin(&self) {
        self.0.send_replace(BEGIN_MS);
    }

    /// Lets so much of it pass.
    pub fn pass(&self, ms: i64) {
        self.0.send_modify(|now| *now += ms);
    }
}

impl Clock for Time {
    fn now_ms(&self) -> i64 {
        *self.0.borrow()
    }

    fn sleep_until(&self, at_ms: i64) -> Sleep<'_> {
        let mut now = self.0.subscribe();
        Box::pin(async move {
            // The sender lives as long as the clock, so this ends by the time alone.
            let _ = now.wait_for(|now| *now >= at_ms).await;
        })
    }
}

impl BootClock for Time {
    fn now(&self) -> Duration {
        // A machine that has been up for a while: nothing may hang on a clock that begins at nought.
        Duration::from_millis((self.now_ms() - BEGIN_MS).unsigned_abs() + 86_400_000)
    }
}
