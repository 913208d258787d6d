//! Unknown outcomes: searched for in the provider's list by the notes that we sent along.
//!
//! Promise: what is found is recorded as accepted; what is not found proves nothing and changes
//! nothing, because the provider's list is not authoritative (ruling 2). Each turn reads the list
//! around the newest of them first, and goes on around the others where the turns before stopped: what
//! waits for a person since long never keeps a fresh one from being found.

use super::Engine;
use super::stats::Stats;
use jiff::{SignedDuration, Timestamp};
use orders_core::outcome::{Doubt, Listed, Listing};
use orders_gateway::provider::{Page, Provider, Window};
use orders_store::recovery::{self, UnknownAttempt};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The most pages of one search; a turn makes at most two searches.
const PAGES_MAX: usize = 20;
/// Attempts whose first calls fell into the same length of time are searched for together.
const SPAN_SECONDS: i64 = 3600;

impl Engine {
    /// Searches until the stop.
    pub(crate) async fn look_up_unknown(self: Arc<Self>, stop: CancellationToken) {
        let mut rounds = Rounds::default();
        while !stop.is_cancelled() {
            Self::pause(self.options.look_up_every, &stop).await;
            if stop.is_cancelled() {
                return;
            }
            match recovery::unknown_attempts(&self.store).await {
                Ok(unknown) => tokio::select! {
                    () = self.search(&mut rounds, &unknown) => {}
                    () = stop.cancelled() => return,
                },
                Err(error) => self.fault("look_up", &error),
            }
        }
    }

    pub(super) async fn search(&self, rounds: &mut Rounds, unknown: &[UnknownAttempt]) {
        let mut wanted: HashMap<Uuid, Uuid> =
            unknown.iter().map(|one| (one.attempt_id, one.order_id)).collect();
        for search in rounds.next(unknown) {
            let Some(end) = self.read_list(&search, &mut wanted).await else { return };
            rounds.stopped(&search, end);
        }
    }

    /// Reads the list from where a search begins; gives where it stopped, if it could be read. What a
    /// page before the one that failed has shown is true all the same.
    async fn read_list(&self, search: &Search, wanted: &mut HashMap<Uuid, Uuid>) -> Option<End> {
        let mut pages = Pages::from(search.window, search.skip);
        while !wanted.is_empty()
            && let Some(page) = pages.next(&self.provider).await
        {
            for entry in page.ok()? {
                if wanted.get(&entry.attempt_id) == Some(&entry.order_id) {
                    wanted.remove(&entry.attempt_id);
                    self.found(entry.order_id, &entry.request_id).await;
                }
            }
        }
        Some(if pages.more { End::At(pages.skip) } else { End::OfList })
    }

    /// Stores that the list has an order under a request id; another id than the stored one becomes
    /// a finding.
    pub(super) async fn found(&self, order: Uuid, request_id: &str) {
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

/// The pages of the provider's list, one after the other.
pub(super) struct Pages {
    window: Window,
    skip: u32,
    left: usize,
    more: bool,
}

impl Pages {
    /// All pages of a window, up to a limit.
    pub(super) fn of(window: Window) -> Self {
        Self::from(window, 0)
    }

    /// The same, without so many entries at its beginning.
    fn from(window: Window, skip: u32) -> Self {
        Self { window, skip, left: PAGES_MAX, more: true }
    }

    /// The entries of the next page that carry our notes, or why it cannot be read.
    pub(super) async fn next(&mut self, provider: &Provider) -> Option<Result<Vec<Listed>, Doubt>> {
        self.left = self.left.checked_sub(1)?;
        let limit = provider.facts().list_limit_max;
        let page = provider.list(self.window, Page { skip: self.skip, limit }).await;
        match page.listing {
            Listing::Page(entries) => {
                self.skip = self.skip.saturating_add(page.entries);
                if !page.more {
                    (self.left, self.more) = (0, false);
                }
                Some(Ok(entries))
            }
            Listing::Nothing { doubt } => {
                self.left = 0;
                Some(Err(doubt))
            }
        }
    }
}

/// One search: which part of the list, and from where on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Search {
    span: i64,
    window: Window,
    skip: u32,
}

/// Where a search stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// There is no more of it.
    OfList,
    /// So many entries were read; there are more.
    At(u32),
}

/// Which searches have their turn. The memory of one process: nothing is decided by it.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// Where the search of a span goes on.
    skips: BTreeMap<i64, u32>,
    /// The span that had its turn last.
    last: Option<i64>,
}

impl Rounds {
    /// The searches of one turn: the beginning of the newest span's list, where a fresh purchase
    /// stands, and the continuation of one span after the other, from the newest to the oldest.
    fn next(&mut self, unknown: &[UnknownAttempt]) -> Vec<Search> {
        let span = |one: &UnknownAttempt| one.first_sent_at.as_second().div_euclid(SPAN_SECONDS);
        let mut spans: Vec<i64> = unknown.iter().map(span).collect();
        spans.sort_unstable();
        spans.dedup();
        self.skips.retain(|span, _| spans.binary_search(span).is_ok());
        let Some(&newest) = spans.last() else { return Vec::new() };
        let now = unknown.iter().map(|one| one.read_at).max().unwrap_or(Timestamp::MAX);
        let fresh = Search { span: newest, window: of_span(newest, now), skip: 0 };
        let older = |last: i64| spans.iter().rev().copied().find(|&span| span < last);
        let turn = self.last.and_then(older).unwrap_or(newest);
        self.last = Some(turn);
        let skip = self.skips.get(&turn).copied().unwrap_or_default();
        let other = Search { span: turn, window: of_span(turn, now), skip };
        if other == fresh { vec![fresh] } else { vec![fresh, other] }
    }

    /// Keeps where a search stopped. The fresh one never puts the other back to its beginning.
    fn stopped(&mut self, search: &Search, end: End) {
        match end {
            End::OfList => {
                self.skips.remove(&search.span);
            }
            End::At(skip) => {
                let furthest = self.skips.entry(search.span).or_default();
                *furthest = skip.max(*furthest);
            }
        }
    }
}

/// The time of a span, as far as it has passed.
fn of_span(span: i64, now: Timestamp) -> Window {
    let second = |span: i64| Timestamp::from_second(span.saturating_mul(SPAN_SECONDS));
    let until = second(span.saturating_add(1)).unwrap_or(now).min(now);
    window(second(span).unwrap_or(Timestamp::MIN), until)
}

/// A little wider than what we know, because the two clocks differ.
pub(super) fn window(since: Timestamp, until: Timestamp) -> Window {
    let slack = SignedDuration::from_mins(10);
    Window {
        since: since.checked_sub(slack).unwrap_or(since),
        until: until.checked_add(slack).unwrap_or(until),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    const NOW: i64 = 1_800_000_000;

    /// Attempts whose first calls are so many seconds ago.
    fn unknown(ages: &[i64]) -> Vec<UnknownAttempt> {
        let at = |second| Timestamp::from_second(second).unwrap();
        ages.iter()
            .map(|age| UnknownAttempt {
                order_id: Uuid::nil(),
                attempt_id: Uuid::nil(),
                first_sent_at: at(NOW - age),
                read_at: at(NOW),
            })
            .collect()
    }

    fn covers(search: &Search, age: i64) -> bool {
        let at = Timestamp::from_second(NOW - age).unwrap();
        search.window.since <= at && at < search.window.until
    }

    #[test]
    fn a_fresh_unknown_is_searched_first_in_every_turn_whatever_waits_for_a_person() {
        let mut rounds = Rounds::default();
        let unknown = unknown(&[30, DAY, 30 * DAY, 365 * DAY]);
        for _ in 0..10 {
            let searches = rounds.next(&unknown);
            assert!(covers(&searches[0], 30) && searches[0].skip == 0, "{searches:?}");
            assert!(!covers(&searches[0], DAY), "the window is bounded: {searches:?}");
            for search in searches {
                rounds.stopped(&search, End::At(search.skip + 2000));
            }
        }
    }

    #[test]
    fn every_old_unknown_has_its_turn_before_any_has_a_second_one() {
        let mut rounds = Rounds::default();
        let ages = [30, DAY, 30 * DAY, 365 * DAY];
        let unknown = unknown(&ages);
        for _ in 0..3 {
            for age in ages {
                let searches = rounds.next(&unknown);
                assert!(searches.len() <= 2 && covers(&searches[searches.len() - 1], age), "{age}");
            }
        }
    }

    #[test]
    fn a_list_that_is_longer_than_a_turn_is_read_on_where_the_turn_before_stopped() {
        let mut rounds = Rounds::default();
        let unknown = unknown(&[30]);
        let mut read = Vec::new();
        for _ in 0..3 {
            for search in rounds.next(&unknown) {
                read.push(search.skip);
                rounds.stopped(&search, End::At(search.skip + 2000));
            }
        }
        assert_eq!(read, [0, 0, 2000, 0, 4000]);
        // The provider ended a turn after its fresh search: nothing is read a second time.
        let searches = rounds.next(&unknown);
        rounds.stopped(&searches[0], End::At(2000));
        assert_eq!(rounds.next(&unknown)[1].skip, 6000);
        let searches = rounds.next(&unknown);
        rounds.stopped(&searches[1], End::OfList);
        assert_eq!(rounds.next(&unknown).len(), 1, "at its end it begins anew");
        rounds.next(&[]);
        assert_eq!(rounds.skips.len(), 0, "what nobody looks for is forgotten");
    }
}
