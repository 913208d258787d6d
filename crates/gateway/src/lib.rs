//! The only place that speaks to the outside by HTTP: the provider that buys, and Stripe.
//!
//! Promise: one call is one request on one connection of its own. Nothing is sent again behind the
//! caller's back, no redirect is followed, and not knowing what a call did is a value of the answer
//! ([`orders_core::outcome::Answer::Unknown`]), never an error that `?` could swallow. No token, no
//! address and no text of a provider gets into an error or a `Debug` output. // G5, G36
//!
//! Reading order: [`provider`] (the seam that the engine sees), [`zinc_v1`] (the adapter: request,
//! classification, client), [`stripe`] (payments, money, messages), [`http`] (the client under both).

pub mod http;
pub mod provider;
pub mod stripe;
pub mod zinc_v1;
