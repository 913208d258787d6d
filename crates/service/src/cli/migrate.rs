//! `migrate`: installs or updates a shop, and changes its settings.
//!
//! Promise: no setting is written unless all that were given are permitted. // ruling 4

use super::output::say;
use crate::app::DatabaseArgs;
use clap::Args;
use clap::error::ErrorKind;
use orders_store::{schema, settings_rules};
use std::process::ExitCode;

/// Install or update the shop's tables and functions, in one transaction; twice changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  DATABASE_URL=postgres://installer@host/shop atomic-orders migrate
  DATABASE_URL=… atomic-orders migrate --schema shop_a      a shop in a schema of its own
  DATABASE_URL=… atomic-orders migrate --set complete_on=placed --set poll_ms=600000
  atomic-orders migrate --print | less                      the SQL, for whoever must read it first

The settings, what they are for and which values they may have: docs/OPERATIONS.md.")]
pub struct Migrate {
    /// Print the SQL instead of running it.
    #[arg(long, conflicts_with = "set")]
    print: bool,
    /// Set a setting of the shop: name=value. May be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Migrate {
    /// Installs, and says what changed.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        if self.print {
            say(schema::script(&self.database.schema)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let settings = self.settings();
        let database = self.database.open().await?;
        let admin = database.admin()?;
        let installed = schema::install(&admin).await?;
        for (name, value) in &settings {
            schema::set(&admin, name, value).await?;
        }
        match installed.migrations.as_slice() {
            [] => say(format!("The schema {} is as this release wants it.", self.database.schema))?,
            list => say(format!("Applied: {}.", list.join(", ")))?,
        }
        say(format!("{} functions are protected.", installed.functions))?;
        for (name, value) in &settings {
            say(format!("The setting {name} is {value}; engines take it at their next start."))?;
        }
        let role = &installed.app_role;
        say(format!(
            "The application connects as role {role}; give it a password with\n  alter role {role} password '…';"
        ))?;
        database.close().await?;
        Ok(ExitCode::SUCCESS)
    }

    /// What `--set` asks for, all of it checked; what is wrong ends the program. The parser of the
    /// command line would repeat the value, and somebody may give the secret.
    fn settings(&self) -> Vec<(&str, &str)> {
        let wrong = |flag: &str, rule: &str| -> ! {
            let message = format!("--set {flag}: {rule}\n");
            clap::Error::raw(ErrorKind::ValueValidation, message).exit()
        };
        let pairs = self.set.iter().map(|pair| {
            let Some((name, value)) = pair.split_once('=') else {
                wrong("NAME=VALUE", "there is no =")
            };
            if let Some(objection) = settings_rules::objection(name, value) {
                wrong(name, &objection);
            }
            (name, value)
        });
        pairs.collect()
    }
}
