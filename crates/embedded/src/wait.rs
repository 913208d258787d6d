//! Waiting for something to become true, never longer than told.

use std::time::{Duration, Instant};

/// Short beside what is waited for (a start takes 40 ms and more), long beside what a look costs.
const BETWEEN_LOOKS: Duration = Duration::from_millis(4);

/// Looks at `level` until it gives something; `None` when the time is over.
pub fn until<T>(limit: Duration, mut level: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(reached) = level() {
            return Some(reached);
        }
        if start.elapsed() >= limit {
            return None;
        }
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "another process reaches the level and sends nobody a word; the wait is bounded"
)]
fn pause() {
    std::thread::sleep(BETWEEN_LOOKS);
}
