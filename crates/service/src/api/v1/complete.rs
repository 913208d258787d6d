//! `POST /v1/orders/{id}/complete`: an operator's word that an order is finished. // ruling 18

use super::{ACTOR, Decision, REASON, decide};
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
    &[Field("zinc_request_id", Kind::RequestId, false), REASON, ACTOR];

const DECISION: Decision = Decision {
    door: "manually_complete_order",
    fields: FIELDS,
    params: &[("zinc_request_id", "zinc_request_id_param"), ("reason", "reason_param")],
};

/// Completes it, or refuses with the reason; the request id is needed where none is known.
pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Named(order): Named,
    request: Body,
) -> Result<Json<Value>, Fault> {
    decide(&shared, &caller, &order, request, &DECISION).await
}
