//! The processes of a run, and what they cost: processor time and memory as the kernel counts them.
//!
//! The processor time of PostgreSQL is that of its whole tree: the server and every process under
//! it, in nanoseconds, with those that ended and were waited for, in the kernel's ticks of 10 ms.

use super::ground::Database;
use anyhow::{Context, bail};
use orders_sandbox::{Options, World};
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The credentials of the sandbox, which are no secrets.
pub const TOKEN: &str = "sandbox-token";
const KEY: &str = "sk_test_sandbox";
/// The kernel's tick of processor time, the same on every Linux of these years.
const MS_PER_TICK: u64 = 10;

/// A process that was started for a run. Dropping it kills it.
pub struct Process {
    child: Child,
    pid: u32,
}

/// Which side of the comparison works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The engine, `atomic-orders work`.
    Ours,
    /// The floor's driver.
    Floor,
}

impl Process {
    fn start(mut command: Command) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).kill_on_drop(true).spawn()?;
        let pid = child.id().context("a process that has just been started has a number")?;
        Ok(Self { child, pid })
    }

    /// Starts whoever works on the orders.
    pub fn worker(
        side: Side,
        database: &Database,
        provider: &Provider,
        in_flight: usize,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("finding this program")?);
        match side {
            Side::Ours => command.arg("work").env("ORDERS_IN_FLIGHT", in_flight.to_string()),
            Side::Floor => {
                let limit = in_flight.to_string();
                command.args(["bench", "--drive-floor", "--in-flight", &limit])
            }
        };
        command
            .env("DATABASE_URL", &database.address)
            .env("ZINC_URL", format!("{}/v1", provider.address))
            .env("ZINC_TOKEN", TOKEN)
            .env("STRIPE_URL", format!("{}/v1", provider.address))
            .env("STRIPE_KEY", KEY)
            .env_remove("MIGRATE_DATABASE_URL")
            .env_remove("ORDERS_SCHEMA")
            .env("RUST_LOG", "error")
            .stdout(Stdio::null());
        Self::start(command).context("starting the worker")
    }

    /// Starts the HTTP server without an engine; gives its address, `host:port`.
    pub async fn server(database: &Database, secret: &str) -> anyhow::Result<(Self, String)> {
        let mut command = Command::new(std::env::current_exe().context("finding this program")?);
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("DATABASE_URL", &database.address)
            .env("STRIPE_WEBHOOK_SECRET", secret)
            .env("RUST_LOG", "error");
        for other in ["MIGRATE_DATABASE_URL", "ORDERS_SCHEMA", "ZINC_TOKEN", "STRIPE_KEY"] {
            command.env_remove(other);
        }
        command.stdout(Stdio::piped());
        let mut process = Self::start(command).context("starting the server")?;
        let address = process.address().await.context("starting the server")?;
        Ok((process, address.trim_start_matches("http://").to_owned()))
    }

    /// The address that it says on its output, which has to be a pipe.
    async fn address(&mut self) -> anyhow::Result<String> {
        let said = self.child.stdout.take().context("it has no output")?;
        let mut lines = BufReader::new(said).lines();
        let address = loop {
            let line = lines.next_line().await?.context("it said no address")?;
            if let Some(at) = line.find("http://") {
                let address = line[at..].split(|c: char| c.is_whitespace()).next();
                break address.unwrap_or_default().trim_end_matches('.').to_owned();
            }
        };
        // What it says later must not meet a closed pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(address)
    }

    /// Fails when it ended by itself.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("a process of the benchmark ended by itself: {status}"),
        }
    }

    /// Its processor time so far.
    pub fn cpu(&self) -> Duration {
        on_processor(self.pid)
    }

    /// The most memory that it had at once, in bytes.
    pub fn peak_memory(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Ok(kib.context("the kernel tells no VmHWM")? * 1024)
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)?;
        }
        let status = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        let status = status.context("a process of the benchmark did not stop within 30 s")??;
        anyhow::ensure!(status.success(), "a process of the benchmark stopped with {status}");
        Ok(())
    }
}

/// The fake provider, in a process of its own.
pub struct Provider {
    process: Process,
    ledger: PathBuf,
    address: String,
}

impl Provider {
    /// Starts it with an empty ledger.
    pub async fn start(ledger: PathBuf, latency_ms: u32) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("finding this program")?);
        command
            .args(["sandbox", "--port", "0", "--latency-ms", &latency_ms.to_string(), "--ledger"])
            .arg(&ledger)
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped());
        let mut process = Process::start(command).context("starting the provider")?;
        let address = process.address().await.context("starting the provider")?;
        Ok(Self { process, ledger, address })
    }

    /// Stops it, and demands of its ledger that exactly so many orders were bought, each once;
    /// gives their number.
    pub async fn stop(self, orders: usize) -> anyhow::Result<u64> {
        self.process.stop().await?;
        bought_once(&self.ledger, orders)
    }
}

fn bought_once(ledger: &Path, orders: usize) -> anyhow::Result<u64> {
    let options = Options { ledger_folder: Some(ledger.to_owned()), ..Options::default() };
    let summary = World::new(options)?.zinc.summary();
    let (once, live) = (summary.orders_bought_once, summary.live_purchases);
    anyhow::ensure!(
        once == orders as u64 && live == orders as u64 && summary.violations == 0,
        "the provider's ledger says: {once} of {orders} orders bought once, {live} purchases, {} \
         orders twice, {} other bytes under a known key",
        summary.duplicates.len(),
        summary.violations
    );
    Ok(once)
}

/// The processor time of a process and everything under it.
pub fn cpu_of_tree(root: u32) -> anyhow::Result<Duration> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        if let Some(stat) = name.to_str().and_then(|name| name.parse().ok()).and_then(stat) {
            all.push(stat);
        }
    }
    let mut tree = vec![root];
    let mut at = 0;
    while let Some(parent) = tree.get(at).copied() {
        tree.extend(all.iter().filter(|one| one.parent == parent).map(|one| one.pid));
        at += 1;
    }
    let members = all.iter().filter(|one| tree.contains(&one.pid));
    Ok(members
        .map(|one| on_processor(one.pid) + Duration::from_millis(one.waited * MS_PER_TICK))
        .sum())
}

/// The time that all threads of a process were on a processor; threads that ended do not count.
fn on_processor(pid: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanoseconds = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// What `/proc/<pid>/stat` says.
struct Stat {
    pid: u32,
    parent: u32,
    /// The ticks of its children that have ended.
    waited: u64,
}

/// Nothing when the process is gone.
fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets and may hold anything; the numbers follow the last bracket.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat { pid, parent: u32::try_from(number(1)?).ok()?, waited: number(13)? + number(14)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_time_of_a_tree_holds_that_of_its_root() {
        let this = std::process::id();
        let stat = stat(this).unwrap();
        assert_eq!(stat.pid, this);
        assert!(on_processor(this) > Duration::ZERO);
        assert!(cpu_of_tree(this).unwrap() > Duration::ZERO);
        assert!(super::stat(u32::MAX).is_none());
    }
}
