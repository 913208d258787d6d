//! Stripe's messages at the worst of times: each of them twice, in any order, around a point of an order's
//! life and again three days later. // B2, C4, G24, G25

use super::lane::Lane;
use crate::world::Shop;
use crate::world::hook::{Endpoint, SECRET};
use orders_sandbox::StripeFaults;
use orders_sandbox::stripe::Event;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// No delivery takes longer, whatever stands in its way.
const PATIENCE: Duration = Duration::from_secs(90);
/// Three days, in hours.
const DAYS_LATE: i64 = 72;

/// The answers to some deliveries.
pub(super) type Said = Vec<Option<u16>>;

/// Messages that the test delivers.
pub(super) struct Mail {
    _endpoint: Endpoint,
    /// How many lines Stripe's ledger had before.
    before: usize,
}

impl Mail {
    /// From now on Stripe owes each message twice and delivers none by itself.
    pub(super) async fn expect(shop: &Shop) -> Self {
        let before = shop.stripe().ledger().len();
        shop.stripe().hold_deliveries(true);
        let endpoint = shop.take_messages(None).await;
        let twice = StripeFaults { event_twice: 1.0, ..StripeFaults::none() };
        shop.stripe().set_faults(twice).expect("faults");
        Self { _endpoint: endpoint, before }
    }

    /// Delivers the first copy of every message now, the newest first, and some of them twice. Gives the
    /// deliveries when one of them was answered, or when all wait for whoever stands at the point.
    pub(super) async fn around(&self, shop: &Shop, seed: u64) -> JoinHandle<Said> {
        let owed = shop.stripe().owed();
        let mut known = BTreeSet::new();
        let firsts: Vec<usize> =
            (0..owed.len()).filter(|at| known.insert(owed[*at].event.clone())).collect();
        let mut places = Vec::new();
        for (at, place) in firsts.into_iter().rev().enumerate() {
            let again = (at as u64 + seed).is_multiple_of(3);
            places.extend(std::iter::repeat_n(place, 1 + usize::from(again)));
        }
        let world = Arc::clone(&shop.partners.world);
        let deliveries = tokio::spawn(async move { world.stripe.deliver(&places).await });
        let answered = shop.stripe().wait_until(|lines| {
            lines[self.before..].iter().any(|line| matches!(line.event, Event::Tried { .. }))
        });
        // One that waits for a lock of whoever stands here is let go together with him.
        let _ = tokio::time::timeout(Duration::from_millis(500), answered).await;
        deliveries
    }

    /// Delivers whatever is owed three days later.
    pub(super) async fn days_late(&self, lane: &Lane, seed: u64) {
        lane.later(DAYS_LATE).await;
        let stripe = lane.shop.stripe();
        let begun = Instant::now();
        loop {
            let count = stripe.owed().len();
            if count == 0 {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "messages are refused on and on");
            let turn = usize::try_from(seed).unwrap_or(0) % count;
            let mut places: Vec<usize> = (0..count).rev().collect();
            places.rotate_left(turn);
            stripe.deliver(&places).await;
        }
    }

    /// Whether each message that was acknowledged stands once, was followed up, and its repetitions were
    /// acknowledged without another row.
    pub(super) async fn all_recognised(&self, shop: &Shop) -> Result<(), String> {
        stands_what_was_acknowledged(shop, self.before).await?;
        let acknowledged = acknowledged(shop, self.before);
        let repeated = acknowledged.values().filter(|count| **count >= 2).count();
        let undone =
            shop.texts("select event_id from {s}.inbox where state in ('new', 'given_up')").await;
        if acknowledged.is_empty() || repeated < acknowledged.len() {
            return Err(format!("not every message was acknowledged twice: {acknowledged:?}"));
        }
        if !undone.is_empty() {
            return Err(format!("nobody followed up {undone:?}"));
        }
        Ok(())
    }
}

/// A run that ends leaves nothing owed to the next one.
pub(super) fn forget(shop: &Shop) {
    let stripe = shop.stripe();
    stripe.set_webhook(None, vec![SECRET.to_owned()]).expect("no endpoint");
    stripe.set_faults(StripeFaults::none()).expect("no faults");
    stripe.hold_deliveries(false);
}

/// How often each message was acknowledged, since Stripe's ledger had so many lines.
pub(super) fn acknowledged(shop: &Shop, before: usize) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for line in &shop.stripe().ledger()[before..] {
        if let Event::Tried { notice, status: Some(200..=299), .. } = &line.event {
            *counts.entry(notice.clone()).or_default() += 1;
        }
    }
    counts
}

/// What was answered with success is stored, and once. // G25
pub(super) async fn stands_what_was_acknowledged(shop: &Shop, before: usize) -> Result<(), String> {
    let stored: BTreeSet<String> =
        shop.texts("select event_id::text from {s}.inbox").await.into_iter().collect();
    let lost: Vec<String> =
        acknowledged(shop, before).into_keys().filter(|event| !stored.contains(event)).collect();
    if lost.is_empty() { Ok(()) } else { Err(format!("acknowledged and not stored: {lost:?}")) }
}
