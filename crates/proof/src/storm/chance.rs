//! Chance of one seed: the same seed draws the same plan, whatever the machine does meanwhile.

use uuid::{Builder, Uuid};

/// A generator (SplitMix64) for one purpose.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The generator of a seed for a purpose; two purposes draw independently.
    pub fn of(seed: u64, purpose: &str) -> Self {
        let mut chance = Self(seed);
        for byte in purpose.bytes() {
            chance.0 = chance.number() ^ u64::from(byte);
        }
        chance
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number from the first up to the second, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.number() % (most.max(least) - least + 1)
    }

    /// Whether something happens that happens so many times in a hundred.
    pub fn happens(&mut self, in_hundred: u64) -> bool {
        self.between(1, 100) <= in_hundred
    }

    /// One of these, if there is one.
    pub fn one_of<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        let last = items.len().checked_sub(1)?;
        items.get(usize::try_from(self.between(0, last as u64)).ok()?).copied()
    }

    /// An id that no other seed has.
    pub fn id(&mut self) -> Uuid {
        let words = (u128::from(self.number()) << 64) | u128::from(self.number());
        Builder::from_random_bytes(words.to_be_bytes()).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_purpose_draw_the_same_each_time_and_others_draw_otherwise() {
        let drawn = |seed, purpose| {
            let mut chance = Chance::of(seed, purpose);
            (0..8).map(|_| chance.between(3, 900)).collect::<Vec<_>>()
        };
        assert_eq!(drawn(7, "weather"), drawn(7, "weather"));
        assert_ne!(drawn(7, "weather"), drawn(8, "weather"));
        assert_ne!(drawn(7, "weather"), drawn(7, "orders"));
        assert!(drawn(7, "weather").iter().all(|number| (3..=900).contains(number)));
        let mut chance = Chance::of(1, "");
        assert_eq!((chance.between(5, 5), chance.one_of::<u8>(&[])), (5, None));
        assert_ne!(chance.id(), chance.id());
    }
}
