//! Unknown outcomes: searched for in the provider's list by the notes that we sent along.
//!
//! Promise: what is found is recorded as accepted; what is not found proves nothing and changes
//! nothing, because the provider's list is not authoritative (ruling 2).

use super::Engine;
use super::stats::Stats;
use jiff::{SignedDuration, Timestamp};
use orders_core::outcome::Listing;
use orders_gateway::provider::{Page, Window};
use orders_store::recovery::{self, UnknownAttempt};
use std::collections::HashMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The most pages of one search.
const PAGES_MAX: usize = 20;

impl Engine {
    /// Searches until the stop.
    pub(crate) async fn look_up_unknown(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            Self::pause(self.options.look_up_every, &stop).await;
            if stop.is_cancelled() {
                return;
            }
            match recovery::unknown_attempts(&self.store).await {
                Ok(unknown) if unknown.is_empty() => {}
                Ok(unknown) => tokio::select! {
                    () = self.search(unknown) => {}
                    () = stop.cancelled() => return,
                },
                Err(error) => self.fault("look_up", &error),
            }
        }
    }

    async fn search(&self, unknown: Vec<UnknownAttempt>) {
        let Some(since) = unknown.iter().map(|one| one.first_sent_at).min() else { return };
        let Some(until) = unknown.iter().map(|one| one.read_at).max() else { return };
        let wanted: HashMap<Uuid, Uuid> =
            unknown.iter().map(|one| (one.attempt_id, one.order_id)).collect();
        let window = window(since, until);
        let mut skip = 0;
        for _ in 0..PAGES_MAX {
            let limit = self.provider.facts().list_limit_max;
            let page = self.provider.list(window, Page { skip, limit }).await;
            let Listing::Page(entries) = page.listing else { return };
            for entry in entries {
                if wanted.get(&entry.attempt_id) == Some(&entry.order_id) {
                    self.found(entry.order_id, &entry.request_id).await;
                }
            }
            skip += page.entries;
            if !page.more {
                return;
            }
        }
    }

    async fn found(&self, order: Uuid, request_id: &str) {
        let accepted = recovery::accept_found(&self.store, &self.options.worker, order, request_id);
        match accepted.await {
            Ok(true) => {
                Stats::add(&self.stats.found, 1);
                tracing::info!(%order, "the purchase of order {order} was found at the provider");
            }
            Ok(false) => {}
            Err(error) => self.fault("look_up", &error),
        }
    }
}

/// A little wider than what we know, because the two clocks differ.
fn window(since: Timestamp, until: Timestamp) -> Window {
    let slack = SignedDuration::from_mins(10);
    Window {
        since: since.checked_sub(slack).unwrap_or(since),
        until: until.checked_add(slack).unwrap_or(until),
    }
}
