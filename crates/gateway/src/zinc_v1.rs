//! The adapter for Zinc's API v1 with the managed account ("ZMA"), after its documentation.
//!
//! Promise: what the contract calls documented is relied on; for everything undocumented the worst
//! case it names is survived. Codes are matched exactly against a closed table, and what is not in
//! it goes to a person.
//!
//! Reading order: `classify` (what an answer means), `request` (what is sent), `model` (what is
//! read), `client` (the calls).

mod classify;
mod client;
mod model;
mod request;

pub use classify::class_of;
pub use client::{BadConfig, Client, Config};
