//! A shop to test the engine in: a fresh schema on a real PostgreSQL, the sandbox partners over real
//! HTTP, engines in this process or as children of it. The provider's ledger is the judge.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on must end"
)]

pub mod bound;
pub mod broken;
pub mod child;
pub mod counter;
pub mod folder;
pub mod ground;
pub mod hook;
pub mod money;
pub mod pooler;
pub mod untested;
pub mod worker;

use crate::wire::Sessions;
use ground::Ground;
use orders_sandbox::zinc::{Event, Summary};
use orders_sandbox::{Faults, Line, Options, Running, World};
use orders_store::{Store, schema};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// What one order of these tests costs.
pub const TOTAL: i64 = 1530;
/// What Stripe says of a payment that pays the order `id`, as an expression of SQL.
const GOOD_FACTS: &str = "jsonb_build_object('payment_intent', 'pi_' || replace(id::text, '-', ''),
    'order_id', id, 'named_order', id, 'status', 'succeeded', 'received_minor', 1530,
    'capturable_minor', 0, 'refunded_minor', 0, 'currency', 'USD', 'livemode', false,
    'in_review', false, 'warned', false)";
/// No level is waited for any longer.
const PATIENCE: Duration = Duration::from_secs(90);

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A number that no other part of this test program has.
pub fn next() -> u32 {
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// A shop with its partners.
pub struct Shop {
    /// Where its database stands.
    pub ground: Ground,
    /// Its database.
    pub database: String,
    /// The superuser.
    pub admin: Store,
    /// The service.
    pub app: Store,
    /// Zinc and Stripe.
    pub partners: Running,
    /// Sessions in which engines behind wires follow one another.
    pub sessions: Sessions,
}

/// The address of a database of the test cluster for a role.
pub fn address(database: &str, role: &str) -> String {
    Ground::Shared.address(database, role)
}

/// A store on a database of the test cluster.
pub fn store(database: &str, role: &str, schema: &str) -> Store {
    Ground::Shared.store(database, role, schema)
}

/// A database of its own.
pub async fn fresh_database() -> String {
    Ground::Shared.fresh_database().await
}

/// Partners in a hurry, with an order of times as in life.
pub fn hurried() -> Options {
    let mut options = Options::default();
    options.zinc.latency_ms = 20;
    options.zinc.processing_bound_ms = 400;
    options.zinc.placed_after_ms = 100;
    options.zinc.delivered_after_ms = 100;
    options.zinc.quirks = false;
    options.zinc.faults = quick(Faults::none());
    options
}

/// Faults with the measures of these tests: a late answer comes after the call's limit, a slow one
/// before it, a late purchase within the provider's bound.
pub fn quick(faults: Faults) -> Faults {
    Faults { late_answer_ms: 3_000, slow_ms: 300, buy_late_ms: 300, ..faults }
}

impl Shop {
    /// A shop whose partners make no mistakes.
    pub async fn fresh() -> Self {
        Self::with(hurried()).await
    }

    /// A shop whose partners make these mistakes.
    pub async fn faulty(faults: Faults) -> Self {
        let mut options = hurried();
        options.zinc.faults = quick(faults);
        Self::with(options).await
    }

    /// A shop with these partners.
    pub async fn with(options: Options) -> Self {
        Self::in_schema(&fresh_database().await, "public", options).await
    }

    /// A shop in a schema of a database.
    pub async fn in_schema(database: &str, schema: &str, options: Options) -> Self {
        Self::on(Ground::Shared, database, schema, options).await
    }

    /// A shop in a schema of a database that stands there.
    pub async fn on(ground: Ground, database: &str, schema: &str, options: Options) -> Self {
        let admin = ground.store(database, "postgres", schema);
        let app = ground.store(database, &schema::names(schema).expect("a name").app, schema);
        Self::installed(ground, database, (admin, app), options).await
    }

    /// A shop that this superuser installs; the other store is the service's.
    pub async fn installed(
        ground: Ground,
        database: &str,
        (admin, app): (Store, Store),
        options: Options,
    ) -> Self {
        schema::install(&admin).await.expect("an installed shop");
        broken::on_purpose(&admin).await;
        let partners = World::start(options).await.expect("partners");
        let sessions = Sessions::default();
        let shop = Self { ground, database: database.into(), admin, app, partners, sessions };
        shop.hurry().await;
        shop
    }

    /// Removes its database: nobody comes to it any more, and thousands would fill a disk.
    pub async fn remove(&self) {
        self.ground.remove(&self.database).await;
    }

    /// Shortens the shop's own times to those of these tests.
    async fn hurry(&self) {
        for (name, value) in [
            ("processing_bound_ms", "500"),
            ("poll_ms", "200"),
            ("repeat_first_ms", "50"),
            ("renew_first_ms", "50"),
            ("account_pause_ms", "400"),
        ] {
            self.set(name, value).await;
        }
    }

    /// Changes a setting; engines that start later read it.
    pub async fn set(&self, name: &str, value: &str) {
        schema::set(&self.admin, name, value).await.expect("a setting");
    }

    /// The provider.
    pub fn zinc(&self) -> &orders_sandbox::Zinc {
        &self.partners.world.zinc
    }

    /// The names of the shop's roles.
    pub fn app_role(&self) -> String {
        format!("{}_orders_app", self.app.schema())
    }

    /// Runs a statement as the superuser, in the shop's schema.
    pub async fn sql(&self, sql: &str) {
        let sql = sql.replace("{s}", self.app.schema());
        self.admin.query("test", &sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    /// The first column of a query, which must be text.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = sql.replace("{s}", self.app.schema());
        let rows = self.admin.query("test", &sql, &[]).await;
        let rows = rows.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_default()).collect()
    }

    /// One value as text.
    pub async fn text(&self, sql: &str) -> String {
        self.texts(&format!("select ({sql})::text")).await.remove(0)
    }

    /// A statement as the service, whose first column is text.
    pub async fn as_app(&self, sql: &str) -> Vec<String> {
        let sql = sql.replace("{s}", self.app.schema());
        let rows = self.app.query("test", &sql, &[]).await;
        let rows = rows.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_default()).collect()
    }

    /// One value as a number.
    pub async fn count(&self, sql: &str) -> u64 {
        self.text(sql).await.parse().unwrap_or_else(|_| panic!("no number: {sql}"))
    }

    /// Places an order; it waits for its payment.
    pub async fn place(&self) -> Uuid {
        self.place_as(&order()).await
    }

    /// Places this order.
    pub async fn place_as(&self, order: &Value) -> Uuid {
        let text = order.to_string().replace('\'', "''");
        let sql = format!("select {{s}}.place_order('{text}'::jsonb) ->> 'order_id'");
        self.as_app(&sql).await[0].parse().expect("an order")
    }

    /// Places orders and lets their customers pay at Stripe; an engine must still read it there.
    pub async fn paying(&self, count: usize) -> Vec<Uuid> {
        let mut ids = Vec::with_capacity(count);
        for _ in 0..count {
            let id = self.place().await;
            let intent = self.partners.world.stripe.pay(&id.to_string(), TOTAL, "usd");
            self.sql(&format!("select {{s}}.attach_payment('{id}', '{intent}')")).await;
            ids.push(id);
        }
        ids
    }

    /// Places orders that are paid, as the payment loop would leave them.
    pub async fn paid(&self, count: usize) -> Vec<Uuid> {
        let mut ids = Vec::with_capacity(count);
        for _ in 0..count {
            ids.push(self.place().await);
        }
        self.pay(&ids).await;
        ids
    }

    /// Makes placed orders paid.
    pub async fn pay(&self, ids: &[Uuid]) {
        let list = array(ids);
        self.sql(&format!(
            "select {{s}}.attach_payment(id, 'pi_' || replace(id::text, '-', '')) from unnest({list}) as id"
        ))
        .await;
        // Stripe knows nothing of these payments, so nobody can read them again.
        self.patient_gate().await;
        self.sql(&format!(
            "select r.* from (select jsonb_agg({GOOD_FACTS}) as facts from unnest({list}) as id) as a
              cross join lateral {{s}}.record_payments('t', false, a.facts) as r"
        ))
        .await;
    }

    /// Lets orders be sent however long ago their payments were read at Stripe.
    pub async fn patient_gate(&self) {
        self.sql("update {s}.settings set value = '999999999999' where name = 'gate_age_ms'").await;
    }

    /// Waits for a level: until a condition holds.
    pub async fn until(&self, condition: &str) {
        let begun = Instant::now();
        while self.text(condition).await != "true" {
            assert!(
                begun.elapsed() < PATIENCE,
                "never became true: {condition}\n{}",
                self.story().await
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until every order is completed or with a person.
    pub async fn until_ended(&self) {
        self.until("select not exists (select from {s}.orders where status not in ('completed', 'cancelled', 'failed', 'needs_review'))")
            .await;
    }

    /// Waits until that many calls of the provider's were received.
    pub async fn until_creates(&self, creates: u64) {
        let is_create = |line: &Line<Event>| matches!(line.event, Event::Create(_));
        let seen = self.zinc().wait_until(|lines| {
            u64::try_from(lines.iter().filter(|line| is_create(line)).count())
                .is_ok_and(|n| n >= creates)
        });
        tokio::time::timeout(PATIENCE, seen).await.expect("creates at the provider");
    }

    /// Ends the leases that nobody will renew, instead of waiting for them.
    pub async fn end_leases(&self) {
        self.end_leases_where("true").await;
    }

    /// Ends the leases whose work is older than any call of these tests and its recording: nobody
    /// works under them any more, and their end would only be waited for.
    pub async fn end_leases_of_nobody(&self) {
        self.end_leases_where("a.call_deadline_at < {s}.clock_now() - interval '1 s'").await;
    }

    /// With a lease ends the due time of its order, at which recovery looks.
    async fn end_leases_where(&self, condition: &str) {
        let sql = format!(
            "with ended as (
               update {{s}}.orders as o set due_at = {{s}}.clock_now() - interval '1 ms'
                 from {{s}}.order_attempts as a
                where a.order_id = o.id and a.lease_token is not null and o.status = 'submitting' and {condition}
               returning o.id)
             update {{s}}.order_attempts as a set lease_expires_at = {{s}}.clock_now() - interval '1 ms'
               from ended where a.order_id = ended.id and a.lease_token is not null"
        );
        self.by_force(&sql).await;
    }

    /// The status of an order.
    pub async fn status(&self, id: Uuid) -> String {
        self.text(&format!("select status from {{s}}.orders where id = '{id}'")).await
    }

    /// One column of an order.
    pub async fn of(&self, id: Uuid, column: &str) -> String {
        self.text(&format!("select {column} from {{s}}.orders where id = '{id}'")).await
    }

    /// The kinds of an order's events, in their order.
    pub async fn kinds(&self, id: Uuid) -> String {
        self.text(&format!(
            "select string_agg(kind, ' ' order by seq) from {{s}}.order_events where order_id = '{id}'"
        ))
        .await
    }

    /// How many events of a kind there are.
    pub async fn events(&self, kind: &str) -> u64 {
        self.count(&format!("select count(*) from {{s}}.order_events where kind = '{kind}'")).await
    }

    /// Orders by status and reason.
    pub async fn ends(&self) -> BTreeMap<String, usize> {
        let rows = self
            .texts("select concat_ws(' ', status, hold_reason, review_reason) from {s}.orders")
            .await;
        let mut ends = BTreeMap::new();
        for row in rows {
            *ends.entry(row).or_default() += 1;
        }
        ends
    }

    /// Demands that nothing was bought twice, under other bytes, or while the same key was busy; that
    /// every history is whole; that what we call bought was bought; and that nothing is lost.
    pub async fn clean(&self) -> Summary {
        let summary = self.zinc().summary();
        assert_eq!(summary.duplicates, [], "bought twice");
        assert_eq!(summary.violations, 0, "other bytes under one key");
        assert_eq!(summary.overlapping_purchases, 0, "a key that was busy");
        assert_eq!((summary.keyless_purchases, summary.purchases_without_order), (0, 0));
        assert_eq!(summary.ledger_failure, None);
        let broken = self
            .texts("select order_id::text || ' ' || rule || ' ' || detail from {s}.verify_orders(null, 100000) where rule is not null")
            .await;
        assert!(broken.is_empty(), "{broken:?}");
        let believed = self.ids("status in ('submitted_to_zinc', 'processing', 'completed')").await;
        assert_eq!(self.never_bought(&believed), Vec::<String>::new(), "believed bought");
        // What ended unbought is not lost when its money is on its way back.
        let others = self
            .ids("status not in ('completed', 'needs_review', 'cancelled') and not (status = 'failed' and payment_status in ('refund_pending', 'refunded'))")
            .await;
        let lost = self.never_bought(&others);
        let alive = self.ids("due_at is not null").await;
        assert!(lost.iter().all(|id| alive.contains(id)), "lost: {lost:?}");
        summary
    }

    /// Demands that exactly these orders were bought, each once, and are completed.
    pub async fn bought_once(&self, ids: &[Uuid]) -> Summary {
        let summary = self.clean().await;
        let names: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        assert_eq!(self.never_bought(&names), Vec::<String>::new(), "{}", self.story().await);
        assert_eq!(summary.orders_bought_once, ids.len() as u64);
        assert_eq!(summary.live_purchases, ids.len() as u64);
        assert_eq!(self.ends().await, [("completed".to_owned(), ids.len())].into());
        summary
    }

    /// The ids of the orders for which a condition holds.
    pub async fn ids(&self, condition: &str) -> Vec<String> {
        self.texts(&format!("select id::text from {{s}}.orders where {condition}")).await
    }

    /// Those of the orders that the provider's ledger holds no purchase of.
    pub fn never_bought(&self, ids: &[String]) -> Vec<String> {
        self.zinc().never_bought(ids.iter().map(String::as_str))
    }

    /// What happened, for the message of a failure.
    pub async fn story(&self) -> String {
        let lines = self
            .texts(
                "select concat_ws(' ', o.id, o.status, o.hold_reason, o.review_reason, o.due_at - clock_timestamp(), '|',
                        (select string_agg(concat_ws('/', a.outcome, a.calls, a.code, a.settled_by, a.lease_expires_at - clock_timestamp()), ' ' order by a.generation)
                           from {s}.order_attempts as a where a.order_id = o.id), '|',
                        (select string_agg(e.kind, ' ' order by e.seq) from {s}.order_events as e where e.order_id = o.id))
                   from {s}.orders as o where o.status <> 'completed' limit 12",
            )
            .await;
        let held = "select concat_ws(' ', 'held', s.held_because, s.compared_at, (select string_agg(a.rule || '/' || a.subject, ' ')
                                from {s}.alerts as a where a.order_id is null and a.closed_at is null))
                      from {s}.shop as s where s.held_since is not null";
        let held = self.texts(held).await.join("\n");
        format!("{:?} {held}\n{}\n{:?}", self.ends().await, lines.join("\n"), self.zinc().summary())
    }
}

/// Ids as an array of SQL.
pub fn array(ids: &[Uuid]) -> String {
    let list: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    format!("array[{}]::uuid[]", list.join(","))
}

/// A good order under a number of its own.
pub fn order() -> Value {
    json!({
        "order_number": format!("n{}", next()), "retailer": "amazon", "currency": "USD", "total_minor": TOTAL,
        "items": [{"product_id": "B0EXAMPLE1", "title": "lantern", "quantity": 6, "unit_price_minor": 255}],
        "recipient": {"first_name": "Ada", "last_name": "Miller", "address_line1": "12 Elm Street",
            "zip_code": "10001", "city": "New York", "state": "NY", "country": "US", "phone_number": "+12125550100"}
    })
}

impl Shop {
    /// Gives the shop a clock that the test owns (ruling 23): the real time plus a shift.
    pub async fn own_clock(&self) {
        self.sql("create table {s}.test_clock (shift interval not null)").await;
        self.sql("insert into {s}.test_clock values ('0')").await;
        self.sql("grant select on {s}.test_clock to {s}_orders_owner").await;
        self.sql(
            "create or replace function {s}.clock_now() returns timestamptz language sql volatile
             return clock_timestamp() + (select t.shift from {s}.test_clock as t)",
        )
        .await;
    }

    /// Sets how far the shop's clock is from the real time.
    pub async fn shift(&self, shift: &str) {
        self.sql(&format!("update {{s}}.test_clock set shift = '{shift}'")).await;
    }
}
