//! `verify`: the integrity of everything that is stored, order by order.

mod heads;
mod logged;

use super::NOT_GOOD;
use super::output::{Paint, count_bar, painted, plain, say, say_json, tell};
use super::table::table;
use crate::app::DatabaseArgs;
use clap::Args;
use futures_util::{TryStreamExt, stream};
use indicatif::ProgressBar;
use orders_store::{Store, read, schema, verify};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use uuid::Uuid;

/// How many pages are checked at the same time, each on a connection.
const PAGES_AT_ONCE: usize = 2;

/// Check every order: its chain of hashes, its history against its row, its attempts, money and lines.
///
/// Works beside running engines. Whoever rewrites a whole history, and not only a part, makes a chain that
/// is right again; the heads that were exported before show it, and those that the engines tell their logs
/// every hour. Keep them where nobody who can write to this database can write.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  atomic-orders verify                        a table of what is broken, and the digest
  atomic-orders verify --json                 one document: orders, events, broken, drift, roles, digest
  atomic-orders verify --export heads.jsonl   writes the end of each history, one line an order
  atomic-orders verify --against heads.jsonl  each of them must still stand in its history
  atomic-orders verify --against yesterday.jsonl --export today.jsonl
  atomic-orders verify --log engine.log       the same with what an engine's log tells every hour

Rules of --against and --log: order_missing, history_shorter, history_rewritten. While one is broken nothing is
exported.

Exit code 3: something is broken.")]
pub struct Verify {
    /// How many orders are checked at once.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    page_size: i32,
    /// Write the ends of all histories to a file, to be kept elsewhere.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Hold the ends in a file that was exported before against the histories.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Hold the ends in the log of an engine against the histories, whatever else stands in it.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// One JSON document.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// What was found.
#[derive(Default)]
struct Found {
    orders: u64,
    events: u64,
    seconds: f64,
    held: heads::Held,
    broken: Vec<verify::Broken>,
    digest: String,
    drift: Vec<String>,
    roles: Vec<verify::Danger>,
}

impl Verify {
    /// Checks all pages; succeeds only if nothing is broken.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let (database, store) = self.database.shop(PAGES_AT_ONCE + 1).await?;
        let health = read::health(&store).await?;
        let known = health["orders"].as_object().into_iter().flatten();
        let bar = count_bar(known.filter_map(|(_, count)| count.as_u64()).sum(), "orders");
        let mut held = match &self.against {
            Some(file) => heads::hold_against(&store, file).await?,
            None => heads::Held::default(),
        };
        if let Some(file) = &self.log {
            let logged = logged::hold_against(&store, file).await?;
            held.heads += logged.heads;
            held.broken.extend(logged.broken);
        }
        let mut found = self.pages(&store, &bar).await?;
        // The only proof that something was rewritten is not replaced by what was written.
        let export = self.export.as_deref().filter(|_| held.broken.is_empty());
        found.digest = heads::export(&store, export).await?;
        found.broken.splice(0..0, held.broken.iter().cloned());
        found.held = held;
        found.drift = schema::drift(&store).await?;
        found.roles = verify::dangerous_roles(&store).await?;
        bar.finish_and_clear();
        if self.json {
            say_json(&found.json())?;
        } else {
            found.tell()?;
        }
        if self.export.is_some() && export.is_none() {
            tell("Note: nothing was exported, because the heads that were kept do not stand.");
        }
        database.close().await?;
        Ok(if found.is_good() { ExitCode::SUCCESS } else { ExitCode::from(NOT_GOOD) })
    }

    async fn pages(&self, store: &Store, bar: &ProgressBar) -> anyhow::Result<Found> {
        let begun = Instant::now();
        let mut found = Found::default();
        let stretches = stream::try_unfold(Some(None), |from: Option<Option<Uuid>>| async move {
            let Some(after) = from else { return Ok(None) };
            let until = verify::boundary(store, after, self.page_size).await?;
            anyhow::Ok(Some(((after, until), until.map(Some))))
        });
        let checked = stretches
            .map_ok(|(after, until)| self.stretch(store, after, until))
            .try_buffered(PAGES_AT_ONCE);
        let mut checked = std::pin::pin!(checked);
        while let Some(page) = checked.try_next().await? {
            found.orders += page.orders;
            found.events += page.events;
            found.broken.extend(page.broken);
            bar.set_position(found.orders);
        }
        found.seconds = begun.elapsed().as_secs_f64();
        Ok(found)
    }

    /// All orders after one until another. Some may have been placed between them meanwhile.
    async fn stretch(
        &self,
        store: &Store,
        mut after: Option<Uuid>,
        until: Option<Uuid>,
    ) -> anyhow::Result<verify::Page> {
        let mut all = verify::Page::default();
        loop {
            let page = verify::page(store, after, self.page_size).await?;
            all.orders += page.orders;
            all.events += page.events;
            all.broken.extend(page.broken);
            after = page.last.or(after);
            let is_full = page.orders == u64::from(self.page_size.unsigned_abs());
            if !is_full || until.is_some() && after >= until {
                return Ok(all);
            }
        }
    }
}

impl Found {
    fn is_good(&self) -> bool {
        self.broken.is_empty() && self.drift.is_empty()
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a figure for people"
    )]
    fn events_per_minute(&self) -> u64 {
        (self.events as f64 * 60.0 / self.seconds.max(0.001)) as u64
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "good": self.is_good(), "orders": self.orders, "events": self.events,
            "seconds": self.seconds, "events_per_minute": self.events_per_minute(),
            "heads_held_against": self.held.heads, "broken": self.broken, "drift": self.drift, "dangerous_roles": self.roles,
            "heads_sha256": self.digest,
        })
    }

    fn tell(&self) -> anyhow::Result<()> {
        if !self.broken.is_empty() {
            let mut rows = table(["order", "broken rule", "where"]);
            for one in &self.broken {
                rows.add_row([one.order_id.to_string(), plain(&one.rule), plain(&one.detail)]);
            }
            say(rows.to_string())?;
        }
        for drift in &self.drift {
            say(format!("{}: run `atomic-orders migrate`", plain(drift)))?;
        }
        let verdict = if self.is_good() {
            painted("Everything is whole", Paint::Good)
        } else {
            let count = self.broken.len() + self.drift.len();
            painted(&format!("{count} rules are broken"), Paint::Bad)
        };
        say(format!("{verdict}: {} orders and {} events were checked.", self.orders, self.events))?;
        say(format!(
            "That took {:.1} s: {} events a minute.",
            self.seconds,
            self.events_per_minute()
        ))?;
        if self.held.heads > 0 {
            let (kept, lost) = (self.held.heads, self.held.broken.len());
            say(format!("{kept} heads that were kept were compared; {lost} do not stand."))?;
        }
        say(format!("The ends of all histories: sha256 {}", self.digest))?;
        for danger in &self.roles {
            tell(format!("Note: {}.", plain(&danger.sentence)));
        }
        Ok(())
    }
}
