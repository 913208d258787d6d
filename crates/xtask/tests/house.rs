//! The checks of the house on the house itself, so that `cargo test --workspace` keeps it in order.

use xtask::finding::Finding;
use xtask::tree::{self, Tree};
use xtask::{direction, guarantees, tidy};

/// Fails with every complaint on a line of its own.
fn nothing_to_complain_about(findings: &[Finding]) {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(lines.is_empty(), "{} finding(s):\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn every_crate_keeps_to_its_place() {
    nothing_to_complain_about(&direction::check(&tree::root()).unwrap());
}

#[test]
fn every_file_is_tidy() {
    nothing_to_complain_about(&tidy::check(&Tree::checkout(&tree::root()).unwrap()));
}

#[test]
fn every_promise_meets_its_test() {
    nothing_to_complain_about(&guarantees::check(&Tree::checkout(&tree::root()).unwrap()));
}
