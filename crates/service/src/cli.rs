//! What people type: one file per command.
//!
//! Exit codes: 0 done and good, 1 failed, 2 the command line was wrong, 3 done, and what was found
//! is not good (`verify`, `doctor`, `demo`, an import with rejects).

pub mod bench;
pub mod demo;
pub mod gate;
pub mod migrate;
pub mod sandbox;
pub mod table;
pub mod work;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Done, and what was found is not good.
pub const NOT_GOOD: u8 = 3;

/// Buys each paid order exactly once from an outside provider, provably.
#[derive(Debug, Parser)]
#[command(name = "atomic-orders", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  atomic-orders demo                     watch real invoices being bought exactly once, with faults
  atomic-orders up                       the same, and it stays: place orders with curl
  DATABASE_URL=… atomic-orders migrate   install a shop into a database of yours
  DATABASE_URL=… atomic-orders work      run an engine; any number may run";

#[derive(Debug, Subcommand)]
enum Command {
    /// Real invoices, a lying provider, a killed engine, and the proof that each was bought once.
    Demo(demo::Demo),
    /// Measure the way of an order with all guards on, beside a hand-written floor.
    Bench(bench::Bench),
    /// Run an engine: claims, buys, records, recovers.
    Work(work::Work),
    /// Install or update the shop's tables and functions.
    Migrate(migrate::Migrate),
    /// Run the sandbox partners (fake Zinc and fake Stripe) by themselves.
    Sandbox(sandbox::Sandbox),
}

impl Cli {
    /// Runs the command; `seed` is where its chance comes from.
    pub async fn run(self, seed: [u8; 32]) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Demo(command) => command.run(seed).await,
            Command::Bench(command) => command.run(seed).await,
            Command::Work(command) => command.run(seed).await,
            Command::Migrate(command) => command.run().await,
            Command::Sandbox(command) => command.run().await,
        }
    }
}
