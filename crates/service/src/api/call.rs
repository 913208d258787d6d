//! Calling a door on behalf of a route, and naming an order in a path.

use super::Shared;
use super::auth::Caller;
use super::fault::Fault;
use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use orders_store::door::{self, Called, Door};
use serde_json::{Map, Value};
use uuid::Uuid;

/// Calls a door with arguments that fit it; others are refused by name before the database is asked.
pub(crate) async fn door(
    shared: &Shared,
    caller: &Caller,
    door: &Door,
    args: &Map<String, Value>,
) -> Result<Called, Fault> {
    door::check(door, args)?;
    Ok(door::call(&shared.store, door, args, &caller.claims()).await?)
}

/// Calls a door by name; a stored refusal is a fault, as it is for every client. // ruling 19
pub(crate) async fn through(
    shared: &Shared,
    caller: &Caller,
    name: &str,
    args: Map<String, Value>,
) -> Result<Value, Fault> {
    let found = shared.doors.iter().find(|door| door.name == name).ok_or_else(|| {
        tracing::error!(name, "the catalogue of doors lacks one that a route needs");
        Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the service lacks a function")
    })?;
    let outcome = door(shared, caller, found, &args).await?;
    match outcome.status {
        Some(status) if status >= 400 => {
            let mut fault = Fault::stored(outcome.value, status);
            // A header tells it, for refusals as for good answers.
            fault.replayed = fault.facts.remove("replayed").is_some();
            Err(fault)
        }
        _ => Ok(outcome.value),
    }
}

/// A name in a path, decoded: text that every later question can be asked with.
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) if !name.contains(char::is_control) => Ok(Self(name)),
            Ok(_) | Err(_) => Err(Fault::new(
                StatusCode::BAD_REQUEST,
                "22021",
                "the name in the path must be UTF-8 without control characters",
            )),
        }
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
