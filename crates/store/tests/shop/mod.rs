//! A fresh shop in a fresh database of a real server, for each test.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test program uses another part of this"
)]

pub mod money;

use orders_embedded::testing::shared_cluster;
use orders_store::transact::Param;
use orders_store::{Store, StoreOptions, schema};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio_postgres::NoTls;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// A shop with the connections of its different people.
pub struct Shop {
    pub database: String,
    pub schema: String,
    /// The superuser who installed it.
    pub admin: Store,
    /// The service's own role.
    pub app: Store,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

/// The address of a database of the shared cluster for a role.
pub fn address(database: &str, role: &str) -> String {
    shared_cluster().connection_string(database, role)
}

/// A store on an address.
pub fn store(database: &str, role: &str, schema: &str) -> Store {
    let options =
        StoreOptions { schema: schema.into(), connections_max: 80, ..StoreOptions::default() };
    Store::new(&address(database, role), &options).expect("a valid address")
}

/// A database of its own.
pub async fn fresh_database() -> String {
    let name = format!("t{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let maintenance = store("postgres", "postgres", "public");
    maintenance
        .query("test.create_database", &format!("create database {name}"), &[])
        .await
        .expect("create database");
    name
}

impl Shop {
    /// Installs a shop into a fresh database.
    pub async fn fresh() -> Self {
        Self::in_database(&fresh_database().await, "public").await
    }

    /// Installs a shop into a schema of a database.
    pub async fn in_database(database: &str, schema: &str) -> Self {
        let admin = store(database, "postgres", schema);
        let installed = schema::install(&admin).await.expect("install");
        // To see the tests fail: a file of SQL that breaks something in every shop of a run.
        if let Ok(file) = std::env::var("ATOMIC_ORDERS_TEST_BREAK") {
            let session = tokio_postgres::connect(&address(database, "postgres"), NoTls).await;
            let (client, connection) = session.expect("connect");
            tokio::spawn(connection);
            let sql = std::fs::read_to_string(file).expect("a file of SQL");
            client.batch_execute(&sql).await.expect("what breaks the shop");
        }
        // Nobody reads payments at Stripe here; tests about the gate say how old facts may be.
        let patient = format!(
            "update {schema}.settings set value = '999999999999' where name = 'gate_age_ms'"
        );
        admin.query("test", &patient, &[]).await.expect("a patient gate");
        let app = store(database, &installed.app_role, schema);
        Self { database: database.into(), schema: schema.into(), admin, app }
    }

    /// A store connected as a role that the test makes able to log in.
    pub async fn login(&self, role: &str) -> Store {
        // Roles belong to the whole server: another test may be changing the same one.
        while self.text(&format!("select rolcanlogin from pg_roles where rolname = '{role}'")).await
            != "true"
        {
            let _ = self.admin.query("test", &format!("alter role {role} login"), &[]).await;
        }
        store(&self.database, role, &self.schema)
    }

    /// Runs a statement as the superuser.
    pub async fn sql(&self, sql: &str) -> Vec<tokio_postgres::Row> {
        self.admin.query("test", sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"))
    }

    /// One value as text, as the superuser.
    pub async fn text(&self, sql: &str) -> String {
        let rows = self.sql(&format!("select ({sql})::text")).await;
        rows[0].get::<_, Option<String>>(0).unwrap_or_default()
    }

    /// Places an order under a number; it waits for its payment.
    pub async fn place(&self, number: &str) -> Uuid {
        let answer =
            call(&self.app, "place_order", &[("order_param", &order(number).to_string(), "jsonb")])
                .await
                .expect("place");
        answer["order_id"].as_str().unwrap().parse().unwrap()
    }

    /// Places an order and makes it paid, as the payment loop would.
    pub async fn paid(&self, number: &str) -> Uuid {
        let id = self.place(number).await;
        self.sql(&format!("select attach_payment('{id}', 'pi_{}')", id.simple())).await;
        self.told(&[facts(id)]).await;
        id
    }

    /// Records what Stripe says of payments; gives the words of the results.
    pub async fn told(&self, facts: &[Value]) -> String {
        let facts = Value::from(facts.to_vec());
        let rows = self.sql(&format!("select * from record_payments('t', false, '{facts}')")).await;
        rows.iter().map(|row| row.get::<_, String>(1)).collect::<Vec<_>>().join(" ")
    }

    /// Claims an order with a lease and an intent, as the engine would; gives the token.
    pub async fn claim(&self, id: Uuid, lease_ms: i32) -> Uuid {
        let token = Uuid::from_u128(u128::from(COUNT.fetch_add(1, Ordering::Relaxed)) + (1 << 80));
        let rows = self
            .sql(&format!(
                "select c.* from lock_due_orders('zinc_v1', 1, '{id}') as o cross join lateral
                   commit_intents('zinc_v1', 't', '{token}', {lease_ms}, {lease_ms} / 2, 82800000,
                     array[o.id], array[o.version], array[coalesce(o.open_generation, o.generation + 1)],
                     array[gen_random_uuid()], array[gen_random_uuid()::text],
                     array[case when o.open_generation is null then '{{}}'::bytea end], array[sha256('{{}}')]) as c"
            ))
            .await;
        assert_eq!(rows.len(), 1, "the claim of {id}");
        token
    }

    /// An order whose submission has begun; gives its id and the fence token.
    pub async fn submitting(&self, number: &str, lease_ms: i32) -> (Uuid, Uuid) {
        let id = self.paid(number).await;
        (id, self.claim(id, lease_ms).await)
    }

    /// The status of an order.
    pub async fn status(&self, id: Uuid) -> String {
        self.text(&format!("select status from orders where id = '{id}'")).await
    }

    /// Demands that every history is whole.
    pub async fn verify(&self) {
        let rows = self.sql("select coalesce(rule || ': ' || detail, '') from verify_orders(null, 100000) where rule is not null").await;
        let broken: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(broken.is_empty(), "{broken:?}");
    }
}

impl Shop {
    /// Gives the shop a clock that the test owns (ruling 23): the real time plus a shift.
    pub async fn own_clock(&self) {
        self.sql("create table test_clock (shift interval not null)").await;
        self.sql("insert into test_clock values ('0')").await;
        self.sql("grant select on test_clock to public_orders_owner").await;
        self.sql(
            "create or replace function clock_now() returns timestamptz language sql volatile
             return clock_timestamp() + (select t.shift from test_clock as t)",
        )
        .await;
    }

    /// Sets how far the shop's clock is from the real time.
    pub async fn shift(&self, shift: &str) {
        self.sql(&format!("update test_clock set shift = '{shift}'")).await;
    }

    /// A session that stays open, for transactions that stand while others run.
    pub async fn session(&self, role: &str) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(&address(&self.database, role), NoTls).await.expect("connect");
        tokio::spawn(connection);
        client
    }

    /// Waits for a level: until a condition holds, as the superuser sees it.
    pub async fn until(&self, condition: &str) {
        for _ in 0..4000 {
            if self.text(condition).await == "true" {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("never became true: {condition}");
    }

    /// Waits until that many sessions wait for a lock.
    pub async fn until_blocked(&self, sessions: u32) {
        self.until(&format!(
            "select count(*) >= {sessions} from pg_stat_activity
              where datname = current_database() and wait_event_type = 'Lock'"
        ))
        .await;
    }

    /// Statements as the superuser with every trigger and foreign key off: what no wall can stop.
    pub async fn by_force(&self, sql: &str) {
        let session = self.session("postgres").await;
        session
            .batch_execute(&format!("set session_replication_role = replica; {sql}"))
            .await
            .unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    /// Calls `complete_order_processing` as the service.
    pub async fn complete(&self, id: Uuid, request_id: &str, status: &str, last: &str) -> Value {
        let uuid = id.to_string();
        let args = [
            ("order_uuid", uuid.as_str(), "uuid"),
            ("zinc_request_id_param", request_id, "text"),
            ("zinc_status_param", status, "text"),
            ("final_status_param", last, "text"),
        ];
        call(&self.app, "complete_order_processing", &args)
            .await
            .expect("complete_order_processing")
    }

    /// Calls `manually_complete_order` as the service, with or without a request id.
    pub async fn by_word(&self, id: Uuid, request_id: Option<&str>) -> Value {
        let uuid = id.to_string();
        let mut args =
            vec![("order_uuid", uuid.as_str(), "uuid"), ("reason_param", "seen at Zinc", "text")];
        args.extend(request_id.map(|given| ("zinc_request_id_param", given, "text")));
        call(&self.app, "manually_complete_order", &args).await.expect("manually_complete_order")
    }

    /// Calls `recover_stuck_orders` with an age in minutes and a batch.
    pub async fn recover(&self, age: i32, batch: i32) -> Value {
        let options = json!({ "batch": batch }).to_string();
        let args =
            [("max_age_minutes", &*age.to_string(), "integer"), ("options", &*options, "jsonb")];
        call(&self.app, "recover_stuck_orders", &args).await.expect("recover_stuck_orders")
    }

    /// Records one setback and gives the word about it.
    pub async fn setback(
        &self,
        id: Uuid,
        token: Uuid,
        words: &Setback<'_>,
    ) -> Result<String, orders_store::Error> {
        let text = |value: Option<&str>| value.map_or("null".to_owned(), |v| format!("'{v}'"));
        let sql = format!(
            "select result from {}.record_setbacks('t', array['{id}'::uuid], array['{token}'::uuid],
               array['{}'], array['code'], array['{}'], array[{}]::text[], array['{}'], array[{}]::text[],
               array[{}]::text[], array[{}::bigint])",
            self.schema, words.kind, words.outcome, text(words.settlement), words.after, text(words.review),
            text(words.hold), words.delay_ms
        );
        let rows = self.app.query("test.setback", &sql, &[]).await?;
        Ok(rows[0].get(0))
    }

    /// Records one acceptance and gives the word about it.
    pub async fn accept(&self, id: Uuid, token: Uuid, request_id: &str) -> String {
        self.text(&format!(
            "select result from record_acceptances('t', 1000, array['{id}'::uuid], array['{token}'::uuid], array['{request_id}'])"
        ))
        .await
    }

    /// Everything that is stored about an order, to see that nothing changed.
    pub async fn everything(&self, id: Uuid) -> String {
        self.text(&format!(
            "select jsonb_build_array((select to_jsonb(o) from orders as o where o.id = '{id}'),
               (select jsonb_agg(to_jsonb(a) order by a.generation) from order_attempts as a where a.order_id = '{id}'),
               (select jsonb_agg(to_jsonb(e) order by e.seq) from order_events as e where e.order_id = '{id}'),
               (select jsonb_agg(to_jsonb(p)) from payments as p where p.order_id = '{id}'))"
        ))
        .await
    }
}

/// What is recorded when a call ended in anything but an acceptance.
pub struct Setback<'a> {
    pub kind: &'a str,
    pub outcome: &'a str,
    pub settlement: Option<&'a str>,
    pub after: &'a str,
    pub review: Option<&'a str>,
    pub hold: Option<&'a str>,
    pub delay_ms: i64,
}

impl Setback<'_> {
    /// The answer was lost: nobody knows.
    pub const UNKNOWN: Setback<'static> = Setback {
        kind: "answer_lost",
        outcome: "unknown",
        settlement: None,
        after: "submitting",
        review: None,
        hold: None,
        delay_ms: 0,
    };
    /// Refused, the key used up, a new key may follow.
    pub const REFUSED: Setback<'static> = Setback {
        kind: "purchase_refused",
        outcome: "refused",
        settlement: Some("key_used_up"),
        after: "pending",
        review: None,
        hold: None,
        delay_ms: 0,
    };
    /// Given back before the first byte.
    pub const RELEASED: Setback<'static> = Setback {
        kind: "claim_released",
        outcome: "open",
        settlement: None,
        after: "pending",
        review: None,
        hold: None,
        delay_ms: 0,
    };
    /// Refused, and a person must look.
    pub const REVIEW: Setback<'static> = Setback {
        kind: "purchase_doubtful",
        outcome: "refused",
        settlement: None,
        after: "needs_review",
        review: Some("odd_code"),
        hold: None,
        delay_ms: 0,
    };
}

/// A good order.
pub fn order(number: &str) -> Value {
    json!({
        "order_number": number, "retailer": "amazon_uk", "currency": "GBP", "total_minor": 1530,
        "items": [{"product_id": "85123A", "title": "lantern", "quantity": 6, "unit_price_minor": 255}],
        "recipient": {"first_name": "Ada", "last_name": "Miller", "address_line1": "12 Elm Street",
            "zip_code": "SW1A 1AA", "city": "London", "state": "Greater London", "country": "GB", "phone_number": "+442079460000"}
    })
}

/// Calls a door with named arguments given as text.
pub async fn call(
    store: &Store,
    door: &str,
    args: &[(&str, &str, &str)],
) -> Result<Value, orders_store::Error> {
    let list: Vec<String> = args
        .iter()
        .enumerate()
        .map(|(at, (name, _, kind))| format!("{name} => ${}::text::{kind}", at + 1))
        .collect();
    let sql = format!("select {}.{door}({})", store.schema(), list.join(", "));
    let params: Vec<Param<'_>> = args
        .iter()
        .map(|(_, value, _)| (value as &(dyn tokio_postgres::types::ToSql + Sync), Type::TEXT))
        .collect();
    let rows = store.query("test.call", &sql, &params).await?;
    Ok(rows[0].get::<_, Option<Value>>(0).unwrap_or(Value::Null))
}

/// What Stripe says of a payment that pays the order: every condition of "paid" holds.
pub fn facts(id: Uuid) -> Value {
    json!({
        "payment_intent": format!("pi_{}", id.simple()), "order_id": id, "status": "succeeded",
        "received_minor": 1530, "capturable_minor": 0, "refunded_minor": 0, "currency": "GBP",
        "livemode": false, "named_order": id, "capture_before": null, "dispute": null,
        "in_review": false, "warned": false,
    })
}
