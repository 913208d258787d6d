//! `POST /webhooks/stripe`: a message of Stripe, stored before it is acknowledged.
//!
//! Promise: nothing is stored that Stripe did not sign; what it did sign is answered with success only
//! when it is committed, so that Stripe repeats the rest; a message changes nothing but that its
//! payment is read before anything is bought with it. Whatever is refused is counted. // B1, C4, G23, G25

use super::counts::Counts;
use crate::api::fault::Fault;
use crate::api::{Shared, body};
use crate::engine::missed::message;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use orders_core::private::Private;
use orders_gateway::stripe::EventFacts;
use orders_gateway::stripe::webhook::{self, Forged, SIGNATURE_HEADER};
use orders_store::Store;
use orders_store::inbox::{self, Ours, Received, Source};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// The largest message that is read.
const BODY_BYTES_MAX: usize = 512 * 1024;
/// How long storing may take: Stripe waits a little longer, so it gets our answer.
const STORE_LIMIT: Duration = Duration::from_secs(8);
/// After how many seconds it may be sent again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// What messages of Stripe are judged by.
#[derive(Debug, Clone)]
pub struct StripeHook {
    /// The endpoint's secrets: one, or two while it is being changed.
    pub secrets: Vec<Private<String>>,
    /// How far the time of a signature may be from ours, in seconds.
    pub tolerance_s: i64,
    /// Whether messages must be of live mode.
    pub live_mode: bool,
    /// The shop's account, where messages name one.
    pub account: Option<String>,
    /// What became of messages.
    pub counts: Arc<Counts>,
}

/// Takes a message.
pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Response> {
    // Read also when nothing is taken here, so that the sender gets to see why.
    let read = body::read_at_most(request, BODY_BYTES_MAX).await;
    let Some(hook) = &shared.stripe_hook else { return Err(not_configured().into_response()) };
    let counts = &hook.counts;
    let bytes = read.map_err(|fault| {
        let large = fault.status == StatusCode::PAYLOAD_TOO_LARGE;
        add(if large { &counts.too_large } else { &counts.broken_off });
        fault.into_response()
    })?;
    if let Err(forged) = hook.verify(&headers, &bytes, (shared.clock)().as_second()) {
        add(counts.forged(forged));
        tracing::warn!(
            reason = forged.name(),
            "a message was refused that Stripe did not sign now"
        );
        return Err(refused(forged).into_response());
    }
    let Some(event) = webhook::read_event(&bytes) else {
        add(&counts.unreadable);
        tracing::error!("Stripe signed a message that cannot be read");
        return Err(unreadable().into_response());
    };
    let Some(received) = hook.store(&shared.store, &event, &bytes).await else {
        add(&counts.storing_failed);
        let mut response = not_stored().into_response();
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        return Err(response);
    };
    add(counts.received(received));
    if received == Received::New
        && let Some(engine) = &shared.engine
    {
        engine.wake_events();
    }
    Ok(Json(json!({"received": true})).into_response())
}

fn add(count: &AtomicI64) {
    count.fetch_add(1, Ordering::Relaxed);
}

impl StripeHook {
    fn verify(&self, headers: &HeaderMap, body: &[u8], now_s: i64) -> Result<(), Forged> {
        let mut given = headers.get_all(SIGNATURE_HEADER).iter();
        let header = match (given.next(), given.next()) {
            (None, _) => return Err(Forged::NoHeader),
            (Some(one), None) => one.to_str().map_err(|_| Forged::Malformed)?,
            (Some(_), Some(_)) => return Err(Forged::Malformed),
        };
        webhook::verify(header, body, &self.secrets, now_s, self.tolerance_s)
    }

    /// Stores a message; nothing when that failed, or took too long.
    async fn store(&self, store: &Store, event: &EventFacts, body: &[u8]) -> Option<Received> {
        let message = message(Source::Webhook, event, Some(body));
        let ours = Ours { live_mode: self.live_mode, account: self.account.clone() };
        let stored =
            tokio::time::timeout(STORE_LIMIT, inbox::receive(store, &message, &ours)).await;
        let why = match stored {
            Ok(Ok(received)) => return Some(received),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it took too long".to_owned(),
        };
        tracing::error!(event = event.id, why, "a message could not be stored; Stripe repeats it");
        None
    }
}

fn not_configured() -> Fault {
    let message = "messages of Stripe are not taken here";
    Fault::new(StatusCode::NOT_FOUND, "webhook_not_configured", message).hint(
        "Set STRIPE_WEBHOOK_SECRET to the secret of the endpoint, and start the server again.",
    )
}

fn refused(forged: Forged) -> Fault {
    // The sentence of the reason tells a forger nothing.
    Fault::new(StatusCode::BAD_REQUEST, "signature_refused", forged.to_string()).hint(
        "Compare STRIPE_WEBHOOK_SECRET with the endpoint's secret at Stripe, and this machine's clock.",
    )
}

fn unreadable() -> Fault {
    let message = "the message is no event of Stripe's API v1";
    Fault::new(StatusCode::BAD_REQUEST, "message_unreadable", message)
}

fn not_stored() -> Fault {
    let message = "the message could not be stored";
    Fault::new(StatusCode::SERVICE_UNAVAILABLE, "not_stored", message).hint("Send it again.")
}
