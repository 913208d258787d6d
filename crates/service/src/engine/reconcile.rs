//! Comparing the books: payments and refunds at Stripe, purchases at the provider, orders here, in
//! both directions. // G27, C11
//!
//! Promise: what differs is written down with its age and shown to a person; no amount and no status is
//! changed. What a list leaves out is asked for by its id before it counts as missing, and of a list
//! that could not be read to its end nothing counts as gone. An account of somebody else is one
//! difference, and not one for each payment. A failed call ends the reading of its list; the next
//! comparison begins anew.
//!
//! Reading order: `reconcile` (one comparison), `lists` (what the partners list), `missing` (what
//! they do not), `Engine::reconcile_hourly`.

mod lists;
mod missing;

use super::Engine;
use jiff::{SignedDuration, Timestamp};
use lists::Books;
use orders_gateway::provider::Provider;
use orders_gateway::stripe;
use orders_store::reconcile::{self as books, Ended, PaymentOfList};
use orders_store::{Error, Store, inbox};
use serde::Serialize;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How far back a comparison reaches if nobody says otherwise.
pub const REACH: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How often the engines compare.
const EVERY: Duration = Duration::from_hours(1);
/// How often an engine looks whether it is time.
const LOOK_EVERY: Duration = Duration::from_mins(5);
/// The most entries of one statement.
const CHUNK: usize = 100;
/// The most orders of one statement.
const ORDERS: i32 = 2000;

/// Who is asked; without one of them the other is compared.
#[derive(Clone, Copy)]
pub struct Partners<'a> {
    /// Where payments are.
    pub stripe: Option<&'a stripe::Client>,
    /// Whoever buys.
    pub provider: Option<&'a Provider>,
}

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// When it began, by the database's clock; see [`books::begin`].
    pub run_at: Timestamp,
    /// What came into being before is not compared.
    pub since: Timestamp,
    /// Whether payments must be of Stripe's live mode.
    pub live_mode: bool,
    /// Whose name stands in the history where a payment is tied to its order.
    pub worker: &'a str,
}

/// How much was compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Payments at Stripe.
    pub payments: usize,
    /// Refunds at Stripe.
    pub refunds: usize,
    /// Requests at the provider.
    pub purchases: usize,
    /// Orders here.
    pub orders: u64,
}

/// What a comparison told. The differences stand in the database.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How much was compared.
    pub compared: Compared,
    /// Why something was not compared to its end.
    pub faults: Vec<String>,
    /// What is new, what stands and what is gone.
    pub ended: Ended,
}

impl Report {
    /// Whether every list was read to its end.
    pub fn is_complete(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Compares the books once. `watch` is told how far it is. The error is the database's; what a
/// partner did not tell stands in the report.
pub async fn reconcile(
    store: &Store,
    partners: Partners<'_>,
    scope: Scope<'_>,
    watch: &(dyn Fn(Compared) + Sync),
) -> Result<Report, Error> {
    // Lists know whole seconds, and so do the times of what is in them.
    let since = Timestamp::from_second(scope.since.as_second()).unwrap_or(scope.since);
    let scope = Scope { since, ..scope };
    let mut compared = Compared::default();
    let mut books = Books::read(partners, scope, &mut compared, watch).await;
    let mut missing = missing::suspects(store, scope, &mut books).await?;
    adopt(store, scope.worker, &books.payments.items).await?;
    // Refunds first: a sum that differs by a refund that is told of is not told of again.
    for some in books.refunds.items.chunks(CHUNK) {
        books::refunds(store, scope.run_at, some).await?;
    }
    for some in books.payments.items.chunks(CHUNK) {
        books::payments(store, scope.run_at, scope.live_mode, some).await?;
    }
    for some in books.purchases.items.chunks(CHUNK) {
        books::purchases(store, scope.run_at, scope.since, some).await?;
    }
    let mut after = None;
    loop {
        let (orders, last) = books::orders(store, scope.run_at, after, ORDERS).await?;
        compared.orders += orders;
        watch(compared);
        after = last;
        if after.is_none() {
            break;
        }
    }
    missing::confirm(partners, scope, &mut books, &mut missing).await;
    let sides = books.whole_sides();
    let ended = books::finish(store, scope.run_at, scope.since, &sides, &missing).await?;
    Ok(Report { compared, faults: books.faults(), ended })
}

/// Ties payments to the orders that they were made for, as a message of Stripe would have: nobody has
/// named them here, and their orders wait for a payment. Whether they pay is judged when they are read.
async fn adopt(store: &Store, worker: &str, listed: &[PaymentOfList]) -> Result<(), Error> {
    let named = |one: &PaymentOfList| one.named_order.as_deref()?.parse::<Uuid>().ok();
    let mut tried = HashSet::new();
    for some in listed.chunks(CHUNK * 10) {
        let (intents, orders): (Vec<&str>, Vec<Uuid>) = some
            .iter()
            .filter(|one| one.has_money())
            .filter_map(|one| Some((&*one.payment_intent, named(one)?)))
            .unzip();
        if intents.is_empty() {
            continue;
        }
        for (intent, order) in books::adoptable(store, &intents, &orders).await? {
            // Of two payments for one order the second is told of, and not refused with a finding.
            if tried.insert(order.clone()) {
                inbox::adopt(store, worker, &intent, &order).await?;
            }
        }
    }
    Ok(())
}

impl Engine {
    /// Compares the books every hour until the stop, or leaves it to the engine that was first.
    pub(crate) async fn reconcile_hourly(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            Self::pause(LOOK_EVERY, &stop).await;
            if stop.is_cancelled() {
                return;
            }
            // Reading and writing down can be cut anywhere: the next comparison begins anew.
            tokio::select! {
                outcome = self.reconcile_if_due() => {
                    if let Err(error) = outcome {
                        self.fault("reconcile", &error);
                    }
                }
                () = stop.cancelled() => return,
            }
        }
    }

    async fn reconcile_if_due(&self) -> Result<(), Error> {
        let Some(run_at) = books::begin(&self.store, Some(EVERY)).await? else { return Ok(()) };
        let partners = Partners { stripe: self.stripe.as_deref(), provider: Some(&*self.provider) };
        let scope = Scope {
            run_at,
            since: run_at - REACH,
            live_mode: self.options.live_mode,
            worker: &self.options.worker,
        };
        let Report { compared, faults, ended } =
            reconcile(&self.store, partners, scope, &|_| ()).await?;
        for fault in &faults {
            tracing::warn!(fault, "the books could not be compared to their end");
        }
        let Ended { gone, open, new } = ended;
        if new > 0 {
            tracing::warn!(new, open, "the books differ; `atomic-orders reconcile` says where");
        }
        tracing::info!(?compared, gone, open, "the books were compared");
        Ok(())
    }
}
