//! Through PgBouncer in transaction mode: two statements of a session may meet two servers, and a lock
//! of a session outlives its owner. // ruling 32, A9

mod world;

use orders_embedded::testing::shared_cluster;
use orders_sandbox::Faults;
use orders_store::{Store, StoreOptions};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use world::Shop;
use world::worker::Setup;

const PORT: u16 = 6432;

/// A running PgBouncer.
struct Pooler {
    folder: TempDir,
    _child: Child,
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into()]);
    let found = folders.map(|folder| folder.join("pgbouncer")).find(|file| file.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI must have pgbouncer, and has not");
        eprintln!("\n!!! pgbouncer IS MISSING: nothing was tested through a pooler.\n");
    }
    found
}

/// The value of a word of the cluster's address.
fn word(address: &str, name: &str) -> String {
    let value = address.split(' ').find_map(|part| part.strip_prefix(&format!("{name}=")));
    value.expect("a word of the address").trim_matches('\'').to_owned()
}

impl Pooler {
    /// In front of the test cluster, as whoever owns its socket: PgBouncer refuses to be root.
    async fn start(program: &Path, role: &str, pool_size: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let address = shared_cluster().connection_string("postgres", role);
        let (socket, port) = (word(&address, "host"), word(&address, "port"));
        let owner = std::fs::metadata(&socket).expect("the cluster's socket");
        let path = folder.path();
        let dir = path.display();
        std::fs::write(path.join("users"), format!("\"{role}\" \"\"\n")).expect("users");
        std::fs::write(
            path.join("ini"),
            format!(
                "[databases]\n* = host={socket} port={port}\n[pgbouncer]\nlisten_addr =\nlisten_port = {PORT}\n\
                 unix_socket_dir = {dir}\nauth_type = trust\nauth_file = {dir}/users\npool_mode = transaction\n\
                 default_pool_size = {pool_size}\nmax_client_conn = 200\nlogfile = {dir}/log\npidfile = {dir}/pid\n"
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
        let child = command.kill_on_drop(true).spawn().expect("pgbouncer");
        let begun = Instant::now();
        while !path.join(format!(".s.PGSQL.{PORT}")).exists() {
            let log = || std::fs::read_to_string(path.join("log"));
            assert!(begun.elapsed() < Duration::from_secs(10), "pgbouncer is silent: {:?}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self { folder, _child: child }
    }

    fn store(&self, shop: &Shop, connections_max: usize) -> Store {
        let address = format!(
            "host={} port={PORT} user={} dbname={}",
            self.folder.path().display(),
            shop.app_role(),
            shop.database
        );
        let options = StoreOptions { connections_max, ..StoreOptions::default() };
        Store::new(&address, &options).expect("an address")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_orders_with_faults_are_bought_once_through_a_pool_of_three() {
    let Some(program) = program() else { return };
    let faults = Faults { drop_answer: 0.15, error_after: 0.1, read_error: 0.1, ..Faults::none() };
    let shop = Shop::faulty(faults).await;
    let ids = shop.paying(40).await;
    let pooler = Pooler::start(&program, &shop.app_role(), 3).await;
    let store = Some(pooler.store(&shop, 12));
    let first = shop.worker(Setup { store, ..Setup::default() }).await;
    let store = Some(pooler.store(&shop, 12));
    let second = shop.worker(Setup { store, ..Setup::default() }).await;
    shop.until_ended().await;
    first.stop().await;
    second.stop().await;
    let servers = "select count(*) from pg_stat_activity where datname = current_database() and usename like '%_orders_app'
                    and application_name = 'atomic-orders'";
    assert!(shop.count(servers).await <= 3 + 24, "the shop's own connections and the pooler's");
    shop.bought_once(&ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_a9_two_claims_through_one_pooled_session_never_both_succeed() {
    let Some(program) = program() else { return };
    let shop = Shop::fresh().await;
    let id = shop.paid(1).await[0];
    shop.zinc().set_latency_ms(500);
    let pooler = Pooler::start(&program, &shop.app_role(), 1).await;
    let mut workers = Vec::new();
    for _ in 0..2 {
        let store = Some(pooler.store(&shop, 4));
        workers.push(shop.prepared(Setup { store, ..Setup::default() }).await.expect("an engine"));
    }
    let stop = tokio_util::sync::CancellationToken::new();
    let recorders =
        workers.iter().map(|engine| tokio::spawn(engine.clone().run_on_demand(stop.clone())));
    let recorders: Vec<_> = recorders.collect();
    let (one, two) = tokio::join!(workers[0].submit_one(id), workers[1].submit_one(id));
    let won =
        [one, two].into_iter().filter(|answer| answer.as_ref().is_ok_and(Option::is_some)).count();
    assert_eq!(won, 1);
    let locks = "select count(*) from pg_locks as l join pg_database as d on d.oid = l.database
                  where d.datname = current_database() and l.locktype = 'advisory'";
    assert_eq!(shop.count(locks).await, 0);
    stop.cancel();
    for recorder in recorders {
        recorder.await.expect("a recorder");
    }
    shop.finish().await;
    assert_eq!(shop.bought_once(&[id]).await.creates, 1);
}
