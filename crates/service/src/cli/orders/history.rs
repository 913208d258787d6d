//! The life of one order as prose: when, what, by whom, and what changed by it.

use crate::cli::output::{cell, money, time};
use orders_core::event::Kind;
use serde_json::{Map, Value, json};

/// Columns that say nothing to people.
const SILENT: [&str; 1] = ["content_digest"];

/// The whole history.
pub fn prose(events: &[Value]) -> String {
    let mut known = Map::new();
    events.iter().map(|event| told(event, &mut known)).collect::<Vec<_>>().join("\n")
}

fn told(event: &Value, known: &mut Map<String, Value>) -> String {
    let name = event["kind"].as_str().unwrap_or_default();
    let kind = Kind::ALL.iter().find(|kind| kind.name() == name);
    // An event of a newer release keeps its name.
    let sentence = kind.map_or_else(|| cell(&event["kind"]), |kind| kind.meaning().to_owned());
    let head = format!("{}  {sentence} (by {})", time(&event["at"]), cell(&event["actor"]));
    let mut lines = vec![head];
    let (before, after) = (&event["status_before"], &event["status_after"]);
    if before != after {
        lines.push(format!("status: {} → {}", cell(before), cell(after)));
    }
    if event["kind"] == json!(Kind::OrderPlaced.name()) {
        let set = &event["data"]["set"];
        let total = money(&set["total_minor"], &set["currency"]);
        lines.push(format!("order {} over {total}", cell(&set["order_number"])));
    } else {
        changes(event, known, &mut lines);
    }
    evidence(event, &mut lines);
    for (name, value) in event["data"]["set"].as_object().into_iter().flatten() {
        known.insert(name.clone(), value.clone());
    }
    lines.join("\n                        ")
}

/// What the event changed: the column, before and after.
fn changes(event: &Value, known: &Map<String, Value>, lines: &mut Vec<String>) {
    for (name, value) in event["data"]["set"].as_object().into_iter().flatten() {
        let before = known.get(name).unwrap_or(&Value::Null);
        if before != value && !SILENT.contains(&name.as_str()) {
            lines.push(format!("{}: {} → {}", name.replace('_', " "), word(before), word(value)));
        }
    }
}

/// What else the event tells: reasons, codes, times.
fn evidence(event: &Value, lines: &mut Vec<String>) {
    for (name, value) in event["data"].as_object().into_iter().flatten() {
        if name != "set" && !name.ends_with("_digest") && !value.is_null() {
            lines.push(format!("{}: {}", name.replace('_', " "), word(value)));
        }
    }
}

fn word(value: &Value) -> String {
    if value.is_null() { "none".to_owned() } else { cell(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_reads_as_sentences_with_what_changed() {
        let events = [
            json!({"at": "2026-01-02T03:04:05+00:00", "kind": "order_placed", "status_before": "new",
                   "status_after": "pending", "actor": "shop", "data": {"private_digest": "00", "set": {
                       "order_number": "7", "total_minor": 1530, "currency": "GBP", "hold_reason": "awaiting_payment"}}}),
            json!({"at": "2026-01-02T03:05:05+00:00", "kind": "payment_confirmed", "status_before": "pending",
                   "status_after": "pending", "actor": "engine/w", "data": {"set": {"hold_reason": null}}}),
            json!({"at": "2026-01-02T03:06:05+00:00", "kind": "from_the_future", "status_before": "pending",
                   "status_after": "pending", "actor": "x", "data": {"reason": "a\nb"}}),
        ];
        let expected = "\
2026-01-02 03:04:05Z  The order was placed. (by shop)
                        status: new → pending
                        order 7 over 15.30 GBP
2026-01-02 03:05:05Z  Stripe confirmed the payment. (by engine/w)
                        hold reason: awaiting_payment → none
2026-01-02 03:06:05Z  from_the_future (by x)
                        reason: a\u{fffd}b";
        assert_eq!(prose(&events), expected);
    }
}
