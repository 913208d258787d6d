//! Logs: for people on a terminal, as JSON lines otherwise. Never an address or a secret: what is
//! private has no `Display` and prints nothing. // G36

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Sends logs to standard error. `RUST_LOG` says how much; the default is `warn` for everything and
/// `info` for this program.
pub fn start() {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,orders_service=info,deadpool=off"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        logs.with_target(false).compact().init();
    } else {
        logs.json().init();
    }
}
