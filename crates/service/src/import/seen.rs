//! The order numbers of one file, to find those that come twice.

use super::{Kind, ORDERS_PER_FILE_MAX, Problem};
use std::collections::HashMap;

/// Where a number came first.
#[derive(Clone, Copy)]
pub(super) struct First {
    pub line: u64,
    /// Whether that was a row that could not be read.
    pub broken: bool,
}

#[derive(Default)]
pub(super) struct Seen(HashMap<Box<str>, First>);

impl Seen {
    pub fn find(&self, number: &str) -> Option<First> {
        self.0.get(number).copied()
    }

    /// Remembers a number, unless it is known already. The problem is that the file is too long.
    pub fn note(&mut self, number: &str, line: u64, broken: bool) -> Result<(), Problem> {
        // Longer numbers break a rule of the order anyway, so they need no memory.
        if number.chars().nth(100).is_some() {
            return Ok(());
        }
        if self.0.len() >= ORDERS_PER_FILE_MAX && !self.0.contains_key(number) {
            let reason = format!(
                "a file may have at most {ORDERS_PER_FILE_MAX} orders, and this line begins one \
                 more; put it and what follows into another file"
            );
            return Err(Problem { line, column: None, kind: Kind::Limit, reason });
        }
        self.0.entry(number.into()).or_insert(First { line, broken });
        Ok(())
    }
}

/// The reason of an order one of whose rows is broken and stands apart from the others.
pub(super) fn stands_apart(order_line: u64, broken_line: u64) -> String {
    format!(
        "this order has rows at line {order_line} and a broken row at line {broken_line}; no order \
         is placed in part"
    )
}

/// The reason of an order whose number came before.
pub(super) fn repeated(first: First) -> String {
    format!(
        "this order number stood at line {} already; one order must stand in one place",
        first.line
    )
}
