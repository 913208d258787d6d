//! `verify`: the integrity of everything that is stored, order by order.

use super::NOT_GOOD;
use super::output::{Paint, count_bar, painted, plain, say, say_json, tell};
use super::table::table;
use crate::app::DatabaseArgs;
use clap::Args;
use indicatif::ProgressBar;
use orders_core::id::hex;
use orders_store::{Store, read, schema, verify};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::process::ExitCode;

/// Check every order: its chain of hashes, its history against its row, its attempts, its lines.
///
/// Works beside running engines. The digest of the chains' ends is the same as long as no history
/// has changed or grown: keep it elsewhere, and nobody can rewrite the past unseen.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  atomic-orders verify             a table of what is broken, and the digest
  atomic-orders verify --json      one document: orders, events, broken, drift, roles, digest

Exit code 3: something is broken.")]
pub struct Verify {
    /// How many orders are checked at once.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    page_size: i32,
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
    broken: Vec<verify::Broken>,
    digest: String,
    drift: Vec<String>,
    roles: Vec<verify::Danger>,
}

impl Verify {
    /// Checks all pages; succeeds only if nothing is broken.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let (database, store) = self.database.shop(2).await?;
        let health = read::health(&store).await?;
        let known = health["orders"].as_object().into_iter().flatten();
        let bar = count_bar(known.filter_map(|(_, count)| count.as_u64()).sum(), "orders");
        let mut found = self.pages(&store, &bar).await?;
        found.digest = heads(&store).await?;
        found.drift = schema::drift(&store).await?;
        found.roles = verify::dangerous_roles(&store).await?;
        bar.finish_and_clear();
        if self.json {
            say_json(&found.json())?;
        } else {
            found.tell()?;
        }
        database.close().await?;
        Ok(if found.is_good() { ExitCode::SUCCESS } else { ExitCode::from(NOT_GOOD) })
    }

    async fn pages(&self, store: &Store, bar: &ProgressBar) -> anyhow::Result<Found> {
        let mut found = Found::default();
        let mut after = None;
        loop {
            let page = verify::page(store, after, self.page_size).await?;
            found.orders += page.orders;
            found.events += page.events;
            found.broken.extend(page.broken);
            bar.set_position(found.orders);
            after = page.last;
            if after.is_none() {
                return Ok(found);
            }
        }
    }
}

/// One digest over the ends of all chains, in the order of the ids.
async fn heads(store: &Store) -> anyhow::Result<String> {
    const PAGE: i64 = 5000;
    let (mut digest, mut after) = (Sha256::new(), None);
    loop {
        let page = verify::heads(store, after, PAGE).await?;
        for (id, head) in &page {
            digest.update(id.as_bytes());
            digest.update(head);
        }
        after = page.last().map(|(id, _)| *id);
        if (page.len() as u64) < PAGE.unsigned_abs() {
            break;
        }
    }
    Ok(hex(&digest.finalize()))
}

impl Found {
    fn is_good(&self) -> bool {
        self.broken.is_empty() && self.drift.is_empty()
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "good": self.is_good(), "orders": self.orders, "events": self.events,
            "broken": self.broken, "drift": self.drift, "dangerous_roles": self.roles,
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
        say(format!("The ends of all histories: sha256 {}", self.digest))?;
        for danger in &self.roles {
            tell(format!("Note: {}.", plain(&danger.sentence)));
        }
        Ok(())
    }
}
