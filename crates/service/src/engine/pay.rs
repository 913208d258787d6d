//! Orders that wait for their payment: read at Stripe, judged on the facts, released or held. // G2
//!
//! Promise: what Stripe says is recorded, also that it knows no such payment. When it refuses us or
//! cannot be reached, reading rests, one payment at a time tries whether that is over, and a person is
//! told: at once when our key is refused, else when it lasts.

use super::Engine;
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
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The most payments of one turn.
const BATCH: usize = 100;
/// The most reads at once.
const READS_MAX: usize = 8;
/// How many refusals of us end a turn in which Stripe has said nothing else.
const REFUSALS_MAX: usize = 3;
/// The first rest when nothing can be read; it doubles.
const REST_FIRST: Duration = Duration::from_secs(1);
/// The longest such rest: it may be the fault of one payment, and a customer waits for the next one.
const REST_MAX: Duration = Duration::from_secs(30);
/// How many turns in a row must have told nothing before a person is called: with the rests between
/// them about five minutes.
const VAIN_TURNS_MAX: u32 = 14;

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
        match error {
            PaymentError::Refused(status @ (401 | 403)) => Self::Refused(status),
            _ => Self::Silent,
        }
    }
}

/// What reading some payments told.
#[derive(Default)]
struct Told {
    read: Vec<ReadPayment>,
    not_found: Vec<DuePayment>,
    /// What told us nothing, with the last reason.
    vain: usize,
    error: Option<PaymentError>,
}

impl Engine {
    /// Reads payments until the stop.
    pub(crate) async fn read_payments(self: Arc<Self>, stop: CancellationToken) {
        let Some(stripe) = self.stripe.clone() else { return };
        let mut vain_turns = 0_u32;
        while !stop.is_cancelled() {
            // In trouble one payment tries whether it is over; the others keep their time.
            let most = if vain_turns > 0 { 1 } else { BATCH };
            match due(&self.store, most).await {
                Ok(payments) if payments.is_empty() => {
                    Self::pause(self.options.idle.max(Duration::from_millis(200)), &stop).await;
                }
                Ok(payments) => match self.read_batch(&stripe, payments, &stop).await {
                    None => {
                        if vain_turns > 0 {
                            tracing::info!("payments can be read again");
                        }
                        vain_turns = 0;
                    }
                    Some(trouble) => {
                        vain_turns = vain_turns.saturating_add(1);
                        self.rest(trouble, vain_turns, &stop).await;
                    }
                },
                Err(error) => {
                    self.fault("pay", &error);
                    Self::pause(Duration::from_secs(1), &stop).await;
                }
            }
        }
    }

    /// Reads a batch and records it; gives the trouble that Stripe made.
    async fn read_batch(
        &self,
        stripe: &stripe::Client,
        payments: Vec<DuePayment>,
        stop: &CancellationToken,
    ) -> Option<Trouble> {
        // Reading changes nothing, so a stop does not wait for it.
        let told = tokio::select! {
            told = ask(stripe, payments) => told,
            () = stop.cancelled() => return None,
        };
        let trouble = told.trouble();
        if let Some(error) = told.error {
            Stats::add(&self.stats.unread, told.vain);
            tracing::warn!(payments = told.vain, %error, "payments could not be read and will be read again");
        }
        self.record_read(&told.read).await;
        self.record_not_found(&told.not_found).await;
        trouble
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

/// Asks Stripe about payments, a few at a time, and no further when it says nothing but that it
/// refuses us.
async fn ask(stripe: &stripe::Client, payments: Vec<DuePayment>) -> Told {
    let (refusals, heard) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut answers = stream::iter(payments)
        .map(|due| async {
            if refusals.load(Ordering::Relaxed) >= REFUSALS_MAX && !heard.load(Ordering::Relaxed) {
                return None;
            }
            let facts = stripe.payment(&due.payment_intent).await;
            match &facts {
                Ok(_) | Err(PaymentError::NotFound) => heard.store(true, Ordering::Relaxed),
                Err(PaymentError::Refused(_)) => drop(refusals.fetch_add(1, Ordering::Relaxed)),
                Err(PaymentError::Unknown(_)) => {}
            }
            Some((due, facts))
        })
        .buffer_unordered(READS_MAX);
    let mut told = Told::default();
    while let Some(answer) = answers.next().await {
        match answer {
            Some((due, Ok(facts))) => told.read.push(ReadPayment { due, facts: judged(facts) }),
            Some((due, Err(PaymentError::NotFound))) => told.not_found.push(due),
            Some((_, Err(error))) => {
                told.vain += 1;
                // A refusal of us says more than a lost answer beside it.
                if !matches!(told.error, Some(PaymentError::Refused(_))) {
                    told.error = Some(error);
                }
            }
            None => told.vain += 1,
        }
    }
    told
}

impl Told {
    /// One payment that tells nothing is no trouble beside others that do.
    fn trouble(&self) -> Option<Trouble> {
        let heard = !self.read.is_empty() || !self.not_found.is_empty();
        self.error.filter(|_| !heard).map(Trouble::of)
    }
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
        named_order: facts.metadata_order_id,
        capture_before_s: facts.capture_before,
        dispute: facts.dispute,
        in_review: facts.review_open,
        warned: facts.warned,
    }
}
