//! Orders that wait for their payment: read at Stripe, judged on the facts, released or held. // G2
//!
//! Promise: what Stripe says is recorded as it arrives, also that it knows no such payment, and is as
//! old as its own question. When it refuses us or cannot be reached, reading rests, one payment at a
//! time tries whether that is over, and a person is told: at once when our key is refused, also if only
//! for some calls, else when it lasts; and when all is read, but too slowly to buy with.

use super::Engine;
use super::pace::{self, Pace, Turn};
use super::stats::Stats;
use futures_util::{StreamExt, stream};
use orders_core::payment::PaymentFacts;
use orders_gateway::stripe::{self, PaymentError};
use orders_store::Error;
use orders_store::account;
use orders_store::payment::{DuePayment, ReadPayment, due, due_of_order, record, record_not_found};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How many refusals of us end a turn in which Stripe has said nothing else.
const REFUSALS_MAX: usize = 3;
/// The first rest when nothing can be read; it doubles.
const REST_FIRST: Duration = Duration::from_secs(1);
/// The longest such rest: it may be the fault of one payment, and a customer waits for the next one.
const REST_MAX: Duration = Duration::from_secs(30);
/// How many turns in a row must have told nothing before a person is called: with the rests between
/// them about five minutes.
pub(super) const VAIN_TURNS_MAX: u32 = 14;

/// How long somebody who asks for one order waits for its payment to be read.
const ONE_READ_MAX: Duration = Duration::from_secs(4);

/// Why reading should rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Stripe refuses our key, with this status.
    Refused(u16),
    /// Nothing could be read.
    Silent,
}

impl Trouble {
    pub(super) fn of(error: PaymentError) -> Self {
        error.refuses_key().map_or(Self::Silent, Self::Refused)
    }
}

/// A payment that Stripe was asked about, with its answer.
type Answered = (DuePayment, Result<stripe::PaymentFacts, PaymentError>);

/// Why Stripe was not asked about a payment.
enum Unasked {
    /// It says nothing but that it refuses us.
    Spared,
    /// The turn's time was over, or it had asked us to slow down.
    Left,
}

/// What reading some payments told.
#[derive(Default)]
pub(super) struct Told {
    /// How many Stripe said something of.
    heard: usize,
    /// What told us nothing, with the last reason.
    vain: usize,
    error: Option<PaymentError>,
    /// How many were left to the next turn.
    left: usize,
    /// Whether we were asked to slow down, and for how long.
    busy: Option<Duration>,
    /// The status with which our key was refused, for some calls at least.
    refused: Option<u16>,
}

impl Engine {
    /// Reads payments until the stop.
    pub(crate) async fn read_payments(self: Arc<Self>, stop: CancellationToken) {
        let Some(stripe) = self.stripe.clone() else { return };
        let mut pace = Pace::new(self.settings.gate_age);
        let mut vain_turns = 0_u32;
        while !stop.is_cancelled() {
            // In trouble one payment tries whether it is over; the others keep their time.
            let most = if vain_turns > 0 { 1 } else { pace.batch() };
            match due(&self.store, most).await {
                Ok(payments) if payments.is_empty() => {
                    Self::pause(self.options.idle.max(Duration::from_millis(200)), &stop).await;
                }
                Ok(payments) => {
                    let told = self.read_batch(&stripe, payments, &mut pace, &stop).await;
                    if let Some(trouble) = told.trouble() {
                        vain_turns = vain_turns.saturating_add(1);
                        self.rest(trouble, vain_turns, &stop).await;
                        continue;
                    }
                    if vain_turns > 0 {
                        tracing::info!("payments can be read again");
                    }
                    vain_turns = 0;
                    if let Some(retry_after) = told.busy {
                        self.breathe(retry_after, &stop).await;
                    }
                }
                Err(error) => {
                    self.fault("pay", &error);
                    Self::pause(Duration::from_secs(1), &stop).await;
                }
            }
        }
    }

    /// Reads a batch and records it while it is read, whatever has arrived each time.
    pub(super) async fn read_batch(
        &self,
        stripe: &stripe::Client,
        payments: Vec<DuePayment>,
        pace: &mut Pace,
        stop: &CancellationToken,
    ) -> Told {
        // Read after they were taken: what has passed since is never counted too long.
        let (begun, taken) = (self.clock.now(), payments.len());
        let (hand, mut arrived) = mpsc::unbounded_channel();
        let reading = async {
            // Reading changes nothing, so a stop does not wait for it.
            tokio::select! {
                () = self.ask(stripe, payments, begun, pace, &hand) => {}
                () = stop.cancelled() => {}
            }
            drop(hand);
        };
        let recording = async {
            let (mut told, mut group) = (Told::default(), Vec::new());
            while arrived.recv_many(&mut group, pace::BATCH).await > 0 {
                let (read, not_found) = told.sort(group.drain(..));
                self.record_read(&read).await;
                self.record_not_found(&not_found).await;
            }
            told
        };
        let ((), told) = tokio::join!(reading, recording);
        if let Some(error) = told.error {
            Stats::add(&self.stats.unread, told.vain);
            tracing::warn!(payments = told.vain, %error, "payments could not be read and will be read again");
        }
        let asked = told.heard + told.vain;
        let (ended, busy) = (self.clock.now(), told.busy.is_some());
        let slow = pace.learn(Turn { begun, ended, taken, asked, busy });
        if told.trouble().is_none() {
            if let Some(status) = told.refused {
                self.tell_refused(status).await;
            }
            if slow {
                self.tell_slow(ended.saturating_sub(begun), told.left).await;
            }
        }
        told
    }

    /// Asks Stripe about payments, a few at a time: no further when it says nothing but that it
    /// refuses us, nor when the turn's time is over or it asks us to slow down.
    async fn ask(
        &self,
        stripe: &stripe::Client,
        payments: Vec<DuePayment>,
        begun: Duration,
        pace: &Pace,
        hand: &mpsc::UnboundedSender<Result<Answered, Unasked>>,
    ) {
        let (refusals, heard) = (AtomicUsize::new(0), AtomicBool::new(false));
        let busy = AtomicBool::new(false);
        let one = async |due: DuePayment| {
            if refusals.load(Ordering::Relaxed) >= REFUSALS_MAX && !heard.load(Ordering::Relaxed) {
                return Err(Unasked::Spared);
            }
            let passed = self.clock.now().saturating_sub(begun);
            if passed > pace.begins_for() || busy.load(Ordering::Relaxed) {
                return Err(Unasked::Left);
            }
            let due = DuePayment { asked_us: due.asked_us + certainly_us(passed), ..due };
            let facts = stripe.payment(&due.payment_intent).await;
            match &facts {
                Ok(_) | Err(PaymentError::NotFound) => heard.store(true, Ordering::Relaxed),
                Err(PaymentError::Refused(_)) => drop(refusals.fetch_add(1, Ordering::Relaxed)),
                Err(PaymentError::Busy(_)) => busy.store(true, Ordering::Relaxed),
                Err(PaymentError::Unknown(_)) => {}
            }
            Ok((due, facts))
        };
        let each = stream::iter(payments).map(one).buffer_unordered(pace.at_once());
        // Whoever records goes on until nobody hands anything over.
        each.for_each(async |asked| drop(hand.send(asked))).await;
    }

    /// Calls a person because what is read is too old to buy with, or soon will be.
    async fn tell_slow(&self, lasted: Duration, left: usize) {
        tracing::warn!(?lasted, left, "payments are read too slowly at Stripe; orders wait for it");
        self.tell_of_stripe("stripe_too_slow").await;
    }

    /// Calls a person because Stripe refuses our key for some calls, whatever it answers to others: a
    /// restricted key that lacks one right reads what nobody paid, and nothing that was.
    pub(super) async fn tell_refused(&self, status: u16) {
        self.tell_of_stripe(&format!("stripe_http_{status}")).await;
    }

    /// Calls a person about Stripe, once as long as nobody closes the alert; nothing rests for it.
    pub(super) async fn tell_of_stripe(&self, code: &str) {
        if let Err(error) = account::pause(&self.store, "stripe", code, Duration::ZERO, true).await
        {
            self.fault("pay", &error);
        }
    }

    /// Rests because Stripe asks us to slow down.
    pub(super) async fn breathe(&self, retry_after: Duration, stop: &CancellationToken) {
        Self::pause(pace::breath(retry_after, self.chance.number()), stop).await;
    }

    async fn record_read(&self, read: &[ReadPayment]) {
        if read.is_empty() {
            return;
        }
        match record(&self.store, &self.options.worker, self.options.live_mode, read).await {
            Ok(counts) => self.count_recorded(counts),
            Err(error) => self.fault("pay", &error),
        }
    }

    /// Counts how many payments were found good and how many not.
    pub(super) fn count_recorded(&self, (paid, mismatched): (usize, usize)) {
        Stats::add(&self.stats.paid, paid);
        Stats::add(&self.stats.mismatched, mismatched);
        if paid > 0 {
            self.wake();
        }
    }

    /// Reads the payment of one order, if what is known of it is too old for a claim. What cannot be
    /// read now leaves the order unsent: the claim itself refuses. // ruling 14
    pub(super) async fn read_payment_of(&self, order: Uuid) -> Result<(), Error> {
        let Some(stripe) = &self.stripe else { return Ok(()) };
        let Some(due) = due_of_order(&self.store, order).await? else { return Ok(()) };
        let read = tokio::time::timeout(ONE_READ_MAX, stripe.payment(&due.payment_intent));
        match read.await {
            Ok(Ok(facts)) => self.record_read(&[ReadPayment { due, facts: judged(facts) }]).await,
            Ok(Err(PaymentError::NotFound)) => self.record_not_found(&[due]).await,
            Ok(Err(error)) => {
                tracing::warn!(%order, %error, "the payment could not be read, so its order is not sent");
                if let Some(status) = error.refuses_key() {
                    self.tell_refused(status).await;
                }
            }
            Err(_) => {
                tracing::warn!(%order, "the payment was not read in time, so its order is not sent");
            }
        }
        Ok(())
    }

    async fn record_not_found(&self, payments: &[DuePayment]) {
        if payments.is_empty() {
            return;
        }
        Stats::add(&self.stats.unread, payments.len());
        for DuePayment { order_id: order, payment_intent, .. } in payments {
            tracing::warn!(%order, payment_intent, "Stripe knows no payment {payment_intent}, on which order {order} waits");
        }
        let (worker, live_mode) = (&self.options.worker, self.options.live_mode);
        if let Err(error) = record_not_found(&self.store, worker, live_mode, payments).await {
            self.fault("pay", &error);
        }
    }

    /// Rests after a turn that was in vain, and tells a person if it must.
    pub(super) async fn rest(&self, trouble: Trouble, vain_turns: u32, stop: &CancellationToken) {
        let wrong_account = self.settings.limits.account_pause;
        let doubled = REST_FIRST * (1 << (vain_turns - 1).min(10));
        let (length, alarm, code) = match trouble {
            Trouble::Refused(status) => (wrong_account, true, format!("stripe_http_{status}")),
            Trouble::Silent => (
                doubled.min(REST_MAX).min(wrong_account),
                vain_turns >= VAIN_TURNS_MAX,
                "stripe_unreadable".to_owned(),
            ),
        };
        // The row is for people, as is the alert: this engine rests by itself, and others find out.
        if let Err(error) = account::pause(&self.store, "stripe", &code, length, alarm).await {
            self.fault("pay", &error);
        }
        Self::pause(length, stop).await;
    }
}

impl Told {
    /// Counts answers, and gives what is to be recorded of them.
    fn sort(
        &mut self,
        answers: impl Iterator<Item = Result<Answered, Unasked>>,
    ) -> (Vec<ReadPayment>, Vec<DuePayment>) {
        let (mut read, mut not_found) = (Vec::new(), Vec::new());
        for answer in answers {
            match answer {
                Ok((due, Ok(facts))) => {
                    read.push(ReadPayment { due, facts: judged(facts) });
                }
                Ok((due, Err(PaymentError::NotFound))) => not_found.push(due),
                Ok((_, Err(error))) => {
                    self.vain += 1;
                    if let PaymentError::Busy(retry_after) = error {
                        self.busy = self.busy.max(Some(retry_after.unwrap_or_default()));
                    }
                    self.refused = error.refuses_key().or(self.refused);
                    // A refusal of us says more than a lost answer beside it.
                    if !matches!(self.error, Some(PaymentError::Refused(_))) {
                        self.error = Some(error);
                    }
                }
                Err(Unasked::Spared) => self.vain += 1,
                Err(Unasked::Left) => self.left += 1,
            }
        }
        self.heard += read.len() + not_found.len();
        (read, not_found)
    }

    /// One payment that tells nothing is no trouble beside others that do.
    fn trouble(&self) -> Option<Trouble> {
        self.error.filter(|_| self.heard == 0).map(Trouble::of)
    }
}

/// What has passed on the database's clock at least, if this has on ours: the two do not run exactly
/// alike, and a fact must never look younger than it is.
fn certainly_us(passed: Duration) -> i64 {
    i64::try_from(passed.saturating_sub(passed / 1000).as_micros()).unwrap_or(0)
}

/// Stripe's facts in the words of the rules.
pub(super) fn judged(facts: stripe::PaymentFacts) -> PaymentFacts {
    PaymentFacts {
        status: facts.status,
        received_minor: facts.amount_received,
        capturable_minor: facts.amount_capturable,
        refunded_minor: facts.amount_refunded,
        currency: facts.currency,
        livemode: facts.livemode,
        named_order: storable(facts.metadata_order_id),
        capture_before_s: facts.capture_before,
        dispute: facts.dispute,
        in_review: facts.review_open,
        warned: facts.warned,
    }
}

/// A note at Stripe that the database can store: one with a zero character names nothing of ours, and
/// would keep its payment, or the page of a list that it stands on, from ever being stored.
pub(super) fn storable(note: Option<String>) -> Option<String> {
    note.filter(|note| !note.contains('\0'))
}
