//! The seeded simulation: histories of a shop drawn by a seed, played on a real database between fakes with
//! ledgers, judged by these ledgers, made smaller when they fail, and told as a story.
//!
//! Promise: whatever people, customers, banks, partners and two workers do in any order, with anything
//! going wrong in between: no order is bought twice or refunded and bought, no money is returned twice or is
//! nobody's, every history is whole, and when nothing goes wrong any more every order ends or is with a
//! person who is told. The same seed gives the same story. // G1, G2, G7, G8, G9, G10, G11, G12, G47
//!
//! One thing happens at a time, through the single steps of the engines, and the clock stands still while it
//! does. Two things at once are the interleavings' business ([`crate::interleave`]), what needs time inside a
//! call the matrix's ([`crate::matrix`]). Left out as well is what the product does not know yet: webhooks of
//! the provider, and purchases that a retailer cancels after he took them.
//!
//! Reading order: [`operation`] what can happen, [`mishap`] what can go wrong, [`alphabet`] all of both;
//! [`draw`], `scene` and `corner` how a history is drawn, [`play`] how it is played (`outside` for customers and banks,
//! `asks` for what people ask, [`hand`] and [`step`] for the workers), `settle` its end, `judge` and `paid`
//! the oracle; [`shrink`] and `simpler`, [`story`], [`coverage`] and [`unmet`]; [`batch`] for many.

pub mod alphabet;
mod asks;
pub mod batch;
mod corner;
pub mod coverage;
pub mod draw;
pub mod ground;
pub mod hand;
mod judge;
pub mod mishap;
pub mod mutants;
pub mod operation;
mod outside;
mod paid;
pub mod play;
pub mod report;
mod scene;
mod settle;
pub mod shrink;
mod simpler;
pub mod step;
pub mod story;
pub mod time;
pub mod unmet;
