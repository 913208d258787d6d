//! `POST /v1/orders/{id}/refund`: returns money of an order that has ended, once. // C6, G28

use super::{ACTOR, Decision, decide};
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
    &[Field("amount_minor", Kind::Whole, false), Field("reason", Kind::Line(1, 300), true), ACTOR];

const DECISION: Decision = Decision {
    door: "refund_order",
    fields: FIELDS,
    params: &[("amount_minor", "amount_minor_param"), ("reason", "reason_param")],
};

/// Intends the refund, or refuses with the reason why it cannot be made now.
pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Named(order): Named,
    request: Body,
) -> Result<Json<Value>, Fault> {
    decide(&shared, &caller, &order, request, &DECISION).await
}
