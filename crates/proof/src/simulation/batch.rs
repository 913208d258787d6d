//! Many histories, side by side, each lane on a ground of its own.

use super::coverage::Coverage;
use super::draw::{History, history};
use super::ground::Ground;
use super::play::{Failure, Play};
use super::shrink::{Small, shrunk};
use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Which histories are played, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Their seeds.
    pub seeds: Vec<u64>,
    /// The most operations of one.
    pub operations_max: usize,
    /// How many side by side.
    pub lanes: usize,
    /// Whether none is begun any more when one has failed.
    pub until_failed: bool,
    /// After how long none is begun any more.
    pub within: Option<Duration>,
}

impl Plan {
    /// All of these seeds, or those until one fails.
    pub fn of(seeds: impl IntoIterator<Item = u64>, operations_max: usize, lanes: usize) -> Self {
        let seeds = seeds.into_iter().collect();
        Self { seeds, operations_max, lanes, until_failed: true, within: None }
    }
}

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

impl Ran {
    /// What is told of it, if it failed.
    pub fn fault(&self) -> Option<String> {
        let small = self.failed.as_ref()?;
        Some(format!(
            "seed {} of {} operations: {}: {}\nsmaller, with {} operations after {} tries:\n{}",
            self.seed,
            self.operations,
            small.failure.rule,
            small.failure.said,
            small.history.operations.len(),
            small.tries,
            small.story
        ))
    }
}

/// What came of playing a history once.
#[derive(Debug, Clone)]
pub struct Played {
    /// What it met.
    pub coverage: Coverage,
    /// Its story.
    pub story: String,
    /// How it failed, if it did.
    pub failure: Option<Failure>,
}

/// Plays the histories of a plan; tells of each that is over.
pub async fn run_all(plan: Plan, tell: impl Fn(&Ran) + Send + Sync + 'static) -> Vec<Ran> {
    let lanes = plan.lanes.clamp(1, plan.seeds.len().max(1));
    let until = plan.within.map(|within| Instant::now() + within);
    let left = Arc::new(Mutex::new(VecDeque::from(plan.seeds)));
    let (ran, tell) = (Arc::new(Mutex::new(Vec::new())), Arc::new(tell));
    let running = (0..lanes).map(|_| {
        let (left, ran, tell) = (Arc::clone(&left), Arc::clone(&ran), Arc::clone(&tell));
        tokio::spawn(async move {
            let mut ground = None;
            let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            while let Some(seed) = next() {
                let (standing, one) = run(ground.take(), seed, plan.operations_max).await;
                ground = standing;
                tell(&one);
                let over = until.is_some_and(|until| Instant::now() >= until);
                if over || plan.until_failed && one.failed.is_some() {
                    left.lock().unwrap_or_else(PoisonError::into_inner).clear();
                }
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

/// Plays the history of one seed, and makes it smaller when it fails; gives the ground back unless it broke.
pub async fn run(
    ground: Option<Ground>,
    seed: u64,
    operations_max: usize,
) -> (Option<Ground>, Ran) {
    let (begun, drawn) = (Instant::now(), history(seed, operations_max));
    let operations = drawn.operations.len();
    let (ground, played) = played(ground, seed, &drawn).await;
    let Played { coverage, story, failure } = played;
    let took = begun.elapsed();
    let mut ran = Ran { seed, operations, took, coverage, story, failed: None };
    let Some(failure) = failure else { return (ground, ran) };
    let small = Small { history: drawn, failure, story: ran.story.clone(), tries: 0 };
    let (ground, small) = shrunk(ground, seed, small).await;
    ran.failed = Some(small);
    (ground, ran)
}

/// Plays a history; one in which the simulation itself panics has failed, and its ground is gone.
pub async fn played(
    ground: Option<Ground>,
    seed: u64,
    history: &History,
) -> (Option<Ground>, Played) {
    let history = history.clone();
    let played = tokio::spawn(async move {
        let mut ground = match ground {
            Some(ground) => ground,
            None => Ground::fresh().await,
        };
        let (play, failure) = Play::all(&mut ground, seed, &history).await;
        let played = Played { coverage: play.coverage, story: play.story.text(), failure };
        (ground, played)
    });
    match played.await {
        Ok((ground, played)) => (Some(ground), played),
        Err(error) => {
            let said = error
                .try_into_panic()
                .map_or_else(|error| error.to_string(), |panic| words(&*panic));
            let failure = Failure::of("the simulation itself panicked", said.as_str());
            let story = format!("FAILED: {}: {said}", failure.rule);
            (None, Played { coverage: Coverage::default(), story, failure: Some(failure) })
        }
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("nothing").to_owned()
}
