//! A shop in a database of its own, and a terminal in front of it.

use orders_embedded::testing::shared_cluster;
use orders_store::{Store, StoreOptions, schema};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;
use tokio::process::Command;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A number that no other test of this program has.
pub fn number() -> u32 {
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// A shop and a folder for files.
pub struct Desk {
    pub database: String,
    pub admin: Store,
    pub folder: TempDir,
}

/// What a command said at its end.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Its output as one JSON document.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Demands an exit code.
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }
}

fn store(database: &str, role: &str) -> Store {
    let address = shared_cluster().connection_string(database, role);
    Store::new(&address, &StoreOptions::default()).unwrap()
}

/// The program, untouched by the environment of whoever runs the tests.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atomic-orders"));
    for name in [
        "DATABASE_URL",
        "MIGRATE_DATABASE_URL",
        "ORDERS_SCHEMA",
        "ORDERS_DATA_DIR",
        "ORDERS_POSTGRES",
        "ORDERS_LISTEN",
        "ORDERS_JWT_SECRET",
        "ORDERS_DATABASE_CA",
        "ORDERS_IN_FLIGHT",
        "ORDERS_CALL_MS",
        "ORDERS_LEASE_MS",
        "ORDERS_WORKER",
        "ZINC_TOKEN",
        "ZINC_SAME_ACCOUNT",
        "ZINC_URL",
        "STRIPE_KEY",
        "STRIPE_URL",
        "STRIPE_ACCOUNT",
        "STRIPE_WEBHOOK_SECRET",
        "STRIPE_WEBHOOK_TOLERANCE_S",
        "RUST_LOG",
        "SUDO_USER",
    ] {
        command.env_remove(name);
    }
    command.env("USER", "ada").stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a command to its end.
pub async fn run(mut command: Command) -> Said {
    let output = command.output().await.unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Desk {
    /// A shop in a database of its own.
    pub async fn fresh() -> Self {
        let desk = Self::without_shop().await;
        schema::install(&desk.admin).await.unwrap();
        desk
    }

    /// A database of its own without a shop.
    pub async fn without_shop() -> Self {
        let database = format!("cli{}_{}", std::process::id(), number());
        let maintenance = store("postgres", "postgres");
        maintenance.query("test", &format!("create database {database}"), &[]).await.unwrap();
        let admin = store(&database, "postgres");
        Self { database, admin, folder: tempfile::tempdir().unwrap() }
    }

    /// The program, connected as a role.
    pub fn program_as(&self, role: &str) -> Command {
        let mut command = program();
        command.env("DATABASE_URL", shared_cluster().connection_string(&self.database, role));
        command
    }

    /// Types a command as the application.
    pub async fn types(&self, args: &[&str]) -> Said {
        let mut command = self.program_as("public_orders_app");
        command.args(args);
        run(command).await
    }

    /// Writes a file and gives its path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs a statement as the superuser.
    pub async fn sql(&self, sql: &str) {
        self.admin.query("test", sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    /// One value as text, as the superuser.
    pub async fn text(&self, sql: &str) -> String {
        let rows = self.admin.query("test", &format!("select ({sql})::text"), &[]).await.unwrap();
        rows[0].get::<_, Option<String>>(0).unwrap_or_default()
    }

    /// Statements as the superuser with every trigger off: what no wall can stop.
    pub async fn by_force(&self, sql: &'static str) {
        let run = self.admin.transact("test", move |tx| {
            Box::pin(async move {
                tx.execute("set local session_replication_role = replica").await?;
                tx.execute(sql).await
            })
        });
        run.await.unwrap();
    }

    /// Places an order through `import` and gives its id.
    pub async fn placed(&self, number: &str) -> String {
        let path = self.file("one.jsonl", &order(number).to_string());
        self.types(&["import", text(&path), "--format", "jsonl"]).await.ends(0);
        self.id(number).await
    }

    /// The id of an order.
    pub async fn id(&self, number: &str) -> String {
        let shown = self.types(&["orders", "show", number, "--json"]).await.ends(0);
        shown.json()["id"].as_str().unwrap().to_owned()
    }

    /// An order that is paid, as the payment loop would have found it.
    pub async fn paid(&self, number: &str) -> String {
        let id = self.placed(number).await;
        let intent = format!("pi_{}", id.replace('-', ""));
        self.sql(&format!("select attach_payment('{id}', '{intent}')")).await;
        let facts = json!([{
            "payment_intent": intent, "order_id": id, "named_order": id, "status": "succeeded",
            "received_minor": 1530, "capturable_minor": 0, "refunded_minor": 0, "currency": "GBP",
            "livemode": false, "in_review": false, "warned": false,
        }]);
        self.sql(&format!("select * from record_payments('t', false, '{facts}')")).await;
        id
    }

    /// An order whose submission has begun, with a lease of that length.
    pub async fn submitting(&self, number: &str, lease_ms: u32) -> String {
        let id = self.paid(number).await;
        self.sql(&format!(
            "select c.* from lock_due_orders('zinc_v1', 1, '{id}') as o cross join lateral
               commit_intents('zinc_v1', 't', gen_random_uuid(), {lease_ms}, {lease_ms} / 2, 82800000,
                 array[o.id], array[o.version], array[1], array[gen_random_uuid()],
                 array[gen_random_uuid()::text], array['{{}}'::bytea], array[sha256('{{}}')]) as c"
        ))
        .await;
        id
    }
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A good order.
pub fn order(number: &str) -> Value {
    json!({
        "order_number": number, "retailer": "amazon_uk", "currency": "GBP", "total_minor": 1530,
        "items": [{"product_id": "85123A", "title": "lantern", "quantity": 6, "unit_price_minor": 255}],
        "recipient": {"first_name": "Ada", "last_name": "Miller", "address_line1": "12 Elm Street",
            "zip_code": "SW1A 1AA", "city": "London", "state": "Greater London", "country": "GB",
            "phone_number": "+442079460000"}
    })
}

/// Several good orders as JSON lines.
pub fn lines(numbers: &[&str]) -> String {
    numbers.iter().map(|number| order(number).to_string() + "\n").collect()
}
