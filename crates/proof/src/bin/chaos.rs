//! `chaos`: a storm over many orders, its counts added up in a file, its page in another.

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use orders_proof::storm::report::{Row, Storms};
use orders_proof::storm::{Options, Outcome, Progress, Weather, run};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// A storm: real processes killed and stopped, a database that dies, runs full and tells a wrong time,
/// connections that break, partners that lie; then calm, and every order is judged.
///
/// Storms add up: their counts stand in a file, and the next one has the next seed. Many orders are
/// several storms, one after the other, each with a database and partners of its own; each is counted when
/// it is over, so that an interruption loses one at most. What is not said is drawn from the number of
/// orders: one kill in a hundred of them, one restart of the database in five hundred, one restore of a
/// copy of it in two thousand five hundred.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  chaos                                              10,000 orders with everything
  chaos --orders 100000 --kills 1000 --restarts 200  a night's storm
  chaos --seconds 600                                ten minutes, however far it comes
  chaos --orders 100000 --batch 2500                 the same counts in forty storms
  chaos --only kill,stop --orders 2000               two kinds of weather
  chaos --seed 17 --forget                           one seed again, not counted
  chaos --older PATH                                 with an engine of another release, which must know
                                                     the same functions of the database
Exit code 1: something that must not be. The seed, the orders' stories and the folder with the cluster and
the logs are printed.")]
struct Arguments {
    /// How many orders.
    #[arg(long, default_value_t = 10_000)]
    orders: usize,
    /// How many of them in one storm: what it remembers of each stays in memory until it is over.
    #[arg(long, default_value_t = 5_000)]
    batch: usize,
    /// Nothing new after so many seconds, however many orders that were.
    #[arg(long)]
    seconds: Option<u64>,
    /// What everything is drawn from; without it, one that was not counted yet.
    #[arg(long)]
    seed: Option<u64>,
    /// How many engines run side by side.
    #[arg(long, default_value_t = 4)]
    engines: usize,
    /// How often a process is killed, at least.
    #[arg(long)]
    kills: Option<u32>,
    /// How often the database is restarted.
    #[arg(long)]
    restarts: Option<u32>,
    /// Only these: kill, stop, restart, cut, disk, clock, pool, restore, pooler.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// A program of another release that takes part as one more engine.
    #[arg(long, value_name = "PROGRAM")]
    older: Option<PathBuf>,
    /// How many orders are under way at once.
    #[arg(long, default_value_t = 300)]
    open: usize,
    /// Where the counts stand.
    #[arg(long, default_value = "docs/storm.json")]
    counts: PathBuf,
    /// The page that is written from them.
    #[arg(long, default_value = "docs/STORM.md")]
    page: PathBuf,
    /// Count nothing and write no page.
    #[arg(long)]
    forget: bool,
}

const POOLER: &str = "pooler";

impl Arguments {
    /// One storm of many: its share of everything.
    fn options(&self, seed: u64, orders: usize, seconds: Option<u64>) -> anyhow::Result<Options> {
        let names = || Weather::ALL.map(Weather::name).into_iter().chain([POOLER]);
        if let Some(wrong) = self.only.iter().find(|word| !names().any(|name| name == **word)) {
            bail!(
                "--only: there is no {wrong:?}; there are {}",
                names().collect::<Vec<_>>().join(", ")
            );
        }
        let wanted = |name: &str| self.only.is_empty() || self.only.iter().any(|word| word == name);
        let in_all = |one_in: usize| u32::try_from(orders.div_ceil(one_in)).unwrap_or(u32::MAX);
        let share = |of_all: u32| {
            let share = (of_all as usize * orders).div_ceil(self.orders);
            u32::try_from(share).unwrap_or(u32::MAX)
        };
        let count = |kind: Weather| match kind {
            Weather::Kill => self.kills.map_or_else(|| in_all(100), share),
            Weather::Restart => self.restarts.map_or_else(|| in_all(500), share),
            Weather::Stop => in_all(500),
            Weather::Cut => in_all(200),
            Weather::Disk | Weather::Pool => in_all(1_500),
            Weather::Jump => in_all(4_000),
            Weather::Restore => in_all(2_500),
            // Comes with each restore.
            Weather::BackUp => 0,
        };
        let weather = Weather::ALL.into_iter().filter(|kind| wanted(kind.name()));
        let older = self.older.as_ref().map(|path| path.canonicalize()).transpose();
        Ok(Options {
            seed,
            orders,
            engines: self.engines,
            weather: weather.map(|kind| (kind, count(kind))).collect(),
            seconds,
            pooler: wanted(POOLER),
            older: older.context("--older")?,
            open_max: self.open,
        })
    }

    /// Adds a storm to the counts, and writes the page from them.
    fn count(&self, row: &Row) -> anyhow::Result<()> {
        if self.forget {
            return Ok(());
        }
        let mut storms = Storms::read(&self.counts).context("reading the counts")?;
        storms.add(row.clone());
        storms.write(&self.counts).context("writing the counts")?;
        std::fs::write(&self.page, storms.page()).context("writing the page")
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    ensure!(arguments.engines >= 2, "--engines: at least 2, or nobody takes over");
    ensure!(arguments.orders > 0 && arguments.open > 0, "no orders, no storm");
    ensure!(arguments.batch > 0, "--batch: at least one order in a storm");
    let storms = Storms::read(&arguments.counts).context("reading the counts")?;
    let first = arguments.seed.unwrap_or_else(|| storms.next_seed());
    let begun = Instant::now();
    let mut left = arguments.orders;
    let mut all = Storms::default();
    for seed in first.. {
        let seconds = arguments.seconds.map(|all| all.saturating_sub(begun.elapsed().as_secs()));
        if left == 0 || seconds == Some(0) {
            break;
        }
        let options = arguments.options(seed, left.min(arguments.batch), seconds)?;
        left -= options.orders;
        let outcome = stormed(&options).await?;
        arguments.count(&outcome.row)?;
        let good = told(&outcome)?;
        all.add(outcome.row);
        println!("{}", all.rates());
        if !good {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Brings one storm, and shows how far it is.
async fn stormed(options: &Options) -> anyhow::Result<Outcome> {
    let bar = ProgressBar::new(options.orders as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} orders, {elapsed}  {msg}");
    bar.set_style(style.context("the progress bar")?);
    let parts = options.sequence().len();
    let outcome = run(options, |now: Progress| {
        bar.set_position(now.placed as u64);
        let weather = if now.weather > parts {
            format!("calm, {} to end", now.open)
        } else {
            format!("weather {} of {parts}", now.weather)
        };
        bar.set_message(format!("seed {}, {weather}, {} kills", options.seed, now.kills));
    })
    .await;
    bar.finish_and_clear();
    outcome.with_context(|| format!("seed {}", options.seed))
}

/// Tells what it came to; whether it was good.
fn told(outcome: &Outcome) -> anyhow::Result<bool> {
    let row = &outcome.row;
    println!("{}", serde_json::to_string(row)?);
    for one in &outcome.violations {
        eprintln!("seed {}: {one}", row.seed);
    }
    if !row.is_in_time() {
        eprintln!("seed {}: an order of a dead engine waited for {} ms", row.seed, row.p100_ms);
    }
    eprint!("{}", outcome.story);
    Ok(outcome.violations.is_empty() && row.is_in_time())
}
