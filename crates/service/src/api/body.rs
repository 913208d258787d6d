//! Reading a body: bounded in size and in time, before anything is made of it. // G33

use super::fault::Fault;
use super::{BODY_BYTES_MAX, READ_LIMIT};
use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};
use std::time::Duration;

/// How much of a body that is too large is read away, so that the caller gets to see the answer
/// instead of a reset connection.
const DRAIN_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The whole body.
pub(crate) async fn read(body: Body) -> Result<Bytes, Fault> {
    let stated = axum::body::HttpBody::size_hint(&body).lower();
    if stated > BODY_BYTES_MAX as u64 {
        drain(body).await;
        return Err(too_large());
    }
    let read = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(READ_LIMIT, read).await {
        Ok(Ok(read)) => Ok(read.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
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

fn too_large() -> Fault {
    Fault::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        format!("the body must have at most {BODY_BYTES_MAX} bytes"),
    )
}

/// The body as one JSON object.
pub(crate) async fn object(body: Body) -> Result<Map<String, Value>, Fault> {
    parse(&read(body).await?)
}

/// Bytes as one JSON object.
pub(crate) fn parse(bytes: &[u8]) -> Result<Map<String, Value>, Fault> {
    let malformed = |message: String| Fault::new(StatusCode::BAD_REQUEST, "PGRST102", message);
    if bytes.is_empty() {
        return Err(malformed(
            "Empty or invalid json: the body is empty, give one JSON object".into(),
        ));
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(malformed("Empty or invalid json: the body must be one JSON object".into())),
        Err(error) => Err(malformed(format!(
            "Empty or invalid json: the body cannot be read at line {}, column {}",
            error.line(),
            error.column()
        ))),
    }
}
