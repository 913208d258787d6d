//! Stripe's errors, and whether one is kept under the key of its call.

use crate::reply::Reply;
use serde_json::{Value, json};

/// What went wrong.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) body: Value,
    /// Whether the answer is stored under the key: not so before execution.
    pub(super) stored: bool,
}

impl Refused {
    pub(super) fn new(status: u16, kind: &str, code: Option<&str>, param: Option<&str>) -> Self {
        let message = code.unwrap_or(kind).replace('_', " ");
        let error = json!({ "type": kind, "code": code, "message": message, "param": param });
        Self { status, body: json!({ "error": error }), stored: false }
    }

    /// A parameter is wrong: found before anything is done.
    pub(super) fn invalid(code: &str, param: &str) -> Self {
        Self::new(400, "invalid_request_error", Some(code), Some(param))
    }

    /// What was asked for does not exist.
    pub(super) fn missing(param: &str) -> Self {
        Self::new(404, "invalid_request_error", Some("resource_missing"), Some(param))
    }

    /// There is no such page.
    pub(super) fn no_page() -> Self {
        Self::new(404, "invalid_request_error", None, None)
    }

    /// The state of things forbids it: found while doing it, so the key keeps it.
    pub(super) fn by_state(code: &str) -> Self {
        let refused = Self::new(400, "invalid_request_error", Some(code), None);
        Self { stored: true, ..refused }
    }

    /// An intent in another state than the call needs; Stripe sends it along.
    pub(super) fn unexpected_state(intent: Value) -> Self {
        let mut refused = Self::by_state("payment_intent_unexpected_state");
        refused.body["error"]["payment_intent"] = intent;
        refused
    }

    /// The card says no.
    pub(super) fn card(code: &str) -> Self {
        Self { stored: true, ..Self::new(402, "card_error", Some(code), None) }
    }

    /// Something broke at Stripe.
    pub(super) fn broken() -> Self {
        Self { stored: true, ..Self::new(500, "api_error", None, None) }
    }

    /// Too many calls.
    pub(super) fn too_many() -> Self {
        Self::new(429, "invalid_request_error", Some("rate_limit"), None)
    }

    /// Stripe's word for it.
    pub(super) fn code(&self) -> String {
        let error = &self.body["error"];
        error["code"].as_str().or(error["type"].as_str()).unwrap_or_default().to_owned()
    }

    pub(super) fn into_reply(self) -> Reply {
        Reply::json(self.status, self.body.to_string())
    }
}
