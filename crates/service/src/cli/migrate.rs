//! `migrate`: installs or updates a shop.

use crate::app::DatabaseArgs;
use anyhow::bail;
use clap::Args;
use orders_store::schema;
use std::process::ExitCode;

/// Install or update the shop's tables and functions, in one transaction; twice changes nothing.
#[derive(Debug, Args)]
pub struct Migrate {
    /// Print the SQL instead of running it.
    #[arg(long)]
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
            println!("{}", schema::script(&self.database.schema)?);
            return Ok(ExitCode::SUCCESS);
        }
        let database = self.database.open().await?;
        let admin = database.admin()?;
        let installed = schema::install(&admin).await?;
        for pair in &self.set {
            let Some((name, value)) = pair.split_once('=') else {
                bail!("--set {pair}: write name=value")
            };
            schema::set(&admin, name, value).await?;
        }
        match installed.migrations.as_slice() {
            [] => println!("The schema {} is as this release wants it.", self.database.schema),
            list => println!("Applied: {}.", list.join(", ")),
        }
        println!("{} functions are protected.", installed.functions);
        println!(
            "The application connects as role {}; give it a password with\n  alter role {} password '…';",
            installed.app_role, installed.app_role
        );
        database.close().await?;
        Ok(ExitCode::SUCCESS)
    }
}
