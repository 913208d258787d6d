//! Single calls of the public door, `complete_order_processing`, at several clients, beside a bare
//! guarded update and insert: as two statements in a transaction, and squeezed into one statement. All
//! go through the shop's own driver as unnamed statements.

use super::ground::{Database, Ground, contents, order_id};
use super::process::cpu_of_tree;
use super::report::{Compared, Run};
use orders_core::gate::Open;
use orders_store::claim::{ClaimOptions, DueOrder, Planned, claim};
use orders_store::{Store, bench, floor};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Calls of one client in one run; a run of one client is long enough for its clock.
const CALLS_PER_CLIENT_MAX: usize = 1000;
/// Calls of each client before the clock runs: PostgreSQL plans a statement anew until its sixth.
const WARM_UP: usize = 10;
/// Orders of one claim while seeding.
const BATCH: usize = 500;

/// What a client does for one order.
type Call<F> = fn(Store, Uuid, String) -> F;

/// Runs all sides in turn; one comparison with each floor.
pub async fn compare(
    ground: &Ground,
    clients: usize,
    orders: usize,
    rounds: usize,
) -> anyhow::Result<[Compared; 2]> {
    let calls = orders.min(clients * CALLS_PER_CLIENT_MAX);
    let (mut ours, mut two, mut one) = (Vec::new(), Vec::new(), Vec::new());
    let spare = clients * WARM_UP;
    for round in 1..=rounds {
        let database = ground.floor(clients).await?;
        seed_floor(&database, calls + spare).await?;
        two.push(run(ground, database, clients, calls, in_two).await?);
        let database = ground.floor(clients).await?;
        seed_floor(&database, calls + spare).await?;
        one.push(run(ground, database, clients, calls, in_one).await?);
        let database = ground.shop(clients).await?;
        seed_ours(&database, calls + spare).await?;
        ours.push(run(ground, database, clients, calls, door).await?);
        eprintln!("  {clients} clients, round {round} of {rounds}");
    }
    let to = |floor_is, floor| Compared {
        name: "complete_order_processing",
        floor_is,
        latency_ms: None,
        clients: Some(clients),
        offered: None,
        ours: ours.clone(),
        floor,
    };
    Ok([to("update and insert in a transaction", two), to("both in one statement", one)])
}

async fn seed_floor(database: &Database, orders: usize) -> anyhow::Result<()> {
    for some in contents(orders).chunks(BATCH) {
        floor::seed(&database.store, some).await?;
    }
    floor::open(&database.store).await?;
    let plan: floor::Plan = Arc::new(|due| floor::Intended {
        id: due.id,
        key: due.id,
        body: due.content.to_string().into_bytes(),
    });
    while !floor::claim(&database.store, BATCH, Arc::clone(&plan)).await?.is_empty() {}
    Ok(())
}

async fn seed_ours(database: &Database, orders: usize) -> anyhow::Result<()> {
    let store = &database.store;
    bench::place(store, &contents(orders)).await?;
    bench::pay(store).await?;
    let options = ClaimOptions {
        provider: "zinc_v1".into(),
        account: None,
        worker: "bench".into(),
        beats_seen: 0,
        clock_at_most: None,
        token: Uuid::from_u128(1),
        lease: Duration::from_secs(90),
        call: Duration::from_secs(30),
        key_life: Duration::from_hours(23),
        batch_max: BATCH,
        only: None,
    };
    let plan = Arc::new(|due: &DueOrder| Planned::Open {
        generation: due.generation + 1,
        attempt_id: due.id,
        provider_key: due.id,
        body: serde_json::to_vec(&(&due.recipient, &due.items)).unwrap_or_default(),
    });
    while !claim(store, options.clone(), plan.clone(), Arc::new(Open)).await?.is_empty() {}
    Ok(())
}

async fn in_two(
    store: Store,
    order: Uuid,
    request_id: String,
) -> Result<bool, orders_store::Error> {
    floor::record_in_two(&store, order, &request_id).await.map(|()| true)
}

async fn in_one(
    store: Store,
    order: Uuid,
    request_id: String,
) -> Result<bool, orders_store::Error> {
    floor::record_one(&store, order, &request_id).await.map(|()| true)
}

async fn door(store: Store, order: Uuid, request_id: String) -> Result<bool, orders_store::Error> {
    bench::complete_one(&store, order, &request_id).await
}

/// Connections are opened and plans are made before the clock runs.
async fn warm_up<F>(
    database: &Database,
    clients: usize,
    calls: usize,
    call: Call<F>,
) -> anyhow::Result<()>
where
    F: Future<Output = Result<bool, orders_store::Error>> + Send + 'static,
{
    let orders = calls..calls + clients * WARM_UP;
    call_all(&database.store, clients, orders, call).await.map(drop)
}

/// Each client calls for its share of the orders, one after the other; gives the time of each call.
async fn call_all<F>(
    store: &Store,
    clients: usize,
    orders: Range<usize>,
    call: Call<F>,
) -> anyhow::Result<Vec<Duration>>
where
    F: Future<Output = Result<bool, orders_store::Error>> + Send + 'static,
{
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let (store, orders) = (store.clone(), orders.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                for number in orders.skip(client).step_by(clients) {
                    let called = Instant::now();
                    let request_id = format!("request-{number}");
                    let good = call(store.clone(), order_id(number), request_id).await?;
                    anyhow::ensure!(good, "the call for order {number} was refused");
                    times.push(called.elapsed());
                }
                Ok(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    Ok(times)
}

/// Measures the calls for the first orders.
async fn run<F>(
    ground: &Ground,
    database: Database,
    clients: usize,
    calls: usize,
    call: Call<F>,
) -> anyhow::Result<Run>
where
    F: Future<Output = Result<bool, orders_store::Error>> + Send + 'static,
{
    bench::analyze(&database.admin).await?;
    warm_up(&database, clients, calls, call).await?;
    let (server, meters) =
        (cpu_of_tree(ground.server_pid())?, bench::meters(ground.admin()).await?);
    let begun = Instant::now();
    let mut times = call_all(&database.store, clients, 0..calls, call).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let after = bench::meters(ground.admin()).await?;
    let cpu = cpu_of_tree(ground.server_pid())?.saturating_sub(server);
    ground.done(database).await?;
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let exceeded = |part: usize| times.get(times.len() * part / 100).copied().map_or(0.0, ms);
    let each = |amount: f64| amount / calls as f64;
    Ok(Run {
        per_second: calls as f64 / seconds,
        program_cpu_ms: None,
        postgres_cpu_ms: each(ms(cpu)),
        wal_bytes: each((after.wal_bytes - meters.wal_bytes) as f64),
        commits: each((after.commits - meters.commits) as f64),
        p50_ms: exceeded(50),
        p99_ms: exceeded(99),
        peak_memory_mb: None,
        orders: calls as i64,
        bought_once: None,
    })
}
