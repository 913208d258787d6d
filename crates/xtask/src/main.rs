//! `cargo run -p xtask -- <check>`: runs one check, or all of them, and prints what it finds.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use xtask::finding::Finding;
use xtask::tree::{self, Tree};
use xtask::{direction, guarantees, tidy};

const HELP: &str = "\
usage: cargo run -p xtask -- <check>

  direction    who may depend on whom, and which crate may name which library
  tidy         sizes, names, headers and words of the files
  guarantees   docs/GUARANTEES.md, the marks in the code and the tests meet
  waiting      the promises that no test keeps yet, by the feature they wait for
  all          direction, tidy and guarantees";

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let check = arguments.next();
    if let Some(extra) = arguments.next() {
        bail!("one check at a time, and no options: do not know {extra:?}\n\n{HELP}");
    }
    let checks: &[&str] = match check.as_deref() {
        Some("all") => &["direction", "tidy", "guarantees"],
        Some("waiting") => {
            println!("{}", waiting()?);
            return Ok(ExitCode::SUCCESS);
        }
        Some("direction") => &["direction"],
        Some("tidy") => &["tidy"],
        Some("guarantees") => &["guarantees"],
        None | Some("help" | "--help" | "-h") => {
            println!("{HELP}");
            return Ok(ExitCode::SUCCESS);
        }
        Some(other) => bail!("no check is called {other:?}\n\n{HELP}"),
    };
    let mut clean = true;
    for check in checks {
        clean &= report(check, &run(check)?);
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run(check: &str) -> Result<Vec<Finding>> {
    let root = tree::root();
    match check {
        "direction" => direction::check(&root),
        "tidy" => Ok(tidy::check(&Tree::checkout(&root)?)),
        _ => Ok(guarantees::check(&Tree::checkout(&root)?)),
    }
}

/// Prints the findings of one check; true if there are none.
fn report(check: &str, findings: &[Finding]) -> bool {
    for finding in findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("{check}: nothing to complain about"),
        1 => println!("{check}: 1 finding"),
        count => println!("{check}: {count} findings"),
    }
    findings.is_empty()
}

fn waiting() -> Result<String> {
    let tree = Tree::checkout(&tree::root())?;
    let document = tree
        .file(guarantees::DOCUMENT)
        .with_context(|| format!("{} does not exist", guarantees::DOCUMENT))?;
    Ok(guarantees::waiting(&document.text))
}
