//! Many cells side by side, each lane in a shop of its own.

use super::cell::{restarts, run};
use super::lane::Lane;
use super::{Fault, Spot};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One run that is over.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The point.
    pub spot: Spot,
    /// The fault.
    pub fault: Fault,
    /// What was drawn.
    pub seed: u64,
    /// How long it took.
    pub took: Duration,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

impl Ran {
    /// What is told of it, if it failed.
    pub fn fault(&self) -> Option<String> {
        let why = self.failed.as_ref()?;
        Some(format!("{}{} seed {}: {why}", self.spot, self.fault, self.seed))
    }
}

/// How many runs a shop sees before another one is made: what it has seen is judged again after each.
const RUNS_OF_A_SHOP: u32 = 64;

/// Runs these, so many at once, and begins none after a time; tells of each that is over. Those that
/// restart the database have lanes with clusters of their own.
pub async fn run_all(
    cells: Vec<(Spot, Fault, u64)>,
    lanes: usize,
    until: Option<Instant>,
    tell: impl Fn(&Ran) + Send + Sync + 'static,
) -> Vec<Ran> {
    let (restarting, others): (Vec<_>, Vec<_>) =
        cells.into_iter().partition(|(_, fault, _)| restarts(*fault));
    let (ran, tell) = (Arc::new(Mutex::new(Vec::new())), Arc::new(tell));
    let mut running = Vec::new();
    for (cells, most, may_restart) in [(restarting, 2, true), (others, lanes, false)] {
        let count = most.clamp(1, cells.len().max(1));
        let left = Arc::new(Mutex::new(VecDeque::from(cells)));
        for _ in 0..count {
            let (left, ran, tell) = (Arc::clone(&left), Arc::clone(&ran), Arc::clone(&tell));
            running.push(tokio::spawn(run_lane(left, may_restart, until, move |one| {
                tell(&one);
                ran.lock().unwrap_or_else(PoisonError::into_inner).push(one);
            })));
        }
    }
    for one in running {
        one.await.expect("a lane catches what its cells do");
    }
    let mut ran = ran.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *ran)
}

/// Runs what is left, one after the other.
async fn run_lane(
    left: Arc<Mutex<VecDeque<(Spot, Fault, u64)>>>,
    may_restart: bool,
    until: Option<Instant>,
    over: impl Fn(Ran),
) {
    let fresh = async || {
        Arc::new(if may_restart { Lane::restartable().await } else { Lane::fresh().await })
    };
    let next = || {
        let is_late = until.is_some_and(|until| Instant::now() > until);
        left.lock().unwrap_or_else(PoisonError::into_inner).pop_front().filter(|_| !is_late)
    };
    let mut lane = None;
    while let Some((spot, fault, seed)) = next() {
        let (here, seen) = match lane.take() {
            Some(lane) => lane,
            None => (fresh().await, 1),
        };
        let (in_it, begun) = (Arc::clone(&here), Instant::now());
        let end = tokio::spawn(async move { run(&in_it, spot, fault, seed).await }).await;
        let failed = end.err().map(|error| said(error.into_panic().as_ref()));
        if failed.is_none() && seen < RUNS_OF_A_SHOP {
            lane = Some((here, seen + 1));
        } else {
            // What a failure left under way would be the next one's trouble.
            here.shop.remove().await;
        }
        over(Ran { spot, fault, seed, took: begun.elapsed(), failed });
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}
