//! An engine on a runtime of its own, so that it can die like a process, and behind wires of its own, so
//! that what happens to it happens to nobody else.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on must end"
)]

use crate::wire::{database, partner};
use crate::world::Shop;
use crate::world::worker::{Setup, ShiftedClock};
use orders_core::gate::Gate;
use orders_service::engine::{Engine, Options};
use orders_store::{Store, StoreOptions};
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// How many connections to its database an engine here has.
pub const CONNECTIONS: usize = 8;

/// The engine and what it stands behind.
pub struct Wired {
    /// Its way to the database.
    pub database: database::Wire,
    /// Its way to the partners.
    pub partners: partner::Wire,
    /// Its clock.
    pub clock: Arc<ShiftedClock>,
    /// The engine; it does not run yet.
    pub engine: Arc<Engine>,
    runtime: Option<Runtime>,
}

impl Wired {
    /// Prepares one that passes these gates and makes so many calls at once.
    pub async fn prepared(shop: &Shop, gate: Arc<dyn Gate>, in_flight_max: usize) -> Self {
        Self::working(shop, gate, |options| options.in_flight_max = in_flight_max).await
    }

    /// Prepares one that passes these gates and works so.
    pub async fn working(shop: &Shop, gate: Arc<dyn Gate>, so: impl FnOnce(&mut Options)) -> Self {
        let server = shop.ground.address("postgres", "postgres");
        let database = database::Wire::going_on(&server, shop.sessions.clone()).await;
        let address = shop.partners.base_url();
        let partners = partner::Wire::start(address.trim_start_matches("http://").to_owned()).await;
        let schema = shop.app.schema().to_owned();
        let options =
            StoreOptions { schema, connections_max: CONNECTIONS, ..StoreOptions::default() };
        let store = Store::new(&database.address(&shop.database, &shop.app_role()), &options);
        let clock = Arc::new(ShiftedClock::default());
        let mut setup = Setup {
            gate,
            clock: Arc::clone(&clock) as _,
            store: Some(store.expect("a valid address")),
            partners: Some(partners.base_url()),
            ..Setup::behind_wires()
        };
        so(&mut setup.options);
        let (parts, options) = shop.parts(setup);
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let prepared = runtime
            .spawn(Engine::prepare_on_checked_ground(parts, options))
            .await
            .expect("no panic");
        let engine = prepared.expect("an engine");
        Self { database, partners, clock, engine, runtime: Some(runtime) }
    }

    /// Its runtime, while it lives.
    pub fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("a living engine")
    }

    /// Whether it has not died.
    pub fn lives(&self) -> bool {
        self.runtime.is_some()
    }

    /// Stands still as a whole, or goes on.
    pub fn freeze(&self, frozen: bool) {
        self.database.freeze(frozen);
        self.partners.freeze(frozen);
    }

    /// All its connections break, and it gets no others.
    pub fn isolate(&self) {
        self.database.cut();
        self.partners.cut();
        self.database.deafen(true);
        self.partners.deafen(true);
    }

    /// Nothing happens in it any more.
    pub fn die(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Wired {
    fn drop(&mut self) {
        self.die();
    }
}
