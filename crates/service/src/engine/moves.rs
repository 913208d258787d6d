//! Movements of money: intended before, looked at, committed, sent, recorded. // C6, G28, G29
//!
//! Promise: right before every call Stripe is read, and what it shows is believed; every call is
//! committed with its key and its exact bytes before its first byte; its answer is recorded behind its
//! fence. Whoever dies in between leaves a movement that may have been made, and the next look tells.
//! A stop lets calls under way end for a while, then it cuts them; what was not sent is given back.

use super::Engine;
use super::pay::Trouble;
use super::stats::Stats;
use futures_util::{FutureExt as _, StreamExt, stream};
use orders_core::gate::Point;
use orders_core::money_move::{
    Answer, Kind, Record, Seen, SeenRefund, State, Step, after_answer, before_send,
};
use orders_core::outcome::Doubt;
use orders_gateway::stripe::{
    self, Act, ActAnswer, CancelReason, PaymentError, Prepared, RefundReason, cancel_request,
    capture_request, refund_request,
};
use orders_store::Error;
use orders_store::moves::{self, Call, Committed, Leased};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The most movements of one turn.
const BATCH: usize = 20;
/// The most of them at once.
const AT_ONCE: usize = 4;
/// How long a movement is held: its look, its call and its record end within that time.
const LEASE: Duration = Duration::from_mins(1);
/// How long a key is used. Stripe knows it for a day at least. // G28
const KEY_LIFE: Duration = Duration::from_hours(23);
/// How often captures that are due and orders that nobody paid are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// The most of either in one sweep.
const SWEEP_BATCH: usize = 100;
/// After how many turns in vain the pause is as long for a payment that Stripe does not know.
const UNKNOWN_TO_STRIPE: u32 = 12;

/// A movement in hand.
struct Held {
    leased: Leased,
    token: Uuid,
    /// On the boot clock, read before the lease: a worker that was paused in between must count the
    /// pause as time of the lease. // A3
    since: Duration,
}

/// What became of a movement in this turn.
pub(super) enum Outcome {
    /// Stripe was heard.
    Heard,
    /// Nothing was asked.
    Left,
    /// Stripe said nothing, or refused us.
    Vain(Trouble),
}

impl Engine {
    /// Moves money until the stop.
    pub(crate) async fn move_money(self: Arc<Self>, stop: CancellationToken) {
        let Some(stripe) = self.stripe.clone() else { return };
        let (mut vain_turns, mut swept) = (0_u32, None::<Instant>);
        while !stop.is_cancelled() {
            if swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
                swept = Some(Instant::now());
                self.sweep().await;
            }
            // In trouble one movement tries whether it is over; the others keep their time.
            let most = if vain_turns > 0 { 1 } else { BATCH };
            match self.move_batch(&stripe, most, vain_turns).await {
                Ok(outcomes) if outcomes.is_empty() => {
                    Self::pause(self.options.idle.max(Duration::from_millis(200)), &stop).await;
                }
                Ok(outcomes) => match trouble_of(&outcomes) {
                    None => {
                        vain_turns = 0;
                        if let Some(status) = refusal_of(&outcomes) {
                            self.tell_refused(status).await;
                        }
                    }
                    Some(trouble) => {
                        vain_turns = vain_turns.saturating_add(1);
                        self.rest(trouble, vain_turns, &stop).await;
                    }
                },
                Err(error) => {
                    self.fault("moves", &error);
                    Self::pause(Duration::from_secs(1), &stop).await;
                }
            }
        }
    }

    /// Intends what nobody asks for: captures after a purchase, and the end of unpaid orders.
    pub(super) async fn sweep(&self) {
        let worker = &self.options.worker;
        match moves::plan_captures(&self.store, worker, SWEEP_BATCH).await {
            Ok(planned) => Stats::add(&self.stats.captures_planned, planned),
            Err(error) => self.fault("plan_captures", &error),
        }
        match moves::expire_unpaid(&self.store, worker, SWEEP_BATCH).await {
            Ok(expired) => Stats::add(&self.stats.unpaid_ended, expired),
            Err(error) => self.fault("expire_unpaid", &error),
        }
    }

    /// One turn: leases what is due and brings each on, a few at a time.
    pub(super) async fn move_batch(
        &self,
        stripe: &stripe::Client,
        most: usize,
        vain_turns: u32,
    ) -> Result<Vec<Outcome>, Error> {
        // Never closed. Held until everything is recorded: the stop waits for it.
        let _permit = self.moving.acquire().await;
        if self.is_stopping() {
            return Ok(Vec::new());
        }
        let (since, token) = (self.clock.now(), self.chance.token());
        let (worker, seen) = (&self.options.worker, self.trust.beats_seen());
        let leased = moves::lease(&self.store, worker, token, LEASE, most, seen).await?;
        let each = stream::iter(leased)
            .map(|leased| self.bring_on_alone(stripe, Held { leased, token, since }, vain_turns))
            .buffer_unordered(AT_ONCE);
        Ok(each.collect().await)
    }

    /// A panic about one movement must not keep the others of its turn: it is found again when its lease
    /// ends. // B3, B5
    async fn bring_on_alone(
        &self,
        stripe: &stripe::Client,
        held: Held,
        vain_turns: u32,
    ) -> Outcome {
        let (order, until) = (held.leased.order_id, held.since + LEASE);
        let brought = AssertUnwindSafe(self.bring_on(stripe, held, vain_turns)).catch_unwind();
        brought.await.unwrap_or_else(|_| {
            self.leave_leased(until);
            Stats::add(&self.stats.faults, 1);
            tracing::error!(%order, "moving money of order {order} panicked; it is looked at again when its lease ends");
            Outcome::Left
        })
    }

    /// Brings one movement on: a look, and what follows from it.
    async fn bring_on(&self, stripe: &stripe::Client, held: Held, vain_turns: u32) -> Outcome {
        let due = &held.leased.due;
        if self.is_stopping() || self.clock.now() >= held.since + LEASE / 2 {
            // Its turn came too late: it is due again at once.
            self.record_move(&held, Record::unchanged(due, Duration::ZERO)).await;
            return Outcome::Left;
        }
        let seen = match look(stripe, &held.leased).await {
            Ok(seen) => seen,
            Err(error) => return self.unread(&held, error, vain_turns).await,
        };
        let step = before_send(due, &seen, self.chance.number());
        let Step::Send { renew } = step else {
            let record = step.record(due, self.chance.number());
            if let Some(record) = record {
                self.record_move(&held, record).await;
            }
            return Outcome::Heard;
        };
        if let Some((committed, until)) = self.commit(&held, renew).await {
            return self.send_move(stripe, &held, committed, until).await;
        }
        // Not now: somebody has the order, or it does not need the movement any more, which the next
        // lease says.
        self.record_move(&held, Record::unchanged(due, Duration::from_secs(1))).await;
        Outcome::Heard
    }

    /// Stripe could not be read: nothing is known that was not known before.
    async fn unread(&self, held: &Held, error: PaymentError, vain_turns: u32) -> Outcome {
        let (order, payment_intent) = (held.leased.order_id, &held.leased.payment_intent);
        tracing::warn!(%order, payment_intent, %error, "a payment could not be read, so no money of it is moved now");
        // It is this payment alone, and not soon over: nobody waits for it every second.
        let alone = error == PaymentError::NotFound;
        let turns = if alone { UNKNOWN_TO_STRIPE } else { vain_turns + 1 };
        let record = Record::unread(&held.leased.due, turns, self.chance.number());
        self.record_move(held, record).await;
        match error {
            PaymentError::NotFound => Outcome::Heard,
            error => Outcome::Vain(Trouble::of(error)),
        }
    }

    /// Commits a call; gives it with its end on the boot clock, which lies before the end that the
    /// database knows. // G3, G16
    async fn commit(&self, held: &Held, renew: bool) -> Option<(Committed, Duration)> {
        if self.is_stopping() {
            return None;
        }
        let prepared = prepared(&held.leased);
        let call = self.options.times.call.min(LEASE / 2);
        let until = self.clock.now() + call;
        let committed = moves::commit(
            &self.store,
            &Call {
                token: held.token,
                id: held.leased.id,
                target: &prepared.target,
                body: &prepared.body,
                renew,
                call,
                key_life: KEY_LIFE,
            },
        )
        .await;
        match committed {
            Ok(committed) => committed.map(|committed| (committed, until)),
            Err(error) => {
                self.fault("commit_move", &error);
                None
            }
        }
    }

    /// Sends a committed call once and records its answer.
    async fn send_move(
        &self,
        stripe: &stripe::Client,
        held: &Held,
        committed: Committed,
        until: Duration,
    ) -> Outcome {
        self.gate.pass(Point::MoveCommitted);
        Stats::add(&self.stats.move_sent, 1);
        let act = Act {
            target: &committed.target,
            body: committed.body.into(),
            key: &committed.key,
            send_until: until,
            gate: &*self.gate,
        };
        let unknown = |doubt: Doubt| Answer::Unknown {
            doubt: doubt.name(),
            retry_after: None,
            replayed: false,
        };
        let left = until.saturating_sub(self.clock.now());
        let answer = tokio::select! {
            biased;
            () = self.cut.cancelled() => unknown(Doubt::Stopped),
            answer = timeout(left, stripe.act(act)) => {
                answer.map_or_else(|_| unknown(Doubt::TimedOut), in_our_words)
            }
        };
        self.gate.pass(Point::MoveAnswered);
        let outcome = match answer {
            Answer::Barred(status) => Outcome::Vain(Trouble::Refused(status)),
            _ => Outcome::Heard,
        };
        if let Answer::Bug { code } = &answer {
            let order = held.leased.order_id;
            tracing::error!(%order, code, "a movement of money of order {order} was sent as Stripe cannot take it: a fault of this program");
        }
        let record = after_answer(answer, &held.leased.due, self.chance.number());
        if record.state == State::Unknown {
            Stats::add(&self.stats.move_unknown, 1);
        }
        self.record_move(held, record).await;
        outcome
    }

    /// Records what became of a movement, as long as its lease lasts.
    async fn record_move(&self, held: &Held, record: Record) {
        let (id, until) = (held.leased.id, held.since + LEASE);
        loop {
            let worker = &self.options.worker;
            match moves::record(&self.store, worker, held.token, id, &record).await {
                Ok(true) => return self.tell_move(&held.leased, &record),
                Ok(false) => {
                    Stats::add(&self.stats.stale, 1);
                    return tracing::warn!(%id, "the lease of a movement of money was lost; nothing is recorded of it");
                }
                Err(error) if self.clock.now() < until && !error.is_of_one_row() => {
                    self.fault("record_move", &error);
                    let chance = Duration::from_millis(50 + self.chance.number() % 200);
                    tokio::time::sleep(chance).await;
                }
                Err(error) => {
                    self.fault("record_move", &error);
                    self.leave_leased(until);
                    return tracing::error!(%id, "a movement of money could not be recorded before its lease ended");
                }
            }
        }
    }

    /// Counts what became of a movement, and says it to whoever reads the log.
    fn tell_move(&self, leased: &Leased, record: &Record) {
        let (order, kind) = (leased.order_id, leased.due.kind.name());
        let (amount_minor, code) = (leased.due.amount_minor, record.code.as_deref());
        match record.state {
            State::Done => {
                Stats::add(&self.stats.moved, 1);
                tracing::info!(%order, kind, amount_minor, "money of order {order} was moved");
            }
            State::Accepted if leased.due.state != State::Accepted => {
                Stats::add(&self.stats.move_accepted, 1);
            }
            State::Refused | State::Failed => {
                let failed = record.state == State::Failed;
                let counter =
                    if failed { &self.stats.move_failed } else { &self.stats.move_refused };
                Stats::add(counter, 1);
                tracing::warn!(%order, kind, amount_minor, code, "money of order {order} was not moved");
            }
            State::Withdrawn => {
                tracing::info!(%order, kind, "money of order {order} need not be moved any more");
            }
            State::Open | State::Unknown | State::Accepted => {}
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

/// What Stripe made difficult, if it told nothing about any movement of a turn.
fn trouble_of(outcomes: &[Outcome]) -> Option<Trouble> {
    let mut trouble = None;
    for outcome in outcomes {
        match outcome {
            Outcome::Heard => return None,
            // A refusal of us says more than a lost answer beside it.
            Outcome::Vain(one) if !matches!(trouble, Some(Trouble::Refused(_))) => {
                trouble = Some(*one);
            }
            Outcome::Vain(_) | Outcome::Left => {}
        }
    }
    trouble
}

/// The status with which our key was refused for some movement, whatever became of the others.
fn refusal_of(outcomes: &[Outcome]) -> Option<u16> {
    outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Vain(Trouble::Refused(status)) => Some(*status),
        _ => None,
    })
}

/// Reads what decides about a movement. The refunds after the payment, so that one that is made in
/// between is among them.
async fn look(stripe: &stripe::Client, leased: &Leased) -> Result<Seen, PaymentError> {
    let payment = stripe.payment_itself(&leased.payment_intent).await?;
    let refunds = match leased.due.kind {
        Kind::Refund => stripe.refunds_of(&leased.payment_intent).await?,
        Kind::Capture | Kind::Cancel => Vec::new(),
    };
    let refunds = refunds.into_iter().map(|refund| SeenRefund {
        id: refund.id,
        status: refund.status,
        amount_minor: refund.amount,
        refund_id: refund.metadata_refund_id,
    });
    Ok(Seen {
        ours: payment.metadata_order_id.as_deref() == Some(leased.order_id.to_string().as_str()),
        payment_intent: payment.id,
        status: payment.status,
        received_minor: payment.amount_received,
        capturable_minor: payment.amount_capturable,
        refunds: refunds.collect(),
    })
}

/// The bytes of a movement that has none yet.
fn prepared(leased: &Leased) -> Prepared {
    let (intent, amount) = (&leased.payment_intent, leased.due.amount_minor);
    match leased.due.kind {
        Kind::Capture => capture_request(intent, amount),
        Kind::Cancel if leased.cause == "unpaid_too_long" => {
            cancel_request(intent, CancelReason::Abandoned)
        }
        Kind::Cancel => cancel_request(intent, CancelReason::RequestedByCustomer),
        Kind::Refund => {
            refund_request(intent, amount, RefundReason::RequestedByCustomer, &leased.due.id)
        }
    }
}

/// Stripe's answer in the words of the rules.
fn in_our_words(answer: ActAnswer) -> Answer {
    match answer {
        ActAnswer::Done(acted) => Answer::Done {
            stripe_id: acted.id,
            status: acted.status,
            amount_minor: acted.amount_minor,
        },
        ActAnswer::Refused { code, .. } => Answer::Refused { code },
        ActAnswer::Bug { code } => Answer::Bug { code },
        ActAnswer::Barred(status) => Answer::Barred(status),
        // That the same call will not do better, too, is for the next look.
        ActAnswer::Unknown { doubt, retry_after, replayed, .. } => {
            Answer::Unknown { doubt: doubt.name(), retry_after, replayed }
        }
        // A row that can never be sent.
        ActAnswer::NotSent(code @ ("request_not_ours" | "key_not_usable")) => {
            Answer::Bug { code: code.to_owned() }
        }
        ActAnswer::NotSent(why) => Answer::NotSent(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_our_key_is_seen_whatever_became_of_the_others() {
        let refused = || Outcome::Vain(Trouble::Refused(403));
        assert_eq!(refusal_of(&[Outcome::Heard, refused(), Outcome::Left]), Some(403));
        assert_eq!(refusal_of(&[Outcome::Heard, Outcome::Vain(Trouble::Silent)]), None);
        assert_eq!(trouble_of(&[Outcome::Heard, refused()]), None, "the others go on");
        assert_eq!(trouble_of(&[Outcome::Left, refused()]), Some(Trouble::Refused(403)));
    }
}
