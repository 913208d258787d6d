//! The binary: reads the command line, starts the runtime, gives the exit code.

use clap::Parser;
use jiff::Timestamp;
use orders_service::cli::Cli;
use orders_service::cli::output::{remedy, tell};
use orders_service::telemetry;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::start();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(async { cli.run(seed()?, Arc::new(now)).await }));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            tell(format!("error: {error:#}"));
            if let Some(remedy) = remedy(&error) {
                tell(remedy);
            }
            ExitCode::FAILURE
        }
    }
}

/// The one place where the time of day enters the program.
#[expect(clippy::disallowed_methods, reason = "everything else is given this clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// The one place where chance enters the program.
fn seed() -> anyhow::Result<[u8; 32]> {
    let mut seed = [0; 32];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut seed)?;
    Ok(seed)
}
