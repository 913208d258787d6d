//! Placing orders and saying what pays for them.

use crate::{Error, Store};
use orders_core::order::NewOrder;
use serde_json::{Value, json};
use tokio_postgres::types::Type;
use uuid::Uuid;

/// What became of placing an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placed {
    /// It stands now.
    New(Uuid),
    /// The same order stood already.
    Duplicate(Uuid),
    /// The number stands with other content; nothing was changed.
    Conflict(String),
}

/// Places an order; the same number with the same content changes nothing.
pub async fn place(store: &Store, order: &NewOrder, actor: &str) -> Result<Placed, Error> {
    let content = serde_json::to_value(order)
        .map_err(|error| Error::Inconsistent { what: "orders.place", reason: error.to_string() })?;
    let rows = store
        .query(
            "orders.place",
            &store.in_schema("select {schema}.place_order($1, $2)"),
            &[(&content, Type::JSONB), (&json!({ "actor": actor }), Type::JSONB)],
        )
        .await?;
    let answer: Value = rows.first().map_or(Value::Null, |row| row.get(0));
    if answer["success"] != json!(true) {
        return Ok(Placed::Conflict(answer["message"].as_str().unwrap_or_default().to_owned()));
    }
    let id = answer["order_id"].as_str().and_then(|id| id.parse().ok()).ok_or_else(|| {
        Error::Inconsistent { what: "orders.place", reason: "no order_id".to_owned() }
    })?;
    Ok(if answer["duplicate"] == json!(true) { Placed::Duplicate(id) } else { Placed::New(id) })
}

/// Says which PaymentIntent pays an order.
pub async fn attach_payment(
    store: &Store,
    order: Uuid,
    payment_intent: &str,
    actor: &str,
) -> Result<(), Error> {
    store
        .query(
            "orders.attach_payment",
            &store.in_schema("select {schema}.attach_payment($1, $2, $3)"),
            &[
                (&order, Type::UUID),
                (&payment_intent, Type::TEXT),
                (&json!({ "actor": actor }), Type::JSONB),
            ],
        )
        .await
        .map(drop)
}
