//! Who calls. Closed unless opened: the layer stands around the whole router. // D1
//!
//! A key in `apikey`, a key or a JWT in `Authorization: Bearer`, or both: then both must be good and
//! the bearer's role counts, as on Supabase. Only `service_role` may touch orders.

use super::fault::Fault;
use super::{JwtSecret, Shared, WallClock, jwt, keys};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use orders_store::Store;
use serde_json::{Value, json};
use std::sync::Arc;

/// The only paths that anybody may call without a key. The last one asks for a signature instead.
pub const OPEN_PATHS: [&str; 4] = ["/health", "/ready", "/openapi.json", "/webhooks/stripe"];

const APIKEY: HeaderName = HeaderName::from_static("apikey");

/// What a caller may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A server of the shop.
    Service,
    /// A signed-in customer.
    Authenticated,
    /// Nobody in particular.
    Anon,
}

impl Role {
    /// The role of a name, exactly.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "service_role" => Some(Self::Service),
            "authenticated" => Some(Self::Authenticated),
            "anon" => Some(Self::Anon),
            _ => None,
        }
    }
}

/// A caller who was let in, or is about to be refused.
#[derive(Debug, Clone)]
pub struct Caller {
    /// What he may be.
    pub role: Role,
    /// Who he is: a JWT's subject, or the prefix of an API key.
    pub subject: Option<String>,
}

impl Caller {
    /// The claims for the database: whom the history names as actor. // ruling 20
    pub(crate) fn claims(&self) -> Value {
        json!({"role": "service_role", "sub": self.subject})
    }

    /// Whose idempotency keys are meant. All API keys of a shop are one caller, so that a repeat
    /// after a change of keys is still a repeat.
    pub(crate) fn name(&self) -> String {
        match &self.subject {
            Some(subject) if !keys::has_mark(subject) => format!("service_role:{subject}"),
            _ => "service_role".to_owned(),
        }
    }
}

/// What callers are judged by.
pub(crate) struct Auth {
    store: Store,
    jwt_secret: Option<JwtSecret>,
    clock: WallClock,
    known: keys::Known,
}

impl Auth {
    pub(crate) fn new(store: Store, jwt_secret: Option<JwtSecret>, clock: WallClock) -> Self {
        Self { store, jwt_secret, clock, known: keys::Known::default() }
    }

    async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Fault> {
        let apikey = text(headers, &APIKEY)?;
        let bearer = match text(headers, &header::AUTHORIZATION)? {
            None => None,
            Some(value) => Some(bearer(value)?),
        };
        match (apikey, bearer) {
            (None, None) => Err(Fault::new(
                StatusCode::UNAUTHORIZED,
                "PGRST302",
                "Anonymous access is disabled: give a key",
            )
            .hint("Send your key as the header apikey, or as Authorization: Bearer.")),
            (Some(one), None) | (None, Some(one)) => self.holder(one).await,
            (Some(apikey), Some(bearer)) if apikey == bearer => self.holder(bearer).await,
            (Some(apikey), Some(bearer)) => {
                self.holder(apikey).await?;
                self.holder(bearer).await
            }
        }
    }

    /// Whose a key or token is.
    async fn holder(&self, credential: &str) -> Result<Caller, Fault> {
        if keys::has_mark(credential) {
            let role = if keys::is_key(credential) {
                self.known.role(&self.store, credential).await?
            } else {
                None
            };
            let role = role.as_deref().and_then(Role::parse).ok_or_else(|| {
                Fault::new(
                    StatusCode::UNAUTHORIZED,
                    "PGRST301",
                    "the API key is unknown or no longer valid",
                )
            })?;
            return Ok(Caller { role, subject: Some(keys::prefix(credential)) });
        }
        match &self.jwt_secret {
            Some(secret) => jwt::caller(credential, secret, (self.clock)()),
            None => Err(Fault::new(
                StatusCode::UNAUTHORIZED,
                "PGRST301",
                "the key is unknown: only API keys are accepted here",
            )),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Fault> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(|value| value.to_str().map(str::trim));
    match (first, values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        _ => Err(Fault::new(StatusCode::UNAUTHORIZED, "PGRST301", "the key cannot be read")),
    }
}

fn bearer(value: &str) -> Result<&str, Fault> {
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Fault::new(
            StatusCode::UNAUTHORIZED,
            "PGRST301",
            "the Authorization header must be Bearer and a key",
        )),
    }
}

/// Lets through who may, and tells the handlers who it is.
pub(crate) async fn layer(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    if OPEN_PATHS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    match shared.auth.caller(request.headers()).await {
        Ok(caller) if caller.role == Role::Service => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Ok(caller) => {
            let status = match caller.role {
                Role::Anon => StatusCode::UNAUTHORIZED,
                Role::Authenticated | Role::Service => StatusCode::FORBIDDEN,
            };
            Fault::new(status, "42501", "permission denied: only service_role may touch orders")
                .hint("Call from a server with its service key; never give that key to a browser.")
                .into_response()
        }
        Err(fault) => fault.into_response(),
    }
}
