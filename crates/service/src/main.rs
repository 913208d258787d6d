//! The binary: reads the command line, starts the runtime, gives the exit code.

use clap::Parser;
use jiff::Timestamp;
use orders_service::cli::Cli;
use orders_service::cli::output::{remedy, tell};
use orders_service::telemetry;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::start();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| until_done(runtime, async { cli.run(seed()?, Arc::new(now)).await }));
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

/// Runs the program and waits for nothing else: a look at an address that the system's resolver is
/// still busy with cannot be called off, and would keep a stop waiting for as long as it likes. // G43
fn until_done<T>(runtime: Runtime, program: impl Future<Output = T>) -> T {
    let outcome = runtime.block_on(program);
    runtime.shutdown_background();
    outcome
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    #[test]
    fn a_program_that_is_done_ends_whatever_a_resolver_still_waits_for() {
        let begun = Instant::now();
        let (_release, resolver) = mpsc::channel::<()>();
        let busy = move || resolver.recv_timeout(Duration::from_secs(20));
        let done = until_done(Runtime::new().unwrap(), async move {
            drop(tokio::task::spawn_blocking(busy));
            7
        });
        assert_eq!(done, 7);
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}
