//! What an answer to a call that moves money means: one function of its status, its headers and its
//! body.
//!
//! Promise:
//! - Done is only what speaks of the very payment or refund that was asked for.
//! - Refused is only what Stripe said in its own words, with a status that means "for good".
//! - Everything else is unknown, a server error whatever its body says. // G5

use super::act::{ActAnswer, Acted};
use super::prepare::Asked;
use super::refund;
use super::strict;
use super::word::{self, WORD_CHARS_MAX, is_word};
use crate::http::Exchange;
use hyper::HeaderMap;
use orders_core::outcome::Doubt;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// The longest code that is kept.
const CODE_CHARS_MAX: usize = 100;
/// The type of the error that says that a key was used for something else.
const KEY_MISUSED: &str = "idempotency_error";

/// The head of an answer, as far as it means something.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    /// It was stored under the key, by an earlier call.
    pub(super) replayed: bool,
    /// Stripe's own word on whether the same call may do better.
    pub(super) should_retry: Option<bool>,
}

impl Head {
    pub(super) fn of(exchange: &Exchange) -> Self {
        Self {
            status: exchange.status,
            retry_after: exchange.retry_after,
            replayed: flag(&exchange.headers, "idempotent-replayed") == Some(true),
            should_retry: flag(&exchange.headers, "stripe-should-retry"),
        }
    }

    fn unknown(self, doubt: Doubt) -> ActAnswer {
        let asks_for_patience = matches!(self.status, 409 | 429 | 500..=599);
        ActAnswer::Unknown {
            doubt,
            retry_after: self.retry_after,
            replayed: self.replayed,
            repeat_is_useless: asks_for_patience && self.should_retry == Some(false),
        }
    }
}

fn flag(headers: &HeaderMap, name: &str) -> Option<bool> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// What a call that asked for this told us.
pub(super) fn answer(head: Head, body: &[u8], asked: &Asked) -> ActAnswer {
    match head.status {
        200..=299 => match done(body, asked) {
            Some(acted) => ActAnswer::Done(acted),
            None => head.unknown(Doubt::Unreadable),
        },
        400 | 402 | 404 => refused(head, body),
        401 | 403 => ActAnswer::Barred(head.status),
        // Of both, the contract says: back off, and the same call again.
        409 | 429 => head.unknown(Doubt::TooManyRequests),
        // None that Stripe's documentation knows; it may come from somebody between us.
        400..=499 => head.unknown(Doubt::UnreadableClientError),
        500..=599 => head.unknown(Doubt::ServerError),
        _ => head.unknown(Doubt::Unreadable),
    }
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "type")]
    kind: String,
    code: Option<String>,
}

fn refused(head: Head, body: &[u8]) -> ActAnswer {
    let error = strict::parse(body).and_then(|mut body| Some(body.get_mut("error")?.take()));
    let failure = error.and_then(|error| serde_json::from_value::<Failure>(error).ok());
    // An answer that is not in Stripe's words may be somebody else's: a proxy's, a wrong address's.
    let Some(failure) = failure.filter(|failure| is_word(&failure.kind, CODE_CHARS_MAX)) else {
        return head.unknown(Doubt::UnreadableClientError);
    };
    let code = failure.code.filter(|code| is_word(code, CODE_CHARS_MAX));
    if failure.kind == KEY_MISUSED {
        return ActAnswer::Bug { code: code.unwrap_or_else(|| KEY_MISUSED.to_owned()) };
    }
    if head.should_retry == Some(true) {
        return head.unknown(Doubt::TooManyRequests);
    }
    ActAnswer::Refused {
        status: head.status,
        code: code.unwrap_or_else(|| format!("http_{}", head.status)),
        kind: failure.kind,
        replayed: head.replayed,
    }
}

fn done(body: &[u8], asked: &Asked) -> Option<Acted> {
    let body = strict::parse(body)?;
    match asked {
        Asked::Payment { id } => payment(body, id),
        Asked::Refund { payment_intent, amount_minor, refund_id } => {
            let refund = refund::refund(body)?;
            let ours = refund.payment_intent.as_deref() == Some(payment_intent)
                && refund.metadata_refund_id.as_deref() == Some(refund_id)
                && refund.amount == *amount_minor;
            ours.then_some(Acted {
                id: refund.id,
                object: "refund",
                status: refund.status,
                amount_minor: refund.amount,
                currency: refund.currency,
                refund_id: refund.metadata_refund_id,
            })
        }
    }
}

#[derive(Deserialize)]
struct Intent {
    id: String,
    object: String,
    status: String,
    amount_received: i64,
    currency: String,
}

fn payment(body: Value, id: &str) -> Option<Acted> {
    let intent: Intent = serde_json::from_value(body).ok()?;
    let ours = intent.object == "payment_intent"
        && intent.id == id
        && intent.amount_received >= 0
        && is_word(&intent.status, WORD_CHARS_MAX);
    ours.then_some(())?;
    Some(Acted {
        id: intent.id,
        object: "payment_intent",
        status: intent.status,
        amount_minor: intent.amount_received,
        currency: word::currency(&intent.currency)?,
        refund_id: None,
    })
}

#[cfg(test)]
mod tests;
