//! Trouble with an account or with the way to it: how long everything rests, and when a person is
//! told.
//!
//! Promise: what the provider asks for is taken as it is; only pauses that we chose grow, while
//! nothing comes between them. No pause is longer than [`PAUSE_MAX`], and no trouble lasts longer
//! than [`QUIET_MAX`] without an alarm.

use std::time::Duration;

/// The longest pause of an account, whoever asks for it.
pub const PAUSE_MAX: Duration = Duration::from_hours(1);
/// The longest trouble of which nobody is told.
pub const QUIET_MAX: Duration = Duration::from_mins(15);
/// After so many pauses in a row somebody is told as well.
const PAUSES_QUIET_MAX: u32 = 8;
/// Pauses of our own double up to this length: an account that can be reached again should not wait
/// much longer.
const OUR_OWN_MAX: Duration = Duration::from_mins(1);

/// A pause of the whole account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// For how long.
    pub length: Duration,
    /// Whether a person must be told at once.
    pub alarm: bool,
    /// Whether it is longer each time that it follows another.
    pub grows: bool,
}

impl Pause {
    /// Something at our account or in our set-up must be repaired.
    pub fn of_set_up(length: Duration) -> Self {
        Self { length, alarm: true, grows: false }
    }

    /// Nobody said how long; the next one is longer.
    pub fn of_our_own(first: Duration) -> Self {
        Self { length: first, alarm: false, grows: true }
    }

    /// As long as somebody said.
    pub fn as_asked(length: Duration) -> Self {
        Self { length, alarm: false, grows: false }
    }
}

/// Pauses in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trouble {
    pauses: u32,
    since: Duration,
}

impl Trouble {
    /// Whether there is any; then one order at a time tries whether it is over.
    pub fn is_on(self) -> bool {
        self.pauses > 0
    }

    /// It is over.
    pub fn end(&mut self) {
        *self = Self::default();
    }

    /// One more pause, at this time of any clock that only goes forward: how long it lasts, and
    /// whether a person is told.
    pub fn pause(&mut self, wanted: Pause, now: Duration) -> Pause {
        if self.pauses == 0 {
            self.since = now;
        }
        let doubled = || {
            let longest = wanted.length.max(OUR_OWN_MAX);
            wanted.length.saturating_mul(1 << self.pauses.min(16)).min(longest)
        };
        let length = if wanted.grows { doubled() } else { wanted.length }.min(PAUSE_MAX);
        self.pauses = self.pauses.saturating_add(1);
        let lasts = (now + length).saturating_sub(self.since);
        let alarm = wanted.alarm || lasts > QUIET_MAX || self.pauses >= PAUSES_QUIET_MAX;
        Pause { length, alarm, ..wanted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn only_pauses_of_our_own_grow_and_none_is_longer_than_an_hour() {
        let mut trouble = Trouble::default();
        let mut own = Vec::new();
        for turn in 0..9 {
            own.push(trouble.pause(Pause::of_our_own(SECOND), turn * SECOND).length.as_secs());
        }
        assert_eq!(own, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        let asked = Pause::as_asked(Duration::from_mins(10));
        assert_eq!(trouble.pause(asked, 9 * SECOND).length, asked.length, "as it was asked");
        let days = Pause::as_asked(Duration::from_hours(16 * 24));
        assert_eq!(trouble.pause(days, 9 * SECOND).length, PAUSE_MAX);
        trouble.end();
        assert!(!trouble.is_on());
        assert_eq!(
            trouble.pause(Pause::of_our_own(SECOND), SECOND).length,
            SECOND,
            "from the start"
        );
    }

    #[test]
    fn trouble_that_lasts_alarms_somebody_whatever_it_is_made_of() {
        let alarms = |wanted: Pause, every: Duration| {
            let mut trouble = Trouble::default();
            (0..20).position(|turn| trouble.pause(wanted, turn * every).alarm)
        };
        assert_eq!(alarms(Pause::of_set_up(SECOND), SECOND), Some(0), "at once");
        assert_eq!(alarms(Pause::as_asked(16 * 60 * SECOND), SECOND), Some(0), "a long one");
        assert_eq!(alarms(Pause::of_our_own(SECOND), SECOND), Some(7), "several in a row");
        let ten_minutes = Pause::as_asked(10 * 60 * SECOND);
        assert_eq!(alarms(ten_minutes, 10 * 60 * SECOND), Some(1), "a quarter of an hour together");
    }
}
