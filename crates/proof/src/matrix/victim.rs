//! The engine that a fault meets: it stands still at a point until the test has decided what happens.

use super::place::{Fate, Place, Trap, hold};
use crate::wire::{Stop, database};
use crate::wired::Wired;
use crate::world::Shop;
use orders_core::lease::Times;
use orders_service::engine::{Options, Stopped};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long its calls to the provider may take.
const CALL: Duration = Duration::from_millis(1500);

/// How much longer its leases last than its calls.
const LEASE_BEYOND: Duration = Duration::from_millis(10_500);

/// A running engine in the hands of a test.
pub struct Victim {
    /// The engine and its wires.
    pub wired: Wired,
    /// Where it is made to stand still.
    pub stand: Arc<Stop>,
    trap: Arc<Trap>,
    ends: CancellationToken,
    task: Option<JoinHandle<Stopped>>,
}

impl Victim {
    /// Starts one that will stand still at a place, the first time that it comes there.
    pub async fn start(shop: &Shop, place: Place, moment: database::Moment) -> Self {
        Self::calling(shop, place, moment, CALL).await
    }

    /// The same, with another limit for its calls to the provider.
    pub async fn calling(
        shop: &Shop,
        place: Place,
        moment: database::Moment,
        call: Duration,
    ) -> Self {
        let so = |options: &mut Options| {
            options.in_flight_max = 4;
            options.times = Times { lease: call + LEASE_BEYOND, call };
        };
        Self::working(shop, place, moment, so).await
    }

    /// The same for one that works so.
    pub async fn working(
        shop: &Shop,
        place: Place,
        moment: database::Moment,
        so: impl FnOnce(&mut Options),
    ) -> Self {
        let stand = Arc::new(Stop::default());
        let trap = Arc::new(Trap::at(place, Arc::clone(&stand)));
        let wired = Wired::working(shop, Arc::clone(&trap) as _, so).await;
        // Its start is not what is tested.
        hold(place, moment, &stand, &wired.database, &wired.partners);
        let ends = CancellationToken::new();
        let task = Some(wired.runtime().spawn(Arc::clone(&wired.engine).run(ends.clone())));
        Self { wired, stand, trap, ends, task }
    }

    /// Its name in the history.
    pub fn name(&self) -> String {
        format!("engine/{}", self.wired.engine.options.worker)
    }

    /// Lets it go from where it stands, to the same place once more.
    pub fn stand_once_more(&self, place: Place, moment: database::Moment) {
        hold(place, moment, &self.stand, &self.wired.database, &self.wired.partners);
        self.stand.let_these_go();
    }

    /// Dies, as by SIGKILL: nothing that it had not done happens any more.
    pub fn kill(&mut self) {
        self.trap.decide(Fate::Dies);
        self.wired.isolate();
        self.wired.die();
        self.task = None;
        self.stand.let_go();
    }

    /// Whoever stands at the place panics; where no panic can happen, the engine's loops are dropped.
    pub fn drop_future(&mut self, place: Place) {
        if place.is_gate() {
            self.trap.decide(Fate::Panics);
        } else if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    /// Lets it end in order, if it lives.
    pub async fn end(&mut self) {
        self.stand.let_go();
        self.wired.database.clear();
        self.wired.partners.clear();
        self.wired.freeze(false);
        self.ends.cancel();
        if let Some(task) = self.task.take() {
            // What it leaves is for others to find.
            let _ = tokio::time::timeout(Duration::from_secs(30), task).await;
        }
        self.wired.die();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.stand.let_go();
    }
}
