//! `POST /functions/v1/process-zma-order` `{orderId}`: drives one order now.
//!
//! Promise: any number of these at once, beside any number of engines, make at most one purchase:
//! all of them go through the one claim. Success is said only of an order that the provider has;
//! what is unknown or must wait is 202 with the next time; what waits for a person or a payment is
//! an error with its reason. // A12

use crate::api::call::no_order;
use crate::api::fault::Fault;
use crate::api::shape::{Field, Kind};
use crate::api::{Shared, body};
use crate::engine::Engine;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use orders_store::read;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The body.
pub(crate) const FIELDS: &[Field] = &[Field("orderId", Kind::Text, true)];
/// What claiming and recording may take on top of the provider's call.
const MARGIN: Duration = Duration::from_secs(8);
/// How often a claim is tried while nobody is seen to have the order.
const TURNS_MAX: u32 = 5;
const BETWEEN_TURNS: Duration = Duration::from_millis(60);
/// Whose pause an order without an attempt waits for: there is one provider.
const PROVIDER: &str = "zinc_v1";

/// Drives the order and says what became of it.
pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    request: Body,
) -> Result<Response, Fault> {
    let order = order_of(&body::object(request).await?)?;
    let mut turn = 1;
    loop {
        let driven = match &shared.engine {
            Some(engine) => drive(engine, order).await?,
            None => false,
        };
        // The row is the truth, whoever moved it.
        let found = read::standing(&shared.store, order, PROVIDER).await?.ok_or_else(no_order)?;
        // Pending, and yet not to be had: another worker may be about to commit his claim.
        let undecided = !driven && found["status"] == "pending" && found["hold_reason"].is_null();
        if !undecided || turn == TURNS_MAX || shared.engine.is_none() {
            return describe(order, &found, driven);
        }
        turn += 1;
        tokio::time::sleep(BETWEEN_TURNS).await;
    }
}

fn order_of(fields: &Map<String, Value>) -> Result<Uuid, Fault> {
    let invalid = |message: String| {
        Fault::new(StatusCode::BAD_REQUEST, "invalid", message)
            .hint("Give {\"orderId\": \"<uuid>\"} and nothing else.")
    };
    if let Some(unknown) = fields.keys().find(|name| *name != "orderId") {
        let shown: String = unknown.chars().take(60).collect();
        return Err(invalid(format!("unknown field {shown}")));
    }
    match fields.get("orderId") {
        None | Some(Value::Null) => Err(invalid("orderId must be given".into())),
        Some(value) => value
            .as_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| invalid("orderId must be a uuid".into())),
    }
}

/// Whether this call had the order claimed. On a task of its own: a caller who hangs up between
/// claim and call must not leave the order leased and unsent.
async fn drive(engine: &Arc<Engine>, order: Uuid) -> Result<bool, Fault> {
    let limit = engine.options.times.call + MARGIN;
    let engine = Arc::clone(engine);
    let task = tokio::spawn(async move { engine.submit_one(order).await });
    match tokio::time::timeout(limit, task).await {
        Ok(Ok(ended)) => Ok(ended?.is_some()),
        // A call that hangs or died is recorded by whoever takes its lease over.
        Ok(Err(_)) | Err(_) => Ok(false),
    }
}

/// What an order's state means for somebody who wants it bought.
fn describe(order: Uuid, found: &Value, driven: bool) -> Result<Response, Fault> {
    let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    let (status, hold) = (text("status"), text("hold_reason"));
    let base = json!({"order_id": order, "order_number": found["order_number"], "status": status});
    let told =
        |http: StatusCode, more: Value| Ok((http, Json(joined(&base, more))).into_response());
    let refuse = |code: String, message: &str, hint: &str| {
        let mut fault = Fault::new(StatusCode::CONFLICT, code, message).hint(hint);
        fault.facts = fields(base.clone());
        fault.facts.insert("hold_reason".into(), found["hold_reason"].clone());
        fault.facts.insert("review_reason".into(), found["review_reason"].clone());
        Err(fault)
    };
    match status.as_str() {
        "submitted_to_zinc" | "processing" | "completed" => told(
            StatusCode::OK,
            json!({
                "success": true, "duplicate": !driven,
                "result": if driven { "submitted" } else { "already_submitted" },
                "zinc_request_id": found["zinc_request_id"],
            }),
        ),
        "cancelled" | "failed" => refuse(
            format!("order_{status}"),
            "the order has ended and will not be bought",
            "Place a new order under a new number.",
        ),
        "needs_review" => refuse(
            "needs_review".into(),
            "a person must decide about this order before anything else is sent",
            "Look its request up at the provider, then complete or cancel it.",
        ),
        _ if !hold.is_empty() => {
            let (code, message, hint) = held(&hold);
            refuse(code.to_owned(), message, hint)
        }
        _ if found["lease"] == "alive" => told(
            StatusCode::OK,
            json!({"success": false, "result": "in_progress", "retry_at": found["retry_at"],
                   "message": "another worker is submitting this order; ask again for the result"}),
        ),
        _ => told(StatusCode::ACCEPTED, waiting(&status, found)),
    }
}

/// What a hold means: its code, its sentence and what to do. What is wrong with a payment is said by
/// the hold's own name.
fn held(hold: &str) -> (&str, &'static str, &'static str) {
    match hold {
        "awaiting_payment" => (
            "order_unpaid",
            "the order is not paid: nothing was sent",
            "It is released when its payment is read at Stripe; see POST /v1/orders/{id}/payment.",
        ),
        "cancel_requested" => (
            hold,
            "somebody wants this order cancelled: nothing new is sent for it",
            "It ends as cancelled when it is certain that nothing was bought.",
        ),
        "awaiting_funds" | "disputed" | "scheduled" | "operator" | "restored" => (
            "order_held",
            "the order is held: nothing new is sent for it",
            "Release the hold when its reason is gone.",
        ),
        _ => (
            hold,
            "the payment does not pay this order as it stands at Stripe: nothing new is sent",
            "Look at the payment at Stripe and at the order's findings.",
        ),
    }
}

/// An order that is due now or later: its outcome is unknown, or nothing was sent.
fn waiting(status: &str, found: &Value) -> Value {
    let (result, message) = match status {
        "submitting" if found["lease"] == "ended" => (
            "unknown",
            "the lease has ended under which this order was submitted, and the provider may have it; \
             an engine takes it over",
        ),
        "submitting" => (
            "unknown",
            "the provider may have this order; the same request is repeated under the same key",
        ),
        _ => ("waiting", "the provider does not have this order yet; it will be tried again"),
    };
    json!({"success": false, "result": result, "retry_at": found["retry_at"], "message": message})
}

fn joined(base: &Value, more: Value) -> Value {
    let mut all = fields(more);
    all.extend(fields(base.clone()));
    Value::Object(all)
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orders_core::state::HOLDS;

    fn status(found: &Value) -> u16 {
        match describe(Uuid::nil(), found, false) {
            Ok(response) => response.status().as_u16(),
            Err(fault) => fault.status.as_u16(),
        }
    }

    #[test]
    fn only_an_order_that_the_provider_has_is_a_success() {
        for done in ["submitted_to_zinc", "processing", "completed"] {
            assert_eq!(status(&json!({"status": done, "zinc_request_id": "r"})), 200);
        }
        for over in ["cancelled", "failed", "needs_review"] {
            assert_eq!(status(&json!({"status": over})), 409);
        }
        for held in ["pending", "submitting"] {
            assert_eq!(status(&json!({"status": held, "hold_reason": "operator"})), 409);
            assert_eq!(status(&json!({"status": held, "hold_reason": null, "lease": "none"})), 202);
        }
        assert_eq!(status(&json!({"status": "submitting", "lease": "alive"})), 200);
        assert_eq!(status(&json!({"status": "submitting", "lease": "ended"})), 202);
    }

    #[test]
    fn every_hold_is_a_refusal_and_what_is_wrong_with_a_payment_is_said_by_its_name() {
        let code = |hold: &str| {
            let found = json!({"status": "pending", "hold_reason": hold});
            let fault = describe(Uuid::nil(), &found, false).unwrap_err();
            assert_eq!((fault.status.as_u16(), &fault.facts["hold_reason"]), (409, &json!(hold)));
            fault.code.clone().into_owned()
        };
        let codes: Vec<String> = HOLDS.map(code).to_vec();
        assert_eq!(codes[0], "order_unpaid");
        assert!(codes[1..6].iter().all(|code| code == "order_held"), "{codes:?}");
        assert_eq!(codes[6..], HOLDS[6..]);
    }

    #[test]
    fn the_body_is_an_order_id_and_nothing_else() {
        let message = |body: Value| match order_of(&fields(body)) {
            Ok(_) => "fine".to_owned(),
            Err(fault) => fault.message.clone(),
        };
        assert_eq!(message(json!({"orderId": Uuid::nil()})), "fine");
        assert_eq!(message(json!({})), "orderId must be given");
        assert_eq!(message(json!({"orderId": 7})), "orderId must be a uuid");
        assert_eq!(message(json!({"orderId": Uuid::nil(), "force": true})), "unknown field force");
    }
}
