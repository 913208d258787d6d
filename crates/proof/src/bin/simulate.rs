//! `simulate`: histories of a shop drawn by seeds, their counts added up in a file, a page in another.

use anyhow::{Context, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use orders_proof::simulation::batch::{Plan, Ran, run_all};
use orders_proof::simulation::coverage::Coverage;
use orders_proof::simulation::report::{Counts, Tally};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A run of so many seeds must meet everything that can be met.
const ENOUGH: usize = 200;

/// Play histories of a shop that are drawn by seeds, on a real database, and judge each.
///
/// Runs add up: the counts stand in a file, and the next run goes on with the next seeds.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  simulate --seeds 1000                  a thousand more
  simulate --seeds 500 --operations 300 --lanes 3
  simulate --seeds 100000 --minutes 60   an hour; what is broken off is counted all the same
  simulate --seed 17                     one, with its story; nothing is counted
Exit code 1: a history failed (its smallest form is printed as a story), or a run of 200 seeds or more never met
something that it must.")]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// Begin no history any more after so many minutes.
    #[arg(long)]
    minutes: Option<u64>,
    /// Begin no history any more when one has failed.
    #[arg(long)]
    until_failed: bool,
    /// The first seed; without it, the one after the last that was counted.
    #[arg(long)]
    first: Option<u64>,
    /// The most operations of a history.
    #[arg(long, default_value_t = 150)]
    operations: usize,
    /// How many side by side.
    #[arg(long, default_value_t = 3)]
    lanes: usize,
    /// Play this seed only and print its story.
    #[arg(long)]
    seed: Option<u64>,
    /// Where the counts stand.
    #[arg(long, default_value = "docs/simulation.json")]
    counts: PathBuf,
    /// The page that is written from them.
    #[arg(long, default_value = "docs/SIMULATION.md")]
    page: PathBuf,
    /// Count nothing and write no page.
    #[arg(long)]
    forget: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let counts = Counts::read(&arguments.counts)?;
    let first = arguments.first.unwrap_or(counts.last_seed + 1);
    let seeds: Vec<u64> = match arguments.seed {
        Some(seed) => vec![seed],
        None => (first..first.saturating_add(arguments.seeds)).collect(),
    };
    ensure!(!seeds.is_empty(), "no seed was asked for");
    let is_counted = arguments.seed.is_none() && !arguments.forget;
    let (file, page) = (arguments.counts.clone(), arguments.page.clone());
    let tally = Arc::new(Mutex::new(Tally::from(counts, first, file, page)));
    let (ran, took) = played(&arguments, seeds, is_counted.then(|| Arc::clone(&tally))).await?;
    if is_counted {
        let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.write().context("writing the counts")?;
    }
    if arguments.seed.is_some() {
        for one in &ran {
            println!("{}", one.story);
        }
    }
    Ok(judged(&ran, took))
}

/// Plays them, with a bar, and gives how long that took.
async fn played(
    arguments: &Arguments,
    seeds: Vec<u64>,
    tally: Option<Arc<Mutex<Tally>>>,
) -> anyhow::Result<(Vec<Ran>, Duration)> {
    let bar = ProgressBar::new(seeds.len() as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} histories, {eta} left");
    bar.set_style(style.context("the progress bar")?);
    // What dies on purpose says nothing; what fails is told below.
    std::panic::set_hook(Box::new(|_| ()));
    let plan = Plan {
        seeds,
        operations_max: arguments.operations,
        lanes: arguments.lanes,
        until_failed: arguments.until_failed,
        within: arguments.minutes.map(|minutes| Duration::from_secs(60 * minutes)),
    };
    let (begun, shown) = (Instant::now(), bar.clone());
    let ran = run_all(plan, move |one: &Ran| {
        shown.inc(1);
        if let Some(fault) = one.fault() {
            shown.suspend(|| eprintln!("{fault}\n"));
        }
        if let Some(tally) = &tally {
            let added = tally.lock().unwrap_or_else(PoisonError::into_inner).add(one);
            if let Err(error) = added {
                shown.suspend(|| eprintln!("the counts could not be written: {error}"));
            }
        }
    })
    .await;
    bar.finish_and_clear();
    Ok((ran, begun.elapsed()))
}

/// Says what came of all of them.
fn judged(ran: &[Ran], took: Duration) -> ExitCode {
    let mut met = Coverage::default();
    for one in ran {
        met.add(&one.coverage);
    }
    let failed = ran.iter().filter(|one| one.failed.is_some()).count();
    let operations: usize = ran.iter().map(|one| one.operations).sum();
    println!(
        "{} histories with {operations} operations in {} s, {failed} failed; {} different things met",
        ran.len(),
        took.as_secs(),
        met.0.len()
    );
    let faults = if ran.len() >= ENOUGH { met.faults() } else { Vec::new() };
    for fault in &faults {
        eprintln!("{fault}");
    }
    if failed == 0 && faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
