//! Orders that the provider has: polled until the retailer took them, delivered them or failed.

use super::Engine;
use super::stats::Stats;
use futures_util::{StreamExt, stream};
use orders_core::gate::Point;
use orders_core::money::Currency;
use orders_core::outcome::Reading;
use orders_core::plan::reading::{Watched, after_reading};
use orders_core::state::Status;
use orders_store::record::Recorded;
use orders_store::watch::{DueWatch, StepOf, due, steps};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The most orders of one turn.
const BATCH: usize = 200;
/// The most reads at once.
const READS_MAX: usize = 16;
/// How often in a row the provider must answer about another order before a person is called.
const ASKED_AGAIN: usize = 3;

impl Engine {
    /// Watches until the stop.
    pub(crate) async fn watch_all(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match due(&self.store, BATCH).await {
                Ok(orders) if orders.is_empty() => {
                    Self::pause(self.options.idle.max(Duration::from_millis(200)), &stop).await;
                }
                Ok(orders) => self.watch(orders, &stop).await,
                Err(error) => {
                    self.fault("watch", &error);
                    Self::pause(Duration::from_secs(1), &stop).await;
                }
            }
        }
    }

    async fn watch(&self, orders: Vec<DueWatch>, stop: &CancellationToken) {
        self.gate.pass(Point::LookupStarted);
        let reading = stream::iter(orders)
            .map(|order| self.read_one(order))
            .buffer_unordered(READS_MAX)
            .filter_map(std::future::ready)
            .collect();
        // Reading changes nothing, so a stop does not wait for it.
        let found: Vec<StepOf> = tokio::select! {
            found = reading => found,
            () = stop.cancelled() => return,
        };
        if found.is_empty() {
            return;
        }
        match steps(&self.store, &self.options.worker, &found).await {
            // A row that changed meanwhile is stale and will be read again.
            Ok(results) => {
                for (one, recorded) in found.iter().zip(results) {
                    if let Recorded::Refused(reason) = recorded {
                        Stats::add(&self.stats.faults, 1);
                        tracing::error!(order = %one.order_id, reason, "the database refused what was read");
                    }
                }
            }
            Err(error) => self.fault("watch", &error),
        }
    }

    async fn read_one(&self, order: DueWatch) -> Option<StepOf> {
        Stats::add(&self.stats.read, 1);
        let attempt_id = order.attempt_id.unwrap_or(Uuid::nil());
        let mut reading = self.provider.read(&order.request_id, attempt_id).await;
        for _ in 1..ASKED_AGAIN {
            // One answer about another order may be a slip of the provider's; a person is called
            // only when it insists.
            if reading != Reading::OtherOrder {
                break;
            }
            reading = self.provider.read(&order.request_id, attempt_id).await;
        }
        let watched = Watched {
            status: Status::parse(&order.status)?,
            generation: order.generation.unsigned_abs(),
            currency: Currency::parse(&order.currency)?,
            complete_on: self.settings.complete_on,
            poll: self.settings.poll,
        };
        let step = after_reading(reading, watched, &self.settings.limits, self.chance.number())?;
        Some(StepOf { order_id: order.order_id, version: order.version, step })
    }
}
