//! `POST /v1/orders/{id}/cancel`: ends an order of which certainly nothing was sent. // G7

use super::{ACTOR, Decision, REASON, decide};
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

pub(crate) const FIELDS: &[Field] = &[REASON, ACTOR];

const DECISION: Decision =
    Decision { door: "cancel_order", fields: FIELDS, params: &[("reason", "reason_param")] };

/// Cancels it, or refuses because it may be bought.
pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Named(order): Named,
    request: Body,
) -> Result<Json<Value>, Fault> {
    decide(&shared, &caller, &order, request, &DECISION).await
}
