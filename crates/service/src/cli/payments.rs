//! `payments`: the money of an order, what is on its way, and a second person's word.

mod show;

use super::door;
use super::given;
use super::output::{actor, cell, money, say, say_json, tell, time};
use super::table::table;
use crate::app::DatabaseArgs;
use clap::{Args, Subcommand};
use orders_store::read;
use serde_json::{Value, json};
use std::process::ExitCode;
use uuid::Uuid;

/// Look at money: payments and their movements; approve or withdraw one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  atomic-orders payments show 1001                 by the order's number or id
  atomic-orders payments show pi_3Abc              by the PaymentIntent
  atomic-orders payments waiting                   what has not ended, what waits for a person first
  atomic-orders payments approve <move> --amount 12.50 --reason 'seen, ticket 4711'")]
pub struct Payments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the payments of one order, what Stripe said of them last, and every movement of money.
    #[command(after_help = "Examples:
  atomic-orders payments show 1001
  atomic-orders payments show pi_3Abc --json | jq '.payments[].moves'")]
    Show(Show),
    /// List movements of money that have not ended.
    #[command(after_help = "Examples:
  atomic-orders payments waiting
  atomic-orders payments waiting --json | jq -r .id       one movement per line")]
    Waiting(Waiting),
    /// Approve a movement of money that another person has asked for.
    #[command(after_help = "Examples:
  atomic-orders payments approve 5f0c… --amount 120.00 --reason 'seen, ticket 4711'

Exit code 3: refused, with the reason; nothing was changed.")]
    Approve(Decide),
    /// Withdraw a movement of money of which nothing was sent yet.
    #[command(after_help = "Examples:
  atomic-orders payments withdraw 5f0c… --amount 120.00 --reason 'the goods were kept'

Exit code 3: refused, with the reason; nothing was changed.")]
    Withdraw(Decide),
    /// Have a capture or a cancellation tried again that was refused. (Refunds: orders refund.)
    #[command(after_help = "Examples:
  atomic-orders payments again 5f0c… --amount 120.00 --reason 'the bank says yes now'

Exit code 3: refused, with the reason; nothing was changed.")]
    Again(Decide),
}

/// Whose money.
#[derive(Debug, Args)]
struct Show {
    /// The order, by id or number, or the PaymentIntent.
    #[arg(value_name = "ID|NUMBER|PI")]
    of: String,
    /// One JSON document.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// What has not ended.
#[derive(Debug, Args)]
struct Waiting {
    /// At most so many.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
    /// JSON lines: one movement per line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// A decision about one movement.
#[derive(Debug, Args)]
struct Decide {
    /// The movement's id, as `payments waiting` shows it.
    #[arg(value_name = "MOVE")]
    id: Uuid,
    /// Its amount, as you saw it: another one is refused. 0 for the cancellation of a payment.
    #[arg(long, value_name = "12.50", value_parser = given::amount_or_none)]
    amount: i64,
    /// Why, in 1 to 300 characters; it stays in the history.
    #[arg(long, value_name = "TEXT", value_parser = given::reason)]
    reason: String,
    /// One JSON document.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Payments {
    /// Runs the action.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.action {
            Action::Show(show) => show.run().await,
            Action::Waiting(waiting) => waiting.run().await,
            Action::Approve(decide) => decide.run("approve", "is approved and on its way").await,
            Action::Again(decide) => decide.run("again", "is tried again").await,
            Action::Withdraw(decide) => decide.run("withdraw", "is withdrawn").await,
        }
    }
}

impl Show {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let (database, store) = self.database.shop(2).await?;
        let named = if self.of.starts_with("pi_") {
            read::order_of_payment(&store, &self.of).await?
        } else {
            None
        };
        let id = match named {
            Some(id) => id,
            None => door::id_of(&store, &self.of).await?.parse()?,
        };
        let found = read::payments(&store, id).await?;
        let found = found.ok_or_else(|| door::no_order(&self.of))?;
        if self.json { say_json(&found) } else { say(show::text(&found)) }?;
        database.close().await?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Waiting {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let (database, store) = self.database.shop(2).await?;
        let moves = read::open_moves(&store, self.limit).await?;
        if self.json {
            moves.iter().try_for_each(|one| say(one.to_string()))?;
        } else if moves.is_empty() {
            tell("No money is on its way.");
        } else {
            say(listed(&moves))?;
        }
        database.close().await?;
        Ok(ExitCode::SUCCESS)
    }
}

fn listed(moves: &[Value]) -> String {
    let headline = ["what", "amount", "state", "order", "why", "by", "since", "id"];
    let mut rows = table(headline);
    for one in moves {
        rows.add_row([
            cell(&one["kind"]),
            money(&one["amount_minor"], &one["currency"]),
            cell(&one["state"]),
            cell(&one["order_number"]),
            cell(&one["reason"]),
            cell(&one["requested_by"]),
            time(&one["created_at"]),
            cell(&one["id"]),
        ]);
    }
    rows.to_string()
}

impl Decide {
    async fn run(self, decision: &str, done: &str) -> anyhow::Result<ExitCode> {
        let (database, store) = self.database.shop(2).await?;
        let args = json!({
            "move_uuid": self.id,
            "decision_param": decision,
            "amount_minor_param": self.amount,
            "reason_param": self.reason,
            "options": { "actor": actor() },
        });
        let answer = door::call(&store, "decide_move", args).await?;
        let sentence = |_: &Value| format!("The movement {} {done}.", self.id);
        let code = door::conclude(&answer, self.json, sentence)?;
        database.close().await?;
        Ok(code)
    }
}
