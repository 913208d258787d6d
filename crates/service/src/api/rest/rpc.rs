//! `/rest/v1/rpc/{function}`: the doors as PostgREST serves them. // rulings 17 and 19
//!
//! Named arguments as one JSON object (POST), or in the query for doors that do not write (GET);
//! exact names, no guessing. A stored refusal arrives with the status that its door asked for and
//! with PostgREST's four fields, so that supabase-js sees an error and the finding is kept.

use super::{demand_schema, miss};
use crate::api::auth::Caller;
use crate::api::call::{self, Named};
use crate::api::fault::Fault;
use crate::api::{Shared, body, json};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use orders_store::door::{Called, Door};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Calls a door with arguments from the body.
pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Named(function): Named,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Fault> {
    demand_schema(shared.store.schema(), &headers)?;
    refuse_filters(query.as_deref())?;
    body::demand_json(&headers, false)?;
    let bytes = body::read(request).await?;
    // PostgREST takes an empty body for no arguments; where some are needed it is malformed.
    let needs_none = shared
        .doors
        .iter()
        .any(|door| door.name == function && door.params.iter().all(|param| param.optional));
    let args = if bytes.is_empty() && needs_none { Map::new() } else { body::parse(&bytes)? };
    let door = find(&shared, &function, &args)?;
    called(&shared, &caller, door, &args, &headers).await
}

/// Calls a door that does not write, with arguments from the query.
pub(crate) async fn get(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Named(function): Named,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    demand_schema(shared.store.schema(), &headers)?;
    let args = arguments(query.as_deref())?;
    let door = find(&shared, &function, &args)?;
    if door.writes {
        return Err(Fault::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "25006",
            format!("cannot execute {function} in a read-only transaction"),
        )
        .hint("It changes something: call it with POST."));
    }
    called(&shared, &caller, door, &of_their_kinds(door, args), &headers).await
}

/// The arguments of a query. Of two with one name the last would win, unseen.
fn arguments(query: Option<&str>) -> Result<Map<String, Value>, Fault> {
    let mut args = Map::new();
    for (name, value) in pairs(query).filter(|(name, _)| name != "select") {
        if args.contains_key(&name) {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
            let message = format!("the parameter {shown} stands twice in the query");
            return Err(Fault::new(StatusCode::BAD_REQUEST, "PGRST100", message));
        }
        args.insert(name, Value::String(value));
    }
    Ok(args)
}

/// Arguments of a query as JSON would have them; what is not of its parameter's kind stays a text
/// and is refused as one.
fn of_their_kinds(door: &Door, mut args: Map<String, Value>) -> Map<String, Value> {
    for param in door.params.iter().filter(|param| param.kind != "text" && param.kind != "uuid") {
        if let Some(value) = args.get_mut(&param.name)
            && let Some(read) = value.as_str().and_then(|text| json::read(text.as_bytes()).ok())
        {
            *value = read;
        }
    }
    args
}

/// The door of exactly this name and of parameters that fit.
fn find<'a>(
    shared: &'a Shared,
    function: &str,
    args: &Map<String, Value>,
) -> Result<&'a Door, Fault> {
    let fits = |door: &&Door| {
        door.name == function
            && args.keys().all(|name| door.params.iter().any(|param| param.name == *name))
            && door.params.iter().all(|param| param.optional || args.contains_key(&param.name))
    };
    shared.doors.iter().find(fits).ok_or_else(|| {
        let given: Vec<&str> = args.keys().map(String::as_str).collect();
        miss::fault(shared.store.schema(), &shared.doors, function, &given)
    })
}

async fn called(
    shared: &Shared,
    caller: &Caller,
    door: &Door,
    args: &Map<String, Value>,
    headers: &HeaderMap,
) -> Result<Response, Fault> {
    let outcome = call::door(shared, caller, door, args).await?;
    match outcome.status {
        Some(status) if status >= 400 => Err(Fault::stored(outcome.value, status)),
        _ if door.returns_nothing => Ok(StatusCode::NO_CONTENT.into_response()),
        _ => Ok(answer(door, outcome, wants_one(headers))?.into_response()),
    }
}

fn answer(door: &Door, outcome: Called, one: bool) -> Result<Json<Value>, Fault> {
    match outcome.value {
        Value::Array(mut rows) if door.returns_rows && one => match (rows.pop(), rows.len()) {
            (Some(row), 0) => Ok(Json(row)),
            (last, rest) => {
                let rows = rest + usize::from(last.is_some());
                let mut fault = Fault::new(
                    StatusCode::NOT_ACCEPTABLE,
                    "PGRST116",
                    "Cannot coerce the result to a single JSON object",
                );
                fault.details = Some(format!("The result contains {rows} rows"));
                Err(fault)
            }
        },
        value => Ok(Json(value)),
    }
}

fn wants_one(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/vnd.pgrst.object+json"))
}

/// Filters of a result are not served, and must not be ignored either.
fn refuse_filters(query: Option<&str>) -> Result<(), Fault> {
    match pairs(query)
        .find(|(name, value)| name != "columns" && !(name == "select" && value == "*"))
    {
        None => Ok(()),
        Some(_) => Err(Fault::new(
            StatusCode::BAD_REQUEST,
            "PGRST100",
            "results of functions are not filtered or shaped here",
        )
        .hint("Give arguments in the body; pick and filter in your own code.")),
    }
}

/// The pairs of a query, decoded.
fn pairs(query: Option<&str>) -> impl Iterator<Item = (String, String)> {
    let query = format!("/?{}", query.unwrap_or_default());
    let parsed = query
        .parse()
        .ok()
        .and_then(|uri| axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri).ok());
    parsed.map(|query| query.0).unwrap_or_default().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use orders_store::door::DoorParam;
    use serde_json::json;

    #[test]
    fn a_query_is_read_in_pairs() {
        let read: Vec<_> = pairs(Some("a=1&b=x%20y&c")).collect();
        let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read, [text("a", "1"), text("b", "x y"), text("c", "")]);
        assert_eq!(pairs(None).count(), 0);
    }

    #[test]
    fn an_argument_of_a_query_stands_once_and_is_of_its_parameters_kind() {
        let twice = arguments(Some("page_size=1&after_order=&page_size=2")).unwrap_err();
        assert_eq!(twice.code, "PGRST100");
        assert!(twice.message.contains("page_size"), "{}", twice.message);
        let param = |name: &str, kind: &str| DoorParam {
            name: name.to_owned(),
            kind: kind.to_owned(),
            optional: false,
        };
        let door = Door {
            name: "door".into(),
            params: vec![param("size", "integer"), param("word", "text"), param("odd", "integer")],
            returns_rows: true,
            returns_nothing: false,
            writes: false,
        };
        let args = arguments(Some("size=7&word=8&odd=x")).unwrap();
        let read = Value::Object(of_their_kinds(&door, args));
        assert_eq!(read, json!({"size": 7, "word": "8", "odd": "x"}));
    }

    #[test]
    fn filters_of_a_result_are_refused_instead_of_ignored() {
        assert!(refuse_filters(None).is_ok() && refuse_filters(Some("select=*")).is_ok());
        for query in ["select=status", "status=eq.pending", "limit=1"] {
            assert_eq!(refuse_filters(Some(query)).unwrap_err().code, "PGRST100", "{query}");
        }
    }
}
