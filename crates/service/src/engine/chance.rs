//! Where an engine's pauses and fence tokens come from: a generator seeded by whoever starts it.

use rand::{Rng, SeedableRng};
use std::sync::Mutex;
use uuid::Uuid;

/// A seeded generator that many tasks share.
pub struct Chance(Mutex<rand_chacha::ChaCha12Rng>);

impl Chance {
    /// A generator that gives the same numbers for the same seed.
    pub fn seeded(seed: [u8; 32]) -> Self {
        Self(Mutex::new(rand_chacha::ChaCha12Rng::from_seed(seed)))
    }

    /// The next number.
    pub fn number(&self) -> u64 {
        // A poisoned lock only means that another task panicked between two numbers.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next_u64()
    }

    /// A new fence token.
    pub fn token(&self) -> Uuid {
        Uuid::from_u64_pair(self.number(), self.number())
    }
}
