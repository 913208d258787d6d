//! Makes a history that fails smaller, as long as it fails by the same rule.
//!
//! Promise: bounded tries. First halves are taken away, then quarters, and so on down to single operations;
//! then what goes wrong inside the ones that are left.

use super::draw::History;
use super::ground::Ground;
use super::operation::{Mishap, Operation};
use super::play::{Failure, Play};

/// The most histories that are tried.
const TRIES_MAX: usize = 150;

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
struct Trial<'a> {
    ground: &'a mut Ground,
    seed: u64,
    small: Small,
}

/// Makes a history smaller that failed like this.
pub async fn shrunk(
    ground: &mut Ground,
    seed: u64,
    history: &History,
    failure: &Failure,
    story: String,
) -> Small {
    let small = Small { history: history.clone(), failure: failure.clone(), story, tries: 0 };
    let mut trial = Trial { ground, seed, small };
    let mut length = history.operations.len().div_ceil(2);
    loop {
        let mut smaller = false;
        let mut at = 0;
        while at < trial.small.history.operations.len() {
            let mut fewer = trial.small.history.clone();
            let end = (at + length).min(fewer.operations.len());
            fewer.operations.drain(at..end);
            if trial.fails(fewer).await {
                smaller = true;
            } else {
                at += length;
            }
        }
        if length == 1 && !smaller || trial.small.tries >= TRIES_MAX {
            break;
        }
        length = if smaller { length } else { length.div_ceil(2) };
        length = length.min(trial.small.history.operations.len()).max(1);
    }
    for at in 0..trial.small.history.operations.len() {
        let mut milder = trial.small.history.clone();
        if let Operation::Work(_, _, mishap) = &mut milder.operations[at]
            && *mishap != Mishap::None
        {
            *mishap = Mishap::None;
            trial.fails(milder).await;
        }
    }
    trial.small
}

impl Trial<'_> {
    /// Whether a smaller history fails by the same rule; then it is kept.
    async fn fails(&mut self, history: History) -> bool {
        if self.small.tries >= TRIES_MAX {
            return false;
        }
        self.small.tries += 1;
        let (play, failure) = Play::all(self.ground, self.seed, &history).await;
        let Some(failure) = failure.filter(|failure| failure.rule == self.small.failure.rule)
        else {
            return false;
        };
        (self.small.history, self.small.story) = (history, play.story.text());
        self.small.failure = failure;
        true
    }
}
