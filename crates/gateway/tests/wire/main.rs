//! The client against a server that misbehaves, byte by byte.
//!
//! Failures injected: late, missing, torn, dripping, oversize and lying answers; refused and reset
//! connections; a deadline that has passed. Not injected: packet loss, a broken resolver.
//! Nondeterminism: the scheduler's and the kernel's; every test waits for a level, not for a time,
//! except where our own deadline is what is tested.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail by panic, like the tests")]

mod reads;
mod server;
mod stripe_acts;
mod stripe_reads;

use orders_core::gate::{Gate, Open, Point};
use orders_core::outcome::{Answer, Class, Doubt, Reading};
use orders_core::private::Private;
use orders_gateway::http::{Base, BootClock, Client as Http, SystemBootClock};
use orders_gateway::provider::{CallLimits, Provider};
use orders_gateway::zinc_v1;
use server::{Server, http};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::sleep;
use uuid::Uuid;

const BODY: &[u8] = br#"{"idempotency_key":"00000000-0000-0000-0000-000000000003","client_notes":{"attempt_id":"00000000-0000-0000-0000-000000000002"}}"#;
const ATTEMPT: Uuid = Uuid::from_u128(2);
const ACCEPTED: &str = r#"{"request_id":"0a1b"}"#;

fn zinc(address: &str) -> Provider {
    zinc_with(address, Arc::new(SystemBootClock))
}

fn zinc_with(address: &str, clock: Arc<dyn BootClock>) -> Provider {
    let base = Base::parse(address).unwrap();
    let mut config = zinc_v1::Config::new(base, Private::new("sk_token".into()));
    config.call_timeout = Duration::from_secs(20);
    Provider::ZincV1(zinc_v1::Client::new(Http::new(clock).unwrap(), config).unwrap())
}

fn limits() -> CallLimits {
    let send_until = SystemBootClock.now() + Duration::from_mins(1);
    CallLimits { send_until, total: Duration::from_secs(20) }
}

/// For the tests of the deadline itself; the others must not fail on a busy machine.
fn short() -> CallLimits {
    CallLimits { total: Duration::from_millis(500), ..limits() }
}

async fn create_shortly(server: &Server) -> Answer {
    zinc(&server.address).create(BODY, short(), &Open).await
}

async fn create(server: &Server) -> Answer {
    zinc(&server.address).create(BODY, limits(), &Open).await
}

fn unknown(doubt: Doubt) -> Answer {
    Answer::Unknown { doubt, retry_after: None }
}

fn accepted() -> Answer {
    Answer::Accepted { request_id: "0a1b".into() }
}

#[tokio::test]
async fn a_request_goes_out_once_with_its_stored_bytes_and_is_accepted() {
    let server = Server::answering(http("200 OK", ACCEPTED)).await;
    assert_eq!(create(&server).await, accepted());
    let text = server.text();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.as_bytes(), BODY);
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /v1/orders HTTP/1.1"));
    let mut headers: Vec<_> = lines.map(str::to_owned).collect();
    headers.sort();
    let host = server.address.trim_start_matches("http://").trim_end_matches("/v1");
    assert_eq!(
        headers,
        [
            "accept: application/json".to_owned(),
            "authorization: Basic c2tfdG9rZW46".to_owned(),
            "connection: close".to_owned(),
            format!("content-length: {}", BODY.len()),
            "content-type: application/json".to_owned(),
            format!("host: {host}"),
            "user-agent: atomic-orders".to_owned(),
        ]
    );
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_answer_in_chunks_is_read_to_its_end() {
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                  6\r\n{\"requ\r\nf\r\nest_id\":\"0a1b\"}\r\n0\r\n\r\n";
    assert_eq!(create(&Server::answering(answer).await).await, accepted());
    let torn = &answer[..answer.len() - 5];
    let server = Server::answering(torn).await;
    assert_eq!(create(&server).await, unknown(Doubt::ConnectionBroke));
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_unknown() {
    let server = Server::start(|mut stream| async move {
        sleep(Duration::from_secs(2)).await;
        let _ = stream.write_all(http("200 OK", ACCEPTED).as_bytes()).await;
    })
    .await;
    assert_eq!(create_shortly(&server).await, unknown(Doubt::TimedOut));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_drip_of_single_bytes_does_not_outlive_the_deadline() {
    let server = Server::start(|mut stream| async move {
        for byte in http("200 OK", ACCEPTED).into_bytes() {
            let _ = stream.write_all(&[byte]).await;
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(create_shortly(&server).await, unknown(Doubt::TimedOut));
}

#[tokio::test]
async fn point_c9_a_connection_that_ends_before_or_within_the_answer_is_unknown_and_not_retried() {
    let whole = http("200 OK", ACCEPTED);
    let cuts = [0, 5, whole.len() - ACCEPTED.len(), whole.len() - 1];
    for cut in cuts {
        let server = Server::answering(&whole.as_bytes()[..cut]).await;
        assert_eq!(create(&server).await, unknown(Doubt::ConnectionBroke), "cut at {cut}");
        assert_eq!(server.connections(), 1);
        assert_eq!(server.text().matches("POST ").count(), 1);
    }
}

#[tokio::test]
async fn point_c9_a_reset_within_the_answer_is_unknown_and_not_retried() {
    let server = Server::start(|mut stream| async move {
        let whole = http("200 OK", ACCEPTED);
        let _ = stream.write_all(&whole.as_bytes()[..whole.len() - 3]).await;
        // Lets the first part arrive; a close with this option is a reset.
        sleep(Duration::from_millis(50)).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    assert_eq!(create(&server).await, unknown(Doubt::ConnectionBroke));
    assert_eq!(server.connections(), 1);
    assert_eq!(server.text().matches("POST ").count(), 1);
}

#[tokio::test]
async fn a_server_error_with_a_valid_looking_body_is_unknown() {
    for body in [ACCEPTED, r#"{"_type":"error","code":"max_price_exceeded"}"#] {
        let server = Server::answering(http("503 Busy", body)).await;
        assert_eq!(create(&server).await, unknown(Doubt::ServerError));
    }
    let slow_down = "HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n";
    let wait = Some(Duration::from_secs(7));
    let answered = create(&Server::answering(slow_down).await).await;
    assert_eq!(answered, Answer::Unknown { doubt: Doubt::TooManyRequests, retry_after: wait });
}

#[tokio::test]
async fn a_refusal_in_words_is_a_refusal() {
    let body = r#"{"_type":"error","code":"max_price_exceeded"}"#;
    let server = Server::answering(http("400 Bad Request", body)).await;
    let Answer::Refused(refusal) = create(&server).await else { panic!("not refused") };
    assert_eq!((refusal.class, refusal.key_used_up), (Class::Rejected, true));
    let server = Server::answering(http("401 Unauthorized", "who?")).await;
    let Answer::Refused(refusal) = create(&server).await else { panic!("not refused") };
    assert_eq!((refusal.class, &*refusal.code), (Class::Configuration, "http_401"));
}

#[tokio::test]
async fn an_answer_beyond_the_limits_is_unreadable() {
    // Each of them would be an acceptance if it were smaller.
    let large = "x".repeat(2 * 1024 * 1024);
    let body = format!(r#"{{"x":"{large}","request_id":"0a1b"}}"#);
    let length = body.len();
    let head = http(&format!("200 OK\r\nx: {}", &large[..64 * 1024]), ACCEPTED);
    let many = http(&format!("200 OK{}", "\r\nx: y".repeat(1000)), ACCEPTED);
    let stated = http("200 OK", &body);
    let chunks = format!("transfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n");
    let chunked = format!("HTTP/1.1 200 OK\r\n{chunks}");
    let unstated = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
    let garbage = "no http at all\r\n\r\n".to_owned();
    for answer in [stated, chunked, unstated, head, many, garbage] {
        let server = Server::answering(answer).await;
        assert_eq!(create(&server).await, unknown(Doubt::Unreadable));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Server::answering(http("200 OK", ACCEPTED)).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let address = &target.address;
        let answer =
            format!("HTTP/1.1 {status}\r\nlocation: {address}/orders\r\ncontent-length: 0\r\n\r\n");
        let server = Server::answering(answer).await;
        assert_eq!(create(&server).await, unknown(Doubt::Unreadable));
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn nobody_listening_means_that_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let provider = zinc(&address);
    let answer = provider.create(BODY, limits(), &Open).await;
    assert_eq!(answer, Answer::NotSent { why: "no_connection" });
    let nothing = Reading::Nothing { doubt: Doubt::ConnectionBroke };
    assert_eq!(provider.read("0a1b", ATTEMPT).await, nothing);
}

/// A clock that the test sets.
struct Fixed(Duration);

impl BootClock for Fixed {
    fn now(&self) -> Duration {
        self.0
    }
}

#[tokio::test]
async fn g16_after_the_send_deadline_not_one_byte_leaves() {
    let server = Server::answering(http("200 OK", ACCEPTED)).await;
    let clock = Arc::new(Fixed(Duration::from_secs(100)));
    let provider = zinc_with(&server.address, clock);
    let until = |second| CallLimits { send_until: Duration::from_secs(second), ..limits() };
    let gate = Kept::default();
    for late in [0, 99, 100] {
        let answer = provider.create(BODY, until(late), &gate).await;
        assert_eq!(answer, Answer::NotSent { why: "send_deadline_passed" });
    }
    assert_eq!(server.text(), "");
    assert!(!gate.0.load(Ordering::SeqCst));
    assert_eq!(provider.create(BODY, until(101), &gate).await, accepted());
    assert!(gate.0.load(Ordering::SeqCst));
}

#[tokio::test]
async fn an_answer_to_a_request_that_never_left_is_nobodys() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(http("200 OK", ACCEPTED).as_bytes()).await;
        }
    });
    let send_until = Duration::ZERO;
    for _ in 0..50 {
        let late = CallLimits { send_until, ..limits() };
        let answer = zinc(&address).create(BODY, late, &Open).await;
        assert!(matches!(answer, Answer::NotSent { .. }), "{answer:?}");
    }
}

#[derive(Default)]
struct Kept(AtomicBool);

impl Gate for Kept {
    fn pass(&self, point: Point) {
        assert_eq!(point, Point::RequestStarted);
        assert!(!self.0.swap(true, Ordering::SeqCst), "passed twice");
    }
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_leaves_no_task_behind() {
    let server = Server::start(|mut stream| async move {
        // The end of the stream is the level that is waited for: the client hung up.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        drop(stream);
    })
    .await;
    let provider = zinc(&server.address);
    let call = provider.create(BODY, limits(), &Open);
    assert!(tokio::time::timeout(Duration::from_millis(100), call).await.is_err());
    let metrics = tokio::runtime::Handle::current().metrics();
    while metrics.num_alive_tasks() > 1 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_call_can_be_moved_between_threads() {
    fn check<T: Send>(_: &T) {}
    let provider = zinc("http://127.0.0.1:9");
    check(&provider.create(BODY, limits(), &Open));
    check(&provider.read("0a1b", ATTEMPT));
}
