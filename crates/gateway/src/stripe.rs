//! What Stripe says about a payment, after the documentation of its API v1. Reading only.

mod client;
mod model;

pub use client::{API_VERSION, BadConfig, Client, Config};
pub use model::PaymentFacts;

use orders_core::outcome::Doubt;

/// Why there are no facts. Each of them means "not paid, as far as we know".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// Stripe has no such payment, or the id could never be one of Stripe's.
    #[error("Stripe has no such payment")]
    NotFound,
    /// Stripe refused the call with this HTTP status; 401 and 403 are our set-up.
    #[error("Stripe refused the call with status {0}")]
    Refused(u16),
    /// The call told us nothing: try again later.
    #[error("reading the payment told us nothing: {}", .0.name())]
    Unknown(Doubt),
}
