//! `POST /v1/orders/{id}/refund`: returns money of an order that has ended, once for each
//! `Idempotency-Key`, or for each amount and reason. // C6, G28, G30

use super::create::idempotency_key;
use super::{ACTOR, Decision, decide_with};
use crate::api::Shared;
use crate::api::auth::Caller;
use crate::api::call::Named;
use crate::api::fault::Fault;
use crate::api::shape::{Field, Kind};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use serde_json::{Map, Value, json};
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
    headers: HeaderMap,
    request: Body,
) -> Result<Json<Value>, Fault> {
    let key = idempotency_key(&headers)?.map(|key| ("idempotency_key".to_owned(), json!(key)));
    let options = Map::from_iter(key);
    decide_with(&shared, &caller, &order, request, &DECISION, options).await
}
