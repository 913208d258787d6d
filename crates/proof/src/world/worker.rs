//! Engines in this process.

use super::{Shop, next};
use orders_core::gate::{Gate, Open, Point};
use orders_core::lease::Times;
use orders_core::order::Retailer;
use orders_core::private::Private;
use orders_gateway::http::{Base, BootClock, Client, SystemBootClock};
use orders_gateway::provider::Provider;
use orders_gateway::{stripe, zinc_v1};
use orders_service::engine::chance::Chance;
use orders_service::engine::{CannotStart, Engine, Options, Parts, Stopped};
use orders_store::Store;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How an engine of these tests is made.
pub struct Setup {
    /// How it works.
    pub options: Options,
    /// Who is told of its crash points.
    pub gate: Arc<dyn Gate>,
    /// Its clock.
    pub clock: Arc<dyn BootClock>,
    /// Its token at the provider.
    pub token: String,
    /// Whether its provider is where nobody listens.
    pub deaf: bool,
    /// Another store than the shop's.
    pub store: Option<Store>,
    /// Another way to the partners than straight on.
    pub partners: Option<String>,
    /// Where the provider's account is, when the way there does not say it.
    pub account_at: Option<&'static str>,
    /// Whether it looks at the ground first that it stands on.
    pub looks_at_ground: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            options: Options {
                worker: format!("w{}", next()),
                times: Times { lease: Duration::from_secs(12), call: Duration::from_millis(1500) },
                in_flight_max: 16,
                batch_max: 16,
                idle: Duration::from_millis(20),
                live_mode: false,
                // So that what is repeated is not found first; the look-up has tests of its own.
                look_up_every: Duration::from_hours(1),
                same_account: false,
                // Nobody waits for messages that were lost; they have tests of their own.
                missed_every: Duration::from_hours(1),
                own_account: None,
                // The clocks of these worlds are put forward again and again.
                jump_min: Duration::from_hours(1_000_000),
            },
            gate: Arc::new(Open),
            clock: Arc::new(SystemBootClock),
            token: "sandbox-token".into(),
            deaf: false,
            store: None,
            partners: None,
            account_at: None,
            looks_at_ground: true,
        }
    }
}

impl Setup {
    /// With this gate.
    pub fn gate(gate: Arc<dyn Gate>) -> Self {
        Self { gate, ..Self::default() }
    }

    /// Started with the word of a person that the account is the former one.
    pub fn same_account() -> Self {
        let mut setup = Self::default();
        setup.options.same_account = true;
        setup
    }

    /// With an account that is the same whatever wire leads to it, on ground that was looked at when it was
    /// installed: engines behind wires are made by the thousand. For the same reason they look for work ten
    /// times a second, and not fifty times.
    pub fn behind_wires() -> Self {
        let mut setup =
            Self { account_at: Some("behind wires"), looks_at_ground: false, ..Self::default() };
        setup.options.idle = Duration::from_millis(100);
        setup
    }

    /// With so many calls at once, and as many orders of a claim.
    pub fn in_flight(count: usize) -> Self {
        let mut setup = Self::default();
        setup.options.in_flight_max = count;
        setup.options.batch_max = count;
        setup
    }
}

/// A running engine.
pub struct Worker {
    /// The engine.
    pub engine: Arc<Engine>,
    stop: CancellationToken,
    task: JoinHandle<Stopped>,
}

impl Worker {
    /// Waits until so many of its answers were stale.
    pub async fn stale(&self, count: u64) {
        let wait = async {
            while self.stat("stale") < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("stale answers");
    }

    /// Stops it in order, and says how long that took.
    pub async fn stop(self) -> Duration {
        let begun = Instant::now();
        self.stop.cancel();
        // What stays leased is each test's own question.
        let _ = self.task.await.expect("an engine that stops");
        begun.elapsed()
    }

    /// What it counted.
    pub fn stat(&self, name: &str) -> u64 {
        let all = self.engine.stats.all();
        all.iter().find(|(one, _)| *one == name).expect("a counter").1
    }
}

impl Shop {
    /// An engine that is ready and does not run.
    pub async fn prepared(&self, setup: Setup) -> Result<Arc<Engine>, CannotStart> {
        let looks = setup.looks_at_ground;
        let (parts, options) = self.parts(setup);
        if looks {
            Engine::prepare(parts, options).await
        } else {
            Engine::prepare_on_checked_ground(parts, options).await
        }
    }

    /// What an engine is made of, and how it works.
    pub fn parts(&self, setup: Setup) -> (Parts, Options) {
        let http = Client::new(Arc::clone(&setup.clock)).expect("TLS");
        let partners = setup.partners.unwrap_or_else(|| self.partners.base_url());
        let base = Base::parse(&format!("{partners}/v1")).expect("an address");
        let nowhere = Base::parse("http://127.0.0.1:1/v1").expect("an address");
        let zinc = if setup.deaf { nowhere } else { base.clone() };
        let mut config = zinc_v1::Config::new(zinc, Private::new(setup.token));
        config.retailers = vec![Retailer::Amazon];
        config.call_timeout = setup.options.times.call;
        config.account_at = setup.account_at;
        let payments = stripe::Config {
            base,
            key: Private::new("sk_test_sandbox".to_owned()),
            call_timeout: Duration::from_secs(5),
        };
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&next().to_be_bytes());
        let parts = Parts {
            store: setup.store.unwrap_or_else(|| self.app.clone()),
            provider: Arc::new(Provider::ZincV1(
                zinc_v1::Client::new(http.clone(), config).expect("a provider"),
            )),
            stripe: Some(Arc::new(stripe::Client::new(http, payments).expect("a partner"))),
            gate: setup.gate,
            clock: setup.clock,
            chance: Chance::seeded(seed),
        };
        (parts, setup.options)
    }

    /// A running engine.
    pub async fn worker(&self, setup: Setup) -> Worker {
        self.started(self.prepared(setup).await.expect("an engine"))
    }

    /// Starts an engine that is ready.
    pub fn started(&self, engine: Arc<Engine>) -> Worker {
        let stop = CancellationToken::new();
        let task = tokio::spawn(Arc::clone(&engine).run(stop.clone()));
        Worker { engine, stop, task }
    }

    /// Runs an engine until every order has ended, and stops it.
    pub async fn finish(&self) {
        self.finish_with(Setup::default()).await;
    }

    /// Runs this engine until every order has ended, and stops it.
    pub async fn finish_with(&self, setup: Setup) {
        let worker = self.worker(setup).await;
        self.until_ended().await;
        worker.stop().await;
    }
}

/// A gate that lets a number of passings through and then stands shut until it is opened.
pub struct Barrier {
    point: Point,
    free: AtomicU64,
    state: Mutex<(u32, bool)>,
    changed: Condvar,
}

impl Barrier {
    /// Shut at this point from the first passing on.
    pub fn at(point: Point) -> Arc<Self> {
        Self::after(point, 0)
    }

    /// Shut at this point after so many passings.
    pub fn after(point: Point, free: u64) -> Arc<Self> {
        Arc::new(Self {
            point,
            free: AtomicU64::new(free),
            state: Mutex::new((0, false)),
            changed: Condvar::new(),
        })
    }

    /// Waits until so many stand before it.
    pub async fn reached(&self, count: u32) {
        let begun = Instant::now();
        while self.state.lock().unwrap().0 < count {
            assert!(begun.elapsed() < Duration::from_secs(30), "nobody came to {:?}", self.point);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Opens it for good.
    pub fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

impl Gate for Barrier {
    fn pass(&self, point: Point) {
        let free = |left: u64| left.checked_sub(1);
        if point != self.point
            || self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, free).is_ok()
        {
            return;
        }
        self.state.lock().unwrap().0 += 1;
        // Only what passes here stands still; the runtime moves the other tasks to other threads.
        tokio::task::block_in_place(|| {
            let state = self.state.lock().unwrap();
            // Bounded, so that a test that fails does not hang as well.
            let limit = Duration::from_mins(1);
            drop(self.changed.wait_timeout_while(state, limit, |state| !state.1).unwrap());
        });
    }
}

/// Several gates, each of which is passed in turn.
pub struct Gates<const N: usize>(pub [Arc<dyn Gate>; N]);

impl<const N: usize> Gate for Gates<N> {
    fn pass(&self, point: Point) {
        self.0.iter().for_each(|gate| gate.pass(point));
    }
}

/// Counts how often a point was passed.
pub struct Count(Point, AtomicU32);

impl Count {
    /// Of this point.
    pub fn of(point: Point) -> Arc<Self> {
        Arc::new(Self(point, AtomicU32::new(0)))
    }

    /// Waits until so many have passed.
    pub async fn reaches(&self, count: u32) {
        let wait = async {
            while self.1.load(Ordering::SeqCst) < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait).await.expect("passings");
    }
}

impl Gate for Count {
    fn pass(&self, point: Point) {
        if point == self.0 {
            self.1.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A clock that a test can put forward, as a suspended machine does.
#[derive(Default)]
pub struct ShiftedClock(AtomicU64);

impl ShiftedClock {
    /// Puts it forward.
    pub fn advance(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl BootClock for ShiftedClock {
    fn now(&self) -> Duration {
        SystemBootClock.now() + Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}
