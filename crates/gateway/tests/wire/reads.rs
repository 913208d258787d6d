//! Reads and lists of the provider, as they look on the wire.

use crate::server::{Server, http};
use crate::{ATTEMPT, zinc};
use orders_core::outcome::{Listing, Reading};
use orders_gateway::provider::{Page, Window};

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
