//! `GET /openapi.json`: the routes as an OpenAPI 3.1 document, made from the table of routes and from
//! the same lists of fields that bodies are checked against.

use super::auth::OPEN_PATHS;
use super::routes::{self, Route, Takes};
use super::shape::{Field, Kind};
use super::v1::list::HOLDS;
use axum::Json;
use orders_core::state::Status;
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
                apikey or as Authorization: Bearer. Every function is safe to repeat with the same \
                arguments; after a 5xx or no answer at all, repeat.",
            "version": "1",
        },
        "paths": paths,
        "components": {"schemas": schemas(), "responses": responses(), "securitySchemes": {
            "apikey": {"type": "apiKey", "in": "header", "name": "apikey"},
            "bearer": {"type": "http", "scheme": "bearer"},
        }},
        "security": [{"apikey": []}, {"bearer": []}],
    })
}

fn operation(route: &Route) -> Value {
    let open = OPEN_PATHS.contains(&route.path);
    let mut answers = Map::new();
    for (status, meaning) in route.good {
        let content = match status {
            204 => json!({"description": meaning}),
            _ => json!({"description": meaning, "content": {"application/json": {"schema": {}}}}),
        };
        answers.insert(status.to_string(), content);
    }
    let common: &[u16] = match (open, route.takes) {
        (true, _) => &[],
        (false, Takes::Nothing | Takes::Anything) => &[401, 403],
        (false, Takes::Fields(_) | Takes::Arguments) => &[400, 401, 403, 413, 422],
    };
    for status in common.iter().chain(route.bad).chain(&[500]) {
        let refusal = if route.path.starts_with("/rest/") { "PostgrestError" } else { "Problem" };
        answers.insert(
            status.to_string(),
            json!({"$ref": format!("#/components/responses/{refusal}")}),
        );
    }
    let mut operation = json!({
        "operationId": route.id, "summary": route.summary, "responses": answers,
        "parameters": parameters(route),
    });
    if open {
        operation["security"] = json!([]);
    }
    let (schema, required) = match route.takes {
        Takes::Nothing | Takes::Anything => return operation,
        Takes::Fields(fields) => (object(fields), fields.iter().any(|field| field.2)),
        Takes::Arguments => (json!({"type": "object"}), false),
    };
    operation["requestBody"] =
        json!({"required": required, "content": {"application/json": {"schema": schema}}});
    operation
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
        "place_order" => all.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        })),
        _ => {}
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
        Kind::Line(most) => json!({"type": "string", "minLength": 1, "maxLength": most}),
        Kind::Whole => json!({"type": "integer", "format": "int64"}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Word(words) => json!({"enum": words}),
        Kind::Object(fields) => object(fields),
        Kind::List(fields) => json!({"type": "array", "items": object(fields)}),
    }
}

fn schemas() -> Value {
    let text = json!({"type": "string"});
    let maybe = json!({"type": ["string", "null"]});
    json!({
        "Problem": {
            "type": "object", "description": "RFC 9457, with a code to branch on.",
            "required": ["type", "title", "status", "detail", "code", "correlation_id"],
            "properties": {
                "type": text, "title": text, "status": {"type": "integer"}, "detail": text, "code": text,
                "hint": text, "correlation_id": text,
                "violations": {"type": "array", "items": {
                    "type": "object", "required": ["field", "rule"],
                    "properties": {"field": text, "rule": text},
                }},
            },
        },
        "PostgrestError": {
            "type": "object", "required": ["code", "message", "details", "hint"],
            "properties": {"code": text, "message": text, "details": maybe, "hint": maybe},
        },
    })
}

fn responses() -> Value {
    let of = |kind: &str, name: &str| {
        json!({
            "description": "Refused or failed; the status and the code say why.",
            "content": {kind: {"schema": {"$ref": format!("#/components/schemas/{name}")}}},
        })
    };
    json!({
        "Problem": of("application/problem+json", "Problem"),
        "PostgrestError": of("application/json", "PostgrestError"),
    })
}

#[cfg(test)]
mod tests {
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
