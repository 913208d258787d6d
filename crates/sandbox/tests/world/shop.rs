//! A shop at the fake Stripe: its calls, and the endpoint that its events are sent to.

use crate::client::{Heard, SECRET, Test, call, settings};
use hmac::{Hmac, KeyInit, Mac};
use orders_sandbox::stripe::Settings;
use orders_sandbox::{Options, Stripe};
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt::Write;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// The world's first second.
pub const START_S: i64 = 1_767_225_600;
/// Create parameters that pay at once.
pub const PAID: &str =
    "amount=1099&currency=usd&metadata[order_id]=o1&confirm=true&payment_method=pm_card_visa";

/// A world with these settings of Stripe.
pub async fn shop(stripe: Settings) -> Test {
    Test::start(Options { stripe, zinc: settings(), ..Options::default() }).await
}

impl Test {
    /// A GET under `/v1`.
    pub async fn look(&self, path: &str) -> Heard {
        call(self.running.addr, "GET", &format!("/v1{path}"), &[SECRET], "").await
    }

    /// A POST under `/v1` with a key.
    pub async fn ask(&self, path: &str, key: &str, form: &str) -> Heard {
        let key = format!("Idempotency-Key: {key}");
        call(self.running.addr, "POST", &format!("/v1{path}"), &[SECRET, &key], form).await
    }

    /// A call of the test's own door.
    pub async fn door(&self, method: &str, door: &str, body: &Value) -> Heard {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let path = format!("/_sandbox/stripe/{door}");
        call(self.running.addr, method, &path, &[], &body).await
    }
}

/// The types of Stripe's events so far.
pub fn kinds(stripe: &Stripe) -> Vec<String> {
    stripe.events().iter().map(|event| event.kind.clone()).collect()
}

/// The types of Stripe's events from a place on.
pub fn kinds_from(stripe: &Stripe, from: usize) -> Vec<String> {
    kinds(stripe).split_off(from)
}

/// The ids of a list.
pub fn ids(list: &Value) -> Vec<String> {
    let data = list["data"].as_array().unwrap_or_else(|| panic!("{list}"));
    data.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

/// What an endpoint does with a delivery.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    Status(u16),
    /// Takes it and says nothing.
    Silence,
}

/// A delivery as it came.
#[derive(Debug, Clone)]
pub struct Delivered {
    pub head: String,
    pub body: String,
}

impl Delivered {
    pub fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn id(&self) -> String {
        self.event()["id"].as_str().unwrap().to_owned()
    }

    pub fn kind(&self) -> String {
        self.event()["type"].as_str().unwrap().to_owned()
    }

    pub fn signature(&self) -> &str {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix("stripe-signature: ")).unwrap()
    }

    /// The second that was signed.
    pub fn signed_s(&self) -> i64 {
        let first = self.signature().split(',').next().unwrap();
        first.strip_prefix("t=").unwrap().parse().unwrap()
    }

    /// Whether one of the `v1` is of this secret.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let text = format!("{}.{}", self.signed_s(), self.body);
        let wanted = format!("v1={}", hmac_hex(secret, &text));
        self.signature().split(',').any(|part| part == wanted)
    }
}

fn hmac_hex(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The shop's endpoint. It says 200 unless something else waits in line.
#[derive(Clone)]
pub struct Endpoint {
    pub url: String,
    heard: Arc<Mutex<Vec<Delivered>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    rung: Arc<Notify>,
}

/// How long a test waits for what must come.
const WAIT_MS_MAX: u64 = 20_000;

impl Endpoint {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks/stripe", listener.local_addr().unwrap());
        let (heard, answers, rung) = (Arc::default(), Arc::default(), Arc::default());
        let endpoint = Self { url, heard, answers, rung };
        let within = endpoint.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(within.clone().take(stream));
            }
        });
        endpoint
    }

    /// Wait until so many deliveries came.
    pub async fn until(&self, count: usize) {
        let came = async {
            loop {
                let mut next = pin!(self.rung.notified());
                next.as_mut().enable();
                if self.heard().len() >= count {
                    return;
                }
                next.await;
            }
        };
        let limit = Duration::from_millis(WAIT_MS_MAX);
        tokio::time::timeout(limit, came).await.expect("a delivery that never came");
    }

    /// What to do with the next deliveries.
    pub fn answer(&self, answers: &[Answer]) {
        self.answers.lock().unwrap().extend(answers);
    }

    /// Everything that came, in its order.
    pub fn heard(&self) -> Vec<Delivered> {
        self.heard.lock().unwrap().clone()
    }

    pub fn heard_kinds(&self) -> Vec<String> {
        self.heard().iter().map(Delivered::kind).collect()
    }

    async fn take(self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        let delivered = loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if length.and_then(|it| it.parse().ok()) == Some(body.len()) {
                    break Delivered { head: head.to_owned(), body: body.to_owned() };
                }
            }
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        };
        self.heard.lock().unwrap().push(delivered);
        self.rung.notify_waiters();
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or(Answer::Status(200));
        match answer {
            Answer::Status(status) => {
                let location = if status == 302 { "Location: /elsewhere\r\n" } else { "" };
                let text = format!("HTTP/1.1 {status} Said\r\n{location}Content-Length: 0\r\n\r\n");
                // The sender may be gone; what it heard is its own affair.
                let _ = stream.write_all(text.as_bytes()).await;
            }
            Answer::Silence => while stream.read_buf(&mut bytes).await.unwrap_or(0) > 0 {},
        }
    }
}
