//! A small storm in the test command: real processes, a database that is stopped without a word and put
//! back to an old copy, and the judge's word. `just chaos` brings big ones.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must end")]

use orders_proof::storm::{Options, Weather, run};
use orders_proof::world::Shop;
use orders_proof::world::worker::Setup;
use orders_sandbox::Fault;
use orders_sandbox::zinc::Injected;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn g15_a_storm_buys_every_order_once_loses_none_and_leaves_nobody_waiting() {
    let options = Options {
        seed: 1,
        orders: 300,
        engines: 4,
        weather: vec![
            (Weather::Kill, 8),
            (Weather::Stop, 4),
            (Weather::Restart, 2),
            (Weather::Cut, 8),
            (Weather::Disk, 2),
            (Weather::Jump, 1),
            (Weather::Pool, 1),
            (Weather::Restore, 1),
        ],
        seconds: None,
        pooler: true,
        older: None,
        open_max: 60,
    };
    let outcome = run(&options, |_| ()).await.expect("a storm that comes to its end");
    let row = &outcome.row;
    assert!(
        outcome.violations.is_empty(),
        "{:#?}\n{}\n{row:#?}",
        outcome.violations,
        outcome.story
    );
    assert!(row.is_in_time(), "an order waited too long: {row:#?}");
    // A storm in which nothing happened would prove nothing.
    assert_eq!(row.orders, 300, "{row:#?}");
    assert!(row.bought >= 150 && row.unbought >= 1, "{row:#?}");
    assert!(row.kills >= 8 && row.kills_in_hand >= 2, "{row:#?}");
    assert!(row.stops >= 2 && row.restarts == 2 && row.cuts == 8, "{row:#?}");
    assert!(row.disks >= 1 && row.jumps == 1 && row.pools == 1, "{row:#?}");
    assert!(row.restores == 1 && row.forgotten >= 20, "{row:#?}");
    assert!(row.again >= 5 && row.told >= 5, "{row:#?}");
    assert!(row.unknown >= 10 && row.resolved >= 10, "{row:#?}");
    assert!(row.messages >= 20, "{row:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_between_two_calls_leaves_the_history_whole() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.shift("1 hour").await;
    shop.zinc().set_latency_ms(900);
    shop.zinc().inject(Injected::Fault(Fault::ErrorAfter));
    let ids = shop.paying(1).await;
    let worker = shop.worker(Setup::default()).await;
    // The first call is on its way in the wrong hour; its answer and the second call come in the right one.
    shop.until("select status = 'submitting' from {s}.orders").await;
    shop.shift("0").await;
    shop.zinc().set_latency_ms(20);
    shop.until("select status in ('submitted_to_zinc', 'processing', 'completed') from {s}.orders")
        .await;
    let back = "select max(at) - min(at) > interval '50 min' from {s}.order_events where kind like 'purchase_%'";
    assert_eq!(shop.text(back).await, "true", "{}", shop.kinds(ids[0]).await);
    let repeated = "select count(*) from {s}.order_events where kind = 'purchase_repeated'";
    assert!(shop.count(repeated).await >= 1);
    worker.stop().await;
    shop.clean().await;
}

#[tokio::test]
async fn a_storm_that_is_killed_leaves_no_process_behind() {
    let folder = tempfile::tempdir().unwrap();
    // The server's user passes through it.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    command
        .args(["--forget", "--seed", "1", "--orders", "5000", "--only", "pooler"])
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut storm = command.spawn().unwrap();
    let engines = || of(folder.path()).into_iter().filter(|(_, says)| says.contains("own-sandbox"));
    until(|| engines().count() == 4).await;
    // One of them stands still, and could not end by itself.
    let (still, _) = engines().next().unwrap();
    kill_process(still, Signal::STOP).unwrap();
    storm.kill().await.unwrap();
    until(|| of(folder.path()).is_empty()).await;
}

/// The processes that were told of this folder, with what they were called with.
fn of(folder: &Path) -> Vec<(Pid, String)> {
    let name = folder.to_str().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let pid =
            entry.file_name().to_str().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        let Some(pid) = pid else { continue };
        // Who has ended meanwhile has nothing to read.
        let read = |what: &str| fs::read(entry.path().join(what)).unwrap_or_default();
        let says = String::from_utf8_lossy(&read("cmdline")).into_owned();
        if says.contains(name) || String::from_utf8_lossy(&read("environ")).contains(name) {
            found.push((pid, says));
        }
    }
    found
}

async fn until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it never comes to that");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn g21_a_program_that_does_not_know_the_newer_schema_says_so_and_does_no_work() {
    let shop = Shop::fresh().await;
    shop.paying(1).await;
    let newer =
        "insert into {s}.schema_migrations select 99, 'of_a_newer_release', sha256(''), now()";
    shop.sql(newer).await;
    let mut engine = shop.child(|_| ());
    assert_eq!(engine.ended().await.code(), Some(1), "{}", engine.said());
    let said = engine.said();
    assert!(said.contains("is at version 99, which this release does not know"), "{said}");
    assert!(said.contains("use a newer release"), "{said}");
    assert_eq!((shop.zinc().summary().creates, shop.events("payment_confirmed").await), (0, 0));
    let worked = "select count(*) from {s}.workers";
    assert_eq!(shop.count(worked).await, 0);
}
