//! Stripe's API v1, after its documentation: payments read, money moved, messages checked.
//!
//! Promise:
//! - A fact that decides about paying is never filled in: it was read, or there are no facts.
//! - A call that moves money sends the bytes that were stored for it, under the key that was stored
//!   with them, and only to one of three addresses. It is [`ActAnswer::Done`] only if the answer
//!   speaks of what was asked; whatever is not plainly a refusal is unknown. // G5
//! - A message is nobody's word until [`webhook::verify`] has accepted its signature, and then still
//!   only a hint at what to read.
//!
//! Reading order: `client` (who we are), `read` (the reads), `model`, `dispute`, `refund`, `event`,
//! `object`, `page` (what is read), `prepare` (what is sent), `act` (sending it), `classify` (what its
//! answer means), [`webhook`] (messages), `strict` and `word` (what may stand in any of it).

mod act;
mod classify;
mod client;
mod dispute;
mod event;
mod model;
mod object;
mod page;
mod prepare;
mod read;
mod refund;
mod strict;
pub mod webhook;
mod word;

pub use act::{Act, ActAnswer, Acted};
pub use client::{API_VERSION, BadConfig, Client, Config};
pub use event::{EVENT_TYPES, EventFacts, ListedEvent};
pub use model::{ListedPayment, PaymentFacts};
pub use object::Object;
pub use orders_core::payment::Dispute;
pub use page::{Listed, Page};
pub use prepare::{
    CancelReason, Prepared, RefundReason, cancel_request, capture_request, refund_request,
};
pub use refund::{ListedRefund, RefundFacts};

use orders_core::outcome::Doubt;
use std::time::Duration;

/// Why there are no facts. Each of them means "not paid, as far as we know".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// Stripe has no such payment (or whatever else was asked for), or the id could never be one of
    /// Stripe's.
    #[error("Stripe has no such payment")]
    NotFound,
    /// Stripe refused the call with this HTTP status; 401 and 403 are our set-up.
    #[error("Stripe refused the call with status {0}")]
    Refused(u16),
    /// Stripe asks us to slow down, and for how long if it says so.
    #[error("Stripe asks us to slow down")]
    Busy(Option<Duration>),
    /// The call told us nothing: try again later.
    #[error("reading the payment told us nothing: {}", .0.name())]
    Unknown(Doubt),
}

impl PaymentError {
    /// The status with which Stripe refuses our key, or lacks a right of it, if it does.
    pub fn refuses_key(self) -> Option<u16> {
        match self {
            Self::Refused(status @ (401 | 403)) => Some(status),
            _ => None,
        }
    }
}

/// What was read is not what the contract allows.
const UNREADABLE: PaymentError = PaymentError::Unknown(Doubt::Unreadable);
