//! `just model`: explores the scenarios of the tests and deeper ones, and every twin; prints a table,
//! or JSON, and writes docs/MODEL.md when it is told to.
//!
//! Promise: no number of that page is typed by hand. It ends with 1 when a law is broken with all
//! guards, when a state without a way out is found, or when a twin does not do what it must.

use orders_model::catalogue::{DEEP, SCENARIOS};
use orders_model::page::{self, Row, Tried};
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let mut rows = Vec::new();
    let all = SCENARIOS.iter().map(|scenario| (*scenario, None));
    for (scenario, most) in all.chain(DEEP.iter().map(|(deep, most)| (*deep, Some(*most)))) {
        let explored = scenario.world.prove(2, most, &|states| progress(scenario.name, states));
        let rest = most.is_none().then(|| scenario.world.stuck());
        rows.push(Row { scenario, explored, rest });
    }
    progress("twins", 0);
    let tried: Vec<Tried> = Tried::all();
    clear();
    let mut out = std::io::stdout().lock();
    let text = if arguments.iter().any(|argument| argument == "--json") {
        page::json(&rows, &tried)
    } else {
        page::table(&rows, &tried)
    };
    let mut good = writeln!(out, "{text}").is_ok() && rows.iter().all(Row::is_good);
    good &= tried.iter().all(|twin| twin.objection.is_none());
    if let Some(path) = value("--write") {
        let date = value("--date").unwrap_or_else(|| "an unknown day".to_owned());
        good &= std::fs::write(path, page::markdown(&rows, &tried, &date)).is_ok();
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Says where it is, to people only.
fn progress(name: &str, states: usize) {
    let mut err = std::io::stderr().lock();
    if err.is_terminal() {
        // A progress line that cannot be written stops nothing.
        drop(write!(err, "\r\x1b[2K{name}: {states} states"));
        drop(err.flush());
    }
}

fn clear() {
    let mut err = std::io::stderr().lock();
    if err.is_terminal() {
        drop(write!(err, "\r\x1b[2K"));
    }
}
