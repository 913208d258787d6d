//! Whose the answers to reads are, and who is told when they say nothing: no order is moved, ended or
//! bought again by an answer that may be another's. // G6, G9, A8

use orders_proof::world;

use orders_sandbox::zinc::Injected;
use orders_sandbox::{Fault, Faults};
use orders_service::engine::Stopped;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use world::worker::Setup;
use world::{Shop, hurried, quick};

/// Every accepted request ends with this code.
fn failing(code: &str) -> Faults {
    Faults { fail_later: 1.0, fail_codes: vec![code.into()], ..Faults::none() }
}

/// How many alerts of an order are open.
async fn alerts(shop: &Shop, id: Uuid) -> u64 {
    shop.count(&format!(
        "select count(*) from {{s}}.alerts where order_id = '{id}' and closed_at is null"
    ))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn window_a8_the_end_of_a_request_that_is_not_ours_buys_nothing_again() {
    let shop = Shop::fresh().await;
    shop.set("calls_max", "3").await;
    let ids = shop.paid(2).await;
    let (lost, misled) = (ids[0], ids[1]);
    let engine = shop.prepared(Setup::default()).await.expect("an engine");
    let ending = CancellationToken::new();
    let recorder = tokio::spawn(Arc::clone(&engine).run_on_demand(ending.clone()));
    // One order's answer is lost, and its request will end without a purchase ...
    shop.zinc().set_faults(quick(failing("zma_temporarily_overloaded"))).expect("faults");
    shop.zinc().inject(Injected::Fault(Fault::DropAnswer));
    engine.submit_one(lost).await.expect("a call").expect("an end");
    // ... and the other is bought, and answered with the id of that request.
    shop.zinc().set_faults(quick(Faults::none())).expect("faults");
    shop.zinc().inject(Injected::Fault(Fault::WrongId));
    engine.submit_one(misled).await.expect("a call").expect("an end");
    ending.cancel();
    assert_eq!(recorder.await.expect("a recorder that stops"), Stopped::AllRecorded);
    let own = shop.zinc().purchases_of(&misled.to_string())[0].request_id.to_string();
    assert_ne!(shop.of(misled, "zinc_request_id").await, own);
    shop.finish().await;
    assert_eq!(
        shop.of(misled, "concat_ws(' ', status, review_reason)").await,
        "needs_review request_of_another_order"
    );
    let keys = format!("select count(*) from {{s}}.order_attempts where order_id = '{misled}'");
    assert_eq!(shop.count(&keys).await, 1, "no new key");
    let settled = format!("{keys} and settled_at is not null");
    assert_eq!(shop.count(&settled).await, 0);
    shop.clean().await;
    assert_eq!(shop.zinc().purchases_of(&misled.to_string()).len(), 1, "bought once");
    let evidence = format!("select count(*) from {{s}}.findings where subject = '{own}'");
    assert_eq!(shop.count(&evidence).await, 1, "where it really is");
}

#[tokio::test(flavor = "multi_thread")]
async fn window_a8_a_reading_that_shows_another_orders_end_buys_nothing_again() {
    let shop = Shop::faulty(failing("zma_temporarily_overloaded")).await;
    shop.set("generations_max", "1").await;
    // The newest other request of each order's is one that has ended without a purchase.
    let ended = shop.paid(1).await;
    shop.finish().await;
    let wrong = Faults { read_wrong: 1.0, faults_per_key_max: 9_999, ..Faults::none() };
    shop.zinc().set_faults(quick(wrong)).expect("faults");
    let id = shop.paid(1).await[0];
    let worker = shop.worker(Setup::default()).await;
    shop.until(&format!("select status <> 'pending' from {{s}}.orders where id = '{id}'")).await;
    shop.until(&format!("select status = 'completed' from {{s}}.orders where id = '{id}'")).await;
    worker.stop().await;
    assert_eq!(shop.zinc().purchases_of(&id.to_string()).len(), 1);
    assert!(shop.zinc().summary().faults[&Fault::ReadWrong] >= 1);
    assert_eq!(
        shop.of(ended[0], "concat_ws(' ', status, review_reason)").await,
        "needs_review attempts_exhausted"
    );
    shop.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_a8_an_end_that_the_list_does_not_confirm_calls_a_person_and_buys_nothing() {
    for code in ["zma_temporarily_overloaded", "product_unavailable", "insufficient_zma_balance"] {
        let shop = Shop::faulty(Faults { list_gap: 1.0, ..failing(code) }).await;
        shop.paid(1).await;
        shop.finish().await;
        assert_eq!(shop.ends().await, [("needs_review request_not_confirmed".into(), 1)].into());
        let open = "select count(*) from {s}.order_attempts where settled_at is null";
        assert_eq!(shop.count(open).await, 1, "unsettled");
        let summary = shop.clean().await;
        assert_eq!((summary.creates, summary.purchases), (1, 1));
        assert!(summary.lists >= 9, "it was looked for with patience: {}", summary.lists);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_waits_for_a_list_that_cannot_be_read_and_is_confirmed_by_it() {
    let shop = Shop::faulty(failing("zma_temporarily_overloaded")).await;
    let id = shop.paid(1).await[0];
    for _ in 0..6 {
        shop.zinc().inject(Injected::Fault(Fault::ReadError));
    }
    let worker = shop.worker(Setup::default()).await;
    shop.until("select max(generation) >= 2 from {s}.orders").await;
    shop.zinc().set_faults(quick(Faults::none())).expect("faults");
    shop.until_ended().await;
    worker.stop().await;
    shop.bought_once(&[id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_account_that_ends_an_accepted_order_calls_a_person_at_once() {
    let shop = Shop::faulty(failing("account_locked")).await;
    let id = shop.paid(1).await[0];
    shop.finish().await;
    assert_eq!(shop.ends().await, [("needs_review account_locked".into(), 1)].into());
    assert_eq!(alerts(&shop, id).await, 1);
    let account = "select count(*) from {s}.alerts where rule = 'provider_account_wrong' and subject = 'account_locked'";
    assert_eq!(shop.count(account).await, 1);
    assert_eq!(shop.clean().await.creates, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_refused_rests_tells_a_person_and_goes_on_when_he_may() {
    let faults = Faults { read_forbidden: 1.0, faults_per_key_max: 9_999, ..Faults::none() };
    let shop = Shop::faulty(faults).await;
    let ids = shop.paid(5).await;
    let worker = shop.worker(Setup::default()).await;
    shop.until("select max(pauses) >= 4 from {s}.provider_accounts").await;
    shop.until("select count(*) > 0 from {s}.alerts where rule = 'provider_account_wrong' and closed_at is null").await;
    let (reads, pauses) = (
        shop.zinc().summary().reads,
        shop.count("select max(pauses) from {s}.provider_accounts").await,
    );
    assert!(reads <= 5 + pauses, "{reads} reads in {pauses} pauses");
    let moved = "select count(*) from {s}.orders where status not in ('pending', 'submitting', 'submitted_to_zinc')";
    assert_eq!(shop.count(moved).await, 0);
    shop.zinc().set_faults(quick(Faults::none())).expect("faults");
    shop.until_ended().await;
    worker.stop().await;
    shop.bought_once(&ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_that_make_no_sense_tell_a_person_once_and_change_nothing() {
    let faults = Faults { read_odd: 1.0, faults_per_key_max: 9_999, ..Faults::none() };
    let shop = Shop::faulty(faults).await;
    let id = shop.paid(1).await[0];
    let worker = shop.worker(Setup::default()).await;
    let told = format!("select count(*) > 0 from {{s}}.alerts where order_id = '{id}'");
    shop.until(&told).await;
    let reads = shop.zinc().summary().reads;
    assert!(reads >= 3, "told after {reads}");
    let more = shop.zinc().wait_until(|lines| {
        let is_read = |event: &orders_sandbox::zinc::Event| {
            matches!(event, orders_sandbox::zinc::Event::Read { .. })
        };
        lines.iter().filter(|line| is_read(&line.event)).count() as u64 >= reads + 3
    });
    tokio::time::timeout(std::time::Duration::from_secs(20), more).await.expect("more reads");
    assert_eq!(alerts(&shop, id).await, 1, "once");
    assert_eq!(shop.status(id).await, "submitted_to_zinc");
    shop.zinc().set_faults(quick(Faults::none())).expect("faults");
    shop.until_ended().await;
    worker.stop().await;
    shop.bought_once(&[id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_a5_a_purchase_that_is_worked_on_for_a_day_tells_a_person_and_goes_on() {
    let mut options = hurried();
    options.zinc.placed_after_ms = 3_600_000;
    let shop = Shop::with(options).await;
    shop.own_clock().await;
    let id = shop.paid(1).await[0];
    let worker = shop.worker(Setup::default()).await;
    shop.until("select bool_and(status = 'submitted_to_zinc') from {s}.orders").await;
    assert_eq!(alerts(&shop, id).await, 0);
    shop.shift("25 hours").await;
    shop.until(&format!("select count(*) = 1 from {{s}}.alerts where order_id = '{id}'")).await;
    worker.stop().await;
    assert_eq!(shop.status(id).await, "submitted_to_zinc");
    assert_eq!(shop.clean().await.creates, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_complete_when_all_of_it_has_arrived_and_not_before() {
    let mut options = hurried();
    options.zinc.quirks = true;
    options.zinc.split = 1.0;
    options.zinc.delivered_after_ms = 2_500;
    let shop = Shop::with(options).await;
    let ids = shop.paid(3).await;
    shop.finish().await;
    shop.bought_once(&ids).await;
    for id in ids {
        let arrived_ms = shop.zinc().purchases_of(&id.to_string())[0].delivered_ms;
        let completed_ms = format!(
            "select (extract(epoch from at) * 1000)::bigint from {{s}}.order_events where order_id = '{id}' and kind = 'order_completed'"
        );
        let completed_ms = shop.count(&completed_ms).await;
        assert!(completed_ms >= u64::try_from(arrived_ms).expect("a time"), "half of it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c8_a_purchase_that_cost_more_than_allowed_is_told_to_a_person() {
    let mut options = hurried();
    options.zinc.price_percent_max = 130;
    let shop = Shop::with(options).await;
    let id = shop.paid(1).await[0];
    shop.finish().await;
    shop.bought_once(&[id]).await;
    assert_eq!(alerts(&shop, id).await, 1);
    assert_eq!(shop.of(id, "cost_minor > price_cap_minor").await, "true");
    let kept = "select data #>> '{odd_cost,rule}' from {s}.order_events where kind = 'retailer_order_placed'";
    assert_eq!(shop.text(kept).await, "cost_above_the_cap");
}
