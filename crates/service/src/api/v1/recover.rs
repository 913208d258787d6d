//! `POST /v1/recover` `{max_age_minutes?}`: makes every submission that nobody looks after due again.

use super::ACTOR;
use crate::api::auth::Caller;
use crate::api::fault::Fault;
use crate::api::shape::{self, Field, Kind};
use crate::api::{Shared, body, call};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use serde_json::{Map, Value};
use std::sync::Arc;

pub(crate) const FIELDS: &[Field] = &[Field("max_age_minutes", Kind::Whole, false), ACTOR];

/// Recovers; it never hands an order back for a new purchase. // G15
pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    request: Body,
) -> Result<Json<Value>, Fault> {
    let bytes = body::read(request).await?;
    let mut fields = if bytes.is_empty() { Map::new() } else { body::parse(&bytes)? };
    shape::check(&mut fields, FIELDS)?;
    let mut args = Map::new();
    if let Some(age) = fields.remove("max_age_minutes") {
        if !age.as_i64().is_some_and(|age| (0..=1_000_000).contains(&age)) {
            return Err(Fault::field("max_age_minutes", "must be between 0 and 1000000"));
        }
        args.insert("max_age_minutes".to_owned(), age);
    }
    if !fields.is_empty() {
        args.insert("options".to_owned(), Value::Object(fields));
    }
    call::through(&shared, &caller, "recover_stuck_orders", args).await.map(Json)
}
