//! An error on its way to a caller, and how it looks on each surface.
//!
//! Promise: what is shown was written for callers. The database's own words pass only for the codes
//! that our own functions raise (see `database`); everything else is a fixed sentence, and the code
//! goes to the log under the correlation id. // G34, G36

mod database;

use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use orders_core::order::Violation;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

/// Says that an answer is the stored one of an earlier request under the same key.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Which clients a path serves, and so which shape they expect an error in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// Edge functions, for `supabase.functions.invoke`.
    Functions,
    /// PostgREST's four fields.
    Rest,
    /// Problems of RFC 9457.
    Problem,
}

impl Surface {
    /// The surface of a path.
    pub fn of(path: &str) -> Self {
        if path.starts_with("/functions/") {
            Self::Functions
        } else if path.starts_with("/rest/") {
            Self::Rest
        } else {
            Self::Problem
        }
    }
}

/// Why a request was not done.
#[derive(Debug, Clone)]
pub struct Fault(Box<Content>);

/// What a fault says.
#[derive(Debug, Clone)]
pub struct Content {
    /// The HTTP status.
    pub status: StatusCode,
    /// The code to branch on.
    pub code: Cow<'static, str>,
    /// The sentence for people.
    pub message: String,
    /// More about it.
    pub details: Option<String>,
    /// What to do instead.
    pub hint: Option<String>,
    /// Facts beside the sentence.
    pub facts: Map<String, Value>,
    /// Fields that break rules.
    pub violations: Vec<Violation>,
    /// Whether this is the stored answer to an earlier request under the same key.
    pub replayed: bool,
}

impl Deref for Fault {
    type Target = Content;

    fn deref(&self) -> &Content {
        &self.0
    }
}

impl DerefMut for Fault {
    fn deref_mut(&mut self) -> &mut Content {
        &mut self.0
    }
}

impl Fault {
    /// An error with a status, a code and a sentence.
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self(Box::new(Content {
            status,
            code: code.into(),
            message: message.into(),
            details: None,
            hint: None,
            facts: Map::new(),
            violations: Vec::new(),
            replayed: false,
        }))
    }

    /// Adds what to do instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// Fields that break rules, every one of them.
    pub fn invalid(violations: Vec<Violation>) -> Self {
        let list: Vec<String> = violations.iter().take(5).map(ToString::to_string).collect();
        let more = if violations.len() > list.len() { "; and more" } else { "" };
        let message = format!("{}{more}", list.join("; "));
        {
            let mut fault = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message);
            fault.violations = violations;
            fault
        }
    }

    /// One field that breaks a rule.
    pub fn field(field: &str, rule: impl Into<String>) -> Self {
        Self::invalid(vec![Violation { field: field.to_owned(), rule: rule.into() }])
    }

    /// A refusal that a door stored and answered: its four fields and its facts. // ruling 19
    pub fn stored(value: Value, status: u16) -> Self {
        let mut facts = match value {
            Value::Object(fields) => fields,
            other => Map::from_iter([("answer".to_owned(), other)]),
        };
        let mut text = |name: &str| match facts.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let code = text("code").unwrap_or_else(|| "refused".to_owned());
        let message = text("message").unwrap_or_else(|| "the order's rules say no".to_owned());
        let (details, hint) = (text("details"), text("hint"));
        facts.remove("success");
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::CONFLICT);
        let mut fault = Self::new(status, code, message);
        fault.details = details;
        fault.hint = hint;
        fault.facts = facts;
        fault
    }

    /// The body on a surface.
    pub fn body(&self, surface: Surface, correlation: &str) -> Value {
        match surface {
            Surface::Rest => self.rest(),
            Surface::Functions if self.status == StatusCode::UNAUTHORIZED => {
                let missing = self.code == "PGRST302";
                let message = if missing { "Missing authorization header" } else { "Invalid JWT" };
                json!({"code": 401, "message": message})
            }
            Surface::Functions => self.function(correlation),
            Surface::Problem => self.problem(correlation),
        }
    }

    fn rest(&self) -> Value {
        let mut body = json!({
            "code": self.code, "message": self.message, "details": self.details, "hint": self.hint,
        });
        self.add_facts(&mut body);
        body
    }

    fn function(&self, correlation: &str) -> Value {
        let mut body = json!({
            "success": false, "code": self.word(), "message": self.message, "hint": self.hint,
            "correlation_id": correlation,
        });
        self.add_facts(&mut body);
        body
    }

    fn problem(&self, correlation: &str) -> Value {
        let word = self.word();
        let mut body = json!({
            "type": format!("urn:atomic-orders:problem:{word}"),
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(), "detail": self.message, "code": word,
            "correlation_id": correlation,
        });
        if let Some(hint) = &self.hint {
            body["hint"] = json!(hint);
        }
        self.add_facts(&mut body);
        body
    }

    fn add_facts(&self, body: &mut Value) {
        let Value::Object(fields) = body else { return };
        for (name, value) in &self.facts {
            fields.entry(name).or_insert_with(|| value.clone());
        }
        if !self.violations.is_empty() {
            fields.insert("violations".to_owned(), json!(self.violations));
        }
    }

    /// The code in our own words, where PostgREST's or the database's would say nothing to a caller
    /// of our own routes.
    fn word(&self) -> Cow<'static, str> {
        let foreign = self.code.starts_with("PGRST")
            || (self.code.len() == 5
                && self.code.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()));
        if !foreign {
            return self.code.clone();
        }
        Cow::Borrowed(match self.status.as_u16() {
            401 => "unauthorized",
            403 => "forbidden",
            404 => "not_found",
            405 => "method_not_allowed",
            409 => "conflict",
            422 => "unprocessable",
            400..=499 => "invalid",
            503 | 504 => "try_again",
            _ => "internal",
        })
    }
}

impl IntoResponse for Fault {
    /// The frame around every request writes the body; it alone knows surface and correlation id.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        if self.replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Whatever has no route.
pub(crate) async fn no_such_path(uri: Uri) -> Fault {
    let not_found = StatusCode::NOT_FOUND;
    match Surface::of(uri.path()) {
        Surface::Rest => Fault::new(
            not_found,
            "PGRST205",
            "Could not find the table or view in the schema cache",
        )
        .hint("Only functions are served here: POST /rest/v1/rpc/<function>. Orders are read at GET /v1/orders."),
        Surface::Functions => Fault::new(not_found, "no_such_function", "Requested function was not found")
            .hint("The function is process-zma-order."),
        Surface::Problem => {
            Fault::new(not_found, "not_found", "there is nothing here").hint("GET /openapi.json lists every route.")
        }
    }
}

/// A route that exists, with a verb that it does not have.
pub(crate) async fn wrong_verb(method: Method, uri: Uri) -> Fault {
    let code = match Surface::of(uri.path()) {
        Surface::Rest => "PGRST101",
        Surface::Functions | Surface::Problem => "method_not_allowed",
    };
    Fault::new(
        StatusCode::METHOD_NOT_ALLOWED,
        code,
        format!("Cannot use the {method} method on this route"),
    )
    .hint("GET /openapi.json lists every route with its verbs.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_surface_has_its_own_shape() {
        let fault = Fault::new(StatusCode::CONFLICT, "PT409", "no").fact("order_id", "7");
        let keys = |surface| match fault.body(surface, "c") {
            Value::Object(fields) => fields.keys().cloned().collect::<Vec<_>>(),
            other => panic!("{other}"),
        };
        assert_eq!(keys(Surface::Rest), ["code", "message", "details", "hint", "order_id"]);
        assert_eq!(fault.body(Surface::Problem, "c")["code"], "conflict");
        assert_eq!(fault.body(Surface::Functions, "c")["success"], false);
    }
}
