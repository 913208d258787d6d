//! `bench`: what an order costs on its way to the provider, beside a floor measured in the same run.
//!
//! Promise: the engine is the real `work` process with all guards, against the fake provider in a
//! process of its own; the floor does the same job with the same HTTP client and the same limits on
//! plain tables (`bench/floor.sql`). Rounds alternate, each in a fresh database, so that a busy
//! machine hits both. After each run the provider's own ledger is asked whether every order was
//! bought once: a figure of a run that bought wrongly is an error, not a figure.
//!
//! Reading order: `whole` (pending to submitted), `single` (one call of the public door, beside two floors),
//! `messages` (of Stripe, stored before they are acknowledged), `pending` (memory with a long queue), `floor` (the floor's driver), `ground` and
//! `process` (database, provider, meters), `report`.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "counts of a benchmark are far below 2^52"
)]

mod floor;
mod ground;
mod messages;
mod pending;
mod process;
mod report;
mod single;
mod whole;

use crate::api::WallClock;
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use ground::Ground;
use report::Report;
use std::process::ExitCode;

/// Measure the way of an order with all guards on, beside a hand-written floor.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  atomic-orders bench                                        some minutes, on a machine with nothing else to do
  atomic-orders bench --orders 500 --rounds 1 --pending 0    a quick look
  atomic-orders bench --only messages                        one part of it
  atomic-orders bench --json > figures.json

What it measures and how to read it: docs/BENCH.md.")]
pub struct Bench {
    /// Measure only some of it.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "WHAT",
        default_value = "submit,calls,messages,memory"
    )]
    only: Vec<What>,
    /// Orders of each run.
    #[arg(long, default_value_t = 5000,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    orders: usize,
    /// Runs of each side; figures are medians with their range.
    #[arg(long, default_value_t = 3,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    rounds: usize,
    /// How long the provider takes for an order, in milliseconds.
    #[arg(long, value_delimiter = ',', default_value = "0,50")]
    latency_ms: Vec<u32>,
    /// Clients that call `complete_order_processing` one by one.
    #[arg(long, value_delimiter = ',', default_value = "1,8,32",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=64))]
    clients: Vec<usize>,
    /// Messages of Stripe a second, for how long each waits.
    #[arg(long, default_value_t = 500,
          value_parser = RangedU64ValueParser::<u32>::new().range(1..=100_000))]
    message_rate: u32,
    /// Orders that wait while the program's memory is measured; 0 leaves this out.
    #[arg(long, default_value_t = 100_000)]
    pending: usize,
    /// The most calls to the provider at once, on both sides.
    #[arg(long, default_value_t = 64,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    in_flight: usize,
    /// Which PostgreSQL to run: automatic, installed, carried, or a folder of programs.
    #[arg(long, default_value = "automatic", value_name = "WHICH")]
    postgres: orders_embedded::Source,
    /// The figures as JSON.
    #[arg(long)]
    json: bool,
    /// Be the floor's driver: how the benchmark starts itself.
    #[arg(long, hide = true)]
    drive_floor: bool,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// The whole way of an order to the provider.
    Submit,
    /// Single calls of `complete_order_processing`.
    Calls,
    /// Messages of Stripe, stored before they are acknowledged.
    Messages,
    /// The engine's memory with a long queue.
    Memory,
}

impl Bench {
    /// Measures everything and prints it.
    pub async fn run(self, seed: [u8; 32], clock: WallClock) -> anyhow::Result<ExitCode> {
        if self.drive_floor {
            floor::drive(self.in_flight).await?;
            return Ok(ExitCode::SUCCESS);
        }
        let ground = Ground::make(&self.postgres, seed, clock).await?;
        eprintln!("Measuring on {}", ground.describe());
        let measured = self.measure(&ground).await;
        let report = Report { server: ground.describe(), seed, results: Vec::new(), pending: None };
        ground.remove().await?;
        let (results, pending) = measured?;
        let report = Report { results, pending, ..report };
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report.json())?);
        } else {
            println!("{}", report.table());
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn measure(
        &self,
        ground: &Ground,
    ) -> anyhow::Result<(Vec<report::Compared>, Option<report::Run>)> {
        let mut results = Vec::new();
        let latencies = self.latency_ms.iter().filter(|_| self.only.contains(&What::Submit));
        for latency_ms in latencies {
            results.push(whole::compare(ground, self.plan(*latency_ms), self.rounds).await?);
        }
        for clients in self.clients.iter().filter(|_| self.only.contains(&What::Calls)) {
            results.extend(single::compare(ground, *clients, self.orders, self.rounds).await?);
        }
        if self.only.contains(&What::Messages) {
            for rate in [Some(self.message_rate), None] {
                let plan = messages::Plan { messages: self.orders, rate };
                results.push(messages::compare(ground, plan, self.rounds).await?);
            }
        }
        let pending = match self.pending {
            orders if orders == 0 || !self.only.contains(&What::Memory) => None,
            orders => {
                let plan = whole::Plan { orders, ..self.plan(0) };
                Some(pending::measure(ground, plan).await?)
            }
        };
        Ok((results, pending))
    }

    fn plan(&self, latency_ms: u32) -> whole::Plan {
        whole::Plan { orders: self.orders, latency_ms, in_flight: self.in_flight }
    }
}
