//! What the server bears, what it never says, and how it stops.

use super::desk::{Desk, JWT_SECRET, NOW_S, order, send, serve};
use jiff::Timestamp;
use orders_service::api::{Api, JwtSecret};
use orders_store::{Store, StoreOptions, door};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// Everything that a server says to these bytes until it hangs up.
async fn told(desk: &Desk, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(desk.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut text = Vec::new();
    // A reset at the end is an end too.
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8_lossy(&text).into_owned()
}

/// An API of a store, with what tests leave out.
pub async fn part(store: Store, secret: Option<&str>) -> Api {
    Api {
        doors: door::catalogue(&store).await.unwrap_or_default(),
        store,
        engine: None,
        jwt_secret: JwtSecret::parse(secret.map(str::to_owned)).unwrap(),
        clock: Arc::new(|| Timestamp::from_second(NOW_S).unwrap()),
        stripe_hook: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_sends_too_slowly_is_cut_off() {
    let desk = Desk::open().await;
    let begun = Instant::now();
    let head = format!(
        "POST /v1/orders HTTP/1.1\r\nhost: x\r\napikey: {}\r\ncontent-type: application/json\r\ncontent-length: 50\r\nconnection: close\r\n\r\n{{",
        desk.key
    );
    let (body, headers) = tokio::join!(
        timeout(Duration::from_secs(20), told(&desk, head.as_bytes())),
        timeout(Duration::from_secs(20), told(&desk, b"GET /health HTTP/1.1\r\nhost:")),
    );
    assert!(body.unwrap().starts_with("HTTP/1.1 408"));
    let headers = headers.unwrap();
    assert!(headers.is_empty() || headers.starts_with("HTTP/1.1 408"), "{headers}");
    assert!(begun.elapsed() >= Duration::from_secs(9));
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let desk = Desk::open().await;
    let many = "x-more: y\r\n".repeat(200);
    let text =
        told(&desk, format!("GET /health HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes()).await;
    assert!(text.starts_with("HTTP/1.1 431"), "{text}");
    let rubbish = told(&desk, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").await;
    assert!(rubbish.starts_with("HTTP/1.1 400"), "{rubbish}");
    let length =
        told(&desk, b"POST /v1/orders HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n").await;
    assert!(length.starts_with("HTTP/1.1 400"), "{length}");
    // Said below the routes, as docs/API.md has it: no body, no id.
    for bare in [text, rubbish, length] {
        assert!(bare.ends_with("\r\n\r\n") && !bare.contains("x-request-id"), "{bare}");
    }
    assert_eq!(desk.get("/health").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_what_is_under_way_end_and_takes_no_more() {
    let desk = Arc::new(Desk::open().await);
    let id = desk.paid("1").await;
    desk.world.world.zinc.set_latency_ms(1000);
    let under_way = tokio::spawn({
        let desk = Arc::clone(&desk);
        async move { desk.process(id).await }
    });
    while desk.status(id).await != "submitting" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    desk.stop();
    let answer = under_way.await.unwrap();
    assert_eq!(
        (answer.status, &answer.body["result"]),
        (200, &json!("submitted")),
        "{}",
        answer.text
    );
    assert!(TcpStream::connect(desk.address).await.is_err());
    assert_eq!(desk.world.world.zinc.purchases_of(&id.to_string()).len(), 1);
}

#[tokio::test]
async fn a_correlation_id_is_echoed_when_it_is_a_plain_one() {
    let desk = Desk::open().await;
    let answer = desk.raw("GET", "/v1/orders", &[("x-request-id", "call-77")], b"").await;
    assert_eq!(
        (answer.header("x-request-id"), &answer.body["correlation_id"]),
        ("call-77", &json!("call-77"))
    );
    let long = "x".repeat(65);
    for nasty in ["a b", "<script>", "\"", long.as_str()] {
        let answer = desk.raw("GET", "/v1/orders", &[("x-request-id", nasty)], b"").await;
        assert_ne!(answer.header("x-request-id"), nasty);
        assert!(!answer.text.contains(nasty) || nasty == "\"", "{}", answer.text);
    }
}

#[tokio::test]
async fn no_answer_tells_of_sql_paths_versions_or_private_things() {
    let desk = Desk::open().await;
    let id = desk.paid("1").await;
    let mut bad = order("2");
    bad["recipient"]["phone_number"] = json!("call me");
    let mut answers = vec![
        desk.rpc("place_order", &json!({"order_param": bad})).await,
        desk.rpc("place_order", &json!({"order_param": "Elm Street"})).await,
        desk.rpc("place_order", &json!({"order_param": {"recipient": "Elm Street"}})).await,
        desk.rpc(
            "place_order",
            &json!({"order_param": order("3"), "options": {"order_id": "Elm Street"}}),
        )
        .await,
        desk.rpc("place_order", &json!({"order_param": order("3"), "options": {"order_id": id}}))
            .await,
        desk.rpc("verify_orders", &json!({"after_order": "x'; select 1 --", "page_size": "Q"}))
            .await,
        desk.rpc("attach_payment", &json!({"order_uuid": id, "payment_intent_param": "'"})).await,
        desk.send("POST", "/v1/orders", &bad).await,
        desk.send("POST", &format!("/v1/orders/{id}/payment"), &json!({"payment_intent": "'"}))
            .await,
        desk.get("/v1/orders/%00").await,
        desk.get("/v1/orders/%ff").await,
        desk.get("/v1/orders?search=%27%3B--").await,
        desk.get("/v1/orders?limit=%ff").await,
        desk.get("/ready").await,
        desk.get("/health").await,
        desk.get("/openapi.json").await,
    ];
    for hidden in ["complete_by_word", "event_actor", "orders"] {
        answers.push(desk.rpc(hidden, &json!({"x": 1})).await);
    }
    for answer in answers {
        assert!(answer.header("content-type").contains("json"), "{}", answer.text);
        assert!(answer.header("server").is_empty());
        let told = answer.text.to_lowercase();
        let canaries = [
            "elm street",
            "call me",
            "sqlstate",
            "insert into",
            "::text",
            "jsonb_",
            "plpgsql",
            "/root/",
            "crates/",
            ".rs",
            "panicked",
            "0.1.0",
            "postgresql",
        ];
        for canary in canaries {
            assert!(!told.contains(canary), "{canary}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn without_a_database_the_process_lives_and_says_that_it_is_not_ready() {
    let options = StoreOptions { wait: Duration::from_secs(1), ..StoreOptions::default() };
    let store = Store::new("postgres://nobody@127.0.0.1:1/none", &options).unwrap();
    let address = serve(part(store, None).await).await;
    assert_eq!(send(address, "GET", "/health", &[], b"").await.status, 200);
    let ready = send(address, "GET", "/ready", &[], b"").await;
    assert_eq!((ready.status, ready.code()), (503, "database_unreachable"), "{}", ready.text);
    let key = format!("aok_{}", "x".repeat(43));
    let asked = send(address, "GET", "/v1/orders", &[("apikey", &key)], b"").await;
    assert_eq!((asked.status, asked.code()), (503, "try_again"), "{}", asked.text);
    assert!(!asked.text.contains("127.0.0.1"), "{}", asked.text);
}

#[tokio::test]
async fn a_database_that_is_no_shop_is_not_ready() {
    let desk = Desk::open().await;
    assert_eq!(desk.get("/ready").await.body, json!({"status": "ready"}));
    // A superuser could write past the functions, so such a login is no ground to stand on.
    let address = serve(part(desk.admin.clone(), None).await).await;
    let ready = send(address, "GET", "/ready", &[], b"").await;
    assert_eq!((ready.status, ready.code()), (503, "database_unfit"), "{}", ready.text);
}

#[tokio::test]
async fn without_a_secret_no_jwt_is_accepted_and_without_an_engine_orders_wait() {
    let desk = Desk::open().await;
    let id = desk.paid("1").await;
    let address = serve(part(desk.app.clone(), None).await).await;
    let key = jsonwebtoken::EncodingKey::from_secret(JWT_SECRET.as_bytes());
    let claims = json!({"role": "service_role"});
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let refused = send(address, "GET", "/v1/orders", &[("apikey", &token)], b"").await;
    assert_eq!((refused.status, refused.code()), (401, "unauthorized"), "{}", refused.text);
    let body = json!({"orderId": id}).to_string();
    let headers = [("apikey", desk.key.as_str())];
    let path = "/functions/v1/process-zma-order";
    let waiting = send(address, "POST", path, &headers, body.as_bytes()).await;
    assert_eq!(
        (waiting.status, &waiting.body["result"]),
        (202, &json!("waiting")),
        "{}",
        waiting.text
    );
    assert_eq!(waiting.body["success"], Value::Bool(false));
    assert_eq!(desk.status(id).await, "pending");
}
