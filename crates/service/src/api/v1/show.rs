//! `GET /v1/orders/{id}`: one order by id or number, with lines, attempts, payments and findings.

use crate::api::Shared;
use crate::api::call::{Named, no_order};
use crate::api::fault::Fault;
use axum::Json;
use axum::extract::State;
use orders_store::read;
use serde_json::Value;
use std::sync::Arc;

/// Shows it; nothing private is in it.
pub(crate) async fn get(
    State(shared): State<Arc<Shared>>,
    Named(order): Named,
) -> Result<Json<Value>, Fault> {
    read::order(&shared.store, &order).await?.map(Json).ok_or_else(no_order)
}
