//! The money of one order on one screen.

use crate::cli::output::{cell, money, time};
use crate::cli::table::table;
use serde_json::Value;
use std::fmt::Write as _;

/// The payments of an order as text.
pub fn text(found: &Value) -> String {
    let mut text = format!(
        "Order {}: {}, payment {}{}\n  total {}, captured {}",
        cell(&found["order_number"]),
        cell(&found["status"]),
        cell(&found["payment_status"]),
        held(found),
        money(&found["total_minor"], &found["currency"]),
        cell(&found["capture_when"]).replace('_', " the "),
    );
    for payment in found["payments"].as_array().into_iter().flatten() {
        text.push_str(&one(payment));
    }
    if found["payments"].as_array().is_none_or(Vec::is_empty) {
        text.push_str("\n\nNo PaymentIntent is named for it.");
    }
    text
}

fn held(found: &Value) -> String {
    let reason = cell(&found["hold_reason"]);
    if reason.is_empty() { reason } else { format!(", held: {reason}") }
}

fn one(payment: &Value) -> String {
    let currency = &payment["currency"];
    let mut text = format!("\n\n{}", cell(&payment["payment_intent"]));
    for (name, value) in [
        ("counts", if payment["live"] == true { String::new() } else { "no more".to_owned() }),
        ("Stripe says", cell(&payment["stripe_status"])),
        ("breaks", cell(&payment["deviation"])),
        ("received", money(&payment["amount_received"], currency)),
        ("reserved", above_zero(&payment["amount_capturable"], currency)),
        ("capture by", time(&payment["capture_before"])),
        ("refunded", above_zero(&payment["amount_refunded"], currency)),
        ("dispute", cell(&payment["dispute"])),
        ("in review", yes(&payment["in_review"])),
        ("warned", yes(&payment["warned"])),
        ("read", time(&payment["read_at"])),
    ] {
        if !value.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  {name:<12}  {value}");
        }
    }
    let moves = payment["moves"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !moves.is_empty() {
        let _ = write!(text, "\n\n{}", moved(moves));
    }
    text
}

fn above_zero(minor: &Value, currency: &Value) -> String {
    if minor.as_i64() == Some(0) { String::new() } else { money(minor, currency) }
}

fn yes(value: &Value) -> String {
    if value == &Value::Bool(true) { "yes".to_owned() } else { String::new() }
}

fn moved(moves: &[Value]) -> String {
    let headline =
        ["what", "amount", "state", "code", "why", "by", "agreed", "since", "ended", "id"];
    let mut rows = table(headline);
    for one in moves {
        rows.add_row([
            cell(&one["kind"]),
            money(&one["amount_minor"], &one["currency"]),
            cell(&one["state"]),
            cell(&one["code"]),
            cell(&one["reason"]),
            cell(&one["requested_by"]),
            cell(&one["approved_by"]),
            time(&one["created_at"]),
            time(&one["settled_at"]),
            cell(&one["id"]),
        ]);
    }
    rows.to_string()
}
