//! The fault matrix: what must happen when a fault meets an engine at a point of an order's life, and
//! what does.
//!
//! Promise: the table is complete (22 points, 19 faults, 321 cells that can happen); a cell that is run
//! ends with the oracle's word about the partners' ledgers and the whole database, then, with the faults
//! gone, with the end of every order, and it is seen that what the table says has happened.
//! // G1, G2, G7, G8, G9, G10, G11, G12
//!
//! Reading order: here the words, [`table`] what must happen, [`place`] how a point is met, [`cell`] one
//! run; then who meets the fault: `engine` ([`victim`]), `message` (the server of messages), `migration`
//! (an installation); `fault` what is done to an engine, `restore`
//! a database that is put back, `mail` Stripe's messages at the worst of times,
//! `course` and `letter` what is seen of it.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on must end"
)]

pub mod batch;
pub mod cell;
mod course;
mod engine;
mod fault;
pub mod lane;
mod letter;
mod mail;
mod message;
mod migration;
pub mod place;
pub mod report;
mod restore;
mod server;
pub mod table;
pub mod victim;

/// A point of an order's life, with the number that the table has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spot(pub u8);

/// A fault, with the number that the table has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fault(pub u8);

impl Spot {
    /// Every point.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=22).map(Self)
    }
}

impl Fault {
    /// Every fault.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=19).map(Self)
    }
}

impl std::fmt::Display for Spot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "C{}", self.0)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "F{}", self.0)
    }
}
