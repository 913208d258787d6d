//! The checks of the house: who may know whom, how a file looks, which promise has which test.
//!
//! Promise: each check is a function from facts (a [`tree::Tree`], cargo's description of the
//! workspace) to [`finding::Finding`]s. Nothing here writes a file, reads a clock or asks the
//! network, so a check says the same on every machine.
//!
//! `cargo test --workspace` runs all of them on this tree (`tests/house.rs`); by hand it is
//! `cargo run -p xtask -- tidy`. Beside each check stand the bad examples that it must refuse.

pub mod direction;
pub mod finding;
pub mod guarantees;
pub mod scan;
pub mod tidy;
pub mod tree;
