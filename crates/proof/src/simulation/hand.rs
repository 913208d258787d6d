//! A worker in the hands of a simulation: an engine that takes one step when it is told to, behind wires
//! of its own, and dies or stands still where it must.
//!
//! Promise: a step is over when its effects are: an answer that it got is recorded, and what it broke off is
//! rolled back. A worker that died is another one afterwards, with the same name and nothing in its memory.

#![expect(clippy::expect_used, reason = "a test that cannot go on must end")]

use super::draw::Dice;
use super::ground::{hasty, quiet};
use super::mishap::{SETBACKS, call};
use super::operation::{Break, Cut, Mishap, Step};
use super::step::{self, Memory};
use super::time::Time;
use crate::wire::{Stop, database, partner};
use crate::world::Shop;
use crate::world::worker::Setup;
use orders_core::gate::{Gate, Point};
use orders_core::lease::Times;
use orders_sandbox::zinc::Injected;
use orders_service::engine::chance::Chance;
use orders_service::engine::{Engine, Stopped};
use orders_store::Store;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// No step takes longer by the wall's clock.
const PATIENCE: Duration = Duration::from_mins(1);

/// What became of a step.
#[derive(Debug)]
pub enum Told {
    /// It ended, and this is what it said; whether its mishap happened.
    Said(String, bool),
    /// The worker died.
    Died,
    /// It stands still.
    Stands,
    /// It stands still since an earlier step.
    Away,
    /// It went wrong where nothing was done to it: the rule that this breaks, and what was said.
    Wrong(&'static str, String),
}

/// What becomes of whoever passes a point.
#[derive(Clone)]
enum Fate {
    Dies,
    Stands(Arc<Stop>),
}

/// The gate of a worker.
#[derive(Default)]
struct Reins {
    planned: Mutex<Option<(Point, Fate)>>,
    dead: AtomicBool,
    recorded: AtomicU32,
}

impl Reins {
    fn plan(&self, planned: Option<(Point, Fate)>) {
        *self.planned.lock().expect("no holder panics") = planned;
    }

    fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    fn recorded(&self) -> u32 {
        self.recorded.load(Ordering::SeqCst)
    }
}

impl Gate for Reins {
    fn pass(&self, point: Point) {
        let die = || std::panic::resume_unwind(Box::new("dead"));
        if self.is_dead() {
            // Past the hook that tells of panics: a dead process says nothing.
            die();
        }
        let met = {
            let mut planned = self.planned.lock().expect("no holder panics");
            planned.take_if(|(at, _)| *at == point).map(|(_, fate)| fate)
        };
        if let Some(Fate::Stands(stop)) = &met {
            tokio::task::block_in_place(|| stop.stand_blocking());
        }
        if matches!(met, Some(Fate::Dies)) {
            self.dead.store(true, Ordering::SeqCst);
        }
        // Whoever waits for this learns of a death as well.
        if point == Point::AnswerRecorded {
            self.recorded.fetch_add(1, Ordering::SeqCst);
        }
        if self.is_dead() {
            die();
        }
    }
}

/// How a worker stood before a step.
#[derive(Clone, Copy)]
struct Before {
    /// Whether something happens to its way to the database in this step.
    broken: bool,
    /// How many faults it had counted.
    faults: u64,
    /// How many answers it had recorded.
    recorded: u32,
    /// How often something had happened on its wires.
    happened: u32,
}

/// A step in which a worker stands still.
struct Walk {
    task: JoinHandle<step::Outcome>,
    stand: Arc<Stop>,
    before: Before,
}

/// An engine of this history.
struct Living {
    engine: Arc<Engine>,
    reins: Arc<Reins>,
    memory: Memory,
    recorder: JoinHandle<Stopped>,
    ends: CancellationToken,
}

/// The worker.
pub struct Hand {
    name: char,
    database: database::Wire,
    store: Store,
    partners: Option<partner::Wire>,
    time: Time,
    seed: u64,
    births: u64,
    living: Option<Living>,
    walk: Option<Walk>,
}

impl Hand {
    /// One that has no engine yet.
    pub async fn new(name: char, shop: &Shop) -> Self {
        let database = database::Wire::start().await;
        let store = hasty(shop, &database.address(&shop.database, &shop.app_role()));
        Self {
            name,
            database,
            store,
            partners: None,
            time: Time::default(),
            seed: 0,
            births: 0,
            living: None,
            walk: None,
        }
    }

    /// Begins another history.
    pub async fn begin(&mut self, shop: &Shop, time: &Time, seed: u64) {
        self.leave();
        self.database.clear();
        let address = shop.partners.base_url();
        self.partners =
            Some(partner::Wire::start(address.trim_start_matches("http://").to_owned()).await);
        self.time = time.clone();
        (self.seed, self.births) = (seed, 0);
        self.be_born(shop).await;
    }

    fn leave(&mut self) {
        if let Some(walk) = self.walk.take() {
            walk.stand.let_go();
            walk.task.abort();
        }
        if let Some(living) = self.living.take() {
            living.ends.cancel();
            living.recorder.abort();
        }
    }

    async fn be_born(&mut self, shop: &Shop) {
        self.leave();
        self.births += 1;
        let reins = Arc::new(Reins::default());
        let mut setup = Setup {
            gate: Arc::clone(&reins) as _,
            clock: Arc::new(self.time.clone()),
            store: Some(self.store.clone()),
            partners: self.partners.as_ref().map(partner::Wire::base_url),
            ..Setup::behind_wires()
        };
        setup.options.worker = self.name.to_string();
        setup.options.times =
            Times { lease: Duration::from_mins(1), call: Duration::from_secs(30) };
        let (mut parts, options) = shop.parts(setup);
        let mut dice = Dice::of(self.seed, self.births);
        let mut chance = [0; 32];
        chance.chunks_mut(8).for_each(|part| part.copy_from_slice(&dice.number().to_be_bytes()));
        parts.chance = Chance::seeded(chance);
        // The ground was checked when it was made, and checking takes longer than a history's other work.
        let engine = Engine::prepare_on_checked_ground(parts, options).await.expect("an engine");
        engine.compare_if_held().await.expect("a database that answers");
        let ends = CancellationToken::new();
        let recorder = tokio::spawn(Arc::clone(&engine).run_on_demand(ends.clone()));
        let memory = Memory::default();
        self.living = Some(Living { engine, reins, memory, recorder, ends });
    }

    fn living(&self) -> &Living {
        self.living.as_ref().expect("a worker of this history")
    }

    /// Whether it stands still.
    pub fn stands(&self) -> bool {
        self.walk.is_some()
    }

    /// Takes a step, to whose order it may be told.
    pub async fn take(
        &mut self,
        shop: &Shop,
        step: Step,
        order: Option<Uuid>,
        mishap: &Mishap,
    ) -> Told {
        if self.stands() {
            return Told::Away;
        }
        let stand = Arc::new(Stop::default());
        self.prepare(shop, step, mishap, &stand);
        let living = self.living();
        let before = Before {
            broken: matches!(mishap, Mishap::Database(..)),
            faults: faults(&living.engine),
            recorded: living.reins.recorded(),
            happened: self.happened(),
        };
        let (engine, memory) = (Arc::clone(&living.engine), living.memory.clone());
        let mut task = tokio::spawn(step::taken(engine, memory, step, order));
        let ended = tokio::select! {
            biased;
            ended = &mut task => Some(ended),
            _ = stand.reached(PATIENCE) => None,
        };
        match ended {
            Some(ended) => self.end(shop, before, ended).await,
            None if stand.count() > 0 => {
                self.walk = Some(Walk { task, stand, before });
                Told::Stands
            }
            None => Told::Wrong("a step never ended", format!("worker {}", self.name)),
        }
    }

    /// Goes on, if it stands still.
    pub async fn go_on(&mut self, shop: &Shop) -> Told {
        let Some(walk) = self.walk.take() else { return Told::Said("is at work".into(), false) };
        walk.stand.let_go();
        match tokio::time::timeout(PATIENCE, walk.task).await {
            Ok(ended) => self.end(shop, walk.before, ended).await,
            Err(_) => Told::Wrong("a step never ended", format!("worker {}", self.name)),
        }
    }

    /// Dies, wherever it is.
    pub async fn die(&mut self, shop: &Shop) -> Told {
        self.living().reins.dead.store(true, Ordering::SeqCst);
        if let Some(walk) = self.walk.take() {
            walk.stand.let_go();
            let _ = tokio::time::timeout(PATIENCE, walk.task).await;
        }
        quiet(shop).await;
        self.be_born(shop).await;
        Told::Died
    }

    fn happened(&self) -> u32 {
        self.database.happened() + self.partners.as_ref().map_or(0, partner::Wire::happened)
    }

    /// Lets something happen to what it does next.
    fn prepare(&self, shop: &Shop, step: Step, mishap: &Mishap, stand: &Arc<Stop>) {
        match mishap {
            Mishap::None => {}
            Mishap::Dies(point) => self.living().reins.plan(Some((*point, Fate::Dies))),
            Mishap::Stands(point) => {
                self.living().reins.plan(Some((*point, Fate::Stands(Arc::clone(stand)))));
            }
            Mishap::Zinc(fault) => shop.zinc().inject(Injected::Fault(*fault)),
            Mishap::Refused(code) => shop.zinc().inject(Injected::Refusal((*code).to_owned())),
            Mishap::Stripe(fault) => shop.stripe().inject(*fault),
            Mishap::Database(broken, has) => {
                use database::{Act, Moment};
                let (moment, act) = match broken {
                    Break::Before => (Moment::Committing, Act::Cut),
                    Break::After => (Moment::Committed, Act::Cut),
                    Break::Refuses(code) => (Moment::Asked, Act::Refuse(code)),
                };
                self.database.add(database::Rule { has, moment, act, times: 1 });
                if *has == SETBACKS {
                    // There is one to be recorded.
                    shop.zinc().inject(Injected::Refusal("product_unavailable".to_owned()));
                }
            }
            Mishap::Wire(cut) => {
                let act = match cut {
                    Cut::Refused => partner::Act::Refuse,
                    Cut::InRequest => partner::Act::CutRequest,
                    Cut::InAnswer => partner::Act::CutAnswer,
                    Cut::Spoilt => partner::Act::SpoilAnswer,
                };
                if let Some(partners) = &self.partners {
                    partners.add(partner::Rule { has: call(step), act, times: 1 });
                }
            }
        }
    }

    /// Waits for the end of a step and of what it left.
    async fn end(
        &mut self,
        shop: &Shop,
        before: Before,
        ended: Result<step::Outcome, JoinError>,
    ) -> Told {
        let living = self.living();
        let answered = matches!(&ended, Ok(Ok(said)) if said.answered);
        let begun = Instant::now();
        // The recorder passes its gate after it has told.
        while answered
            && living.reins.recorded() == before.recorded
            && !living.reins.is_dead()
            && begun.elapsed() < PATIENCE
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        living.reins.plan(None);
        self.database.clear();
        if let Some(partners) = &self.partners {
            partners.clear();
        }
        shop.zinc().forget_injected();
        shop.stripe().forget_injected();
        if living.reins.is_dead() {
            return self.die(shop).await;
        }
        let more_faults = faults(&living.engine) > before.faults;
        if before.broken {
            quiet(shop).await;
        }
        let met = self.happened() > before.happened;
        match ended {
            Err(_) => Told::Wrong("a step panicked", format!("worker {}", self.name)),
            Ok(Err(error)) if !before.broken => Told::Wrong("a step failed by itself", error),
            Ok(Err(_)) => Told::Said("the database failed".into(), met),
            Ok(Ok(said)) if more_faults && !before.broken => {
                Told::Wrong("a step had a fault by itself", said.text)
            }
            Ok(Ok(said)) => Told::Said(said.text, met),
        }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.leave();
    }
}

fn faults(engine: &Engine) -> u64 {
    engine.stats.all().iter().find(|(name, _)| *name == "faults").map_or(0, |(_, count)| *count)
}
