//! What people type: one file per command.
//!
//! Exit codes: 0 done and good, 1 failed, 2 the command line was wrong, 3 done, and what was found
//! is not good (`verify`, `doctor`, `demo`, an import with rejects).

pub mod bench;
pub mod complete;
pub mod demo;
pub mod doctor;
mod door;
pub mod gate;
pub mod import;
pub mod keys;
pub mod migrate;
pub mod orders;
pub mod output;
pub mod recover;
pub mod sandbox;
pub mod serve;
pub mod table;
pub mod up;
pub mod verify;
pub mod work;

use crate::api::WallClock;
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
    /// Run everything on this machine, and print how to place an order.
    Up(up::Up),
    /// Answer over HTTP.
    Serve(serve::Serve),
    /// Measure the way of an order with all guards on, beside a hand-written floor.
    Bench(bench::Bench),
    /// Run an engine: claims, buys, records, recovers.
    Work(work::Work),
    /// Install or update the shop's tables and functions.
    Migrate(migrate::Migrate),
    /// Place the orders of a file; the same file again changes nothing.
    Import(import::Import),
    /// Look at orders; cancel, hold or release one.
    Orders(orders::Orders),
    /// Make submissions that nobody looks after due again.
    Recover(recover::Recover),
    /// Say that an order is finished, by a person's word.
    Complete(complete::Complete),
    /// Check the integrity of everything that is stored.
    Verify(verify::Verify),
    /// Say in plain words what is wrong with an installation.
    Doctor(doctor::Doctor),
    /// Make API keys for callers of the server.
    Keys(keys::Keys),
    /// Run the sandbox partners (fake Zinc and fake Stripe) by themselves.
    Sandbox(sandbox::Sandbox),
}

impl Cli {
    /// Runs the command; `seed` is where its chance comes from, `clock` where it reads the time.
    pub async fn run(self, seed: [u8; 32], clock: WallClock) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Demo(command) => command.run(seed).await,
            Command::Bench(command) => command.run(seed).await,
            Command::Up(command) => command.run(seed, clock).await,
            Command::Serve(command) => command.run(seed, clock).await,
            Command::Work(command) => command.run(seed).await,
            Command::Migrate(command) => command.run().await,
            Command::Import(command) => command.run().await,
            Command::Orders(command) => command.run().await,
            Command::Recover(command) => command.run().await,
            Command::Complete(command) => command.run().await,
            Command::Verify(command) => command.run().await,
            Command::Doctor(command) => command.run(clock).await,
            Command::Keys(command) => command.run(seed).await,
            Command::Sandbox(command) => command.run().await,
        }
    }
}
