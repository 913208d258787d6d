//! One turn of each loop by itself, for whoever drives an engine by hand instead of running it: a
//! simulation, which must know what happens next.
//!
//! Promise: a step does what one turn of its loop does, with as many things at once as it is told, and
//! does not rest: how long the loop would have rested is the driver's business.

use super::look_up::Rounds;
use super::pace::Pace;
use super::watch::Memory;
use super::{Engine, record};
use orders_core::gate::Point;
use orders_store::payment::due;
use orders_store::{Error, recovery, watch};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

impl Engine {
    /// Claims what is due, at most so many and without asking Stripe before, sends it and waits until it
    /// is recorded.
    pub async fn submit_some(self: &Arc<Self>, most: usize) -> Result<Vec<record::Ended>, Error> {
        let mut permits = Vec::new();
        while permits.len() < most
            && let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned()
        {
            permits.push(permit);
        }
        if permits.is_empty() || self.stopping.load(Ordering::SeqCst) {
            return Ok(Vec::new());
        }
        let boot = self.clock.now();
        let claims = self.claim(permits.len(), None).await?;
        let mut sent = Vec::new();
        for (claimed, permit) in claims.into_iter().zip(permits) {
            let (tell, told) = oneshot::channel();
            tokio::spawn(Arc::clone(self).send(claimed, boot, permit, Some(tell)));
            sent.push(told);
        }
        let mut ended = Vec::new();
        for told in sent {
            ended.extend(told.await.ok());
        }
        Ok(ended)
    }

    /// Reads payments that are due, at most so many; gives how many were taken.
    pub async fn read_some_payments(&self, most: usize) -> Result<usize, Error> {
        let Some(stripe) = self.stripe.clone() else { return Ok(0) };
        let payments = due(&self.store, most).await?;
        let taken = payments.len();
        if taken > 0 {
            let mut pace = Pace::new(self.settings.gate_age);
            self.read_batch(&stripe, payments, &mut pace, &CancellationToken::new()).await;
        }
        Ok(taken)
    }

    /// Compares the books if the shop waits for that, as a running engine does at once.
    pub async fn compare_if_held(&self) -> Result<(), Error> {
        if self.trust.is_held() {
            self.reconcile_if_due().await?;
        }
        Ok(())
    }

    /// Recovers what was left behind, touches what waits, and says that it lives.
    pub async fn recover_once(&self) {
        self.gate.pass(Point::RecoveryStarted);
        self.recover_ended().await;
        self.touch_waiting().await;
        self.beat(false).await;
    }

    /// Reads accepted orders that are due, at most so many; gives how many were taken.
    pub async fn watch_some(&self, most: usize, memory: &mut Memory) -> Result<usize, Error> {
        let orders = watch::due(&self.store, most).await?;
        let taken = orders.len();
        if taken > 0 {
            self.watch(orders, memory, &CancellationToken::new()).await;
        }
        Ok(taken)
    }

    /// Searches the provider's list for unknown outcomes, from its beginning.
    pub async fn look_up_once(&self) -> Result<(), Error> {
        let unknown = recovery::unknown_attempts(&self.store).await?;
        self.search(&mut Rounds::default(), &unknown).await;
        Ok(())
    }

    /// Intends the captures and the ends of unpaid orders that nobody asks for.
    pub async fn intend_moves(&self) {
        self.sweep().await;
    }

    /// Brings movements of money on, at most so many; gives how many were taken.
    pub async fn move_some(&self, most: usize) -> Result<usize, Error> {
        let Some(stripe) = self.stripe.clone() else { return Ok(0) };
        Ok(self.move_batch(&stripe, most, 0).await?.len())
    }
}
