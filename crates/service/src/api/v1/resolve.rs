//! `POST /v1/orders/{id}/resolve`: a person's way out of review, one decision at a time. // G6

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

/// What may be decided; which of them is possible depends on the order's last attempt.
const DECISIONS: &[&str] = &["nothing_was_bought", "buy_again", "watch_on", "give_up"];

pub(crate) const FIELDS: &[Field] = &[
    Field("decision", Kind::Word(DECISIONS), true),
    // How it is known: a word is not enough to buy again by.
    Field("reason", Kind::Line(10, 300), true),
    ACTOR,
];

const DECISION: Decision = Decision {
    door: "resolve_review",
    fields: FIELDS,
    params: &[("decision", "decision_param"), ("reason", "reason_param")],
};

/// Takes the decision, or refuses with the reason why it cannot be taken now.
pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Named(order): Named,
    request: Body,
) -> Result<Json<Value>, Fault> {
    decide(&shared, &caller, &order, request, &DECISION).await
}
