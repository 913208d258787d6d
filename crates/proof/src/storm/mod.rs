//! The storm: real processes, real signals, a real PostgreSQL that dies, and partners that lie, for as
//! many orders as wanted; then calm, and the judge.
//!
//! Promise: nothing here helps the program along. No lease is ended by hand, no row is changed but the
//! one that stands for the clock; whatever a storm leaves, the engines bring to its end by themselves.
//! Truth lies in the partners' ledgers and in what the customers were told; both are outside the shop.
//!
//! What is not claimed: that a provider buys once when the database's clock jumps ahead while it works on a
//! call, and an engine that never saw the clock before is the first to look at it (see [`clock`]). A clock
//! jumps here while the provider takes no calls.
//!
//! Reading order: [`plan`] (what is to happen), [`ground`] (the database), [`fleet`] (the processes),
//! [`customers`], [`weather`] (how it happens), [`restore`] (a database that is put back), [`takeover`]
//! (who takes over from the dead), [`judge`], [`books`] (what the shop's own comparison says), [`report`].

pub mod books;
pub mod chance;
pub mod clock;
pub mod customers;
pub mod disk;
pub mod fleet;
pub mod ground;
pub mod judge;
pub mod plan;
pub mod report;
pub mod restore;
pub mod takeover;
pub mod weather;

pub use plan::{Options, Weather};

use crate::world::money::PutForward;
use crate::world::{self, Shop, hurried, quick};
use anyhow::{Context as _, bail};
use clock::ShopClock;
use customers::Customers;
use fleet::Fleet;
use ground::Ground;
use orders_embedded::SUPERUSER;
use orders_sandbox::{Faults, StripeFaults};
use orders_store::{Store, StoreOptions, schema};
use report::Row;
use restore::Copies;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use takeover::Takeovers;
use tokio_util::sync::CancellationToken;
use weather::Happened;

/// The shop's database.
const DATABASE: &str = "storm";
/// Refusals of these storms: some that another key cures, some for good, so that money goes back.
const REFUSALS: [&str; 4] =
    ["max_price_exceeded", "product_unavailable", "zma_temporarily_overloaded", "internal_error"];
/// So long, without one order more, and a storm has come to a standstill.
const PATIENCE: Duration = Duration::from_mins(10);
/// So long messages may be read in calm weather that are about orders of this shop.
const LATE: Duration = Duration::from_secs(30);
/// How often the processes are looked after.
const TEND_EVERY: Duration = Duration::from_millis(20);
/// How often what the dead have left is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Everything in a storm.
pub struct Storm {
    seed: u64,
    shop: Shop,
    ground: Arc<Ground>,
    clock: ShopClock,
    /// Whoever changes the clock holds this meanwhile.
    clock_turn: tokio::sync::Mutex<()>,
    customers: tokio::sync::Mutex<Customers>,
    copies: Mutex<Copies>,
    fleet: tokio::sync::Mutex<Fleet>,
    takeovers: tokio::sync::Mutex<Takeovers>,
    happened: Mutex<Happened>,
    /// How many orders were placed.
    placed: AtomicUsize,
    /// How many may have been, as far as the weather has come.
    allowed: AtomicUsize,
    /// What makes going on senseless.
    failure: Mutex<Option<String>>,
    /// Nobody needs to be looked after any more.
    over: CancellationToken,
}

/// How far a storm is, for whoever watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Orders placed.
    pub placed: usize,
    /// Parts of the weather that are over.
    pub weather: usize,
    /// Processes killed.
    pub kills: u32,
    /// Orders not at their end.
    pub open: usize,
}

/// What a storm came to.
#[derive(Debug)]
pub struct Outcome {
    /// The counts.
    pub row: Row,
    /// What must not be.
    pub violations: Vec<String>,
    /// What happened to the orders concerned, and where the cluster and the logs were kept.
    pub story: String,
}

/// Runs one.
///
/// # Panics
///
/// When the shop cannot be installed.
pub async fn run(options: &Options, tell: impl Fn(Progress) + Sync) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    let storm = Arc::new(prepared(options).await?);
    let tending = tokio::spawn(Arc::clone(&storm).keep());
    let watching = tokio::spawn(Arc::clone(&storm).watch());
    let attending = tokio::spawn(Arc::clone(&storm).attend());
    let until = options.seconds.map(|seconds| begun + Duration::from_secs(seconds));
    let (customers, weather) = tokio::join!(
        Arc::clone(&storm).serve_customers(options, until),
        storm.bring(options, until, &tell)
    );
    customers?;
    weather?;
    storm.calm()?;
    let mut quiet = storm.until_quiet(&tell).await;
    if quiet.is_ok() {
        // What is compared is judged when it has been at rest for a while.
        storm.clock.passes(&storm.shop, books::CALM_S).await.context("the clock")?;
        quiet = storm.until_quiet(&tell).await;
    }
    storm.over.cancel();
    tending.await.context("the keeper")?;
    watching.await.context("the watcher")?;
    attending.await.context("the person")?;
    let mut violations: Vec<String> =
        quiet.err().map(|error| format!("{error:#}")).into_iter().collect();
    violations.extend(storm.fleet.lock().await.disband().await);
    let happened = storm.happened.lock().unwrap_or_else(PoisonError::into_inner).clone();
    violations.extend(happened.wrong.clone());
    let forgotten = storm.forgotten();
    let customers = storm.customers.lock().await;
    let mut verdict = judge::judge(&storm.shop, &customers, &forgotten).await?;
    books::compare(&storm, &customers, &forgotten, &mut verdict).await?;
    violations.extend(verdict.violations.clone());
    let told = if violations.is_empty() {
        String::new()
    } else {
        let lives = judge::story(&storm.shop, &verdict.concerned).await;
        format!("{lives}\nkept in {}", storm.ground.keep().display())
    };
    let takeovers = storm.takeovers.lock().await;
    let row = Row {
        seed: options.seed,
        engines: options.engines,
        pooled: storm.fleet.lock().await.is_pooled(),
        older: options.older.is_some(),
        lease_ms: u64::try_from(fleet::LEASE.as_millis()).unwrap_or(u64::MAX),
        seconds: begun.elapsed().as_secs(),
        violations: violations.len(),
        forgotten: customers.given_up.len() + customers.again.len(),
        again: customers.again.len(),
        released: storm.released(),
        ..Row::of(&happened, &takeovers, &verdict)
    };
    Ok(Outcome { row, violations, story: told })
}

/// The cluster, the shop with its partners, and the processes, none of which has started.
async fn prepared(options: &Options) -> anyhow::Result<Storm> {
    let ground = Ground::start().await?;
    let connected = |database: &str, role: &str, connections_max: usize| {
        let options = StoreOptions { connections_max, ..StoreOptions::default() };
        Store::new(&ground.address(database, role), &options)
    };
    let first = connected("postgres", SUPERUSER, 1)?;
    first.query("storm.create", &format!("create database {DATABASE}"), &[]).await?;
    let admin = connected(DATABASE, SUPERUSER, 2)?;
    let partners_clock = Arc::new(PutForward::default());
    let mut partners = hurried();
    partners.clock = Arc::clone(&partners_clock) as _;
    partners.zinc.seed = options.seed;
    partners.zinc.latency_ms = 40;
    partners.zinc.quirks = true;
    partners.zinc.keep_bodies = false;
    partners.zinc.faults = faults(options.seed);
    partners.stripe.seed = options.seed;
    partners.stripe.faults = stripe_faults(options.seed);
    partners.stripe.webhook_gap_ms = 300;
    partners.stripe.webhook_timeout_ms = 3_000;
    partners.stripe.webhook_tries_max = Some(4);
    let app = schema::names(admin.schema())?.app;
    let app = connected(DATABASE, &app, 4).context("the service's address")?;
    let standing = world::ground::Ground::At(ground.address("{database}", "{role}"));
    let shop = Shop::installed(standing, DATABASE, (admin, app), partners).await;
    shop.own_clock().await;
    let fleet = Fleet::muster(&shop, &ground, options).await?;
    let secret = vec!["whsec_sandbox".to_owned()];
    shop.stripe().set_webhook(Some(&fleet.webhook_url()), secret)?;
    Ok(Storm {
        seed: options.seed,
        clock: ShopClock::new(partners_clock),
        clock_turn: tokio::sync::Mutex::default(),
        customers: tokio::sync::Mutex::new(Customers::new(options.seed)),
        copies: Mutex::default(),
        shop,
        ground,
        fleet: tokio::sync::Mutex::new(fleet),
        takeovers: tokio::sync::Mutex::default(),
        happened: Mutex::default(),
        placed: AtomicUsize::new(0),
        allowed: AtomicUsize::new(0),
        failure: Mutex::default(),
        over: CancellationToken::new(),
    })
}

/// The provider's lies.
fn faults(seed: u64) -> Faults {
    let codes = || REFUSALS.map(str::to_owned).to_vec();
    quick(Faults { seed, refuse_codes: codes(), fail_codes: codes(), ..Faults::demo() })
}

/// Stripe's.
fn stripe_faults(seed: u64) -> StripeFaults {
    StripeFaults { seed, effect_later_ms: 500, big_answer_bytes: 2 << 20, ..StripeFaults::demo() }
}

impl Storm {
    /// Looks after the processes until everything is over.
    async fn keep(self: Arc<Self>) {
        while !self.over.is_cancelled() {
            match self.fleet.lock().await.tend(&self.shop, &self.ground) {
                Ok(news) => {
                    self.note(|happened| {
                        happened.in_vain += news.in_vain;
                        happened.wrong.extend(news.by_themselves);
                    });
                    if !news.deaths.is_empty() {
                        self.takeovers.lock().await.died(news.deaths);
                    }
                }
                Err(error) => self.fail(&format!("{error:#}")),
            }
            tokio::time::sleep(TEND_EVERY).await;
        }
    }

    /// Looks what the dead have left, until everything is over.
    async fn watch(self: Arc<Self>) {
        while !self.over.is_cancelled() {
            let changes = self.clock.changes();
            // What cannot be asked while the database is away is asked when it is back.
            let _ = self.takeovers.lock().await.look(&self.shop, &self.ground, changes).await;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Lets customers order as long as there is room, until all have ordered.
    async fn serve_customers(
        self: Arc<Self>,
        options: &Options,
        until: Option<Instant>,
    ) -> anyhow::Result<()> {
        let (mut open, mut moved) = (0, Instant::now());
        while self.placed.load(Ordering::SeqCst) < options.orders {
            self.check()?;
            if until.is_some_and(|until| Instant::now() >= until) {
                break;
            }
            if let Some(now) = self.open_orders().await {
                if now != open {
                    moved = Instant::now();
                }
                open = now;
                let most = options.orders.min(self.allowed.load(Ordering::SeqCst));
                let mut customers = self.customers.lock().await;
                let room = most
                    .saturating_sub(customers.count())
                    .min(options.open_max.saturating_sub(open));
                customers.order(&self.shop, room).await;
                customers.say_wishes(&self.shop).await;
                self.placed.store(customers.acknowledged(), Ordering::SeqCst);
            }
            if moved.elapsed() > PATIENCE {
                bail!("no order has moved for minutes\n{}", self.shop.story_of_money().await);
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        Ok(())
    }

    /// How many orders are under way, as cheaply as it can be asked; nothing while nobody can be asked.
    async fn open_orders(&self) -> Option<usize> {
        let sql = self.shop.admin.in_schema(
            "select (select count(*) from {schema}.orders where status in ('pending', 'submitting') and hold_reason is null)
                  + (select count(*) from {schema}.orders where status in ('submitted_to_zinc', 'processing'))
                  + (select count(*) from {schema}.orders where status = 'pending' and payment_status = 'unpaid')",
        );
        let rows = self.shop.admin.query("storm.open", &sql, &[]).await.ok()?;
        usize::try_from(rows.first()?.get::<_, i64>(0)).ok()
    }

    /// The partners lie again.
    fn trouble(&self) -> anyhow::Result<()> {
        self.shop.zinc().set_faults(faults(self.seed))?;
        self.shop.stripe().set_faults(stripe_faults(self.seed))?;
        Ok(())
    }

    /// No more faults.
    fn calm(&self) -> anyhow::Result<()> {
        self.shop.zinc().set_faults(quick(Faults::none()))?;
        self.shop.zinc().set_outage(false);
        self.shop.stripe().set_faults(StripeFaults::none())?;
        Ok(())
    }

    /// Waits until every order has ended or is with a person, and no money is on its way. // G9
    async fn until_quiet(&self, tell: &(impl Fn(Progress) + Sync)) -> anyhow::Result<()> {
        self.fleet.lock().await.mend();
        let begun = Instant::now();
        loop {
            self.check()?;
            let mut customers = self.customers.lock().await;
            while customers.count() > customers.acknowledged() && begun.elapsed() < PATIENCE {
                customers.order(&self.shop, 0).await;
            }
            customers.say_wishes(&self.shop).await;
            let open = judge::open(&self.shop).await;
            let waiting = self.takeovers.lock().await.waiting();
            tell(Progress { open: open.unwrap_or(0), ..self.progress(usize::MAX).await });
            let is_late = self.forgotten().restores() > 0 || begun.elapsed() > LATE;
            if is_late && open > Some(0) && open == judge::unread(&self.shop).await {
                // Messages about orders that are not there: they may come before their order, so each is
                // kept for an hour.
                let _turn = self.clock_turn.lock().await;
                self.clock.passes(&self.shop, books::CALM_S).await.context("the clock")?;
            }
            if open == Some(0) && waiting == 0 {
                if !customers.has_wishes() {
                    return Ok(());
                }
                customers.lose_patience();
            }
            if begun.elapsed() > PATIENCE {
                bail!(
                    "in calm weather not every order ends: {open:?} have not, {waiting} were not taken over, wishes: {}\n{}",
                    customers.has_wishes(),
                    judge::unended(&self.shop).await
                );
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn progress(&self, weather: usize) -> Progress {
        let kills = self.takeovers.lock().await.kills;
        Progress { placed: self.placed.load(Ordering::SeqCst), weather, kills, open: 0 }
    }

    fn note(&self, change: impl FnOnce(&mut Happened)) {
        change(&mut self.happened.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn fail(&self, why: &str) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert_with(|| why.to_owned());
    }

    fn check(&self) -> anyhow::Result<()> {
        match &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(why) => bail!("{why}"),
            None => Ok(()),
        }
    }
}
