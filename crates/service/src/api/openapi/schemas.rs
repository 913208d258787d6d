//! The bodies of answers, as schemas. Fields may be added to any of them; none is taken away.

use orders_core::state::Status;
use serde_json::{Map, Value, json};

/// Every schema by its name.
pub(super) fn all() -> Value {
    let mut all = errors();
    all.extend(answers());
    all.extend(runs());
    all.extend(orders());
    all.extend(money());
    Value::Object(all)
}

fn text() -> Value {
    json!({"type": "string"})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn uuid() -> Value {
    json!({"type": "string", "format": "uuid"})
}

fn whole() -> Value {
    json!({"type": "integer"})
}

fn flag() -> Value {
    json!({"type": "boolean"})
}

fn status() -> Value {
    json!({"enum": Status::ALL.map(Status::name)})
}

fn list(of: &str) -> Value {
    json!({"type": "array", "items": {"$ref": format!("#/components/schemas/{of}")}})
}

/// The same, or null.
fn maybe(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"].clone(), "null"]);
    schema
}

/// An object whose fields are always there, and some that may be.
fn object(description: &str, always: &[(&str, Value)], at_times: &[(&str, Value)]) -> Value {
    let required: Vec<&str> = always.iter().map(|(name, _)| *name).collect();
    let all = always.iter().chain(at_times);
    let properties: Map<String, Value> =
        all.map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({
        "type": "object", "description": description, "required": required, "properties": properties,
    })
}

fn named<const N: usize>(schemas: [(&str, Value); N]) -> Map<String, Value> {
    schemas.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

fn errors() -> Map<String, Value> {
    let violations = json!({"type": "array", "items": {
        "type": "object", "required": ["field", "rule"],
        "properties": {"field": text(), "rule": text()},
    }});
    named([
        (
            "Problem",
            object(
                "RFC 9457, with a code to branch on and facts beside it.",
                &[
                    ("type", text()),
                    ("title", text()),
                    ("status", whole()),
                    ("detail", text()),
                    ("code", text()),
                    ("correlation_id", text()),
                ],
                &[("hint", text()), ("violations", violations)],
            ),
        ),
        (
            "PostgrestError",
            object(
                "PostgREST's four fields; a stored refusal has facts beside them.",
                &[
                    ("code", text()),
                    ("message", text()),
                    ("details", maybe(text())),
                    ("hint", maybe(text())),
                ],
                &[],
            ),
        ),
        (
            "FunctionError",
            object(
                "What an edge function of ours answers; facts about the order beside it.",
                &[
                    ("success", json!({"const": false})),
                    ("code", text()),
                    ("message", text()),
                    ("hint", maybe(text())),
                    ("correlation_id", text()),
                ],
                &[("order_id", uuid()), ("status", status())],
            ),
        ),
        (
            "FunctionUnauthorized",
            object(
                "What Supabase answers before a function runs.",
                &[("code", json!({"const": 401})), ("message", text())],
                &[],
            ),
        ),
    ])
}

fn answers() -> Map<String, Value> {
    let success = || ("success", json!({"const": true}));
    named([
        ("Health", object("Good health.", &[("status", json!({"const": "ok"}))], &[])),
        ("Ready", object("Ready to serve.", &[("status", json!({"const": "ready"}))], &[])),
        (
            "Received",
            object("A message that is stored.", &[("received", json!({"const": true}))], &[]),
        ),
        ("Document", object("OpenAPI 3.1.", &[("openapi", text())], &[])),
        (
            "Value",
            json!({
                "type": ["object", "array"],
                "description": "One object, or an array of rows; see ARCHITECTURE.md for each function.",
            }),
        ),
        (
            "Placed",
            object(
                "An order that stands.",
                &[
                    success(),
                    ("duplicate", flag()),
                    ("order_id", uuid()),
                    ("order_number", text()),
                    ("status", status()),
                ],
                &[],
            ),
        ),
        (
            "Decided",
            object(
                "A decision that stands; duplicate says that it stood before.",
                &[success(), ("duplicate", flag()), ("order_id", uuid())],
                &[
                    ("status", status()),
                    ("hold_reason", text()),
                    ("zinc_request_id", maybe(text())),
                    // The order may be bought: it is done when that is settled.
                    ("waiting", flag()),
                ],
            ),
        ),
    ])
}

/// What is answered when many orders are looked after, or one is driven.
fn runs() -> Map<String, Value> {
    named([
        (
            "Recovered",
            object(
                "What was neglected, and what became of it.",
                &[
                    ("success", json!({"const": true})),
                    ("recovered", whole()),
                    ("needs_review", whole()),
                    ("rescheduled", whole()),
                    ("orders", json!({"type": "array", "items": {"type": "object"}})),
                ],
                &[],
            ),
        ),
        (
            "Driven",
            object(
                "How far the order is. Look at success, not at the status alone.",
                &[
                    ("success", flag()),
                    (
                        "result",
                        json!({"enum": [
                            "submitted", "already_submitted", "in_progress", "unknown", "waiting",
                        ]}),
                    ),
                    ("order_id", uuid()),
                    ("order_number", text()),
                    ("status", status()),
                ],
                &[
                    ("duplicate", flag()),
                    ("zinc_request_id", maybe(text())),
                    ("retry_at", maybe(time())),
                    ("message", text()),
                ],
            ),
        ),
    ])
}

fn orders() -> Map<String, Value> {
    let line = [
        ("id", uuid()),
        ("order_number", text()),
        ("status", status()),
        ("hold_reason", maybe(text())),
        ("review_reason", maybe(text())),
        ("payment_status", text()),
        ("zinc_request_id", maybe(text())),
        ("currency", text()),
        ("total_minor", whole()),
        ("created_at", time()),
        ("updated_at", time()),
    ];
    let mut whole_order = line.to_vec();
    whole_order.extend([
        ("version", whole()),
        ("generation", whole()),
        ("zinc_status", maybe(text())),
        ("retailer", text()),
        ("goods_minor", whole()),
        ("price_cap_minor", whole()),
        ("cost_minor", maybe(whole())),
        ("capture_when", text()),
        ("due_at", maybe(time())),
        ("items", list("Item")),
        ("attempts", list("Attempt")),
        ("payments", list("Payment")),
        ("moves", list("Move")),
        ("findings", list("Finding")),
    ]);
    let mut all = named([
        (
            "Page",
            object(
                "Orders, newest first.",
                &[("orders", list("OrderLine")), ("next", maybe(uuid()))],
                &[],
            ),
        ),
        ("OrderLine", object("An order, in short.", &line, &[])),
        ("Order", object("An order; nothing private.", &whole_order, &[])),
        ("History", object("What happened.", &[("events", list("Event"))], &[])),
    ]);
    all.extend(parts_of_orders());
    all
}

/// The money of orders.
fn money() -> Map<String, Value> {
    let movement = [
        ("id", uuid()),
        ("kind", json!({"enum": ["capture", "refund", "cancel"]})),
        ("amount_minor", whole()),
        ("currency", text()),
        ("state", text()),
        ("cause", text()),
        ("reason", text()),
        ("requested_by", text()),
        ("calls", whole()),
        ("code", maybe(text())),
        ("created_at", time()),
        ("due_at", maybe(time())),
    ];
    let of_order = [
        ("order_id", uuid()),
        ("order_number", text()),
        ("status", status()),
        ("hold_reason", maybe(text())),
        ("payment_status", text()),
        ("capture_when", text()),
        ("total_minor", whole()),
        ("currency", text()),
        ("payments", list("Payment")),
    ];
    let moved = [
        ("success", json!({"const": true})),
        ("duplicate", flag()),
        ("order_id", uuid()),
        ("move_id", uuid()),
        ("state", text()),
    ];
    named([
        ("Money", object("Each payment has its moves and messages.", &of_order, &[])),
        ("Moves", object("What has not ended.", &[("moves", list("Move"))], &[])),
        (
            "Move",
            object(
                "A capture, a refund, or the cancellation of a PaymentIntent.",
                &movement,
                &[("order_id", uuid()), ("order_number", text()), ("payment_intent", text())],
            ),
        ),
        (
            "Moved",
            object(
                "A movement of money that stands; duplicate says that it stood before.",
                &moved,
                &[("amount_minor", whole())],
            ),
        ),
    ])
}

fn parts_of_orders() -> Map<String, Value> {
    let item = [
        ("line", whole()),
        ("product_id", text()),
        ("title", text()),
        ("quantity", whole()),
        ("unit_price_minor", whole()),
    ];
    let attempt = [
        ("generation", whole()),
        ("provider", text()),
        ("provider_key", text()),
        ("calls", whole()),
        ("outcome", text()),
        ("request_id", maybe(text())),
        ("code", maybe(text())),
        ("opened_at", time()),
        ("key_dead_at", maybe(time())),
        ("lease_expires_at", maybe(time())),
        ("worker", maybe(text())),
        ("settled_at", maybe(time())),
        ("settled_by", maybe(text())),
    ];
    let payment = [
        ("payment_intent", text()),
        ("live", flag()),
        ("stripe_status", maybe(text())),
        ("amount_received", maybe(whole())),
        ("amount_capturable", maybe(whole())),
        ("amount_refunded", maybe(whole())),
        ("currency", maybe(text())),
        ("deviation", maybe(text())),
        ("dispute", maybe(text())),
        ("capture_before", maybe(time())),
        ("read_at", maybe(time())),
    ];
    let finding = [
        ("id", uuid()),
        ("kind", text()),
        ("subject", text()),
        ("opened_at", time()),
        ("closed_at", maybe(time())),
    ];
    let event = [
        ("seq", whole()),
        ("at", time()),
        ("kind", text()),
        ("status_before", text()),
        ("status_after", status()),
        ("actor", text()),
        ("actor_source", text()),
        ("data", json!({"type": "object"})),
        ("hash", text()),
    ];
    named([
        ("Item", object("A line of an order.", &item, &[])),
        ("Attempt", object("An intended purchase.", &attempt, &[])),
        ("Payment", object("A PaymentIntent, as Stripe told it last.", &payment, &[])),
        ("Finding", object("Something that disagrees.", &finding, &[])),
        ("Event", object("Something that happened.", &event, &[])),
    ])
}
