//! `interleave`: every order in which two workers can take the nine steps of the submission path.

use anyhow::{Context, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use orders_proof::interleave::{Ground, Seen, schedules, spelled};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// A ground is left after so many walks: its ledger is read again and again.
const WALKS_OF_A_GROUND: usize = 500;

/// Walk two workers over the submission path in every order of their steps: 48,620 of them.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  interleave                              all of them
  interleave --every 100                  one in a hundred
  interleave --only AABBABABABABABABAB    one
Exit code 1: one failed; it is spelled out.")]
struct Arguments {
    /// One in so many.
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// Only this one, as it is spelled.
    #[arg(long)]
    only: Option<String>,
    /// How many grounds side by side.
    #[arg(long, default_value_t = 3)]
    lanes: usize,
    /// The page to write when all were walked.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// What became of the walks.
#[derive(Default)]
struct Found {
    left: VecDeque<u32>,
    seen: Vec<Seen>,
    failed: Vec<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let wanted = |one: &u32| arguments.only.as_ref().is_none_or(|only| spelled(*one) == *only);
    let left: VecDeque<u32> = schedules().filter(wanted).step_by(arguments.every.max(1)).collect();
    ensure!(!left.is_empty(), "a schedule is 18 letters, nine A and nine B");
    let (count, begun) = (left.len(), Instant::now());
    let bar = ProgressBar::new(count as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len}, {eta} left");
    bar.set_style(style.context("the progress bar")?);
    let found = Arc::new(Mutex::new(Found { left, ..Found::default() }));
    let lanes = (0..arguments.lanes.clamp(1, count)).map(|_| {
        let (found, bar) = (Arc::clone(&found), bar.clone());
        tokio::spawn(async move { while lane(&found, &bar).await {} })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.context("a lane")?;
    }
    bar.finish_and_clear();
    let found = found.lock().unwrap_or_else(PoisonError::into_inner);
    let text = told(&found, begun.elapsed().as_secs());
    print!("{text}");
    if let Some(file) = &arguments.write {
        std::fs::write(file, format!("# Two workers, every order of their steps\n\n{text}"))
            .context("writing the page")?;
    }
    Ok(if found.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Walks on one ground until it is used up or something failed on it; whether there is more to do.
async fn lane(found: &Arc<Mutex<Found>>, bar: &ProgressBar) -> bool {
    let ground = Arc::new(Ground::fresh().await);
    let lock = || found.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..WALKS_OF_A_GROUND {
        let Some(schedule) = lock().left.pop_front() else { break };
        let here = Arc::clone(&ground);
        let walked = tokio::spawn(async move { here.walk(schedule).await }).await;
        bar.inc(1);
        let Ok(seen) = walked else {
            lock().failed.push(spelled(schedule));
            // What it left stands in the way of the next.
            return true;
        };
        lock().seen.push(seen);
    }
    if let Some(ground) = Arc::into_inner(ground) {
        ground.end().await;
    }
    !lock().left.is_empty()
}

/// The counts, as a page has them.
fn told(found: &Found, seconds: u64) -> String {
    let mut by: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    let mut calls: BTreeMap<u32, u32> = BTreeMap::new();
    for seen in &found.seen {
        let (more, less) = (seen.stood[0].max(seen.stood[1]), seen.stood[0].min(seen.stood[1]));
        *by.entry((more, less)).or_default() += 1;
        *calls.entry(seen.calls).or_default() += 1;
    }
    let mut text = format!(
        "{} orders of steps were walked in {seconds} s, {} failed. In each of the others the provider's ledger has one purchase, and the order ended accepted.\n\n",
        found.seen.len() + found.failed.len(),
        found.failed.len()
    );
    for (calls, count) in calls {
        let _ = writeln!(text, "- the provider got {calls} calls under the key: {count}");
    }
    text.push_str(
        "\n| points at which the one stood | and the other | how often |\n|---|---|---|\n",
    );
    for ((more, less), count) in by {
        let _ = writeln!(text, "| {more} | {less} | {count} |");
    }
    for one in &found.failed {
        let _ = writeln!(text, "\nFAILED {one}");
    }
    text
}
