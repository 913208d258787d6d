//! A fake Stripe: payment intents, created, confirmed, read and listed.
//!
//! Keys are honoured as the contract says: the first answer is stored once execution began, errors
//! too, and given again; other parameters under a key are an error; validation errors are not
//! stored; after `key_memory_ms` a key is new. Cards: `pm_card_chargeDeclined` is declined, every
//! other one pays.
//!
//! It makes no faults: what can be wrong about a payment are its facts ([`Stripe::change`]).

mod book;
mod intent;

pub use book::Event;
pub use intent::{Fact, Intent};

use crate::Error;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::digest::Digest;
use crate::ledger::{self, Ledger, Line};
use crate::reply::Reply;
use book::Book;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How the fake Stripe behaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The secret key, sent as a bearer token.
    pub secret_key: String,
    /// What ids are drawn from.
    pub seed: u64,
    /// How long a key is remembered.
    pub key_memory_ms: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            secret_key: "sk_test_sandbox".to_owned(),
            seed: 1,
            key_memory_ms: 24 * 60 * 60 * 1000,
        }
    }
}

/// Headers that matter here.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Headers<'a> {
    pub(crate) authorization: Option<&'a str>,
    pub(crate) idempotency_key: Option<&'a str>,
}

/// The fake provider.
pub struct Stripe {
    book: Mutex<Book>,
    settings: Settings,
    clock: Arc<dyn Clock>,
    authorization: String,
}

impl std::fmt::Debug for Stripe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stripe").finish_non_exhaustive()
    }
}

const KEY_LENGTH_MAX: usize = 255;
const LIST_LIMIT: usize = 10;
const LIST_LIMIT_MAX: usize = 100;

type Form = BTreeMap<String, String>;

/// What went wrong, and whether the answer is stored under the key: not so before execution.
struct Refused {
    status: u16,
    body: Value,
    stored: bool,
}

impl Refused {
    fn new(status: u16, kind: &str, code: Option<&str>, param: Option<&str>) -> Self {
        let message = code.unwrap_or(kind).replace('_', " ");
        let error = json!({ "type": kind, "code": code, "message": message, "param": param });
        Self { status, body: json!({ "error": error }), stored: false }
    }

    fn invalid(code: &str, param: &str) -> Self {
        Self::new(400, "invalid_request_error", Some(code), Some(param))
    }

    fn missing() -> Self {
        Self::new(404, "invalid_request_error", Some("resource_missing"), Some("intent"))
    }

    fn stored(self) -> Self {
        Self { stored: true, ..self }
    }

    fn into_reply(self) -> Reply {
        Reply::json(self.status, self.body.to_string())
    }
}

impl Stripe {
    /// A provider whose ledger is in the file, if one is given, with all that stands there.
    pub(crate) fn open(
        settings: Settings,
        clock: Arc<dyn Clock>,
        path: Option<&Path>,
        durable: bool,
    ) -> Result<Self, Error> {
        let book = Mutex::new(Book::new(Ledger::open(path, durable)?));
        let authorization = format!("Bearer {}", settings.secret_key);
        Ok(Self { book, settings, clock, authorization })
    }

    /// Create an intent for an order and pay it, without HTTP. Answers the intent's id.
    pub fn pay(&self, order_id: &str, amount: i64, currency: &str) -> String {
        let metadata = [("order_id".to_owned(), order_id.to_owned())].into();
        let mut book = self.book();
        let intent = self.new_intent(&book, amount, currency, "automatic", metadata);
        let (id, payment_method) = (intent.id.clone(), "pm_card_visa".to_owned());
        let now_ms = self.clock.now_ms();
        book.record(now_ms, Event::Created { intent: Box::new(intent) });
        book.record(now_ms, Event::Confirmed { id: id.clone(), payment_method });
        id
    }

    /// Change a fact about a payment. False if there is no such intent.
    pub fn change(&self, id: &str, fact: Fact) -> bool {
        let mut book = self.book();
        if book.intent(id).is_none() {
            return false;
        }
        book.record(self.clock.now_ms(), Event::Changed { id: id.to_owned(), fact });
        true
    }

    /// An intent as it stands.
    pub fn intent(&self, id: &str) -> Option<Intent> {
        self.book().intent(id).cloned()
    }

    /// All lines, oldest first.
    pub fn ledger(&self) -> Vec<Line<Event>> {
        self.book().ledger.lines().to_vec()
    }

    /// The lines behind a number, as JSON lines.
    pub(crate) fn ledger_text(&self, after: u64) -> Vec<u8> {
        ledger::to_text(self.book().ledger.lines(), after)
    }

    /// Hand the ledger's text to the operating system.
    pub fn flush(&self) {
        self.book().ledger.flush();
    }

    /// Answer a call under `/v1/payment_intents`.
    pub(crate) fn handle(
        &self,
        method: &str,
        path: &str,
        query: &str,
        headers: Headers<'_>,
        body: &[u8],
    ) -> Reply {
        let mut book = self.book();
        if book.ledger.failure().is_some() {
            return Reply::page(500);
        }
        if headers.authorization != Some(&self.authorization) {
            book.record(self.clock.now_ms(), Event::Unauthorized);
            return Refused::new(401, "invalid_request_error", None, None).into_reply();
        }
        let rest = path.strip_prefix("/v1/payment_intents").unwrap_or_default();
        let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
        let parameters: Form = match method {
            "POST" => form_urlencoded::parse(body),
            _ => form_urlencoded::parse(query.as_bytes()),
        }
        .into_owned()
        .collect();
        match (method, parts.as_slice()) {
            ("POST", _) => self.post(&mut book, &parts, path, &parameters, headers),
            ("GET", []) => answered(list(&book, &parameters)),
            ("GET", [id]) => answered(
                book.intent(id)
                    .ok_or_else(Refused::missing)
                    .map(|intent| intent.to_json(expands(&parameters, "latest_charge"))),
            ),
            _ => Refused::new(404, "invalid_request_error", None, None).into_reply(),
        }
    }

    /// A change, at most once for a key.
    fn post(
        &self,
        book: &mut Book,
        parts: &[&str],
        path: &str,
        parameters: &Form,
        headers: Headers<'_>,
    ) -> Reply {
        let now_ms = self.clock.now_ms();
        // The order of parameters does not matter, so they are hashed sorted.
        let digest = Digest::of(format!("{path} {parameters:?}").as_bytes());
        let key = headers.idempotency_key;
        if let Some(reply) = key.and_then(|key| self.known(book, now_ms, key, digest)) {
            return reply;
        }
        let result = match parts {
            [] => self.create(book, now_ms, parameters),
            [id, "confirm"] => confirm(book, now_ms, id, parameters),
            _ => Err(Refused::new(404, "invalid_request_error", None, None)),
        };
        let (status, body, stored) = match result {
            Ok(id) => {
                let expand = expands(parameters, "latest_charge");
                (200, book.intent(&id).map(|it| it.to_json(expand)).unwrap_or_default(), true)
            }
            Err(refused) => (refused.status, refused.body, refused.stored),
        };
        let body = body.to_string();
        if let Some(key) = key.filter(|_| stored) {
            let (key, parameters) = (key.to_owned(), digest);
            let event = Event::Stored { key, parameters, status, body: body.clone() };
            book.record(now_ms, event);
        }
        Reply::json(status, body)
    }

    /// The answer that a key decides alone: the stored one, or an error about the key itself.
    fn known(&self, book: &mut Book, now_ms: i64, name: &str, parameters: Digest) -> Option<Reply> {
        if name.len() > KEY_LENGTH_MAX {
            let refused = Refused::invalid("idempotency_key_too_long", "idempotency_key");
            return Some(refused.into_reply());
        }
        let stored = book.keys.get(name)?;
        if now_ms - stored.at_ms >= i64::from(self.settings.key_memory_ms) {
            return None;
        }
        let key = name.to_owned();
        if stored.parameters != parameters {
            book.record(now_ms, Event::Violation { key });
            return Some(Refused::new(400, "idempotency_error", None, None).into_reply());
        }
        let reply = Reply::json(stored.status, stored.body.clone());
        book.record(now_ms, Event::Replayed { key });
        Some(Reply { replayed: true, ..reply })
    }

    fn create(&self, book: &mut Book, now_ms: i64, form: &Form) -> Result<String, Refused> {
        let text = |name: &str| form.get(name).map(String::as_str);
        let amount: i64 = text("amount")
            .ok_or_else(|| Refused::invalid("parameter_missing", "amount"))?
            .parse()
            .map_err(|_| Refused::invalid("parameter_invalid_integer", "amount"))?;
        if amount < 1 {
            return Err(Refused::invalid("amount_too_small", "amount"));
        }
        let currency =
            text("currency").ok_or_else(|| Refused::invalid("parameter_missing", "currency"))?;
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(Refused::invalid("invalid_currency", "currency"));
        }
        let capture_method = text("capture_method").unwrap_or("automatic");
        if !["automatic", "automatic_async", "manual"].contains(&capture_method) {
            return Err(Refused::invalid("parameter_invalid", "capture_method"));
        }
        let confirm_now = text("confirm") == Some("true");
        let payment_method = text("payment_method");
        if confirm_now && payment_method.is_none() {
            return Err(Refused::invalid("parameter_missing", "payment_method"));
        }
        let metadata = form.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix("metadata[")?.strip_suffix(']')?;
            Some((name.to_owned(), value.clone()))
        });
        let metadata = metadata.collect();
        let mut intent = self.new_intent(book, amount, currency, capture_method, metadata);
        if let Some(payment_method) = payment_method {
            "requires_confirmation".clone_into(&mut intent.status);
            intent.payment_method = Some(payment_method.to_owned());
        }
        let id = intent.id.clone();
        book.record(now_ms, Event::Created { intent: Box::new(intent) });
        if confirm_now {
            return confirm(book, now_ms, &id, form);
        }
        Ok(id)
    }

    fn new_intent(
        &self,
        book: &Book,
        amount: i64,
        currency: &str,
        capture_method: &str,
        metadata: BTreeMap<String, String>,
    ) -> Intent {
        let count = u64::try_from(book.intents.len()).unwrap_or(u64::MAX);
        Intent {
            id: format!("pi_{}", Chance::of(self.settings.seed, "intent", "", count).hex(3)),
            created: self.clock.now_ms().div_euclid(1000),
            amount,
            amount_received: 0,
            currency: currency.to_ascii_lowercase(),
            status: "requires_payment_method".to_owned(),
            capture_method: capture_method.to_owned(),
            livemode: false,
            metadata,
            payment_method: None,
            review: None,
            amount_refunded: 0,
            disputed: false,
            declined: false,
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn confirm(book: &mut Book, now_ms: i64, id: &str, form: &Form) -> Result<String, Refused> {
    let intent = book.intent(id).ok_or_else(Refused::missing)?;
    if !matches!(intent.status.as_str(), "requires_payment_method" | "requires_confirmation") {
        let code = "payment_intent_unexpected_state";
        return Err(Refused::new(400, "invalid_request_error", Some(code), None).stored());
    }
    let payment_method = form.get("payment_method").or(intent.payment_method.as_ref());
    let Some(payment_method) = payment_method.cloned() else {
        return Err(Refused::invalid("parameter_missing", "payment_method"));
    };
    let id = id.to_owned();
    if payment_method == "pm_card_chargeDeclined" {
        book.record(now_ms, Event::Declined { id: id.clone() });
        let mut refused = Refused::new(402, "card_error", Some("card_declined"), None).stored();
        refused.body["error"]["payment_intent"] =
            book.intent(&id).map(|intent| intent.to_json(false)).unwrap_or_default();
        return Err(refused);
    }
    book.record(now_ms, Event::Confirmed { id: id.clone(), payment_method });
    Ok(id)
}

fn list(book: &Book, query: &Form) -> Result<Value, Refused> {
    let limit = query.get("limit").map_or(Ok(LIST_LIMIT), |limit| limit.parse());
    let limit = limit
        .ok()
        .filter(|limit| (1..=LIST_LIMIT_MAX).contains(limit))
        .ok_or_else(|| Refused::invalid("parameter_invalid_integer", "limit"))?;
    // The newest first; the cursor is the last one of the page before.
    let end = match query.get("starting_after") {
        None => book.intents.len(),
        Some(id) => book.position(id).ok_or_else(Refused::missing)?,
    };
    let start = end.saturating_sub(limit);
    let expand = expands(query, "data.latest_charge");
    let data: Vec<Value> =
        book.intents[start..end].iter().rev().map(|intent| intent.to_json(expand)).collect();
    let has_more = start > 0;
    Ok(
        json!({ "object": "list", "data": data, "has_more": has_more, "url": "/v1/payment_intents" }),
    )
}

fn expands(form: &Form, what: &str) -> bool {
    form.iter().any(|(name, value)| name.starts_with("expand[") && value == what)
}

fn answered(result: Result<Value, Refused>) -> Reply {
    match result {
        Ok(body) => Reply::json(200, body.to_string()),
        Err(refused) => refused.into_reply(),
    }
}
