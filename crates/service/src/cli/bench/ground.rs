//! Where is measured: a PostgreSQL of our own in a temporary folder, a fresh database for every run,
//! and the orders.

use crate::api::WallClock;
use anyhow::Context;
use orders_embedded::{Cluster, Options, SUPERUSER, Source};
use orders_store::bench::{drop_database, make_database};
use orders_store::{Store, StoreOptions, schema};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// Seeding and cleaning take longer than any statement of a shop.
const STATEMENT_LIMIT: Duration = Duration::from_mins(5);

/// The ground of all runs.
pub struct Ground {
    cluster: Cluster,
    folder: PathBuf,
    admin: Store,
    made: AtomicU32,
    /// What time it is, for signatures.
    pub clock: WallClock,
}

/// A database of one run.
pub struct Database {
    /// Its name.
    name: String,
    /// Connected as the superuser.
    pub admin: Store,
    /// Connected as the role that works.
    pub store: Store,
    /// The address for a process that works.
    pub address: String,
}

impl Ground {
    /// Starts the server.
    pub async fn make(source: &Source, seed: [u8; 32], clock: WallClock) -> anyhow::Result<Self> {
        let name = format!("atomic-orders-bench-{:02x}{:02x}{:02x}", seed[0], seed[1], seed[2]);
        let folder = std::env::temp_dir().join(name);
        let options = Options {
            data_dir: folder.join("database"),
            source: source.clone(),
            ..Options::default()
        };
        let cluster = tokio::task::spawn_blocking(move || Cluster::start(&options))
            .await
            .context("starting the database")??;
        let admin = store(&cluster.connection_string("postgres", SUPERUSER), 2)?;
        Ok(Self { cluster, folder, admin, made: AtomicU32::new(0), clock })
    }

    /// Which server this is.
    pub fn describe(&self) -> String {
        self.cluster.server().to_string()
    }

    /// The server's process.
    pub fn server_pid(&self) -> u32 {
        self.cluster.pid()
    }

    /// Connected as the superuser, to read meters.
    pub fn admin(&self) -> &Store {
        &self.admin
    }

    /// A folder of its own for the next run.
    pub fn folder(&self) -> anyhow::Result<PathBuf> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.join(format!("run{number}"));
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// A database with a shop in it, and the application's role.
    pub async fn shop(&self, connections: usize) -> anyhow::Result<Database> {
        let name = self.database("shop").await?;
        let admin = store(&self.cluster.connection_string(&name, SUPERUSER), 2)?;
        let installed = schema::install(&admin).await?;
        let address = self.cluster.connection_string(&name, &installed.app_role);
        Ok(Database { store: store(&address, connections)?, admin, address, name })
    }

    /// A database with the floor's tables in it.
    pub async fn floor(&self, connections: usize) -> anyhow::Result<Database> {
        let name = self.database("floor").await?;
        let address = self.cluster.connection_string(&name, SUPERUSER);
        let admin = store(&address, 2)?;
        orders_store::floor::make_tables(&admin).await?;
        Ok(Database { store: store(&address, connections)?, admin, address, name })
    }

    async fn database(&self, kind: &str) -> anyhow::Result<String> {
        let name = format!("{kind}{}", self.made.fetch_add(1, Ordering::Relaxed));
        make_database(&self.admin, &name).await?;
        Ok(name)
    }

    /// Removes the database of a run.
    pub async fn done(&self, database: Database) -> anyhow::Result<()> {
        let Database { name, admin, store, .. } = database;
        drop((admin, store));
        Ok(drop_database(&self.admin, &name).await?)
    }

    /// Stops the server and removes everything.
    pub async fn remove(self) -> anyhow::Result<()> {
        let Self { cluster, folder, admin, .. } = self;
        drop(admin);
        tokio::task::spawn_blocking(move || cluster.stop()).await??;
        // A folder that stays behind in the temporary folder harms nobody.
        let _ = std::fs::remove_dir_all(folder);
        Ok(())
    }
}

fn store(address: &str, connections_max: usize) -> anyhow::Result<Store> {
    let options = StoreOptions {
        connections_max,
        statement_timeout: STATEMENT_LIMIT,
        wait: STATEMENT_LIMIT,
        ..StoreOptions::default()
    };
    Ok(Store::new(address, &options)?)
}

/// Orders as a shop places them: one to three lines, an American address, a payment each.
pub fn contents(orders: usize) -> Vec<Value> {
    (0..orders).map(content).collect()
}

/// The id of an order.
pub fn order_id(number: usize) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + number as u128)
}

fn content(number: usize) -> Value {
    let items: Vec<Value> = (0..=number % 3)
        .map(|line| {
            json!({
                "product_id": format!("B{:09}", number * 3 + line),
                "title": format!("Thing number {number} of a shop, line {line}"),
                "quantity": 1 + line,
                "unit_price_minor": 1000 + number % 900,
            })
        })
        .collect();
    let total: usize = (0..=number % 3).map(|line| (1 + line) * (1000 + number % 900)).sum();
    json!({
        "id": order_id(number),
        "order_number": format!("B-{number:07}"),
        "retailer": "amazon",
        "currency": "USD",
        "items": items,
        "total_minor": total,
        "shipping_method": "cheapest",
        "is_gift": false,
        "recipient": {
            "first_name": "Ada", "last_name": "Miller", "address_line1": format!("{number} Elm Street"),
            "address_line2": "", "zip_code": "97209", "city": "Portland", "state": "OR",
            "country": "US", "phone_number": "5035550100",
        },
        "payment_intent": format!("pi_bench{number:07}"),
    })
}
