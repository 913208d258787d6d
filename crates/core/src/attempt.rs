//! One intended purchase: everything a call to the provider is made of, frozen before it is made.

use crate::money::Minor;
use crate::order::{Item, Recipient, Retailer, ShippingMethod};
use crate::private::Private;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What an adapter needs to write the provider's request. The bytes are made from this once, at
/// the claim, and are stored; every repeat sends the stored bytes, never this again. // G4
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// Our order.
    pub order_id: Uuid,
    /// Our attempt, echoed by the provider in the notes.
    pub attempt_id: Uuid,
    /// The idempotency key.
    pub provider_key: Uuid,
    /// Who sells the goods.
    pub retailer: Retailer,
    /// What is bought.
    pub items: Vec<Item>,
    /// The ceiling that the provider may spend, in minor units of the retailer's currency.
    pub price_cap_minor: Minor,
    /// How it is sent.
    pub shipping_method: ShippingMethod,
    /// Whether it is a gift.
    pub is_gift: bool,
    /// Words for the recipient.
    pub gift_message: Option<Private<String>>,
    /// Where it goes.
    pub recipient: Recipient,
}

/// What we know of an attempt. It is never overwritten by "settled", which stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// Under way, or not begun.
    Open,
    /// The provider may have it or not.
    Unknown,
    /// The provider has it, under a request id.
    Accepted,
    /// The provider said no.
    Refused,
}

impl AttemptOutcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Open, Self::Unknown, Self::Accepted, Self::Refused];

    /// The name as the database stores it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Unknown => "unknown",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
        }
    }
}
