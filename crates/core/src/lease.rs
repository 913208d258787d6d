//! The lengths of time that keep two workers apart, and the rules between them. // A3, G15, G20

use std::time::Duration;

/// Time added to the longest call before a lease may end: recording, a slow commit, a pause.
pub const LEASE_MARGIN: Duration = Duration::from_secs(10);
/// The longest lease: a leased order is touched once per lease, and the specification calls an
/// order stuck that was not touched for two minutes (ruling 13).
pub const LEASE_MAX: Duration = Duration::from_secs(90);

/// The times of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// How long a claim is held.
    pub lease: Duration,
    /// Hard limit of one call to the provider, everything included.
    pub call: Duration,
}

/// Why an engine must not start with these times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsafeTimes {
    /// A second worker could begin while the first still waits for its answer.
    #[error(
        "the lease of {} s must be longer than the call limit of {} s plus {} s: lengthen the lease or \
         shorten the call",
        lease.as_secs(), call.as_secs(), LEASE_MARGIN.as_secs()
    )]
    LeaseTooShort {
        /// The lease asked for.
        lease: Duration,
        /// The call limit asked for.
        call: Duration,
    },
    /// A live lease would look stuck to the specification's query.
    #[error("the lease of {} s must be at most {} s, or live work looks stuck", lease.as_secs(), LEASE_MAX.as_secs())]
    LeaseTooLong {
        /// The lease asked for.
        lease: Duration,
    },
}

impl Times {
    /// Checks the rules between the times.
    pub fn check(self) -> Result<Self, UnsafeTimes> {
        let Self { lease, call } = self;
        if lease <= call + LEASE_MARGIN {
            return Err(UnsafeTimes::LeaseTooShort { lease, call });
        }
        if lease > LEASE_MAX {
            return Err(UnsafeTimes::LeaseTooLong { lease });
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_a3_a_lease_not_longer_than_the_longest_call_is_refused() {
        let seconds = Duration::from_secs;
        let times = |lease, call| Times { lease: seconds(lease), call: seconds(call) }.check();
        assert!(times(60, 30).is_ok() && times(41, 30).is_ok() && times(90, 30).is_ok());
        assert!(matches!(times(40, 30), Err(UnsafeTimes::LeaseTooShort { .. })));
        assert!(matches!(times(91, 30), Err(UnsafeTimes::LeaseTooLong { .. })));
        assert!(times(40, 30).unwrap_err().to_string().contains("lengthen the lease"));
    }
}
