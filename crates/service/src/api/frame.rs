//! What happens around every request: a correlation id, a limit of time, a net under panics, and the
//! one place where errors become bodies.

use super::fault::{Fault, Surface};
use super::{ANSWER_LIMIT, Shared};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use jiff::Timestamp;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The header that carries the correlation id, both ways.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Where correlation ids come from: the time of the start and a counter. They are names, not secrets.
pub(crate) struct Correlation {
    start: u64,
    count: AtomicU64,
}

impl Correlation {
    pub(crate) fn starting_at(time: Timestamp) -> Self {
        Self { start: time.as_microsecond().unsigned_abs(), count: AtomicU64::new(0) }
    }

    /// The caller's id when it is a plain one, else a new one.
    fn of(&self, headers: &HeaderMap) -> String {
        let given = headers.get(HEADER).and_then(|value| value.to_str().ok()).filter(|id| {
            (1..=64).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
        given.map_or_else(
            || format!("{:x}-{:x}", self.start, self.count.fetch_add(1, Ordering::Relaxed)),
            str::to_owned,
        )
    }
}

/// Runs a request within its limit and writes its error, if it has one.
pub(crate) async fn layer(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let correlation = shared.correlation.of(request.headers());
    let path = request.uri().path().to_owned();
    let bare = request.method() == Method::HEAD;
    let limit = limit(&shared, &path);
    // A panic is a fault of ours; it must not take the connection and its other requests along.
    let run = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = match tokio::time::timeout(limit, run).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the service failed")
                .into_response()
        }
        Err(_) => Fault::new(StatusCode::GATEWAY_TIMEOUT, "PGRST003", "no answer in time")
            .hint("Whether it was done is unknown. Repeat it with the same arguments.")
            .into_response(),
    };
    if let Some(fault) = fault_of(&mut response) {
        response = written(&fault, &path, &correlation, response.headers().clone(), bare);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&correlation) {
        headers.insert(HEADER, value);
    }
    // Orders are nobody's to cache, errors least of all.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn limit(shared: &Shared, path: &str) -> Duration {
    let call = shared.engine.as_ref().map(|engine| engine.options.times.call);
    match call {
        // Claiming and recording come on top of the call and its own margin.
        Some(call) if Surface::of(path) == Surface::Functions => call + Duration::from_secs(15),
        _ => ANSWER_LIMIT,
    }
}

/// The fault that a handler left, or one for an error that the framework wrote as plain text.
fn fault_of(response: &mut Response) -> Option<Fault> {
    if let Some(fault) = response.extensions_mut().remove::<Fault>() {
        return Some(fault);
    }
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !(status.is_client_error() || status.is_server_error())
        || kind.is_some_and(|kind| kind.contains("json"))
    {
        return None;
    }
    Some(Fault::new(status, "invalid", "the request cannot be read"))
}

fn written(
    fault: &Fault,
    path: &str,
    correlation: &str,
    mut headers: HeaderMap,
    bare: bool,
) -> Response {
    if fault.status.is_server_error() {
        tracing::error!(correlation, path, code = %fault.code, status = fault.status.as_u16(), "a request failed");
    } else {
        tracing::debug!(correlation, path, code = %fault.code, status = fault.status.as_u16(), "a request was refused");
    }
    let surface = Surface::of(path);
    let kind = match surface {
        Surface::Problem => "application/problem+json",
        Surface::Rest | Surface::Functions => "application/json",
    };
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let body = if bare { String::new() } else { fault.body(surface, correlation).to_string() };
    (fault.status, headers, body).into_response()
}
