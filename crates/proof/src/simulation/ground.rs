//! The ground that histories are played on, one after the other: a shop on a real database, a fake Zinc and
//! a fake Stripe of their own for each history, and two workers behind wires.
//!
//! Promise: each history begins in a shop as it was installed: no row, ledger, connection rule or memory of
//! an engine is left of the one before. Its clock, its secret, its ids and its engines' chance come from the
//! seed, so that the same history meets the same world.
//!
//! The rows of the former history are deleted behind the triggers, by the superuser: a fresh database for
//! each would take longer than the history.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on must end"
)]

use super::draw::Kind;
use super::hand::Hand;
use super::time::Time;
use crate::world::hook::{Endpoint, SECRET};
use crate::world::{Shop, address};
use jiff::Timestamp;
use orders_sandbox::{Clock as _, Faults, Options, World};
use orders_store::{Store, StoreOptions, schema};
use serde_json::Value;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// No transaction that was broken off takes longer to end in the server.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is not emptied between two histories: what an installation wrote, and the clock.
const KEPT: &str = "'order_edges', 'settings', 'protected_functions', 'protected_objects', 'schema_migrations', 'test_clock', 'shop'";

/// The shop as it is before any engine has worked there.
const NEVER_WORKED: &str = "update {s}.shop set place = null, server_started_at = null, beaten_at = null, beats = 0,
  held_since = null, held_because = null, compare_since = null, forgotten_from = null, compared_at = null;";

/// The ground.
pub struct Ground {
    /// The shop, with the partners of this history.
    pub shop: Shop,
    /// Everybody's time.
    pub time: Time,
    /// How far the database's clock is behind, in milliseconds.
    pub behind_ms: i64,
    /// The workers.
    pub hands: [Hand; 2],
    endpoint: Endpoint,
    empties: String,
}

impl Ground {
    /// A fresh one.
    pub async fn fresh() -> Self {
        let mut shop = Shop::fresh().await;
        // As an engine asks for it, of connections that wait for the disk.
        schema::check_ground(&shop.app).await.expect("a shop as it was installed");
        shop.admin = hasty(&shop, &shop_address(&shop, "postgres"));
        shop.app = hasty(&shop, &shop_address(&shop, &shop.app_role()));
        shop.sql("create table {s}.test_clock (at timestamptz not null)").await;
        shop.sql("insert into {s}.test_clock values (now())").await;
        shop.sql("grant select on {s}.test_clock to {s}_orders_owner").await;
        shop.sql(
            "create or replace function {s}.clock_now() returns timestamptz language sql volatile
             return (select t.at from {s}.test_clock as t)",
        )
        .await;
        let tables = shop
            .texts(&format!(
                "select format('delete from {{s}}.%I;', c.relname) from pg_class as c
                  where c.relnamespace = '{{s}}'::regnamespace and c.relkind = 'r' and c.relname not in ({KEPT})"
            ))
            .await;
        let time = Time::default();
        let clock = time.clone();
        let endpoint = shop
            .endpoint(
                None,
                Arc::new(move || {
                    Timestamp::from_millisecond(clock.now_ms()).expect("a time of our era")
                }),
            )
            .await;
        let hands = [Hand::new('A', &shop).await, Hand::new('B', &shop).await];
        let empties = tables.concat();
        Self { shop, time, behind_ms: 0, hands, endpoint, empties }
    }

    /// Begins another history.
    pub async fn begin(&mut self, seed: u64, kind: &Kind) {
        self.time.begin();
        self.behind_ms = 0;
        self.shop.partners = World::start(self.options(seed, kind)).await.expect("partners");
        let stripe = self.shop.stripe();
        stripe.hold_deliveries(true);
        stripe.set_webhook(Some(&self.endpoint.url), vec![SECRET.to_owned()]).expect("an endpoint");
        let sql =
            format!("{} {NEVER_WORKED} {} {}", self.empties, settings(seed, kind), self.clock_is());
        self.shop.by_force(&sql).await;
        for (number, hand) in self.hands.iter_mut().enumerate() {
            hand.begin(&self.shop, &self.time, seed ^ (number as u64 + 1) << 32).await;
        }
    }

    fn options(&self, seed: u64, kind: &Kind) -> Options {
        let mut options = Options { clock: Arc::new(self.time.clone()), ..Options::default() };
        options.zinc.seed = seed;
        options.zinc.latency_ms = 0;
        options.zinc.processing_bound_ms = 60_000;
        options.zinc.placed_after_ms = 120_000;
        options.zinc.delivered_after_ms = 1_800_000;
        options.zinc.quirks = false;
        options.zinc.faults = Faults {
            seed,
            fail_later: f64::from(kind.fails_percent) / 100.0,
            // Within the bound, so that only who waits for it repeats safely.
            buy_late_ms: 50_000,
            ..Faults::none()
        };
        options.stripe.seed = seed;
        options.stripe.faults.effect_later_ms = 50_000;
        options
    }

    /// Sets the database's clock and gives how the orders stand: an object with an array for each, by its id.
    pub async fn look(&self) -> Value {
        let sql = format!(
            "with clock as (update {{s}}.test_clock set at = {} returning 1)
             select (select coalesce(jsonb_object_agg(o.id, jsonb_build_array(o.status, o.hold_reason, o.review_reason, o.payment_status,
                      (select jsonb_agg(e.kind order by e.seq) from {{s}}.order_events as e where e.order_id = o.id))), '{{}}')
                from {{s}}.orders as o)::text from clock",
            self.clock()
        );
        let text = self.shop.texts(&sql).await.remove(0);
        serde_json::from_str(&text).expect("an object")
    }

    fn clock(&self) -> String {
        format!("to_timestamp({} / 1000.0)", self.time.now_ms() - self.behind_ms)
    }

    fn clock_is(&self) -> String {
        format!("update {{s}}.test_clock set at = {};", self.clock())
    }

    /// Waits until nobody else is in the middle of something in this database: what was broken off has been
    /// rolled back, so that it hides no row from the next step.
    pub async fn quiet(&self) {
        quiet(&self.shop).await;
    }
}

/// See [`Ground::quiet`].
pub async fn quiet(shop: &Shop) {
    let begun = Instant::now();
    let busy = "select count(*) from pg_stat_activity where datname = current_database()
                  and pid <> pg_backend_pid() and backend_type = 'client backend' and state <> 'idle'";
    while shop.count(busy).await > 0 {
        assert!(begun.elapsed() < PATIENCE, "a transaction that was broken off goes on and on");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A store whose commits do not wait for the disk, and whose statements are not compiled: no server dies
/// here, and every table is small.
pub fn hasty(shop: &Shop, address: &str) -> Store {
    let address = format!("{address} options='-c synchronous_commit=off -c jit=off'");
    let schema = shop.app.schema().to_owned();
    let options = StoreOptions { schema, connections_max: 6, ..StoreOptions::default() };
    Store::new(&address, &options).expect("a valid address")
}

fn shop_address(shop: &Shop, role: &str) -> String {
    address(&shop.database, role)
}

/// The settings of a shop of this kind: those of production but for what the seed says.
fn settings(seed: u64, kind: &Kind) -> String {
    let (calls, keys) = kind.tries;
    let capture = if kind.captures_after { "after_purchase" } else { "before_purchase" };
    let all = [
        ("shop_secret", format!("{seed:064x}")),
        ("processing_bound_ms", "60000".into()),
        ("poll_ms", "300000".into()),
        ("calls_max", calls.to_string()),
        ("generations_max", keys.to_string()),
        ("repeat_first_ms", "1000".into()),
        ("renew_first_ms", "5000".into()),
        ("account_pause_ms", "300000".into()),
        ("gate_age_ms", "60000".into()),
        ("capture_when", capture.into()),
        ("two_persons_above_minor", kind.two_persons_above.to_string()),
        ("expire_unpaid_after_s", kind.expires_after_s.to_string()),
    ];
    let mut sql = String::new();
    for (name, value) in all {
        let _ = write!(sql, "update {{s}}.settings set value = '{value}' where name = '{name}';");
    }
    sql
}
