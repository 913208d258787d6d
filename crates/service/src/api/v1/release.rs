//! `POST /v1/orders/{id}/release`: ends a hold that a person may end.

use super::{ACTOR, Decision, NOTE, decide};
use crate::api::Shared;
use crate::api::auth::Caller;
use crate::api::call::Named;
use crate::api::fault::Fault;
use crate::api::shape::Field;
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use serde_json::Value;
use std::sync::Arc;

pub(crate) const FIELDS: &[Field] = &[NOTE, ACTOR];

const DECISION: Decision = Decision { door: "release_hold", fields: FIELDS, params: &[] };

/// Releases it; a hold for a payment ends by that payment only.
pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Named(order): Named,
    request: Body,
) -> Result<Json<Value>, Fault> {
    decide(&shared, &caller, &order, request, &DECISION).await
}
