//! Messages of Stripe, followed up: the payment that each is about is read, and what Stripe says of it
//! is recorded. Webhooks and the list of messages end here alike. // C4, C10, G24
//!
//! Promise: a message is finished only when its payment was read after the message came and the facts
//! are stored; whoever dies in between repeats reads, which changes nothing. What a message says by
//! itself is never believed.

use super::Engine;
use super::pay::{VAIN_TURNS_MAX, judged};
use super::stats::Stats;
use futures_util::{StreamExt, stream};
use orders_gateway::stripe::{self, Object, PaymentError, PaymentFacts};
use orders_store::Error;
use orders_store::inbox::{self, DueEvent, Finished, Verdict};
use orders_store::payment::{DuePayment, ReadPayment, record};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The most messages of one turn.
const BATCH: usize = 100;
/// The most reads at once.
const READS_MAX: usize = 8;
/// After so many tries of its own, which take more than half a day, a person is asked instead. Where
/// Stripe tells nothing of anything, or refuses us, no try is counted: an outage loses no message.
const TRIES_MAX: i32 = 20;
/// For so many tries, which take about an hour, a message is kept whose payment Stripe does not know yet,
/// or whose payment names an order that does not stand yet: the shop may be about to place it.
const EARLY_TRIES_MAX: i32 = 7;
/// The first rest when nothing can be read; it doubles.
const REST_FIRST: Duration = Duration::from_secs(1);
/// The longest such rest.
const REST_MAX: Duration = Duration::from_secs(30);

/// What a turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// How many messages it took.
    pub taken: usize,
    /// Whether Stripe told nothing about any of them.
    pub in_vain: bool,
    /// Whether Stripe asked us to slow down, and for how long at least.
    pub busy: Option<Duration>,
}

impl Followed {
    const NOTHING: Self = Self { taken: 0, in_vain: false, busy: None };
}

/// What Stripe said about the messages of a turn.
struct Answers {
    /// The payment of each object, by its kind and id.
    owners: BTreeMap<(String, String), Result<Option<String>, PaymentError>>,
    /// What was read of each payment.
    payments: BTreeMap<String, Result<PaymentFacts, PaymentError>>,
}

impl Engine {
    /// Follows messages up until the stop.
    pub(crate) async fn follow_events(self: Arc<Self>, stop: CancellationToken) {
        if self.stripe.is_none() {
            return;
        }
        let idle = self.options.idle.max(Duration::from_millis(200));
        let mut vain_turns = 0_u32;
        while !stop.is_cancelled() {
            // In trouble one message tries whether it is over; the others keep their time.
            let most = if vain_turns > 0 { 1 } else { BATCH };
            match self.follow_up(most, &stop).await {
                Ok(turn) if turn.in_vain => {
                    vain_turns = vain_turns.saturating_add(1);
                    if vain_turns >= VAIN_TURNS_MAX {
                        self.tell_of_stripe("stripe_unreadable").await;
                    }
                    let rest = REST_FIRST * (1 << (vain_turns - 1).min(5));
                    Self::pause(rest.min(REST_MAX), &stop).await;
                }
                Ok(turn) if turn.taken == 0 => tokio::select! {
                    () = tokio::time::sleep(idle) => {}
                    () = self.message.notified() => {}
                    () = stop.cancelled() => {}
                },
                Ok(turn) => {
                    vain_turns = 0;
                    if let Some(retry_after) = turn.busy {
                        self.breathe(retry_after, &stop).await;
                    }
                }
                Err(error) => {
                    self.fault("events", &error);
                    Self::pause(Duration::from_secs(1), &stop).await;
                }
            }
        }
    }

    /// A hint that a message was stored; polling is the truth.
    pub fn wake_events(&self) {
        self.message.notify_one();
    }

    /// One turn: takes what is due, reads, records, finishes.
    pub async fn follow_up_events(&self, stop: &CancellationToken) -> Result<Followed, Error> {
        self.follow_up(BATCH, stop).await
    }

    /// The same with at most so many messages.
    pub async fn follow_up(
        &self,
        most: usize,
        stop: &CancellationToken,
    ) -> Result<Followed, Error> {
        let Some(stripe) = &self.stripe else { return Ok(Followed::NOTHING) };
        let events = inbox::due(&self.store, most).await?;
        if events.is_empty() {
            return Ok(Followed::NOTHING);
        }
        // Reading changes nothing, so a stop does not wait for it; the messages come again.
        let answers = tokio::select! {
            answers = ask(stripe, &events) => answers,
            () = stop.cancelled() => return Ok(Followed { taken: events.len(), ..Followed::NOTHING }),
        };
        let in_vain = answers.in_vain();
        if let Some(status) = answers.refusal() {
            self.tell_refused(status).await;
        }
        let stored = self.store_facts(&answers, events[0].asked_us).await?;
        let unread = self.look_at_moves(stripe, &events, &answers, &stored).await;
        let finished: Vec<Finished> =
            events.iter().filter_map(|event| answers.end_of(event, &stored, &unread)).collect();
        Stats::add(&self.stats.followed, finished.len());
        if !finished.is_empty() {
            inbox::finish(&self.store, &finished).await?;
        }
        let untried: Vec<&str> = events
            .iter()
            .filter(|event| in_vain || answers.says_nothing_of(event))
            .map(|event| event.event_id.as_str())
            .collect();
        if !untried.is_empty() {
            inbox::uncount(&self.store, &untried).await?;
        }
        Ok(Followed { taken: events.len(), in_vain, busy: answers.busy() })
    }

    /// Records what was read of payments that are ours, or that name an order of ours which waits for
    /// one. Whether each of ours is stored.
    async fn store_facts(
        &self,
        answers: &Answers,
        asked_us: i64,
    ) -> Result<BTreeMap<String, bool>, Error> {
        let read: BTreeMap<&str, &PaymentFacts> = answers
            .payments
            .iter()
            .filter_map(|(intent, facts)| Some((intent.as_str(), facts.as_ref().ok()?)))
            .collect();
        let intents: Vec<&str> = read.keys().copied().collect();
        let mut in_vain = BTreeMap::new();
        let mut ours = inbox::known(&self.store, &intents, asked_us).await?;
        let known: BTreeSet<String> = ours.iter().map(|due| due.payment_intent.clone()).collect();
        for (intent, facts) in read.iter().filter(|(intent, _)| !known.contains(**intent)) {
            match self.adopt(intent, facts).await {
                Ok(Some(order_id)) => {
                    let payment_intent = (*intent).to_owned();
                    ours.push(DuePayment { order_id, payment_intent, asked_us });
                }
                Ok(None) => {}
                // Its messages come again and are counted; those of other payments go on. // B3
                Err(error) => {
                    self.fault("adopt", &error);
                    in_vain.insert((*intent).to_owned(), false);
                }
            }
        }
        let batch: Vec<ReadPayment> = ours
            .into_iter()
            .filter_map(|due| {
                let facts = judged((*read.get(due.payment_intent.as_str())?).clone());
                Some(ReadPayment { due, facts })
            })
            .collect();
        let mut stored: BTreeMap<String, bool> = in_vain;
        // One by one if they cannot be stored together, to know which of them is at fault. // B3
        let together = self.record_facts(&batch).await;
        for one in &batch {
            let stands = together || self.record_facts(std::slice::from_ref(one)).await;
            stored.insert(one.due.payment_intent.clone(), stands);
        }
        Ok(stored)
    }

    /// Ties a payment that we do not know to the order that it names; gives that order.
    async fn adopt(&self, intent: &str, facts: &PaymentFacts) -> Result<Option<Uuid>, Error> {
        let named =
            facts.metadata_order_id.as_deref().filter(|_| facts.livemode == self.options.live_mode);
        let Some((named, order_id)) = named.and_then(|named| Some((named, named.parse().ok()?)))
        else {
            return Ok(None);
        };
        let tied = inbox::adopt(&self.store, &self.options.worker, intent, named).await?;
        Ok(tied.then_some(order_id))
    }

    /// Whether all of these stand now.
    async fn record_facts(&self, batch: &[ReadPayment]) -> bool {
        if batch.is_empty() {
            return true;
        }
        match record(&self.store, &self.options.worker, self.options.live_mode, batch).await {
            Ok(counts) => {
                self.count_recorded(counts);
                true
            }
            Err(error) => {
                self.fault("events", &error);
                false
            }
        }
    }

    /// Has the movements of money of these payments looked at, and finds refunds that failed after
    /// they were done. Gives the payments of which one or the other could not be done: their messages
    /// come again and are counted, and those of other payments go on. // B3
    async fn look_at_moves(
        &self,
        stripe: &stripe::Client,
        events: &[DueEvent],
        answers: &Answers,
        stored: &BTreeMap<String, bool>,
    ) -> BTreeSet<String> {
        let ours: Vec<&str> = stored.keys().map(String::as_str).collect();
        let mut unread = self.nudge_moves(&ours).await;
        let refunded: BTreeSet<&str> = events
            .iter()
            .filter(|event| matches!(event.kind.as_str(), "refund.failed" | "refund.updated"))
            .filter_map(|event| answers.payment_of(event))
            .filter(|intent| stored.contains_key(*intent))
            .collect();
        for intent in refunded {
            let looked = self.look_at_refunds(stripe, intent).await.unwrap_or_else(|error| {
                self.fault("refunds", &error);
                false
            });
            if !looked {
                unread.insert(intent.to_owned());
            }
        }
        unread
    }

    /// Has the movements of these payments looked at; gives those with which that failed.
    async fn nudge_moves(&self, intents: &[&str]) -> BTreeSet<String> {
        let mut failed = BTreeSet::new();
        if intents.is_empty() || inbox::nudge_moves(&self.store, intents).await.is_ok() {
            return failed;
        }
        // One by one, to know which of them is at fault.
        for intent in intents {
            if let Err(error) = inbox::nudge_moves(&self.store, &[*intent]).await {
                self.fault("nudge_moves", &error);
                failed.insert((*intent).to_owned());
            }
        }
        failed
    }

    /// Finds refunds of a payment that failed after they were done; whether they could be read.
    async fn look_at_refunds(&self, stripe: &stripe::Client, intent: &str) -> Result<bool, Error> {
        let done = inbox::done_refunds(&self.store, intent).await?;
        if done.is_empty() {
            return Ok(true);
        }
        let Ok(refunds) = stripe.refunds_of(intent).await else { return Ok(false) };
        for one in &done {
            let failed = refunds.iter().find(|refund| {
                refund.id == one.stripe_id
                    && matches!(refund.status.as_str(), "failed" | "canceled")
            });
            if let Some(failed) = failed {
                let code = failed.failure_reason.as_deref().unwrap_or(&failed.status);
                inbox::fail_refund(&self.store, &self.options.worker, one, code).await?;
            }
        }
        Ok(true)
    }
}

impl Answers {
    /// Whether Stripe said nothing at all.
    fn in_vain(&self) -> bool {
        let told = |error: &PaymentError| matches!(error, PaymentError::NotFound);
        let owner = self.owners.values().any(|owner| owner.as_ref().err().is_none_or(told));
        let payment = self.payments.values().any(|facts| facts.as_ref().err().is_none_or(told));
        if self.payments.is_empty() { !owner } else { !payment }
    }

    /// The status with which our key was refused for some call, whatever others told.
    fn refusal(&self) -> Option<u16> {
        self.errors().find_map(|error| error.refuses_key())
    }

    /// Whether Stripe asked us to slow down, and for how long at least.
    fn busy(&self) -> Option<Duration> {
        let longest = |error: &PaymentError| match error {
            PaymentError::Busy(retry_after) => Some(retry_after.unwrap_or_default()),
            _ => None,
        };
        self.errors().filter_map(longest).max()
    }

    fn errors(&self) -> impl Iterator<Item = &PaymentError> {
        let owners = self.owners.values().filter_map(|owner| owner.as_ref().err());
        owners.chain(self.payments.values().filter_map(|facts| facts.as_ref().err()))
    }

    /// Whether nothing was found out about this message because we are refused, or asked to slow down.
    fn says_nothing_of(&self, event: &DueEvent) -> bool {
        let owner = self.owners.get(&(event.object.clone(), event.object_id.clone()));
        let error = match owner {
            Some(Ok(Some(intent))) => self.payments.get(intent).and_then(|it| it.as_ref().err()),
            Some(Err(error)) => Some(error),
            Some(Ok(None)) | None => None,
        };
        error.is_some_and(|it| it.refuses_key().is_some() || matches!(it, PaymentError::Busy(_)))
    }

    /// The payment that a message is about, if that is known.
    fn payment_of(&self, event: &DueEvent) -> Option<&str> {
        let owner = self.owners.get(&(event.object.clone(), event.object_id.clone()))?;
        owner.as_ref().ok()?.as_deref()
    }

    /// What became of a message; nothing if it must come again.
    fn end_of(
        &self,
        event: &DueEvent,
        stored: &BTreeMap<String, bool>,
        unread: &BTreeSet<String>,
    ) -> Option<Finished> {
        let payment = match self.owners.get(&(event.object.clone(), event.object_id.clone())) {
            Some(Ok(owner)) => Ok(owner.clone()),
            Some(Err(error)) => Err(*error),
            None => Ok(None),
        };
        let facts =
            payment.as_ref().ok().and_then(Option::as_ref).and_then(|it| self.payments.get(it));
        let is_tried = !self.in_vain() && !self.says_nothing_of(event);
        let again = (event.tries >= TRIES_MAX && is_tried).then_some(Verdict::GivenUp);
        let unless_early = (event.tries >= EARLY_TRIES_MAX).then_some(Verdict::Unmatched);
        let verdict = match (&payment, facts) {
            (Ok(None), _) => Some(Verdict::Unmatched),
            (Err(PaymentError::NotFound), _) | (_, Some(Err(PaymentError::NotFound))) => {
                unless_early
            }
            (Err(_), _) | (_, Some(Err(_))) | (Ok(Some(_)), None) => again,
            (Ok(Some(intent)), Some(Ok(facts))) => match stored.get(intent) {
                None if names_an_order(facts) => unless_early,
                None => Some(Verdict::Unmatched),
                Some(true) if !unread.contains(intent) => Some(Verdict::Handled),
                Some(_) => again,
            },
        }?;
        let payment_intent = payment.ok().flatten();
        Some(Finished { event_id: event.event_id.clone(), payment_intent, verdict })
    }
}

/// Whether a payment that is not ours may become ours: what it names has the form of an order's id.
fn names_an_order(facts: &PaymentFacts) -> bool {
    facts.metadata_order_id.as_deref().is_some_and(|named| named.parse::<Uuid>().is_ok())
}

/// Finds the payment of each message, and reads each payment once. Nobody is asked any more once Stripe
/// has asked us to slow down.
async fn ask(stripe: &stripe::Client, events: &[DueEvent]) -> Answers {
    let mut owners = BTreeMap::new();
    let mut unknown = BTreeSet::new();
    for event in events {
        let about = (event.object.clone(), event.object_id.clone());
        match (&event.payment_intent, Object::parse(&event.object)) {
            (Some(hint), _) => drop(owners.insert(about, Ok(Some(hint.clone())))),
            (None, Some(_)) => drop(unknown.insert(about)),
            // Of no kind that could belong to a payment.
            (None, None) => drop(owners.insert(about, Ok(None))),
        }
    }
    let busy = AtomicBool::new(false);
    let mut found = stream::iter(unknown)
        .map(|about| async {
            let owner = match Object::parse(&about.0) {
                Some(object) => unless(&busy, stripe.payment_of(object, &about.1)).await,
                None => Ok(None),
            };
            (about, owner)
        })
        .buffer_unordered(READS_MAX);
    while let Some((about, owner)) = found.next().await {
        owners.entry(about).or_insert(owner);
    }
    let intents: BTreeSet<String> =
        owners.values().filter_map(|owner| owner.as_ref().ok()?.clone()).collect();
    let mut read = stream::iter(intents)
        .map(|intent| async {
            let facts = unless(&busy, stripe.payment(&intent)).await;
            (intent, facts)
        })
        .buffer_unordered(READS_MAX);
    let mut payments = BTreeMap::new();
    while let Some((intent, facts)) = read.next().await {
        payments.insert(intent, facts);
    }
    Answers { owners, payments }
}

/// Asks, unless Stripe has asked us to slow down.
async fn unless<T>(
    busy: &AtomicBool,
    asking: impl Future<Output = Result<T, PaymentError>>,
) -> Result<T, PaymentError> {
    if busy.load(Ordering::Relaxed) {
        return Err(PaymentError::Busy(None));
    }
    let answer = asking.await;
    if matches!(answer, Err(PaymentError::Busy(_))) {
        busy.store(true, Ordering::Relaxed);
    }
    answer
}
