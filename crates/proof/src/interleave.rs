//! Two workers over the nine points of the submission path (C6 to C14) of one order, in each of the
//! C(18, 9) = 48,620 orders of their steps, on a real database.
//!
//! Promise: in every one of them the provider's ledger has one purchase, and the order ends accepted. So
//! that the second worker has a way at all, the first one's lease and its call's time are over when the
//! second one starts: what stands then is a late worker with the order in its hands. // G1, G13, G16
//!
//! A worker that cannot take a step because the other holds the order's lock takes it when it can.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on must end"
)]

use crate::wire::{Stop, database, partner};
use crate::wired::Wired;
use crate::world::Shop;
use crate::world::worker::Setup;
use orders_core::gate::{Gate, Point};
use orders_service::engine::{Engine, Stopped};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The points of the path that a worker stands still at.
const STEPS: u32 = 9;
/// How often it is looked whether a step waits for the other worker's lock.
const LOOK: Duration = Duration::from_millis(20);
/// No walk takes longer when nobody is in its way.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than a call and a lease of these worlds.
const BEYOND_THE_LEASE: Duration = Duration::from_secs(13);

/// Every order of the steps of two workers, as 18 bits of which nine are set: whose step it is.
pub fn schedules() -> impl Iterator<Item = u32> {
    (0..1_u32 << (2 * STEPS)).filter(|bits| bits.count_ones() == STEPS)
}

/// How the steps of a schedule are written.
pub fn spelled(schedule: u32) -> String {
    (0..2 * STEPS).map(|step| if schedule >> step & 1 == 1 { 'B' } else { 'A' }).collect()
}

/// What a walk came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// At how many points each of the two stood.
    pub stood: [u32; 2],
    /// How many calls the provider got.
    pub calls: u32,
}

/// Stands still at each point that the engine itself passes.
struct Path {
    stand: Arc<Stop>,
    /// How often it went on from the last of them.
    through: watch::Sender<u32>,
}

impl Gate for Path {
    fn pass(&self, point: Point) {
        if matches!(
            point,
            Point::OrdersLocked
                | Point::IntentCommitted
                | Point::RequestStarted
                | Point::AnswerRead
                | Point::AnswerRecorded
        ) {
            tokio::task::block_in_place(|| self.stand.stand_blocking());
        }
        if point == Point::AnswerRecorded {
            self.through.send_modify(|count| *count += 1);
        }
    }
}

/// A worker that does what it is told, one step at a time.
struct Walker {
    wired: Wired,
    stand: Arc<Stop>,
    through: watch::Receiver<u32>,
    ends: CancellationToken,
    recorder: Option<JoinHandle<Stopped>>,
}

/// A walk under way.
struct Walk<'a> {
    walker: &'a Walker,
    task: Option<JoinHandle<()>>,
    before: u32,
}

impl Walker {
    async fn start(shop: &Shop) -> Self {
        let stand = Arc::new(Stop::default());
        let (through, passed) = watch::channel(0);
        let path = Path { stand: Arc::clone(&stand), through };
        let wired = Wired::prepared(shop, Arc::new(path), 1).await;
        let ends = CancellationToken::new();
        let recording = Arc::clone(&wired.engine).run_on_demand(ends.clone());
        let recorder = Some(wired.runtime().spawn(recording));
        Self { wired, stand, through: passed, ends, recorder }
    }

    /// Sets out with an order; stands at the first point soon.
    fn set_out(&self, order: Uuid, moment: database::Moment) -> Walk<'_> {
        self.wired.database.clear();
        self.wired.partners.clear();
        for has in ["commit_intents", "record_"] {
            let act = database::Act::Hold(Arc::clone(&self.stand));
            self.wired.database.add(database::Rule { has, moment, act, times: 1 });
        }
        let stop = || Arc::clone(&self.stand);
        for act in [partner::Act::HoldRequest(stop()), partner::Act::HoldAnswer(stop())] {
            self.wired.partners.add(partner::Rule { has: "POST /v1/orders", act, times: 1 });
        }
        let (engine, before) = (Arc::clone(&self.wired.engine), self.stand.count());
        let mut through = self.through.clone();
        let former = *through.borrow();
        let task = self.wired.runtime().spawn(async move {
            // Whatever it comes to, the ledger is asked.
            if let Ok(Some(_)) = engine.submit_one(order).await {
                // Whoever asked is answered a little before the recorder comes to its last point.
                let _ = through.wait_for(|count| *count > former).await;
            }
        });
        Walk { walker: self, task: Some(task), before }
    }

    async fn end(mut self) {
        self.stand.let_go();
        self.ends.cancel();
        if let Some(recorder) = self.recorder.take() {
            let _ = tokio::time::timeout(PATIENCE, recorder).await;
        }
    }
}

impl Walk<'_> {
    /// Whether it has come to a point after so many, or to its end, in this time.
    async fn comes(&mut self, from: u32, within: Duration) -> bool {
        let Some(task) = &mut self.task else { return true };
        tokio::select! {
            biased;
            came = self.walker.stand.reached_by(from + 1, within) => came,
            _ = task => {
                self.task = None;
                true
            }
        }
    }

    /// Takes a step to its end, or until it waits for a lock that the other worker holds.
    async fn next(&mut self, shop: &Shop) {
        let (from, begun) = (self.walker.stand.count(), std::time::Instant::now());
        self.walker.stand.let_these_go();
        while !self.comes(from, LOOK).await && !waits_for_a_lock(shop).await {
            assert!(begun.elapsed() < PATIENCE, "a step that waits for nobody never ends");
        }
    }

    /// At how many points it has stood.
    fn stood(&self) -> u32 {
        self.walker.stand.count() - self.before
    }

    /// Goes on to its end.
    async fn finish(&mut self, shop: &Shop) {
        let begun = std::time::Instant::now();
        while self.task.is_some() {
            self.next(shop).await;
            assert!(begun.elapsed() < PATIENCE, "it walks on and on");
        }
    }
}

/// Whether a session of this database waits for a lock: only a worker's can.
async fn waits_for_a_lock(shop: &Shop) -> bool {
    let sql = "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')";
    shop.text(sql).await == "true"
}

/// A shop with two workers to walk, and a third one that finishes what they leave.
pub struct Ground {
    shop: Shop,
    walkers: Option<[Walker; 2]>,
    third: Arc<Engine>,
    ends: CancellationToken,
    recorder: JoinHandle<Stopped>,
}

impl Ground {
    /// A fresh one.
    pub async fn fresh() -> Self {
        let mut options = crate::world::hurried();
        options.zinc.latency_ms = 0;
        options.zinc.processing_bound_ms = 0;
        let shop = Shop::with(options).await;
        shop.set("processing_bound_ms", "1").await;
        let walkers = [Walker::start(&shop).await, Walker::start(&shop).await];
        let third = shop.prepared(Setup::behind_wires()).await.expect("an engine");
        let ends = CancellationToken::new();
        let recorder = tokio::spawn(Arc::clone(&third).run_on_demand(ends.clone()));
        Self { shop, walkers: Some(walkers), third, ends, recorder }
    }

    /// Walks one schedule with an order of its own.
    ///
    /// # Panics
    ///
    /// When the provider's ledger has not exactly one purchase of it, or it does not end accepted.
    pub async fn walk(&self, schedule: u32) -> Seen {
        let order = self.shop.paid(1).await[0];
        self.time_passes(order).await;
        let walkers = self.walkers.as_ref().expect("they have not ended");
        // Before the commit in one half of the schedules, behind it in the other.
        let moments = [database::Moment::Committing, database::Moment::Committed];
        let moment = moments[(schedule.wrapping_mul(0x9E37_79B9) >> 31) as usize];
        let mut walks: [Option<Walk<'_>>; 2] = [None, None];
        for step in 0..2 * STEPS {
            let who = (schedule >> step & 1) as usize;
            if let Some(walk) = &mut walks[who] {
                walk.next(&self.shop).await;
                continue;
            }
            if let Some(other) = &walks[1 - who] {
                self.time_passes(order).await;
                other.walker.wired.clock.advance(BEYOND_THE_LEASE);
            }
            let from = walkers[who].stand.count();
            let mut walk = walkers[who].set_out(order, moment);
            walk.comes(from, PATIENCE).await;
            walks[who] = Some(walk);
        }
        let mut stood = [0; 2];
        for (walk, stood) in walks.iter_mut().flatten().zip(&mut stood) {
            walk.finish(&self.shop).await;
            *stood = walk.stood();
        }
        self.settle(order, schedule).await;
        let purchases = self.shop.zinc().purchases_of(&order.to_string());
        let text = spelled(schedule);
        assert_eq!(purchases.len(), 1, "{text}: {purchases:?}\n{}", self.shop.story().await);
        Seen {
            stood,
            calls: purchases[0]
                .idempotency_key
                .as_ref()
                .map_or(0, |key| self.shop.zinc().calls_of(key)),
        }
    }

    /// The lease of an order, its call's limit and the provider's bound are over, unless somebody holds its
    /// lock at this moment.
    async fn time_passes(&self, order: Uuid) {
        let sql = format!(
            "with free as (
               select o.id from {{s}}.orders as o where o.id = '{order}' and o.status = 'submitting' for update skip locked
             ), due as (
               update {{s}}.orders as o set due_at = clock_timestamp() - interval '1 ms' from free as f where o.id = f.id)
             update {{s}}.order_attempts as a
                set lease_expires_at = case when a.lease_token is not null then clock_timestamp() - interval '1 ms' end,
                    call_deadline_at = least(a.call_deadline_at, clock_timestamp() - interval '1 s')
               from free as f where a.order_id = f.id and a.settled_at is null"
        );
        self.shop.by_force(&sql).await;
        self.shop.as_app("select {s}.recover_stuck_orders(0)::text").await;
        // After recovery it waits for the provider's bound, and the account may rest; that is over as well.
        let due = format!(
            "with free as (
               select o.id from {{s}}.orders as o where o.id = '{order}' and o.status in ('pending', 'submitting') for update skip locked)
             update {{s}}.orders as o set due_at = clock_timestamp() - interval '1 ms' from free as f where o.id = f.id;
             with free as (
               select p.provider from {{s}}.provider_accounts as p where p.paused_until > clock_timestamp() for update skip locked)
             update {{s}}.provider_accounts as p set paused_until = clock_timestamp() from free as f where p.provider = f.provider"
        );
        self.shop.by_force(&due).await;
    }

    /// What the two left is finished by the third.
    async fn settle(&self, order: Uuid, schedule: u32) {
        for _ in 0..5 {
            if self.shop.status(order).await == "submitted_to_zinc" {
                return;
            }
            self.time_passes(order).await;
            self.third.submit_one(order).await.expect("an answer");
        }
        panic!("{} never ended\n{}", spelled(schedule), self.shop.story().await);
    }

    /// Judges the whole ground and leaves it.
    pub async fn end(mut self) {
        self.shop.clean().await;
        for walker in self.walkers.take().into_iter().flatten() {
            walker.end().await;
        }
        self.ends.cancel();
        let _ = self.recorder.await;
    }
}
