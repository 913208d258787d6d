//! `POST /v1/orders/{id}/payment` `{payment_intent}`: says which PaymentIntent pays an order.

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

pub(crate) const FIELDS: &[Field] = &[Field("payment_intent", Kind::PaymentIntent, true), ACTOR];

const DECISION: Decision = Decision {
    door: "attach_payment",
    fields: FIELDS,
    params: &[("payment_intent", "payment_intent_param")],
};

/// Attaches it; it is read at Stripe before anything is sent.
pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Named(order): Named,
    request: Body,
) -> Result<Json<Value>, Fault> {
    decide(&shared, &caller, &order, request, &DECISION).await
}
