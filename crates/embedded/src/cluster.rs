//! A private cluster, from its start to its end.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::account::Account;
use crate::folder::Folder;
use crate::launch::Keeper;
use crate::locator::{Locator, Server, Source};
use crate::{Error, default_data_dir, initdb, predecessor, settings, socket, wait};

/// The role that owns the cluster.
pub const SUPERUSER: &str = "postgres";

/// How to start a cluster. The default is what a shop wants that says nothing.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data folder; made when it is not there.
    pub data_dir: PathBuf,
    /// Which server programs may be used.
    pub source: Source,
    /// Where installed ones are looked for.
    pub locator: Locator,
    /// More settings of PostgreSQL's, by name. They may change sizes; the durability, the privacy
    /// of the socket and the log stay as this crate promises them.
    pub settings: Vec<(String, String)>,
    /// More of the server's environment, by name; a test that takes its disk away preloads a library so.
    pub environment: Vec<(OsString, OsString)>,
    /// How long the server may take until it lets somebody in; recovery after a crash counts too.
    pub start_limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            data_dir: default_data_dir(),
            source: Source::Automatic,
            locator: Locator::default(),
            settings: Vec::new(),
            environment: Vec::new(),
            start_limit: Duration::from_mins(1),
        }
    }
}

/// A running server that is ours alone. Dropping it stops the server.
#[derive(Debug)]
pub struct Cluster {
    // Fields are dropped in this order: first the server ends, then the folder is free.
    keeper: Keeper,
    server: Server,
    socket_dir: PathBuf,
    folder: Folder,
}

impl Cluster {
    /// Starts the cluster of a data folder, making it first if there is none; returns when the
    /// server lets somebody in. Blocks meanwhile: from async code call it in `spawn_blocking`.
    pub fn start(options: &Options) -> Result<Self, Error> {
        let folder = Folder::claim(&options.data_dir)?;
        let account = Account::choose(&folder.pgdata())?;
        account.check_way_to(folder.root())?;
        let socket_dir = socket::private_dir(folder.root(), &account)?;
        predecessor::clear(&folder.pgdata(), &socket_dir)?;
        let server = options.locator.find(&options.source, &folder, &account)?;
        initdb::ensure(&folder, &server, &account)?;

        let log = folder.open_log()?;
        let errors = log.try_clone().map_err(Error::file("write", folder.log_path()))?;
        let mut postgres = server.command("postgres", &account);
        postgres
            .arg("-D")
            .arg(folder.pgdata())
            .args(settings::arguments(&socket_dir, &options.settings))
            .envs(options.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(errors));
        let keeper = Keeper::start(postgres)
            .map_err(|error| folder.server_failed(format!("could not be started ({error})")))?;
        let cluster = Self { keeper, server, socket_dir, folder };
        cluster.await_ready(options.start_limit)?;
        Ok(cluster)
    }

    fn await_ready(&self, limit: Duration) -> Result<(), Error> {
        let socket = socket::path(&self.socket_dir);
        let ready = wait::until(limit, || {
            if let Some(status) = self.keeper.exit_status() {
                return Some(Err(format!("did not start ({status})")));
            }
            socket::lets_in(&socket, SUPERUSER).then_some(Ok(()))
        });
        ready
            .unwrap_or_else(|| Err(format!("let nobody in within {} s", limit.as_secs())))
            .map_err(|failure| self.folder.server_failed(failure))
    }

    /// The data folder, without links in its name.
    pub fn data_dir(&self) -> &Path {
        self.folder.root()
    }

    /// The folder of the server's socket: the `host` of a connection.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// How libpq and tokio-postgres connect: `host='/…/run' port=5432 user='…' dbname='…'`.
    pub fn connection_string(&self, dbname: &str, user: &str) -> String {
        format!(
            "host={} port={} user={} dbname={}",
            quoted(&self.socket_dir.to_string_lossy()),
            socket::PORT,
            quoted(user),
            quoted(dbname)
        )
    }

    /// The programs in use; displayed, they say for `doctor` which and from where.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The version in full: `18.4`.
    pub fn server_version(&self) -> &str {
        self.server.version()
    }

    /// The major version: 18.
    pub fn major(&self) -> u32 {
        self.server.major()
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.keeper.pid()
    }

    /// The server's log.
    pub fn log_path(&self) -> PathBuf {
        self.folder.log_path()
    }

    /// False once the server has ended without having been told to. It is not started again: a
    /// supervisor starts the whole program again.
    pub fn is_running(&self) -> bool {
        self.keeper.exit_status().is_none()
    }

    /// Stops the server: ends its sessions, writes everything, and waits for it.
    pub fn stop(mut self) -> Result<(), Error> {
        if self.keeper.stop() {
            Ok(())
        } else {
            Err(self.folder.server_failed(format!("does not stop (pid {})", self.keeper.pid())))
        }
    }
}

/// A value of a connection string.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_value_comes_out_as_it_went_in() {
        let strange = r"it's a \ path with spaces";
        let config: tokio_postgres::Config =
            format!("host=/x user={} dbname={}", quoted(strange), quoted("")).parse().unwrap();
        assert_eq!(config.get_user(), Some(strange));
    }
}
