//! The engine: claim, send, classify, record; and the loops that look after what was left behind.
//!
//! Promise: no transaction is open while anything outside is awaited; every claim is committed with
//! its intent before the first byte, and recorded behind its fence; any number of engines may run
//! side by side and none is a leader. // G14
//!
//! Reading order: [`submit`] (one order's way to the provider), [`record`] (answers, many at a
//! time), [`recover`] (what others left), [`watch`] (what the provider has), [`look_up`] (what the
//! provider may have), [`pay`] (what waits for its payment), [`stop`](Engine::run) at the end.

pub mod chance;
pub mod look_up;
pub mod pay;
pub mod record;
pub mod recover;
pub mod stats;
pub mod submit;
pub mod watch;

use crate::engine::chance::Chance;
use crate::engine::stats::Stats;
use orders_core::gate::Gate;
use orders_core::lease::{Times, UnsafeTimes};
use orders_core::order::Retailer;
use orders_gateway::http::BootClock;
use orders_gateway::provider::Provider;
use orders_gateway::stripe;
use orders_store::settings::Settings;
use orders_store::{Store, schema, settings};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// How long calls under way may go on after a stop was asked for; then they are cut and recorded as
/// unknown. Together with the last flush this stays within 25 seconds. // G43
pub const STOP_GRACE: Duration = Duration::from_secs(15);
/// The limit of the whole stop.
pub const STOP_LIMIT: Duration = Duration::from_secs(25);

/// How an engine works.
#[derive(Debug, Clone)]
pub struct Options {
    /// The worker's name in the history.
    pub worker: String,
    /// Lease and call limit.
    pub times: Times,
    /// The most calls to the provider at once.
    pub in_flight_max: usize,
    /// The most orders of one claim.
    pub batch_max: usize,
    /// How long to wait when nothing is due; a hint (a new order placed here) cuts it short.
    pub idle: Duration,
    /// Whether payments must be of Stripe's live mode.
    pub live_mode: bool,
    /// How often the provider's list is searched for unknown outcomes.
    pub look_up_every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            worker: "engine".into(),
            times: Times { lease: Duration::from_secs(60), call: Duration::from_secs(30) },
            in_flight_max: 64,
            batch_max: 200,
            idle: Duration::from_millis(250),
            live_mode: false,
            look_up_every: Duration::from_secs(60),
        }
    }
}

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum CannotStart {
    /// The times could let two workers run side by side.
    #[error(transparent)]
    Times(#[from] UnsafeTimes),
    /// The database is not fit, or cannot be reached.
    #[error(transparent)]
    Store(#[from] orders_store::Error),
}

/// One engine.
pub struct Engine {
    /// The shop's database.
    pub store: Store,
    /// Whoever buys.
    pub provider: Arc<Provider>,
    /// Where payments are read; without it, orders wait for another engine to read theirs.
    pub stripe: Option<Arc<stripe::Client>>,
    /// The shop's settings.
    pub settings: Settings,
    /// How it works.
    pub options: Options,
    /// What it did.
    pub stats: Arc<Stats>,
    gate: Arc<dyn Gate>,
    clock: Arc<dyn BootClock>,
    chance: Chance,
    permits: Arc<Semaphore>,
    wake: tokio::sync::Notify,
    answers: mpsc::Sender<record::Answered>,
    inbox: std::sync::Mutex<Option<mpsc::Receiver<record::Answered>>>,
}

/// What an engine is made of.
pub struct Parts {
    /// The shop's database.
    pub store: Store,
    /// Whoever buys.
    pub provider: Arc<Provider>,
    /// Where payments are read.
    pub stripe: Option<Arc<stripe::Client>>,
    /// Told of every crash point; production passes `Open`.
    pub gate: Arc<dyn Gate>,
    /// The clock of the machine that counts suspended time too.
    pub clock: Arc<dyn BootClock>,
    /// Where pauses and tokens come from.
    pub chance: Chance,
}

impl Engine {
    /// Checks the ground and the times; refuses with a sentence. // A3, G21
    pub async fn prepare(parts: Parts, options: Options) -> Result<Arc<Self>, CannotStart> {
        options.times.check()?;
        schema::check_ground(&parts.store).await?;
        let settings = settings::read(&parts.store).await?;
        let (answers, inbox) = mpsc::channel(options.in_flight_max.max(1) * 2);
        Ok(Arc::new(Self {
            permits: Arc::new(Semaphore::new(options.in_flight_max.max(1))),
            stats: Arc::new(Stats::default()),
            wake: tokio::sync::Notify::new(),
            inbox: std::sync::Mutex::new(Some(inbox)),
            store: parts.store,
            provider: parts.provider,
            stripe: parts.stripe,
            gate: parts.gate,
            clock: parts.clock,
            chance: parts.chance,
            settings,
            options,
            answers,
        }))
    }

    /// A hint that something may be due; polling is the truth.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Runs until `stop`, then ends within [`STOP_LIMIT`]: nothing stays leased. // G43
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let cut = CancellationToken::new();
        let recorder = tokio::spawn(Arc::clone(&self).record_answers());
        let loops = [
            tokio::spawn(Arc::clone(&self).submit_due(stop.clone(), cut.clone())),
            tokio::spawn(Arc::clone(&self).recover_all(stop.clone())),
            tokio::spawn(Arc::clone(&self).watch_all(stop.clone())),
            tokio::spawn(Arc::clone(&self).read_payments(stop.clone())),
            tokio::spawn(Arc::clone(&self).look_up_unknown(stop.clone())),
        ];
        stop.cancelled().await;
        let grace = async {
            for one in loops {
                // A loop that panicked has said so; the others still have to end well.
                let _ = one.await;
            }
            self.wait_for_calls().await;
        };
        if tokio::time::timeout(STOP_GRACE, grace).await.is_err() {
            cut.cancel();
            let _ = tokio::time::timeout(Duration::from_secs(2), self.wait_for_calls()).await;
        }
        self.end_recorder(recorder).await;
        self.beat(true).await;
    }

    /// Records the answers of calls that others ask for with [`Engine::submit_one`], and does
    /// nothing by itself; for a server beside engines that run elsewhere. // G43
    pub async fn run_on_demand(self: Arc<Self>, stop: CancellationToken) {
        let recorder = tokio::spawn(Arc::clone(&self).record_answers());
        stop.cancelled().await;
        // What is cut off here is unknown: its lease ends, and an engine repeats the same bytes.
        let _ = tokio::time::timeout(STOP_GRACE, self.wait_for_calls()).await;
        self.end_recorder(recorder).await;
    }

    async fn end_recorder(&self, recorder: tokio::task::JoinHandle<()>) {
        let _ = self.answers.send(record::Answered::Last).await;
        if tokio::time::timeout(Duration::from_secs(6), recorder).await.is_err() {
            tracing::error!("answers could not be recorded before the stop; their leases will end");
        }
    }

    /// Waits until every call has handed its answer to the recorder.
    async fn wait_for_calls(&self) {
        let all = u32::try_from(self.options.in_flight_max.max(1)).unwrap_or(u32::MAX);
        let _ = self.permits.acquire_many(all).await;
    }

    /// Waits for a while, or until the stop.
    pub(crate) async fn pause(length: Duration, stop: &CancellationToken) {
        tokio::select! {
            () = tokio::time::sleep(length) => {}
            () = stop.cancelled() => {}
        }
    }

    /// The retailer of an order, if the program knows it.
    pub(crate) fn retailer(name: &str) -> Option<Retailer> {
        Retailer::parse(name)
    }
}
