//! `sandbox`: the fake partners as a process of their own.

use super::output::say;
use super::work::stop_on_signal;
use clap::Args;
use orders_sandbox::{Faults, Options, World};
use std::path::PathBuf;
use std::process::ExitCode;

/// Run the fake Zinc and the fake Stripe, with ledgers, on the loopback address.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  atomic-orders sandbox                                      kind, and prints how to use it
  atomic-orders sandbox --faults demo,seed=7,drop_answer=0.2 --latency-ms 50
  atomic-orders sandbox --ledger ./ledgers                   remembers what was bought")]
pub struct Sandbox {
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 4010)]
    port: u16,
    /// Misbehaviour: `none`, `demo`, `demo,seed=7,drop_answer=0.2`, or JSON.
    #[arg(long, default_value = "none")]
    faults: Faults,
    /// How long the fake provider takes for an order, in milliseconds.
    #[arg(long, default_value_t = 0)]
    latency_ms: u32,
    /// Where the ledgers are kept; what stands there is remembered.
    #[arg(long, value_name = "FOLDER")]
    ledger: Option<PathBuf>,
}

impl Sandbox {
    /// Serves until SIGTERM or SIGINT.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut options =
            Options { port: self.port, ledger_folder: self.ledger, ..Options::default() };
        options.zinc.faults = self.faults;
        options.zinc.latency_ms = self.latency_ms;
        let stop = stop_on_signal()?;
        let token = options.zinc.token.clone();
        let key = options.stripe.secret_key.clone();
        let running = World::start(options).await?;
        let base = running.base_url();
        say(format!(
            "The sandbox serves Zinc and Stripe at {base}. Use it with\n  \
             ZINC_URL={base}/v1 ZINC_TOKEN={token} STRIPE_URL={base}/v1 STRIPE_KEY={key}"
        ))?;
        stop.cancelled().await;
        running.stop().await;
        Ok(ExitCode::SUCCESS)
    }
}
