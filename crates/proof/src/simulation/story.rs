//! The story of a history: what was done, what was answered, and what became of the orders each time.
//!
//! Promise: the same history gives the same story. Orders and payments are told by their numbers and times
//! since the beginning. Left out is what differs from run to run without a meaning: ids that the database
//! draws (of movements of money and of findings), keys made of them, and how long anything took.

use super::operation::Operation;
use super::play::Failure;
use serde_json::Value;

/// What happened, line by line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Story(Vec<String>);

impl Story {
    /// An operation and what was answered.
    pub fn line(&mut self, at: &str, operation: &Operation, order: Option<usize>, said: &str) {
        let about = order.map_or(String::new(), |order| format!(" (order {})", order + 1));
        self.0.push(format!("{at:>12}  {operation}{about}: {said}"));
    }

    /// What became of an order.
    pub fn change(&mut self, change: &str) {
        self.0.push(format!("{:>14}{change}", ""));
    }

    /// A line of its own.
    pub fn note(&mut self, note: &str) {
        self.0.push(note.to_owned());
    }

    /// How it failed.
    pub fn ends(&mut self, failure: &Failure) {
        self.0.push(format!("FAILED: {}: {}", failure.rule, failure.said));
    }

    /// As a text.
    pub fn text(&self) -> String {
        self.0.join("\n")
    }
}

/// What has changed of the orders with these ids between two looks.
pub fn changes(ids: &[String], before: &Value, after: &Value) -> Vec<String> {
    let mut changes = Vec::new();
    for (number, id) in ids.iter().enumerate() {
        let (former, now) = (&before[id.as_str()], &after[id.as_str()]);
        if former == now || now.is_null() {
            continue;
        }
        let known = former[4].as_array().map_or(0, Vec::len);
        let kinds = now[4].as_array().map_or(&[][..], Vec::as_slice);
        let new: Vec<&str> = kinds.iter().skip(known).filter_map(Value::as_str).collect();
        changes.push(format!("order {} is {} ({})", number + 1, stands(now), new.join(", ")));
    }
    changes
}

fn stands(order: &Value) -> String {
    let words: Vec<&str> = (0..4).filter_map(|column| order[column].as_str()).collect();
    words.join(" ")
}

/// A length of time as people write it.
pub fn since(ms: i64) -> String {
    let seconds = ms / 1_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let clock = format!("{hours:02}:{minutes:02}:{:02}.{:02}", seconds % 60, ms % 1_000 / 10);
    if days > 0 { format!("{days}d {clock}") } else { clock }
}
