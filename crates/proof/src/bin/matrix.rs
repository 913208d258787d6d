//! `matrix`: the fault matrix with many seeds, its counts added up in a file, its table in another.

use anyhow::{Context, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use orders_proof::matrix::batch::{Ran, run_all};
use orders_proof::matrix::cell::{enough, is_runnable};
use orders_proof::matrix::report::Counts;
use orders_proof::matrix::{Fault, Spot};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// After so many runs the counts are written.
const WRITTEN_EVERY: u32 = 500;

/// Run the fault matrix: every fault at every point of an order's life, on a real database.
///
/// Runs add up: the counts stand in a file, and the next run goes on with the next seeds.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  matrix --seeds 5                       five more seeds of every cell
  matrix --cell C8F2 --seeds 100         one cell
  matrix --enough --minutes 60           an hour of what is lacking, of each cell alike
  matrix --cell C8F2 --first 17 --seeds 1 --forget     one seed again
Exit code 1: a cell failed; its seed and story are printed.")]
struct Arguments {
    /// How many seeds of each cell.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// As many of each cell as are lacking to a thousand, or to 25 where servers restart, disks fill and
    /// engines pause.
    #[arg(long, conflicts_with_all = ["seeds", "first"])]
    enough: bool,
    /// Begin no run after so many minutes.
    #[arg(long)]
    minutes: Option<u64>,
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
    let counts = Counts::read(&arguments.counts)?;
    let cells = wanted(&arguments, &counts);
    ensure!(!cells.is_empty(), "nothing is lacking, or no cell is called {}", arguments.cell);
    let bar = ProgressBar::new(cells.len() as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} runs, {eta} left  {msg}");
    bar.set_style(style.context("the progress bar")?);
    let until = arguments.minutes.map(|minutes| Instant::now() + Duration::from_mins(minutes));
    // What dies on purpose says so a thousand times; what fails is told below.
    std::panic::set_hook(Box::new(|_| ()));
    let lanes = arguments.lanes;
    let book = Arc::new(Mutex::new(Book { counts, unwritten: 0, arguments }));
    let (shown, open) = (bar.clone(), Arc::clone(&book));
    let ran = run_all(cells, lanes, until, move |one: &Ran| {
        shown.inc(1);
        if let Some(fault) = one.fault() {
            shown.suspend(|| eprintln!("{fault}"));
        }
        let told = open.lock().unwrap_or_else(PoisonError::into_inner).tell(one);
        if let Err(error) = told {
            shown.suspend(|| eprintln!("the counts could not be written: {error}"));
        }
    })
    .await;
    bar.finish_and_clear();
    book.lock().unwrap_or_else(PoisonError::into_inner).write()?;
    let failed = ran.iter().filter(|one| one.failed.is_some()).count();
    let slowest = ran.iter().max_by_key(|one| one.took);
    if let Some(one) = slowest {
        println!("slowest: {}{} seed {}, {:?}", one.spot, one.fault, one.seed, one.took);
    }
    println!("{} runs, {failed} failed", ran.len());
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The runs that are wanted: one of each cell, then another one of each.
fn wanted(arguments: &Arguments, counts: &Counts) -> Vec<(Spot, Fault, u64)> {
    let named = |spot: Spot, fault: Fault| format!("{spot}{fault}").contains(&arguments.cell);
    let mut cells = Vec::new();
    for spot in Spot::all() {
        for fault in Fault::all().filter(|fault| is_runnable(spot, *fault) && named(spot, *fault)) {
            let first = arguments.first.unwrap_or_else(|| counts.next_seed(spot, fault));
            let count = if arguments.enough {
                enough(fault).saturating_sub(counts.runs(spot, fault))
            } else {
                arguments.seeds
            };
            cells.extend((0..count).map(|number| (number, (spot, fault, first + number))));
        }
    }
    cells.sort_by_key(|(number, _)| *number);
    cells.into_iter().map(|(_, one)| one).collect()
}

/// What has been counted, written every now and then: a run of hours that is cut off loses little.
struct Book {
    counts: Counts,
    unwritten: u32,
    arguments: Arguments,
}

impl Book {
    fn tell(&mut self, one: &Ran) -> anyhow::Result<()> {
        self.counts.add(one);
        self.unwritten += 1;
        if self.unwritten >= WRITTEN_EVERY { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> anyhow::Result<()> {
        self.unwritten = 0;
        if self.arguments.forget {
            return Ok(());
        }
        self.counts.write(&self.arguments.counts)?;
        std::fs::write(&self.arguments.page, self.counts.page()).context("writing the page")
    }
}
