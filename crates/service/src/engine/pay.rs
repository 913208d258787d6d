//! Orders that wait for their payment: read at Stripe, judged on the facts, released or held. // G2

use super::Engine;
use super::stats::Stats;
use futures_util::{StreamExt, stream};
use orders_core::payment::PaymentFacts;
use orders_gateway::stripe;
use orders_store::payment::{DuePayment, ReadPayment, due, record};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The most payments of one turn.
const BATCH: usize = 100;
/// The most reads at once.
const READS_MAX: usize = 8;

impl Engine {
    /// Reads payments until the stop.
    pub(crate) async fn read_payments(self: Arc<Self>, stop: CancellationToken) {
        let Some(stripe) = self.stripe.clone() else { return };
        while !stop.is_cancelled() {
            match due(&self.store, BATCH).await {
                Ok(payments) if payments.is_empty() => {
                    Self::pause(self.options.idle.max(Duration::from_millis(200)), &stop).await;
                }
                Ok(payments) => self.read_batch(&stripe, payments, &stop).await,
                Err(error) => {
                    self.fault("pay", &error);
                    Self::pause(Duration::from_secs(1), &stop).await;
                }
            }
        }
    }

    async fn read_batch(
        &self,
        stripe: &stripe::Client,
        payments: Vec<DuePayment>,
        stop: &CancellationToken,
    ) {
        let reading = stream::iter(payments)
            .map(|due| async move {
                let facts = stripe.payment(&due.payment_intent).await;
                (due, facts)
            })
            .buffer_unordered(READS_MAX)
            .filter_map(|(due, facts)| async move {
                // What could not be read is read again at its next time.
                facts.ok().map(|facts| ReadPayment { due, facts: judged(facts) })
            })
            .collect();
        // Reading changes nothing, so a stop does not wait for it.
        let read: Vec<ReadPayment> = tokio::select! {
            read = reading => read,
            () = stop.cancelled() => return,
        };
        if read.is_empty() {
            return;
        }
        match record(&self.store, &self.options.worker, self.options.live_mode, &read).await {
            Ok((paid, mismatched)) => {
                Stats::add(&self.stats.paid, paid);
                Stats::add(&self.stats.mismatched, mismatched);
                if paid > 0 {
                    self.wake();
                }
            }
            Err(error) => self.fault("pay", &error),
        }
    }
}

/// Stripe's facts in the words of the rules.
fn judged(facts: stripe::PaymentFacts) -> PaymentFacts {
    PaymentFacts {
        status: facts.status,
        received_minor: facts.amount_received,
        currency: facts.currency,
        livemode: facts.livemode,
        order_id: facts.metadata_order_id.and_then(|id| id.parse().ok()),
        spoiled: facts.refunded || facts.amount_refunded != 0 || facts.disputed,
    }
}
