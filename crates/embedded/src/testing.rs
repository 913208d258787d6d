//! A real PostgreSQL for the tests of other crates: one for each test program, started when the
//! first test asks for it, as durable as in service.
//!
//! `ATOMIC_ORDERS_TEST_POSTGRES` says which: `installed`, `carried`, or a folder of programs.
//! Statics are never dropped; the server ends because the program does (see launch.rs), and its
//! folder is removed by the next test program that comes along.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rustix::fs::FlockOperation;

use crate::{Cluster, Error, Options, Source, predecessor};

const PREFIX: &str = "atomic-orders-test.";
/// Locked while somebody means to start a server in the folder again.
const OWNER: &str = "owner";

/// The cluster of this test program.
///
/// # Panics
///
/// When it does not start: no test that asks for it could go on.
pub fn shared_cluster() -> &'static Cluster {
    static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| {
        start().unwrap_or_else(|error| panic!("no PostgreSQL to test with: {error}"))
    });
    &CLUSTER
}

/// The programs to test with, from `ATOMIC_ORDERS_TEST_POSTGRES`.
pub fn source() -> Source {
    env::var("ATOMIC_ORDERS_TEST_POSTGRES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

fn start() -> Result<Cluster, Error> {
    let base = env::temp_dir();
    sweep(&base);
    let data_dir = base.join(format!("{PREFIX}{}", std::process::id()));
    // Many tests of a program run side by side, each with pools of its own.
    let settings = vec![("max_connections".to_owned(), "250".to_owned())];
    Cluster::start(&Options { data_dir, source: source(), settings, ..Options::default() })
}

/// Removes the folders of test programs that are no more.
fn sweep(base: &Path) {
    for entry in base.read_dir().into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            remove_if_dead(&entry.path());
        }
    }
}

/// Holds a folder of this kind for whoever stops its server and starts it again, as long as the file lives.
pub fn hold(folder: &Path) -> std::io::Result<File> {
    std::fs::create_dir_all(folder)?;
    let owner = File::create(folder.join(OWNER))?;
    rustix::fs::flock(&owner, FlockOperation::NonBlockingLockExclusive)?;
    Ok(owner)
}

/// Whoever lives has his lock; the pid in the name could be somebody else's by now. A server that
/// is still shutting down leaves a folder that is removed next time.
fn remove_if_dead(folder: &PathBuf) {
    let is_free = |name: &str| {
        File::open(folder.join(name)).is_ok_and(|lock| {
            rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
        })
    };
    let has_no_owner = !folder.join(OWNER).exists() || is_free(OWNER);
    if is_free("lock") && has_no_owner && predecessor::is_deserted(&folder.join("pgdata")) {
        let _ = std::fs::remove_dir_all(folder);
    }
}
