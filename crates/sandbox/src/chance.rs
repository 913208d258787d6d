//! Chance that can be repeated: a draw is a function of (seed, purpose, name, n-th), of nothing
//! else. Two runs with one seed make the same draws in whatever order the calls arrive.

use crate::Error;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// A generator for one decision.
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    /// The generator for the n-th decision of this purpose about this name.
    pub(crate) fn of(seed: u64, purpose: &str, name: &str, nth: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_be_bytes());
        hash.update(nth.to_be_bytes());
        hash.update(purpose.as_bytes());
        // A separator, so that no two (purpose, name) pairs run into one another.
        hash.update([0]);
        hash.update(name.as_bytes());
        Self(ChaCha8Rng::from_seed(hash.finalize().into()))
    }

    /// A number in 0..1.
    pub(crate) fn unit(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / (f64::from(u32::MAX) + 1.0)
    }

    /// True with the given probability.
    pub(crate) fn happens(&mut self, rate: f64) -> bool {
        self.unit() < rate
    }

    /// A number in 0..bound, and 0 when the bound is 0. The bias of the modulo does not matter for
    /// bounds this small.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.0.next_u32() % bound.max(1)
    }

    /// One of the items, none when there are none.
    pub(crate) fn one_of<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let bound = u32::try_from(items.len()).unwrap_or(u32::MAX);
        items.get(usize::try_from(self.below(bound)).unwrap_or(0))
    }

    /// One of the things by their rates, which sum to at most 1; none in the rest of the cases.
    pub(crate) fn pick<T: Copy>(&mut self, rates: &[(f64, T)]) -> Option<T> {
        let mut rest = self.unit();
        for (rate, thing) in rates {
            if rest < *rate {
                return Some(*thing);
            }
            rest -= rate;
        }
        None
    }

    /// A text of hex digits, eight for each word.
    pub(crate) fn hex(&mut self, words: usize) -> String {
        let mut text = String::with_capacity(words * 8);
        for _ in 0..words {
            // Writing to a String cannot fail.
            let _ = write!(text, "{:08x}", self.0.next_u32());
        }
        text
    }
}

/// Refuses rates that are none, and groups, of which one thing happens at most, that add up to more
/// than 1: [`Chance::pick`] could not keep them.
pub(crate) fn check_rates<T>(groups: &[Vec<(f64, T)>], single: &[f64]) -> Result<(), Error> {
    let mut all = groups.iter().flatten().map(|(rate, _)| rate).chain(single);
    if !all.all(|rate| (0.0..=1.0).contains(rate)) {
        return Err(Error::Faults("a rate lies between 0 and 1".to_owned()));
    }
    // A hair's breadth for sums such as ten times 0.1.
    let sum = |group: &Vec<(f64, T)>| group.iter().map(|(rate, _)| rate).sum::<f64>();
    if groups.iter().any(|group| sum(group) > 1.000_001) {
        return Err(Error::Faults("the rates of one kind of call add up to 1".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_seed_purpose_name_and_count_alone() {
        let draw = |seed, purpose, name, nth| Chance::of(seed, purpose, name, nth).hex(4);
        assert_eq!(draw(1, "a", "b", 1), draw(1, "a", "b", 1));
        let others = [
            draw(2, "a", "b", 1),
            draw(1, "ab", "", 1),
            draw(1, "a", "c", 1),
            draw(1, "a", "b", 2),
        ];
        assert!(others.iter().all(|other| *other != draw(1, "a", "b", 1)));
    }

    #[test]
    fn a_rate_is_met_in_the_long_run() {
        let hits = (0..10_000).filter(|n| Chance::of(7, "x", "y", *n).happens(0.1)).count();
        assert!((900..1_100).contains(&hits), "{hits}");
    }
}
