//! Many cells side by side, each lane in a shop of its own.

use super::cell::{Lane, run};
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

/// Runs these, so many at once; tells of each that is over.
pub async fn run_all(
    cells: Vec<(Spot, Fault, u64)>,
    lanes: usize,
    tell: impl Fn(&Ran) + Send + Sync + 'static,
) -> Vec<Ran> {
    let lanes = lanes.clamp(1, cells.len().max(1));
    let left = Arc::new(Mutex::new(VecDeque::from(cells)));
    let (ran, tell) = (Arc::new(Mutex::new(Vec::new())), Arc::new(tell));
    let running = (0..lanes).map(|_| {
        let (left, ran, tell) = (Arc::clone(&left), Arc::clone(&ran), Arc::clone(&tell));
        tokio::spawn(async move {
            let mut lane = Arc::new(Lane::fresh().await);
            let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            while let Some((spot, fault, seed)) = next() {
                let (here, begun) = (Arc::clone(&lane), Instant::now());
                let end = tokio::spawn(async move { run(&here, spot, fault, seed).await }).await;
                let failed = end.err().map(|error| said(error.into_panic().as_ref()));
                if failed.is_some() {
                    // What it left under way would be the next one's trouble.
                    lane = Arc::new(Lane::fresh().await);
                }
                let one = Ran { spot, fault, seed, took: begun.elapsed(), failed };
                tell(&one);
                ran.lock().unwrap_or_else(PoisonError::into_inner).push(one);
            }
        })
    });
    for one in running.collect::<Vec<_>>() {
        one.await.expect("a lane catches what its cells do");
    }
    let mut ran = ran.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *ran)
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}
