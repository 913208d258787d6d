//! Reading a body: bounded in size and in time, before anything is made of it. // G33

use super::fault::Fault;
use super::json::{self, Unreadable};
use super::{BODY_BYTES_MAX, READ_LIMIT};
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};
use std::time::Duration;

/// How much of a body that is too large is read away, so that the caller gets to see the answer
/// instead of a reset connection.
const DRAIN_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The whole body.
pub(crate) async fn read(body: Body) -> Result<Bytes, Fault> {
    read_at_most(body, BODY_BYTES_MAX).await
}

/// The whole body, if it has no more bytes than these.
pub(crate) async fn read_at_most(body: Body, bytes_max: usize) -> Result<Bytes, Fault> {
    let stated = axum::body::HttpBody::size_hint(&body).lower();
    if stated > bytes_max as u64 {
        drain(body).await;
        return Err(too_large(bytes_max));
    }
    let read = Limited::new(body, bytes_max).collect();
    match tokio::time::timeout(READ_LIMIT, read).await {
        Ok(Ok(read)) => Ok(read.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(bytes_max)),
        Ok(Err(_)) => {
            Err(Fault::new(StatusCode::BAD_REQUEST, "PGRST102", "the body ended before its end"))
        }
        Err(_) => Err(Fault::new(
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            format!("the body did not arrive within {} seconds", READ_LIMIT.as_secs()),
        )),
    }
}

async fn drain(body: Body) {
    let rest = Limited::new(body, DRAIN_BYTES_MAX).collect();
    // Whoever sends more, or too slowly, sees the connection close.
    let _ = tokio::time::timeout(Duration::from_secs(2), rest).await;
}

fn too_large(bytes_max: usize) -> Fault {
    Fault::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        format!("the body must have at most {bytes_max} bytes"),
    )
}

/// The body as one JSON object.
pub(crate) async fn object(body: Body) -> Result<Map<String, Value>, Fault> {
    parse(&read(body).await?)
}

/// Bytes as one JSON object.
pub(crate) fn parse(bytes: &[u8]) -> Result<Map<String, Value>, Fault> {
    let malformed = |what: &str| {
        let message = format!("Empty or invalid json: {what}");
        Fault::new(StatusCode::BAD_REQUEST, "PGRST102", message)
    };
    if bytes.is_empty() {
        return Err(malformed("the body is empty, give one JSON object"));
    }
    match json::read(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(malformed("the body must be one JSON object")),
        Err(Unreadable::Malformed(line, column)) => Err(malformed(&format!(
            "the body is no JSON that can be read, at line {line}, column {column}: objects and lists may stand in each other 127 deep, and numbers must be finite"
        ))),
        Err(Unreadable::Repeated(key)) => {
            Err(malformed(&format!("the key {key} stands twice in one object")))
        }
    }
}

/// Refuses a body of a declared type that is not JSON. Without a declaration it is taken for JSON
/// where PostgREST does so, and refused where the type `must` be given.
pub(crate) fn demand_json(headers: &HeaderMap, must: bool) -> Result<(), Fault> {
    let given = headers.get(header::CONTENT_TYPE);
    let kind = given.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") || (given.is_none() && !must) {
        return Ok(());
    }
    Err(Fault::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "json_expected",
        "the body must be given as application/json",
    ))
}
