//! `sandbox`: a process of its own, an engine that knows of it only what it prints, and its ledger as
//! judge of what was bought.

use crate::desk::{Desk, order, program, run, text};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Nothing is waited for any longer.
const PATIENCE: Duration = Duration::from_secs(40);

/// A running `sandbox` and the variables that it printed.
struct Sandbox {
    child: Child,
    variables: Vec<(String, String)>,
}

impl Sandbox {
    async fn start(ledger: &Path, faults: &str) -> Self {
        let mut command = program();
        command
            .args(["sandbox", "--port", "0", "--faults", faults, "--ledger", text(ledger)])
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let variables = loop {
            let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap();
            let line = line.unwrap().unwrap_or_else(|| panic!("it ended, and said nothing of use"));
            let found: Vec<_> = line
                .split_whitespace()
                .filter_map(|word| word.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            if !found.is_empty() {
                break found;
            }
        };
        // A wrong one would send the engine to the real partners.
        let names: Vec<_> = variables.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["ZINC_URL", "ZINC_TOKEN", "STRIPE_URL", "STRIPE_KEY"]);
        let sandbox = Self { child, variables };
        for url in ["ZINC_URL", "STRIPE_URL"] {
            let here = sandbox.variable(url).strip_prefix("http://127.0.0.1:");
            assert!(here.is_some_and(|rest| rest.ends_with("/v1")), "{:?}", sandbox.variables);
        }
        sandbox
    }

    fn variable(&self, name: &str) -> &str {
        let found = self.variables.iter().find(|(one, _)| one == name);
        &found.unwrap_or_else(|| panic!("{name}: {:?}", self.variables)).1
    }

    /// Pays an order at its Stripe, as a web shop does, and gives the PaymentIntent's id.
    async fn pays(&self, order: &str) -> String {
        let url = self.variable("STRIPE_URL").strip_prefix("http://").unwrap();
        let (host, path) = url.split_once('/').unwrap();
        let key = self.variable("STRIPE_KEY");
        let form = format!(
            "amount=1530&currency=usd&payment_method=pm_card_visa&confirm=true&metadata[order_id]={order}"
        );
        let request = format!(
            "POST /{path}/payment_intents HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             authorization: Bearer {key}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{form}",
            form.len()
        );
        let mut stream = TcpStream::connect(host).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let paid: Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}"));
        assert_eq!(paid["status"], "succeeded", "{answer}");
        paid["id"].as_str().unwrap().to_owned()
    }
}

/// Asks a child to end, and waits until it has.
async fn ended(mut child: Child) -> ExitStatus {
    let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap()
}

/// The lines of a ledger that tell of an event.
fn told(ledger: &Path, event: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(ledger.join("zinc.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] == event).collect()
}

/// An engine that knows the sandbox by its variables, in front of a shop.
fn engine(desk: &Desk, sandbox: &Sandbox) -> Command {
    let mut command = desk.program_as("public_orders_app");
    command
        .args(["work", "--call-ms", "1500", "--lease-ms", "12000"])
        .envs(sandbox.variables.iter().map(|(name, value)| (name, value)))
        .stderr(std::fs::File::create(desk.folder.path().join("engine.log")).unwrap());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_with_the_printed_variables_buys_once_although_the_first_answer_is_lost() {
    let desk = Desk::fresh().await;
    desk.sql("update settings set value = '1500' where name = 'processing_bound_ms'").await;
    desk.sql("update settings set value = '200' where name = 'repeat_first_ms'").await;
    let ledger = desk.folder.path().join("ledger");
    std::fs::create_dir(&ledger).unwrap();
    let sandbox = Sandbox::start(&ledger, "none,drop_answer=1,faults_per_key_max=1").await;
    let mut dollars = order("1001");
    dollars["retailer"] = json!("amazon");
    dollars["currency"] = json!("USD");
    dollars["recipient"] = json!({"first_name": "Ada", "last_name": "Miller", "address_line1": "12 Elm Street",
        "zip_code": "10001", "city": "New York", "state": "NY", "country": "US", "phone_number": "+12125550100"});
    let path = desk.file("order.jsonl", &dollars.to_string());
    desk.types(&["import", text(&path), "--format", "jsonl"]).await.ends(0);
    let id = desk.id("1001").await;
    let intent = sandbox.pays(&id).await;
    desk.sql(&format!("select attach_payment('{id}', '{intent}')")).await;

    let mut engine = engine(&desk, &sandbox).spawn().unwrap();
    let log = || std::fs::read_to_string(desk.folder.path().join("engine.log")).unwrap();
    let begun = Instant::now();
    let shown = loop {
        let shown = desk.types(&["orders", "show", "1001", "--json"]).await.ends(0).json();
        if !shown["zinc_request_id"].is_null() {
            break shown;
        }
        assert!(engine.try_wait().unwrap().is_none(), "the engine ended: {}", log());
        assert!(begun.elapsed() < PATIENCE, "{shown}\n{}", log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(ended(engine).await.success(), "{}", log());
    assert!(ended(sandbox.child).await.success());

    let purchases = told(&ledger, "purchase");
    assert_eq!(purchases.len(), 1, "{purchases:?}");
    assert_eq!(
        (&purchases[0]["order_id"], &purchases[0]["request_id"]),
        (&json!(id), &shown["zinc_request_id"])
    );
    let faults: Vec<_> =
        told(&ledger, "create").iter().map(|create| create["fault"].clone()).collect();
    assert_eq!(faults, [json!("drop_answer"), Value::Null], "the same key twice");
    assert_eq!(shown["attempts"][0]["calls"], 2, "{shown}");
}

#[tokio::test]
async fn faults_that_nobody_knows_are_refused_with_those_that_are_known() {
    for (faults, sentence) in [
        ("never", "no set is called \"never\"; the known ones are none and demo"),
        ("none,dropp=0.1", "unknown field `dropp`, expected one of `seed`, `error_before`"),
    ] {
        let mut command = program();
        command.args(["sandbox", "--port", "0", "--faults", faults]);
        let ended = tokio::time::timeout(PATIENCE, run(command));
        let said = ended.await.expect("it does not begin to serve").ends(2);
        assert!(said.err.contains(sentence), "{}", said.err);
        assert!(said.out.is_empty(), "{}", said.out);
    }
}
