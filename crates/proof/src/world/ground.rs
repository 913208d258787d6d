//! Where a shop's database stands: in the cluster that a whole test program shares, or in one of its own,
//! which may crash without hitting anybody else.

use super::folder;
use orders_embedded::testing::{self, shared_cluster};
use orders_embedded::{Cluster, Options};
use orders_store::{Store, StoreOptions};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// No server takes longer to let somebody in after a crash.
const PATIENCE: Duration = Duration::from_mins(1);

/// A PostgreSQL in which databases are made.
#[derive(Debug, Clone)]
pub enum Ground {
    /// The cluster of this test program.
    Shared,
    /// One that only whoever made it uses.
    Own(Arc<OwnCluster>),
    /// One at an address with `{database}` and `{role}` in it, which somebody else looks after.
    At(String),
}

impl Ground {
    /// A cluster of its own.
    pub async fn own() -> Self {
        let started = tokio::task::spawn_blocking(OwnCluster::start).await;
        Self::Own(Arc::new(started.expect("a cluster")))
    }

    /// The address of a database for a role.
    pub fn address(&self, database: &str, role: &str) -> String {
        match self {
            Self::Shared => shared_cluster().connection_string(database, role),
            Self::Own(own) => placed(&own.form, database, role),
            Self::At(form) => placed(form, database, role),
        }
    }

    /// A store on a database of it.
    pub fn store(&self, database: &str, role: &str, schema: &str) -> Store {
        let options =
            StoreOptions { schema: schema.into(), connections_max: 24, ..StoreOptions::default() };
        Store::new(&self.address(database, role), &options).expect("a valid address")
    }

    /// A database that nobody else has.
    pub async fn fresh_database(&self) -> String {
        let name = format!("t{}_{}", std::process::id(), super::next());
        let sql = format!("create database {name}");
        let store = self.store("postgres", "postgres", "public");
        store.query("test", &sql, &[]).await.expect("a database");
        name
    }

    /// Removes a database, under whoever still works on it.
    pub async fn remove(&self, database: &str) {
        let sql = format!("drop database if exists {database} with (force)");
        // What cannot be removed goes with its cluster.
        let _ = self.store("postgres", "postgres", "public").query("test", &sql, &[]).await;
    }

    /// Crashes the server and starts it again, as `pg_ctl restart -m immediate` does: no session ends in
    /// order, nothing is written, and the start recovers from the log. Returns when it lets this store in.
    pub async fn restart_immediately(&self, seen_by: &Store) {
        self.changed(seen_by, OwnCluster::restart_immediately).await;
    }

    /// Copies everything that is stored now: the server stops for it in order, and starts again.
    pub async fn back_up(&self, seen_by: &Store) {
        self.changed(seen_by, OwnCluster::back_up).await;
    }

    /// Puts everything back to the last backup, under whoever works on it.
    pub async fn put_back(&self, seen_by: &Store) {
        self.changed(seen_by, OwnCluster::put_back).await;
    }

    /// Does something to the server, and waits until it lets this store in again.
    async fn changed(&self, seen_by: &Store, change: fn(&OwnCluster)) {
        let Self::Own(own) = self else { panic!("this cluster belongs to everybody") };
        let own = Arc::clone(own);
        tokio::task::spawn_blocking(move || change(&own)).await.expect("a server");
        let begun = Instant::now();
        // Connections of before are found dead one after the other.
        while seen_by.query("test", "select 1", &[]).await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "nobody is let in again");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// An address of this form.
fn placed(form: &str, database: &str, role: &str) -> String {
    form.replace("{database}", database).replace("{role}", role)
}

/// A cluster that may crash. Dropping it ends it and removes what it had written.
#[derive(Debug)]
pub struct OwnCluster {
    running: Mutex<Option<Cluster>>,
    /// Nobody sweeps the folder between two lives of the server.
    _held: File,
    options: Options,
    /// An address with places for the database and the role; the same after each restart.
    form: String,
}

impl OwnCluster {
    /// Starts one; blocks until it lets somebody in.
    fn start() -> Self {
        let options = Options {
            data_dir: folder(),
            source: testing::source(),
            settings: vec![("shared_buffers".into(), "32MB".into())],
            ..Options::default()
        };
        let held = testing::hold(&options.data_dir).expect("a folder of its own");
        let cluster = Cluster::start(&options).expect("a cluster of its own");
        let form = cluster.connection_string("{database}", "{role}");
        Self { running: Mutex::new(Some(cluster)), _held: held, options, form }
    }

    fn restart_immediately(&self) {
        self.between_two_lives(|_, cluster| {
            let pid = Pid::from_raw(cluster.pid().cast_signed()).expect("a process");
            kill_process(pid, Signal::QUIT).expect("a signal");
            // Waits for its end, which has begun.
            drop(cluster);
        });
    }

    fn back_up(&self) {
        self.between_two_lives(|own, cluster| {
            cluster.stop().expect("a stopped server");
            folder::replace(&own.backup(), &own.pgdata()).expect("a backup");
        });
    }

    fn put_back(&self) {
        self.between_two_lives(|own, cluster| {
            cluster.stop().expect("a stopped server");
            folder::replace(&own.pgdata(), &own.backup()).expect("the backup");
        });
    }

    /// Ends the server in some way, and starts it again.
    fn between_two_lives(&self, end: impl FnOnce(&Self, Cluster)) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        end(self, running.take().expect("a running cluster"));
        *running = Some(Cluster::start(&self.options).expect("a start"));
    }

    fn pgdata(&self) -> PathBuf {
        self.options.data_dir.join("pgdata")
    }

    fn backup(&self) -> PathBuf {
        self.options.data_dir.join("backup")
    }
}

impl Drop for OwnCluster {
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(running.take());
        // What cannot be removed now is removed by the next test program.
        let _ = std::fs::remove_dir_all(&self.options.data_dir);
    }
}

/// A folder of a name that the next test program looks for.
fn folder() -> PathBuf {
    let name = format!("atomic-orders-test.{}.{}", std::process::id(), super::next());
    std::env::temp_dir().join(name)
}
