//! A shop on a server of its own, which can be stopped, copied and put back to what it was: a restore.

use super::{Shop, broken};
use orders_embedded::{Cluster, Options, testing};
use orders_sandbox::World;
use orders_store::{Store, StoreOptions, schema};
use std::path::PathBuf;
use std::process::Command;
use tokio::task::spawn_blocking;

const DATABASE: &str = "postgres";

/// A server of its own, and the folder of its last backup.
pub struct Home {
    folder: PathBuf,
    cluster: Option<Cluster>,
}

impl Home {
    /// A new server that runs.
    pub async fn start() -> Self {
        let name = format!("atomic-orders-test.{}.{}", std::process::id(), super::next());
        let mut home = Self { folder: std::env::temp_dir().join(name), cluster: None };
        home.run().await;
        home
    }

    /// Starts the server on what stands in its folder.
    pub async fn run(&mut self) {
        let options = Options {
            data_dir: self.folder.clone(),
            source: testing::source(),
            ..Options::default()
        };
        let started = spawn_blocking(move || Cluster::start(&options)).await.expect("no panic");
        self.cluster = Some(started.expect("a server"));
    }

    /// Stops the server in order.
    pub async fn stop(&mut self) {
        let cluster = self.cluster.take().expect("a running server");
        spawn_blocking(move || cluster.stop()).await.expect("no panic").expect("a stopped server");
    }

    /// Copies everything that is stored now, and goes on.
    pub async fn back_up(&mut self) {
        self.stop().await;
        copy(self.pgdata(), self.backup());
        self.run().await;
    }

    /// Puts everything back to the last backup, under whoever works on it.
    pub async fn put_back(&mut self) {
        self.stop().await;
        std::fs::remove_dir_all(self.pgdata()).expect("the former folder");
        copy(self.backup(), self.pgdata());
        self.run().await;
    }

    fn pgdata(&self) -> PathBuf {
        self.folder.join("pgdata")
    }

    fn backup(&self) -> PathBuf {
        self.folder.join("backup")
    }

    /// A store on it.
    pub fn store(&self, role: &str) -> Store {
        let cluster = self.cluster.as_ref().expect("a running server");
        let options = StoreOptions { connections_max: 24, ..StoreOptions::default() };
        Store::new(&cluster.connection_string(DATABASE, role), &options).expect("a valid address")
    }

    /// A shop on it, with these partners.
    pub async fn shop(&self, partners: orders_sandbox::Options) -> Shop {
        let admin = self.store("postgres");
        let installed = schema::install(&admin).await.expect("an installed shop");
        broken::on_purpose(&admin).await;
        let app = self.store(&installed.app_role);
        let partners = World::start(partners).await.expect("partners");
        let shop = Shop { database: DATABASE.into(), admin, app, partners };
        shop.hurry().await;
        shop
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.cluster = None;
        // What is left over is swept by the next test program.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Copies a folder with its owners.
fn copy(from: PathBuf, to: PathBuf) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(done.success(), "cp: {done}");
}
