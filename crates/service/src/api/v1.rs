//! Orders for programs: place, read, decide. Errors are problems of RFC 9457.

pub(crate) mod cancel;
pub(crate) mod complete;
pub(crate) mod create;
pub(crate) mod history;
pub(crate) mod hold;
pub(crate) mod list;
pub(crate) mod moves;
pub(crate) mod payment;
pub(crate) mod payments;
pub(crate) mod recover;
pub(crate) mod refund;
pub(crate) mod release;
pub(crate) mod resolve;
pub(crate) mod show;

use crate::api::auth::Caller;
use crate::api::fault::Fault;
use crate::api::shape::{self, Field, Kind};
use crate::api::{Shared, body, call};
use axum::Json;
use axum::body::Body;
use serde_json::{Map, Value, json};

/// Who acts, when the caller acts for somebody: it goes into the history.
const ACTOR: Field = Field("actor", Kind::Line(1, 200), false);
/// Why, in the person's own words.
const REASON: Field = Field("reason", Kind::Line(1, 300), false);
/// The same, beside a reason that is one of a list.
const NOTE: Field = Field("note", Kind::Line(1, 300), false);

/// A decision about one order: the fields that its body may have, and how they become the door's
/// arguments.
struct Decision {
    door: &'static str,
    fields: &'static [Field],
    /// Pairs of a field of the body and the door's parameter.
    params: &'static [(&'static str, &'static str)],
}

/// Reads the body, calls the door, gives its answer.
async fn decide(
    shared: &Shared,
    caller: &Caller,
    order: &str,
    request: Body,
    decision: &Decision,
) -> Result<Json<Value>, Fault> {
    decide_with(shared, caller, order, request, decision, Map::new()).await
}

/// The same with options that are not of the body.
async fn decide_with(
    shared: &Shared,
    caller: &Caller,
    order: &str,
    request: Body,
    decision: &Decision,
    mut options: Map<String, Value>,
) -> Result<Json<Value>, Fault> {
    let order = call::order_id(order)?;
    let bytes = body::read(request).await?;
    let mut fields = if bytes.is_empty() { Map::new() } else { body::parse(&bytes)? };
    shape::check(&mut fields, decision.fields)?;
    let mut args = Map::from_iter([("order_uuid".to_owned(), json!(order))]);
    for (field, param) in decision.params {
        if let Some(value) = fields.remove(*field) {
            args.insert((*param).to_owned(), value);
        }
    }
    // What is left (actor, note) are the door's options.
    options.append(&mut fields);
    if !options.is_empty() {
        args.insert("options".to_owned(), Value::Object(options));
    }
    call::through(shared, caller, decision.door, args).await.map(Json)
}
