//! How fast payments are read at Stripe: how many of a turn, how many at once, and when a person must
//! know that it is too slow.
//!
//! Promise: a turn begins no read after a quarter of the age that a claim allows, so what it learns is
//! young enough to buy with, however slow Stripe is; what was not begun is left to the next turn, which
//! takes no more than it can read. Whoever is asked to slow down does.

use std::time::Duration;

/// The most payments of one turn.
pub(super) const BATCH: usize = 100;
/// The most reads at once.
pub(super) const READS_MAX: usize = 8;
/// The shortest rest when Stripe asks us to slow down, and the longest.
const BREATH: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How fast this engine reads now.
#[derive(Debug)]
pub(super) struct Pace {
    /// How old facts may be when an order is claimed.
    gate_age: Duration,
    batch: usize,
    at_once: usize,
    /// On the boot clock: since when more is due than can be read.
    behind_since: Option<Duration>,
}

/// A turn that is over; its times are of the boot clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// When its payments had been taken.
    pub(super) begun: Duration,
    /// When the last of them was recorded.
    pub(super) ended: Duration,
    /// How many it took.
    pub(super) taken: usize,
    /// Of how many Stripe was asked.
    pub(super) asked: usize,
    /// Whether Stripe asked us to slow down.
    pub(super) busy: bool,
}

impl Pace {
    /// As fast as may be.
    pub(super) fn new(gate_age: Duration) -> Self {
        Self { gate_age, batch: BATCH, at_once: READS_MAX, behind_since: None }
    }

    /// How many payments the next turn takes.
    pub(super) fn batch(&self) -> usize {
        self.batch
    }

    /// How many are read at once.
    pub(super) fn at_once(&self) -> usize {
        self.at_once
    }

    /// How long after its beginning a turn begins reads.
    pub(super) fn begins_for(&self) -> Duration {
        self.gate_age / 4
    }

    /// Learns from a turn; says whether a person must know that reading is too slow: half of the age
    /// was over before it ended, or for a whole age more has been due than could be read.
    pub(super) fn learn(&mut self, turn: Turn) -> bool {
        let (lasted, bound) = (turn.ended.saturating_sub(turn.begun), self.begins_for());
        let is_full = turn.taken >= self.batch;
        let is_behind = lasted > bound || is_full && self.batch < BATCH;
        if is_behind {
            self.behind_since.get_or_insert(turn.begun);
        } else {
            self.behind_since = None;
        }
        self.batch = if turn.busy {
            turn.asked.clamp(READS_MAX, self.batch)
        } else if lasted > bound {
            in_time(turn.asked, bound, lasted).clamp(READS_MAX, BATCH)
        } else if lasted <= bound / 2 {
            (self.batch * 2).min(BATCH)
        } else {
            self.batch
        };
        let more = (self.at_once + 1).min(READS_MAX);
        self.at_once = if turn.busy { (self.at_once / 2).max(1) } else { more };
        let behind = self.behind_since.map(|since| turn.ended.saturating_sub(since));
        lasted > self.gate_age / 2 || behind.is_some_and(|behind| behind >= self.gate_age)
    }
}

/// How many of these could be read within the bound, if so many took so long.
fn in_time(count: usize, bound: Duration, lasted: Duration) -> usize {
    let milliseconds = |length: Duration| length.as_millis().max(1);
    let count = count as u128 * milliseconds(bound) / milliseconds(lasted);
    usize::try_from(count).unwrap_or(BATCH)
}

/// How long to rest when Stripe asks us to slow down: as long as it says, and by chance up to half as
/// long again, so that engines do not all come back at once.
pub(super) fn breath(retry_after: Duration, chance: u64) -> Duration {
    let (least, most) = BREATH;
    let rest = retry_after.clamp(least, most);
    let more = u64::try_from(rest.as_millis()).unwrap_or(0) / 2;
    rest + Duration::from_millis(chance % (more + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_mins(1);

    fn turn(begun_s: u64, lasted_s: u64, taken: usize, asked: usize) -> Turn {
        let begun = Duration::from_secs(begun_s);
        Turn { begun, ended: begun + Duration::from_secs(lasted_s), taken, asked, busy: false }
    }

    #[test]
    fn a_turn_takes_what_can_be_read_in_time_and_more_again_when_that_is_quick() {
        let mut pace = Pace::new(AGE);
        assert!(!pace.learn(turn(0, 25, 100, 60)));
        assert_eq!(pace.batch(), 36);
        assert!(!pace.learn(turn(25, 10, 36, 36)));
        assert_eq!(pace.batch(), 36, "about right");
        assert!(!pace.learn(turn(35, 2, 36, 36)) && !pace.learn(turn(37, 2, 5, 5)));
        assert_eq!(pace.batch(), BATCH);
        assert!(!pace.learn(turn(39, 29, 100, 3)));
        assert_eq!(pace.batch(), READS_MAX, "as many as are read at once");
    }

    #[test]
    fn a_person_is_told_of_one_very_slow_turn_and_of_a_minute_in_which_more_is_due_than_is_read() {
        let mut pace = Pace::new(AGE);
        assert!(pace.learn(turn(0, 31, 100, 8)), "one turn, longer than half of the age");
        let mut pace = Pace::new(AGE);
        assert!(!pace.learn(turn(0, 24, 80, 16)));
        assert!(!pace.learn(turn(24, 12, pace.batch(), pace.batch())));
        assert!(!pace.learn(turn(36, 12, pace.batch(), pace.batch())));
        assert!(pace.learn(turn(48, 12, pace.batch(), pace.batch())), "for a minute");
        assert!(!pace.learn(turn(60, 12, pace.batch() - 1, 7)), "nothing more is due");
        assert!(!pace.learn(turn(72, 12, pace.batch(), pace.batch())));
    }

    #[test]
    fn whoever_is_asked_to_slow_down_reads_fewer_at_once_and_slowly_more_again() {
        let mut pace = Pace::new(AGE);
        for at_once in [4, 2, 1, 1] {
            pace.learn(Turn { busy: true, ..turn(0, 1, 10, 10) });
            assert_eq!((pace.at_once(), pace.batch()), (at_once, 10), "it takes what was asked");
        }
        for at_once in [2, 3, 4, 5, 6, 7, 8, 8] {
            pace.learn(turn(0, 1, 10, 10));
            assert_eq!(pace.at_once(), at_once);
        }
    }

    #[test]
    fn a_rest_is_as_long_as_stripe_says_within_bounds_and_a_little_longer_by_chance() {
        let s = Duration::from_secs;
        for (said, least) in [(s(0), 1), (s(7), 7), (s(9_999), 30)] {
            for chance in [0, 1, 499, 15_000, u64::MAX] {
                let rest = breath(said, chance);
                assert!(rest >= s(least) && rest <= s(least) * 3 / 2, "{said:?} {chance} {rest:?}");
            }
            assert!(breath(said, 499) > breath(said, 0));
        }
    }
}
