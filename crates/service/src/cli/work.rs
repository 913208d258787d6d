//! `work`: an engine by itself, until it is asked to stop.

use super::gate::{DieAt, gate};
use crate::app::{self, DatabaseArgs, EngineArgs, PartnerArgs};
use clap::Args;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Run an engine: claims, buys, records, recovers. Any number may run side by side.
#[derive(Debug, Args)]
pub struct Work {
    /// Die at a crash point, for tests.
    #[arg(long, hide = true)]
    die_at: Option<DieAt>,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    partners: PartnerArgs,
    #[command(flatten)]
    engine: EngineArgs,
}

impl Work {
    /// Runs until SIGTERM or SIGINT; nothing stays leased.
    pub async fn run(self, seed: [u8; 32]) -> anyhow::Result<ExitCode> {
        let database = self.database.open().await?;
        database.refuse_sandbox()?;
        database.prepare().await?;
        let store = database.app(16)?;
        let gate = gate(self.die_at);
        let engine = app::engine(store, &self.partners, &self.engine, gate, seed).await?;
        tracing::info!(worker = engine.options.worker, "the engine runs");
        let stop = stop_on_signal()?;
        engine.run(stop).await;
        tracing::info!("the engine stopped; nothing is leased");
        database.close().await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A token that is cancelled by the first SIGTERM or SIGINT.
pub fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        token.cancel();
    });
    Ok(stop)
}
