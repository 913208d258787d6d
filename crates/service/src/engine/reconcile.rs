//! Comparing the books: payments and refunds at Stripe, purchases at the provider, orders here, in
//! both directions. // G27, C11
//!
//! Promise: what differs is written down with its age and shown to a person; no amount and no status is
//! changed. What a list leaves out is asked for by its id before it counts as missing, and of a list
//! that could not be read to its end nothing counts as gone. An account of somebody else is one
//! difference, and not one for each payment. A failed call ends the reading of its list; the next
//! comparison begins anew.
//!
//! Each page of a list is compared before the next one is read, and forgotten but for its ids, so that
//! memory does not grow with the shop.
//!
//! Reading order: `reconcile` (one comparison), `lists` (what the partners list), `missing` (what
//! they do not), `Engine::reconcile_hourly`.

mod lists;
mod missing;

use super::Engine;
use jiff::{SignedDuration, Timestamp};
use lists::{Books, Reader};
use orders_gateway::provider::Provider;
use orders_gateway::stripe;
use orders_store::reconcile::{self as books, Ended, PaymentOfList};
use orders_store::{Error, Store, inbox, shop};
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
/// The same while the shop is held.
const LOOK_EVERY_HELD: Duration = Duration::from_secs(2);
/// What was forgotten is looked for from so long before the last sign of life.
const BEFORE_THE_LAST_BEAT: SignedDuration = SignedDuration::from_hours(1);
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
    /// The sides that were compared to their end: `payments`, `refunds`, `purchases`.
    pub whole: Vec<&'static str>,
    /// The sides whose lists were read to their end, whatever they left out.
    pub read: Vec<&'static str>,
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
    let mut reader = Reader {
        store,
        scope,
        watch,
        compared: Compared::default(),
        books: Books::default(),
        tied: HashSet::new(),
    };
    let mut strangers = Vec::new();
    if let Some(stripe) = partners.stripe {
        strangers.extend(reader.of_stripe(stripe).await?);
    } else {
        reader.books.payments.fail("Stripe was not asked: no STRIPE_KEY");
        reader.books.refunds.fail("Stripe was not asked: no STRIPE_KEY");
    }
    match partners.provider {
        Some(provider) => strangers.extend(reader.of_provider(provider).await?),
        None => reader.books.purchases.fail("the provider was not asked: no ZINC_TOKEN"),
    }
    let Reader { mut compared, mut books, .. } = reader;
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
    let read = books.whole_sides();
    let mut missing = missing::suspects(store, scope, &mut books).await?;
    missing::confirm(partners, scope, &mut books, &mut missing).await;
    missing.append(&mut strangers);
    let whole = books.whole_sides();
    let ended = books::finish(store, scope.run_at, scope.since, &whole, &missing).await?;
    Ok(Report { compared, whole, read, faults: books.faults(), ended })
}

/// Ties payments to the orders that they were made for, as a message of Stripe would have: nobody has
/// named them here, and their orders wait for a payment. Whether they pay is judged when they are read.
async fn adopt(
    store: &Store,
    worker: &str,
    listed: &[PaymentOfList],
    tied: &mut HashSet<String>,
) -> Result<(), Error> {
    let named = |one: &PaymentOfList| one.named_order.as_deref()?.parse::<Uuid>().ok();
    let (intents, orders): (Vec<&str>, Vec<Uuid>) = listed
        .iter()
        .filter(|one| one.has_money())
        .filter_map(|one| Some((&*one.payment_intent, named(one)?)))
        .unzip();
    if intents.is_empty() {
        return Ok(());
    }
    for (intent, order) in books::adoptable(store, &intents, &orders).await? {
        // Of two payments for one order the second is told of, and not refused with a finding.
        if tied.insert(order.clone()) {
            inbox::adopt(store, worker, &intent, &order).await?;
        }
    }
    Ok(())
}

impl Engine {
    /// Compares the books every hour until the stop, or leaves it to the engine that was first.
    pub(crate) async fn reconcile_hourly(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.wait_to_compare(&stop).await;
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

    /// Waits until it is time to look; a shop that waits for a comparison is looked at at once.
    async fn wait_to_compare(&self, stop: &CancellationToken) {
        let every = if self.trust.is_held() { LOOK_EVERY_HELD } else { LOOK_EVERY };
        tokio::select! {
            () = Self::pause(every, stop) => {}
            () = self.trust.changed.notified() => {}
        }
    }

    /// Compares the books if nobody did so within an hour, or if the shop waits for it. A side that could
    /// not be compared to its end is shown to a person until one is: what is not compared agrees with
    /// nobody.
    pub async fn reconcile_if_due(&self) -> Result<Option<Report>, Error> {
        let Some(run_at) = books::begin(&self.store, Some(EVERY)).await? else { return Ok(None) };
        // Whatever the partners say: this is for the hour's log.
        if let Err(error) = self.tell_heads_if_due(run_at).await {
            self.fault("heads", &error);
        }
        let forgotten_from = shop::forgotten_from(&self.store).await?;
        let since = forgotten_from.map_or(run_at - REACH, |from| from - BEFORE_THE_LAST_BEAT);
        let partners = Partners { stripe: self.stripe.as_deref(), provider: Some(&*self.provider) };
        let scope = Scope {
            run_at,
            since,
            live_mode: self.options.live_mode,
            worker: &self.options.worker,
        };
        let outcome = reconcile(&self.store, partners, scope, &|_| ()).await;
        let whole = outcome.as_ref().map_or(&[][..], |report| &report.whole[..]);
        let asked = ["payments", "refunds", "purchases"]
            .into_iter()
            .filter(|side| self.stripe.is_some() || *side == "purchases");
        let failed: Vec<_> = asked.filter(|side| !whole.contains(side)).collect();
        books::note(&self.store, run_at, whole, &failed).await?;
        let report = outcome?;
        self.note_shop_compared(run_at, since, &report.read).await?;
        for fault in &report.faults {
            tracing::warn!(fault, "the books could not be compared to their end");
        }
        let Ended { gone, open, new } = report.ended;
        if new > 0 {
            tracing::warn!(new, open, "the books differ; `atomic-orders reconcile` says where");
        }
        tracing::info!(compared = ?report.compared, gone, open, "the books were compared");
        Ok(Some(report))
    }
}
