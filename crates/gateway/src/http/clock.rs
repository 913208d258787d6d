//! A clock that keeps counting while the machine is suspended.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Time since boot, including the time spent suspended.
///
/// A send deadline is kept on this clock, because a monotonic clock that stands still in suspend
/// would let a laptop that wakes after an hour send a request whose lease is long gone. // G16
pub trait BootClock: Send + Sync {
    /// Time since boot.
    fn now(&self) -> Duration;
}

/// The clock of the machine, `CLOCK_BOOTTIME`.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemBootClock;

impl BootClock for SystemBootClock {
    fn now(&self) -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        // Both parts are never negative on this clock; the kernel says so, the types do not.
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
        Duration::new(seconds, nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_does_not_run_backwards() {
        let first = SystemBootClock.now();
        assert!(first > Duration::ZERO && SystemBootClock.now() >= first);
    }
}
