//! The oracle tells a careful client from a careless one.

use crate::client::{Heard, Test, order, settings};
use orders_sandbox::{Fault, Faults, zinc};

const ORDERS: usize = 300;

/// A bad day; without answers that wait for the clock, which here moves between calls only, and
/// without ends that only a reader would see.
fn bad_day(seed: u64) -> zinc::Settings {
    let faults = Faults { seed, slow: 0.0, late_answer: 0.0, fail_later: 0.0, ..Faults::demo() };
    zinc::Settings { faults, ..settings() }
}

/// What a client may conclude from an answer.
enum Word {
    Accepted,
    Refused,
    Unknown,
}

fn word(heard: &Heard) -> Word {
    if heard.is_nothing() || heard.reset || heard.status() >= 500 || !heard.is_whole() {
        return Word::Unknown;
    }
    let said: serde_json::Value = serde_json::from_str(&heard.body()).unwrap_or_default();
    match (said["request_id"].is_string(), said["code"].is_string()) {
        (true, _) => Word::Accepted,
        (false, true) => Word::Refused,
        (false, false) => Word::Unknown,
    }
}

/// Try to buy until an answer says so. A careful client keeps the key of an unknown answer and
/// waits until the provider has done with it; a careless one takes another key at once.
async fn buy(test: &Test, order_id: &str, careful: bool) {
    let mut generation = 1;
    for _ in 0..100 {
        let key = format!("{order_id} {generation}");
        match word(&test.create(&order(&key, order_id)).await) {
            Word::Accepted => return,

            Word::Unknown if careful => test.clock.advance(10_000),
            Word::Refused | Word::Unknown => generation += 1,
        }
    }
    panic!("{order_id} was never accepted");
}

fn names() -> Vec<String> {
    (0..ORDERS).map(|n| format!("o{n}")).collect()
}

#[tokio::test]
async fn a_careful_client_buys_every_order_exactly_once_on_a_bad_day() {
    let test = Test::with(bad_day(1)).await;
    for name in names() {
        buy(&test, &name, true).await;
    }
    test.clock.advance(60_000);
    let summary = test.zinc().summary();
    assert_eq!(summary.duplicates, []);
    assert_eq!(test.zinc().never_bought(names().iter().map(String::as_str)), [""; 0]);
    assert_eq!(summary.violations, 0);
    // The day was bad indeed: a quiet run would prove nothing.
    for fault in [Fault::DropAnswer, Fault::ErrorAfter, Fault::CutAnswer, Fault::Outage] {
        assert!(summary.faults[&fault] >= 3, "{fault:?}: {:?}", summary.faults);
    }
    assert!(summary.refusals.values().sum::<u64>() >= 5);
}

#[tokio::test]
async fn a_careless_client_is_caught() {
    let test = Test::with(bad_day(1)).await;
    for name in names() {
        buy(&test, &name, false).await;
    }
    test.clock.advance(60_000);
    assert!(test.zinc().duplicates().len() >= 20);
}

#[tokio::test]
async fn an_impatient_client_is_caught_although_it_keeps_its_key() {
    let faults = Faults { buy_late: 0.5, ..Faults::none() };
    let test = Test::with(zinc::Settings { faults, ..settings() }).await;
    for name in names() {
        for _ in 0..100 {
            if matches!(word(&test.create(&order(&name, &name)).await), Word::Accepted) {
                break;
            }
        }
    }
    test.clock.advance(60_000);
    assert!(test.zinc().duplicates().len() >= 20);
    assert!(test.zinc().summary().overlapping_purchases >= 20);
}
