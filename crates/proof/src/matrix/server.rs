//! The server that takes Stripe's messages, as a fault meets it: on a runtime of its own, behind a wire to
//! the database and one before its socket, made to stand still at a point.

use super::place::{Fate, Place, Trap, hold};
use crate::wire::{Stop, database, partner};
use crate::world::Shop;
use crate::world::hook::{SECRET, now};
use jiff::SignedDuration;
use orders_service::api::{self, StripeCounts, WallClock};
use orders_store::{Store, StoreOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How many connections to the database it has.
pub(super) const CONNECTIONS: usize = 4;

/// A server in the hands of a test.
pub(super) struct Server {
    /// Its way to the database.
    pub(super) database: database::Wire,
    /// The way of whoever sends to it.
    pub(super) front: partner::Wire,
    /// Where it is made to stand still.
    pub(super) stand: Arc<Stop>,
    /// What it stores messages by.
    pub(super) store: Store,
    /// What it has counted.
    pub(super) counts: Arc<StripeCounts>,
    /// How many seconds its clock is ahead.
    ahead_s: Arc<AtomicI64>,
    trap: Arc<Trap>,
    ends: CancellationToken,
    task: Option<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

impl Server {
    /// Starts one that will stand still at a place the first time that a message comes there, and has
    /// Stripe send its messages to it.
    pub(super) async fn start(shop: &Shop, place: Place, moment: database::Moment) -> Self {
        let stand = Arc::new(Stop::default());
        let trap = Arc::new(Trap::at(place, Arc::clone(&stand)));
        let server = shop.ground.address("postgres", "postgres");
        let database = database::Wire::going_on(&server, shop.sessions.clone()).await;
        let schema = shop.app.schema().to_owned();
        let options =
            StoreOptions { schema, connections_max: CONNECTIONS, ..StoreOptions::default() };
        let address = database.address(&shop.database, &shop.app_role());
        let store = Store::new(&address, &options).expect("a valid address");
        let ahead_s = Arc::new(AtomicI64::new(0));
        let armed = Arc::new(AtomicBool::new(false));
        let at_clock = place == Place::Clock;
        let clock: WallClock = {
            let (trap, armed, ahead_s) =
                (Arc::clone(&trap), Arc::clone(&armed), Arc::clone(&ahead_s));
            Arc::new(move || {
                if at_clock && armed.load(Ordering::SeqCst) {
                    trap.stand();
                }
                now() + SignedDuration::from_secs(ahead_s.load(Ordering::SeqCst))
            })
        };
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let api = shop.message_api(store.clone(), None, clock).await;
        let counts = Arc::clone(&api.stripe_hook.as_ref().expect("it takes messages").counts);
        let bound = runtime.spawn(TcpListener::bind("127.0.0.1:0")).await.expect("no panic");
        let listener = bound.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let ends = CancellationToken::new();
        let task = runtime.spawn(api::serve(listener, api::router(api), ends.clone()));
        let front = partner::Wire::start(address).await;
        hold(place, moment, &stand, &database, &front);
        // The clock is also read when a server starts.
        armed.store(true, Ordering::SeqCst);
        let url = format!("{}/webhooks/stripe", front.base_url());
        shop.stripe().set_webhook(Some(&url), vec![SECRET.to_owned()]).expect("an endpoint");
        Self {
            database,
            front,
            stand,
            store,
            counts,
            ahead_s,
            trap,
            ends,
            task: Some(task),
            runtime: Some(runtime),
        }
    }

    /// Its runtime, while it lives.
    pub(super) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("a living server")
    }

    /// Puts its clock so far ahead.
    pub(super) fn clock_ahead(&self, seconds: i64) {
        self.ahead_s.store(seconds, Ordering::SeqCst);
    }

    /// Whoever stands at its clock panics when he is let go.
    pub(super) fn panic(&self) {
        self.trap.decide(Fate::Panics);
    }

    /// Stands still as a whole, or goes on.
    pub(super) fn freeze(&self, frozen: bool) {
        self.database.freeze(frozen);
        self.front.freeze(frozen);
    }

    /// Dies, as by SIGKILL: nothing that it had not done happens any more.
    pub(super) fn kill(&mut self) {
        self.trap.decide(Fate::Dies);
        self.database.cut();
        self.front.cut();
        self.database.deafen(true);
        self.front.deafen(true);
        self.task = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.stand.let_go();
    }

    /// Lets it end in order, if it lives: whatever it has in its hands is done first.
    pub(super) async fn end(&mut self) {
        self.stand.let_go();
        self.freeze(false);
        self.database.clear();
        self.ends.cancel();
        if let Some(task) = self.task.take() {
            // What it leaves is for others to find.
            let _ = tokio::time::timeout(Duration::from_secs(25), task).await;
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stand.let_go();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
