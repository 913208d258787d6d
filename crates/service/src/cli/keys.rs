//! `keys`: who may call the server.

use super::NOT_GOOD;
use super::given;
use super::output::{cell, say, say_json, tell, time};
use super::table::table;
use crate::api::new_api_key;
use crate::app::DatabaseArgs;
use clap::{Args, Subcommand};
use orders_store::access;
use serde_json::json;
use std::process::ExitCode;

/// API keys for callers of the HTTP server.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  atomic-orders keys add --note 'web shop'
  atomic-orders keys list
  atomic-orders keys revoke aok_1a2b3c")]
pub struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key and print it, once: only its digest is stored.
    Add(Add),
    /// List the keys by their first characters.
    List(List),
    /// Revoke a key for good; it works for five more seconds at most.
    Revoke(Revoke),
}

/// List the keys.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  atomic-orders keys list
  atomic-orders keys list --json | jq -r .prefix       one JSON document per line")]
struct List {
    /// One JSON document per key.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Revoke a key.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  atomic-orders keys revoke aok_1a2b3c

Exit code 3: no key or more than one has this prefix; nothing was changed.")]
struct Revoke {
    /// The key's first characters, as `keys list` shows them.
    prefix: String,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Make a key and print it, once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  atomic-orders keys add --note 'web shop'
  KEY=$(atomic-orders keys add --note 'nightly job')     only the key goes to standard output")]
struct Add {
    /// What it is for.
    #[arg(long, default_value = "", value_name = "TEXT", value_parser = given::note)]
    note: String,
    /// One JSON document: key, prefix, role, note.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Keys {
    /// Does it; `seed` is the chance of a new key.
    pub async fn run(self, seed: [u8; 32]) -> anyhow::Result<ExitCode> {
        match self.action {
            Action::Add(add) => add.run(seed).await,
            Action::List(list) => list.run().await,
            Action::Revoke(revoke) => revoke.run().await,
        }
    }
}

impl Add {
    async fn run(self, seed: [u8; 32]) -> anyhow::Result<ExitCode> {
        let (database, store) = self.database.shop(2).await?;
        let (key, digest, prefix) = new_api_key(seed);
        access::add_key(&store, &prefix, &digest, "service_role", &self.note).await?;
        if self.json {
            say_json(&json!({
                "key": key.expose(), "prefix": prefix, "role": "service_role", "note": self.note,
            }))?;
        } else {
            tell("This key is shown once. Send it as the header `apikey` or as a bearer token:");
            say(key.expose())?;
        }
        database.close().await?;
        Ok(ExitCode::SUCCESS)
    }
}

impl List {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let (database, store) = self.database.shop(2).await?;
        let keys = access::keys(&store).await?;
        if self.json {
            for key in &keys {
                say(key.to_string())?;
            }
        } else if keys.is_empty() {
            say("No keys. `atomic-orders keys add` makes one.")?;
        } else {
            let mut shown = table(["key", "role", "made", "revoked", "note"]);
            for key in &keys {
                shown.add_row([
                    cell(&key["prefix"]),
                    cell(&key["role"]),
                    time(&key["created_at"]),
                    time(&key["revoked_at"]),
                    cell(&key["note"]),
                ]);
            }
            say(shown.to_string())?;
        }
        database.close().await?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Revoke {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let (database, store) = self.database.shop(2).await?;
        let standing = access::revoke_key(&store, &self.prefix).await?;
        database.close().await?;
        if standing == 1 {
            say(format!(
                "The key {} is revoked; it works for five more seconds at most.",
                self.prefix
            ))?;
            return Ok(ExitCode::SUCCESS);
        }
        tell(match standing {
            0 => "No key that stands has this prefix. `atomic-orders keys list` shows them."
                .to_owned(),
            many => format!("{many} keys have this prefix; none was revoked."),
        });
        Ok(ExitCode::from(NOT_GOOD))
    }
}
