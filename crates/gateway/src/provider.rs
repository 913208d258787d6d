//! The narrow seam between the engine and whoever buys.
//!
//! Promise: the engine sees four verbs and a few facts, and never a provider's word. Each adapter
//! declares what its provider guarantees as data ([`Facts`]), because what a refusal or an empty
//! list proves is a property of the provider and not of the protocol.
//!
//! There is one provider today; the dispatch is an enum, so that a second one is a new arm that the
//! compiler asks for, and no call goes through a box.

use crate::zinc_v1;
use jiff::Timestamp;
use orders_core::attempt::Purchase;
use orders_core::gate::Gate;
use orders_core::id::ShopSecret;
use orders_core::order::Retailer;
use orders_core::outcome::{Answer, Doubt, Listing, Reading};
use std::time::Duration;
use uuid::Uuid;

/// What a provider guarantees, as far as the engine must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Whether "not in the list" proves that nothing was bought. // G6
    pub lookup_is_authoritative: bool,
    /// How long after its first send a key may be sent again; then it is dead.
    pub key_lifetime: Duration,
    /// How long the provider may work on a call after our deadline for it: a repeat of the same key
    /// waits for the former call's deadline plus this, because two at once may both run.
    pub processing_bound: Duration,
    /// The whole time of one call.
    pub call_timeout: Duration,
    /// When a request that was accepted is read for the first time.
    pub first_read_after: Duration,
    /// How long to wait between two reads.
    pub read_every: Duration,
    /// The most entries of one page of the list.
    pub list_limit_max: u16,
}

/// The two deadlines of a create call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// On the boot clock of the client: not one byte of the request from here on.
    pub send_until: Duration,
    /// From now to the last byte of the answer.
    pub total: Duration,
}

/// The time in which a listed request was made, as the caller knows it; the adapter widens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub since: Timestamp,
    /// The moment after the last.
    pub until: Timestamp,
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many entries to leave out.
    pub skip: u32,
    /// How many entries at most; an adapter lowers it to [`Facts::list_limit_max`].
    pub limit: u16,
}

/// One page of the list, and whether another may follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage {
    /// The entries that carry our notes, or why there are none.
    pub listing: Listing,
    /// How many entries the page had in all: what the next page has to skip.
    pub entries: u32,
    /// Whether the page was full. The listing alone cannot say so: it leaves out foreign entries.
    pub more: bool,
}

/// An entry of the list, for comparing books: with or without notes of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPurchase {
    /// The provider's id of the request.
    pub request_id: String,
    /// Our order and our attempt, if the entry carries notes of ours.
    pub notes: Option<(Uuid, Uuid)>,
    /// What became of it; nothing where the entry does not say so, or where only a person may tell.
    pub outcome: Option<ListedOutcome>,
    /// When the first of the retailer's orders was placed, if the entry says so.
    pub placed_at: Option<Timestamp>,
}

/// What became of a listed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListedOutcome {
    /// It was bought.
    Bought,
    /// It ended, and certainly nothing was bought.
    Failed,
    /// It has not ended.
    Working,
}

impl ListedOutcome {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bought => "bought",
            Self::Failed => "failed",
            Self::Working => "working",
        }
    }
}

/// One page of the list, for comparing books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurchasePage {
    /// The entries that name their request.
    pub purchases: Vec<ListedPurchase>,
    /// How many entries the page had in all: what the next page has to skip.
    pub entries: u32,
    /// Whether the page was full.
    pub more: bool,
}

/// Why a purchase cannot be written as a request. Nothing is sent, and nothing is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CannotBuild {
    /// The provider's account does not buy there.
    #[error("the provider's account does not serve the retailer {}", .0.name())]
    RetailerNotServed(Retailer),
    /// There is nothing to buy.
    #[error("the purchase has no items")]
    NoItems,
    /// A line, counted from 0, that says nothing or too little.
    #[error("items[{0}] has no product id or no positive quantity")]
    Item(usize),
    /// A ceiling of nothing buys nothing.
    #[error("the price cap must be positive")]
    PriceCap,
    /// More than 240 characters or nine lines, or words without a gift.
    #[error("the gift message is too long, or the order is not a gift")]
    GiftMessage,
    /// A field of the recipient that the provider needs is empty.
    #[error("the recipient's {0} is missing")]
    Recipient(&'static str),
    /// The request cannot be written as JSON.
    #[error("the request cannot be written as JSON")]
    Encoding,
}

/// Whoever buys.
#[derive(Debug)]
pub enum Provider {
    /// Zinc's API v1 with its managed account.
    ZincV1(zinc_v1::Client),
}

impl Provider {
    /// What this provider guarantees.
    pub fn facts(&self) -> Facts {
        match self {
            Self::ZincV1(zinc) => zinc.facts(),
        }
    }

    /// What tells this account from every other, without telling its token: a key is known to the
    /// account that it was sent to, and to no other. // A1
    pub fn account_mark(&self, secret: &ShopSecret) -> [u8; 32] {
        match self {
            Self::ZincV1(zinc) => zinc.account_mark(secret),
        }
    }

    /// The bytes of the create call. They are made once per attempt and stored; every repeat sends
    /// the stored bytes. The same purchase gives the same bytes in every release. // G4
    pub fn request_bytes(&self, purchase: &Purchase) -> Result<Vec<u8>, CannotBuild> {
        match self {
            Self::ZincV1(zinc) => zinc.request_bytes(purchase),
        }
    }

    /// Sends the stored bytes of an attempt, once. `gate` is told of
    /// [`orders_core::gate::Point::RequestStarted`] right after the first bytes were handed over.
    ///
    /// [`Answer::NotSent`] speaks of this call only: an earlier call of the same attempt may have
    /// arrived.
    pub async fn create(&self, body: &[u8], limits: CallLimits, gate: &dyn Gate) -> Answer {
        match self {
            Self::ZincV1(zinc) => zinc.create(body, limits, gate).await,
        }
    }

    /// Reads an accepted request. An answer that names another attempt is never applied.
    pub async fn read(&self, request_id: &str, attempt_id: Uuid) -> Reading {
        match self {
            Self::ZincV1(zinc) => zinc.read(request_id, attempt_id).await,
        }
    }

    /// One page of the requests that the provider knows, found by our notes.
    pub async fn list(&self, window: Window, page: Page) -> ListPage {
        match self {
            Self::ZincV1(zinc) => zinc.list(window, page).await,
        }
    }
    /// One page of all requests that the provider knows, whoever made them.
    pub async fn list_purchases(&self, window: Window, page: Page) -> Result<PurchasePage, Doubt> {
        match self {
            Self::ZincV1(zinc) => zinc.list_purchases(window, page).await,
        }
    }
}
