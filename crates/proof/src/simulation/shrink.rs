//! Makes a history that fails smaller, as long as it fails by the same rule.
//!
//! Promise: bounded tries. First halves are taken away, then quarters, and so on down to single operations;
//! then what is left is made simpler (see `simpler`): less goes wrong, fewer kinds of things,
//! smaller numbers. A history in which the simulation itself panics is made smaller like all others.

use super::batch::{Played, played};
use super::draw::History;
use super::ground::Ground;
use super::play::Failure;
use super::simpler::{simpler, simpler_kinds};

/// The most histories that are tried.
const TRIES_MAX: usize = 250;

/// A history that fails, as small as it was made.
#[derive(Debug, Clone)]
pub struct Small {
    /// The history.
    pub history: History,
    /// How it fails.
    pub failure: Failure,
    /// Its story.
    pub story: String,
    /// How many were tried.
    pub tries: usize,
}

/// What tries histories.
struct Trial {
    ground: Option<Ground>,
    seed: u64,
    small: Small,
}

/// Makes a history smaller that failed like this.
pub async fn shrunk(ground: Option<Ground>, seed: u64, small: Small) -> (Option<Ground>, Small) {
    let mut trial = Trial { ground, seed, small };
    trial.take_away().await;
    trial.simplify().await;
    // What was only there for a number may be gone now.
    trial.take_away_from(1).await;
    (trial.ground, trial.small)
}

impl Trial {
    /// Takes operations away, many at first.
    async fn take_away(&mut self) {
        let half = self.small.history.operations.len().div_ceil(2);
        self.take_away_from(half).await;
    }

    async fn take_away_from(&mut self, at_once: usize) {
        let mut length = at_once.max(1);
        loop {
            let mut smaller = false;
            let mut at = 0;
            while at < self.small.history.operations.len() {
                let mut fewer = self.small.history.clone();
                let end = (at + length).min(fewer.operations.len());
                fewer.operations.drain(at..end);
                if self.fails(fewer).await {
                    smaller = true;
                } else {
                    at += length;
                }
            }
            if length == 1 && !smaller || self.small.tries >= TRIES_MAX {
                break;
            }
            length = if smaller { length } else { length.div_ceil(2) };
            length = length.min(self.small.history.operations.len()).max(1);
        }
    }

    /// Makes each operation and the shop as simple as they may be.
    async fn simplify(&mut self) {
        while self.one_fails(simpler_kinds(&self.small.history)).await {}
        for at in 0..self.small.history.operations.len() {
            loop {
                let simple = simpler(&self.small.history.operations[at]);
                let histories = simple.into_iter().map(|operation| {
                    let mut history = self.small.history.clone();
                    history.operations[at] = operation;
                    history
                });
                let histories: Vec<_> = histories.collect();
                if !self.one_fails(histories).await {
                    break;
                }
            }
        }
    }

    /// Whether one of these fails by the same rule; the first is kept.
    async fn one_fails(&mut self, histories: Vec<History>) -> bool {
        for history in histories {
            if self.fails(history).await {
                return true;
            }
        }
        false
    }

    /// Whether a smaller history fails by the same rule; then it is kept.
    async fn fails(&mut self, history: History) -> bool {
        if self.small.tries >= TRIES_MAX {
            return false;
        }
        self.small.tries += 1;
        let (ground, now) = played(self.ground.take(), self.seed, &history).await;
        self.ground = ground;
        let Played { story, failure, .. } = now;
        let Some(failure) = failure.filter(|failure| failure.rule == self.small.failure.rule)
        else {
            return false;
        };
        (self.small.history, self.small.story, self.small.failure) = (history, story, failure);
        true
    }
}
