//! Movements of money: which are due, committing a call of one before its first byte, recording what
//! became of it; and intending those that nobody asks for. // C6, G28
//!
//! Promise: each function here is one call of a database function; what is leased, committed and
//! recorded stands behind one fence, the token.

use crate::{Error, Store};
use orders_core::money_move::{Due, Kind, Record, State, Why};
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// A movement of money that an engine holds for a while.
#[derive(Debug, Clone)]
pub struct Leased {
    /// Our id of it.
    pub id: Uuid,
    /// The order that it belongs to.
    pub order_id: Uuid,
    /// The payment of which money is moved.
    pub payment_intent: String,
    /// Why it was intended.
    pub cause: String,
    /// Where its bytes are sent, once they are made.
    pub target: Option<String>,
    /// Its exact bytes, once they are made.
    pub body: Option<Vec<u8>>,
    /// What decides about it.
    pub due: Due,
}

/// Leases movements that are due, at most so many.
pub async fn lease(
    store: &Store,
    worker: &str,
    token: Uuid,
    lease: Duration,
    batch_max: usize,
    beats_seen: i64,
) -> Result<Vec<Leased>, Error> {
    let lease_ms = i32::try_from(lease.as_millis()).unwrap_or(i32::MAX);
    let batch_max = i32::try_from(batch_max).unwrap_or(i32::MAX);
    let rows = store
        .query_once(
            "moves.lease",
            &store.in_schema("select * from {schema}.lease_moves($1, $2, $3, $4, $5)"),
            &[
                (&worker, Type::TEXT),
                (&token, Type::UUID),
                (&lease_ms, Type::INT4),
                (&batch_max, Type::INT4),
                (&beats_seen, Type::INT8),
            ],
        )
        .await?;
    rows.iter().map(leased).collect()
}

fn leased(row: &Row) -> Result<Leased, Error> {
    let odd = |what: &str| Error::Inconsistent {
        what: "moves.lease",
        reason: format!("the program does not know the {what} of a movement of money"),
    };
    let id: Uuid = row.get("id");
    let (calls, keys): (i32, i32) = (row.get("calls"), row.get("key_number"));
    Ok(Leased {
        id,
        order_id: row.get("order_id"),
        payment_intent: row.get("payment_intent"),
        cause: row.get("cause"),
        target: row.get("target"),
        body: row.get("body"),
        due: Due {
            id: id.to_string(),
            kind: Kind::parse(row.get("kind")).ok_or_else(|| odd("kind"))?,
            amount_minor: row.get("amount_minor"),
            state: State::parse(row.get("state")).ok_or_else(|| odd("state"))?,
            calls: calls.unsigned_abs(),
            keys: keys.unsigned_abs(),
            key_dead: row.get("key_dead"),
            call_over: row.get("call_over"),
            why: match row.get("cause") {
                "unpaid_too_long" => Why::Unpaid,
                _ => Why::Other,
            },
            wanted: row.get("wanted"),
            stripe_id: row.get("stripe_id"),
            code: row.get("code"),
        },
    })
}

/// A call that is to be made.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The fence.
    pub token: Uuid,
    /// Which movement.
    pub id: Uuid,
    /// Where it is sent, if its bytes were not made before.
    pub target: &'a str,
    /// What is sent, if it was not made before.
    pub body: &'a [u8],
    /// Whether under the next key.
    pub renew: bool,
    /// How long it may take.
    pub call: Duration,
    /// How long a key lives.
    pub key_life: Duration,
}

/// A call that is committed: exactly this is sent.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Under which key.
    pub key: String,
    /// Where.
    pub target: String,
    /// What.
    pub body: Vec<u8>,
}

/// Commits a call; nothing when it may not be made, and then not a byte may be sent. // G3
pub async fn commit(store: &Store, call: &Call<'_>) -> Result<Option<Committed>, Error> {
    let call_ms = i32::try_from(call.call.as_millis()).unwrap_or(i32::MAX);
    let key_life_ms = i64::try_from(call.key_life.as_millis()).unwrap_or(i64::MAX);
    let rows = store
        .query_once(
            "moves.commit",
            &store.in_schema("select * from {schema}.commit_move($1, $2, $3, $4, $5, $6, $7)"),
            &[
                (&call.token, Type::UUID),
                (&call.id, Type::UUID),
                (&call.target, Type::TEXT),
                (&call.body, Type::BYTEA),
                (&call.renew, Type::BOOL),
                (&call_ms, Type::INT4),
                (&key_life_ms, Type::INT8),
            ],
        )
        .await?;
    Ok(rows.first().map(|row| Committed {
        key: row.get("key"),
        target: row.get("target"),
        body: row.get("body"),
    }))
}

/// Records what became of a movement. Whether it stands: behind a lost lease nothing changes. // G13
pub async fn record(
    store: &Store,
    worker: &str,
    token: Uuid,
    id: Uuid,
    record: &Record,
) -> Result<bool, Error> {
    let delay_ms = i64::try_from(record.delay.as_millis()).unwrap_or(i64::MAX);
    let rows = store
        .query_once(
            "moves.record",
            &store.in_schema("select {schema}.record_move($1, $2, $3, $4, $5, $6, $7, $8)"),
            &[
                (&worker, Type::TEXT),
                (&token, Type::UUID),
                (&id, Type::UUID),
                (&record.state.name(), Type::TEXT),
                (&record.code, Type::TEXT),
                (&record.stripe_id, Type::TEXT),
                (&record.stripe_status, Type::TEXT),
                (&delay_ms, Type::INT8),
            ],
        )
        .await?;
    Ok(rows.first().is_some_and(|row| row.get::<_, &str>(0) == "recorded"))
}

/// Intends the captures that follow a purchase, and tells of reserved money that is about to lapse;
/// gives how many were intended. // G29
pub async fn plan_captures(store: &Store, worker: &str, batch_max: usize) -> Result<usize, Error> {
    sweep(store, "moves.plan_captures", "plan_captures", worker, batch_max).await
}

/// Has unpaid orders end that are old enough, their PaymentIntents first; gives how many it took. // B10
pub async fn expire_unpaid(store: &Store, worker: &str, batch_max: usize) -> Result<usize, Error> {
    sweep(store, "moves.expire_unpaid", "expire_unpaid", worker, batch_max).await
}

async fn sweep(
    store: &Store,
    what: &'static str,
    door: &str,
    worker: &str,
    batch_max: usize,
) -> Result<usize, Error> {
    let batch_max = i32::try_from(batch_max).unwrap_or(i32::MAX);
    let rows = store
        .query_once(
            what,
            &store.in_schema(&format!("select {{schema}}.{door}($1, $2)")),
            &[(&worker, Type::TEXT), (&batch_max, Type::INT4)],
        )
        .await?;
    let taken: i32 = rows.first().map_or(0, |row| row.get(0));
    Ok(usize::try_from(taken).unwrap_or(0))
}
