//! The engine that a fault meets: on a runtime of its own, so that it can die like a process, and behind
//! wires of its own, so that what happens to it happens to nobody else.

use super::place::{Fate, Place, Trap, hold};
use crate::wire::{Stop, database, partner};
use crate::world::Shop;
use crate::world::worker::{Setup, ShiftedClock};
use orders_service::engine::{Engine, Stopped};
use orders_store::{Store, StoreOptions};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running engine in the hands of a test.
pub struct Victim {
    /// Its way to the database.
    pub database: database::Wire,
    /// Its way to the partners.
    pub partners: partner::Wire,
    /// Where it is made to stand still.
    pub stand: Arc<Stop>,
    /// Its clock.
    pub clock: Arc<ShiftedClock>,
    /// What it does.
    pub engine: Arc<Engine>,
    trap: Arc<Trap>,
    runtime: Option<Runtime>,
    ends: CancellationToken,
    task: Option<JoinHandle<Stopped>>,
}

impl Victim {
    /// Starts one that will stand still at a place, the first time that it comes there.
    pub async fn start(shop: &Shop, place: Place, moment: database::Moment) -> Self {
        let database = database::Wire::start().await;
        let address = shop.partners.base_url();
        let partners = partner::Wire::start(address.trim_start_matches("http://").to_owned()).await;
        let (stand, clock) = (Arc::new(Stop::default()), Arc::new(ShiftedClock::default()));
        let trap = Arc::new(Trap::at(place, Arc::clone(&stand)));
        let options = StoreOptions {
            schema: shop.app.schema().to_owned(),
            connections_max: 8,
            ..StoreOptions::default()
        };
        let store = Store::new(&database.address(&shop.database, &shop.app_role()), &options);
        let mut setup = Setup {
            gate: Arc::clone(&trap) as _,
            clock: Arc::clone(&clock) as _,
            store: Some(store.expect("a valid address")),
            partners: Some(partners.base_url()),
            ..Setup::behind_wires()
        };
        setup.options.in_flight_max = 4;
        let (parts, options) = shop.parts(setup);
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let prepared = runtime.spawn(Engine::prepare(parts, options)).await.expect("no panic");
        let engine = prepared.expect("an engine");
        // Its start is not what is tested.
        hold(place, moment, &stand, &database, &partners);
        let ends = CancellationToken::new();
        let task = Some(runtime.spawn(Arc::clone(&engine).run(ends.clone())));
        Self { database, partners, stand, clock, engine, trap, runtime: Some(runtime), ends, task }
    }

    /// Dies, as by SIGKILL: nothing that it had not done happens any more.
    pub fn kill(&mut self) {
        self.trap.decide(Fate::Dies);
        self.cut();
        self.database.deafen(true);
        self.partners.deafen(true);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.stand.let_go();
    }

    /// Stands still as a whole, or goes on.
    pub fn freeze(&self, frozen: bool) {
        self.database.freeze(frozen);
        self.partners.freeze(frozen);
    }

    /// All its connections break.
    pub fn cut(&self) {
        self.database.cut();
        self.partners.cut();
    }

    /// Whoever stands at the place panics; where no panic can happen, the engine's loops are dropped.
    pub fn drop_future(&mut self, place: Place) {
        if place.is_gate() {
            self.trap.decide(Fate::Panics);
        } else if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    /// Whether it lives.
    pub fn is_alive(&self) -> bool {
        self.runtime.is_some()
    }

    /// Lets it end in order, if it lives.
    pub async fn end(&mut self) {
        self.stand.let_go();
        self.database.clear();
        self.partners.clear();
        self.freeze(false);
        self.ends.cancel();
        if let Some(task) = self.task.take() {
            // What it leaves is for others to find.
            let _ = tokio::time::timeout(Duration::from_secs(30), task).await;
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.stand.let_go();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
