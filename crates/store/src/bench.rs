//! What the benchmark asks of a shop's database: seeding through the doors, and reading meters.
//!
//! Promise: orders are made by `place_order` and paid by `record_payments`, so that what is measured
//! afterwards stands behind every guard.

use crate::floor::Times;
use crate::transact::Param;
use crate::{Error, Store, schema};
use serde_json::Value;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// The most orders of one statement of the seeding.
const BATCH: usize = 500;

/// Meters of a database server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meters {
    /// Bytes of the write-ahead log since ever.
    pub wal_bytes: i64,
    /// Transactions that wrote something since ever.
    pub commits: i64,
}

/// Makes an empty database beside the one that `admin` is connected to.
pub async fn make_database(admin: &Store, name: &str) -> Result<(), Error> {
    admin.query("bench.make_database", &format!("create database \"{name}\""), &[]).await.map(drop)
}

/// Removes it.
pub async fn drop_database(admin: &Store, name: &str) -> Result<(), Error> {
    let sql = format!("drop database \"{name}\" with (force)");
    admin.query("bench.drop_database", &sql, &[]).await.map(drop)
}

/// Writes out what the server has in memory, so that every run begins alike.
pub async fn checkpoint(admin: &Store) -> Result<(), Error> {
    admin.query("bench.checkpoint", "checkpoint", &[]).await.map(drop)
}

/// Gives the planner its numbers, as autovacuum would have done in time.
pub async fn analyze(admin: &Store) -> Result<(), Error> {
    admin.query("bench.analyze", "vacuum (analyze)", &[]).await.map(drop)
}

/// Reads the meters.
pub async fn meters(admin: &Store) -> Result<Meters, Error> {
    // Reading gives out no transaction number itself.
    let sql = "select (pg_current_wal_insert_lsn() - '0/0')::int8,
                      pg_snapshot_xmax(pg_current_snapshot())::text::int8";
    let rows = admin.query("bench.meters", sql, &[]).await?;
    let number = |at: usize| rows.first().map_or(0, |row| row.get(at));
    Ok(Meters { wal_bytes: number(0), commits: number(1) })
}

/// Places the orders.
pub async fn place(store: &Store, contents: &[Value]) -> Result<(), Error> {
    let sql = store.in_schema(
        "select count({schema}.place_order(c.content - 'id',
                  jsonb_build_object('actor', 'bench', 'order_id', c.content ->> 'id')))
           from unnest($1) as c (content)",
    );
    for some in contents.chunks(BATCH) {
        store.query("bench.place", &sql, &[(&some, Type::JSONB_ARRAY)]).await?;
    }
    Ok(())
}

/// Pays all orders that wait for it; gives how many.
pub async fn pay(store: &Store) -> Result<i64, Error> {
    let sql = schema::names(store.schema())?.render(include_str!("../queries/bench_pay.sql"));
    let batch = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let mut all = 0;
    loop {
        let rows = store.query("bench.pay", &sql, &[(&batch, Type::INT8)]).await?;
        let paid: i64 = rows.first().map_or(0, |row| row.get(0));
        all += paid;
        if paid == 0 {
            return Ok(all);
        }
    }
}

/// Takes back the pause of a provider's account: engines go on at their next look.
pub async fn end_pause(admin: &Store, provider: &str) -> Result<(), Error> {
    let sql = admin
        .in_schema("update {schema}.provider_accounts set paused_until = null where provider = $1");
    admin.query("bench.end_pause", &sql, &[(&provider, Type::TEXT)]).await.map(drop)
}

/// How many engines have begun to work.
pub async fn engines(store: &Store) -> Result<i64, Error> {
    let sql = store.in_schema("select count(*) from {schema}.workers where stopped_at is null");
    let rows = store.query("bench.engines", &sql, &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// Orders that are on their way to the provider or wait for it.
pub async fn open_orders(store: &Store) -> Result<i64, Error> {
    let sql = store.in_schema(
        "select count(*) from {schema}.orders
          where status in ('pending', 'submitting') and hold_reason is null",
    );
    let rows = store.query("bench.open_orders", &sql, &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// Messages of Stripe that are stored and not yet followed up, each about a payment of its own that is
/// to be read before anything is bought with it.
pub async fn messages(store: &Store) -> Result<i64, Error> {
    let sql = store.in_schema(
        "select count(distinct i.payment_intent)
           from {schema}.inbox as i
           join {schema}.payments as p on p.payment_intent = i.payment_intent
          where i.state = 'new' and p.stale_since is not null",
    );
    let rows = store.query("bench.messages", &sql, &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// How long the run took.
pub async fn times(store: &Store) -> Result<Times, Error> {
    let sql = schema::names(store.schema())?.render(include_str!("../queries/bench_times.sql"));
    Ok(Times::of(&store.query("bench.times", &sql, &[]).await?))
}

/// One call of the public door, unnamed as all statements of the shop (ruling 32).
pub async fn complete_one(store: &Store, order: Uuid, request_id: &str) -> Result<bool, Error> {
    let sql = store
        .in_schema("select ({schema}.complete_order_processing($1, $2) ->> 'success')::boolean");
    let params: [Param<'_>; 2] = [(&order, Type::UUID), (&request_id, Type::TEXT)];
    let rows = store.query("bench.complete_one", &sql, &params).await?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}
