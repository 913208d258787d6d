//! Messages of Stripe: stored before they are acknowledged, beside a bare insert of the same bytes.
//!
//! Ours is the real `serve` process, without an engine, over HTTP with a verified signature, and each
//! message is about a payment of its own that is marked to be read anew. The floor inserts a row with
//! the shop's driver and as many connections. Two questions: how long a message waits at a given
//! rate, and how many are acknowledged when each client sends its next one at once.

use super::ground::{Database, Ground, contents};
use super::process::{Process, cpu_of_tree};
use super::report::{Compared, Run};
use crate::api::WallClock;
use anyhow::Context;
use orders_core::private::Private;
use orders_gateway::stripe::webhook::{SIGNATURE_HEADER, sign};
use orders_store::{Store, bench, floor};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Who sends at once; the server has half as many connections to its database, as the floor does.
const CLIENTS: usize = 64;
/// The connections of `serve`.
const CONNECTIONS: usize = 32;
/// Messages of each client before the clock runs.
const WARM_UP: usize = 10;
const SECRET: &str = "whsec_of_the_benchmark";

/// One run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Messages.
    pub messages: usize,
    /// How many a second; without it every client sends its next one at once.
    pub rate: Option<u32>,
}

/// Runs both sides in turn.
pub async fn compare(ground: &Ground, plan: Plan, rounds: usize) -> anyhow::Result<Compared> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        bare.push(run_floor(ground, plan).await?);
        ours.push(run_ours(ground, plan).await?);
        match plan.rate {
            Some(rate) => eprintln!("  {rate} messages a second, round {round} of {rounds}"),
            None => eprintln!("  messages at once, round {round} of {rounds}"),
        }
    }
    Ok(Compared {
        name: "message of Stripe",
        floor_is: "bare insert",
        latency_ms: None,
        clients: plan.rate.is_none().then_some(CLIENTS),
        offered: plan.rate,
        ours,
        floor: bare,
    })
}

async fn run_ours(ground: &Ground, plan: Plan) -> anyhow::Result<Run> {
    let database = ground.shop(CONNECTIONS).await?;
    bench::place(&database.store, &contents(all(plan))).await?;
    let (mut server, address) = Process::server(&database, SECRET).await?;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Client::open(&address, Arc::clone(&ground.clock)).await?);
    }
    let clock = Clock::start(ground, &database, Some(&server));
    let run = measure(clients, plan, clock).await?;
    server.check()?;
    let run = Run { peak_memory_mb: Some(server.peak_memory()? as f64 / 1e6), ..run };
    server.stop().await?;
    let stored = bench::messages(&database.admin).await?;
    finish(ground, database, plan, stored).await?;
    Ok(run)
}

async fn run_floor(ground: &Ground, plan: Plan) -> anyhow::Result<Run> {
    let database = ground.floor(CONNECTIONS).await?;
    let clients = (0..CLIENTS).map(|_| Client::Bare(database.store.clone())).collect();
    let run = measure(clients, plan, Clock::start(ground, &database, None)).await?;
    let stored = floor::messages(&database.store).await?;
    finish(ground, database, plan, stored).await?;
    Ok(run)
}

/// What was acknowledged must be there, each once: else there is no figure.
async fn finish(
    ground: &Ground,
    database: Database,
    plan: Plan,
    stored: i64,
) -> anyhow::Result<()> {
    let sent = all(plan) as i64;
    anyhow::ensure!(stored == sent, "{sent} messages were acknowledged and {stored} are stored");
    ground.done(database).await
}

/// With those before the clock.
fn all(plan: Plan) -> usize {
    plan.messages + CLIENTS * WARM_UP
}

/// What is read before and after.
struct Clock<'a> {
    ground: &'a Ground,
    database: &'a Database,
    server: Option<&'a Process>,
}

/// Everything that only grows.
struct Meter {
    database: bench::Meters,
    program: Option<Duration>,
    postgres: Duration,
}

impl<'a> Clock<'a> {
    fn start(ground: &'a Ground, database: &'a Database, server: Option<&'a Process>) -> Self {
        Self { ground, database, server }
    }

    async fn read(&self) -> anyhow::Result<Meter> {
        Ok(Meter {
            database: bench::meters(self.ground.admin()).await?,
            program: self.server.map(Process::cpu),
            postgres: cpu_of_tree(self.ground.server_pid())?,
        })
    }
}

async fn measure(clients: Vec<Client>, plan: Plan, clock: Clock<'_>) -> anyhow::Result<Run> {
    bench::checkpoint(clock.ground.admin()).await?;
    bench::analyze(&clock.database.admin).await?;
    // Connections are opened and plans are made before the clock runs.
    let warm = plan.messages..all(plan);
    let (clients, _) = send_all(clients, warm, None).await?;
    let before = clock.read().await?;
    let begun = Instant::now();
    let (clients, mut times) = send_all(clients, 0..plan.messages, plan.rate).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let after = clock.read().await?;
    drop(clients);
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let exceeded = |part: usize| times.get(times.len() * part / 100).copied().map_or(0.0, ms);
    let each = |amount: f64| amount / plan.messages as f64;
    let program = after.program.zip(before.program);
    Ok(Run {
        orders: plan.messages as i64,
        bought_once: None,
        per_second: plan.messages as f64 / seconds,
        program_cpu_ms: program.map(|(after, before)| each(ms(after.saturating_sub(before)))),
        postgres_cpu_ms: each(ms(after.postgres.saturating_sub(before.postgres))),
        wal_bytes: each((after.database.wal_bytes - before.database.wal_bytes) as f64),
        commits: each((after.database.commits - before.database.commits) as f64),
        p50_ms: exceeded(50),
        p99_ms: exceeded(99),
        peak_memory_mb: None,
    })
}

/// Every client takes the next message and sends it when it is due; gives how long each took.
async fn send_all(
    clients: Vec<Client>,
    numbers: std::ops::Range<usize>,
    rate: Option<u32>,
) -> anyhow::Result<(Vec<Client>, Vec<Duration>)> {
    let next = Arc::new(AtomicUsize::new(numbers.start));
    let begun = Instant::now();
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let (next, numbers) = (Arc::clone(&next), numbers.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers.end {
                        return anyhow::Ok((client, times));
                    }
                    let due = rate.map(|rate| begun + since(number - numbers.start, rate));
                    let from = wait_until(due).await;
                    client.send(number).await?;
                    times.push(from.elapsed());
                }
            })
        })
        .collect();
    let (mut clients, mut times) = (Vec::new(), Vec::new());
    for task in tasks {
        let (client, some) = task.await??;
        clients.push(client);
        times.extend(some);
    }
    Ok((clients, times))
}

/// When a message is due, at so many a second.
fn since(number: usize, rate: u32) -> Duration {
    Duration::from_secs_f64(number as f64 / f64::from(rate))
}

/// From when a message's time counts. A message for which no client was free waits since it was due;
/// the rounding of the runtime's timer, a millisecond at most, is nobody's.
async fn wait_until(due: Option<Instant>) -> Instant {
    match due {
        Some(due) if due > Instant::now() => {
            tokio::time::sleep_until(due.into()).await;
            Instant::now()
        }
        Some(due) => due,
        None => Instant::now(),
    }
}

/// Who sends, on a connection of its own.
enum Client {
    /// To the server.
    Stripe { connection: TcpStream, clock: WallClock },
    /// To the floor.
    Bare(Store),
}

impl Client {
    async fn open(address: &str, clock: WallClock) -> anyhow::Result<Self> {
        let connection = TcpStream::connect(address).await?;
        connection.set_nodelay(true)?;
        Ok(Self::Stripe { connection, clock })
    }

    /// Sends a message and waits until it is stored.
    async fn send(&mut self, number: usize) -> anyhow::Result<()> {
        let body = body(number);
        let (connection, clock) = match self {
            Self::Bare(store) => {
                return Ok(floor::message(store, &event_id(number), &body).await?);
            }
            Self::Stripe { connection, clock } => (connection, clock),
        };
        let signature = sign(&body, &Private::new(SECRET.to_owned()), clock().as_second());
        let head = format!(
            "POST /webhooks/stripe HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n{SIGNATURE_HEADER}: {signature}\r\n\r\n",
            body.len()
        );
        connection.write_all(&[head.as_bytes(), &body].concat()).await?;
        let answer = read_answer(connection).await?;
        let good = answer.starts_with("HTTP/1.1 200 ");
        anyhow::ensure!(good, "message {number} was answered with {answer}");
        Ok(())
    }
}

/// Reads a whole answer of our own server, which states the length of its body.
async fn read_answer(connection: &mut TcpStream) -> anyhow::Result<String> {
    let (mut answer, mut part) = (Vec::new(), [0; 2048]);
    loop {
        let count = connection.read(&mut part).await?;
        anyhow::ensure!(count > 0, "the server hung up in the middle of an answer");
        answer.extend_from_slice(&part[..count]);
        let text = std::str::from_utf8(&answer).context("the server's answer is no text")?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.context("the server's answer states no length")?.parse()?;
        if body.len() >= length {
            return Ok(text.to_owned());
        }
    }
}

fn event_id(number: usize) -> String {
    format!("evt_bench{number:07}")
}

/// A message in the form and size of Stripe's, about the payment of an order of [`contents`].
fn body(number: usize) -> Vec<u8> {
    let amount = 1000 + number % 900;
    let payment = json!({
        "id": format!("pi_bench{number:07}"), "object": "payment_intent", "amount": amount,
        "amount_capturable": 0, "amount_details": {"tip": {}}, "amount_received": amount,
        "application": null, "application_fee_amount": null,
        "automatic_payment_methods": {"allow_redirects": "never", "enabled": true},
        "canceled_at": null, "cancellation_reason": null, "capture_method": "automatic",
        "client_secret": "hidden", "confirmation_method": "automatic", "created": 1_789_999_990,
        "currency": "usd", "customer": null, "description": "An order of a shop",
        "last_payment_error": null, "latest_charge": format!("ch_bench{number:07}"),
        "livemode": false, "metadata": {"order_number": format!("B-{number:07}")},
        "next_action": null, "payment_method": "pm_card", "payment_method_types": ["card"],
        "processing": null, "receipt_email": null, "setup_future_usage": null, "shipping": null,
        "source": null, "statement_descriptor": null, "status": "succeeded",
    });
    let event = json!({
        "id": event_id(number), "object": "event", "api_version": "2026-09-30.endive",
        "created": 1_790_000_000, "livemode": false, "pending_webhooks": 1,
        "request": {"id": format!("req_bench{number:07}"), "idempotency_key": null},
        "type": "payment_intent.succeeded", "data": {"object": payment},
    });
    event.to_string().into_bytes()
}
