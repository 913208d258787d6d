//! `demo`: real invoices, partners that lose answers and lie, an engine that is killed on the way,
//! and the proof that each order was bought exactly once.
//!
//! Everything is real but the partners: the database, the HTTP, the processes, the kills. The proof
//! is read from the provider's own ledger, which shares no code with the engine.

pub mod invoices;
mod money;
mod proof;
mod worker;

use super::NOT_GOOD;
use super::output::{say, say_json, tell};
use super::work::stop_on_signal;
use crate::app::{Database, DatabaseArgs, SANDBOX};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use orders_sandbox::stripe::StripeFaults;
use orders_sandbox::{Faults, Options, Running, World};
use orders_store::{Store, read, schema};
use serde_json::Value;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use worker::Worker;

/// Real invoices, a lying provider, a killed engine, and the proof that each was bought once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  atomic-orders demo                         the proof, in a temporary folder
  atomic-orders demo --seed 4711 --kills 9   other faults, and more kills
  atomic-orders demo --json | jq .duplicates

Exit code 3: the proof does not hold.")]
pub struct Demo {
    /// Where the database and the ledgers are kept; default: a temporary folder, removed at the end.
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Which PostgreSQL to run: automatic, installed, carried, or a folder of programs.
    #[arg(long, default_value = "automatic", value_name = "WHICH")]
    postgres: orders_embedded::Source,
    /// Seed of the partners' misbehaviour.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often the engine is killed on the way.
    #[arg(long, default_value_t = 3)]
    kills: u32,
    /// The proof as JSON.
    #[arg(long)]
    json: bool,
}

/// The whole demonstration ends by then, good or not.
const LIMIT: Duration = Duration::from_mins(10);

impl Demo {
    /// Runs the demonstration; succeeds only if everything holds. However it ends, nothing that it
    /// started is left: neither process nor, unless it failed, a temporary folder.
    pub async fn run(self, seed: [u8; 32]) -> anyhow::Result<ExitCode> {
        let stop = stop_on_signal()?;
        let folder = Folder::make(self.data_dir.clone(), seed)?;
        let outcome = tokio::select! {
            outcome = self.prove(&folder.path) => outcome,
            () = stop.cancelled() => {
                folder.remove();
                anyhow::bail!("stopped before the end; nothing was proved");
            }
        };
        match &outcome {
            Ok(_) => folder.remove(),
            Err(_) => tell(format!("What it did is kept in {}.", folder.path.display())),
        }
        outcome
    }

    async fn prove(&self, folder: &Path) -> anyhow::Result<ExitCode> {
        self.tell("Starting a PostgreSQL of our own …")?;
        let database = DatabaseArgs {
            database_url: None,
            migrate_database_url: None,
            database_ca: None,
            schema: "public".into(),
            data_dir: Some(folder.join("database")),
            postgres: self.postgres.clone(),
        }
        .open()
        .await?;
        self.tell(&format!("  {}", database.describe()))?;
        let admin = database.admin()?;
        schema::install(&admin).await?;
        hurry(&admin).await?;
        // In the data folder they say whose shop it is: no real provider will buy for it.
        let partners = partners(folder.join("database").join(SANDBOX), self.seed).await?;
        self.tell(&format!(
            "Sandbox partners with faults (seed {}) at {}",
            self.seed,
            partners.base_url()
        ))?;
        let store = database.app(16)?;
        let shop = invoices::place_and_pay(&store, &partners.world).await?;
        self.tell(&format!(
            "Real invoices: {} read, {} accepted and paid, {} rejected ({}); {} more were paid and cancelled",
            shop.read,
            shop.accepted(),
            shop.rejected,
            shop.reasons,
            shop.regretted.len()
        ))?;
        let orders = shop.accepted() + shop.regretted.len();
        let kills = self.drive(&database, &store, &partners, orders).await?;
        let proof = proof::gather(&store, &partners.world, &shop, kills).await?;
        if self.json {
            say_json(&proof.json())?;
        } else {
            say(proof.table())?;
            say(proof.verdict())?;
        }
        partners.stop().await;
        database.close().await?;
        Ok(if proof.holds() { ExitCode::SUCCESS } else { ExitCode::from(NOT_GOOD) })
    }

    /// Runs the engine as a child, kills it on the way, and waits until nothing is under way. Gives how
    /// often it was killed, and how often it should have been: never, when all had ended before.
    async fn drive(
        &self,
        database: &Database,
        store: &Store,
        partners: &Running,
        orders: usize,
    ) -> anyhow::Result<(u32, u32)> {
        if settled(&read::health(store).await?, orders) {
            self.tell("All orders of this folder had ended before; nothing is left to kill for.")?;
            return Ok((0, 0));
        }
        let bar = progress(orders as u64, self.json);
        let begun = Instant::now();
        let mut worker = Worker::start(database.app_address(), partners)?;
        let mut kills = 0;
        loop {
            let health = read::health(store).await?;
            let done = ended(&health);
            bar.set_position(done);
            bar.set_message(line(&health));
            // One kill after each equal part of the work, always with calls under way.
            let next = (orders as u64) * u64::from(kills + 1) / u64::from(self.kills + 1);
            if kills < self.kills && submitted(&health) >= next && count(&health, "submitting") > 0
            {
                worker.kill().await?;
                kills += 1;
                let word = format!(
                    "  SIGKILL to the engine ({kills} of {}) at {done} of {orders} ended, and a new one",
                    self.kills
                );
                // A hidden bar prints nothing.
                if bar.is_hidden() {
                    self.tell(&word)?;
                } else {
                    bar.println(word);
                }
                worker = Worker::start(database.app_address(), partners)?;
            }
            if settled(&health, orders) {
                break;
            }
            anyhow::ensure!(
                begun.elapsed() < LIMIT,
                "not done after {} s: {health}",
                LIMIT.as_secs()
            );
            worker.check()?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bar.finish_and_clear();
        worker.stop().await?;
        self.tell(&format!("All orders ended after {:.1} s.", begun.elapsed().as_secs_f64()))?;
        Ok((kills, self.kills))
    }

    /// What goes on: for people beside the proof, and out of the way of programs.
    fn tell(&self, text: &str) -> anyhow::Result<()> {
        if self.json {
            tell(text);
            return Ok(());
        }
        say(text)
    }
}

/// The sandbox works in seconds what takes a provider minutes, so the shop's times follow. They keep
/// their order: the provider's bound is not shorter here than there.
pub(crate) async fn hurry(admin: &Store) -> anyhow::Result<()> {
    for (name, value) in [
        ("processing_bound_ms", "1500"),
        ("poll_ms", "700"),
        ("repeat_first_ms", "200"),
        ("renew_first_ms", "300"),
        ("account_pause_ms", "1000"),
    ] {
        schema::set(admin, name, value).await?;
    }
    Ok(())
}

async fn partners(ledgers: PathBuf, seed: u64) -> anyhow::Result<Running> {
    std::fs::create_dir_all(&ledgers)?;
    let mut options = Options { ledger_folder: Some(ledgers), ..Options::default() };
    options.zinc.faults =
        Faults { seed, buy_late_ms: 800, slow_ms: 100, outage_calls: 3, ..Faults::demo() };
    options.zinc.seed = seed;
    options.stripe.faults = StripeFaults { seed, ..StripeFaults::demo() };
    options.zinc.latency_ms = 40;
    options.zinc.processing_bound_ms = 1_000;
    // The real managed account is documented for `amazon` only; these invoices are in pounds.
    options.zinc.managed_retailers.push("amazon_uk".to_owned());
    options.zinc.placed_after_ms = 500;
    options.zinc.delivered_after_ms = 500;
    Ok(World::start(options).await?)
}

/// Orders that need nothing any more: at an end, or with a person.
fn ended(health: &Value) -> u64 {
    ["completed", "cancelled", "failed", "needs_review"].iter().map(|s| count(health, s)).sum()
}

/// Whether every order needs nothing any more, and no money is on its way.
fn settled(health: &Value, orders: usize) -> bool {
    let nothing_moves = health["moves"].as_object().is_some_and(serde_json::Map::is_empty);
    ended(health) >= orders as u64 && nothing_moves && health["to_capture"] == 0
}

/// Orders that the provider has or had.
fn submitted(health: &Value) -> u64 {
    ended(health) + count(health, "submitted_to_zinc") + count(health, "processing")
}

fn count(health: &Value, status: &str) -> u64 {
    health["orders"][status].as_u64().unwrap_or(0)
}

fn line(health: &Value) -> String {
    ["pending", "submitting", "submitted_to_zinc", "processing", "completed", "needs_review"]
        .map(|status| format!("{status} {}", count(health, status)))
        .join(" · ")
}

fn progress(orders: u64, quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}");
    ProgressBar::new(orders).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The demonstration's folder: given and kept, or temporary and removed.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn make(given: Option<PathBuf>, seed: [u8; 32]) -> anyhow::Result<Self> {
        let temporary = given.is_none();
        let path = given.unwrap_or_else(|| {
            let name = format!(
                "atomic-orders-demo-{:02x}{:02x}{:02x}{:02x}",
                seed[0], seed[1], seed[2], seed[3]
            );
            std::env::temp_dir().join(name)
        });
        std::fs::create_dir_all(&path)?;
        Ok(Self { path, temporary })
    }

    fn remove(&self) {
        if self.temporary {
            // A folder that stays behind in the temporary folder harms nobody.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
