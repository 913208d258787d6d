//! Orders that the provider has: polled until the retailer took them, delivered them or failed.
//!
//! Promise: reading changes nothing at the provider; an order is moved only by an answer that speaks
//! of its own attempt (`confirm`); what cannot be read is told to a person when it goes on. // G9

mod confirm;

use super::Engine;
use super::stats::Stats;
use futures_util::{StreamExt, stream};
use orders_core::gate::Point;
use orders_core::money::Currency;
use orders_core::outcome::{Doubt, Reading};
use orders_core::plan::Pause;
use orders_core::plan::reading::{Next, Watched, after_reading, is_vain};
use orders_core::plan::trouble::Trouble;
use orders_core::state::Status;
use orders_store::record::Recorded;
use orders_store::watch::{DueWatch, StepOf, due, steps, tell};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The most orders of one turn.
const BATCH: usize = 200;
/// The most reads at once.
const READS_MAX: usize = 16;
/// How often in a row the provider must answer about another order before a person is called.
const ASKED_AGAIN: usize = 3;
/// The most orders of which it is remembered that their last readings said nothing usable.
const VAIN_MAX: usize = 10_000;

/// What this engine remembers between turns. Others remember their own, and a new engine begins
/// anew: what depends on it is when a person is called, never what is bought.
#[derive(Default)]
pub struct Memory {
    /// Readings in a row that said nothing usable, by order.
    vain: HashMap<Uuid, u32>,
    /// Turns in a row in which the provider let nobody read.
    trouble: Trouble,
}

/// An order with what was read of it.
type Seen = (DueWatch, Reading);

impl Engine {
    /// Watches until the stop.
    pub(crate) async fn watch_all(self: Arc<Self>, stop: CancellationToken) {
        let mut memory = Memory::default();
        while !stop.is_cancelled() {
            // In trouble one order tries whether it is over.
            let most = if memory.trouble.is_on() { 1 } else { BATCH };
            match due(&self.store, most).await {
                Ok(orders) if orders.is_empty() => {
                    Self::pause(self.options.idle.max(Duration::from_millis(200)), &stop).await;
                }
                Ok(orders) => {
                    if let Some(rest) = self.watch(orders, &mut memory, &stop).await {
                        Self::pause(rest, &stop).await;
                    }
                }
                Err(error) => {
                    self.fault("watch", &error);
                    Self::pause(Duration::from_secs(1), &stop).await;
                }
            }
        }
    }

    /// One turn; gives how long reading must rest now, when it must.
    pub(super) async fn watch(
        &self,
        orders: Vec<DueWatch>,
        memory: &mut Memory,
        stop: &CancellationToken,
    ) -> Option<Duration> {
        self.gate.pass(Point::LookupStarted);
        // Reading changes nothing, so a stop does not wait for it.
        let seen = tokio::select! {
            seen = self.read_all(orders) => seen,
            () = stop.cancelled() => return None,
        };
        let rest = self.trouble_of_reading(&seen, memory).await;
        let mut found = Vec::new();
        for (order, reading) in seen {
            let vain = memory.count(order.order_id, is_vain(&reading));
            let Some(watched) = self.watched(&order, vain) else { continue };
            let code = code_of(&reading);
            let limits = &self.settings.limits;
            let Next { step, notice, pause } =
                after_reading(reading, watched, limits, self.chance.number());
            if let Some(notice) = notice {
                let worker = &self.options.worker;
                let told = tell(&self.store, worker, order.order_id, &order.request_id, &notice);
                if let Err(error) = told.await {
                    self.fault("tell", &error);
                }
            }
            // A caller who is refused is the trouble of all readings, seen to above.
            if let (Some(pause), Some(step)) = (pause, &step) {
                self.pause_provider(pause, code.as_deref().unwrap_or(&step.zinc_status)).await;
            }
            found.extend(step.map(|step| StepOf {
                order_id: order.order_id,
                version: order.version,
                step,
            }));
        }
        self.record_steps(&found).await;
        rest
    }

    async fn record_steps(&self, found: &[StepOf]) {
        if found.is_empty() {
            return;
        }
        match steps(&self.store, &self.options.worker, found).await {
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

    async fn read_all(&self, orders: Vec<DueWatch>) -> Vec<Seen> {
        let barred = AtomicBool::new(false);
        let mut seen: Vec<Seen> = stream::iter(orders)
            .map(|order| self.read_one(order, &barred))
            .buffer_unordered(READS_MAX)
            .filter_map(std::future::ready)
            .collect()
            .await;
        self.confirm(&mut seen).await;
        seen
    }

    /// Reads one order; nothing once the provider has refused the caller, because the next answers
    /// would be the same.
    async fn read_one(&self, order: DueWatch, barred: &AtomicBool) -> Option<Seen> {
        if barred.load(Ordering::Relaxed) {
            return None;
        }
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
        if matches!(reading, Reading::Barred { .. }) {
            barred.store(true, Ordering::Relaxed);
        }
        Some((order, reading))
    }

    /// How long reading must rest, when the provider lets nobody read: it refuses the caller, asks
    /// us to slow down, or answers nobody at all. A person is told when it lasts.
    async fn trouble_of_reading(&self, seen: &[Seen], memory: &mut Memory) -> Option<Duration> {
        let limits = &self.settings.limits;
        let barred = seen.iter().find_map(|(_, reading)| match reading {
            Reading::Barred { code } => Some((Pause::of_set_up(limits.account_pause), &**code)),
            _ => None,
        });
        let slow_down = seen.iter().find_map(|(_, reading)| match reading {
            Reading::Nothing { doubt: doubt @ Doubt::TooManyRequests } => Some(doubt),
            _ => None,
        });
        let silent = || match seen {
            [(_, Reading::Nothing { doubt }), ..] if seen.iter().all(is_silent) => Some(doubt),
            _ => None,
        };
        let own = Pause::of_our_own(limits.repeat.first);
        let Some((pause, code)) =
            barred.or_else(|| slow_down.or_else(silent).map(|doubt| (own, doubt.name())))
        else {
            memory.trouble.end();
            return None;
        };
        let pause = memory.trouble.pause(pause, self.clock.now());
        if barred.is_some() {
            // The same token sends: submissions rest as long.
            self.pause_provider(pause, code).await;
        } else if pause.alarm {
            let told = Pause { length: Duration::ZERO, ..pause };
            self.pause_provider(told, &format!("reading: {code}")).await;
        }
        Some(pause.length)
    }

    /// Where an order stands; nothing when the program does not know its status or currency.
    fn watched(&self, order: &DueWatch, vain: u32) -> Option<Watched> {
        let age = order.first_sent_at.map(|first| order.read_at.duration_since(first));
        Some(Watched {
            status: Status::parse(&order.status)?,
            generation: order.generation.unsigned_abs(),
            currency: Currency::parse(&order.currency)?,
            price_cap_minor: order.price_cap_minor,
            complete_on: self.settings.complete_on,
            poll: self.settings.poll,
            age: age.and_then(|age| age.try_into().ok()).unwrap_or_default(),
            vain,
        })
    }
}

impl Memory {
    /// Readings in a row, with this one, that said nothing usable of an order.
    fn count(&mut self, order: Uuid, vain: bool) -> u32 {
        if !vain {
            self.vain.remove(&order);
            return 0;
        }
        // Orders that others have moved on stay here; forgetting all only delays a call.
        if self.vain.len() >= VAIN_MAX {
            self.vain.clear();
        }
        let count = self.vain.entry(order).or_default();
        *count = count.saturating_add(1);
        *count
    }
}

/// The code that a failure states.
fn code_of(reading: &Reading) -> Option<String> {
    match reading {
        Reading::Failed(refusal, _) => Some(refusal.code.clone()),
        _ => None,
    }
}

/// Whether the provider did not answer a read.
fn is_silent((_, reading): &Seen) -> bool {
    matches!(reading, Reading::Nothing { doubt } if !doubt.is_odd())
}
