//! The main job, as a newcomer runs it: the demonstration ends well and proves what it says, with the
//! installed PostgreSQL and with nothing but what cargo brought.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use serde_json::Value;
use std::process::{Command, Output};

/// Runs `atomic-orders demo --json` and gives its proof.
fn demonstrate(change: impl FnOnce(&mut Command)) -> (Output, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atomic-orders"));
    command.args(["demo", "--json"]);
    change(&mut command);
    let output = command.output().unwrap();
    let proof = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output, proof)
}

fn demand(output: &Output, proof: &Value) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{proof:#}");
    let count = |name: &str| proof[name].as_u64().unwrap();
    assert_eq!(count("orders"), 423, "{proof:#}");
    assert_eq!(count("bought_once"), count("live_purchases"), "{proof:#}");
    assert_eq!((count("duplicates"), count("violations"), count("stuck")), (0, 0, 0), "{proof:#}");
    assert_eq!(proof["lost"].as_array().map(Vec::len), Some(0), "{proof:#}");
    assert!(count("kills") >= 3 && count("unknown_met") > 0 && count("repeats") > 0, "{proof:#}");
    for fault in ["drop_answer", "error_after", "outage"] {
        assert!(proof["faults"][fault].as_u64() > Some(0), "{fault} never happened: {proof:#}");
    }
}

#[test]
fn the_demonstration_buys_each_real_invoice_exactly_once() {
    let (output, proof) = demonstrate(|command| {
        command.args(["--seed", "2"]);
    });
    demand(&output, &proof);
}

#[test]
fn cargo_alone_is_enough_the_installed_postgresql_is_neither_seen_nor_needed() {
    let empty = tempfile::tempdir().unwrap();
    let (output, proof) = demonstrate(|command| {
        command.args(["--postgres", "carried", "--seed", "3"]).env("PATH", empty.path());
    });
    demand(&output, &proof);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("PostgreSQL 18") && !said.contains("/usr/lib"), "{said}");
}
