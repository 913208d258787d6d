//! A world to test in: a fake Zinc (API v1) and a fake Stripe over real HTTP, with seeded faults.
//!
//! Promises:
//!
//! - **The ledger is the truth.** Every purchase that was made is one line in an append-only
//!   ledger, every call that was received another. What a client was told may be a lie (that is
//!   what the faults are for); the ledger never is. Tests judge by the ledger alone.
//! - **Not kinder than the contract.** Where the provider's contract is silent, the fake does the
//!   worst thing that the contract allows: equal keys in flight are bought twice, errors are
//!   stored under the key, keys are forgotten, unfinished requests are missing from the list.
//! - **The same seed, the same faults.** A fault is drawn from (seed, key, n-th call of that key),
//!   never from timing. Three exceptions are stated where they stand: outages hit calls by their
//!   count, limits the calls of a second, and injected faults the next call.
//! - **Bounded.** After `faults_per_key_max` bad answers a key is served well, so that a correct
//!   client always finishes.
//!
//! It relies on nothing of the system under test. Time comes from a [`Clock`] that the caller
//! gives, chance from seeds. It listens on the loopback address only.
//!
//! ```no_run
//! # async fn demo() -> Result<(), orders_sandbox::Error> {
//! use orders_sandbox::{Options, World};
//!
//! let running = World::start(Options::default()).await?;
//! println!("Zinc and Stripe answer at {}", running.base_url());
//! assert!(running.world.zinc.duplicates().is_empty());
//! running.stop().await;
//! # Ok(())
//! # }
//! ```

mod admin;
mod chance;
mod clock;
mod digest;
mod ledger;
mod reply;
mod serve;
mod spelling;
/// The fake payment provider.
pub mod stripe;
mod tap;
mod world;
/// The fake purchasing provider.
pub mod zinc;

pub use clock::{Clock, ManualClock, RealClock, Sleep};
pub use digest::Digest;
pub use ledger::Line;
pub use stripe::{Stripe, StripeFault, StripeFaults};
pub use world::{Options, Running, World};
pub use zinc::{Fault, Faults, Zinc};

/// What can go wrong with the sandbox itself, as opposed to the faults that it makes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A ledger file cannot be opened, read or written.
    #[error("the ledger file {path}")]
    Ledger {
        /// The file.
        path: std::path::PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A ledger file holds a line that is no ledger line.
    #[error("line {line} of the ledger file {path}")]
    LedgerLine {
        /// The file.
        path: std::path::PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The address cannot be listened on.
    #[error("listening on the loopback address")]
    Listen(#[source] std::io::Error),
    /// The listener given is reachable from other machines.
    #[error("the sandbox listens on the loopback address only, not on {0}")]
    NotLoopback(std::net::SocketAddr),
    /// Events would be sent off the machine, or nowhere.
    #[error("events are sent to http://127.0.0.1:PORT/path only, not to {0:?}")]
    Webhook(String),
    /// The description of the faults makes no sense.
    #[error("faults: {0}")]
    Faults(String),
}
