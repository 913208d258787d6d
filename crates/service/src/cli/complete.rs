//! `complete`: an operator's word that an order is finished.

use super::door;
use super::given;
use super::output::{actor, cell};
use crate::app::DatabaseArgs;
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// Say that an order is finished, as `manually_complete_order` does. Refusals change nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  atomic-orders complete 1001 --reason 'delivered, the carrier says'
  atomic-orders complete 1001 --request-id 4f6c… --reason 'found in the list of the provider'

Exit code 3: refused (a worker is at it, another request id is known, nothing was bought …).")]
pub struct Complete {
    /// The order, by id or number.
    #[arg(value_name = "ID|NUMBER")]
    order: String,
    /// The request id that was found at the provider.
    #[arg(long, value_name = "ID", value_parser = given::request_id)]
    request_id: Option<String>,
    /// Why, in 1 to 300 characters; it stays in the history.
    #[arg(long, value_name = "TEXT", value_parser = given::reason)]
    reason: Option<String>,
    /// The function's answer as one JSON document.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Complete {
    /// Calls the function and says what it answered.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let (database, store) = self.database.shop(2).await?;
        let id = door::id_of(&store, &self.order).await?;
        let args = json!({
            "order_uuid": id, "zinc_request_id_param": self.request_id, "reason_param": self.reason,
            "options": { "actor": actor() },
        });
        let answer = door::call(&store, "manually_complete_order", args).await?;
        let code = door::conclude(&answer, self.json, |answer| {
            match cell(&answer["zinc_request_id"]).as_str() {
                "" => format!("Order {} is completed.", self.order),
                request => format!("Order {} is completed, with request id {request}.", self.order),
            }
        })?;
        database.close().await?;
        Ok(code)
    }
}
