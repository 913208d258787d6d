//! Each misbehaviour of the provider by itself: the right end, a clean ledger, and proof that the
//! misbehaviour happened. // F11–F15

use orders_proof::world;

use orders_sandbox::zinc::Injected;
use orders_sandbox::{Fault, Faults};
use world::Shop;
use world::worker::Setup;

/// Ten orders under one fault that hits about half of the calls; all end bought.
async fn survives(fault: Fault, faults: Faults) {
    let shop = Shop::faulty(faults).await;
    let ids = shop.paid(10).await;
    // Which keys are hit depends on the shop's secret; these three do not.
    for _ in 0..3 {
        shop.zinc().inject(Injected::Fault(fault));
    }
    shop.finish().await;
    let summary = shop.bought_once(&ids).await;
    assert!(summary.faults.get(&fault).is_some_and(|count| *count >= 2), "{:?}", summary.faults);
    assert_eq!(shop.count("select count(*) from {s}.order_attempts").await, 10, "no new key");
}

macro_rules! survived {
    ($($name:ident: $fault:ident, $field:ident;)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            survives(Fault::$fault, Faults { $field: 0.5, ..Faults::none() }).await;
        }
    )+};
}

survived! {
    a_lost_answer_is_asked_for_again_under_the_same_key: DropAnswer, drop_answer;
    an_answer_that_comes_too_late_is_asked_for_again: LateAnswer, late_answer;
    a_server_error_before_anything_was_done_leads_to_one_purchase: ErrorBefore, error_before;
    a_server_error_after_the_purchase_leads_to_one_purchase: ErrorAfter, error_after;
    half_an_answer_is_no_answer: CutAnswer, cut_answer;
    a_reset_connection_is_no_answer: ResetAnswer, reset_answer;
    a_slow_answer_is_an_answer: Slow, slow;
    an_answer_sent_twice_counts_once: DoubleAnswer, double_answer;
    a_purchase_that_is_made_late_is_not_made_twice: BuyLate, buy_late;
    a_stale_reading_changes_nothing: ReadStale, read_stale;
    a_failed_reading_changes_nothing: ReadError, read_error;
    half_a_reading_changes_nothing: ReadCut, read_cut;
    an_answer_before_its_purchase_is_an_answer: EarlyAnswer, early_answer;
    a_client_error_without_a_code_is_no_refusal: OddError, odd_error;
    a_success_that_says_nothing_is_no_acceptance: EmptyAnswer, empty_answer;
    a_reading_of_no_known_shape_changes_nothing: ReadOdd, read_odd;
    a_reading_that_must_wait_changes_nothing: ReadTooMany, read_too_many;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_slow_down_costs_no_key() {
    survives(Fault::TooMany, Faults { too_many: 0.3, retry_after_s: 0, ..Faults::none() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_delays_and_loses_nothing() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(10).await;
    shop.zinc().set_outage(true);
    let worker = shop.worker(Setup::default()).await;
    shop.until_creates(20).await;
    assert_eq!(shop.zinc().summary().purchases, 0);
    shop.zinc().set_outage(false);
    shop.until_ended().await;
    worker.stop().await;
    let summary = shop.bought_once(&ids).await;
    assert!(summary.faults[&Fault::Outage] >= 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_another_orders_id_ends_bought_once_or_with_a_person() {
    let shop = Shop::faulty(Faults { wrong_id: 0.2, ..Faults::none() }).await;
    shop.set("calls_max", "4").await;
    let ids = shop.paid(10).await;
    for _ in 0..3 {
        shop.zinc().inject(Injected::Fault(Fault::WrongId));
    }
    shop.finish().await;
    let summary = shop.clean().await;
    assert!(summary.faults[&Fault::WrongId] >= 2, "{:?}", summary.faults);
    assert_eq!(summary.orders_bought_once, ids.len() as u64);
    let ends = shop.ends().await;
    let known = [
        "completed",
        "needs_review request_of_another_order",
        "needs_review outcome_unknown",
        "needs_review invalid_request_id",
    ];
    assert!(ends.keys().all(|end| known.contains(&end.as_str())), "{ends:?}");
    assert!(ends.get("completed").is_some_and(|count| *count >= 3), "{ends:?}");
    let findings = shop
        .count("select count(*) from {s}.findings where kind = 'request_id_of_another_order'")
        .await;
    assert!(findings > 0 || ends.len() > 1, "nobody was told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_whose_answers_are_all_lost_is_found_in_the_providers_list() {
    let faults =
        Faults { drop_answer: 1.0, faults_per_key_max: 99, list_gap: 0.3, ..Faults::none() };
    let shop = Shop::faulty(faults).await;
    let ids = shop.paid(10).await;
    let mut setup = Setup::default();
    setup.options.look_up_every = std::time::Duration::from_millis(300);
    let worker = shop.worker(setup).await;
    shop.until_ended().await;
    let found = worker.stat("found");
    worker.stop().await;
    shop.bought_once(&ids).await;
    assert_eq!(found, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_at_once_still_buys_each_order_once() {
    let faults = Faults {
        fail_later: 0.2,
        fail_codes: vec!["zma_temporarily_overloaded".into()],
        seed: 11,
        ..Faults::demo()
    };
    let shop = Shop::faulty(faults).await;
    shop.set("generations_max", "50").await;
    let ids = shop.paying(40).await;
    shop.finish().await;
    let summary = shop.bought_once(&ids).await;
    assert!(
        summary.faults.values().sum::<u64>() >= 5 && !summary.failures.is_empty(),
        "{summary:?}"
    );
}
