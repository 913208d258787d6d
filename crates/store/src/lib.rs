//! The only SQL of the system, and the only place that begins a transaction.
//!
//! Promise: every statement stands in a named `.sql` file beside this crate; every change of an order
//! is a call of a database function; no transaction is open while anything outside the database is
//! awaited; a future dropped at any await leaves no open transaction behind. // G14, G19
//!
//! Reading order: `migrations/` (the tables), `guards/` (the wall), `functions/` (the doors), then
//! [`schema`] (installing them), [`transact`] (the one begin, the retries), and one file per noun.

pub mod access;
pub mod account;
pub mod bench;
pub mod claim;
pub mod door;
pub mod error;
pub mod floor;
pub mod ground;
pub mod inbox;
pub mod moves;
pub mod payment;
pub mod place;
pub mod read;
pub mod reconcile;
pub mod record;
pub mod recovery;
pub mod schema;
pub mod settings;
pub mod settings_rules;
pub mod shop;
mod sql;
mod tls;
pub mod transact;
pub mod verify;
pub mod watch;

pub use error::Error;
pub use transact::{Store, StoreOptions};
