//! What others call: edge functions, database functions, orders, health, all over HTTP/1.1.
//!
//! Promise: every route but `/health`, `/ready` and `/openapi.json`, and `/webhooks/stripe`, which asks
//! for a signature instead, asks who calls before it reads a body (the layer stands around the whole
//! router, so a new route is closed until somebody opens it); every answer is JSON in the shape that callers of its surface expect; no answer carries SQL,
//! a path, a version or anything private; a caller who hangs up leaves nothing half done. // D1, G33, G34
//!
//! Reading order: `routes` (the one table that router and OpenAPI document are made of), `frame`
//! (what happens around every request), [`auth`] (who calls), [`fault`] (how an error looks), then
//! one file per endpoint under `functions/`, `rest/`, `v1/`, `hooks/`, and `server` (the sockets).

pub mod auth;
mod body;
mod call;
pub mod fault;
mod frame;
mod functions;
mod health;
mod hooks;
pub(crate) mod json;
mod jwt;
mod keys;
mod openapi;
mod ready;
mod rest;
mod routes;
mod server;
pub(crate) mod shape;
mod v1;

pub use hooks::counts::Counts as StripeCounts;
pub use hooks::stripe::StripeHook;
pub use jwt::{JwtSecret, WeakSecret};
pub use keys::new_api_key;
pub use openapi::document;
pub use server::serve;

use crate::engine::Engine;
use axum::Router;
use jiff::Timestamp;
use orders_store::Store;
use orders_store::door::Door;
use std::sync::Arc;
use std::time::Duration;

/// The largest body that is read.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// The time for a caller to send his headers, and again his body.
pub const READ_LIMIT: Duration = Duration::from_secs(10);
/// The time for an answer. Driving an order has its own: the provider's call and a few seconds.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Where the server reads the time: passed in, so that tests own it.
pub type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What the server is made of.
#[derive(Clone)]
pub struct Api {
    /// The shop's database.
    pub store: Store,
    /// Who drives an order at once; without it orders wait for an engine elsewhere.
    pub engine: Option<Arc<Engine>>,
    /// The doors, as [`orders_store::door::catalogue`] gave them at the start.
    pub doors: Vec<Door>,
    /// The secret of the project's JWTs; without it only API keys are accepted.
    pub jwt_secret: Option<JwtSecret>,
    /// The time that JWTs and signatures are judged by.
    pub clock: WallClock,
    /// What messages of Stripe are judged by; without it none is taken.
    pub stripe_hook: Option<StripeHook>,
}

/// What the handlers share.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) engine: Option<Arc<Engine>>,
    pub(crate) doors: Vec<Door>,
    pub(crate) auth: auth::Auth,
    pub(crate) ready: ready::Cache,
    pub(crate) correlation: frame::Correlation,
    pub(crate) clock: WallClock,
    pub(crate) stripe_hook: Option<StripeHook>,
}

/// The whole server as a router.
pub fn router(api: Api) -> Router {
    let Api { store, engine, doors, jwt_secret, clock, stripe_hook } = api;
    let correlation = frame::Correlation::starting_at(clock());
    let auth = auth::Auth::new(store.clone(), jwt_secret, Arc::clone(&clock));
    let shared = Arc::new(Shared {
        store,
        engine,
        doors,
        auth,
        ready: ready::Cache::default(),
        correlation,
        clock,
        stripe_hook,
    });
    let mut router: Router<Arc<Shared>> = Router::new();
    for route in routes::all() {
        router = router.route(route.path, (route.handler)());
    }
    router
        .fallback(fault::no_such_path)
        .method_not_allowed_fallback(fault::wrong_verb)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&shared), auth::layer))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&shared), frame::layer))
        .with_state(shared)
}
