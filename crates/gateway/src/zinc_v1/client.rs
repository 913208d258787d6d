//! The calls to Zinc v1.

use super::{classify, model, request};
use crate::http::{self, BODY_BYTES_MAX, Base, Call, Error, Exchange};
use crate::provider::{CallLimits, CannotBuild, Facts, ListPage, Page, PurchasePage, Window};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use jiff::Timestamp;
use orders_core::attempt::Purchase;
use orders_core::gate::{Gate, Open};
use orders_core::id::{self, ShopSecret};
use orders_core::order::Retailer;
use orders_core::outcome::{Answer, Doubt, Listing, Reading};
use orders_core::private::Private;
use std::fmt::Write as _;
use std::time::Duration;
use uuid::Uuid;

/// The most entries asked for at once: a hundred long orders stay within `LIST_BYTES_MAX`.
const LIST_LIMIT_MAX: u16 = 100;
/// The largest page of the list that is read.
const LIST_BYTES_MAX: usize = 4 * BODY_BYTES_MAX;
/// Which time of a request the list compares is undocumented: a request may be listed under the
/// time at which it left the queue (four hours), and both clocks may be wrong.
const LIST_MARGIN: Duration = Duration::from_hours(5);

/// How to reach the provider, and what its account can do.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the provider lives; production: `https://api.zinc.io/v1`.
    pub base: Base,
    /// The client token; every call with it is billed to its owner.
    pub token: Private<String>,
    /// What stands for the address in the account's mark, where one and the same account has another
    /// address after each start: that of a sandbox, whose port is free to change.
    pub account_at: Option<&'static str>,
    /// The retailers that the managed account serves.
    pub retailers: Vec<Retailer>,
    /// The whole time of one call.
    pub call_timeout: Duration,
    /// How long the provider may work on a call after our deadline.
    pub processing_bound: Duration,
}

impl Config {
    /// The contract's values: amazon only, 30 s a call, 60 s of processing after it.
    pub fn new(base: Base, token: Private<String>) -> Self {
        Self {
            base,
            token,
            account_at: None,
            retailers: vec![Retailer::Amazon],
            call_timeout: Duration::from_secs(30),
            processing_bound: Duration::from_mins(1),
        }
    }
}

/// The configuration cannot be used. // no text of it is shown
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadConfig {
    /// The token is empty, or holds a colon or what cannot stand in a header.
    #[error("the client token must be printable characters without a colon or a blank")]
    Token,
}

/// Zinc v1, with one account.
#[derive(Debug)]
pub struct Client {
    http: http::Client,
    config: Config,
    authorization: Private<String>,
}

impl Client {
    /// An adapter for one account. Opens nothing.
    pub fn new(http: http::Client, config: Config) -> Result<Self, BadConfig> {
        let token = config.token.expose();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
            return Err(BadConfig::Token);
        }
        // Basic authentication: the token is the user, the password is empty.
        let credentials = Private::new(format!("{token}:"));
        let authorization =
            Private::new(format!("Basic {}", STANDARD.encode(credentials.expose())));
        Ok(Self { http, config, authorization })
    }

    /// What Zinc v1 guarantees.
    pub fn facts(&self) -> Facts {
        Facts {
            // Whether unfinished requests are listed is undocumented. // G6
            lookup_is_authoritative: false,
            // Undocumented; 24 hours are assumed, less one for clocks and calls in flight.
            key_lifetime: Duration::from_hours(23),
            processing_bound: self.config.processing_bound,
            call_timeout: self.config.call_timeout,
            first_read_after: Duration::from_mins(5),
            read_every: Duration::from_mins(15),
            list_limit_max: LIST_LIMIT_MAX,
        }
    }

    /// The mark of its account, see [`crate::provider::Provider::account_mark`].
    pub fn account_mark(&self, secret: &ShopSecret) -> [u8; 32] {
        let address = self.config.base.spelled();
        let at = self.config.account_at.unwrap_or(address.expose());
        id::account_mark(secret, at, self.config.token.expose())
    }

    /// The body of the create call, see [`crate::provider::Provider::request_bytes`].
    pub fn request_bytes(&self, purchase: &Purchase) -> Result<Vec<u8>, CannotBuild> {
        if !self.config.retailers.contains(&purchase.retailer) {
            return Err(CannotBuild::RetailerNotServed(purchase.retailer));
        }
        request::bytes(purchase)
    }

    /// Sends a create call, once.
    pub async fn create(&self, body: &[u8], limits: CallLimits, gate: &dyn Gate) -> Answer {
        let call = Call {
            method: Method::POST,
            body: Bytes::copy_from_slice(body),
            total: limits.total,
            send_until: Some(limits.send_until),
            gate,
            ..self.get("/orders", BODY_BYTES_MAX)
        };
        match self.http.call(call).await {
            Ok(Exchange { status, retry_after, body: answer, .. }) => {
                classify::answer(status, retry_after, &answer, body)
            }
            Err(Error::NotSent(why)) => Answer::NotSent { why: why.word() },
            Err(error @ (Error::TimedOut | Error::Broke | Error::Malformed)) => {
                Answer::Unknown { doubt: error.doubt(), retry_after: None }
            }
        }
    }

    /// Reads a request that was accepted.
    pub async fn read(&self, request_id: &str, attempt_id: Uuid) -> Reading {
        if !model::is_id(request_id) {
            return Reading::Nothing { doubt: Doubt::Unreadable };
        }
        let target = format!("/orders/{}", in_path(request_id));
        match self.http.call(self.get(&target, BODY_BYTES_MAX)).await {
            Ok(exchange) => {
                classify::reading(exchange.status, &exchange.body, request_id, attempt_id)
            }
            Err(error) => Reading::Nothing { doubt: error.doubt() },
        }
    }

    /// Reads one page of the list.
    pub async fn list(&self, window: Window, page: Page) -> ListPage {
        let limit = page.limit.clamp(1, LIST_LIMIT_MAX);
        let target = list_target(window, page.skip, limit);
        match self.http.call(self.get(&target, LIST_BYTES_MAX)).await {
            Ok(exchange) => {
                let (listing, entries) = classify::listing(exchange.status, &exchange.body);
                ListPage { listing, entries, more: entries >= u32::from(limit) }
            }
            Err(error) => {
                let listing = Listing::Nothing { doubt: error.doubt() };
                ListPage { listing, entries: 0, more: false }
            }
        }
    }

    /// Reads one page of the list with everything that the account knows.
    pub async fn list_purchases(&self, window: Window, page: Page) -> Result<PurchasePage, Doubt> {
        let limit = page.limit.clamp(1, LIST_LIMIT_MAX);
        let target = list_target(window, page.skip, limit);
        let exchange = self.http.call(self.get(&target, LIST_BYTES_MAX)).await;
        let exchange = exchange.map_err(Error::doubt)?;
        let (purchases, entries) = classify::purchases(exchange.status, &exchange.body)?;
        Ok(PurchasePage { purchases, entries, more: entries >= u32::from(limit) })
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
        // It was made of base64, so it is always a header's value.
        if let Ok(mut value) = HeaderValue::from_str(self.authorization.expose()) {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers
    }
}

fn list_target(window: Window, skip: u32, limit: u16) -> String {
    let bound = |moment: Result<Timestamp, _>, unbounded: Timestamp| {
        moment.unwrap_or(unbounded).as_millisecond().max(0)
    };
    let after = bound(window.since.checked_sub(LIST_MARGIN), Timestamp::MIN);
    let before = bound(window.until.checked_add(LIST_MARGIN), Timestamp::MAX);
    format!("/orders?limit={limit}&skip={skip}&starting_after={after}&ending_before={before}")
}

/// An id as one segment of a path: whatever is not plainly a letter, a digit or a dash is escaped.
fn in_path(id: &str) -> String {
    let mut segment = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            segment.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::SystemBootClock;
    use std::sync::Arc;

    fn client(token: &str) -> Result<Client, BadConfig> {
        let http = http::Client::new(Arc::new(SystemBootClock)).unwrap();
        let base = Base::parse("https://api.zinc.io/v1").unwrap();
        Client::new(http, Config::new(base, Private::new(token.to_owned())))
    }

    #[test]
    fn the_token_is_the_user_of_basic_authentication_and_is_never_shown() {
        let client = client("sk_secret").unwrap();
        let headers = client.headers();
        // printf 'sk_secret:' | base64
        assert_eq!(headers[AUTHORIZATION], "Basic c2tfc2VjcmV0Og==");
        for shown in [format!("{client:?}"), format!("{headers:?}")] {
            assert!(!shown.contains("sk_secret") && !shown.contains("c2tfc2Vj"), "{shown}");
            assert!(!shown.contains("zinc.io"), "{shown}");
        }
    }

    #[test]
    fn a_token_that_would_change_the_header_is_refused() {
        for token in ["", "a:b", "a b", "a\nb", "ä"] {
            assert_eq!(client(token).err(), Some(BadConfig::Token), "{token:?}");
        }
    }

    #[test]
    fn an_id_cannot_leave_its_place_in_the_path() {
        assert_eq!(in_path("0a1b-_.~"), "0a1b-_.~");
        assert_eq!(in_path("../x?y#z%"), "..%2Fx%3Fy%23z%25");
        assert!(!model::is_id("..") && !model::is_id("a b") && !model::is_id(&"x".repeat(201)));
    }

    #[test]
    fn the_window_of_a_list_is_widened_and_never_before_1970() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let window = Window { since: at(100_000), until: at(100_001) };
        assert_eq!(
            list_target(window, 3, 7),
            "/orders?limit=7&skip=3&starting_after=82000000&ending_before=118001000"
        );
        let all = Window { since: Timestamp::MIN, until: Timestamp::MAX };
        assert!(list_target(all, 0, 1).contains("starting_after=0&"));
    }

    #[test]
    fn a_retailer_that_the_account_does_not_serve_is_refused_and_named() {
        let client = client("sk_secret").unwrap();
        let mut purchase = request::tests::purchase();
        assert!(client.request_bytes(&purchase).is_ok());
        purchase.retailer = Retailer::AmazonUk;
        let refused = client.request_bytes(&purchase);
        assert_eq!(refused, Err(CannotBuild::RetailerNotServed(Retailer::AmazonUk)));
        let error = CannotBuild::RetailerNotServed(Retailer::AmazonUk).to_string();
        assert_eq!(error, "the provider's account does not serve the retailer amazon_uk");
    }
}
