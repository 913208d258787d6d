//! A private cluster: a real PostgreSQL that belongs to one program.
//!
//! [`Cluster::start`] finds the server's programs ([`Locator`]), makes the cluster if there is none
//! and starts it on a socket that only its user can reach. What is promised:
//!
//! - What was committed stays: fsync, synchronous commit, full page writes and data checksums are
//!   on, and no setting of the caller's turns them off.
//! - The server lives as long as its [`Cluster`], and no longer than this program, however that
//!   ends. After a `kill -9` of either, the next start works.
//! - One program per data folder; a second one is refused and told who has it.
//! - Nothing listens on the network, and nobody but the server's user (and root) can connect.
//! - Files of one major version are never opened by another.
//!
//! For Unix; the death with the parent and the clean-up after a killed server need Linux.

mod account;
mod carried;
mod cluster;
#[cfg(carried_server)]
mod elf;
mod error;
mod folder;
mod initdb;
mod launch;
mod locator;
mod predecessor;
mod settings;
mod socket;
#[cfg(feature = "testing")]
pub mod testing;
mod wait;

pub use cluster::{Cluster, Options, SUPERUSER};
pub use error::Error;
pub use folder::default_data_dir;
pub use locator::{Locator, Server, Source};
