//! `GET /v1/moves` and `POST /v1/moves/{id}/decide`: movements of money that have not ended, and a
//! second person's word about one. // G35

use super::{ACTOR, REASON};
use crate::api::auth::Caller;
use crate::api::call::{self, Named};
use crate::api::fault::Fault;
use crate::api::shape::{self, Field, Kind};
use crate::api::{Shared, body};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use orders_store::read;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// The most movements of a list.
const LISTED_MAX: i64 = 1000;

pub(crate) const FIELDS: &[Field] = &[
    Field("decision", Kind::Word(&["approve", "withdraw", "again"]), true),
    // What the person has seen: a decision about another amount is refused.
    Field("amount_minor", Kind::Whole, true),
    REASON,
    ACTOR,
];

/// Lists them, those that wait for a person first.
pub(crate) async fn get(State(shared): State<Arc<Shared>>) -> Result<Json<Value>, Fault> {
    let moves = read::open_moves(&shared.store, LISTED_MAX).await?;
    Ok(Json(json!({ "moves": moves })))
}

/// Takes the decision, or refuses with the reason why it cannot be taken.
pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named,
    request: Body,
) -> Result<Json<Value>, Fault> {
    let id: Uuid = id.parse().map_err(|_| {
        Fault::new(
            StatusCode::BAD_REQUEST,
            "invalid",
            "the movement's id in the path must be a uuid",
        )
    })?;
    let mut fields = body::parse(&body::read(request).await?)?;
    shape::check(&mut fields, FIELDS)?;
    let mut args = Map::from_iter([("move_uuid".to_owned(), json!(id))]);
    for (field, param) in [
        ("decision", "decision_param"),
        ("amount_minor", "amount_minor_param"),
        ("reason", "reason_param"),
    ] {
        if let Some(value) = fields.remove(field) {
            args.insert(param.to_owned(), value);
        }
    }
    if !fields.is_empty() {
        args.insert("options".to_owned(), Value::Object(fields));
    }
    call::through(&shared, &caller, "decide_move", args).await.map(Json)
}
