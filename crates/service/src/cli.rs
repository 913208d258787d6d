//! What people type: one file per command.
//!
//! Exit codes: 0 done and good, 1 failed, 2 the command line was wrong, 3 done, and what was found
//! is not good (`verify`, `reconcile`, `doctor`, `demo`, an import with rejects).

pub mod bench;
pub mod complete;
pub mod demo;
pub mod doctor;
mod door;
pub mod gate;
mod given;
pub mod import;
pub mod keys;
pub mod migrate;
pub mod orders;
pub mod output;
pub mod payments;
pub mod reconcile;
pub mod recover;
pub mod sandbox;
pub mod serve;
mod shop;
pub mod table;
pub mod up;
pub mod verify;
pub mod work;

use crate::api::WallClock;
use clap::builder::Resettable;
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::process::ExitCode;

/// Done, and what was found is not good.
pub const NOT_GOOD: u8 = 3;

/// What was typed.
#[derive(Debug)]
pub struct Cli(Line);

/// Buys each paid order exactly once from an outside provider, provably.
#[derive(Debug, Parser)]
#[command(name = "atomic-orders", version, max_term_width = 100, after_help = EXAMPLES)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

impl Parser for Cli {}

// By hand for one reason: `DATABASE_URL=` is how a service file or a container says "none", and
// clap would take it for an address.
impl CommandFactory for Cli {
    fn command() -> clap::Command {
        without_empty_variables(Line::command())
    }

    fn command_for_update() -> clap::Command {
        without_empty_variables(Line::command_for_update())
    }
}

impl FromArgMatches for Cli {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Line::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// The command line without the variables that are empty, in every command.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let settle = |arg: Arg| match arg.get_env() {
        Some(name) if std::env::var_os(name).is_some_and(|value| value.is_empty()) => {
            arg.env(Resettable::Reset)
        }
        _ => arg,
    };
    command.mut_args(settle).mut_subcommands(without_empty_variables)
}

const EXAMPLES: &str = "Examples:
  atomic-orders demo                     watch real invoices being bought exactly once, with faults
  atomic-orders up                       a shop to try things out, and it stays: place orders with curl
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
    /// Look at orders; cancel, refund, hold, resolve or release one.
    Orders(orders::Orders),
    /// Look at money: payments and their movements; approve or withdraw one.
    Payments(payments::Payments),
    /// Make submissions that nobody looks after due again.
    Recover(recover::Recover),
    /// Say that an order is finished, by a person's word.
    Complete(complete::Complete),
    /// Compare the books of Stripe, the provider and the shop.
    Reconcile(reconcile::Reconcile),
    /// Check the integrity of everything that is stored.
    Verify(verify::Verify),
    /// See whether the whole shop is held; stop it, or let it go on.
    Shop(shop::Shop),
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
        match self.0.command {
            Command::Demo(command) => command.run(seed).await,
            Command::Bench(command) => command.run(seed, clock).await,
            Command::Up(command) => command.run(seed, clock).await,
            Command::Serve(command) => command.run(seed, clock).await,
            Command::Work(command) => command.run(seed).await,
            Command::Migrate(command) => command.run().await,
            Command::Import(command) => command.run().await,
            Command::Orders(command) => command.run().await,
            Command::Payments(command) => command.run().await,
            Command::Recover(command) => command.run().await,
            Command::Complete(command) => command.run().await,
            Command::Reconcile(command) => command.run().await,
            Command::Verify(command) => command.run().await,
            Command::Shop(command) => command.run().await,
            Command::Doctor(command) => command.run(clock).await,
            Command::Keys(command) => command.run(seed).await,
            Command::Sandbox(command) => command.run().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the commands at and below this one whose help breaks the rule.
    fn without_examples(command: &mut clap::Command, path: &str) -> Vec<String> {
        let path = format!("{path} {}", command.get_name());
        let help = command.render_long_help().to_string();
        let mut found = Vec::new();
        if !help.contains("Examples:\n  ") {
            found.push(path.clone());
        }
        for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
            found.extend(without_examples(inner, &path));
        }
        found
    }

    #[test]
    fn the_help_of_every_command_has_examples() {
        let mut command = Cli::command();
        command.build();
        assert_eq!(without_examples(&mut command, ""), [""; 0]);
    }

    #[test]
    fn the_command_line_is_whole() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_engine_is_given_room_for_no_call() {
        let typed = |flag: &str| Cli::try_parse_from(["atomic-orders", "work", flag]);
        assert!(typed("--in-flight=1").is_ok() && typed("--call-ms=1").is_ok());
        for wrong in ["--in-flight=0", "--in-flight=-1", "--in-flight=10001", "--call-ms=0"] {
            assert!(typed(wrong).is_err(), "{wrong}");
        }
    }
}
