//! One order that cannot be claimed, one worker that is frozen, one claim that comes too late: none of
//! them stops the shop. // B3, G17, G20, G43
#![expect(clippy::expect_used, reason = "helpers of tests may fail by panic, like the tests")]

use orders_proof::world;

use orders_core::gate::{Open, Point};
use orders_service::engine::STOP_LIMIT;
use orders_store::claim::{BODY_BYTES_MAX, ClaimOptions, Claimed, DueOrder, Plan, Planned, claim};
use orders_store::{Error, Store, StoreOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use uuid::Uuid;
use world::worker::{Barrier, Setup};
use world::{Shop, address};

/// A claim of everything that is due.
async fn claim_all(store: &Store, plan: Plan) -> Result<Vec<Claimed>, Error> {
    let options = ClaimOptions {
        provider: "zinc_v1".into(),
        account: None,
        worker: "t".into(),
        beats_seen: 0,
        clock_at_most: None,
        token: Uuid::from_u128(7),
        lease: Duration::from_mins(1),
        call: Duration::from_secs(30),
        key_life: Duration::from_hours(23),
        batch_max: 200,
        only: None,
    };
    claim(store, options, plan, Arc::new(Open)).await
}

/// The first attempt of an order, with these bytes.
fn open(order: &DueOrder, body: Vec<u8>) -> Planned {
    Planned::Open { generation: 1, attempt_id: order.id, provider_key: order.id, body }
}

fn plain() -> Plan {
    Arc::new(|order| open(order, b"{}".to_vec()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_intent_the_database_refuses_goes_to_a_person_and_stops_nobody() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(9).await;
    // A wall that refuses the intents of two orders, the first of the queue among them.
    shop.sql(&format!(
        "alter table {{s}}.order_attempts add constraint test_wall check (order_id not in ('{}', '{}')) not valid",
        ids[0], ids[5]
    ))
    .await;
    let worker = shop.worker(Setup::default()).await;
    shop.until_ended().await;
    let asked = shop.paid(1).await[0];
    shop.until_ended().await;
    worker.stop().await;
    let ends = shop.ends().await;
    let refused = "needs_review request_refused_by_database".to_owned();
    assert_eq!(ends, [("completed".to_owned(), 8), (refused, 2)].into());
    for id in [ids[0], ids[5]] {
        assert_eq!(shop.status(id).await, "needs_review");
    }
    assert_eq!(shop.status(asked).await, "completed");
    let alerts =
        "select count(*) from {s}.alerts where rule = 'needs_review' and closed_at is null";
    assert_eq!(shop.count(alerts).await, 2);
    assert_eq!(shop.clean().await.creates, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_planned_or_stored_goes_to_a_person_with_its_reason_and_the_rest_is_claimed()
{
    let shop = Shop::fresh().await;
    let ids = shop.paid(4).await;
    let (large, larger, odd) = (ids[0], ids[1], ids[2]);
    let plan: Plan = Arc::new(move |order| {
        assert!(order.id != odd, "the test's panic");
        let over = usize::from(order.id == larger);
        let huge = order.id == large || order.id == larger;
        open(order, vec![b'x'; if huge { BODY_BYTES_MAX + over } else { 2 }])
    });
    let claimed = claim_all(&shop.app, plan).await.expect("a claim");
    let mut won: Vec<_> = claimed.iter().map(|one| one.order_id).collect();
    won.sort_unstable();
    assert_eq!(won, [ids[0], ids[3]]);
    assert_eq!(shop.of(larger, "review_reason").await, "request_too_large");
    assert_eq!(shop.of(odd, "review_reason").await, "plan_panicked");
    let stored = "select max(octet_length(request_body)) from {s}.order_attempts";
    assert_eq!(shop.text(stored).await, BODY_BYTES_MAX.to_string());
    assert_eq!(shop.events("review_needed").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_frozen_between_lock_and_intent_loses_its_locks_to_the_others() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(6).await;
    let options = StoreOptions {
        schema: shop.app.schema().into(),
        silence_max: Duration::from_millis(700),
        ..StoreOptions::default()
    };
    let store = Store::new(&address(&shop.database, &shop.app_role()), &options).expect("a store");
    let barrier = Barrier::at(Point::OrdersLocked);
    let setup = Setup { store: Some(store), ..Setup::gate(barrier.clone()) };
    let frozen = shop.worker(setup).await;
    barrier.reached(1).await;
    let open = "select count(*) = 1 from pg_stat_activity where datname = current_database() and state = 'idle in transaction'";
    assert_eq!(shop.text(open).await, "true", "it holds its orders");
    shop.finish().await;
    let creates = shop.bought_once(&ids).await.creates;
    barrier.open();
    frozen.stop().await;
    assert_eq!(shop.bought_once(&ids).await.creates, creates, "what it had planned is void");
}

/// The limits of the transaction that asks, as the server has them.
async fn limits(store: &Store) -> String {
    store
        .transact("test.limits", |tx| {
            Box::pin(async move {
                let rows = tx
                    .query(
                        "select concat_ws(' ', current_setting('jit'), current_setting('idle_in_transaction_session_timeout'),
                                current_setting('statement_timeout'), current_setting('transaction_timeout', true))",
                        &[],
                    )
                    .await?;
                Ok(rows[0].get(0))
            })
        })
        .await
        .expect("limits")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_limits_begin_and_end_with_the_transaction() {
    let shop = Shop::fresh().await;
    // A server that is not ours compiles what is long.
    let compiles = format!("alter database {} set jit = on", shop.database);
    shop.sql(&compiles).await;
    let store = |statement_timeout| {
        let options =
            StoreOptions { connections_max: 1, statement_timeout, ..StoreOptions::default() };
        Store::new(&address(&shop.database, &shop.app_role()), &options).expect("a store")
    };
    let modern = shop.count("select current_setting('server_version_num')").await >= 170_000;
    let expected = |text: &str| {
        let words = if modern { 4 } else { 3 };
        text.split(' ').take(words).collect::<Vec<_>>().join(" ")
    };
    let usual = store(Duration::from_secs(10));
    assert_eq!(limits(&usual).await, expected("off 10s 5s 20s"));
    // The benchmark's: what may take longer there may take longer on the server.
    assert_eq!(limits(&store(Duration::from_mins(5))).await, expected("off 10s 150s 310s"));
    let after = "select concat_ws(' ', current_setting('idle_in_transaction_session_timeout'), current_setting('statement_timeout'))";
    let rows = usual.query("test.after", after, &[]).await.expect("settings");
    assert_eq!(rows[0].get::<_, String>(0), "0 0", "the next borrower of the session has his own");
}

/// Stands between a store and its server and counts how often the server says that it is ready for
/// the next message: once for each that was waited for.
struct Counter {
    folder: TempDir,
    ready: Arc<AtomicU32>,
}

impl Counter {
    fn start(shop: &Shop) -> Self {
        let direct = address(&shop.database, &shop.app_role());
        let host = direct.split(' ').find_map(|word| word.strip_prefix("host="));
        let host = host.expect("a host").trim_matches('\'').to_owned();
        let socket = std::fs::read_dir(&host).expect("a folder").flatten();
        let socket = socket.map(|entry| entry.path()).find(|path| {
            path.to_string_lossy().contains(".s.PGSQL.")
                && path.extension().is_some_and(|e| e != "lock")
        });
        let socket = socket.expect("the server's socket");
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).expect("a socket");
        let ready = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&ready);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&socket).await.expect("the server");
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                tokio::spawn(
                    async move { tokio::io::copy(&mut from_client, &mut to_server).await },
                );
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    while let Some(message) = message(&mut from_server).await {
                        count.fetch_add(u32::from(message[0] == b'Z'), Ordering::SeqCst);
                        let _ = to_client.write_all(&message).await;
                    }
                });
            }
        });
        Self { folder, ready }
    }

    fn store(&self, shop: &Shop) -> Store {
        let address = format!(
            "host={} user={} dbname={}",
            self.folder.path().display(),
            shop.app_role(),
            shop.database
        );
        let options = StoreOptions { connections_max: 1, ..StoreOptions::default() };
        Store::new(&address, &options).expect("a store")
    }
}

/// One message of the server: a letter, its length, its content.
async fn message(server: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut message = vec![0; 5];
    server.read_exact(&mut message).await.ok()?;
    let length = u32::from_be_bytes(message[1..].try_into().ok()?);
    message.resize(1 + usize::try_from(length).ok()?, 0);
    server.read_exact(&mut message[5..]).await.ok()?;
    Some(message)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_a_transaction_cost_no_round_trip() {
    let shop = Shop::fresh().await;
    shop.paid(3).await;
    let counter = Counter::start(&shop);
    let store = counter.store(&shop);
    store.query("test.connect", "select 1", &[]).await.expect("a connection");
    let before = counter.ready.load(Ordering::SeqCst);
    assert_eq!(claim_all(&store, plain()).await.expect("a claim").len(), 3);
    let trips = counter.ready.load(Ordering::SeqCst) - before;
    assert_eq!(trips, 4, "begin with its limits, lock, intents, commit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_outlasts_the_stop_is_given_back_unsent() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(3).await;
    let barrier = Barrier::at(Point::IntentCommitted);
    let mut setup = Setup::gate(barrier.clone());
    setup.options.times.lease = Duration::from_mins(1);
    let worker = shop.worker(setup).await;
    barrier.reached(1).await;
    // Longer than its calls may go on, and than its recorder lives.
    let took = worker.stop().await;
    assert!(took < STOP_LIMIT, "{took:?}");
    barrier.open();
    shop.until("select not exists (select from {s}.order_attempts where lease_token is not null)")
        .await;
    assert_eq!(shop.zinc().summary().creates, 0, "nobody would have heard the answer");
    assert_eq!(shop.ends().await, [("pending".to_owned(), 3)].into());
    assert_eq!((shop.events("claim_released").await, shop.events("lease_ended").await), (3, 0));
    shop.finish().await;
    assert_eq!(shop.bought_once(&ids).await.creates, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorder_that_cannot_keep_up_does_not_lengthen_the_stop() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(6).await;
    let barrier = Barrier::at(Point::AnswerRecorded);
    let mut setup = Setup::in_flight(1);
    setup.gate = barrier.clone();
    let worker = shop.worker(setup).await;
    barrier.reached(1).await;
    // Two answers wait for the recorder, and a third call for room to leave its own.
    shop.until_creates(4).await;
    let begun = Instant::now();
    let stopped = tokio::time::timeout(STOP_LIMIT + Duration::from_secs(5), worker.stop()).await;
    assert!(stopped.is_ok_and(|took| took < STOP_LIMIT), "{:?}", begun.elapsed());
    barrier.open();
    shop.end_leases_of_nobody().await;
    shop.finish().await;
    shop.bought_once(&ids).await;
}
