//! `recover`: makes submissions that nobody looks after run to their right end.

use super::door;
use super::output::{actor, cell, say, say_json};
use super::table::table;
use crate::app::DatabaseArgs;
use clap::Args;
use serde_json::{Value, json};
use std::process::ExitCode;

/// The most orders of one call.
const BATCH: u64 = 500;

/// Make submissions that nobody looks after due again, as `recover_stuck_orders` does.
///
/// Nothing is bought by it and no new purchase is opened: an engine repeats the same bytes under
/// the same key. What may not be repeated any more goes to a person.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  atomic-orders recover                         what has been left alone for two minutes
  atomic-orders recover --max-age-minutes 0     everything whose lease has ended
  atomic-orders recover --json                  one document with counts and orders")]
pub struct Recover {
    /// How long ago the lease must have ended, in minutes.
    #[arg(long, default_value_t = 2, value_name = "N", allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    max_age_minutes: u32,
    /// One JSON document: `recovered`, `needs_review`, `rescheduled`, `orders`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Recover {
    /// Calls the function until it finds nothing more.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let (database, store) = self.database.shop(2).await?;
        let mut sums = [("recovered", 0), ("needs_review", 0), ("rescheduled", 0)];
        let mut orders = Vec::new();
        loop {
            let args = json!({
                "max_age_minutes": self.max_age_minutes,
                "options": { "actor": actor(), "batch": BATCH },
            });
            let answer = door::call(&store, "recover_stuck_orders", args).await?;
            for (name, sum) in &mut sums {
                *sum += answer[*name].as_u64().unwrap_or(0);
            }
            let found = answer["orders"].as_array().cloned().unwrap_or_default();
            let more = found.len() as u64 >= BATCH || answer["rescheduled"].as_u64() >= Some(BATCH);
            orders.extend(found);
            if !more {
                break;
            }
        }
        self.report(&sums, &orders)?;
        database.close().await?;
        Ok(ExitCode::SUCCESS)
    }

    fn report(&self, sums: &[(&str, u64)], orders: &[Value]) -> anyhow::Result<()> {
        let [(_, recovered), (_, review), (_, rescheduled)] = sums else { return Ok(()) };
        if self.json {
            return say_json(&json!({
                "recovered": recovered, "needs_review": review, "rescheduled": rescheduled,
                "orders": orders,
            }));
        }
        if recovered + review + rescheduled == 0 {
            return say("Nothing is stuck.");
        }
        say(format!(
            "{recovered} made due again with the same bytes and key, {review} handed to a person, \
             {rescheduled} rescheduled."
        ))?;
        if orders.is_empty() {
            return Ok(());
        }
        let mut rows = table(["order", "status now"]);
        for order in orders {
            let id = if order["order_id"].is_null() { &order["id"] } else { &order["order_id"] };
            rows.add_row([cell(id), cell(&order["status"])]);
        }
        say(rows.to_string())
    }
}
