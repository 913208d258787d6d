//! A shop that is open: its own database on the embedded cluster, a sandbox world, an engine, and the
//! server on a real TCP port.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test program uses another part of this"
)]

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use orders_core::order::Retailer;
use orders_core::private::Private;
use orders_embedded::testing::shared_cluster;
use orders_gateway::http::{Base, Client, SystemBootClock};
use orders_gateway::provider::Provider;
use orders_gateway::zinc_v1;
use orders_sandbox::{Options as WorldOptions, Running, World, zinc};
use orders_service::api::{self, Api, JwtSecret, StripeHook};
use orders_service::engine::chance::Chance;
use orders_service::engine::{Engine, Options, Parts};
use orders_store::{Store, StoreOptions, access, door, schema};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The time that JWTs are judged by.
pub const NOW_S: i64 = 1_800_000_000;
/// The secret of the project's JWTs.
pub const JWT_SECRET: &str = "a secret of the project that is long enough";

/// The secret of Stripe's webhook endpoint.
pub const WEBHOOK_SECRET: &str = "whsec_of_the_tests";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// The open shop.
pub struct Desk {
    pub admin: Store,
    pub app: Store,
    pub world: Running,
    pub engine: Arc<Engine>,
    pub address: SocketAddr,
    /// A good key.
    pub key: String,
    /// What messages of Stripe are judged by.
    pub hook: StripeHook,
    stop: CancellationToken,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// The body as JSON; null when it is none.
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The code of the error.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// The fields that break rules.
    pub fn fields(&self) -> Vec<&str> {
        let all = self.body["violations"].as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter().filter_map(|one| one["field"].as_str()).collect()
    }
}

/// What messages of Stripe are judged by, with these secrets.
pub fn stripe_hook(secrets: &[&str]) -> StripeHook {
    StripeHook {
        secrets: secrets.iter().map(|one| Private::new((*one).to_owned())).collect(),
        tolerance_s: 300,
        live_mode: false,
        account: Some("acct_ours".into()),
        counts: Arc::default(),
    }
}

fn store(database: &str, role: &str) -> Store {
    let options = StoreOptions { connections_max: 24, ..StoreOptions::default() };
    Store::new(&shared_cluster().connection_string(database, role), &options).unwrap()
}

async fn installed() -> (Store, Store) {
    let name = format!("s{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let maintenance = store("postgres", "postgres");
    maintenance.query("test", &format!("create database {name}"), &[]).await.unwrap();
    let admin = store(&name, "postgres");
    let app_role = schema::install(&admin).await.unwrap().app_role;
    (admin, store(&name, &app_role))
}

async fn engine(app: &Store, world: &Running, idle: Duration) -> Arc<Engine> {
    let http = Client::new(Arc::new(SystemBootClock)).unwrap();
    let base = Base::parse(&format!("{}/v1", world.base_url())).unwrap();
    let mut config = zinc_v1::Config::new(base, Private::new("sandbox-token".into()));
    config.retailers = Retailer::ALL.to_vec();
    let parts = Parts {
        store: app.clone(),
        provider: Arc::new(Provider::ZincV1(zinc_v1::Client::new(http, config).unwrap())),
        stripe: None,
        gate: Arc::new(orders_core::gate::Open),
        clock: Arc::new(SystemBootClock),
        chance: Chance::seeded([7; 32]),
    };
    Engine::prepare(parts, Options { idle, ..Options::default() }).await.unwrap()
}

impl Desk {
    /// A shop whose engine submits only when it is asked to.
    pub async fn open() -> Self {
        Self::with_idle(Duration::from_hours(1)).await
    }

    /// A shop whose engine looks for work so often.
    pub async fn with_idle(idle: Duration) -> Self {
        let (admin, app) = installed().await;
        // Nobody reads payments at Stripe here: they are paid once and for all.
        let patient = "update settings set value = '999999999999' where name = 'gate_age_ms'";
        admin.query("test", patient, &[]).await.unwrap();
        let managed_retailers = Retailer::ALL.map(|one| one.name().to_owned()).to_vec();
        let zinc = zinc::Settings { managed_retailers, ..zinc::Settings::default() };
        let world = World::start(WorldOptions { zinc, ..WorldOptions::default() }).await.unwrap();
        let engine = engine(&app, &world, idle).await;
        let (key, digest, prefix) =
            api::new_api_key([COUNT.load(Ordering::Relaxed).to_le_bytes()[0]; 32]);
        access::add_key(&app, &prefix, &digest, "service_role", "test").await.unwrap();
        let hook = stripe_hook(&[WEBHOOK_SECRET]);
        let api = Api {
            store: app.clone(),
            engine: Some(Arc::clone(&engine)),
            doors: door::catalogue(&app).await.unwrap(),
            jwt_secret: JwtSecret::parse(Some(JWT_SECRET.to_owned())).unwrap(),
            clock: Arc::new(|| Timestamp::from_second(NOW_S).unwrap()),
            stripe_hook: Some(hook.clone()),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(api::serve(listener, api::router(api), stop.clone()));
        tokio::spawn(Arc::clone(&engine).run(stop.clone()));
        let key = key.expose().clone();
        let desk = Self { admin, app, world, engine, address, key, hook, stop };
        // The first turn of the loops is over when the heart has beaten; then they sleep.
        while desk.text("select count(*) from workers").await == "0" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        desk
    }

    /// One value as text, read as the superuser.
    pub async fn text(&self, sql: &str) -> String {
        let sql = format!("select ({sql})::text");
        let rows =
            self.admin.query("test", &sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        rows[0].get::<_, Option<String>>(0).unwrap_or_default()
    }

    /// Runs a statement as the superuser.
    pub async fn sql(&self, sql: &str) {
        self.admin.query("test", sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    /// Everything that a refused call must not change, as one text.
    pub async fn everything(&self) -> String {
        self.text(
            "select concat_ws(' ', (select count(*) from orders), (select coalesce(sum(version), 0) from orders),
               (select count(*) from order_events), (select count(*) from payments), (select count(*) from findings),
               (select count(*) from order_attempts), (select count(*) from idempotency_keys))",
        )
        .await
    }

    /// Sends a request with exactly these headers, on a connection of its own.
    pub async fn raw(
        &self,
        verb: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        send(self.address, verb, path, headers, body).await
    }

    /// Asks engine and server to stop.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Sends JSON with the good key.
    pub async fn send(&self, verb: &str, path: &str, body: &Value) -> Answer {
        let headers = [("apikey", self.key.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(verb, path, &headers, body.as_bytes()).await
    }

    /// Reads with the good key.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &Value::Null).await
    }

    /// Calls a function as PostgREST does.
    pub async fn rpc(&self, function: &str, args: &Value) -> Answer {
        self.send("POST", &format!("/rest/v1/rpc/{function}"), args).await
    }

    /// Drives an order.
    pub async fn process(&self, order: Uuid) -> Answer {
        self.send("POST", "/functions/v1/process-zma-order", &json!({"orderId": order})).await
    }

    /// Places an order; it waits for its payment.
    pub async fn place(&self, number: &str) -> Uuid {
        let answer = self.send("POST", "/v1/orders", &order(number)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.body["order_id"].as_str().unwrap().parse().unwrap()
    }

    /// Places an order and makes it paid, as the payment loop would.
    pub async fn paid(&self, number: &str) -> Uuid {
        let id = self.place(number).await;
        let intent = format!("pi_{}", id.simple());
        self.sql(&format!("select attach_payment('{id}', '{intent}')")).await;
        let facts = json!([{
            "payment_intent": intent, "order_id": id, "named_order": id, "status": "succeeded",
            "received_minor": 1530, "capturable_minor": 0, "refunded_minor": 0, "currency": "GBP",
            "livemode": false, "in_review": false, "warned": false,
        }]);
        self.sql(&format!("select * from record_payments('t', false, '{facts}')")).await;
        id
    }

    /// The status of an order.
    pub async fn status(&self, id: Uuid) -> String {
        self.text(&format!("select status from orders where id = '{id}'")).await
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Sends a request to a server, on a connection of its own.
pub async fn send(
    address: SocketAddr,
    verb: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(verb).uri(path).header("host", "shop");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let body = serde_json::from_str(&text).unwrap_or_default();
    Answer { status: parts.status.as_u16(), headers: parts.headers, text, body }
}

/// Serves a part of an API on a port of its own, for tests of what is missing.
pub async fn serve(api: Api) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(api::serve(listener, api::router(api), CancellationToken::new()));
    address
}

/// A good order.
pub fn order(number: &str) -> Value {
    json!({
        "order_number": number, "retailer": "amazon_uk", "currency": "GBP", "total_minor": 1530,
        "items": [{"product_id": "85123A", "title": "lantern", "quantity": 6, "unit_price_minor": 255}],
        "recipient": {"first_name": "Ada", "last_name": "Miller", "address_line1": "12 Elm Street",
            "zip_code": "SW1A 1AA", "city": "London", "state": "London", "country": "GB", "phone_number": "+442079460000"}
    })
}
