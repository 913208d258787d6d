//! The server: one port, three doors. `/v1/orders` is Zinc; `/v1/payment_intents`, `charges`,
//! `refunds`, `disputes`, `reviews`, `radar`, `checkout` and `events` are Stripe; `/_sandbox` is
//! for those who run the test:
//!
//! - `GET /_sandbox/zinc/ledger?after=SEQ` and `GET /_sandbox/stripe/ledger?after=SEQ`: JSON lines;
//! - `GET /_sandbox/zinc/summary` and `GET /_sandbox/stripe/summary`: what the oracles say;
//! - `POST /_sandbox/zinc/never_bought` `["order", ...]`: those of them that were not bought;
//! - `GET` and `POST /_sandbox/zinc/faults`: the faults, as JSON; what is left out is none;
//! - `POST /_sandbox/zinc/outage` `{"on": true}`;
//! - `POST /_sandbox/zinc/inject` `{"fault": "drop_answer"}` or `{"refusal": "internal_error"}`;
//! - `POST /_sandbox/stripe/pay` `{"order_id": "...", "amount": 4200, "currency": "usd"}`, and so
//!   `authorise` and `open_intent`: an intent's id;
//! - `POST /_sandbox/stripe/approve` `"pi_..."` and `decline`: the customer's or the bank's word;
//! - `POST /_sandbox/stripe/change` `{"id": "pi_...", "fact": {"refunded": 100}}`;
//! - `POST /_sandbox/stripe/refund` `{"intent": "pi_...", "amount": 100}`, in the dashboard,
//!   without notes and if need be without an amount: the refund's id;
//! - `POST /_sandbox/stripe/next_refund` `"pending"`: how the next refund begins;
//! - `POST /_sandbox/stripe/move_refund` `{"id": "re_...", "status": "failed"}`;
//! - `POST /_sandbox/stripe/dispute` `{"intent": "pi_...", "status": "needs_response"}`: its id;
//! - `POST /_sandbox/stripe/move_dispute` `{"id": "dp_...", "status": "won"}`;
//! - `POST /_sandbox/stripe/review` `"pi_..."`: its id;
//! - `POST /_sandbox/stripe/close_review` `{"id": "prv_...", "reason": "approved"}`;
//! - `POST /_sandbox/stripe/warning` `"pi_..."`: the early fraud warning's id;
//! - `POST /_sandbox/stripe/check_out` `"pi_..."`: the checkout session's id;
//! - `GET` and `POST /_sandbox/stripe/faults`: as with Zinc;
//! - `POST /_sandbox/stripe/inject` `{"fault": "drop_answer", "path_has": "/refunds"}`; the path
//!   may be left out;
//! - `POST /_sandbox/stripe/limits` `{"reads": 25, "writes": null}`: calls a second;
//! - `POST /_sandbox/stripe/webhook` `{"url": "http://127.0.0.1:1/x", "secrets": ["whsec_..."]}`,
//!   or without a URL: nothing is owed any more;
//! - `POST /_sandbox/stripe/hold` `{"on": true}`: deliver only by hand;
//! - `GET /_sandbox/stripe/owed`: the deliveries that are owed;
//! - `POST /_sandbox/stripe/deliver` `[1, 0]`: by their places, in this order; what was answered.
//!
//! A handler decides at once and only then waits, so that a client who hangs up changes nothing of
//! what was done; only `deliver` ends with its caller. Waiting costs no thread.

use crate::admin;
use crate::clock::Clock;
use crate::reply::{Content, Delivery, Reply, Severed};
use crate::stripe::Headers;
use crate::tap::{Tap, Wire};
use crate::world::World;
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
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Where Stripe answers.
const STRIPE: [&str; 8] = [
    "/v1/payment_intents",
    "/v1/charges",
    "/v1/refunds",
    "/v1/disputes",
    "/v1/reviews",
    "/v1/radar",
    "/v1/checkout",
    "/v1/events",
];
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
    let reply = route(&world, &head, &body).await;
    if reply.not_before_ms > world.clock.now_ms() {
        world.clock.sleep_until(reply.not_before_ms).await;
    }
    match reply.delivery {
        Delivery::Never => return Err(Severed),
        Delivery::Reset => wire.reset.store(true, Ordering::Relaxed),
        Delivery::Twice => wire.twice.store(true, Ordering::Relaxed),
        Delivery::Whole | Delivery::Cut | Delivery::Trickle => {}
    }
    Ok(response(reply, &world.clock))
}

fn response(reply: Reply, clock: &Arc<dyn Clock>) -> Response<Content> {
    let length = HeaderValue::from(reply.body.len());
    let cut = matches!(reply.delivery, Delivery::Cut | Delivery::Reset);
    let content = match reply.delivery {
        Delivery::Trickle => Content::trickle(reply.body, Arc::clone(clock)),
        _ => Content::new(reply.body, cut),
    };
    let mut response = Response::new(content);
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
    if let Some(should_retry) = reply.should_retry {
        let word = if should_retry { "true" } else { "false" };
        headers.insert("stripe-should-retry", HeaderValue::from_static(word));
    }
    if let Some(Ok(id)) = reply.request_id.map(|id| HeaderValue::from_str(&id)) {
        headers.insert("request-id", id);
    }
    response
}

async fn route(world: &World, head: &hyper::http::request::Parts, body: &Bytes) -> Reply {
    let (method, path) = (head.method.as_str(), head.uri.path());
    let query = head.uri.query().unwrap_or_default();
    let authorization = text(&head.headers, AUTHORIZATION.as_str());
    if under(path, "/v1/orders") {
        world.zinc.handle(method, path, query, authorization, body)
    } else if STRIPE.iter().any(|door| under(path, door)) {
        let idempotency_key = text(&head.headers, "idempotency-key");
        let headers = Headers { authorization, idempotency_key };
        world.stripe.handle(method, path, query, headers, body)
    } else {
        admin::answer(world, method, path, query, body).await
    }
}

fn under(path: &str, door: &str) -> bool {
    path.strip_prefix(door).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
