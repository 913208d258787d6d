//! What becomes of the rejects: a file to correct and a summary to read.

use super::seen::stands_apart;
use super::{Entry, Kind, Reject};
use std::collections::{BTreeMap, BTreeSet, HashMap};
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

/// How much of an order's number is remembered for counting; a good one has at most 100 characters.
const NUMBER_CHARS_KEPT: usize = 200;

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
    /// The rejected orders with their kinds, to count each once wherever its reasons stand.
    orders: HashMap<Box<str>, BTreeSet<Kind>>,
}

impl Counts {
    /// Counts one entry. The reasons of one order may stand apart, as the rows of a torn one do.
    pub fn note(&mut self, entry: &Entry) {
        let Entry::Reject(reject) = entry else {
            self.accepted += 1;
            return;
        };
        let count = self.kinds.entry(reject.kind).or_default();
        count.reasons += 1;
        let Some(number) = &reject.order_number else {
            self.rejected += 1;
            count.orders += 1;
            return;
        };
        // A number as long as its line is no order's; its beginning is enough to know it again.
        let start = number.char_indices().nth(NUMBER_CHARS_KEPT).map_or(number.len(), |(at, _)| at);
        let number = &number[..start];
        if !self.orders.contains_key(number) {
            self.rejected += 1;
            self.orders.insert(number.into(), BTreeSet::new());
        }
        if let Some(kinds) = self.orders.get_mut(number) {
            count.orders += u64::from(kinds.insert(reject.kind));
        }
    }
}

/// An order that came out or may come out in part, and what tells so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Torn {
    number: String,
    line: u64,
    kind: Kind,
}

/// The orders of a table whose rows do not stand together, readable or not, from a first pass over
/// the file.
///
/// Reading a table yields such an order after its first part, before its second part is met. Who
/// must not place a part of an order reads the file twice: once for this, once [`without`] them.
pub fn torn(entries: impl Iterator<Item = Entry>) -> BTreeSet<Torn> {
    let mut all = BTreeMap::new();
    for entry in entries {
        if let Entry::Reject(Reject { order_number: Some(number), line, kind, .. }) = entry
            && matches!(kind, Kind::Repeated | Kind::Incomplete)
        {
            all.entry(number).or_insert((line, kind));
        }
    }
    all.into_iter().map(|(number, (line, kind))| Torn { number, line, kind }).collect()
}

/// The entries of the second pass: a [`torn`] order is rejected at its first part too.
pub fn without(
    entries: impl Iterator<Item = Entry>,
    torn: BTreeSet<Torn>,
    file: &str,
) -> impl Iterator<Item = Entry> {
    let torn: HashMap<String, (u64, Kind)> =
        torn.into_iter().map(|torn| (torn.number, (torn.line, torn.kind))).collect();
    entries.map(move |entry| match entry {
        Entry::Order { order, first_line, last_line, bytes_read, key } => {
            let Some(&(line, kind)) = torn.get(&order.order_number) else {
                return Entry::Order { order, first_line, last_line, bytes_read, key };
            };
            Entry::Reject(Reject {
                file: file.to_owned(),
                line: first_line,
                column: Some(key),
                order_number: Some(order.order_number),
                kind,
                reason: apart(first_line, line, kind),
            })
        }
        reject @ Entry::Reject(_) => reject,
    })
}

/// Why the first part of an order is not placed.
fn apart(first_line: u64, line: u64, kind: Kind) -> String {
    if kind == Kind::Incomplete {
        return stands_apart(first_line, line);
    }
    format!(
        "this order begins at line {first_line} and comes again at line {line}; one order must \
         stand in one place, and a part of an order is not placed"
    )
}
