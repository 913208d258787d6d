//! Reads, lists and payments, as they look on the wire.

use crate::server::{Server, http};
use crate::{ATTEMPT, zinc};
use orders_core::outcome::{Listing, Reading};
use orders_core::private::Private;
use orders_gateway::http::{Base, Client as Http, SystemBootClock};
use orders_gateway::provider::{Page, Window};
use orders_gateway::stripe;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_request_is_read_under_its_own_path() {
    let body = r#"{"_type":"error","code":"request_processing"}"#;
    let server = Server::answering(http("200 OK", body)).await;
    let reading = zinc(&server.address).read("0a/1b", ATTEMPT).await;
    assert_eq!(reading, Reading::InProgress { code: "request_processing".into() });
    let text = server.text();
    assert!(text.starts_with("GET /v1/orders/0a%2F1b HTTP/1.1\r\n"), "{text}");
    assert!(!text.contains("content-length"), "{text}");
}

#[tokio::test]
async fn a_page_of_the_list_says_whether_it_was_full() {
    let server = Server::answering(http("200 OK", r#"{"orders":[{},{}]}"#)).await;
    let at = |second| jiff::Timestamp::from_second(second).unwrap();
    let window = Window { since: at(1_000_000), until: at(1_000_060) };
    let provider = zinc(&server.address);
    let full = provider.list(window, Page { skip: 0, limit: 2 }).await;
    assert_eq!((&full.listing, full.entries, full.more), (&Listing::Page(vec![]), 2, true));
    let last = provider.list(window, Page { skip: 2, limit: 999 }).await;
    assert!(!last.more);
    assert!(server.text().contains("GET /v1/orders?limit=2&skip=0&starting_after=982000000&"));
    assert!(server.text().contains("GET /v1/orders?limit=100&skip=2&"));
}

#[tokio::test]
async fn a_payment_is_read_with_a_pinned_version_and_its_charge() {
    let body = r#"{"id":"pi_1","object":"payment_intent","status":"succeeded","amount":5,
        "amount_received":5,"currency":"usd","livemode":true,"metadata":{"order_id":"o"},
        "latest_charge":{"refunded":false,"amount_refunded":0,"disputed":false}}"#;
    let server = Server::answering(http("200 OK", body)).await;
    let config = stripe::Config {
        base: Base::parse(&server.address).unwrap(),
        key: Private::new("sk_test".into()),
        call_timeout: Duration::from_millis(500),
    };
    let http = Http::new(Arc::new(SystemBootClock)).unwrap();
    let client = stripe::Client::new(http, config).unwrap();
    let facts = client.payment("pi_1").await.unwrap();
    assert_eq!((&*facts.currency, facts.amount_received, facts.livemode), ("USD", 5, true));
    let text = server.text();
    assert!(text.starts_with("GET /v1/payment_intents/pi_1?expand%5B%5D=latest_charge HTTP/1.1"));
    assert!(text.contains("authorization: Bearer sk_test\r\n"));
    assert!(text.contains(&format!("stripe-version: {}\r\n", stripe::API_VERSION)));
    assert_eq!(client.payment("../x").await, Err(stripe::PaymentError::NotFound));
    assert_eq!(server.connections(), 1);
}
