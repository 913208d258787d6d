//! Recovery: ended leases, waiting submissions, unknown outcomes.

use crate::{Error, Store};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_postgres::types::Type;
use uuid::Uuid;

/// What one turn of recovery found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Recovered {
    /// Orders whose attempt is unknown and due now.
    pub recovered: usize,
    /// Orders handed to a person.
    pub needs_review: usize,
}

/// Recovers what nobody looks after, as an engine does: with no age at all.
pub async fn recover(store: &Store, worker: &str, batch: i32) -> Result<Recovered, Error> {
    let options = json!({ "actor": format!("engine/{worker}"), "batch": batch });
    let rows = store
        .query(
            "recovery.recover",
            &store.in_schema("select {schema}.recover_stuck_orders(0, $1)"),
            &[(&options, Type::JSONB)],
        )
        .await?;
    let answer: Value = rows.first().map_or(Value::Null, |row| row.get(0));
    let count =
        |name: &str| answer[name].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    Ok(Recovered { recovered: count("recovered"), needs_review: count("needs_review") })
}

/// Touches waiting submissions, so that they do not look stuck; gives how many.
pub async fn touch_waiting(store: &Store, batch: i32) -> Result<i32, Error> {
    let rows = store
        .query(
            "recovery.touch_waiting",
            &store.in_schema("select {schema}.touch_waiting_orders($1)"),
            &[(&batch, Type::INT4)],
        )
        .await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// An attempt of which we do not know whether the provider has it.
#[derive(Debug, Clone)]
pub struct UnknownAttempt {
    /// The order.
    pub order_id: Uuid,
    /// The attempt, as the provider's notes name it.
    pub attempt_id: Uuid,
    /// When its bytes were first sent.
    pub first_sent_at: Timestamp,
    /// The database's time of this reading.
    pub read_at: Timestamp,
}

/// The unknown attempts whose orders have no request id, newest first, at most ten thousand.
pub async fn unknown_attempts(store: &Store) -> Result<Vec<UnknownAttempt>, Error> {
    let rows = store
        .query(
            "recovery.unknown_attempts",
            &crate::schema::names(store.schema())?
                .render(include_str!("../queries/unknown_attempts.sql")),
            &[],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| UnknownAttempt {
            order_id: row.get(0),
            attempt_id: row.get(1),
            first_sent_at: row.get(2),
            read_at: row.get(3),
        })
        .collect())
}

/// Records that a purchase was found at the provider; says whether anything changed.
pub async fn accept_found(
    store: &Store,
    worker: &str,
    order: Uuid,
    request_id: &str,
) -> Result<bool, Error> {
    let options = json!({ "actor": format!("engine/{worker}"), "evidence": "list" });
    let rows = store
        .query(
            "recovery.accept_found",
            &store.in_schema(
                "select {schema}.complete_order_processing($1, $2, 'submitted', 'submitted_to_zinc', $3)",
            ),
            &[(&order, Type::UUID), (&request_id, Type::TEXT), (&options, Type::JSONB)],
        )
        .await?;
    let answer: Value = rows.first().map_or(Value::Null, |row| row.get(0));
    Ok(answer["success"] == json!(true) && answer["duplicate"] == json!(false))
}
