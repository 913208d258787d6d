//! Who we are at Stripe, and one call of each kind.

use super::PaymentError;
use super::act::{Act, ActAnswer};
use super::classify::{self, Head};
use super::prepare::Asked;
use crate::http::{self, BODY_BYTES_MAX, Base, Call, Error, Exchange};
use bytes::Bytes;
use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use orders_core::gate::Open;
use orders_core::outcome::Doubt;
use orders_core::private::Private;
use serde_json::Value;
use std::time::Duration;

/// The version of Stripe's API that the model was written for. Pinned, so that a change of the
/// account's default cannot change the shape of an answer.
pub const API_VERSION: &str = "2025-04-30.basil";

const VERSION_HEADER: HeaderName = HeaderName::from_static("stripe-version");
const KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest key that Stripe takes.
const KEY_CHARS_MAX: usize = 255;

/// How to reach Stripe.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where Stripe lives; production: `https://api.stripe.com/v1`.
    pub base: Base,
    /// The secret key. A restricted one is enough if it may read what is read (payments, charges,
    /// refunds, disputes, events, and what messages are about: reviews, early fraud warnings, checkout
    /// sessions) and, for moving money, write payments and refunds.
    pub key: Private<String>,
    /// The whole time of one call.
    pub call_timeout: Duration,
}

/// The configuration cannot be used. // no text of it is shown
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadConfig {
    /// The key is empty or cannot stand in a header.
    #[error("the secret key must be printable characters without a blank")]
    Key,
}

/// Stripe, with one account.
#[derive(Debug, Clone)]
pub struct Client {
    http: http::Client,
    config: Config,
    authorization: Private<String>,
    pub(super) read_warnings: bool,
}

impl Client {
    /// A client for one account. Opens nothing. It reads no early fraud warnings, see
    /// [`Client::reading_warnings`].
    pub fn new(http: http::Client, config: Config) -> Result<Self, BadConfig> {
        let key = config.key.expose();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadConfig::Key);
        }
        let authorization = Private::new(format!("Bearer {key}"));
        Ok(Self { http, config, authorization, read_warnings: false })
    }

    /// The same client, which also asks for early fraud warnings, or no longer does: one more call
    /// for each payment that has a charge.
    #[must_use]
    pub fn reading_warnings(mut self, read: bool) -> Self {
        self.read_warnings = read;
        self
    }

    /// Sends the stored bytes of a capture, a cancellation or a refund, once. Its whole time is that of
    /// any call. `gate` is told of [`orders_core::gate::Point::RequestStarted`] right after the first
    /// bytes were handed over.
    ///
    /// Nothing is sent if the target is not one of the three that this module makes, if the body is
    /// not one of theirs, or if the key cannot stand in a header.
    pub async fn act(&self, act: Act<'_>) -> ActAnswer {
        let Some(asked) = Asked::read(act.target, &act.body) else {
            return ActAnswer::NotSent("request_not_ours");
        };
        let Some(headers) = self.headers_with(act.key) else {
            return ActAnswer::NotSent("key_not_usable");
        };
        let call = Call {
            method: Method::POST,
            headers,
            body: act.body,
            send_until: Some(act.send_until),
            gate: act.gate,
            ..self.get(act.target, BODY_BYTES_MAX)
        };
        match self.http.call(call).await {
            Ok(exchange) => classify::answer(Head::of(&exchange), &exchange.body, &asked),
            Err(Error::NotSent(why)) => ActAnswer::NotSent(why.word()),
            Err(error @ (Error::TimedOut | Error::Broke | Error::Malformed)) => {
                ActAnswer::lost(error.doubt())
            }
        }
    }

    /// Reads what stands at the target.
    pub(super) async fn read(
        &self,
        target: &str,
        answer_bytes_max: usize,
    ) -> Result<Bytes, PaymentError> {
        match self.http.call(self.get(target, answer_bytes_max)).await {
            Ok(Exchange { status: 429, retry_after, .. }) => Err(PaymentError::Busy(retry_after)),
            Ok(exchange) => told(exchange.status, &exchange.body).map(|()| exchange.body),
            Err(error) => Err(PaymentError::Unknown(error.doubt())),
        }
    }

    fn get<'a>(&'a self, target: &'a str, answer_bytes_max: usize) -> Call<'a> {
        Call {
            base: &self.config.base,
            method: Method::GET,
            target,
            headers: self.headers(),
            body: Bytes::new(),
            total: self.config.call_timeout,
            send_until: None,
            gate: &Open,
            answer_bytes_max,
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        // The key was checked to be one.
        if let Ok(mut value) = HeaderValue::from_str(self.authorization.expose()) {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        headers.insert(VERSION_HEADER, HeaderValue::from_static(API_VERSION));
        headers
    }

    /// The headers of a call that moves money, under its key.
    fn headers_with(&self, key: &str) -> Option<HeaderMap> {
        let fits = (1..=KEY_CHARS_MAX).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic());
        let key = HeaderValue::from_str(key).ok().filter(|_| fits)?;
        let mut headers = self.headers();
        headers.insert(KEY_HEADER, key);
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        Some(headers)
    }
}

/// Whether the status of a read lets its body speak.
fn told(status: u16, body: &[u8]) -> Result<(), PaymentError> {
    match status {
        200..=299 => Ok(()),
        // Somebody else's 404, a wrong base address for instance, is not Stripe's word.
        404 if is_error(body) => Err(PaymentError::NotFound),
        404 | 409 => Err(PaymentError::Unknown(Doubt::UnreadableClientError)),
        400..=499 => Err(PaymentError::Refused(status)),
        500..=599 => Err(PaymentError::Unknown(Doubt::ServerError)),
        _ => Err(PaymentError::Unknown(Doubt::Unreadable)),
    }
}

fn is_error(body: &[u8]) -> bool {
    let body = serde_json::from_slice::<Value>(body);
    body.is_ok_and(|body| body.get("error").is_some_and(Value::is_object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::SystemBootClock;
    use std::sync::Arc;

    fn client(key: &str) -> Result<Client, BadConfig> {
        let http = http::Client::new(Arc::new(SystemBootClock)).unwrap();
        let config = Config {
            base: Base::parse("https://api.stripe.com/v1").unwrap(),
            key: Private::new(key.to_owned()),
            call_timeout: Duration::from_secs(30),
        };
        Client::new(http, config)
    }

    #[test]
    fn the_secret_key_is_sent_as_bearer_and_never_shown() {
        assert_eq!(client("a b").err(), Some(BadConfig::Key));
        let client = client("sk_test_x").unwrap();
        let headers = client.headers();
        assert_eq!(headers[AUTHORIZATION], "Bearer sk_test_x");
        let shown = format!("{client:?} {headers:?}");
        assert!(!shown.contains("sk_test_x") && !shown.contains("stripe.com"), "{shown}");
    }

    #[test]
    fn a_key_that_would_change_the_headers_is_not_used() {
        let client = client("sk_test_x").unwrap();
        assert_eq!(client.headers_with("refund:1:1").unwrap()["idempotency-key"], "refund:1:1");
        for key in ["", "a b", "a\r\nb: c", "ä", &"x".repeat(256)] {
            assert_eq!(client.headers_with(key), None, "{key:?}");
        }
    }

    #[test]
    fn each_status_of_a_read_has_its_meaning_whatever_the_body() {
        let of = |status| told(status, b"{}").unwrap_err();
        assert_eq!(of(401), PaymentError::Refused(401));
        assert_eq!(of(402), PaymentError::Refused(402));
        assert_eq!(of(404), PaymentError::Unknown(Doubt::UnreadableClientError));
        assert_eq!(of(409), PaymentError::Unknown(Doubt::UnreadableClientError));
        assert_eq!(of(500), PaymentError::Unknown(Doubt::ServerError));
        assert_eq!(of(302), PaymentError::Unknown(Doubt::Unreadable));
        let error = br#"{"error":{"code":"resource_missing","type":"invalid_request_error"}}"#;
        assert_eq!(told(404, error), Err(PaymentError::NotFound));
        assert_eq!(told(200, b"no JSON"), Ok(()));
    }
}
