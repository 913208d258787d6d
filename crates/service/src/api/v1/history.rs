//! `GET /v1/orders/{id}/history`: what happened to one order, first event first.

use crate::api::Shared;
use crate::api::call::{Named, no_order};
use crate::api::fault::Fault;
use axum::Json;
use axum::extract::State;
use orders_store::read;
use serde_json::{Value, json};
use std::sync::Arc;

/// Shows it; every order has at least its birth.
pub(crate) async fn get(
    State(shared): State<Arc<Shared>>,
    Named(order): Named,
) -> Result<Json<Value>, Fault> {
    let events = read::history(&shared.store, &order).await?;
    if events.is_empty() {
        return Err(no_order());
    }
    Ok(Json(json!({"events": events})))
}
