//! `POST /v1/orders/{id}/cancel`: ends an order of which certainly nothing was sent. // G7

use super::{ACTOR, Decision, decide};
use crate::api::Shared;
use crate::api::auth::Caller;
use crate::api::fault::Fault;
use crate::api::shape::{Field, Kind};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use serde_json::Value;
use std::sync::Arc;

pub(crate) const FIELDS: &[Field] = &[Field("reason", Kind::Line(300), false), ACTOR];

const DECISION: Decision =
    Decision { door: "cancel_order", fields: FIELDS, params: &[("reason", "reason_param")] };

/// Cancels it, or refuses because it may be bought.
pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(order): Path<String>,
    request: Body,
) -> Result<Json<Value>, Fault> {
    decide(&shared, &caller, &order, request, &DECISION).await
}
