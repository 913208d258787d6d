//! The server: one port, three doors. `/v1/orders` is Zinc, `/v1/payment_intents` is Stripe,
//! `/_sandbox` is for those who run the test:
//!
//! - `GET /_sandbox/zinc/ledger?after=SEQ` and `GET /_sandbox/stripe/ledger?after=SEQ`: JSON lines;
//! - `GET /_sandbox/zinc/summary`: what the oracle says;
//! - `POST /_sandbox/zinc/never_bought` `["order", ...]`: those of them that were not bought;
//! - `GET` and `POST /_sandbox/zinc/faults`: the faults, as JSON; what is left out is none;
//! - `POST /_sandbox/zinc/outage` `{"on": true}`;
//! - `POST /_sandbox/zinc/inject` `{"fault": "drop_answer"}` or `{"refusal": "internal_error"}`;
//! - `POST /_sandbox/stripe/change` `{"id": "pi_...", "fact": {"refunded": 100}}`.
//!
//! A handler decides at once and only then waits, so that a client who hangs up changes nothing of
//! what was done. Waiting costs no thread.

use crate::reply::{Content, Delivery, Reply, Severed};
use crate::stripe::{Fact, Headers};
use crate::tap::{Tap, Wire};
use crate::world::World;
use crate::zinc::{Faults, Injected};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long a kept connection may be idle before it is closed.
const IDLE_MS_MAX: u64 = 30_000;
/// How long calls under way may take when the world stops.
const STOP_MS_MAX: u64 = 1_000;
/// How long to let an accept rest that failed, for want of file descriptors for example.
const ACCEPT_REST_MS: u64 = 20;

/// Take connections until told to stop.
pub(crate) async fn accept(
    world: Arc<World>,
    listener: TcpListener,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // A dropped handle stops the world like a stopped one.
            _ = stopped.changed() => break,
            taken = listener.accept() => match taken {
                Ok((stream, _)) => {
                    connections.spawn(connection(Arc::clone(&world), stream, stopped.clone()));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(ACCEPT_REST_MS)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_millis(STOP_MS_MAX), all).await;
    connections.shutdown().await;
}

async fn connection(world: Arc<World>, stream: TcpStream, mut stopped: watch::Receiver<bool>) {
    // Small answers must not wait for more; if it cannot be set they are slower, not wrong.
    let _ = stream.set_nodelay(true);
    let wire = Arc::new(Wire::default());
    let tap = Tap::new(stream, Arc::clone(&wire));
    let service = service_fn(move |request| answer(Arc::clone(&world), Arc::clone(&wire), request));
    let mut serving = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(IDLE_MS_MAX))
            .serve_connection(TokioIo::new(tap), service)
    );
    // A connection ends in errors all the time here, most of them made on purpose.
    tokio::select! {
        _ = serving.as_mut() => {}
        _ = stopped.changed() => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
}

async fn answer(
    world: Arc<World>,
    wire: Arc<Wire>,
    request: Request<Incoming>,
) -> Result<Response<Content>, Severed> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return Err(Severed);
    };
    let body = body.to_bytes();
    let reply = route(&world, &head, &body);
    if reply.not_before_ms > world.clock.now_ms() {
        world.clock.sleep_until(reply.not_before_ms).await;
    }
    match reply.delivery {
        Delivery::Never => return Err(Severed),
        Delivery::Reset => wire.reset.store(true, Ordering::Relaxed),
        Delivery::Twice => wire.twice.store(true, Ordering::Relaxed),
        Delivery::Whole | Delivery::Cut => {}
    }
    Ok(response(reply))
}

fn response(reply: Reply) -> Response<Content> {
    let length = HeaderValue::from(reply.body.len());
    let cut = matches!(reply.delivery, Delivery::Cut | Delivery::Reset);
    let mut response = Response::new(Content::new(reply.body, cut));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    headers.insert(CONTENT_LENGTH, length);
    if let Some(seconds) = reply.retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if reply.replayed {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    response
}

fn route(world: &World, head: &hyper::http::request::Parts, body: &Bytes) -> Reply {
    let (method, path) = (head.method.as_str(), head.uri.path());
    let query = head.uri.query().unwrap_or_default();
    let authorization = text(&head.headers, AUTHORIZATION.as_str());
    if under(path, "/v1/orders") {
        world.zinc.handle(method, path, query, authorization, body)
    } else if under(path, "/v1/payment_intents") {
        let idempotency_key = text(&head.headers, "idempotency-key");
        let headers = Headers { authorization, idempotency_key };
        world.stripe.handle(method, path, query, headers, body)
    } else {
        admin(world, method, path, query, body)
    }
}

fn under(path: &str, door: &str) -> bool {
    path.strip_prefix(door).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[derive(Deserialize)]
struct Outage {
    on: bool,
}

#[derive(Deserialize)]
struct Change {
    id: String,
    fact: Fact,
}

fn admin(world: &World, method: &str, path: &str, query: &str, body: &[u8]) -> Reply {
    let zinc = &world.zinc;
    let after = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "after")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    match (method, path) {
        ("GET", "/_sandbox/zinc/ledger") => Reply::lines(zinc.ledger_text(after)),
        ("GET", "/_sandbox/zinc/summary") => json(&zinc.summary()),
        ("GET", "/_sandbox/zinc/faults") => json(&zinc.faults()),
        ("POST", "/_sandbox/zinc/faults") => with(body, |faults: Faults| {
            zinc.set_faults(faults).map(|()| true).map_err(|error| error.to_string())
        }),
        ("POST", "/_sandbox/zinc/outage") => with(body, |outage: Outage| {
            zinc.set_outage(outage.on);
            Ok(outage.on)
        }),
        ("POST", "/_sandbox/zinc/inject") => with(body, |next: Injected| {
            zinc.inject(next);
            Ok(true)
        }),
        ("POST", "/_sandbox/zinc/never_bought") => with(body, |orders: Vec<String>| {
            Ok(zinc.never_bought(orders.iter().map(String::as_str)))
        }),
        ("GET", "/_sandbox/stripe/ledger") => Reply::lines(world.stripe.ledger_text(after)),
        ("POST", "/_sandbox/stripe/change") => {
            with(body, |change: Change| Ok(world.stripe.change(&change.id, change.fact)))
        }
        _ => Reply::json(404, "{\"error\":\"no such page\"}"),
    }
}

fn json(value: &impl serde::Serialize) -> Reply {
    serde_json::to_vec(value).map_or_else(|_| Reply::page(500), |body| Reply::json(200, body))
}

fn with<T: DeserializeOwned, A: serde::Serialize>(
    body: &[u8],
    act: impl FnOnce(T) -> Result<A, String>,
) -> Reply {
    let done = serde_json::from_slice(body).map_err(|error| error.to_string()).and_then(act);
    match done {
        Ok(answer) => json(&answer),
        Err(error) => Reply::json(400, serde_json::json!({ "error": error }).to_string()),
    }
}
