//! A real worker dies at each crash point, twice, with several orders under way; another finishes, and
//! the provider's ledger shows each order bought once. // C1–C21, F1

use orders_proof::world;

use orders_core::gate::Point;
use orders_sandbox::Faults;
use world::money::Paying;
use world::worker::Setup;
use world::{Shop, TOTAL, hurried, quick};

/// Kills a worker at its first passing of a point and another at a later one; a third finishes.
async fn dies_at(point: Point, later: u32) {
    let mut options = hurried();
    options.zinc.faults = quick(Faults { drop_answer: 0.1, ..Faults::none() });
    // So that no worker has done everything before its recovery comes round again.
    options.zinc.placed_after_ms = 2_500;
    let shop = Shop::with(options).await;
    let ids = shop.paid(12).await;
    for passing in [1, later] {
        let mut worker = shop.child(|command| {
            command.arg("--die-at").arg(format!("{}:{passing}", point.name()));
        });
        worker.killed().await;
        let left = shop.ids("status not in ('completed')").await;
        assert!(!left.is_empty(), "it died when everything was done: nothing was tested");
        // What the dead one held: it would end by itself.
        shop.end_leases().await;
    }
    shop.finish().await;
    let summary = shop.bought_once(&ids).await;
    assert!(summary.creates >= 12);
    assert_eq!(shop.count("select count(*) from {s}.order_attempts where generation > 1").await, 0);
}

/// The same with money on its way: refunds of cancelled orders, and reserved money to be captured.
async fn money_dies_at(point: Point, later: u32) {
    let shop = Shop::fresh().await;
    let mut refunds = shop.cancelled_paid(8).await;
    let mut captures = Vec::new();
    for _ in 0..4 {
        captures.push(shop.order_paying(Paying::Reserved).await.0);
    }
    for passing in [1, later] {
        let mut worker = shop.child(|command| {
            command.arg("--die-at").arg(format!("{}:{passing}", point.name()));
        });
        worker.killed().await;
        let left =
            shop.count("select count(*) from {s}.money_moves where due_at is not null").await;
        assert!(left > 0, "it died when everything was done: nothing was tested");
        // What the dead one held: it would end by itself.
        shop.hurry_moves().await;
        shop.end_leases().await;
    }
    let worker = shop.worker(Setup::default()).await;
    shop.until_ended().await;
    shop.until_moved().await;
    worker.stop().await;
    let intents: Vec<_> = refunds.drain(..).map(|(_, intent)| intent).collect();
    let summary = shop.refunded_once(&intents).await;
    assert_eq!(summary.sums["usd"].captured, 4 * TOTAL);
    assert_eq!(shop.zinc().summary().orders_bought_once, captures.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_with_orders_locked_loses_and_repeats_nothing() {
    dies_at(Point::OrdersLocked, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_after_its_intent_loses_and_repeats_nothing() {
    dies_at(Point::IntentCommitted, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_while_it_sends_loses_and_repeats_nothing() {
    dies_at(Point::RequestStarted, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_with_an_answer_in_its_hand_loses_and_repeats_nothing() {
    dies_at(Point::AnswerRead, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_after_recording_loses_and_repeats_nothing() {
    dies_at(Point::AnswerRecorded, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_before_reading_the_provider_loses_and_repeats_nothing() {
    dies_at(Point::LookupStarted, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_before_it_moves_money_loses_and_repeats_nothing() {
    money_dies_at(Point::MoveCommitted, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_after_it_has_moved_money_loses_and_repeats_nothing() {
    money_dies_at(Point::MoveAnswered, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_in_recovery_loses_and_repeats_nothing() {
    dies_at(Point::RecoveryStarted, 2).await;
}

#[test]
fn every_crash_point_has_its_test() {
    let source = include_str!("engine_crash.rs");
    let tests = source.split("#[tokio::test(flavor = \"multi_thread\")]\nasync fn ").skip(1);
    // The one statement of each test.
    let died = tests.map(|test| test.lines().nth(1).unwrap().trim());
    let died: Vec<_> = died.map(|line| line.split([':', ',']).nth(2).unwrap_or(line)).collect();
    assert_eq!(died, Point::ALL.map(|point| format!("{point:?}")));
}
