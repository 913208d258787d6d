//! `POST /v1/orders/{id}/hold`: nothing new is sent for the order until the hold is released.

use super::{ACTOR, Decision, NOTE, decide};
use crate::api::Shared;
use crate::api::auth::Caller;
use crate::api::call::Named;
use crate::api::fault::Fault;
use crate::api::shape::{Field, Kind};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use serde_json::Value;
use std::sync::Arc;

pub(crate) const FIELDS: &[Field] =
    &[Field("reason", Kind::Word(&["operator", "disputed", "scheduled"]), false), NOTE, ACTOR];

const DECISION: Decision =
    Decision { door: "hold_order", fields: FIELDS, params: &[("reason", "reason_param")] };

/// Holds it; a call that is under way is not stopped.
pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Named(order): Named,
    request: Body,
) -> Result<Json<Value>, Fault> {
    decide(&shared, &caller, &order, request, &DECISION).await
}
