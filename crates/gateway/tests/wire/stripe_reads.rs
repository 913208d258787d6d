//! What is read at Stripe, as it looks on the wire.

use crate::server::{Server, http};
use orders_core::outcome::Doubt;
use orders_core::private::Private;
use orders_gateway::http::{Base, BootClock, Client as Http, SystemBootClock};
use orders_gateway::stripe::{
    self, Client, Dispute, EVENT_TYPES, Listed, ListedEvent, Object, Page, PaymentError,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn client(server: &Server) -> Client {
    client_with(&server.address, Arc::new(SystemBootClock))
}

pub(crate) fn client_with(address: &str, clock: Arc<dyn BootClock>) -> Client {
    client_of(address, clock, Duration::from_secs(20))
}

pub(crate) fn client_of(
    address: &str,
    clock: Arc<dyn BootClock>,
    call_timeout: Duration,
) -> Client {
    let config = stripe::Config {
        base: Base::parse(address).unwrap(),
        key: Private::new("sk_test".into()),
        call_timeout,
    };
    Client::new(Http::new(clock).unwrap(), config).unwrap()
}

fn intent(id: &str, disputed: bool) -> Value {
    json!({
        "id": id, "object": "payment_intent", "status": "succeeded", "amount": 5,
        "amount_received": 5, "amount_capturable": 0, "currency": "usd",
        "capture_method": "automatic", "livemode": true, "created": 1_767_225_600, "review": null,
        "metadata": {"order_id": "o"},
        "latest_charge": {
            "id": "ch_1", "refunded": false, "amount_refunded": 0, "disputed": disputed},
    })
}

fn dispute(id: &str, status: &str) -> Value {
    json!({"id": id, "object": "dispute", "status": status, "payment_intent": "pi_1"})
}

fn refund(id: &str) -> Value {
    json!({"id": id, "object": "refund", "status": "pending", "amount": 7, "currency": "usd",
        "created": 1_767_225_600, "payment_intent": "pi_1", "metadata": {"refund_id": "r-1"}})
}

fn ok(body: &Value) -> String {
    http("200 OK", &body.to_string())
}

fn list(data: &[Value], more: bool) -> String {
    ok(&json!({"object": "list", "data": data, "has_more": more, "url": "/v1/x"}))
}

fn not_found() -> String {
    let error = json!({"error": {"type": "invalid_request_error", "code": "resource_missing"}});
    http("404 Not Found", &error.to_string())
}

const UNREADABLE: PaymentError = PaymentError::Unknown(Doubt::Unreadable);
const EXPANDED: &str = "GET /v1/payment_intents/pi_1?expand%5B%5D=latest_charge";
const DISPUTES: &str = "GET /v1/disputes?payment_intent=pi_1&limit=100";
const WARNINGS: &str = "GET /v1/radar/early_fraud_warnings?payment_intent=pi_1&limit=100";

#[tokio::test]
async fn a_payment_is_read_with_a_pinned_version_and_its_charge() {
    let server = Server::answering(ok(&intent("pi_1", false))).await;
    let client = client(&server);
    let facts = client.payment("pi_1").await.unwrap();
    assert_eq!((&*facts.currency, facts.amount_received, facts.livemode), ("USD", 5, true));
    assert_eq!((facts.dispute, facts.warned), (None, false));
    assert_eq!(server.targets(), [EXPANDED]);
    let text = server.text();
    assert!(text.contains("authorization: Bearer sk_test\r\n"));
    assert!(text.contains(&format!("stripe-version: {}\r\n", stripe::API_VERSION)));
    assert!(!text.contains("idempotency-key") && !text.contains("content-length"), "{text}");
    assert_eq!(client.payment("../x").await, Err(PaymentError::NotFound));
    assert_eq!(server.connections(), 1);
    assert_eq!(client.payment("pi_2").await, Err(UNREADABLE));
}

#[tokio::test]
async fn a_disputed_payment_says_how_its_worst_dispute_stands() {
    let read = async |pages: &[String]| {
        let answers = std::iter::once(ok(&intent("pi_1", true))).chain(pages.to_vec());
        let server = Server::answering_in_turn(answers).await;
        let facts = client(&server).payment("pi_1").await;
        (facts.map(|facts| facts.dispute), server.targets())
    };
    let lost = list(&[dispute("dp_1", "won"), dispute("dp_2", "lost")], false);
    let (worst, targets) = read(&[lost]).await;
    assert_eq!((worst, targets), (Ok(Some(Dispute::Lost)), vec![EXPANDED.into(), DISPUTES.into()]));

    let pages = [list(&[dispute("dp_1", "won")], true), list(&[dispute("dp_2", "new")], false)];
    let (worst, targets) = read(&pages).await;
    assert_eq!(worst, Ok(Some(Dispute::Open)));
    assert_eq!(targets[2], format!("{DISPUTES}&starting_after=dp_1"));
}

#[tokio::test]
async fn a_dispute_that_cannot_be_read_leaves_no_facts() {
    let mut foreign = dispute("dp_1", "won");
    foreign["payment_intent"] = "pi_2".into();
    let again = list(&[dispute("dp_1", "won")], true);
    let table = [
        (list(&[], false), UNREADABLE),
        (list(&[foreign], false), UNREADABLE),
        (list(&[dispute("dp_2", "won"), json!({})], false), UNREADABLE),
        (again, PaymentError::Unknown(Doubt::ConnectionBroke)),
        // It is not the payment that is missing.
        (not_found(), PaymentError::Unknown(Doubt::UnreadableClientError)),
        (http("403 Forbidden", "{}"), PaymentError::Refused(403)),
        (http("500 Oh", "{}"), PaymentError::Unknown(Doubt::ServerError)),
        (String::new(), PaymentError::Unknown(Doubt::ConnectionBroke)),
    ];
    for (answer, error) in table {
        let server = Server::answering_in_turn([ok(&intent("pi_1", true)), answer]).await;
        assert_eq!(client(&server).payment("pi_1").await, Err(error));
    }
}

#[tokio::test]
async fn warnings_are_read_only_where_they_are_wanted_and_there_is_a_charge() {
    let warning = json!({"id": "issfr_1", "object": "radar.early_fraud_warning",
        "payment_intent": "pi_1", "actionable": true});
    let read = async |intent: &Value, warnings: String| {
        let server = Server::answering_in_turn([ok(intent), warnings]).await;
        let facts = client(&server).reading_warnings(true).payment("pi_1").await;
        (facts.map(|facts| facts.warned), server.targets().pop().unwrap())
    };
    let paid = intent("pi_1", false);
    let warned = read(&paid, list(std::slice::from_ref(&warning), false)).await;
    assert_eq!(warned, (Ok(true), WARNINGS.into()));
    assert_eq!(read(&paid, list(&[], false)).await, (Ok(false), WARNINGS.into()));
    assert_eq!(read(&paid, list(&[json!({})], false)).await.0, Err(UNREADABLE));
    let refused = read(&paid, http("401 Unauthorized", "{}")).await;
    assert_eq!(refused.0, Err(PaymentError::Refused(401)));
    let mut unpaid = paid;
    unpaid["status"] = "requires_payment_method".into();
    unpaid["latest_charge"] = Value::Null;
    assert_eq!(read(&unpaid, String::new()).await, (Ok(false), EXPANDED.into()));
}

#[tokio::test]
async fn the_payment_of_any_object_is_found_under_its_own_path() {
    let table = [
        (Object::Charge, "charges/x_1"),
        (Object::Refund, "refunds/x_1"),
        (Object::Dispute, "disputes/x_1"),
        (Object::Review, "reviews/x_1"),
        (Object::EarlyFraudWarning, "radar/early_fraud_warnings/x_1"),
        (Object::CheckoutSession, "checkout/sessions/x_1"),
    ];
    for (object, path) in table {
        let body = json!({"id": "x_1", "object": object.name(), "payment_intent": "pi_1"});
        let server = Server::answering(ok(&body)).await;
        let client = client(&server);
        assert_eq!(client.payment_of(object, "x_1").await, Ok(Some("pi_1".into())));
        assert_eq!(server.targets(), [format!("GET /v1/{path}")]);
        assert_eq!(client.payment_of(object, "x_2").await, Err(UNREADABLE));
    }
    let server = Server::answering(not_found()).await;
    let client = client(&server);
    assert_eq!(client.payment_of(Object::Review, "x").await, Err(PaymentError::NotFound));
    assert_eq!(client.payment_of(Object::PaymentIntent, "pi_1").await, Ok(Some("pi_1".into())));
    assert_eq!(client.payment_of(Object::Charge, "a/b").await, Err(PaymentError::NotFound));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn every_refund_of_a_payment_is_read_page_by_page() {
    let pages = [list(&[refund("re_3"), refund("re_2")], true), list(&[refund("re_1")], false)];
    let server = Server::answering_in_turn(pages).await;
    let refunds = client(&server).refunds_of("pi_1").await.unwrap();
    let ids: Vec<_> = refunds.iter().map(|refund| &*refund.id).collect();
    assert_eq!(ids, ["re_3", "re_2", "re_1"]);
    assert_eq!(refunds[0].metadata_refund_id.as_deref(), Some("r-1"));
    let first = "GET /v1/refunds?payment_intent=pi_1&limit=100";
    assert_eq!(server.targets(), [first.to_owned(), format!("{first}&starting_after=re_2")]);
}

#[tokio::test]
async fn refunds_that_do_not_end_come_twice_or_are_not_ours_are_not_read() {
    let endless = (0..20).map(|at| list(&[refund(&format!("re_{at}"))], true));
    let server = Server::answering_in_turn(endless).await;
    assert_eq!(client(&server).refunds_of("pi_1").await, Err(UNREADABLE));
    assert_eq!(server.connections(), 10);

    let server = Server::answering(list(&[refund("re_1")], true)).await;
    assert_eq!(client(&server).refunds_of("pi_1").await, Err(UNREADABLE));
    assert_eq!(server.connections(), 2);

    let server = Server::answering(list(&[refund("re_1")], false)).await;
    assert_eq!(client(&server).refunds_of("pi_2").await, Err(UNREADABLE));
    assert_eq!(client(&server).refunds_of("pi_1&x").await, Err(PaymentError::NotFound));
}

#[tokio::test]
async fn a_refund_is_read_by_its_own_id() {
    let server = Server::answering(ok(&refund("re_1"))).await;
    let client = client(&server);
    assert_eq!(client.refund("re_1").await.unwrap().amount, 7);
    assert_eq!(server.targets(), ["GET /v1/refunds/re_1"]);
    assert_eq!(client.refund("re_2").await, Err(UNREADABLE));
    assert_eq!(client.refund("re_1/x").await, Err(PaymentError::NotFound));
    assert_eq!(server.connections(), 2);
}

fn page() -> Page {
    Page { created_from: 5, created_before: Some(9), after: Some("x_1".into()), limit: 50 }
}

const PAGE: &str = "limit=50&starting_after=x_1&created%5Bgte%5D=5&created%5Blt%5D=9";

#[tokio::test]
async fn payments_and_refunds_of_a_time_are_listed_one_page_a_call() {
    let server =
        Server::answering(list(&[intent("pi_2", true), intent("pi_1", false)], true)).await;
    let Listed { items, more } = client(&server).list_payments(&page()).await.unwrap();
    assert_eq!((items.len(), more, items[0].disputed, items[1].disputed), (2, true, true, false));
    let expand = "expand%5B%5D=data.latest_charge";
    assert_eq!(server.targets(), [format!("GET /v1/payment_intents?{expand}&{PAGE}")]);

    let mut foreign = refund("re_9");
    foreign["payment_intent"] = Value::Null;
    let server = Server::answering(list(&[foreign], false)).await;
    let Listed { items, more } = client(&server).list_refunds(&page()).await.unwrap();
    assert_eq!((items.len(), more, items[0].payment_intent.as_deref()), (1, false, None));
    assert_eq!(server.targets(), [format!("GET /v1/refunds?{PAGE}")]);
}

#[tokio::test]
async fn events_are_listed_by_type_whether_they_were_delivered_or_not() {
    let event = json!({
        "id": "evt_1", "object": "event", "type": "charge.refunded", "created": 7,
        "livemode": false, "api_version": "2025-04-30.basil",
        "data": {"object": {"id": "ch_1", "object": "charge", "payment_intent": "pi_1"}},
    });
    let server = Server::answering(list(std::slice::from_ref(&event), false)).await;
    let types = ["charge.refunded", "refund.failed"];
    let listed = client(&server).list_events(&page(), &types).await.unwrap();
    let read = stripe::webhook::read_event(event.to_string().as_bytes()).unwrap();
    let item = ListedEvent { id: "evt_1".into(), facts: Some(read) };
    assert_eq!(listed, Listed { items: vec![item], more: false });
    let wanted = "types%5B%5D=charge.refunded&types%5B%5D=refund.failed";
    assert_eq!(server.targets(), [format!("GET /v1/events?{wanted}&{PAGE}")]);
    let all = client(&server).list_events(&page(), &EVENT_TYPES).await;
    assert!(all.is_ok());
    assert_eq!(server.targets()[1].matches("types%5B%5D=").count(), 20);
}

#[tokio::test]
async fn a_listed_event_that_cannot_be_read_hides_no_other_unless_nobody_could_ask_behind_it() {
    let good = json!({
        "id": "evt_1", "object": "event", "type": "charge.refunded", "created": 7, "livemode": false,
        "data": {"object": {"id": "ch_1", "object": "charge", "payment_intent": "pi_1"}},
    });
    let odd = json!({"id": "evt_2", "object": "event", "type": "charge.refunded", "created": "7"});
    let server = Server::answering(list(&[odd, good.clone()], true)).await;
    let listed = client(&server).list_events(&page(), &EVENT_TYPES).await.unwrap();
    let seen: Vec<_> = listed.items.iter().map(|it| (it.id.as_str(), it.facts.is_some())).collect();
    assert_eq!((seen, listed.more), (vec![("evt_2", false), ("evt_1", true)], true));

    let server = Server::answering(list(&[good, json!({"object": "event"})], true)).await;
    let nameless = client(&server).list_events(&page(), &EVENT_TYPES).await;
    assert_eq!(nameless.err(), Some(UNREADABLE));
}

#[tokio::test]
async fn a_page_with_one_unreadable_entry_or_none_of_stripes_words_is_an_error() {
    let error = |status| http(status, "{}");
    let table = [
        (list(&[json!({"object": "payment_intent"})], false), UNREADABLE),
        (http("200 OK", "[]"), UNREADABLE),
        (error("302 Found"), UNREADABLE),
        (error("400 Bad"), PaymentError::Refused(400)),
        (error("401 Who"), PaymentError::Refused(401)),
        (error("404 Not"), PaymentError::Unknown(Doubt::UnreadableClientError)),
        (error("429 Slow"), PaymentError::Busy(None)),
        (error("429 Slow\r\nretry-after: 7"), PaymentError::Busy(Some(Duration::from_secs(7)))),
        (error("503 Busy"), PaymentError::Unknown(Doubt::ServerError)),
        (String::new(), PaymentError::Unknown(Doubt::ConnectionBroke)),
    ];
    for (answer, error) in table {
        let server = Server::answering(answer).await;
        let client = client(&server);
        assert_eq!(client.list_payments(&page()).await.err(), Some(error));
        assert_eq!(client.list_refunds(&page()).await.err(), Some(error));
        assert_eq!(client.list_events(&page(), &EVENT_TYPES).await.err(), Some(error));
        assert_eq!(server.connections(), 3);
    }
}
