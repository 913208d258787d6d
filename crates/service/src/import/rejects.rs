//! What becomes of the rejects: a file to correct and a summary to read.

use super::{Entry, Kind, Reject};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// Writes rejects as JSON Lines: `file`, `line`, `column`, `order_number`, `kind`, `reason`.
pub struct Rejects<W> {
    writer: W,
}

impl<W: Write> Rejects<W> {
    /// Writes to `writer`, which should be buffered.
    pub fn new(writer: W) -> Self {
        Self { writer }
    }

    /// Adds one line.
    pub fn write(&mut self, reject: &Reject) -> io::Result<()> {
        serde_json::to_writer(&mut self.writer, reject)?;
        self.writer.write_all(b"\n")
    }

    /// Hands everything to the system; call it before saying that the file is written.
    pub fn finish(mut self) -> io::Result<W> {
        self.writer.flush()?;
        Ok(self.writer)
    }
}

/// How often a kind of reason was met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KindCount {
    /// Orders, and rows that belong to no order, with at least one reason of this kind.
    pub orders: u64,
    /// Reasons of this kind.
    pub reasons: u64,
}

/// The summary of an import, counted entry by entry.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Orders that may be placed.
    pub accepted: u64,
    /// Orders, and rows that belong to no order, that are not placed.
    pub rejected: u64,
    /// The reasons. An order with reasons of two kinds counts under both.
    pub kinds: BTreeMap<Kind, KindCount>,
    order: Option<String>,
    order_kinds: BTreeSet<Kind>,
}

impl Counts {
    /// Counts one entry. The entries must come in the order of the file, where the reasons of one
    /// order follow one another.
    pub fn note(&mut self, entry: &Entry) {
        let Entry::Reject(reject) = entry else {
            self.accepted += 1;
            self.order = None;
            return;
        };
        if reject.order_number.is_none() || reject.order_number != self.order {
            self.rejected += 1;
            self.order.clone_from(&reject.order_number);
            self.order_kinds.clear();
        }
        let count = self.kinds.entry(reject.kind).or_default();
        count.reasons += 1;
        count.orders += u64::from(self.order_kinds.insert(reject.kind));
    }
}

/// The orders of a table whose rows do not stand together, from a first pass over the file.
///
/// Reading a table yields such an order after its first part, before its second part is met. Who
/// must not place a part of an order reads the file twice: once for this, once [`without`] them.
pub fn torn(entries: impl Iterator<Item = Entry>) -> BTreeSet<String> {
    entries
        .filter_map(|entry| match entry {
            Entry::Reject(reject) if reject.kind == Kind::Repeated => reject.order_number,
            _ => None,
        })
        .collect()
}

/// The entries of the second pass: a [`torn`] order is rejected at its first part too.
pub fn without(
    entries: impl Iterator<Item = Entry>,
    torn: BTreeSet<String>,
    file: &str,
) -> impl Iterator<Item = Entry> {
    entries.map(move |entry| match entry {
        Entry::Order { order, first_line, key, .. } if torn.contains(&order.order_number) => {
            Entry::Reject(Reject {
                file: file.to_owned(),
                line: first_line,
                column: Some(key),
                order_number: Some(order.order_number.clone()),
                kind: Kind::Repeated,
                reason: "this order number comes again further down; one order must stand in one \
                         place, and a part of an order is not placed"
                    .to_owned(),
            })
        }
        other => other,
    })
}
