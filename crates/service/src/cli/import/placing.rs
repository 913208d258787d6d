//! Placing what was read: several at once, each whole or not at all.

use super::feed::Entries;
use super::rejects::RejectsFile;
use crate::api::fault::Fault;
use crate::import::{Column, Counts, Entry};
use anyhow::Context;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use indicatif::ProgressBar;
use orders_core::order::NewOrder;
use orders_store::place::{Placed, place};
use orders_store::{Error, Store};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// How many orders are placed at once.
pub const AT_ONCE: usize = 8;
/// How many rejects are shown; all of them stand in the file.
pub const SHOWN_MAX: usize = 5;

/// What became of the orders so far.
#[derive(Default)]
pub struct Tally {
    /// Placed now.
    pub new: u64,
    /// The same order stood already.
    pub duplicate: u64,
    /// The number stands with other content.
    pub conflict: u64,
    /// The database did not take it.
    pub refused: u64,
    /// What the reader let through and what not.
    pub counts: Counts,
    /// The first rejects, for eyes.
    pub shown: Vec<String>,
    /// Whether somebody stopped it.
    pub interrupted: bool,
}

impl Tally {
    /// Whether every order of the file stands.
    pub fn is_good(&self) -> bool {
        self.conflict + self.refused + self.counts.rejected == 0 && !self.interrupted
    }

    fn show(&mut self, text: impl FnOnce() -> String) {
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(text());
        }
    }
}

/// The placing of one file.
pub struct Placing {
    /// The shop.
    pub store: Store,
    /// The file, as the reports name it.
    pub file: String,
    /// Who places.
    pub actor: String,
    /// Ends it early.
    pub stop: CancellationToken,
    /// Shows how far it is.
    pub bar: ProgressBar,
}

/// An order on its way.
struct Sent {
    place: Place,
    outcome: Result<Placed, Error>,
}

/// Where an order stands in the file.
struct Place {
    line: u64,
    /// Where its number stands.
    key: Column,
    number: String,
}

impl Placing {
    /// Takes everything that the reader gives. What is under way when something fails or somebody
    /// stops it is waited for, so that the tally says what stands.
    pub async fn run(
        &mut self,
        mut entries: Entries,
        rejects: &mut RejectsFile,
    ) -> (Tally, Option<anyhow::Error>) {
        let mut tally = Tally::default();
        let mut failure = None;
        let mut under_way = FuturesUnordered::new();
        let mut open = true;
        while open || !under_way.is_empty() {
            tokio::select! {
                biased;
                () = self.stop.cancelled(), if open => {
                    tally.interrupted = true;
                    open = false;
                }
                Some(sent) = under_way.next(), if !under_way.is_empty() => {
                    if let Err(error) = self.settle(sent, &mut tally, rejects) {
                        failure.get_or_insert(error);
                        open = false;
                    }
                }
                entry = entries.recv(), if open && under_way.len() < AT_ONCE => match entry {
                    None => open = false,
                    Some(Err(error)) => {
                        failure.get_or_insert(error);
                        open = false;
                    }
                    Some(Ok(entry)) => match self.take(entry, &mut tally, rejects) {
                        Ok(Some((order, place))) => under_way.push(self.send(order, place)),
                        Ok(None) => {}
                        Err(error) => {
                            failure.get_or_insert(error);
                            open = false;
                        }
                    },
                },
            }
        }
        // The reader ends when a stop was asked for and it gave nothing more.
        tally.interrupted |= self.stop.is_cancelled() && failure.is_none();
        (tally, failure)
    }

    /// An order to send, or a reject that is noted.
    fn take(
        &self,
        entry: Entry,
        tally: &mut Tally,
        rejects: &mut RejectsFile,
    ) -> anyhow::Result<Option<(NewOrder, Place)>> {
        tally.counts.note(&entry);
        match entry {
            Entry::Order { order, first_line, bytes_read, key, .. } => {
                self.bar.set_position(bytes_read);
                let number = order.order_number.clone();
                Ok(Some((*order, Place { line: first_line, key, number })))
            }
            Entry::Reject(reject) => {
                rejects.write(&reject).context("writing the rejects file")?;
                tally.show(|| reject.to_string());
                Ok(None)
            }
        }
    }

    /// Counts what became of an order. An error ends the import: it concerns the database, not this
    /// order.
    fn settle(
        &self,
        sent: Sent,
        tally: &mut Tally,
        rejects: &mut RejectsFile,
    ) -> anyhow::Result<()> {
        let (kind, reason) = match sent.outcome {
            Ok(Placed::New(_)) => {
                tally.new += 1;
                return Ok(());
            }
            Ok(Placed::Duplicate(_)) => {
                tally.duplicate += 1;
                return Ok(());
            }
            Ok(Placed::Conflict(why)) if is_about_the_payment(&why) => {
                tally.refused += 1;
                ("database", why)
            }
            Ok(Placed::Conflict(why)) => {
                tally.conflict += 1;
                ("conflict", why)
            }
            Err(error) if concerns_the_order(&error) => {
                tally.refused += 1;
                // The database's own words name what nobody outside of it knows. // G34
                ("database", Fault::from(error).message.clone())
            }
            Err(error) => return Err(error.into()),
        };
        let Place { line, key, number } = sent.place;
        let column = cause(kind, &reason, key);
        rejects
            .write(&json!({
                "file": self.file, "line": line, "column": column, "order_number": number,
                "kind": kind, "reason": reason,
            }))
            .context("writing the rejects file")?;
        let at = column.map(|column| format!(", column {column}")).unwrap_or_default();
        tally.show(|| format!("{}, line {line}{at}, order {number}: {reason}", self.file));
        Ok(())
    }

    fn send(&self, order: NewOrder, at: Place) -> impl Future<Output = Sent> + use<> {
        let (store, actor) = (self.store.clone(), self.actor.clone());
        async move {
            let outcome = place(&store, &order, &actor).await;
            Sent { place: at, outcome }
        }
    }
}

/// The store gives the sentence of a refusal only, and what stands under the number is not always
/// its reason.
fn is_about_the_payment(reason: &str) -> bool {
    reason.to_lowercase().contains("payment")
}

/// The column that carries the cause: the payment where one is spoken of, the field that the reason
/// begins with, else for a conflict the order's number.
fn cause(kind: &str, reason: &str, key: Column) -> Option<Column> {
    let field = |name: &str| Column { number: None, name: Some(name.to_owned()) };
    if is_about_the_payment(reason) {
        return Some(field("payment_intent"));
    }
    let fields = ["order_number", "retailer", "currency", "items", "total_minor", "recipient"];
    let named = reason.split(' ').next().unwrap_or_default();
    if fields.iter().any(|field| named.split(['.', '[']).next() == Some(field)) {
        return Some(field(named));
    }
    (kind == "conflict").then_some(key)
}

/// Data, constraints and what the functions raise: another order may be fine.
fn concerns_the_order(error: &Error) -> bool {
    let classes = ["22", "23", "P0", "PT"];
    error.sqlstate().is_some_and(|code| classes.iter().any(|class| code.starts_with(class)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str) -> Error {
        Error::Database {
            what: "orders.place",
            code: code.into(),
            message: "m".into(),
            detail: None,
            hint: None,
            constraint: None,
        }
    }

    #[test]
    fn only_what_concerns_one_order_is_a_reject_and_everything_else_ends_the_import() {
        for code in ["23505", "23514", "22023", "P0001", "PT422"] {
            assert!(concerns_the_order(&error(code)), "{code}");
        }
        for code in ["40001", "53100", "57P01", "42501", "42P01", "25006", "55P03"] {
            assert!(!concerns_the_order(&error(code)), "{code}");
        }
        assert!(!concerns_the_order(&Error::TimedOut { what: "orders.place" }));
    }

    #[test]
    fn the_column_of_a_refusal_is_the_one_that_carries_the_cause() {
        let key = || Column { number: Some(3), name: Some("order_number".to_owned()) };
        let shown = |kind: &str, reason: &str| cause(kind, reason, key()).map(|c| c.to_string());
        let other = "this order number stands already with other content";
        assert_eq!(shown("conflict", other).as_deref(), Some("3 (order_number)"));
        let taken = "this PaymentIntent pays another order";
        assert_eq!(shown("database", taken).as_deref(), Some("payment_intent"));
        let rule = "items[2].quantity must be between 1 and 100000";
        assert_eq!(shown("database", rule).as_deref(), Some("items[2].quantity"));
        assert_eq!(shown("database", "a value breaks a rule of its place"), None);
    }
}
