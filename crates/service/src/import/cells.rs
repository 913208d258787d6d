//! Cells that are more than text, and the rules of the order mapped back to them.
//!
//! Promise: amounts are integers of minor units from the first parse on (C7), but a reason speaks
//! of money as the columns do, in decimals, because it is read by who corrects the file. It names
//! the column, never the cell's content, which may have slipped from a private column. // G36

use super::Kind;
use super::group::Problems;
use super::table::{Columns, Row};
use orders_core::money::{AMOUNT_MINOR_MAX, Minor, format_decimal, parse_decimal};
use orders_core::order::{Invalid, NewOrder, Violation};

/// Reads cells of one order and collects what is wrong with them.
pub(super) struct Cells<'a> {
    pub columns: &'a Columns,
    pub problems: &'a mut Problems,
    /// Whether a number could not be read. Another one stands in its place, so the sums are void.
    unread: bool,
}

impl<'a> Cells<'a> {
    pub fn new(columns: &'a Columns, problems: &'a mut Problems) -> Self {
        Self { columns, problems, unread: false }
    }

    pub fn wrong(&mut self, row: &Row, name: &str, kind: Kind, rule: &str) {
        let column = Some(self.columns.place(name));
        self.problems.add(row.first_line, column, kind, format!("{name} {rule}"));
    }

    pub fn quantity(&mut self, row: &Row) -> i64 {
        let number = self.columns.cell(row, "quantity").parse();
        number.unwrap_or_else(|_| {
            self.unread = true;
            self.wrong(row, "quantity", Kind::Value, "is not a whole number such as 6");
            1
        })
    }

    pub fn price(&mut self, row: &Row, name: &str) -> Minor {
        match parse_decimal(self.columns.cell(row, name)) {
            Ok(amount) => amount,
            Err(error) => {
                self.unread = true;
                self.wrong(row, name, Kind::Value, &error.to_string());
                1
            }
        }
    }

    /// An amount that may be absent.
    pub fn amount(&mut self, row: &Row, name: &str) -> Option<Minor> {
        let given = !self.columns.cell(row, name).is_empty();
        given.then(|| self.price(row, name))
    }

    /// A word out of a few; the empty cell is the first of them.
    pub fn word<T: Copy + Default>(&mut self, row: &Row, name: &str, words: &[(&str, T)]) -> T {
        let cell = self.columns.cell(row, name);
        if cell.is_empty() {
            return T::default();
        }
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == cell) {
            return *value;
        }
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let rule = format!("must be one of {}", known.join(", "));
        self.wrong(row, name, Kind::Value, &rule);
        T::default()
    }

    /// Columns of the order must say the same in each of its rows.
    pub fn agree(&mut self, rows: &[Row], names: &[&str]) {
        let Some((first, others)) = rows.split_first() else {
            return;
        };
        for row in others {
            for name in names {
                if self.columns.cell(row, name) != self.columns.cell(first, name) {
                    let rule = format!("differs from line {}, its order's first", first.first_line);
                    self.wrong(row, name, Kind::Differs, &rule);
                }
            }
        }
    }

    /// The rules of the order. `column_of` says in which column a field of the order stands.
    pub fn check(&mut self, rows: &[Row], order: &NewOrder, column_of: impl Fn(&str) -> String) {
        let mut broken = Vec::new();
        for Violation { field, rule } in violations(order) {
            if self.unread && ["items", "total_minor", "price_cap_minor"].contains(&field.as_str())
            {
                continue;
            }
            let (row, field) = match item(&field) {
                Some((at, field)) => (rows.get(at), field),
                // The sum of the lines is made of their prices.
                None if is_sum(&field, &rule) => (rows.first(), "unit_price_minor"),
                None => (rows.first(), field.as_str()),
            };
            let Some(row) = row else { continue };
            let rule = in_decimals(field, rule, order);
            let name = column_of(field);
            // A cell that has its reason already needs no second one.
            if !self.problems.has(row.first_line, &self.columns.place(&name)) {
                broken.push((row, name, rule));
            }
        }
        for (row, name, rule) in broken {
            self.wrong(row, &name, Kind::Rule, &rule);
        }
    }
}

/// The index and the field of `items[3].quantity`.
fn item(field: &str) -> Option<(usize, &str)> {
    let (at, field) = field.strip_prefix("items[")?.split_once("].")?;
    Some((at.parse().ok()?, field))
}

/// Whether the rule is about the sum of the lines, which has no column of its own.
fn is_sum(field: &str, rule: &str) -> bool {
    field == "items" && rule.contains("sum")
}

/// The rule of an amount as the columns write amounts. The API's words for it count minor units,
/// and who wrote 3998 into a decimal column as told would pay a hundred times as much.
fn in_decimals(field: &str, rule: String, order: &NewOrder) -> String {
    let (least, most) = (format_decimal(1), format_decimal(AMOUNT_MINOR_MAX));
    match (field, order.goods_minor()) {
        ("unit_price_minor", _) if rule.contains("sum") => {
            format!("times quantity must sum to at most {most} over the lines of the order")
        }
        ("unit_price_minor", _) => format!("must be between {least} and {most}"),
        ("total_minor", Some(goods)) => {
            let goods = format_decimal(goods);
            format!("must be at least the sum of the lines ({goods}) and at most {most}")
        }
        ("price_cap_minor", Some(goods)) if goods == order.total_minor => {
            let goods = format_decimal(goods);
            format!("must be between {least} and the sum of the lines ({goods})")
        }
        ("price_cap_minor", _) => format!("must be between {least} and total"),
        _ => rule,
    }
}

/// What [`NewOrder::check`] finds, without the sum of the lines where a line itself is wrong.
pub(super) fn violations(order: &NewOrder) -> Vec<Violation> {
    let Err(Invalid(mut all)) = order.check() else {
        return Vec::new();
    };
    if all.iter().any(|violation| violation.field.starts_with("items[")) {
        all.retain(|violation| !is_sum(&violation.field, &violation.rule));
    }
    all
}
