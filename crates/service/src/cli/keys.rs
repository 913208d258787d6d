//! `keys`: who may call the server.

use super::output::{say, say_json, tell};
use crate::api::new_api_key;
use crate::app::DatabaseArgs;
use clap::{Args, Subcommand};
use orders_store::access;
use serde_json::json;
use std::process::ExitCode;

/// API keys for callers of the HTTP server.
#[derive(Debug, Args)]
pub struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key and print it, once: only its digest is stored.
    Add(Add),
}

/// Make a key and print it, once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  atomic-orders keys add --note 'web shop'
  KEY=$(atomic-orders keys add --note 'nightly job')     only the key goes to standard output")]
struct Add {
    /// What it is for.
    #[arg(long, default_value = "", value_name = "TEXT")]
    note: String,
    /// One JSON document: key, prefix, role, note.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Keys {
    /// Makes a key; `seed` is its chance.
    pub async fn run(self, seed: [u8; 32]) -> anyhow::Result<ExitCode> {
        let Action::Add(add) = self.action;
        let (database, store) = add.database.shop(2).await?;
        let (key, digest, prefix) = new_api_key(seed);
        access::add_key(&store, &prefix, &digest, "service_role", &add.note).await?;
        if add.json {
            say_json(&json!({
                "key": key.expose(), "prefix": prefix, "role": "service_role", "note": add.note,
            }))?;
        } else {
            tell("This key is shown once. Send it as the header `apikey` or as a bearer token:");
            say(key.expose())?;
        }
        database.close().await?;
        Ok(ExitCode::SUCCESS)
    }
}
