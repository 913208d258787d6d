//! Connections, the one `begin` of the system, and the retries of what the database rolled back.
//!
//! Promise: a transaction runs on a task of its own that owns its connection, so that a caller who
//! is dropped (a browser's *stop* button is enough) leaves nothing open: the task finishes or rolls
//! back by itself. A worker that is frozen in the middle loses its transaction to the server's own
//! limits, which begin with it. Every statement is unnamed and sent in one flight, so that it runs
//! through a pooler in transaction mode. // G17, G18, G19, G20

use crate::{Error, tls};
use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, QueueMode, RecyclingMethod, Timeouts,
};
use futures_util::FutureExt as _;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Config, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How often a whole transaction is tried when the database rolls it back for passing reasons.
const TRIES_MAX: u32 = 8;
/// The longest pause between two tries; the pause is drawn below `2^try` milliseconds times five.
const PAUSE_MS_MAX: u64 = 500;

/// The SQLSTATE of a statement that the server stopped.
const CANCELED: &str = "57014";

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The most connections at once.
    pub connections_max: usize,
    /// The schema of the shop.
    pub schema: String,
    /// The limit of one transaction, or of one statement outside of any. The server is told to stop
    /// a single statement of a transaction after half of it.
    pub statement_timeout: Duration,
    /// How long the server lets a transaction stand open while its client is silent.
    pub silence_max: Duration,
    /// The limit for getting a connection.
    pub wait: Duration,
    /// Seed of the pauses between tries.
    pub seed: u64,
    /// Certificates (PEM) that the server's may be signed by, beside the well-known ones.
    pub database_ca: Option<String>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            connections_max: 16,
            schema: "public".into(),
            statement_timeout: Duration::from_secs(10),
            silence_max: Duration::from_secs(10),
            wait: Duration::from_secs(5),
            seed: 0,
            database_ca: None,
        }
    }
}

/// The database of one shop.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    schema: Arc<str>,
    statement_timeout: Duration,
    silence_max: Duration,
    begin: Arc<str>,
    chance: Arc<AtomicU64>,
    connector: MakeRustlsConnect,
}

/// A parameter with its type: unnamed statements state their types instead of asking the server.
pub type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// What a transaction's body returns.
pub type Body<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

impl Store {
    /// Prepares a pool; nothing is connected yet.
    pub fn new(address: &str, options: &StoreOptions) -> Result<Self, Error> {
        let mut config: Config = address.parse().map_err(|_| Error::Address)?;
        config.connect_timeout(Duration::from_secs(3)).application_name("atomic-orders");
        tls::decide(&mut config);
        let connector = tls::connector(options.database_ca.as_deref())?;
        let manager = Manager::from_config(
            config,
            connector.clone(),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let timeouts = Timeouts {
            wait: Some(options.wait),
            create: Some(options.wait),
            recycle: Some(options.wait),
        };
        let pool = Pool::builder(manager)
            .max_size(options.connections_max)
            // The one that was used last has its plans in the server's caches.
            .queue_mode(QueueMode::Lifo)
            .timeouts(timeouts)
            .runtime(deadpool_postgres::Runtime::Tokio1)
            .build()
            .map_err(|_| Error::Address)?;
        Ok(Self {
            pool,
            schema: options.schema.as_str().into(),
            statement_timeout: options.statement_timeout,
            silence_max: options.silence_max,
            begin: begin(options.statement_timeout, options.silence_max).into(),
            chance: Arc::new(AtomicU64::new(options.seed)),
            connector,
        })
    }

    /// The same connections, for work that may take longer than everyday's: with this limit of one
    /// transaction.
    #[must_use]
    pub fn with_limit(&self, limit: Duration) -> Self {
        let begin = begin(limit, self.silence_max).into();
        Self { statement_timeout: limit, begin, ..self.clone() }
    }

    /// The schema of the shop.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Puts the schema's name into a statement that says `{schema}`.
    pub fn in_schema(&self, sql: &str) -> String {
        sql.replace("{schema}", &self.schema)
    }

    /// Runs one statement, which is its own transaction, and tries again what the database rolled
    /// back for passing reasons. A statement whose connection broke is *not* repeated: it may have
    /// taken effect, and the caller knows how to read that back.
    pub async fn query(
        &self,
        what: &'static str,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Error> {
        let mut tries = 0;
        loop {
            let outcome = self.query_once(what, sql, params).await;
            tries += 1;
            match outcome {
                Err(error) if error.is_transient() && tries < TRIES_MAX => self.pause(tries).await,
                outcome => return outcome,
            }
        }
    }

    /// Runs one statement that is prepared once per connection. For the benchmark, whose connections
    /// are direct: the shop's own statements go through poolers and are unnamed (ruling 32).
    pub(crate) async fn prepared(
        &self,
        what: &'static str,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let connection = self.connection(what).await?;
        prepared(&connection, what, sql, params).await
    }

    /// Runs one statement once, whatever becomes of it: for callers who know better than to wait
    /// again for what is locked.
    pub(crate) async fn query_once(
        &self,
        what: &'static str,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Error> {
        let connection = self.connection(what).await?;
        let answer =
            tokio::time::timeout(self.statement_timeout, connection.query_typed(sql, params)).await;
        match answer {
            Ok(rows) => rows.map_err(|error| Error::of(what, error)),
            Err(_) => Err(self.abandon(connection, what)),
        }
    }

    /// Runs a transaction: the only `begin` of the system. The body may run several times and must
    /// touch nothing but the database.
    pub async fn transact<T, F>(&self, what: &'static str, body: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'a> Fn(&'a Transaction) -> Body<'a, T> + Send + Sync + 'static,
    {
        let store = self.clone();
        // A task of its own: dropping the caller must not drop a half-sent `begin`.
        let task = tokio::spawn(async move {
            let mut tries = 0;
            loop {
                let outcome = store.transact_once(what, &body).await;
                tries += 1;
                match outcome {
                    Err(error) if error.is_transient() && tries < TRIES_MAX => {
                        store.pause(tries).await;
                    }
                    outcome => return outcome,
                }
            }
        });
        task.await.map_err(|error| Error::Unreachable { what, reason: error.to_string() })?
    }

    async fn transact_once<T, F>(&self, what: &'static str, body: &F) -> Result<T, Error>
    where
        F: for<'a> Fn(&'a Transaction) -> Body<'a, T>,
    {
        let connection = self.connection(what).await?;
        let transaction = Transaction { connection, what, failed: AtomicBool::new(false) };
        let run = AssertUnwindSafe(transaction.run(&self.begin, body)).catch_unwind();
        match tokio::time::timeout(self.statement_timeout, run).await {
            Ok(Ok(outcome)) => outcome,
            // Neither committed nor rolled back: this connection must not reach another borrower.
            Ok(Err(_)) => {
                let _ = self.abandon(transaction.connection, what);
                Err(Error::Inconsistent { what, reason: "the transaction's body panicked".into() })
            }
            Err(_) => Err(self.abandon(transaction.connection, what)),
        }
    }

    /// One connection, for what must not be a transaction (the installer's notices, `doctor`).
    pub(crate) async fn connection(&self, what: &'static str) -> Result<Object, Error> {
        self.pool.get().await.map_err(|error| Error::Unreachable { what, reason: reason(&error) })
    }

    /// Closes a connection in the middle of something: the statement is cancelled, the server rolls
    /// back when it notices, and the next borrower gets a fresh one. What was under way may have taken
    /// effect.
    fn abandon(&self, connection: Object, what: &'static str) -> Error {
        let cancel = connection.cancel_token();
        let connector = self.connector.clone();
        tokio::spawn(async move { cancel.cancel_query(connector).await });
        drop(Object::take(connection));
        Error::TimedOut { what }
    }

    /// Waits a random while below a limit that doubles with each try ("full jitter").
    async fn pause(&self, tries: u32) {
        let limit = (5 << tries.min(10)).min(PAUSE_MS_MAX);
        let drawn = splitmix(self.chance.fetch_add(1, Ordering::Relaxed)) % limit;
        tokio::time::sleep(Duration::from_millis(drawn)).await;
    }
}

/// `begin` with the server's own limits, in one message: the limits of this side mean nothing when this
/// process is frozen, and its locks would hide the orders from every other worker for as long. They
/// hold for the transaction only, so that a pooler may give the session to anybody afterwards. // G17
///
/// The last limit, of the whole transaction, covers a client that is frozen while it writes a
/// statement, which for the server is no silence; PostgreSQL has it from 17 on. Before that such a
/// transaction ends with the frozen process only.
///
/// Nothing is compiled: the statements are short, and a session's first compilation takes longer than they.
fn begin(statement_timeout: Duration, silence_max: Duration) -> String {
    let ms = |limit: Duration| limit.as_millis().clamp(1, i32::MAX.unsigned_abs().into());
    let (silence, statement) = (ms(silence_max), ms(statement_timeout / 2));
    let whole = ms(statement_timeout.saturating_add(silence_max));
    format!(
        "begin; select pg_catalog.set_config('idle_in_transaction_session_timeout', '{silence}', true),
                pg_catalog.set_config('statement_timeout', '{statement}', true),
                pg_catalog.set_config('jit', 'off', true),
                case when pg_catalog.current_setting('server_version_num')::int >= 170000
                     then pg_catalog.set_config('transaction_timeout', '{whole}', true) end"
    )
}

/// An open transaction, for its body.
pub struct Transaction {
    connection: Object,
    what: &'static str,
    failed: AtomicBool,
}

impl Transaction {
    /// Runs one statement.
    pub async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        self.connection.query_typed(sql, params).await.map_err(|error| self.fail(error))
    }

    /// Runs one prepared statement, see [`Store::prepared`].
    pub(crate) async fn prepared(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let rows = prepared(&self.connection, self.what, sql, params).await;
        self.failed.fetch_or(rows.is_err(), Ordering::Relaxed);
        rows
    }

    /// Runs statements without parameters.
    pub async fn execute(&self, sql: &str) -> Result<(), Error> {
        self.connection.batch_execute(sql).await.map_err(|error| self.fail(error))
    }

    fn fail(&self, error: tokio_postgres::Error) -> Error {
        self.failed.store(true, Ordering::Relaxed);
        match Error::of(self.what, error) {
            // Stopped by the server instead of by us: the same to whoever waits.
            error if error.sqlstate() == Some(CANCELED) => Error::TimedOut { what: self.what },
            error => error,
        }
    }

    async fn run<T, F>(&self, begin: &str, body: &F) -> Result<T, Error>
    where
        F: for<'a> Fn(&'a Self) -> Body<'a, T>,
    {
        self.execute(begin).await?;
        let outcome = match body(self).await {
            // PostgreSQL answers COMMIT of a failed transaction with a rollback and no error.
            Ok(_) if self.failed.load(Ordering::Relaxed) => Err(Error::Inconsistent {
                what: self.what,
                reason: "a statement failed and the transaction's body went on".into(),
            }),
            Ok(value) => return self.execute("commit").await.map(|()| value),
            Err(error) => Err(error),
        };
        // The cause is what the caller must see; a rollback fails only with the connection.
        let _ = self.execute("rollback").await;
        outcome
    }
}

/// Why there is no connection: the innermost cause, which is what people can act on ("Connection
/// refused", "database … does not exist"). None of them repeats the address.
fn reason(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Runs a statement that this connection prepares at its first use.
async fn prepared(
    connection: &Object,
    what: &'static str,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Error> {
    let statement = connection.prepare_cached(sql).await.map_err(|error| Error::of(what, error))?;
    connection.query(&statement, params).await.map_err(|error| Error::of(what, error))
}

/// A small generator (SplitMix64): good enough to spread pauses, seeded by the caller.
fn splitmix(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
