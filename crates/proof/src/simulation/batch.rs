//! Many histories, side by side, each lane on a ground of its own.

use super::coverage::Coverage;
use super::draw::{History, history};
use super::ground::Ground;
use super::play::{Failure, Play};
use super::shrink::{Small, shrunk};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A history that was played.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Its seed.
    pub seed: u64,
    /// How many operations it had.
    pub operations: usize,
    /// How long it took.
    pub took: Duration,
    /// What it met.
    pub coverage: Coverage,
    /// Its story.
    pub story: String,
    /// How it failed, made smaller, if it did.
    pub failed: Option<Small>,
}

/// Plays the histories of these seeds, so many at once; tells of each that is over.
pub async fn run_all(
    seeds: Vec<u64>,
    operations_max: usize,
    lanes: usize,
    tell: impl Fn(&Ran) + Send + Sync + 'static,
) -> Vec<Ran> {
    let lanes = lanes.clamp(1, seeds.len().max(1));
    let left = Arc::new(Mutex::new(VecDeque::from(seeds)));
    let (ran, tell) = (Arc::new(Mutex::new(Vec::new())), Arc::new(tell));
    let running = (0..lanes).map(|_| {
        let (left, ran, tell) = (Arc::clone(&left), Arc::clone(&ran), Arc::clone(&tell));
        tokio::spawn(async move {
            let mut ground = None;
            let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            while let Some(seed) = next() {
                let (standing, one) = run(ground.take(), seed, operations_max).await;
                ground = standing;
                tell(&one);
                ran.lock().unwrap_or_else(PoisonError::into_inner).push(one);
            }
        })
    });
    for one in running.collect::<Vec<_>>() {
        // A lane catches what its histories do; one that did not has lost its count, which is seen.
        let _ = one.await;
    }
    let mut ran = std::mem::take(&mut *ran.lock().unwrap_or_else(PoisonError::into_inner));
    ran.sort_by_key(|one| one.seed);
    ran
}

/// Plays the history of one seed; gives the ground back unless it broke.
pub async fn run(
    ground: Option<Ground>,
    seed: u64,
    operations_max: usize,
) -> (Option<Ground>, Ran) {
    let (begun, drawn) = (Instant::now(), history(seed, operations_max));
    let operations = drawn.operations.len();
    let played = tokio::spawn({
        let drawn = drawn.clone();
        async move {
            let mut ground = match ground {
                Some(ground) => ground,
                None => Ground::fresh().await,
            };
            let (coverage, story, failed) = one(&mut ground, seed, &drawn).await;
            (ground, coverage, story, failed)
        }
    });
    let took = |begun: Instant| begun.elapsed();
    match played.await {
        Ok((ground, coverage, story, failed)) => {
            (Some(ground), Ran { seed, operations, took: took(begun), coverage, story, failed })
        }
        Err(error) => {
            let failure = Failure::of("the simulation itself panicked", error.to_string());
            let small = Small { history: drawn, failure, story: String::new(), tries: 0 };
            let (coverage, story) = (Coverage::default(), String::new());
            let failed = Some(small);
            (None, Ran { seed, operations, took: took(begun), coverage, story, failed })
        }
    }
}

async fn one(ground: &mut Ground, seed: u64, drawn: &History) -> (Coverage, String, Option<Small>) {
    let (play, failure) = Play::all(ground, seed, drawn).await;
    let (coverage, story) = (play.coverage, play.story.text());
    let Some(failure) = failure else { return (coverage, story, None) };
    let small = shrunk(ground, seed, drawn, &failure, story.clone()).await;
    (coverage, story, Some(small))
}
