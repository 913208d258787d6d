//! `GET /v1/orders/{id}/payments`: the money of one order, by its id or number.

use crate::api::Shared;
use crate::api::call::{Named, no_order};
use crate::api::fault::Fault;
use axum::Json;
use axum::extract::State;
use orders_store::read;
use serde_json::Value;
use std::sync::Arc;

/// Shows each payment, its movements and the messages about it.
pub(crate) async fn get(
    State(shared): State<Arc<Shared>>,
    Named(order): Named,
) -> Result<Json<Value>, Fault> {
    let id = read::id_of(&shared.store, &order).await?.ok_or_else(no_order)?;
    read::payments(&shared.store, id).await?.map(Json).ok_or_else(no_order)
}
