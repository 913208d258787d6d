//! Engines as children: real processes, real signals.

use super::Shop;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A running `atomic-orders work`, with what it says kept in files.
pub struct Process {
    child: Child,
    folder: TempDir,
}

/// The program, beside the folder of the test that runs, or beside the program that does; cargo builds it
/// with the service's tests.
///
/// # Panics
///
/// When it is not there.
pub fn program() -> PathBuf {
    let this = std::env::current_exe().expect("the program of this test");
    let folder = this.parent().expect("a folder");
    let folder =
        if folder.ends_with("deps") { folder.parent().expect("cargo's folder") } else { folder };
    let program = folder.join("atomic-orders");
    assert!(program.exists(), "{} is missing: cargo build -p atomic-orders", program.display());
    program
}

impl Shop {
    /// The command of a worker, before it starts.
    pub fn command(&self) -> Command {
        let database = self.ground.address(&self.database, &self.app_role());
        let mut command = self.command_of(&program(), &database, &self.partners.base_url());
        command.arg("work");
        command
    }

    /// The program with everything that it is told by its environment, and without a word of what it is
    /// to do.
    pub fn command_of(&self, program: &Path, database: &str, base: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("DATABASE_URL", database)
            .env("ORDERS_SCHEMA", self.app.schema())
            .env("ZINC_URL", format!("{base}/v1"))
            .env("ZINC_TOKEN", "sandbox-token")
            .env("ZINC_RETAILERS", "amazon")
            .env("STRIPE_URL", format!("{base}/v1"))
            .env("STRIPE_KEY", "sk_test_sandbox")
            .env("ORDERS_CALL_MS", "1500")
            .env("ORDERS_LEASE_MS", "12000")
            .env("ORDERS_IN_FLIGHT", "4")
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// A worker.
    pub fn child(&self, change: impl FnOnce(&mut Command)) -> Process {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str| File::create(folder.path().join(name)).expect("a file");
        let mut command = self.command();
        command.stdout(file("out")).stderr(file("err"));
        change(&mut command);
        Process { child: command.spawn().expect("a worker"), folder }
    }
}

impl Process {
    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(Duration::from_mins(1), self.child.wait()).await;
        assert!(ended.is_ok(), "it goes on and on: {}", self.said());
        ended.expect("in time").expect("an exit status")
    }

    /// Waits until it is dead by SIGKILL.
    pub async fn killed(&mut self) {
        let status = self.ended().await;
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{status}: {}", self.said());
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        kill_process(pid.expect("a living worker"), signal).expect("a signal");
    }

    /// Everything that it has said so far.
    pub fn said(&self) -> String {
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        read(self.folder.path().join("out")) + &read(self.folder.path().join("err"))
    }
}
