//! An error on its way to a caller, and how it looks on each surface.
//!
//! Promise: what is shown was written for callers. The database's own words pass only for the codes
//! whose texts are known to be harmless; everything else is a fixed sentence, and the code goes to
//! the log under the correlation id. // G34, G36

use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use orders_core::order::Violation;
use orders_store::Error;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

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
        }))
    }

    /// The same under another code and sentence.
    #[must_use]
    pub fn renamed(mut self, code: &'static str, message: impl Into<String>) -> Self {
        self.code = code.into();
        self.message = message.into();
        self
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
        response.extensions_mut().insert(self);
        response
    }
}

/// The HTTP status of a SQLSTATE, as PostgREST has it (contract, section 3).
pub(crate) fn status_of(sqlstate: &str) -> StatusCode {
    if let Some(digits) = sqlstate.strip_prefix("PT") {
        return digits
            .parse()
            .ok()
            .and_then(|number| StatusCode::from_u16(number).ok())
            .filter(|status| status.as_u16() >= 400)
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let number = match sqlstate {
        "42501" => 403,
        "42883" | "42P01" => 404,
        "23505" | "23503" => 409,
        "25006" => 405,
        "53400" => 500,
        _ => match sqlstate.get(..2).unwrap_or_default() {
            "28" | "0L" | "0P" => 403,
            "40" | "57" | "55" | "54" | "25" | "XX" => 500,
            "53" | "08" => 503,
            _ => 400,
        },
    };
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Whether the database's sentence may be shown: raised by our functions, or about a value that the
/// caller gave, or a fixed text.
fn is_showable(sqlstate: &str) -> bool {
    sqlstate == "42501"
        || ["P0", "PT", "22", "23", "25", "40", "53", "55", "57"]
            .iter()
            .any(|class| sqlstate.starts_with(class))
}

/// The database's sentence without the value that it quotes: a value in the wrong place may be
/// private. What our own functions raise (22023) quotes nothing.
fn said(sqlstate: &str, message: &str) -> String {
    let quoted = message.find(": \"").filter(|_| sqlstate.starts_with("22") && sqlstate != "22023");
    message[..quoted.unwrap_or(message.len())].to_owned()
}

const REPEAT: &str = "The outcome of this call is unknown. Repeat it with the same arguments: every function is safe to repeat.";

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Database { code, message, hint, .. } if is_showable(&code) => {
                let mut fault = Self::new(status_of(&code), code.clone(), said(&code, &message));
                fault.hint = hint.as_deref().map(str::to_owned);
                fault
            }
            Error::Database { code, .. } => {
                Self::new(status_of(&code), code, "the database refused the call")
            }
            Error::Unreachable { .. } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "PGRST000",
                "the database cannot be reached in time",
            )
            .hint(REPEAT),
            Error::TimedOut { .. } => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "57014", "the statement took too long")
                    .hint(REPEAT)
            }
            Error::Interrupted { .. } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "08006",
                "the connection to the database broke",
            )
            .hint(REPEAT),
            Error::Inconsistent { .. } | Error::BadGround(_) | Error::Address => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "the service found its database other than it must be",
            ),
        }
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
    fn a_sqlstate_has_the_status_of_the_contract() {
        for (code, status) in [
            ("P0001", 400),
            ("PT409", 409),
            ("PT422", 422),
            ("PTabc", 500),
            ("PT200", 500),
            ("42501", 403),
            ("42883", 404),
            ("42P01", 404),
            ("23505", 409),
            ("23503", 409),
            ("22P02", 400),
            ("23502", 400),
            ("23514", 400),
            ("25006", 405),
            ("28000", 403),
            ("0L000", 403),
            ("40001", 500),
            ("40P01", 500),
            ("57014", 500),
            ("55P03", 500),
            ("54000", 500),
            ("25001", 500),
            ("XX000", 500),
            ("53400", 500),
            ("53300", 503),
            ("08006", 503),
        ] {
            assert_eq!(status_of(code).as_u16(), status, "{code}");
        }
    }

    #[test]
    fn the_words_of_an_unknown_database_error_are_not_shown() {
        let fault = Fault::from(Error::Database {
            what: "x",
            code: "42703".into(),
            message: "column \"recipient\" does not exist".into(),
            detail: None,
            hint: Some("select * from".into()),
            constraint: None,
        });
        let shown = fault.body(Surface::Rest, "c").to_string();
        assert!(!shown.contains("recipient") && !shown.contains("select"), "{shown}");
    }

    #[test]
    fn a_value_that_the_database_quotes_is_cut_off() {
        let message = "invalid input syntax for type uuid: \"12 Elm Street\"";
        assert_eq!(said("22P02", message), "invalid input syntax for type uuid");
        assert_eq!(said("22023", "a rule: \"x\""), "a rule: \"x\"");
    }

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
