//! Calls that move money at Stripe, as they look on the wire.

use crate::server::{Server, http};
use crate::stripe_reads::{client, client_of, client_with};
use crate::{Fixed, Kept};
use bytes::Bytes;
use orders_core::gate::Open;
use orders_core::outcome::Doubt;
use orders_gateway::http::{BootClock, SystemBootClock};
use orders_gateway::stripe::{
    Act, ActAnswer, Acted, CancelReason, Prepared, RefundReason, cancel_request, capture_request,
    refund_request,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

const KEY: &str = "refund:0198c0de:1";

fn act(prepared: &Prepared) -> Act<'_> {
    Act {
        target: &prepared.target,
        body: Bytes::from(prepared.body.clone()),
        key: KEY,
        send_until: SystemBootClock.now() + Duration::from_mins(1),
        gate: &Open,
    }
}

fn capture() -> Prepared {
    capture_request("pi_1", 4200)
}

fn refund() -> Prepared {
    refund_request("pi_1", 700, RefundReason::RequestedByCustomer, "r-1")
}

fn intent(status: &str, received: i64) -> Value {
    json!({"id": "pi_1", "object": "payment_intent", "status": status,
        "amount_received": received, "currency": "gbp"})
}

fn refunded() -> Value {
    json!({"id": "re_1", "object": "refund", "status": "pending", "amount": 700,
        "currency": "gbp", "created": 1_767_225_600, "payment_intent": "pi_1",
        "metadata": {"refund_id": "r-1"}})
}

async fn sent(server: &Server, prepared: &Prepared) -> ActAnswer {
    client(server).act(act(prepared)).await
}

fn unknown(doubt: Doubt) -> ActAnswer {
    ActAnswer::Unknown { doubt, retry_after: None, replayed: false, repeat_is_useless: false }
}

#[tokio::test]
async fn a_capture_goes_out_once_with_its_stored_bytes_and_key() {
    let server = Server::answering(http("200 OK", &intent("succeeded", 4200).to_string())).await;
    let done = Acted {
        id: "pi_1".into(),
        object: "payment_intent",
        status: "succeeded".into(),
        amount_minor: 4200,
        currency: "GBP".into(),
        refund_id: None,
    };
    assert_eq!(sent(&server, &capture()).await, ActAnswer::Done(done));
    let text = server.text();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "amount_to_capture=4200");
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /v1/payment_intents/pi_1/capture HTTP/1.1"));
    let mut headers: Vec<_> = lines.map(str::to_owned).collect();
    headers.sort();
    let host = server.address.trim_start_matches("http://").trim_end_matches("/v1");
    assert_eq!(
        headers,
        [
            "accept: application/json".to_owned(),
            "authorization: Bearer sk_test".to_owned(),
            "connection: close".to_owned(),
            "content-length: 22".to_owned(),
            "content-type: application/x-www-form-urlencoded".to_owned(),
            format!("host: {host}"),
            format!("idempotency-key: {KEY}"),
            "stripe-version: 2025-04-30.basil".to_owned(),
            "user-agent: atomic-orders".to_owned(),
        ]
    );
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_cancellation_and_a_refund_have_their_own_targets() {
    let server = Server::answering(http("200 OK", &intent("canceled", 0).to_string())).await;
    let cancel = cancel_request("pi_1", CancelReason::Abandoned);
    let ActAnswer::Done(done) = sent(&server, &cancel).await else { panic!("not done") };
    assert_eq!((&*done.status, done.amount_minor), ("canceled", 0));
    assert_eq!(server.targets(), ["POST /v1/payment_intents/pi_1/cancel"]);

    let server = Server::answering(http("200 OK", &refunded().to_string())).await;
    let ActAnswer::Done(done) = sent(&server, &refund()).await else { panic!("not done") };
    assert_eq!((&*done.id, done.refund_id.as_deref()), ("re_1", Some("r-1")));
    assert_eq!((done.object, &*done.status, done.amount_minor), ("refund", "pending", 700));
    assert_eq!(server.targets(), ["POST /v1/refunds"]);
    assert!(server.text().ends_with(
        "payment_intent=pi_1&amount=700&reason=requested_by_customer&metadata%5Brefund_id%5D=r-1"
    ));
}

#[tokio::test]
async fn the_answer_to_somebody_elses_call_is_unknown() {
    let mut other = refunded();
    other["metadata"]["refund_id"] = "r-2".into();
    for body in [other, intent("succeeded", 700)] {
        let server = Server::answering(http("200 OK", &body.to_string())).await;
        assert_eq!(sent(&server, &refund()).await, unknown(Doubt::Unreadable));
    }
}

#[tokio::test]
async fn a_refusal_a_misused_key_and_a_wrong_secret_are_told_apart() {
    let error = |kind: &str, code: &str| json!({"error": {"type": kind, "code": code}}).to_string();
    let body = error("invalid_request_error", "charge_already_refunded");
    let replayed = http("400 Bad\r\nidempotent-replayed: true", &body);
    let refused = ActAnswer::Refused {
        status: 400,
        code: "charge_already_refunded".into(),
        kind: "invalid_request_error".into(),
        replayed: true,
    };
    let misused = http("400 Bad", &error("idempotency_error", "x"));
    let patience = http("400 Bad\r\nstripe-should-retry: true", &body);
    let table = [
        (replayed, refused),
        (misused, ActAnswer::Bug { code: "x".into() }),
        (http("401 Who", "{}"), ActAnswer::Barred(401)),
        (http("403 No", "{}"), ActAnswer::Barred(403)),
        (patience, unknown(Doubt::TooManyRequests)),
        (http("404 Where", "<html>"), unknown(Doubt::UnreadableClientError)),
        (http("302 Found\r\nlocation: /v1/x", ""), unknown(Doubt::Unreadable)),
    ];
    for (answer, told) in table {
        let server = Server::answering(answer).await;
        assert_eq!(sent(&server, &refund()).await, told);
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test]
async fn a_stored_server_error_is_known_as_one_and_a_useless_repeat_is_said_to_be() {
    let head =
        "500 Oh\r\nidempotent-replayed: true\r\nstripe-should-retry: false\r\nretry-after: 7";
    let server = Server::answering(http(head, &refunded().to_string())).await;
    let stored = ActAnswer::Unknown {
        doubt: Doubt::ServerError,
        retry_after: Some(Duration::from_secs(7)),
        replayed: true,
        repeat_is_useless: true,
    };
    assert_eq!(sent(&server, &refund()).await, stored);
    for status in ["409 Conflict", "429 Slow"] {
        let server = Server::answering(http(status, "{}")).await;
        assert_eq!(sent(&server, &refund()).await, unknown(Doubt::TooManyRequests));
    }
}

#[tokio::test]
async fn a_connection_that_ends_before_or_within_the_answer_is_unknown_and_not_repeated() {
    let whole = http("200 OK", &refunded().to_string());
    for cut in [0, 5, whole.len() - 10, whole.len() - 1] {
        let server = Server::answering(&whole.as_bytes()[..cut]).await;
        assert_eq!(sent(&server, &refund()).await, unknown(Doubt::ConnectionBroke), "{cut}");
        assert_eq!(server.connections(), 1);
        assert_eq!(server.text().matches("POST ").count(), 1);
    }
    let large = format!("{}{}", refunded(), " ".repeat(2 * 1024 * 1024));
    let server = Server::answering(http("200 OK", &large)).await;
    assert_eq!(sent(&server, &refund()).await, unknown(Doubt::Unreadable));
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_unknown() {
    let server = Server::start(|mut stream| async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let _ = stream.write_all(http("200 OK", &refunded().to_string()).as_bytes()).await;
    })
    .await;
    let clock = Arc::new(SystemBootClock);
    let client = client_of(&server.address, clock, Duration::from_millis(500));
    assert_eq!(client.act(act(&refund())).await, unknown(Doubt::TimedOut));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn nobody_listening_means_that_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let prepared = refund();
    let answer = client_with(&address, Arc::new(SystemBootClock)).act(act(&prepared)).await;
    assert_eq!(answer, ActAnswer::NotSent("no_connection"));
}

#[tokio::test]
async fn g16_after_the_send_deadline_no_money_is_moved() {
    let server = Server::answering(http("200 OK", &refunded().to_string())).await;
    let client = client_with(&server.address, Arc::new(Fixed(Duration::from_secs(100))));
    let (prepared, gate) = (refund(), Kept::default());
    let at =
        |second| Act { send_until: Duration::from_secs(second), gate: &gate, ..act(&prepared) };
    for late in [0, 99, 100] {
        let answer = client.act(at(late)).await;
        assert_eq!(answer, ActAnswer::NotSent("send_deadline_passed"));
    }
    assert_eq!(server.text(), "");
    assert!(!gate.0.load(Ordering::SeqCst));
    assert!(matches!(client.act(at(101)).await, ActAnswer::Done(_)));
    assert!(gate.0.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_stored_row_that_is_none_of_the_three_requests_is_never_sent() {
    let server = Server::answering(http("200 OK", &refunded().to_string())).await;
    let (client, good) = (client(&server), refund());
    for target in ["", "/transfers", "/payment_intents/pi_1/confirm", "/refunds/../payouts"] {
        let answer = client.act(Act { target, ..act(&good) }).await;
        assert_eq!(answer, ActAnswer::NotSent("request_not_ours"), "{target}");
    }
    for body in ["", "amount=700", "payment_intent=pi_1&amount=700&destination=acct_1"] {
        let answer = client.act(Act { body: body.into(), ..act(&good) }).await;
        assert_eq!(answer, ActAnswer::NotSent("request_not_ours"), "{body}");
    }
    for prepared in [capture_request("pi/1", 1), capture_request("pi_1", 0)] {
        assert_eq!(client.act(act(&prepared)).await, ActAnswer::NotSent("request_not_ours"));
    }
    for key in ["", "a b", "a\r\nx: y"] {
        let answer = client.act(Act { key, ..act(&good) }).await;
        assert_eq!(answer, ActAnswer::NotSent("key_not_usable"), "{key}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_call_that_moves_money_can_be_moved_between_threads() {
    fn check<T: Send>(_: &T) {}
    let client = client_with("http://127.0.0.1:9", Arc::new(SystemBootClock));
    let prepared = refund();
    check(&client.act(act(&prepared)));
    check(&client.payment("pi_1"));
    check(&client.refunds_of("pi_1"));
}
