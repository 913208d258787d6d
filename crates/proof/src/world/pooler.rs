//! PgBouncer in transaction mode, in front of the test cluster.

use super::Shop;
use orders_embedded::testing::shared_cluster;
use orders_store::{Store, StoreOptions};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::{Child, Command};

const PORT: u16 = 6432;

/// A running PgBouncer.
pub struct Pooler {
    folder: TempDir,
    _child: Child,
}

/// Where it is; nothing, said loudly, where it is missing (on CI a failure).
pub fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into()]);
    let found = folders.map(|folder| folder.join("pgbouncer")).find(|file| file.is_file());
    if found.is_none() {
        super::untested::because("pgbouncer is missing, so nothing went through a pooler");
    }
    found
}

/// The value of a word of the cluster's address.
fn word(address: &str, name: &str) -> String {
    let value = address.split(' ').find_map(|part| part.strip_prefix(&format!("{name}=")));
    value.expect("a word of the address").trim_matches('\'').to_owned()
}

impl Pooler {
    /// In front of the test cluster.
    pub async fn start(program: &Path, role: &str, pool_size: u32) -> Self {
        let address = shared_cluster().connection_string("postgres", role);
        Self::before(&address, program, role, pool_size).await
    }

    /// In front of the cluster of this address, as whoever owns its socket: PgBouncer refuses to be root.
    pub async fn before(address: &str, program: &Path, role: &str, pool_size: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (socket, port) = (word(address, "host"), word(address, "port"));
        let owner = std::fs::metadata(&socket).expect("the cluster's socket");
        let path = folder.path();
        let dir = path.display();
        std::fs::write(path.join("users"), format!("\"{role}\" \"\"\n")).expect("users");
        std::fs::write(
            path.join("ini"),
            format!(
                "[databases]\n* = host={socket} port={port}\n[pgbouncer]\nlisten_addr =\nlisten_port = {PORT}\n\
                 unix_socket_dir = {dir}\nauth_type = trust\nauth_file = {dir}/users\npool_mode = transaction\n\
                 default_pool_size = {pool_size}\nserver_login_retry = 1\nmax_client_conn = 200\nlogfile = {dir}/log\npidfile = {dir}/pid\n"
            ),
        )
        .expect("a configuration");
        for file in [path.to_path_buf(), path.join("users"), path.join("ini")] {
            chown(file, Some(owner.uid()), Some(owner.gid())).expect("an owner");
        }
        let mut command = Command::new(program);
        command
            .arg(path.join("ini"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if rustix::process::geteuid().is_root() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        super::bound::to_this_process(&mut command);
        let child = command.kill_on_drop(true).spawn().expect("pgbouncer");
        let begun = Instant::now();
        while !path.join(format!(".s.PGSQL.{PORT}")).exists() {
            let log = || std::fs::read_to_string(path.join("log"));
            assert!(begun.elapsed() < Duration::from_secs(10), "pgbouncer is silent: {:?}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self { folder, _child: child }
    }

    /// The address of a database through it.
    pub fn address(&self, database: &str, role: &str) -> String {
        format!("host={} port={PORT} user={role} dbname={database}", self.folder.path().display())
    }

    /// A store whose connections go through it.
    pub fn store(&self, shop: &Shop, connections_max: usize) -> Store {
        let address = self.address(&shop.database, &shop.app_role());
        let options = StoreOptions { connections_max, ..StoreOptions::default() };
        Store::new(&address, &options).expect("an address")
    }
}
