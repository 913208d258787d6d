//! A client that believes nothing: raw bytes over TCP, one connection a call.

use orders_sandbox::{Faults, ManualClock, Options, Running, World, zinc};
use serde_json::{Value, json};
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a client hears of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Every byte until the connection ended.
    pub bytes: Vec<u8>,
    /// Whether it ended in a reset.
    pub reset: bool,
}

impl Heard {
    /// Not a single byte.
    pub fn is_nothing(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn status(&self) -> u16 {
        self.text().split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
    }

    pub fn body(&self) -> String {
        let text = self.text();
        text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }

    /// Whether the body is as long as was announced.
    pub fn is_whole(&self) -> bool {
        let text = self.text().to_lowercase();
        let announced = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        announced == Some(self.body().len().to_string().as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The request id of an accepted create.
    pub fn request_id(&self) -> String {
        self.json()["request_id"].as_str().unwrap_or_else(|| panic!("{}", self.text())).to_owned()
    }
}

/// A world on a manual clock, and the way to it.
pub struct Test {
    pub running: Running,
    pub clock: ManualClock,
}

pub const TOKEN: &str = "Authorization: Basic c2FuZGJveC10b2tlbjo=";
pub const SECRET: &str = "Authorization: Bearer sk_test_sandbox";

/// Everything at once and every time the same, unless a test asks for more.
pub fn settings() -> zinc::Settings {
    zinc::Settings {
        placed_after_ms: 0,
        delivered_after_ms: 0,
        quirks: false,
        ..zinc::Settings::default()
    }
}

impl Test {
    pub async fn new() -> Self {
        Self::with(settings()).await
    }

    pub async fn with_faults(faults: Faults) -> Self {
        Self::with(zinc::Settings { faults, ..settings() }).await
    }

    pub async fn with(zinc: zinc::Settings) -> Self {
        Self::start(Options { zinc, ..Options::default() }).await
    }

    pub async fn start(options: Options) -> Self {
        let clock = ManualClock::default();
        let options = Options { clock: Arc::new(clock.clone()), ..options };
        Self { running: World::start(options).await.unwrap(), clock }
    }

    pub fn zinc(&self) -> &orders_sandbox::Zinc {
        &self.running.world.zinc
    }

    pub fn stripe(&self) -> &orders_sandbox::Stripe {
        &self.running.world.stripe
    }

    pub async fn create(&self, body: &str) -> Heard {
        create(self.running.addr, body).await
    }

    pub async fn read(&self, request_id: &str) -> Heard {
        call(self.running.addr, "GET", &format!("/v1/orders/{request_id}"), &[TOKEN], "").await
    }

    pub async fn get(&self, path: &str) -> Heard {
        call(self.running.addr, "GET", path, &[TOKEN], "").await
    }

    pub async fn post(&self, path: &str, body: &str) -> Heard {
        call(self.running.addr, "POST", path, &[TOKEN], body).await
    }
}

pub async fn create(addr: SocketAddr, body: &str) -> Heard {
    call(addr, "POST", "/v1/orders", &[TOKEN], body).await
}

/// The text of a valid create.
pub fn order(key: &str, order_id: &str) -> String {
    order_json(key, order_id).to_string()
}

pub fn order_json(key: &str, order_id: &str) -> Value {
    json!({
        "idempotency_key": key,
        "retailer": "amazon",
        "addax": true,
        "products": [{ "product_id": "B000000001", "quantity": 2 }],
        "max_price": 4200,
        "shipping_address": {
            "first_name": "Ada", "last_name": "Miller", "address_line1": "12 Elm Street",
            "address_line2": "", "zip_code": "97209", "city": "Portland", "state": "OR",
            "country": "US", "phone_number": "5035550100",
        },
        "is_gift": true,
        "shipping_method": "cheapest",
        "client_notes": { "order_id": order_id, "attempt_id": format!("attempt of {key}") },
    })
}

/// One call on a connection of its own; everything that comes until it ends.
pub async fn call(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> Heard {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    let _ = write!(text, "Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut heard = Heard { bytes: Vec::new(), reset: false };
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return heard,
            Ok(count) => heard.bytes.extend_from_slice(&buffer[..count]),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
                heard.reset = true;
                return heard;
            }
        }
    }
}
