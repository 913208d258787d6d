//! The database under a storm: a cluster of its own, which can be stopped without a word and started
//! again, copied and put back, and whose disk can be full.

use super::disk::{Disk, Full};
use crate::world::folder;
use anyhow::{Context as _, ensure};
use orders_embedded::{Cluster, Options, SUPERUSER, testing};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File, Permissions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// No server takes longer to end, or to come back.
const PATIENCE: Duration = Duration::from_mins(2);
/// So few that somebody can take them all.
const CONNECTIONS: &str = "90";

/// The cluster.
pub struct Ground {
    folder: Mutex<TempDir>,
    path: PathBuf,
    log: PathBuf,
    options: Options,
    disk: Option<Disk>,
    cluster: Mutex<Option<Cluster>>,
    socket: PathBuf,
    /// How its databases are reached; the same after every start.
    address: String,
    /// Since when it lets people in; nothing while it does not.
    up_since: Mutex<Option<Instant>>,
}

impl Ground {
    /// Makes it and starts it. Its disk can be full where a library can be compiled for that.
    pub async fn start() -> anyhow::Result<Arc<Self>> {
        let folder = TempDir::with_prefix("atomic-orders-storm.").context("a folder")?;
        // The server's user passes through it.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).context("opening it")?;
        let disk = match Disk::in_folder(folder.path()) {
            Ok(disk) => Some(disk),
            Err(error) => {
                crate::world::untested::because(&format!("no disk was full: {error:#}"));
                None
            }
        };
        let options = Options {
            data_dir: folder.path().join("db"),
            source: testing::source(),
            settings: vec![("max_connections".into(), CONNECTIONS.into())],
            environment: disk.as_ref().map(Disk::environment).unwrap_or_default(),
            start_limit: PATIENCE,
            ..Options::default()
        };
        let cluster = started(options.clone()).await?;
        let socket = cluster.socket_dir().join(".s.PGSQL.5432");
        let address = cluster.connection_string("DATABASE", "ROLE");
        Ok(Arc::new(Self {
            path: folder.path().to_owned(),
            log: cluster.log_path(),
            folder: Mutex::new(folder),
            options,
            disk,
            cluster: Mutex::new(Some(cluster)),
            socket,
            address,
            up_since: Mutex::new(Some(Instant::now())),
        }))
    }

    /// Where everything of this storm lies.
    pub fn folder(&self) -> &Path {
        &self.path
    }

    /// Keeps the folder when everything is over; says where it is.
    pub fn keep(&self) -> PathBuf {
        self.folder.lock().unwrap_or_else(PoisonError::into_inner).disable_cleanup(true);
        self.path.clone()
    }

    /// The address of a database for a role.
    pub fn address(&self, database: &str, role: &str) -> String {
        self.address.replace("DATABASE", database).replace("ROLE", role)
    }

    /// Whether its disk can be full.
    pub fn has_a_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// Since when it lets people in; nothing while it does not.
    pub fn up_since(&self) -> Option<Instant> {
        *self.up_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_up(&self, since: Option<Instant>) {
        *self.up_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// Stops the server as `pg_ctl stop -m immediate` does (SIGQUIT to its first process): every session
    /// ends where it stands, nothing is written any more. Then it is started again and recovers.
    pub async fn restart(&self) -> anyhow::Result<()> {
        self.halt().await?;
        self.revive().await?;
        self.open();
        Ok(())
    }

    /// Stops the server so, and lets it rest.
    pub async fn halt(&self) -> anyhow::Result<()> {
        self.set_up(None);
        self.send_quit()?;
        self.until_ended().await?;
        self.let_go().await
    }

    /// Copies everything that a resting server has written.
    pub async fn copy(&self) -> anyhow::Result<()> {
        replaced(self.backup(), self.pgdata()).await.context("the copy")
    }

    /// Puts everything back under a resting server to what was copied last.
    pub async fn put_back(&self) -> anyhow::Result<()> {
        replaced(self.pgdata(), self.backup()).await.context("putting back")
    }

    fn pgdata(&self) -> PathBuf {
        self.options.data_dir.join("pgdata")
    }

    fn backup(&self) -> PathBuf {
        self.options.data_dir.join("backup")
    }

    fn send_quit(&self) -> anyhow::Result<()> {
        let cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = cluster.as_ref().map(Cluster::pid).context("no server")?;
        let pid = Pid::from_raw(pid.cast_signed()).context("no process id")?;
        kill_process(pid, Signal::QUIT).context("the server is not there")
    }

    fn is_running(&self) -> bool {
        let cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        cluster.as_ref().is_some_and(Cluster::is_running)
    }

    async fn until_ended(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self.is_running() {
            ensure!(begun.elapsed() < PATIENCE, "the server does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Its folder is free when an ended server is gone; letting it go waits.
    async fn let_go(&self) -> anyhow::Result<()> {
        let ended = self.cluster.lock().unwrap_or_else(PoisonError::into_inner).take();
        tokio::task::spawn_blocking(move || drop(ended)).await.context("letting go")
    }

    /// Starts a server that has ended, and waits until it lets its superuser in.
    pub async fn revive(&self) -> anyhow::Result<()> {
        self.let_go().await?;
        let cluster = started(self.options.clone()).await?;
        *self.cluster.lock().unwrap_or_else(PoisonError::into_inner) = Some(cluster);
        Ok(())
    }

    /// From now on it lets everybody in.
    pub fn open(&self) {
        self.set_up(Some(Instant::now()));
    }

    /// Its disk is full for a while, and then there is room again; gives whether the server noticed.
    pub async fn fill(&self, what: Full, length: Duration) -> anyhow::Result<bool> {
        let Some(disk) = &self.disk else { return Ok(false) };
        let mut log = File::open(&self.log).context("the server's log")?;
        log.seek(SeekFrom::End(0)).context("the end of the server's log")?;
        disk.fill(what)?;
        if what == Full::Log {
            // What follows is as long as the server takes.
            self.set_up(None);
        }
        tokio::time::sleep(length).await;
        disk.empty();
        let mut said = Vec::new();
        log.read_to_end(&mut said).context("the server's log")?;
        let noticed = String::from_utf8_lossy(&said).contains("No space left on device");
        if what == Full::Log {
            self.until_back().await?;
        }
        Ok(noticed)
    }

    /// Waits until the server lets people in by itself, or starts it when it has ended.
    async fn until_back(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            if !self.is_running() {
                self.revive().await?;
                self.open();
                return Ok(());
            }
            if self.enter("postgres", SUPERUSER).await.is_some() {
                self.set_up(Some(Instant::now()));
                return Ok(());
            }
            ensure!(begun.elapsed() < PATIENCE, "the server does not come back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Opens a session and does nothing in it; nothing when the server refuses. The session lasts as
    /// long as what is given.
    pub async fn enter(&self, database: &str, role: &str) -> Option<UnixStream> {
        let entering = async {
            let mut stream = UnixStream::connect(&self.socket).await.ok()?;
            let mut body = (3_u32 << 16).to_be_bytes().to_vec();
            body.extend_from_slice(format!("user\0{role}\0database\0{database}\0\0").as_bytes());
            let length = u32::try_from(body.len() + 4).ok()?;
            stream.write_all(&[&length.to_be_bytes(), body.as_slice()].concat()).await.ok()?;
            let mut kind = [0];
            // `R` is the welcome of a server that trusts its socket; it refuses for want of room before
            // that or after it, so its next message counts.
            let mut head = [0; 8];
            stream.read_exact(&mut kind).await.ok()?;
            if kind != *b"R" {
                return None;
            }
            stream.read_exact(&mut head).await.ok()?;
            stream.read_exact(&mut kind).await.ok()?;
            (kind != *b"E").then_some(stream)
        };
        tokio::time::timeout(Duration::from_secs(5), entering).await.ok().flatten()
    }
}

async fn replaced(to: PathBuf, from: PathBuf) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(move || folder::replace(&to, &from)).await?
}

async fn started(options: Options) -> anyhow::Result<Cluster> {
    let start = tokio::task::spawn_blocking(move || Cluster::start(&options));
    start.await.context("starting the database")?.context("no PostgreSQL to storm over")
}
