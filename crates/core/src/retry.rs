//! How long to wait before the next try: capped exponential back-off with full jitter. Chance comes
//! in as a number, so that a test draws the same pauses again.

use std::time::Duration;

/// A schedule of pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The limit of the first pause.
    pub first: Duration,
    /// The limit of any pause.
    pub cap: Duration,
}

impl Backoff {
    /// The pause before try number `tries + 1`: anything between nothing and the limit of that try,
    /// as `chance` (any number) has it.
    pub fn pause(self, tries: u32, chance: u64) -> Duration {
        let first = u64::try_from(self.first.as_millis()).unwrap_or(u64::MAX).max(1);
        let cap = u64::try_from(self.cap.as_millis()).unwrap_or(u64::MAX);
        let doubled = first.saturating_mul(1 << tries.saturating_sub(1).min(40));
        Duration::from_millis(chance % (doubled.min(cap) + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pause_never_passes_its_cap(tries: u32, chance: u64) {
            let backoff = Backoff { first: Duration::from_millis(500), cap: Duration::from_mins(1) };
            prop_assert!(backoff.pause(tries, chance) <= backoff.cap);
            prop_assert!(backoff.pause(1, chance) <= backoff.first);
        }
    }
}
