//! The engine of the demonstration: a real child process, so that a kill is a real kill.

use anyhow::{Context, bail};
use orders_sandbox::Running;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// The sandbox partners' credentials, which are no secrets.
const TOKEN: &str = "sandbox-token";
const KEY: &str = "sk_test_sandbox";

/// A running `atomic-orders work`.
pub struct Worker(Child);

impl Worker {
    /// Starts an engine against the demonstration's database and partners.
    pub fn start(database: &str, partners: &Running) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("finding this program")?;
        let mut command = Command::new(program);
        // What the user has set for a shop of his own is not meant for this one.
        for (name, _) in std::env::vars_os() {
            let known = name.to_str().unwrap_or_default();
            if ["ORDERS_", "ZINC_", "STRIPE_", "DATABASE_", "MIGRATE_", "PG"]
                .iter()
                .any(|of_ours| known.starts_with(of_ours))
            {
                command.env_remove(&name);
            }
        }
        let child = command
            .args(["work", "--until-eof", "--own-sandbox"])
            .env("DATABASE_URL", database)
            .env("ZINC_URL", format!("{}/v1", partners.base_url()))
            .env("ZINC_TOKEN", TOKEN)
            .env("ZINC_RETAILERS", "amazon,amazon_uk")
            .env("STRIPE_URL", format!("{}/v1", partners.base_url()))
            .env("STRIPE_KEY", KEY)
            // A call limit below the sandbox's late answers, and the shortest lease that is safe.
            .env("ORDERS_CALL_MS", "1500")
            .env("ORDERS_LEASE_MS", "12000")
            .env("ORDERS_IN_FLIGHT", "16")
            .env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "error".into()))
            // It ends with us, however we end.
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting the engine")?;
        Ok(Self(child))
    }

    /// Kills it as a power cut would.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.0.kill().await.context("killing the engine")
    }

    /// Fails when it ended by itself.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.0.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the engine ended by itself: {status}"),
        }
    }

    /// Asks it to stop, and demands that it does within its limit.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = self
            .0
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw)
        {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        let status = tokio::time::timeout(Duration::from_secs(25), self.0.wait())
            .await
            .context("the engine did not stop within 25 s")??;
        anyhow::ensure!(status.success(), "the engine stopped with {status}");
        Ok(())
    }
}
