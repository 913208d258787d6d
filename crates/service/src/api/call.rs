//! Calling a door on behalf of a route of ours.

use super::Shared;
use super::auth::Caller;
use super::fault::Fault;
use axum::http::StatusCode;
use orders_store::door;
use serde_json::{Map, Value};
use uuid::Uuid;

/// Calls a door by name; a stored refusal is a fault, as it is for every client. // ruling 19
pub(crate) async fn through(
    shared: &Shared,
    caller: &Caller,
    name: &str,
    args: Map<String, Value>,
) -> Result<Value, Fault> {
    let door = shared.doors.iter().find(|door| door.name == name).ok_or_else(|| {
        tracing::error!(name, "the catalogue of doors lacks one that a route needs");
        Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the service lacks a function")
    })?;
    let outcome = door::call(&shared.store, door, &args, &caller.claims()).await?;
    match outcome.status {
        Some(status) if status >= 400 => Err(Fault::stored(outcome.value, status)),
        _ => Ok(outcome.value),
    }
}

/// The order of a path. Only ids act; numbers are for reading.
pub(crate) fn order_id(text: &str) -> Result<Uuid, Fault> {
    text.parse().map_err(|_| {
        Fault::new(StatusCode::BAD_REQUEST, "invalid", "the order's id in the path must be a uuid")
    })
}

/// The answer when there is no such order.
pub(crate) fn no_order() -> Fault {
    Fault::new(StatusCode::NOT_FOUND, "order_not_found", "there is no such order")
        .hint("Place it first, or check the id.")
}
