//! `work`: an engine by itself, until it is asked to stop.

use super::gate::{DieAt, gate};
use crate::app::{self, DatabaseArgs, EngineArgs, PartnerArgs};
use clap::Args;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Run an engine: claims, buys, records, recovers. Any number may run side by side.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  DATABASE_URL=… ZINC_TOKEN=… STRIPE_KEY=… atomic-orders work
  DATABASE_URL=… ZINC_TOKEN=… STRIPE_KEY=… atomic-orders work --in-flight 16 --worker shop-2

It ends by SIGTERM or SIGINT, within 25 seconds, and says whether every answer was recorded.")]
pub struct Work {
    /// Die at a crash point, for tests.
    #[arg(long, hide = true)]
    die_at: Option<DieAt>,
    /// Stop there as by SIGSTOP, for tests; SIGCONT wakes it.
    #[arg(long, hide = true)]
    stop_at: Option<DieAt>,
    /// Stop as by SIGTERM when standard input ends: so it does not outlive the program that started it.
    #[arg(long, hide = true)]
    until_eof: bool,
    /// Zinc is the sandbox of the shop's own folder, whatever port it listens on.
    #[arg(long, hide = true)]
    own_sandbox: bool,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    partners: PartnerArgs,
    #[command(flatten)]
    engine: EngineArgs,
}

impl Work {
    /// Runs until SIGTERM or SIGINT, and says whether every answer was recorded.
    pub async fn run(mut self, seed: [u8; 32]) -> anyhow::Result<ExitCode> {
        // First of all: who asks it to stop while it starts gets a clean end too.
        let stop = stop_on_signal()?;
        if self.until_eof {
            stop_at_eof(stop.clone());
        }
        let database = self.database.open().await?;
        database.refuse_sandbox()?;
        database.prepare().await?;
        let store = database.app(16)?;
        let gate = gate(self.die_at, self.stop_at);
        self.partners.own_sandbox = self.own_sandbox;
        let engine = app::engine(store, &self.partners, &self.engine, gate, seed).await?;
        tracing::info!(worker = engine.options.worker, "the engine runs");
        engine.run(stop).await.tell();
        database.close().await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Cancels the token when standard input ends. A thread of its own, because nothing can interrupt it.
fn stop_at_eof(stop: CancellationToken) {
    std::thread::spawn(move || {
        let read = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        tracing::info!(error = read.err().map(tracing::field::display), "standard input ended");
        stop.cancel();
    });
}

/// A token that is cancelled by the first SIGTERM, SIGINT or SIGHUP.
pub fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hang_up = signal(SignalKind::hangup())?;
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            _ = hang_up.recv() => {}
        }
        token.cancel();
    });
    Ok(stop)
}
