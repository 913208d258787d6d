//! The whole way: `pending`, `submitting`, HTTP, `submitted_to_zinc`; the engine beside the floor.
//!
//! A run begins when the worker is up and idle, its account paused and the orders seeded, and ends
//! when the last order is recorded. Speed and delays come from the history of either side: from the
//! first claim to the last record, and from each order's claim to its record.

use super::ground::{Database, Ground, contents};
use super::process::{Process, Provider, Side, cpu_of_tree};
use super::report::{Compared, Run};
use orders_store::floor::Times;
use orders_store::{account, bench, floor};
use std::time::{Duration, Instant};

/// One run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Orders.
    pub orders: usize,
    /// How long the provider takes for each.
    pub latency_ms: u32,
    /// The most calls at once.
    pub in_flight: usize,
}

/// A run that makes no progress for so long has failed.
const LIMIT: Duration = Duration::from_mins(20);
const PROVIDER: &str = "zinc_v1";

/// Runs both sides in turn.
pub async fn compare(ground: &Ground, plan: Plan, rounds: usize) -> anyhow::Result<Compared> {
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        floor.push(run(ground, Side::Floor, plan).await?);
        ours.push(run(ground, Side::Ours, plan).await?);
        eprintln!("  {} ms, round {round} of {rounds}", plan.latency_ms);
    }
    let name = "submit";
    let floor_is = "hand-written, set-based";
    let latency_ms = Some(plan.latency_ms);
    Ok(Compared { name, floor_is, latency_ms, clients: None, offered: None, ours, floor })
}

/// Seeds a fresh database and measures one side on it.
pub async fn run(ground: &Ground, side: Side, plan: Plan) -> anyhow::Result<Run> {
    let database = match side {
        Side::Ours => ground.shop(4).await?,
        Side::Floor => ground.floor(4).await?,
    };
    seed(ground, side, &database, plan.orders).await?;
    let provider = Provider::start(ground.folder()?, plan.latency_ms).await?;
    let mut worker = Process::worker(side, &database, &provider, plan.in_flight)?;
    wait_until_up(side, &database, &mut worker).await?;
    let before = Meter::read(ground, &worker).await?;
    match side {
        Side::Ours => bench::end_pause(&database.admin, PROVIDER).await?,
        Side::Floor => floor::open(&database.store).await?,
    }
    wait_until_done(side, &database, &mut worker).await?;
    let after = Meter::read(ground, &worker).await?;
    let peak_memory = worker.peak_memory()?;
    worker.stop().await?;
    let bought_once = provider.stop(plan.orders).await?;
    let times = match side {
        Side::Ours => bench::times(&database.store).await?,
        Side::Floor => floor::times(&database.store).await?,
    };
    anyhow::ensure!(
        times.orders == plan.orders as i64,
        "{} of {} orders",
        times.orders,
        plan.orders
    );
    ground.done(database).await?;
    let run = after.since(before, times);
    Ok(Run {
        bought_once: Some(bought_once),
        peak_memory_mb: Some(peak_memory as f64 / 1e6),
        ..run
    })
}

/// Places and pays the orders; the pages that it wrote are clean when the measuring begins.
async fn seed(
    ground: &Ground,
    side: Side,
    database: &Database,
    orders: usize,
) -> anyhow::Result<()> {
    bench::checkpoint(ground.admin()).await?;
    let store = &database.store;
    let contents = contents(orders);
    match side {
        Side::Ours => {
            bench::place(store, &contents).await?;
            let paid = bench::pay(store).await?;
            anyhow::ensure!(paid == orders as i64, "{paid} of {orders} orders were paid");
            account::pause(store, PROVIDER, "benchmark", LIMIT, false).await?;
        }
        Side::Floor => {
            for some in contents.chunks(500) {
                floor::seed(store, some).await?;
            }
        }
    }
    Ok(bench::analyze(&database.admin).await?)
}

async fn wait_until_up(
    side: Side,
    database: &Database,
    worker: &mut Process,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    // The floor's driver has nothing to check at its start; it gets the same rest.
    while side == Side::Ours && bench::engines(&database.store).await? == 0 {
        anyhow::ensure!(begun.elapsed() < LIMIT, "the engine did not come up");
        worker.check()?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    worker.check()
}

async fn wait_until_done(
    side: Side,
    database: &Database,
    worker: &mut Process,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let asked = Instant::now();
        let open = match side {
            Side::Ours => bench::open_orders(&database.store).await?,
            Side::Floor => floor::open_orders(&database.store).await?,
        };
        if open == 0 {
            return Ok(());
        }
        anyhow::ensure!(begun.elapsed() < LIMIT, "{open} orders are still under way");
        worker.check()?;
        // Looking costs at most a few per cent of one processor, however long the queue is.
        let rest = (asked.elapsed() * 30).max(Duration::from_millis(100));
        tokio::time::sleep(rest).await;
    }
}

/// Everything that only grows.
#[derive(Clone, Copy)]
struct Meter {
    database: bench::Meters,
    worker_cpu: Duration,
    server_cpu: Duration,
}

impl Meter {
    async fn read(ground: &Ground, worker: &Process) -> anyhow::Result<Self> {
        Ok(Self {
            database: bench::meters(ground.admin()).await?,
            worker_cpu: worker.cpu(),
            server_cpu: cpu_of_tree(ground.server_pid())?,
        })
    }

    fn since(self, before: Self, times: Times) -> Run {
        let orders = times.orders as f64;
        let each = |amount: f64| amount / orders;
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        Run {
            per_second: orders / times.seconds,
            program_cpu_ms: Some(each(ms(self.worker_cpu.saturating_sub(before.worker_cpu)))),
            postgres_cpu_ms: each(ms(self.server_cpu.saturating_sub(before.server_cpu))),
            wal_bytes: each((self.database.wal_bytes - before.database.wal_bytes) as f64),
            commits: each((self.database.commits - before.database.commits) as f64),
            p50_ms: times.p50_ms,
            p99_ms: times.p99_ms,
            peak_memory_mb: None,
            orders: times.orders,
            bought_once: None,
        }
    }
}
