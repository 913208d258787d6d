//! One order's way to the provider: claim with intent, one call, the answer to the recorder.
//!
//! Promise: each claim leads to at most one call, of the committed bytes; the call ends by its hard
//! deadline, and no byte of it is written after that deadline. // G3, G4, G16

use super::record::Answered;
use super::stats::Stats;
use super::{Engine, record};
use orders_core::attempt::Purchase;
use orders_core::gate::Point;
use orders_core::id;
use orders_core::order::Retailer;
use orders_core::outcome::{Answer, Doubt};
use orders_core::plan::{Intent, Sent, before_send};
use orders_gateway::provider::CallLimits;
use orders_store::Error;
use orders_store::claim::{ClaimOptions, Claimed, DueOrder, Plan, Planned, claim};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::error::SendError;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long a claim waits for more calls to end, while fewer than half of them have.
const GATHER: Duration = Duration::from_millis(2);

impl Engine {
    /// Claims and sends what is due, until the stop.
    pub(crate) async fn submit_due(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let permit = tokio::select! {
                permit = self.room() => permit,
                () = stop.cancelled() => return,
            };
            let Some(first) = permit else { return };
            let mut permits = vec![first];
            let most = if self.in_trouble() { 1 } else { self.options.batch_max };
            self.gather(&mut permits, most).await;
            // Read before the claim: a worker that is paused right after its commit must count the
            // pause as time of the call, or it would send when its lease is long gone. // A3
            let boot = self.clock.now();
            match self.claim(permits.len(), None).await {
                Ok(claims) if claims.is_empty() => {
                    drop(permits);
                    self.wait_for_work(&stop).await;
                }
                Ok(claims) => {
                    for (claimed, permit) in claims.into_iter().zip(permits) {
                        tokio::spawn(Arc::clone(&self).send(claimed, boot, permit, None));
                    }
                }
                Err(error) => {
                    drop(permits);
                    self.fault("submit", &error);
                    Self::pause(Duration::from_secs(1), &stop).await;
                }
            }
        }
    }

    /// Room for a call. In trouble there is room for one order at a time, which tries whether it is
    /// over, so that a fault of the account does not use up the tries of many orders.
    async fn room(&self) -> Option<OwnedSemaphorePermit> {
        if self.in_trouble() {
            self.wait_for_calls().await;
        }
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    /// Takes the room that there is. While calls are under way it waits a moment for more of them to
    /// end, because a claim of many orders costs little more than a claim of one.
    async fn gather(&self, permits: &mut Vec<OwnedSemaphorePermit>, most: usize) {
        let until = Instant::now() + GATHER;
        while permits.len() < most.min(self.options.in_flight_max / 2)
            && let Ok(Ok(permit)) =
                timeout_at(until, Arc::clone(&self.permits).acquire_owned()).await
        {
            permits.push(permit);
        }
        while permits.len() < most
            && let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned()
        {
            permits.push(permit);
        }
    }

    fn in_trouble(&self) -> bool {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).is_on()
    }

    async fn wait_for_work(&self, stop: &CancellationToken) {
        tokio::select! {
            () = tokio::time::sleep(self.options.idle) => {}
            () = self.wake.notified() => {}
            () = stop.cancelled() => {}
        }
    }

    /// Drives one order now; its payment is read first if what is known of it is too old for a claim.
    /// Nothing is returned when it cannot be claimed.
    pub async fn submit_one(self: &Arc<Self>, order: Uuid) -> Result<Option<record::Ended>, Error> {
        self.read_payment_of(order).await?;
        let permit =
            tokio::time::timeout(Duration::from_secs(2), Arc::clone(&self.permits).acquire_owned());
        let Ok(Ok(permit)) = permit.await else { return Ok(None) };
        // Looked at with the permit in hand: the stop waits for whoever has one.
        if self.stopping.load(Ordering::SeqCst) {
            return Ok(None);
        }
        let boot = self.clock.now();
        let Some(claimed) = self.claim(1, Some(order)).await?.pop() else { return Ok(None) };
        let (tell, told) = oneshot::channel();
        tokio::spawn(Arc::clone(self).send(claimed, boot, permit, Some(tell)));
        Ok(told.await.ok())
    }

    /// Claims up to `batch_max` orders, each with its committed intent.
    pub(super) async fn claim(
        &self,
        batch_max: usize,
        only: Option<Uuid>,
    ) -> Result<Vec<Claimed>, Error> {
        let facts = self.provider.facts();
        let options = ClaimOptions {
            provider: "zinc_v1".into(),
            account: Some(self.account),
            worker: self.options.worker.clone(),
            beats_seen: self.trust.beats_seen(),
            clock_at_most: self.trust.clock_at_most(self.clock.now()),
            token: self.chance.token(),
            lease: self.options.times.lease,
            call: self.options.times.call,
            key_life: facts.key_lifetime,
            batch_max,
            only,
        };
        let claims = claim(&self.store, options, self.plan(), Arc::clone(&self.gate)).await?;
        Stats::add(&self.stats.claimed, claims.len());
        Stats::add(&self.stats.repeated, claims.iter().filter(|one| one.calls > 1).count());
        if !claims.is_empty() {
            self.gate.pass(Point::IntentCommitted);
        }
        Ok(claims)
    }

    /// The pure plan of a locked order: what it sends, and the bytes when the attempt is new.
    fn plan(&self) -> Plan {
        let limits = self.settings.limits;
        let secret = self.settings.shop_secret.clone();
        let provider = Arc::clone(&self.provider);
        Arc::new(move |order: &DueOrder| match before_send(order.generation, order.open, &limits) {
            Intent::Repeat(generation) => Planned::Repeat { generation },
            Intent::Review(reason) => Planned::Review(reason.to_owned()),
            Intent::Leave => Planned::Leave,
            Intent::Open(generation) => {
                let attempt_id = id::attempt_id(&secret, order.id, generation);
                let provider_key = id::provider_key(&secret, order.id, generation);
                let Some(purchase) = purchase(order, attempt_id, provider_key) else {
                    return Planned::Review("retailer_unknown".to_owned());
                };
                match provider.request_bytes(&purchase) {
                    Ok(body) => Planned::Open { generation, attempt_id, provider_key, body },
                    Err(reason) => Planned::Review(
                        format!("cannot be sent: {reason}").chars().take(100).collect(),
                    ),
                }
            }
        })
    }

    /// Makes the one call of a claim and hands its answer to the recorder.
    pub(super) async fn send(
        self: Arc<Self>,
        claimed: Claimed,
        claimed_at: Duration,
        permit: OwnedSemaphorePermit,
        tell: Option<oneshot::Sender<record::Ended>>,
    ) {
        let answer = self.call(&claimed, claimed_at).await;
        self.gate.pass(Point::AnswerRead);
        let sent = Sent {
            generation: claimed.generation.unsigned_abs(),
            calls: claimed.calls,
            last_code: claimed.last_code,
        };
        let answered = Answered::Call(record::Call {
            order_id: claimed.order_id,
            token: claimed.token,
            sent,
            answer,
            record_until: claimed_at + self.options.times.lease,
            tell,
        });
        // The recorder outlives every call but one whose claim outlasted the stop: that one records
        // for itself, or its order would stay leased. // G43
        if let Err(SendError(Answered::Call(call))) = self.answers.send(answered).await {
            self.record_alone(call).await;
        }
        drop(permit);
    }

    async fn call(&self, claimed: &Claimed, claimed_at: Duration) -> Answer {
        if self.stopping.load(Ordering::SeqCst) {
            // The claim was under way when the stop was asked for: nothing of it has left.
            return Answer::NotSent { why: "stopped" };
        }
        // Both ends of the call are counted from the claim, on a clock that suspends do not stop:
        // a worker that wakes late finds the time over and writes nothing. // ruling 10
        let end = claimed_at + self.options.times.call;
        let left = end.saturating_sub(self.clock.now());
        let limits = CallLimits { send_until: end, total: left };
        Stats::add(&self.stats.sent, 1);
        tokio::select! {
            biased;
            () = self.cut.cancelled() => Answer::Unknown { doubt: Doubt::Stopped, retry_after: None },
            answer = self.provider.create(&claimed.body, limits, &*self.gate) => answer,
        }
    }

    /// Counts and logs a loop's error once.
    pub(crate) fn fault(&self, which: &'static str, error: &Error) {
        Stats::add(&self.stats.faults, 1);
        tracing::warn!(which, error = %error, "a turn of the loop failed and will be tried again");
    }
}

/// The purchase that an order asks for; nothing when the program does not know its retailer.
fn purchase(order: &DueOrder, attempt_id: Uuid, provider_key: Uuid) -> Option<Purchase> {
    Some(Purchase {
        order_id: order.id,
        attempt_id,
        provider_key,
        retailer: Retailer::parse(&order.retailer)?,
        items: order.items.clone(),
        price_cap_minor: order.price_cap_minor,
        shipping_method: order.shipping_method,
        is_gift: order.is_gift,
        gift_message: order.gift_message.clone(),
        recipient: order.recipient.clone(),
    })
}
