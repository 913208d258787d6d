//! What the tests share: folders, questions to a server, and a holder in a process of its own.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write as _};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use orders_embedded::{Cluster, Error, Locator, Options, SUPERUSER, Source};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use tokio_postgres::SimpleQueryMessage;

pub const LIMIT: Duration = Duration::from_mins(1);
pub const NOBODY: u32 = 65534;

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A folder that the user whom root drops to may enter.
pub fn world() -> TempDir {
    let world = tempfile::tempdir().unwrap();
    fs::set_permissions(world.path(), Permissions::from_mode(0o755)).unwrap();
    world
}

/// Says loudly that something did not run.
pub fn say_untested(reason: &str) {
    // Past the test harness, which keeps what a passing test prints to itself.
    std::io::stderr().write_all(format!("\n*** NOT TESTED: {reason} ***\n\n").as_bytes()).unwrap();
}

/// The sources that this machine and this build have; a test that runs with each runs with one at
/// least. That one is missing is said, and fails where `CI` is true.
pub fn sources() -> Vec<Source> {
    let world = world();
    // The folder claims to be made by a version that never was, so nothing is started, and the
    // refusal tells what there is.
    fs::create_dir(world.path().join("pgdata")).unwrap();
    fs::write(world.path().join("pgdata/PG_VERSION"), "1").unwrap();
    let found = match Cluster::start(&options(world.path(), Source::Automatic)) {
        Err(Error::OtherMajor { found, .. }) => found,
        other => panic!("a cluster of PostgreSQL 1 was not refused: {other:?}"),
    };
    let mut sources = Vec::new();
    if found.contains("installed in") {
        sources.push(Source::Installed);
    }
    if found.contains("this program carries") {
        sources.push(Source::Carried);
    }
    assert!(!sources.is_empty(), "nothing to test with: {found}");
    let carries = cfg!(all(target_os = "linux", target_arch = "x86_64"));
    let missing = [
        (Source::Installed, true, "an installed PostgreSQL, because there is none"),
        (Source::Carried, carries, "a carried PostgreSQL, because this build has none"),
    ];
    for (source, expected, reason) in missing {
        if expected && !sources.contains(&source) {
            say_untested(reason);
            assert!(std::env::var("CI").as_deref() != Ok("true"), "not tested on CI: {reason}");
        }
    }
    sources
}

pub fn options(data_dir: &Path, source: Source) -> Options {
    Options { data_dir: data_dir.to_owned(), source, ..Options::default() }
}

/// Looks nowhere for installed programs.
pub fn nothing_installed(data_dir: &Path) -> Options {
    Options { locator: Locator::in_folders([]), ..options(data_dir, Source::Automatic) }
}

pub fn start(data_dir: &Path, source: &Source) -> Cluster {
    Cluster::start(&options(data_dir, source.clone())).unwrap_or_else(|error| panic!("{error}"))
}

/// The first column of what `sql` gives, over a new connection.
pub fn ask(cluster: &Cluster, sql: &str) -> Vec<String> {
    ask_at(&cluster.connection_string("postgres", SUPERUSER), sql)
}

pub fn ask_at(connection: &str, sql: &str) -> Vec<String> {
    try_ask_at(connection, sql).unwrap_or_else(|error| panic!("{error:?}"))
}

pub fn try_ask_at(connection: &str, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(connection, tokio_postgres::NoTls).await?;
        let connection = tokio::spawn(connection);
        let messages = client.simple_query(sql).await?;
        drop(client);
        connection.await.unwrap()?;
        let first_column = |message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap().to_owned()),
            _ => None,
        };
        Ok(messages.into_iter().filter_map(first_column).collect())
    })
}

/// Looks until `level` is reached; panics when it is not in time.
pub fn until(what: &str, mut level: impl FnMut() -> bool) {
    let start = Instant::now();
    while !level() {
        assert!(start.elapsed() < LIMIT, "not in time: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

pub fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// A zombie, which has no working folder any more, is not alive.
pub fn is_alive(pid: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok()
}

/// `hold-cluster` on a folder; killed when dropped.
pub struct Holder {
    pub process: Child,
    pub postmaster: u32,
    pub socket_dir: PathBuf,
}

pub fn hold_command(data_dir: &Path, source: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hold-cluster"));
    command.arg(data_dir).arg(source).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

impl Holder {
    pub fn start(data_dir: &Path, source: &Source) -> Self {
        Self::run(hold_command(data_dir, name(source)))
    }

    /// As a user who is not root, in a folder of his own.
    pub fn start_as_ordinary_user(data_dir: &Path, source: &Source) -> Self {
        let mut command = hold_command(data_dir, name(source));
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        Self::run(command)
    }

    fn run(mut command: Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut words = line.trim().splitn(3, ' ');
        if words.next() != Some("ready") {
            let mut error = String::new();
            process.stderr.take().unwrap().read_to_string(&mut error).unwrap();
            process.wait().unwrap();
            panic!("the holder did not start: {error}");
        }
        let postmaster = words.next().unwrap().parse().unwrap();
        let socket_dir = PathBuf::from(words.next().unwrap());
        Self { process, postmaster, socket_dir }
    }

    pub fn ask(&self, sql: &str) -> Vec<String> {
        let host = self.socket_dir.display();
        ask_at(&format!("host='{host}' user={SUPERUSER} dbname=postgres"), sql)
    }

    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.kill();
    }
}

fn name(source: &Source) -> &'static str {
    match source {
        Source::Installed => "installed",
        Source::Carried => "carried",
        _ => "automatic",
    }
}

/// A process that does nothing, as the user to whom `file` belongs.
pub fn stranger_of(file: &Path) -> Child {
    let mut command = Command::new("sleep");
    command.arg("600");
    if is_root() {
        let owner = fs::metadata(file).unwrap();
        command.uid(owner.uid()).gid(owner.gid());
    }
    command.spawn().unwrap()
}
