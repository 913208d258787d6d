//! Servers that no shop may stand on: they run, and are refused with a sentence each. The embedded
//! server is always safe, so this test starts an installed one by hand.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

use orders_store::{Error, Store, StoreOptions, schema};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server under our own settings, stopped when it is dropped.
struct Server {
    child: Child,
    folder: PathBuf,
}

/// The newest installed server's programs, if there are any.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .map(|(major, path)| (major, path.join("bin")))
        .filter(|(major, bin)| *major >= 15 && bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin)
}

/// A command as somebody who may run PostgreSQL: it refuses root.
fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    let owner = std::fs::metadata(folder).unwrap();
    if owner.uid() != std::fs::metadata("/proc/self").unwrap().uid() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A fresh cluster's folder, owned by whoever runs it.
fn cluster(bin: &Path, name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("atomic-orders-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
        let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
        let user =
            passwd.lines().map(fields).find(|f| f[0] == "postgres").expect("a user postgres");
        chown(&folder, user[2].parse().ok(), user[3].parse().ok()).unwrap();
    }
    let made = command(&bin.join("initdb"), &folder)
        .args(["-D", "data", "-U", "postgres", "-A", "trust", "--no-sync"])
        .status();
    assert!(made.unwrap().success(), "initdb");
    folder
}

impl Server {
    async fn start(bin: &Path, folder: PathBuf, settings: &[&str]) -> (Self, Store) {
        let mut command = command(&bin.join("postgres"), &folder);
        command.args(["-D", "data", "-c", "listen_addresses=", "-k"]).arg(&folder);
        for setting in settings {
            command.args(["-c", setting]);
        }
        let server = Self { child: command.spawn().unwrap(), folder };
        let address = format!("host={} user=postgres dbname=postgres", server.folder.display());
        let options = StoreOptions { wait: Duration::from_secs(1), ..StoreOptions::default() };
        let store = Store::new(&address, &options).unwrap();
        let begun = Instant::now();
        while store.query("test.ready", "select 1", &[]).await.is_err() {
            assert!(begun.elapsed() < Duration::from_mins(1), "the server is not ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        (server, store)
    }

    fn stop(mut self) -> PathBuf {
        self.end();
        std::mem::take(&mut self.folder)
    }

    fn end(&mut self) {
        // Nothing in it is worth a clean shutdown; the child is reaped either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
        if !self.folder.as_os_str().is_empty() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// Says that this was not tested; on CI that is a failure.
fn not_tested(reason: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must test everything: {reason}");
    // Past the test harness, which keeps what a passing test prints to itself.
    let said = format!("\n*** NOT TESTED: {reason} ***\n\n");
    std::io::stderr().write_all(said.as_bytes()).unwrap();
}

#[tokio::test]
async fn a_server_that_may_lose_committed_orders_and_a_standby_are_refused_with_a_sentence_each() {
    let Some(bin) = programs() else {
        return not_tested("there is no installed PostgreSQL to run unsafely");
    };
    let settings = ["fsync=off", "full_page_writes=off", "synchronous_commit=off"];
    let (server, store) = Server::start(&bin, cluster(&bin, "unsafe"), &settings).await;
    schema::install(&store).await.unwrap();
    let refused = schema::check_ground(&store).await;
    assert!(
        matches!(&refused, Err(Error::BadGround(why)) if why.contains("fsync off")),
        "{refused:?}"
    );
    let faults = schema::ground_faults(&store).await.unwrap().join("\n");
    for word in ["set fsync = on", "set full_page_writes = on", "synchronous_commit is off"] {
        assert!(faults.contains(word), "{word}: {faults}");
    }
    // A checkpoint makes what was installed survive the kill of a server without fsync.
    store.query("test.checkpoint", "checkpoint", &[]).await.unwrap();
    let folder = server.stop();
    std::fs::write(folder.join("data/standby.signal"), "").unwrap();
    let (_server, store) = Server::start(&bin, folder, &["fsync=on"]).await;
    let faults = schema::ground_faults(&store).await.unwrap().join("\n");
    assert!(faults.contains("connect to the primary"), "{faults}");
}
