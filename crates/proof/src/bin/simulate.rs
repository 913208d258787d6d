//! `simulate`: histories of a shop drawn by seeds, their counts added up in a file, a page in another.

use anyhow::{Context, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use orders_proof::simulation::batch::{Ran, run_all};
use orders_proof::simulation::coverage::Coverage;
use orders_proof::simulation::report::Counts;
use std::path::PathBuf;
use std::process::ExitCode;

/// A run of so many seeds must meet everything that can be met.
const ENOUGH: usize = 200;

/// Play histories of a shop that are drawn by seeds, on a real database, and judge each.
///
/// Runs add up: the counts stand in a file, and the next run goes on with the next seeds.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  simulate --seeds 1000                  a thousand more
  simulate --seeds 500 --operations 400 --lanes 3
  simulate --seed 17                     one, with its story; nothing is counted
Exit code 1: a history failed (its smallest form is printed as a story), or a run of 200 seeds or more never met
something that it must.")]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first seed; without it, the one after the last that was counted.
    #[arg(long)]
    first: Option<u64>,
    /// The most operations of a history.
    #[arg(long, default_value_t = 400)]
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
    let mut counts = Counts::read(&arguments.counts)?;
    let first = arguments.first.unwrap_or(counts.last_seed + 1);
    let seeds: Vec<u64> = match arguments.seed {
        Some(seed) => vec![seed],
        None => (first..first.saturating_add(arguments.seeds)).collect(),
    };
    ensure!(!seeds.is_empty(), "no seed was asked for");
    let bar = ProgressBar::new(seeds.len() as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} histories, {eta} left");
    bar.set_style(style.context("the progress bar")?);
    let shown = bar.clone();
    // What dies on purpose says nothing; what fails is told below.
    std::panic::set_hook(Box::new(|_| ()));
    let enough = seeds.len() >= ENOUGH;
    let ran = run_all(seeds, arguments.operations, arguments.lanes, move |one: &Ran| {
        shown.inc(1);
        shown.suspend(|| tell(one));
    })
    .await;
    bar.finish_and_clear();
    let mut met = Coverage::default();
    for one in &ran {
        met.add(&one.coverage);
    }
    let failed = ran.iter().filter(|one| one.failed.is_some()).count();
    if arguments.seed.is_some() {
        for one in &ran {
            println!("{}", one.story);
        }
    } else if !arguments.forget {
        for one in &ran {
            counts.add(one);
        }
        counts.write(&arguments.counts)?;
        std::fs::write(&arguments.page, counts.page()).context("writing the page")?;
    }
    let operations: usize = ran.iter().map(|one| one.operations).sum();
    println!(
        "{} histories with {operations} operations, {failed} failed; {} different things met",
        ran.len(),
        met.0.len()
    );
    let missing = if enough { met.missing() } else { Vec::new() };
    for cell in &missing {
        eprintln!("never met: {cell}");
    }
    Ok(if failed == 0 && missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tells of a history that failed.
fn tell(one: &Ran) {
    let Some(small) = &one.failed else { return };
    eprintln!(
        "seed {} of {} operations: {}: {}\nsmaller, with {} operations after {} tries:\n{}\n",
        one.seed,
        one.operations,
        small.failure.rule,
        small.failure.said,
        small.history.operations.len(),
        small.tries,
        small.story
    );
}
