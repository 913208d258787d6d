//! Reads orders from files for the `import` command.
//!
//! Promises:
//! - *Streaming.* Memory depends on the limits below and on the number of orders, never on the size
//!   of the file. Every limit that is met says which one it is.
//! - *All or nothing.* An [`Entry::Order`] is complete and keeps [`NewOrder::check`]. Whatever might
//!   be missing a row is rejected: an order can be imported again, a purchase cannot be undone.
//! - *One broken row rejects its own order only*, with file, line, column and reason, and never
//!   stops the reading. A row that names no order is nobody's and is rejected by itself. The
//!   exception is a row whose order number cannot be read: it rejects the orders directly above and
//!   below it, because it may be a part of either.
//! - *Nothing is made up*, and no reason repeats a cell that may be private. // G36
//!
//! A table is read row by row, so an order whose rows do *not* stand together has come out before
//! its second part is met, be that readable or a broken row of its number. [`torn`] and [`without`]
//! find such orders in a first pass over the file.
//! That a number is placed once across files and runs is the database's promise, not this one's.

mod cells;
mod csv;
mod group;
mod jsonl;
mod lines;
mod object;
mod online_retail;
mod products;
mod rejects;
mod seen;
mod table;
#[cfg(test)]
mod tests;

pub use online_retail::recipient;
pub use products::ProductMap;
pub use rejects::{Counts, KindCount, Rejects, Torn, torn, without};

use orders_core::money::Currency;
use orders_core::order::{NewOrder, Recipient, Retailer};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, BufRead};

/// The longest line of a JSON Lines file: an order of 500 lines with the longest titles fits.
pub const JSON_LINE_BYTES_MAX: usize = 1 << 20;
/// The longest row of a table, over all its physical lines.
pub const ROW_BYTES_MAX: usize = 16 << 10;
/// The most physical lines of one row: a quoted gift message may have line breaks.
pub const ROW_LINES_MAX: usize = 16;
/// The longest cell of a table.
pub const FIELD_BYTES_MAX: usize = 4 << 10;
/// The most orders of one file: their numbers are remembered to find those that come twice.
pub const ORDERS_PER_FILE_MAX: usize = 1_000_000;
/// The most reasons reported for one order; the last one says how many more there are.
pub const REASONS_PER_ORDER_MAX: usize = 100;
/// The most stock codes of a product map.
pub const PRODUCTS_MAX: usize = 100_000;

/// Reads `reader` as a file of orders; an error is returned only before the first order.
///
/// `file_name` is for the reports. The options must fit the format: `online-retail` needs all four,
/// the others none, because their rows say for themselves where an order goes.
pub fn read<R: BufRead>(
    format: Format,
    reader: R,
    file_name: &str,
    options: Options,
) -> Result<impl Iterator<Item = Entry>, ImportError> {
    Ok(match format {
        Format::Jsonl => {
            options.must_be_empty(format)?;
            Reader::Jsonl(jsonl::Orders::open(reader, file_name))
        }
        Format::Csv => {
            options.must_be_empty(format)?;
            Reader::Csv(Box::new(csv::open(reader, file_name)?))
        }
        Format::OnlineRetail => {
            Reader::OnlineRetail(Box::new(online_retail::open(reader, file_name, options)?))
        }
    })
}

/// What stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One order per line, as the API takes it.
    Jsonl,
    /// One row per line of an order; the columns of the order are repeated in each row.
    Csv,
    /// The columns of UCI "Online Retail": see `examples/online-retail`.
    OnlineRetail,
}

impl Format {
    /// Every format we know.
    pub const ALL: [Self; 3] = [Self::Jsonl, Self::Csv, Self::OnlineRetail];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::OnlineRetail => "online-retail",
        }
    }

    /// Reads the word of the command line.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// What the rows of `online-retail` do not say and the operator must.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--recipient`: where every order of the file goes; see [`recipient`].
    pub recipient: Option<Recipient>,
    /// `--retailer`: who sells the goods.
    pub retailer: Option<Retailer>,
    /// `--currency`: the currency of the prices; the price column must bear its name.
    pub currency: Option<Currency>,
    /// `--product-map`: from the shop's stock codes to the retailer's product ids.
    pub product_map: Option<ProductMap>,
}

impl Options {
    fn must_be_empty(&self, format: Format) -> Result<(), ImportError> {
        let given = [
            ("--recipient", self.recipient.is_some()),
            ("--retailer", self.retailer.is_some()),
            ("--currency", self.currency.is_some()),
            ("--product-map", self.product_map.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((flag, _)) => Err(ImportError::Flag {
                flag,
                advice: format!(
                    "is only for --format online-retail; leave it out, because every order of a \
                     {} file says this for itself",
                    format.name()
                ),
            }),
        }
    }
}

/// What comes out of a file, in its order: whole orders and reasons why others are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// An order that may be placed.
    Order {
        /// The order, checked.
        order: Box<NewOrder>,
        /// Where it begins, counted from 1.
        first_line: u64,
        /// Where it ends.
        last_line: u64,
        /// Bytes of the file up to its end, for the progress bar.
        bytes_read: u64,
        /// Where its number stands, for reasons that are found out later.
        key: Column,
    },
    /// One reason why an order, or a row that belongs to none, is not placed.
    Reject(Reject),
}

/// A line of the rejects file. One order may have several; they follow one another, unless the rows
/// of the order stand apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// The file as it was named to [`read`].
    pub file: String,
    /// The line, counted from 1, header and empty lines included.
    pub line: u64,
    /// The column, when the reason has one.
    pub column: Option<Column>,
    /// The order, when it can be told; of a broken row, whatever stands in the place of the number.
    pub order_number: Option<String>,
    /// What sort of reason it is, for counting.
    pub kind: Kind,
    /// What is wrong, as a sentence.
    pub reason: String,
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.file, self.line)?;
        if let Some(column) = &self.column {
            write!(f, ", column {column}")?;
        }
        if let Some(number) = &self.order_number {
            write!(f, ", order {number}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// A place in a line: a column of a table, or a character of a line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Counted from 1: the column of the table, or the character of the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<usize>,
    /// The header's word, or the path of the JSON field: `items[2].quantity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Column {
    /// A field by its path.
    fn named(path: impl Into<String>) -> Self {
        Self { number: None, name: Some(path.into()) }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.number, &self.name) {
            (Some(number), Some(name)) => write!(f, "{number} ({name})"),
            (Some(number), None) => write!(f, "{number}"),
            (None, name) => f.write_str(name.as_deref().unwrap_or("?")),
        }
    }
}

/// What sort of reason a [`Reject`] has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A credit note; nothing is bought for it.
    CreditNote,
    /// A line of an invoice without a positive quantity.
    QuantityNotPositive,
    /// A line of an invoice without a positive price.
    PriceNotPositive,
    /// A stock code that the product map does not know.
    UnknownProduct,
    /// A cell that is not the number or the word it must be.
    Value,
    /// A rule of form or content that an order must keep.
    Rule,
    /// A row with too few or too many columns.
    Columns,
    /// Bytes that are no text, or a quote that is never closed.
    Text,
    /// A line that is not a JSON object.
    Json,
    /// A limit of this module.
    Limit,
    /// Rows of one order that contradict each other.
    Differs,
    /// An order number that came before.
    Repeated,
    /// An order that may lack a row, because one in it, beside it or of its number is broken.
    Incomplete,
    /// The file could not be read any further.
    Stopped,
}

impl Kind {
    /// The word for it in the rejects file and in the summary.
    pub fn name(self) -> &'static str {
        match self {
            Self::CreditNote => "credit_note",
            Self::QuantityNotPositive => "quantity_not_positive",
            Self::PriceNotPositive => "price_not_positive",
            Self::UnknownProduct => "unknown_product",
            Self::Value => "value",
            Self::Rule => "rule",
            Self::Columns => "columns",
            Self::Text => "text",
            Self::Json => "json",
            Self::Limit => "limit",
            Self::Differs => "differs",
            Self::Repeated => "repeated",
            Self::Incomplete => "incomplete",
            Self::Stopped => "stopped",
        }
    }
}

/// Why a file cannot be imported at all; each sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A flag is missing, superfluous or wrong.
    #[error("{flag} {advice}")]
    Flag {
        /// The flag with its dashes.
        flag: &'static str,
        /// A phrase that completes the sentence.
        advice: String,
    },
    /// The header names columns that we do not know, or lacks some that we need.
    #[error("{file}: the first line must name the columns; {wrong}. Known columns: {known}")]
    Columns {
        /// The file.
        file: String,
        /// What is missing or unknown.
        wrong: String,
        /// The columns that may stand there.
        known: String,
    },
    /// A file given with a flag breaks rules.
    #[error("{file}: {wrong}; correct it and start again")]
    Fields {
        /// The file.
        file: String,
        /// Every field that is wrong, and its rule.
        wrong: String,
    },
    /// A file given with a flag has a broken line.
    #[error("{file}, line {line}: {reason}; correct this line and start again")]
    Content {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The file cannot be read.
    #[error("{file} cannot be read; check that it is a file and that you may read it")]
    Read {
        /// The file.
        file: String,
        /// What the system says.
        source: io::Error,
    },
}

/// A reason on its way to a [`Reject`].
#[derive(Debug, Clone)]
struct Problem {
    line: u64,
    column: Option<Column>,
    kind: Kind,
    reason: String,
}

impl Problem {
    fn reject(self, file: &str, order_number: Option<&str>) -> Entry {
        Entry::Reject(Reject {
            file: file.to_owned(),
            line: self.line,
            column: self.column,
            order_number: order_number.map(str::to_owned),
            kind: self.kind,
            reason: self.reason,
        })
    }

    fn stopped(line: u64, error: &io::Error) -> Self {
        let reason = format!("the file cannot be read beyond this line: {error}");
        Self { line, column: None, kind: Kind::Stopped, reason }
    }
}

enum Reader<R: BufRead> {
    Jsonl(jsonl::Orders<R>),
    Csv(Box<group::Orders<R, csv::Layout>>),
    OnlineRetail(Box<group::Orders<R, online_retail::Layout>>),
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        match self {
            Self::Jsonl(orders) => orders.next(),
            Self::Csv(orders) => orders.next(),
            Self::OnlineRetail(orders) => orders.next(),
        }
    }
}
