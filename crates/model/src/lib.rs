//! A model of the protocol, explored whole: one order with several workers, two orders that share a
//! balance or a payment, and a movement of money.
//!
//! Promise: the decisions are `orders_core`'s own functions, so that a change there is explored here.
//! What the model writes itself is what SQL does (locks, leases, tokens, settlements, holds, the refund
//! at the end) and what the outside does (losing, refusing, buying late, forgetting, dying). Each
//! guard has a twin without it, and each twin must fail, or be named as one that holds.
//!
//! What a model cannot say: that SQL does what it is said to do here. The tests of `store` and of
//! `service` are there for that. See docs/adr/0011-a-model-that-shares-the-decisions.md.

pub mod catalogue;
pub mod explore;
pub mod guard;
pub mod money;
pub mod page;
pub mod purchase;
pub mod world;
