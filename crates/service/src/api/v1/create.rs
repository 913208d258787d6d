//! `POST /v1/orders`: places an order, once per order number and once per Idempotency-Key. // G30

use crate::api::auth::Caller;
use crate::api::fault::{Fault, REPLAYED};
use crate::api::{Shared, body, call, shape};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use orders_core::id::hex;
use orders_core::order::NewOrder;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The caller's name for this one request.
pub(crate) const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest key.
const KEY_CHARS_MAX: usize = 255;

/// Places it: 201; the same number with the same content again: 200, `"duplicate": true`; the same
/// key again: the stored answer.
pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Fault> {
    body::demand_json(&headers, true)?;
    let key = idempotency_key(&headers)?;
    let order = shape::new_order(body::object(request).await?)?;
    let mut args = Map::new();
    if let Some(key) = key {
        args.insert(
            "options".into(),
            json!({
                "idempotency_key": key, "caller": caller.name(), "request_digest": digest(&order)?,
            }),
        );
    }
    args.insert("order_param".into(), json(&order)?);
    let placed =
        call::through(&shared, &caller, "place_order", args).await.map_err(in_our_words)?;
    Ok(answer(placed))
}

/// The caller's key of a request, if he gave one.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Fault> {
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    value
        .to_str()
        .ok()
        .filter(|key| (1..=KEY_CHARS_MAX).contains(&key.len()) && values.next().is_none())
        .map(Some)
        .ok_or_else(|| {
            Fault::new(
                StatusCode::BAD_REQUEST,
                "invalid",
                format!("Idempotency-Key must be one header of 1 to {KEY_CHARS_MAX} printable characters"),
            )
        })
}

fn json(order: &NewOrder) -> Result<Value, Fault> {
    serde_json::to_value(order).map_err(|_| {
        Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the order cannot be written")
    })
}

/// What makes two requests the same: their content, not their blanks or the order of their fields.
fn digest(order: &NewOrder) -> Result<String, Fault> {
    let digest = Sha256::digest(json(order)?.to_string().as_bytes());
    Ok(hex(&digest))
}

fn in_our_words(mut fault: Fault) -> Fault {
    match fault.code.as_ref() {
        "PT422" => fault.code = "idempotency_key_reused".into(),
        // The database checks the same rules; where it is stricter, it names field and rule itself.
        "22023" => {
            fault.code = "invalid".into();
            fault.status = StatusCode::UNPROCESSABLE_ENTITY;
        }
        _ => {}
    }
    fault
}

fn answer(mut placed: Value) -> Response {
    let replayed = placed.as_object_mut().and_then(|fields| fields.remove("replayed")).is_some();
    let status = if placed["duplicate"] == true { StatusCode::OK } else { StatusCode::CREATED };
    let location = format!("/v1/orders/{}", placed["order_id"].as_str().unwrap_or_default());
    let mut response = (status, Json(placed)).into_response();
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&location) {
        headers.insert(header::LOCATION, location);
    }
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
