//! The one call to Stripe that is made today.

use super::PaymentError;
use super::model::{self, PaymentFacts};
use crate::http::{self, BODY_BYTES_MAX, Base, Call};
use bytes::Bytes;
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use orders_core::gate::Open;
use orders_core::private::Private;
use std::time::Duration;

/// The version of Stripe's API that the model was written for. Pinned, so that a change of the
/// account's default cannot change the shape of an answer.
pub const API_VERSION: &str = "2025-04-30.basil";

const VERSION_HEADER: HeaderName = HeaderName::from_static("stripe-version");
/// The longest id that Stripe gives out.
const ID_CHARS_MAX: usize = 255;

/// How to reach Stripe.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where Stripe lives; production: `https://api.stripe.com/v1`.
    pub base: Base,
    /// The secret key; one restricted to reading payments is enough.
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
#[derive(Debug)]
pub struct Client {
    http: http::Client,
    config: Config,
    authorization: Private<String>,
}

impl Client {
    /// A client for one account. Opens nothing.
    pub fn new(http: http::Client, config: Config) -> Result<Self, BadConfig> {
        let key = config.key.expose();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadConfig::Key);
        }
        let authorization = Private::new(format!("Bearer {key}"));
        Ok(Self { http, config, authorization })
    }

    /// Reads a payment and its latest charge.
    pub async fn payment(&self, id: &str) -> Result<PaymentFacts, PaymentError> {
        if !is_id(id) {
            return Err(PaymentError::NotFound);
        }
        let target = format!("/payment_intents/{id}?expand%5B%5D=latest_charge");
        let call = Call {
            base: &self.config.base,
            method: Method::GET,
            target: &target,
            headers: self.headers(),
            body: Bytes::new(),
            total: self.config.call_timeout,
            send_until: None,
            gate: &Open,
            answer_bytes_max: BODY_BYTES_MAX,
        };
        match self.http.call(call).await {
            Ok(exchange) => model::facts(exchange.status, &exchange.body, id),
            Err(error) => Err(PaymentError::Unknown(error.doubt())),
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
}

/// An id goes into a path as it is, so it may hold nothing that means something there.
fn is_id(id: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::SystemBootClock;
    use std::sync::Arc;

    #[test]
    fn an_id_that_could_change_the_path_is_no_id() {
        assert!(is_id("pi_3Abc"));
        for id in ["", "pi_1/../x", "pi_1?x=1", "pi 1", "pi_ä", "pi-1", &"x".repeat(256)] {
            assert!(!is_id(id), "{id:?}");
        }
    }

    #[test]
    fn the_key_is_sent_as_bearer_and_never_shown() {
        let http = http::Client::new(Arc::new(SystemBootClock)).unwrap();
        let config = |key: &str| Config {
            base: Base::parse("https://api.stripe.com/v1").unwrap(),
            key: Private::new(key.to_owned()),
            call_timeout: Duration::from_secs(30),
        };
        assert_eq!(Client::new(http.clone(), config("a b")).err(), Some(BadConfig::Key));
        let client = Client::new(http, config("sk_test_x")).unwrap();
        let headers = client.headers();
        assert_eq!(headers[AUTHORIZATION], "Bearer sk_test_x");
        let shown = format!("{client:?} {headers:?}");
        assert!(!shown.contains("sk_test_x") && !shown.contains("stripe.com"), "{shown}");
    }
}
