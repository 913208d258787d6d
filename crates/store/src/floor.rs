//! The floor of the benchmark: the statements of `bench/floor.sql` on plain tables in a schema of
//! their own; those of the set-based way are prepared. Nothing of the shop is here, and no shop uses it.
//!
//! Promise: the same connections and the same one `begin` as the shop's own statements, so that a
//! difference between the two is a difference of the SQL.

use crate::transact::Param;
use crate::{Error, Store};
use serde_json::Value;
use std::sync::Arc;
use std::time::SystemTime;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

const FILE: &str = include_str!("../../../bench/floor.sql");

/// An order that is locked.
#[derive(Debug, Clone)]
pub struct Due {
    /// Its id.
    pub id: Uuid,
    /// What is bought and where it goes.
    pub content: Value,
    /// The ceiling for the provider.
    pub price_cap_minor: i64,
}

/// What is sent for one order.
#[derive(Debug, Clone)]
pub struct Intended {
    /// The order.
    pub id: Uuid,
    /// The idempotency key.
    pub key: Uuid,
    /// The exact bytes.
    pub body: Vec<u8>,
}

/// How long a run took, from its history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Times {
    /// Orders that went the whole way.
    pub orders: i64,
    /// From the first claim to the last record.
    pub seconds: f64,
    /// From claim to record, the median.
    pub p50_ms: f64,
    /// From claim to record, exceeded by one order of a hundred.
    pub p99_ms: f64,
}

impl Times {
    pub(crate) fn of(rows: &[Row]) -> Self {
        let number = |at: usize| {
            rows.first().and_then(|row| row.get::<_, Option<f64>>(at)).unwrap_or_default()
        };
        Self {
            orders: rows.first().map_or(0, |row| row.get(0)),
            seconds: number(1),
            p50_ms: number(2),
            p99_ms: number(3),
        }
    }
}

/// A statement of the file.
fn part(name: &str) -> &'static str {
    FILE.split("-- name: ")
        .find_map(|part| part.strip_prefix(name)?.strip_prefix('\n'))
        .unwrap_or_default()
}

/// Makes the tables in an empty database.
pub async fn make_tables(admin: &Store) -> Result<(), Error> {
    admin
        .transact("floor.tables", |tx| Box::pin(async move { tx.execute(part("tables")).await }))
        .await
}

/// Places orders.
pub async fn seed(store: &Store, contents: &[Value]) -> Result<(), Error> {
    store.prepared("floor.seed", part("seed"), &[&contents]).await.map(drop)
}

/// Lets drivers claim.
pub async fn open(store: &Store) -> Result<(), Error> {
    store.prepared("floor.open", part("open"), &[&true]).await.map(drop)
}

/// Makes the intent of an order; pure.
pub type Plan = Arc<dyn Fn(&Due) -> Intended + Send + Sync>;

/// Claims what is due: lock, plan, key and bytes in one transaction.
pub async fn claim(store: &Store, batch_max: usize, plan: Plan) -> Result<Vec<Intended>, Error> {
    let batch_max = i64::try_from(batch_max).unwrap_or(i64::MAX);
    store
        .transact("floor.claim", move |tx| {
            let plan = Arc::clone(&plan);
            Box::pin(async move {
                let rows = tx.prepared(part("lock"), &[&batch_max]).await?;
                let due = rows.iter().map(|row| Due {
                    id: row.get(0),
                    content: row.get(1),
                    price_cap_minor: row.get(2),
                });
                let intended: Vec<_> = due.map(|due| plan(&due)).collect();
                if intended.is_empty() {
                    return Ok(intended);
                }
                let ids: Vec<_> = intended.iter().map(|one| one.id).collect();
                let keys: Vec<_> = intended.iter().map(|one| one.key.to_string()).collect();
                let bodies: Vec<_> = intended.iter().map(|one| one.body.as_slice()).collect();
                tx.prepared(part("claim"), &[&ids, &keys, &bodies]).await?;
                Ok(intended)
            })
        })
        .await
}

/// Records what the provider accepted.
pub async fn record(store: &Store, accepted: &[(Uuid, String)]) -> Result<(), Error> {
    let ids: Vec<_> = accepted.iter().map(|(id, _)| *id).collect();
    let request_ids: Vec<_> = accepted.iter().map(|(_, request_id)| request_id.as_str()).collect();
    store.prepared("floor.record", part("record"), &[&ids, &request_ids]).await.map(drop)
}

/// The bare guarded update and insert for one order as a client writes them, two statements in a
/// transaction; nothing is written unless the order was still being submitted.
pub async fn record_in_two(store: &Store, id: Uuid, request_id: &str) -> Result<(), Error> {
    let request_id = request_id.to_owned();
    store
        .transact("floor.record_in_two", move |tx| {
            let request_id = request_id.clone();
            Box::pin(async move {
                let moved: [Param<'_>; 2] = [(&id, Type::UUID), (&request_id, Type::TEXT)];
                let rows = tx.query(part("record_update"), &moved).await?;
                let Some(row) = rows.first() else { return Ok(()) };
                let (version, at): (i64, SystemTime) = (row.get(0), row.get(1));
                let told: [Param<'_>; 3] =
                    [(&id, Type::UUID), (&version, Type::INT8), (&at, Type::TIMESTAMPTZ)];
                tx.query(part("record_insert"), &told).await.map(drop)
            })
        })
        .await
}

/// The same in one statement, the best that can be written; unnamed as the shop's own statements.
pub async fn record_one(store: &Store, id: Uuid, request_id: &str) -> Result<(), Error> {
    let params: [Param<'_>; 2] = [(&id, Type::UUID), (&request_id, Type::TEXT)];
    store.query("floor.record_one", part("record_one"), &params).await.map(drop)
}

/// Stores a message with a bare insert; unnamed as the shop's own statements.
pub async fn message(store: &Store, event_id: &str, body: &[u8]) -> Result<(), Error> {
    let params: [Param<'_>; 2] = [(&event_id, Type::TEXT), (&body, Type::BYTEA)];
    store.query("floor.message", part("message"), &params).await.map(drop)
}

/// Messages that are stored.
pub async fn messages(store: &Store) -> Result<i64, Error> {
    let rows = store.prepared("floor.messages", part("messages"), &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// Orders that have not gone the whole way.
pub async fn open_orders(store: &Store) -> Result<i64, Error> {
    let rows = store.prepared("floor.open_orders", part("open_orders"), &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// How long the run took.
pub async fn times(store: &Store) -> Result<Times, Error> {
    Ok(Times::of(&store.prepared("floor.times", part("times"), &[]).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_of_the_floor_is_found_under_its_name() {
        for name in [
            "tables",
            "seed",
            "open",
            "lock",
            "claim",
            "record",
            "record_one",
            "record_update",
            "record_insert",
            "message",
            "messages",
            "open_orders",
            "times",
        ] {
            assert!(part(name).len() > 20, "{name}");
            assert!(!part(name).contains("-- name"), "{name}");
        }
        assert_eq!(part("nonsense"), "");
    }
}
