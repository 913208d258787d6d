//! `serve`: answers, buys on demand without loops of its own, and stops when it is told to.

use crate::desk::{Desk, Said, run};
use orders_sandbox::{Options, World};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// A running server and its address.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    async fn start(mut command: Command) -> Self {
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(Duration::from_mins(1), lines.next_line()).await.unwrap();
        let line = line.unwrap().unwrap();
        let address = line.strip_prefix("Listening on http://").unwrap().to_owned();
        Self { child, address }
    }

    /// One request on a connection of its own; the whole answer.
    async fn asks(&self, head: &str, key: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\napikey: {key}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn stop(self) -> Said {
        let pid = rustix::process::Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(25), self.child.wait_with_output());
        let output = ended.await.unwrap().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_loops_buys_an_order_when_it_is_asked_to() {
    let desk = Desk::fresh().await;
    let key = desk.types(&["keys", "add"]).await.ends(0).out.trim_end().to_owned();
    let id = desk.paid("1001").await;
    let mut options = Options::default();
    options.zinc.managed_retailers.push("amazon_uk".to_owned());
    let sandbox = World::start(options).await.unwrap();
    let mut command = desk.program_as("public_orders_app");
    command
        .env("ZINC_URL", format!("{}/v1", sandbox.base_url()))
        .env("ZINC_TOKEN", "sandbox-token")
        .env("ZINC_RETAILERS", "amazon_uk");
    let server = Server::start(command).await;
    let answer = server.asks("GET /health", "", "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = server
        .asks("POST /functions/v1/process-zma-order", &key, &json!({ "orderId": id }).to_string())
        .await;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&body["result"], &body["status"]),
        (&json!("submitted"), &json!("submitted_to_zinc"))
    );
    assert_eq!(sandbox.world.zinc.summary().live_purchases, 1);
    let said = server.stop().await.ends(0);
    assert!(said.err.contains("the engine stopped; every answer is recorded"), "{}", said.err);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_provider_never_meets_the_times_of_a_sandbox() {
    let desk = Desk::fresh().await;
    desk.sql("update settings set value = '1500' where name = 'processing_bound_ms'").await;
    for args in [&["work"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let mut command = desk.program_as("public_orders_app");
        command.args(args).env("ZINC_TOKEN", "t").env("ZINC_URL", "https://zinc.example/v1");
        let ended = tokio::time::timeout(Duration::from_mins(1), run(command));
        let said = ended.await.expect("it does not begin to work").ends(1);
        let fault = "The setting processing_bound_ms is \"1500\" and must be a whole number from";
        assert!(said.err.contains(fault), "{}", said.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_can_be_guessed_is_refused_before_anything_is_answered() {
    let desk = Desk::without_shop().await;
    let mut command = desk.program_as("public_orders_app");
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("ORDERS_JWT_SECRET", "hunter2");
    let said = run(command).await.ends(1);
    assert!(said.err.contains("ORDERS_JWT_SECRET"), "{}", said.err);
    assert!(said.out.is_empty() && !said.err.contains("hunter2"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_provider_says_so_and_a_taken_address_is_refused() {
    let desk = Desk::fresh().await;
    let mut command = desk.program_as("public_orders_app");
    for name in ["ORDERS_JWT_SECRET", "ORDERS_IN_FLIGHT", "ORDERS_LEASE_MS", "ZINC_TOKEN"] {
        command.env(name, "");
    }
    let server = Server::start(command).await;
    let said = desk.types(&["serve", "--listen", &server.address]).await.ends(1);
    assert!(said.err.contains("choose another with --listen"), "{}", said.err);
    let said = desk.types(&["serve", "--work", "--listen", "127.0.0.1:0"]).await.ends(1);
    assert!(said.err.contains("no token for Zinc: set ZINC_TOKEN"), "{}", said.err);
    let said = server.stop().await.ends(0);
    assert!(said.err.contains("wait for an engine that runs elsewhere"), "{}", said.err);
}
