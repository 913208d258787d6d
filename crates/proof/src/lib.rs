//! What tries to make the program buy twice: worlds with a real database and lying partners, faults at
//! every point of an order's life, and an oracle that looks at the partners' ledgers.
//!
//! Promise: nothing here is part of the product; nobody depends on it but tests. The oracle shares no
//! code with what it judges.

mod counts;
mod fence;
pub mod interleave;
pub mod matrix;
pub mod mutants;
pub mod simulation;
pub mod storm;
pub mod wire;
pub mod wired;
pub mod world;
