//! The JSON that the fake Zinc answers with.

use super::event::{Purchase, StoredError};
use crate::chance::Chance;
use crate::clock::rfc3339;
use serde_json::{Value, json};

/// The answer to an accepted create.
pub(super) fn accepted(request_id: &str) -> Vec<u8> {
    json!({ "request_id": request_id }).to_string().into_bytes()
}

/// An error object.
pub(super) fn error(code: &str, validator_errors: &[String]) -> Value {
    let messages: Vec<Value> =
        validator_errors.iter().map(|message| json!({ "message": message })).collect();
    let data =
        if messages.is_empty() { json!({}) } else { json!({ "validator_errors": messages }) };
    json!({
        "_type": "error",
        "code": code,
        // Texts are not contractual; nobody may decide on them.
        "message": format!("The request ended as {code}."),
        "data": data,
    })
}

/// A stored error as bytes.
pub(super) fn stored(error_stored: &StoredError) -> Vec<u8> {
    error(&error_stored.code, &error_stored.validator_errors).to_string().into_bytes()
}

/// How a request stands at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Processing,
    Ended,
}

impl Stage {
    pub(super) fn of(purchase: &Purchase, now_ms: i64) -> Self {
        if now_ms < purchase.placed_ms { Self::Processing } else { Self::Ended }
    }
}

/// What a read shows. `body` is the request's own text, echoed as it came; `split` says how
/// probably the retailer made two orders of it, if there are quirks.
pub(super) fn read(
    purchase: &Purchase,
    cancelled: bool,
    stage: Stage,
    now_ms: i64,
    body: Option<&str>,
    split: Option<f64>,
) -> String {
    // No echo in errors: the contract promises one for a purchase only, so nobody may lean on it.
    if stage == Stage::Processing {
        return error("request_processing", &[]).to_string();
    }
    if let Some(code) = &purchase.error {
        return error(code, &[]).to_string();
    }
    let mut answer = order_response(purchase, now_ms, split);
    if cancelled && let Some(Value::Array(updates)) = answer.get_mut("status_updates") {
        updates.push(json!({ "type": "order.cancelled", "data": { "reason": "sandbox" } }));
    }
    with_request(&answer, purchase, body)
}

/// An entry of the list: what a read shows, with the id that the read itself does not repeat.
pub(super) fn entry(purchase: &Purchase, answer: &str, body: Option<&str>) -> String {
    let echo = if answer.contains("\"request\":") {
        String::new()
    } else {
        format!("\"request\":{},", request(purchase, body))
    };
    format!("{{\"request_id\":\"{}\",{echo}{}", purchase.request_id, &answer[1..])
}

fn with_request(answer: &Value, purchase: &Purchase, body: Option<&str>) -> String {
    let mut text = answer.to_string();
    text.pop();
    text.push_str(",\"request\":");
    text.push_str(&request(purchase, body));
    text.push('}');
    text
}

/// Our request. A restarted sandbox knows no more of it than the ledger says.
fn request(purchase: &Purchase, body: Option<&str>) -> String {
    body.map_or_else(
        || {
            json!({
                "idempotency_key": purchase.idempotency_key,
                "max_price": purchase.max_price,
                "client_notes": {
                    "order_id": purchase.order_id,
                    "attempt_id": purchase.attempt_id,
                },
            })
            .to_string()
        },
        str::to_owned,
    )
}

fn order_response(purchase: &Purchase, now_ms: i64, split: Option<f64>) -> Value {
    let id = &purchase.request_id;
    let mut chance = Chance::of(0, "order", id, 0);
    let mut digits = |count: u32| {
        let mut text = String::new();
        for _ in 0..count {
            text.push_str(&chance.below(10).to_string());
        }
        text
    };
    let names =
        [format!("112-{}-{}", digits(7), digits(7)), format!("113-{}-{}", digits(7), digits(7))];
    let tracking_number = format!("TBA{}", digits(11));
    // Several retailer orders for one request are normal.
    let is_split = split.is_some_and(|rate| chance.happens(rate));
    let lone_object = split.is_some() && !is_split && chance.below(16) == 0;
    let names = if is_split { &names[..] } else { &names[..1] };

    let merchant_orders: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({
                "merchant_order_id": name,
                "merchant": "amazon",
                "account": "zma@sandbox.invalid",
                "placed_at": rfc3339(purchase.placed_ms),
            })
        })
        .collect();
    let delivered = now_ms >= purchase.delivered_ms;
    // One parcel after the other; one that is not sent yet is not tracked either.
    let on_its_way_ms = purchase.delivered_ms - purchase.placed_ms;
    let parcel = |(at, name): (i64, &String)| {
        let count = i64::from(is_split) + 1;
        let arrives_ms = purchase.placed_ms + on_its_way_ms * at / count;
        (now_ms >= arrives_ms).then(|| {
            json!({
                "merchant_order_id": name,
                "carrier": "AMZL",
                "tracking_number": format!("{tracking_number}{at}"),
                "obtained_at": rfc3339(arrives_ms),
                "delivery_status": "Delivered",
            })
        })
    };
    let mut parcels: Vec<Value> = (1..).zip(names).filter_map(parcel).collect();
    let tracking = if lone_object && delivered {
        parcels.pop().unwrap_or_default()
    } else {
        Value::Array(parcels)
    };
    json!({
        "_type": "order_response",
        "price_components": price(purchase.total_cents, &purchase.currency),
        "merchant_order_ids": merchant_orders,
        "tracking": tracking,
        "delivery_dates": [],
        "account_status": "prime",
        "status_updates": updates(purchase, delivered),
    })
}

fn price(total_cents: i64, currency: &str) -> Value {
    let tax = total_cents / 20;
    json!({
        "subtotal": total_cents - tax,
        "shipping": 0,
        "tax": tax,
        "total": total_cents,
        "currency": currency,
        "payment_currency": "USD",
        "converted_payment_total": total_cents,
    })
}

fn updates(purchase: &Purchase, delivered: bool) -> Vec<Value> {
    let update = |at_ms, kind: &str, data: Value| json!({ "_created_at": rfc3339(at_ms), "type": kind, "message": kind, "data": data });
    let mut all = vec![
        update(purchase.placed_ms, "request.placed", json!({})),
        update(purchase.placed_ms, "request.finished", json!({ "success": true })),
    ];
    if delivered {
        all.push(update(purchase.delivered_ms, "shipment.delivered", json!({})));
    }
    all
}
