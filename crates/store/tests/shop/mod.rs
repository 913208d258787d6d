//! A fresh shop in a fresh database of a real server, for each test.
#![allow(dead_code, clippy::allow_attributes, reason = "each test program uses another part of this")]

use orders_embedded::testing::shared_cluster;
use orders_store::transact::Param;
use orders_store::{Store, StoreOptions, schema};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
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
    let options = StoreOptions { schema: schema.into(), connections_max: 80, ..StoreOptions::default() };
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
        let app = store(database, &installed.app_role, schema);
        Self { database: database.into(), schema: schema.into(), admin, app }
    }

    /// A store connected as a role that the test makes able to log in.
    pub async fn login(&self, role: &str) -> Store {
        self.sql(&format!("alter role {role} login")).await;
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
        let answer = call(&self.app, "place_order", &[("order_param", &order(number).to_string(), "jsonb")])
            .await
            .expect("place");
        answer["order_id"].as_str().unwrap().parse().unwrap()
    }

    /// Places an order and makes it paid, as the payment loop would.
    pub async fn paid(&self, number: &str) -> Uuid {
        let id = self.place(number).await;
        self.sql(&format!("select attach_payment('{id}', 'pi_{}')", id.simple())).await;
        self.sql(&format!(
            "select * from record_payments('t', false, array['pi_{}'], array['{id}'::uuid], array['succeeded'],
               array[1530::bigint], array['GBP'], array[false], array['{id}'], array[false])",
            id.simple()
        ))
        .await;
        id
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

/// A good order.
pub fn order(number: &str) -> Value {
    json!({
        "order_number": number, "retailer": "amazon_uk", "currency": "GBP", "total_minor": 1530,
        "items": [{"product_id": "85123A", "title": "lantern", "quantity": 6, "unit_price_minor": 255}],
        "recipient": {"first_name": "Ada", "last_name": "Miller", "address_line1": "12 Elm Street",
            "zip_code": "SW1A 1AA", "city": "London", "country": "GB", "phone_number": "+442079460000"}
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
    let params: Vec<Param<'_>> =
        args.iter().map(|(_, value, _)| (value as &(dyn tokio_postgres::types::ToSql + Sync), Type::TEXT)).collect();
    let rows = store.query("test.call", &sql, &params).await?;
    Ok(rows[0].get::<_, Option<Value>>(0).unwrap_or(Value::Null))
}
