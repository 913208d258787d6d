//! `POST /v1/orders/{id}/payment` `{payment_intent}`: says which PaymentIntent pays an order.

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

pub(crate) const FIELDS: &[Field] = &[Field("payment_intent", Kind::Line(255), true), ACTOR];

const DECISION: Decision = Decision {
    door: "attach_payment",
    fields: FIELDS,
    params: &[("payment_intent", "payment_intent_param")],
};

/// Attaches it; it is read at Stripe before anything is sent.
pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(order): Path<String>,
    request: Body,
) -> Result<Json<Value>, Fault> {
    let answer = decide(&shared, &caller, &order, request, &DECISION).await;
    // The database knows the form of the id; it names a parameter, we a field.
    answer.map_err(|fault| match fault.code.as_ref() {
        "22023" => {
            Fault::field("payment_intent", "must be a Stripe PaymentIntent id such as pi_3Abc")
        }
        _ => fault,
    })
}
