//! The database's clock, as somebody sees it who has a clock of his own. A database whose clock jumps ahead
//! ends every lease at once, also of calls that are under way, and whoever repeats such a call could meet it
//! at the provider, which may take two equal calls at the same time for two purchases. // A3, G16
//!
//! Promise: what was written before a jump is not taken for older than it is, until whatever was under way
//! then has ended by the other clock. A database that went back in time is followed at once: with it,
//! everything only lasts longer.

use std::time::Duration;

/// A database's clock may be so far ahead of what was expected without having jumped: two clocks drift, and
/// an answer takes its time. Less than any call is given.
pub const JUMP_MIN: Duration = Duration::from_secs(5);

/// What is known of the database's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseClock {
    /// How long what was under way at a jump may last: the longest lease and what the provider may take.
    calm: Duration,
    /// The least that counts as a jump.
    jump_min: Duration,
    seen: Option<Seen>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// What the database's clock showed, in milliseconds since 1970.
    database_ms: i64,
    /// What the own clock showed before the database was asked.
    own: Duration,
    /// When it was first seen that the database's has jumped, by the own one.
    jumped: Option<Duration>,
}

impl DatabaseClock {
    /// One that was not seen yet: whatever it shows first is believed.
    pub fn unseen(calm: Duration, jump_min: Duration) -> Self {
        Self { calm, jump_min, seen: None }
    }

    /// The database's clock showed this when it was asked at that time of the own clock. Whether a jump is
    /// seen for the first time.
    pub fn sees(&mut self, database_ms: i64, own: Duration) -> bool {
        let is_ahead = self.at_most_ms(own).is_some_and(|most| database_ms > most);
        if is_ahead && let Some(seen) = &mut self.seen {
            let is_new = seen.jumped.is_none();
            let jumped = *seen.jumped.get_or_insert(own);
            if own.saturating_sub(jumped) < self.calm {
                return is_new;
            }
        }
        self.seen = Some(Seen { database_ms, own, jumped: None });
        false
    }

    /// What the database's clock shows at the most if it has not jumped, in milliseconds since 1970;
    /// nothing before it was seen.
    pub fn at_most_ms(&self, own: Duration) -> Option<i64> {
        let seen = self.seen?;
        let since = own.saturating_sub(seen.own).saturating_add(self.jump_min);
        Some(seen.database_ms.saturating_add(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    const CALM: Duration = Duration::from_secs(200);

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn seen() -> DatabaseClock {
        let mut clock = DatabaseClock::unseen(CALM, JUMP_MIN);
        assert_eq!(clock.at_most_ms(seconds(10)), None);
        assert!(!clock.sees(5 * HOUR_MS, seconds(10)), "the first time is believed");
        clock
    }

    #[test]
    fn a_clock_that_goes_as_the_own_one_does_is_believed() {
        let mut clock = seen();
        assert_eq!(clock.at_most_ms(seconds(10)), Some(5 * HOUR_MS + 5_000));
        assert_eq!(clock.at_most_ms(seconds(70)), Some(5 * HOUR_MS + 65_000));
        assert!(!clock.sees(5 * HOUR_MS + 64_999, seconds(70)));
        assert_eq!(clock.at_most_ms(seconds(70)), Some(5 * HOUR_MS + 69_999));
    }

    #[test]
    fn a_jump_ahead_is_told_once_and_believed_when_everything_of_before_has_ended() {
        let mut clock = seen();
        assert!(clock.sees(6 * HOUR_MS, seconds(20)), "it is told");
        assert_eq!(clock.at_most_ms(seconds(20)), Some(5 * HOUR_MS + 15_000), "not believed");
        assert!(!clock.sees(6 * HOUR_MS + 199_000, seconds(219)), "it is told once");
        assert_eq!(clock.at_most_ms(seconds(219)), Some(5 * HOUR_MS + 214_000));
        assert!(!clock.sees(6 * HOUR_MS + 200_000, seconds(220)));
        assert_eq!(clock.at_most_ms(seconds(220)), Some(6 * HOUR_MS + 205_000), "believed");
    }

    #[test]
    fn a_clock_that_goes_back_is_followed_and_its_return_is_a_jump() {
        let mut clock = seen();
        assert!(!clock.sees(4 * HOUR_MS, seconds(20)));
        assert_eq!(clock.at_most_ms(seconds(20)), Some(4 * HOUR_MS + 5_000));
        assert!(clock.sees(5 * HOUR_MS, seconds(30)), "ahead of what it showed last");
    }

    #[test]
    fn a_jump_that_is_taken_back_is_forgotten() {
        let mut clock = seen();
        assert!(clock.sees(6 * HOUR_MS, seconds(20)));
        assert!(!clock.sees(5 * HOUR_MS + 20_000, seconds(30)));
        assert!(clock.sees(6 * HOUR_MS, seconds(250)), "another jump, with a calm of its own");
        assert_eq!(clock.at_most_ms(seconds(250)), Some(5 * HOUR_MS + 245_000));
    }
}
