//! Messages of Stripe at a real server: what it acknowledges survives its death.

use crate::desk::Desk;
use orders_core::private::Private;
use orders_gateway::stripe::webhook::sign;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::task::JoinSet;

const SECRET: &str = "whsec_nobody_may_read_this";

/// A server that takes messages.
async fn server(desk: &Desk) -> (Child, String) {
    let mut command = desk.program_as("public_orders_app");
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("STRIPE_WEBHOOK_SECRET", format!("whsec_former,{SECRET}"))
        .env("RUST_LOG", "debug")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(Duration::from_mins(1), lines.next_line()).await.unwrap();
    let line = line.unwrap().unwrap();
    (child, line.strip_prefix("Listening on http://").unwrap().to_owned())
}

fn kill(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().unwrap().cast_signed()).unwrap(), signal).unwrap();
}

/// The database's time: this machine's.
async fn now_s(desk: &Desk) -> i64 {
    let sql = "select floor(extract(epoch from clock_timestamp()))::bigint";
    desk.admin.query("test", sql, &[]).await.unwrap()[0].get(0)
}

async fn inbox(desk: &Desk) -> BTreeSet<String> {
    let rows = desk.admin.query("test", "select event_id from inbox", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Delivers a message; whether it was acknowledged.
async fn deliver(address: &str, id: &str, time_s: i64, secret: &str) -> bool {
    let body = json!({
        "id": id, "object": "event", "type": "payment_intent.succeeded", "created": time_s,
        "livemode": false, "data": {"object": {"id": format!("pi_{id}"), "object": "payment_intent",
            "shipping": {"name": "Ada Private"}}},
    });
    let body = body.to_string();
    let signature = sign(body.as_bytes(), &Private::new(secret.to_owned()), time_s);
    let request = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\nconnection: close\r\nstripe-signature: {signature}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    let told = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        stream.read_to_string(&mut answer).await
    };
    // A server that dies breaks its connections off.
    let _ = told.await;
    answer.starts_with("HTTP/1.1 200") && answer.ends_with(r#"{"received":true}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn g25_every_message_that_was_acknowledged_is_stored_whenever_the_server_dies() {
    let desk = Desk::fresh().await;
    for round in 0..3 {
        let (mut child, address) = server(&desk).await;
        let time_s = now_s(&desk).await;
        let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
        let mut callers = JoinSet::new();
        for caller in 0..8 {
            let (address, acknowledged) = (address.clone(), Arc::clone(&acknowledged));
            callers.spawn(async move {
                for number in 0.. {
                    let id = format!("evt_{round}_{caller}_{number}");
                    if !deliver(&address, &id, time_s, SECRET).await {
                        return;
                    }
                    acknowledged.lock().unwrap().insert(id);
                }
            });
        }
        // In the middle of all these deliveries, right after an answer.
        while acknowledged.lock().unwrap().len() < 20 * (round + 1) {
            tokio::task::yield_now().await;
        }
        kill(&child, Signal::KILL);
        callers.join_all().await;
        child.wait().await.unwrap();
        let acknowledged = acknowledged.lock().unwrap().clone();
        let stored = inbox(&desk).await;
        assert!(acknowledged.len() >= 20 * (round + 1), "{}", acknowledged.len());
        assert!(acknowledged.is_subset(&stored), "{:?}", acknowledged.difference(&stored));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counts_of_messages_are_kept_at_the_stop_and_nothing_private_is_logged() {
    let desk = Desk::fresh().await;
    let (child, address) = server(&desk).await;
    let time_s = now_s(&desk).await;
    for (id, secret, good) in
        [("evt_1", SECRET, true), ("evt_1", "whsec_former", true), ("evt_2", "whsec_forged", false)]
    {
        assert_eq!(deliver(&address, id, time_s, secret).await, good, "{id} {secret}");
    }
    kill(&child, Signal::TERM);
    let ended = tokio::time::timeout(Duration::from_secs(25), child.wait_with_output());
    let output = ended.await.unwrap().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("wrong_signature"), "{said}");
    for private in [SECRET, "whsec_", "Ada Private", "v1="] {
        assert!(!said.contains(private), "{private}: {said}");
    }
    let health = desk.admin.query("test", "select order_system_health() -> 'messages'", &[]).await;
    let health: Value = health.unwrap()[0].get(0);
    let expected = json!({
        "stripe_webhook_stored": 1, "stripe_webhook_duplicate": 1,
        "stripe_webhook_forged_wrong_signature": 1,
    });
    assert_eq!(health, expected);
}

#[tokio::test]
async fn more_than_two_secrets_of_the_endpoint_are_refused_and_not_shown() {
    let desk = Desk::without_shop().await;
    for wrong in ["a1,b2,c3", "a1,,b2", "a1,"] {
        let mut command = desk.program_as("public_orders_app");
        command.args(["serve", "--listen", "127.0.0.1:0"]).env("STRIPE_WEBHOOK_SECRET", wrong);
        let said = crate::desk::run(command).await.ends(1);
        assert!(said.err.contains("give one secret, or two"), "{}", said.err);
        assert!(!said.err.contains("b2"), "{}", said.err);
    }
}
