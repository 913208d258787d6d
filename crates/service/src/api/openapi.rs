//! `GET /openapi.json`: the routes as an OpenAPI 3.1 document, made from the table of routes and from
//! the same lists of fields that bodies are checked against.

mod schemas;

use super::fault::Surface;
use super::routes::{self, Route, Takes};
use super::shape::{Field, Kind};
use axum::Json;
use orders_core::order::rule::{PAYMENT_INTENT_CHARS_MAX, REQUEST_ID_CHARS_MAX};
use orders_core::state::{HOLDS, Status};
use serde_json::{Map, Value, json};

/// Answers the document.
pub(crate) async fn get() -> Json<Value> {
    Json(document())
}

/// The document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in routes::all() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.verb] = operation(&route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "atomic-orders",
            "summary": "Buys each paid order exactly once.",
            "description": "Every call but health, ready and openapi.json needs a key, as the header \
                apikey or as Authorization: Bearer; a message of Stripe needs its signature. Every function is safe to repeat with the same \
                arguments; after a 5xx or no answer at all, repeat.",
            "version": "1",
        },
        "paths": paths,
        "components": {"schemas": schemas::all(), "headers": headers(), "securitySchemes": {
            "apikey": {"type": "apiKey", "in": "header", "name": "apikey"},
            "bearer": {"type": "http", "scheme": "bearer"},
        }},
        "security": [{"apikey": []}, {"bearer": []}],
    })
}

fn operation(route: &Route) -> Value {
    let mut answers = Map::new();
    for good in route.good {
        let mut answer = json!({"description": good.1, "headers": names_of_headers(route, good.0)});
        if !good.2.is_empty() {
            answer["content"] = content("application/json", good.2);
        }
        answers.insert(good.0.to_string(), answer);
    }
    for status in route.refusals() {
        answers.insert(status.to_string(), refusal(route, status));
    }
    let mut operation = json!({
        "operationId": route.id, "summary": route.summary, "responses": answers,
        "parameters": parameters(route),
    });
    if route.is_open() {
        operation["security"] = json!([]);
    }
    let (schema, required) = match route.takes {
        Takes::Nothing | Takes::Anything => return operation,
        Takes::Fields(fields) => (object(fields), fields.iter().any(|field| field.2)),
        Takes::Arguments => (json!({"type": "object"}), false),
        Takes::Message => (json!({"type": "object"}), true),
    };
    operation["requestBody"] =
        json!({"required": required, "content": {"application/json": {"schema": schema}}});
    operation
}

/// An answer that refuses or fails, in the shape of its surface.
fn refusal(route: &Route, status: u16) -> Value {
    let (kind, schema) = match Surface::of(route.path) {
        Surface::Rest => ("application/json", "PostgrestError"),
        Surface::Functions if status == 401 => ("application/json", "FunctionUnauthorized"),
        Surface::Functions => ("application/json", "FunctionError"),
        Surface::Problem => ("application/problem+json", "Problem"),
    };
    json!({
        "description": meaning(status),
        "headers": names_of_headers(route, status),
        "content": content(kind, schema),
    })
}

fn content(kind: &str, schema: &str) -> Value {
    json!({kind: {"schema": {"$ref": format!("#/components/schemas/{schema}")}}})
}

/// What a caller may take a status for, before he reads the code.
fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request cannot be read, or a value has the wrong form.",
        401 => "No good key.",
        403 => "Not with this key, or not by this way.",
        404 => "No such order, or no such function.",
        405 => "The function changes something: call it with POST.",
        406 => "Another schema than the shop's, or not exactly one row.",
        408 => "The body did not arrive in time.",
        409 => "Refused: what is stored speaks against it. Nothing was overwritten.",
        413 => "The body is too large.",
        415 => "The body is not declared as JSON.",
        422 => "Fields break rules, or the idempotency key was used for another request.",
        503 => "Not now: the database cannot be reached or is not as it must be. Repeat it.",
        504 => "No answer in time; what was asked may have been done. Repeat it.",
        _ => "The service failed; the log has the reason under the correlation id. Repeat it.",
    }
}

fn names_of_headers(route: &Route, status: u16) -> Value {
    let mut names = vec!["x-request-id"];
    if status == 401 {
        names.push("WWW-Authenticate");
    }
    if route.id == "receive_stripe_event" && status == 503 {
        names.push("Retry-After");
    }
    if route.id == "place_order" {
        if status < 300 {
            names.push("Location");
        }
        if status < 300 || status == 409 {
            names.push("Idempotent-Replayed");
        }
    }
    let of = |name: &str| json!({"$ref": format!("#/components/headers/{name}")});
    names.into_iter().map(|name| (name.to_owned(), of(name))).collect::<Map<_, _>>().into()
}

fn headers() -> Value {
    let text = json!({"type": "string"});
    json!({
        "x-request-id": {"required": true, "schema": text,
            "description": "The correlation id: the caller's own when it is a plain one, else ours."},
        "WWW-Authenticate": {"required": true, "schema": {"const": "Bearer"}},
        "Retry-After": {"required": true, "schema": text, "description": "In so many seconds."},
        "Location": {"required": true, "schema": text, "description": "Where the order is read."},
        "Idempotent-Replayed": {"required": false, "schema": {"const": "true"},
            "description": "This is the stored answer of the first request under the same key."},
    })
}

fn parameters(route: &Route) -> Vec<Value> {
    let text = json!({"type": "string"});
    let mut all: Vec<Value> = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": text}))
        .collect();
    let query = |name: &str, schema: Value| json!({"name": name, "in": "query", "schema": schema});
    match route.id {
        "list_orders" => all.extend([
            query("status", json!({"enum": Status::ALL.map(Status::name)})),
            query("hold", json!({"enum": HOLDS})),
            query("search", json!({"type": "string", "minLength": 1, "maxLength": 200})),
            query("after", json!({"type": "string", "format": "uuid"})),
            query("limit", json!({"type": "integer", "minimum": 1, "maximum": 200, "default": 50})),
        ]),
        "place_order" | "refund_order" => all.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        })),
        "receive_stripe_event" => all.push(json!({
            "name": "Stripe-Signature", "in": "header", "required": true, "schema": text,
        })),
        _ => {}
    }
    if Surface::of(route.path) == Surface::Rest {
        all.extend(["Content-Profile", "Accept-Profile"].map(|name| {
            json!({
                "name": name, "in": "header", "required": false, "schema": text,
                "description": "The shop's schema, when it is named.",
            })
        }));
    }
    all
}

fn object(fields: &[Field]) -> Value {
    let required: Vec<&str> = fields.iter().filter(|field| field.2).map(|field| field.0).collect();
    let properties: Map<String, Value> =
        fields.iter().map(|Field(name, kind, _)| ((*name).to_owned(), schema(*kind))).collect();
    json!({
        "type": "object", "additionalProperties": false, "required": required, "properties": properties,
    })
}

fn schema(kind: Kind) -> Value {
    match kind {
        Kind::Text => json!({"type": "string"}),
        Kind::Line(least, most) => json!({"type": "string", "minLength": least, "maxLength": most}),
        Kind::PaymentIntent => json!({
            "type": "string", "pattern": "^pi_[A-Za-z0-9_]+$", "maxLength": PAYMENT_INTENT_CHARS_MAX,
        }),
        Kind::RequestId => json!({
            "type": "string", "pattern": "^[!-~]+$", "maxLength": REQUEST_ID_CHARS_MAX,
        }),
        Kind::Whole => json!({"type": "integer", "format": "int64"}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Word(words) => json!({"enum": words}),
        Kind::Object(fields) => object(fields),
        Kind::List(fields) => json!({"type": "array", "items": object(fields)}),
    }
}

#[cfg(test)]
mod tests {
    use super::super::auth::OPEN_PATHS;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_is_in_the_document_and_the_document_has_no_other() {
        let routes: BTreeSet<(String, String)> = routes::all()
            .iter()
            .map(|route| (route.path.to_owned(), route.verb.to_owned()))
            .collect();
        let mut written = BTreeSet::new();
        let document = document();
        for (path, verbs) in document["paths"].as_object().unwrap() {
            for verb in verbs.as_object().unwrap().keys() {
                written.insert((path.clone(), verb.clone()));
            }
        }
        assert_eq!(routes, written);
        assert_eq!(routes.len(), routes::all().len(), "a verb of a path stands once");
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(fields) => {
                    found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    fields.values().for_each(|value| references(value, found));
                }
                Value::Array(values) => values.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let (document, mut found) = (document(), Vec::new());
        references(&document, &mut found);
        assert!(found.len() > 100);
        for reference in found {
            let target = document.pointer(reference.trim_start_matches('#'));
            assert!(target.is_some_and(Value::is_object), "{reference}");
        }
    }

    #[test]
    fn operations_have_names_of_their_own_and_a_sentence() {
        let routes = routes::all();
        let names: BTreeSet<_> = routes.iter().map(|route| route.id).collect();
        assert_eq!(names.len(), routes.len());
        assert!(routes.iter().all(|route| route.summary.ends_with('.')));
    }

    #[test]
    fn exactly_the_open_paths_need_no_key() {
        let document = document();
        let open: Vec<&str> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, verbs)| {
                verbs.as_object().unwrap().values().any(|one| one["security"] == json!([]))
            })
            .map(|(path, _)| path.as_str())
            .collect();
        assert_eq!(open, OPEN_PATHS);
    }
}
