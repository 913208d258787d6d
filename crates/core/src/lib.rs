//! What an order is and what may happen to it, decided without touching the world.
//!
//! Promise: nothing here does I/O, reads a clock, draws a random number or speaks SQL. Every
//! decision is a function of facts and of a time that the caller hands in, so that the engine, the
//! model and the simulation decide alike.
//!
//! Reading order: [`state`] (the statuses and their edges), [`event`] (what a history is made of),
//! [`order`] (what a caller may place), [`attempt`] and [`outcome`] (one intended purchase and what
//! we know of it), [`lease`], [`clock`] and [`retry`] (time), [`plan`] (what to do next), [`money_move`] (the same
//! for money).

pub mod attempt;
pub mod clock;
pub mod event;
pub mod gate;
pub mod id;
pub mod lease;
pub mod money;
pub mod money_move;
pub mod order;
pub mod outcome;
pub mod payment;
pub mod plan;
pub mod private;
pub mod retry;
pub mod state;
