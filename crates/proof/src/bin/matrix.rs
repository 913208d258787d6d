//! `matrix`: the fault matrix with many seeds, its counts added up in a file, its table in another.

use anyhow::{Context, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use orders_proof::matrix::batch::{Ran, run_all};
use orders_proof::matrix::cell::is_runnable;
use orders_proof::matrix::report::Counts;
use orders_proof::matrix::{Fault, Spot};
use std::path::PathBuf;
use std::process::ExitCode;

/// Run the fault matrix: every fault at every point of an order's life, on a real database.
///
/// Runs add up: the counts stand in a file, and the next run goes on with the next seeds.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  matrix --seeds 5                       five more seeds of every cell
  matrix --cell C8F2 --seeds 100         one cell
  matrix --cell C8F2 --first 17 --seeds 1 --forget     one seed again
Exit code 1: a cell failed; its seed and story are printed.")]
struct Arguments {
    /// How many seeds of each cell.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first seed; without it, the one after the last that was counted.
    #[arg(long)]
    first: Option<u64>,
    /// Only the cells whose name begins so: C8, C8F2.
    #[arg(long, default_value = "")]
    cell: String,
    /// How many side by side.
    #[arg(long, default_value_t = 6)]
    lanes: usize,
    /// Where the counts stand.
    #[arg(long, default_value = "docs/faults.json")]
    counts: PathBuf,
    /// The page that is written from them.
    #[arg(long, default_value = "docs/FAULTS.md")]
    page: PathBuf,
    /// Count nothing and write no page.
    #[arg(long)]
    forget: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let mut counts = Counts::read(&arguments.counts)?;
    let named = |spot: Spot, fault: Fault| format!("{spot}{fault}").contains(&arguments.cell);
    let mut cells = Vec::new();
    for number in 0..arguments.seeds {
        for spot in Spot::all() {
            for fault in
                Fault::all().filter(|fault| is_runnable(spot, *fault) && named(spot, *fault))
            {
                let first = arguments.first.unwrap_or_else(|| counts.next_seed(spot, fault));
                cells.push((spot, fault, first + number));
            }
        }
    }
    ensure!(!cells.is_empty(), "no cell is called {}", arguments.cell);
    let bar = ProgressBar::new(cells.len() as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} runs, {eta} left  {msg}");
    bar.set_style(style.context("the progress bar")?);
    let shown = bar.clone();
    // What dies on purpose says so a thousand times; what fails is told below.
    std::panic::set_hook(Box::new(|_| ()));
    let ran = run_all(cells, arguments.lanes, move |one: &Ran| {
        shown.inc(1);
        if let Some(fault) = one.fault() {
            shown.suspend(|| eprintln!("{fault}"));
        }
    })
    .await;
    bar.finish_and_clear();
    let failed = ran.iter().filter(|one| one.failed.is_some()).count();
    if !arguments.forget {
        for one in &ran {
            counts.add(one);
        }
        counts.write(&arguments.counts)?;
        std::fs::write(&arguments.page, counts.page()).context("writing the page")?;
    }
    let slowest = ran.iter().max_by_key(|one| one.took);
    if let Some(one) = slowest {
        println!("slowest: {}{} seed {}, {:?}", one.spot, one.fault, one.seed, one.took);
    }
    println!("{} runs, {failed} failed", ran.len());
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
