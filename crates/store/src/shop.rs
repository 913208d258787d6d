//! The shop as a whole: whether its database can be trusted, or went back in time. // G22
//!
//! Promise: what is not known to be the latest is compared with the partners before anything is bought
//! from it; the database decides that, whoever asks.

use crate::{Error, Store};
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::types::Type;

/// What the database says of an engine and of the shop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// How often this worker has beaten, as the database knows; the engine remembers it.
    pub beats: i64,
    /// Why the shop is held, if it is.
    pub held: Option<String>,
    /// What the database's clock showed, in milliseconds since 1970; nothing where it did not say.
    pub at_ms: Option<i64>,
}

impl Standing {
    fn of(answer: &Value) -> Self {
        Self {
            beats: answer["beats"].as_i64().unwrap_or(0),
            held: answer["held"].as_str().map(str::to_owned),
            at_ms: answer["at_ms"].as_i64(),
        }
    }
}

/// Asks whether an engine may trust this database, before it claims anything.
pub async fn begin_work(store: &Store, worker: &str) -> Result<Standing, Error> {
    let sql = store.in_schema("select {schema}.begin_work($1, $2)");
    let params = [(&worker as _, Type::TEXT), (&crate::schema::RELEASE as _, Type::TEXT)];
    let rows = store.query("shop.begin_work", &sql, &params).await?;
    Ok(rows.first().map_or_else(Standing::default, |row| Standing::of(&row.get(0))))
}

/// Says that a worker is alive, or that it stopped in order; `beats_seen` is what it remembers.
pub async fn beat(
    store: &Store,
    worker: &str,
    stopping: bool,
    beats_seen: i64,
) -> Result<Standing, Error> {
    let sql = store.in_schema("select {schema}.beat_worker($1, $2, $3, $4)");
    let params = [
        (&worker as _, Type::TEXT),
        (&crate::schema::RELEASE as _, Type::TEXT),
        (&stopping as _, Type::BOOL),
        (&beats_seen as _, Type::INT8),
    ];
    let rows = store.query("shop.beat", &sql, &params).await?;
    Ok(rows.first().map_or_else(Standing::default, |row| Standing::of(&row.get(0))))
}

/// Since when the database may have forgotten what was done; nothing while it is trusted.
pub async fn forgotten_from(store: &Store) -> Result<Option<Timestamp>, Error> {
    let sql = store.in_schema("select forgotten_from from {schema}.shop");
    let rows = store.query("shop.forgotten_from", &sql, &[]).await?;
    Ok(rows.first().and_then(|row| row.get(0)))
}

/// Says what a comparison of the books has read to its end; whether the shop is held now.
pub async fn note_compared(
    store: &Store,
    worker: &str,
    run_at: Timestamp,
    since: Timestamp,
    read: &[&str],
) -> Result<bool, Error> {
    let sql = store.in_schema("select {schema}.note_shop_compared($1, $2, $3, $4)");
    let params = [
        (&worker as _, Type::TEXT),
        (&run_at as _, Type::TIMESTAMPTZ),
        (&since as _, Type::TIMESTAMPTZ),
        (&read as _, Type::TEXT_ARRAY),
    ];
    let rows = store.query("shop.note_compared", &sql, &params).await?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}
