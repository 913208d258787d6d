//! The engine: claim, send, classify, record; and the loops that look after what was left behind.
//!
//! Promise: no transaction is open while anything outside is awaited; every claim is committed with
//! its intent before the first byte, and recorded behind its fence; any number of engines may run
//! side by side and none is a leader. // G14
//!
//! Reading order: [`submit`] (one order's way to the provider), [`record`] (answers, many at a
//! time), [`recover`] (what others left), [`watch`] (what the provider has), [`look_up`] (what the
//! provider may have), [`pay`] (what waits for its payment, as fast as `pace` allows), [`events`]
//! (what Stripe sends word of), [`missed`] (what it sent in vain), [`moves`] (money), [`reconcile`]
//! (what does not agree), `heads` (what a log must keep), `standing` (whether the database can be
//! trusted), [`stop`](Engine::run) at the end; [`step`] for whoever drives it by hand.

pub mod chance;
pub mod events;
mod heads;
pub mod look_up;
pub mod missed;
pub mod moves;
mod pace;
pub mod pay;
pub mod reconcile;
pub mod record;
pub mod recover;
mod standing;
pub mod stats;
pub mod step;
pub mod submit;
pub mod watch;

use crate::engine::chance::Chance;
use crate::engine::stats::Stats;
use futures_util::FutureExt as _;
use orders_core::clock::{DatabaseClock, JUMP_MIN};
use orders_core::gate::Gate;
use orders_core::lease::{Times, UnsafeTimes};
use orders_core::plan::trouble::Trouble;
use orders_gateway::http::BootClock;
use orders_gateway::provider::Provider;
use orders_gateway::stripe;
use orders_store::settings::Settings;
use orders_store::{Store, account, schema, settings, shop};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long calls under way may go on after a stop was asked for; then they are cut and recorded as
/// unknown. Together with the last flush this stays within 25 seconds. // G43
pub const STOP_GRACE: Duration = Duration::from_secs(15);
/// The limit of the whole stop.
pub const STOP_LIMIT: Duration = Duration::from_secs(25);
/// How long the last answers may take to be recorded.
const LAST_RECORDS: Duration = Duration::from_secs(6);

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
    /// A person says that the provider's account is the former one with another token or address.
    pub same_account: bool,
    /// How often Stripe's list of messages is read.
    pub missed_every: Duration,
    /// The shop's account at Stripe, where messages name one.
    pub own_account: Option<String>,
    /// How far the database's clock may be ahead of the engine's own before it counts as jumped.
    pub jump_min: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            worker: "engine".into(),
            times: Times { lease: Duration::from_mins(1), call: Duration::from_secs(30) },
            in_flight_max: 64,
            batch_max: 200,
            idle: Duration::from_millis(250),
            live_mode: false,
            look_up_every: Duration::from_mins(1),
            same_account: false,
            missed_every: missed::EVERY,
            own_account: None,
            jump_min: JUMP_MIN,
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
    /// Orders are open that were sent with another account. // A1
    #[error("{0}")]
    AnotherAccount(String),
}

/// How an engine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Stopped {
    /// Every answer was recorded: nothing stays leased of what this engine sent.
    AllRecorded,
    /// Some call or answer could not be recorded in time: its order stays leased until the lease ends,
    /// and then another engine takes it over.
    LeasesLeft,
}

impl Stopped {
    /// Says it to whoever reads the log.
    pub fn tell(self) {
        match self {
            Self::AllRecorded => tracing::info!("the engine stopped; every answer is recorded"),
            Self::LeasesLeft => tracing::warn!(
                "the engine stopped before every answer was recorded; what stays leased is taken over when its lease ends"
            ),
        }
    }
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
    /// The mark of the provider's account; every claim names it.
    account: [u8; 32],
    gate: Arc<dyn Gate>,
    clock: Arc<dyn BootClock>,
    chance: Chance,
    permits: Arc<Semaphore>,
    /// Taken while money is being moved.
    moving: Semaphore,
    wake: tokio::sync::Notify,
    /// Told that a message of Stripe was stored.
    message: tokio::sync::Notify,
    answers: mpsc::Sender<record::Answered>,
    inbox: std::sync::Mutex<Option<mpsc::Receiver<record::Answered>>>,
    /// Cancelled when calls under way must end now.
    cut: CancellationToken,
    /// Set by the stop: nothing new is claimed.
    stopping: AtomicBool,
    /// On the boot clock, in milliseconds: until when an order may be leased whose answer was given up.
    leased_until_ms: AtomicU64,
    /// Whether the database can be trusted.
    trust: standing::Trust,
    /// Whether the account or the way to it is at fault; while it is, one order at a time tries
    /// whether it is over.
    trouble: std::sync::Mutex<Trouble>,
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
    /// Checks the ground, the times and the provider's account; refuses with a sentence. Asks whether the
    /// database can be trusted: until it was compared, nothing is claimed. // A1, A3, G21, G22
    pub async fn prepare(parts: Parts, options: Options) -> Result<Arc<Self>, CannotStart> {
        options.times.check()?;
        schema::check_ground(&parts.store).await?;
        Self::prepare_on_checked_ground(parts, options).await
    }

    /// The same for whoever has checked the ground and knows that nobody has changed it since: a
    /// simulation, whose engines die and are made again many times a second.
    pub async fn prepare_on_checked_ground(
        parts: Parts,
        options: Options,
    ) -> Result<Arc<Self>, CannotStart> {
        options.times.check()?;
        let settings = settings::read(&parts.store).await?;
        let mark = parts.provider.account_mark(&settings.shop_secret);
        let claim = account::claim(&parts.store, "zinc_v1", &mark, options.same_account).await?;
        if let account::Claim::Another(sentence) = claim {
            return Err(CannotStart::AnotherAccount(sentence));
        }
        let clock = DatabaseClock::unseen(
            options.times.lease * 2 + settings.processing_bound,
            options.jump_min,
        );
        let asked = parts.clock.now();
        let standing = shop::begin_work(&parts.store, &options.worker).await?;
        // A warning that must hold an order is asked for, whoever made the client. // G2
        let stripe = parts.stripe.map(|client| {
            Arc::new(client.as_ref().clone().reading_warnings(settings.hold_on_fraud_signs))
        });
        let (answers, inbox) = mpsc::channel(options.in_flight_max.max(1) * 2);
        Ok(Arc::new(Self {
            permits: Arc::new(Semaphore::new(options.in_flight_max.max(1))),
            moving: Semaphore::new(1),
            stats: Arc::new(Stats::default()),
            wake: tokio::sync::Notify::new(),
            message: tokio::sync::Notify::new(),
            inbox: std::sync::Mutex::new(Some(inbox)),
            cut: CancellationToken::new(),
            stopping: AtomicBool::new(false),
            leased_until_ms: AtomicU64::new(0),
            trust: standing::Trust::of(&standing, clock, asked),
            trouble: std::sync::Mutex::default(),
            store: parts.store,
            provider: parts.provider,
            account: mark,
            stripe,
            gate: parts.gate,
            clock: parts.clock,
            chance: parts.chance,
            settings,
            options,
            answers,
        }))
    }

    /// Whether a call to the provider or a movement of money is under way, or its answer not recorded.
    pub fn is_busy(&self) -> bool {
        self.permits.available_permits() < self.options.in_flight_max.max(1)
            || self.moving.available_permits() == 0
    }

    /// A hint that something may be due; polling is the truth.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Runs until `stop`, then ends within [`STOP_LIMIT`]: nothing stays leased that could be recorded,
    /// and it says whether all could. // G43
    pub async fn run(self: Arc<Self>, stop: CancellationToken) -> Stopped {
        let recorder = tokio::spawn(Arc::clone(&self).record_answers());
        let loops = [
            self.kept("submit", &stop, Self::submit_due),
            self.kept("recover", &stop, Self::recover_all),
            self.kept("watch", &stop, Self::watch_all),
            self.kept("pay", &stop, Self::read_payments),
            self.kept("events", &stop, Self::follow_events),
            self.kept("missed", &stop, Self::read_missed),
            self.kept("moves", &stop, Self::move_money),
            self.kept("look_up", &stop, Self::look_up_unknown),
            self.kept("reconcile", &stop, Self::reconcile_hourly),
        ];
        stop.cancelled().await;
        self.stopping.store(true, Ordering::SeqCst);
        let grace = async {
            for one in loops {
                // A loop that panicked has said so and began again; here they all end.
                let _ = one.await;
            }
            self.wait_for_calls().await;
        };
        let stopped = self.end(grace, recorder).await;
        // For people only; a database that is away must not lengthen the stop.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.beat(true)).await;
        stopped
    }

    /// Records the answers of calls that others ask for with [`Engine::submit_one`], and does
    /// nothing by itself; for a server beside engines that run elsewhere. // G43
    pub async fn run_on_demand(self: Arc<Self>, stop: CancellationToken) -> Stopped {
        let recorder = tokio::spawn(Arc::clone(&self).record_answers());
        self.keep_beating(&stop).await;
        self.stopping.store(true, Ordering::SeqCst);
        self.end(self.wait_for_calls(), recorder).await
    }

    /// Ends the calls under way, then the recorder.
    async fn end(&self, ended: impl Future<Output = ()>, recorder: JoinHandle<()>) -> Stopped {
        let begun = self.clock.now();
        let calls = self.end_calls(ended).await;
        let answers = self.end_recorder(recorder).await;
        // An answer that was given up before has no lease any more, if that ended before the stop.
        let given_up = Duration::from_millis(self.leased_until_ms.load(Ordering::SeqCst)) >= begun;
        if calls && answers && !given_up { Stopped::AllRecorded } else { Stopped::LeasesLeft }
    }

    /// Lets calls under way end by themselves for a while; then they are cut, and are unknown. Whether
    /// all have handed their answers over.
    async fn end_calls(&self, ended: impl Future<Output = ()>) -> bool {
        if tokio::time::timeout(STOP_GRACE, ended).await.is_ok() {
            return true;
        }
        self.cut.cancel();
        let all = async {
            self.wait_for_calls().await;
            // Never closed, so the only result is that no money is being moved.
            let _ = self.moving.acquire().await;
        };
        tokio::time::timeout(Duration::from_secs(2), all).await.is_ok()
    }

    /// Whether it has recorded what it was given.
    async fn end_recorder(&self, recorder: JoinHandle<()>) -> bool {
        let ended = async {
            // Waits while the recorder cannot keep up, so it stands under the same limit.
            let _ = self.answers.send(record::Answered::Last).await;
            recorder.await
        };
        let in_time = matches!(tokio::time::timeout(LAST_RECORDS, ended).await, Ok(Ok(())));
        if !in_time {
            tracing::error!("answers could not be recorded before the stop; their leases will end");
        }
        in_time
    }

    /// Keeps in mind that an order may stay leased until then, because its answer was given up.
    pub(crate) fn leave_leased(&self, until: Duration) {
        let ms = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        self.leased_until_ms.fetch_max(ms, Ordering::SeqCst);
    }

    /// Runs a loop until the stop; one that panics begins again, because an engine without it would
    /// look alive and leave its orders to nobody. // B5
    fn kept<F>(
        self: &Arc<Self>,
        which: &'static str,
        stop: &CancellationToken,
        one: fn(Arc<Self>, CancellationToken) -> F,
    ) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (engine, stop) = (Arc::clone(self), stop.clone());
        tokio::spawn(async move {
            loop {
                let run = one(Arc::clone(&engine), stop.clone());
                if AssertUnwindSafe(run).catch_unwind().await.is_ok() || stop.is_cancelled() {
                    return;
                }
                Stats::add(&engine.stats.faults, 1);
                tracing::error!(which, "a loop of the engine panicked and begins again");
                Self::pause(Duration::from_secs(1), &stop).await;
            }
        })
    }

    /// Waits until every call has handed its answer to the recorder.
    async fn wait_for_calls(&self) {
        let all = u32::try_from(self.options.in_flight_max.max(1)).unwrap_or(u32::MAX);
        // Never closed, so the only result is that nothing is under way.
        let _ = self.permits.acquire_many(all).await;
    }

    /// Waits for a while, or until the stop.
    pub(crate) async fn pause(length: Duration, stop: &CancellationToken) {
        tokio::select! {
            () = tokio::time::sleep(length) => {}
            () = stop.cancelled() => {}
        }
    }
}
