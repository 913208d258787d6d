//! Failure windows A: two purchases for one order. Each test is one rule of the catalogue.
#![expect(clippy::expect_used, reason = "helpers of tests may fail by panic, like the tests")]

use orders_proof::world;

use futures_util::future::join_all;
use orders_core::gate::{Gate, Open, Point};
use orders_core::plan::Consequence;
use orders_sandbox::zinc::Injected;
use orders_sandbox::{Fault, Faults};
use orders_service::engine::record::Ended;
use orders_service::engine::{Engine, Stopped};
use orders_store::record::Recorded;
use rustix::process::Signal;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use world::Shop;
use world::worker::{Barrier, Count, Gates, Setup, ShiftedClock, Worker};

#[tokio::test(flavor = "multi_thread")]
async fn window_a1_key_and_bytes_are_committed_before_the_first_byte_and_repeated_as_they_are() {
    let shop = Shop::fresh().await;
    let id = shop.paid(1).await[0];
    let barrier = Barrier::at(Point::IntentCommitted);
    shop.zinc().inject(Injected::Fault(Fault::DropAnswer));
    let worker = shop.worker(Setup::gate(barrier.clone())).await;
    barrier.reached(1).await;
    let key = shop.text(&format!("select provider_key from {{s}}.order_attempts where order_id = '{id}' and length(request_body) > 2")).await;
    assert_eq!((shop.zinc().summary().creates, key.len()), (0, 36), "nothing is sent before");
    barrier.open();
    shop.until_ended().await;
    worker.stop().await;
    let summary = shop.bought_once(&[id]).await;
    assert_eq!((summary.creates, shop.zinc().calls_of(&key)), (2, 2), "the same key again");
    assert_eq!(summary.faults.get(&Fault::DropAnswer), Some(&1));
}

#[tokio::test(flavor = "multi_thread")]
async fn window_a2_an_old_order_with_a_fresh_claim_is_never_picked_by_recovery() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.shift("-1 year").await;
    let id = shop.paid(1).await[0];
    shop.shift("0").await;
    let barrier = Barrier::at(Point::IntentCommitted);
    let first = shop.worker(Setup::gate(barrier.clone())).await;
    barrier.reached(1).await;
    let turns = Count::of(Point::RecoveryStarted);
    let second = shop.worker(Setup::gate(turns.clone())).await;
    turns.reaches(3).await;
    assert_eq!(second.stat("recovered") + second.stat("claimed"), 0);
    assert_eq!(shop.zinc().summary().creates, 0);
    barrier.open();
    shop.until_ended().await;
    first.stop().await;
    second.stop().await;
    assert_eq!(shop.bought_once(&[id]).await.creates, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn window_a3_a_worker_paused_after_its_intent_does_not_send_when_its_lease_has_passed() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(3).await;
    let (barrier, clock) = (Barrier::at(Point::IntentCommitted), Arc::new(ShiftedClock::default()));
    let setup = Setup { clock: clock.clone(), ..Setup::gate(barrier.clone()) };
    let paused = shop.worker(setup).await;
    barrier.reached(1).await;
    clock.advance(Duration::from_mins(1));
    shop.end_leases().await;
    shop.finish().await;
    let creates = shop.bought_once(&ids).await.creates;
    barrier.open();
    paused.stale(3).await;
    assert_eq!((paused.stat("not_sent"), paused.stat("recorded")), (3, 0));
    paused.stop().await;
    assert_eq!(shop.bought_once(&ids).await.creates, creates, "not one byte after the lease");
}

/// A worker that stands still with an answer in its hand, for which its lease is over. It has room for
/// one call, so that while it stands nothing is repeated by itself.
async fn paused_with_its_answer(shop: &Shop, more: [Arc<dyn Gate>; 1]) -> (Worker, Arc<Barrier>) {
    let (barrier, clock) = (Barrier::at(Point::AnswerRead), Arc::new(ShiftedClock::default()));
    let [more] = more;
    let gate = Arc::new(Gates([barrier.clone(), more]));
    let setup = Setup { clock: clock.clone(), gate, ..Setup::in_flight(1) };
    let paused = shop.worker(setup).await;
    barrier.reached(1).await;
    clock.advance(Duration::from_mins(1));
    shop.end_leases().await;
    (paused, barrier)
}

#[tokio::test(flavor = "multi_thread")]
async fn window_a3_a_worker_paused_with_its_answer_records_nothing_when_its_lease_has_passed() {
    let shop = Shop::fresh().await;
    let id = shop.paid(1).await[0];
    // Nobody recovers: the attempt still has the worker's own token, and only the time is over.
    let recovery = Barrier::at(Point::RecoveryStarted);
    let (paused, answer) = paused_with_its_answer(&shop, [recovery.clone()]).await;
    let told = shop.kinds(id).await;
    answer.open();
    paused.stale(1).await;
    assert_eq!((shop.status(id).await.as_str(), paused.stat("recorded")), ("submitting", 0));
    assert_eq!(shop.kinds(id).await, told, "nothing was added to the history");
    recovery.open();
    shop.until_ended().await;
    paused.stop().await;
    assert_eq!(shop.bought_once(&[id]).await.creates, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_a_lost_lease_is_not_recorded_under_the_lease_of_the_next_worker() {
    let shop = Shop::fresh().await;
    let id = shop.paid(1).await[0];
    let (paused, answer) = paused_with_its_answer(&shop, [Arc::new(Open)]).await;
    let intent = Barrier::at(Point::IntentCommitted);
    let next = shop.worker(Setup::gate(intent.clone())).await;
    intent.reached(1).await;
    let told = shop.kinds(id).await;
    answer.open();
    paused.stale(1).await;
    assert_eq!((shop.status(id).await.as_str(), paused.stat("recorded")), ("submitting", 0));
    assert_eq!(shop.kinds(id).await, told, "nothing was added to the history");
    intent.open();
    shop.until_ended().await;
    paused.stop().await;
    next.stop().await;
    shop.bought_once(&[id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_a3_a_process_stopped_beyond_its_real_lease_neither_sends_nor_records() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(8).await;
    shop.zinc().set_latency_ms(1_000);
    let mut paused = shop.child(|command| {
        command.env("ORDERS_WORKER", "paused");
    });
    shop.until_creates(4).await;
    paused.signal(Signal::STOP);
    shop.zinc().set_latency_ms(20);
    // No SQL helps here: the lease of twelve seconds ends by itself.
    let other = shop.worker(Setup::default()).await;
    shop.until_ended().await;
    let (creates, events) =
        (shop.zinc().summary().creates, shop.text("select count(*) from {s}.order_events").await);
    assert!(shop.events("lease_ended").await >= 4, "the leases ended by themselves");
    paused.signal(Signal::CONT);
    // It beats again: so it is awake, and its recorder had its turn.
    let beat = shop
        .text("select coalesce(max(seen_at), '-infinity') from {s}.workers where worker = 'paused'")
        .await;
    shop.until(&format!("select seen_at > '{beat}' from {{s}}.workers where worker = 'paused'"))
        .await;
    paused.signal(Signal::TERM);
    assert!(paused.ended().await.success(), "{}", paused.said());
    other.stop().await;
    assert_eq!(shop.bought_once(&ids).await.creates, creates, "it sent nothing");
    assert_eq!(
        shop.text("select count(*) from {s}.order_events").await,
        events,
        "it recorded nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn window_a5_age_never_ends_an_attempt_that_the_provider_still_works_on() {
    let mut options = world::hurried();
    options.zinc.placed_after_ms = 3_600_000;
    let shop = Shop::with(options).await;
    shop.own_clock().await;
    let id = shop.paid(1).await[0];
    let worker = shop.worker(Setup::default()).await;
    shop.until("select bool_and(status = 'submitted_to_zinc') from {s}.orders").await;
    let told = shop.kinds(id).await;
    for age in ["3 hours", "3 days", "1 year"] {
        shop.shift(age).await;
        let reads = shop.zinc().summary().reads;
        let polled = shop.zinc().wait_until(|lines| {
            lines
                .iter()
                .filter(|line| matches!(line.event, orders_sandbox::zinc::Event::Read { .. }))
                .count() as u64
                >= reads + 3
        });
        tokio::time::timeout(Duration::from_secs(20), polled).await.expect("polls");
    }
    worker.stop().await;
    assert_eq!(shop.kinds(id).await, told);
    assert_eq!(shop.zinc().summary().creates, 1);
    assert_eq!(shop.status(id).await, "submitted_to_zinc");
    shop.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_a6_while_a_lease_is_alive_every_path_that_can_submit_finds_nothing() {
    let shop = Shop::fresh().await;
    let id = shop.paid(1).await[0];
    let barrier = Barrier::at(Point::RequestStarted);
    let first = shop.worker(Setup::gate(barrier.clone())).await;
    barrier.reached(1).await;
    let turns = Count::of(Point::RecoveryStarted);
    let second = shop.worker(Setup::gate(turns.clone())).await;
    for age in [0, 1] {
        shop.as_app(&format!("select {{s}}.recover_stuck_orders({age})::text")).await;
        assert!(second.engine.submit_one(id).await.unwrap().is_none());
        assert!(first.engine.submit_one(id).await.unwrap().is_none());
    }
    turns.reaches(2).await;
    assert_eq!(second.stat("claimed"), 0);
    barrier.open();
    shop.until_ended().await;
    first.stop().await;
    second.stop().await;
    assert_eq!(shop.bought_once(&[id]).await.creates, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn window_a7_what_changed_before_the_claim_is_seen_by_the_claim() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(3).await;
    shop.as_app(&format!("select {{s}}.hold_order('{}', 'disputed')::text", ids[0])).await;
    shop.as_app(&format!("select {{s}}.cancel_order('{}')::text", ids[1])).await;
    let worker = shop.worker(Setup::default()).await;
    shop.until(&format!("select status = 'completed' from {{s}}.orders where id = '{}'", ids[2]))
        .await;
    for held in &ids[..2] {
        assert!(worker.engine.submit_one(*held).await.unwrap().is_none());
        assert!(shop.zinc().purchases_of(&held.to_string()).is_empty());
    }
    assert_eq!(shop.zinc().summary().creates, 1);
    shop.as_app(&format!("select {{s}}.release_hold('{}')::text", ids[0])).await;
    shop.until_ended().await;
    worker.stop().await;
    assert_eq!(shop.clean().await.creates, 2);
    assert_eq!(shop.ends().await, [("cancelled".into(), 1), ("completed".into(), 2)].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn window_a8_no_unclear_answer_leads_to_a_new_key() {
    let faults = Faults {
        error_after: 0.2,
        drop_answer: 0.2,
        cut_answer: 0.2,
        reset_answer: 0.1,
        error_before: 0.2,
        ..Faults::none()
    };
    let shop = Shop::faulty(faults).await;
    let ids = shop.paid(12).await;
    shop.finish().await;
    let summary = shop.bought_once(&ids).await;
    assert!(summary.faults.values().sum::<u64>() > 5, "{:?}", summary.faults);
    assert_eq!(shop.count("select count(*) from {s}.order_attempts").await, 12, "one key each");
    assert!(shop.events("purchase_repeated").await > 5);
    assert_eq!(shop.events("lease_ended").await, 0, "every answer was recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn window_a11_an_order_whose_outcome_is_unknown_is_sent_again_by_no_click() {
    let shop = Shop::faulty(Faults {
        drop_answer: 1.0,
        faults_per_key_max: 99,
        read_error: 1.0,
        ..Faults::none()
    })
    .await;
    shop.set("calls_max", "2").await;
    let id = shop.paid(1).await[0];
    let worker = shop.worker(Setup::default()).await;
    shop.until_ended().await;
    assert_eq!(shop.ends().await, [("needs_review outcome_unknown".into(), 1)].into());
    let creates = shop.zinc().summary().creates;
    for _ in 0..5 {
        assert!(worker.engine.submit_one(id).await.unwrap().is_none());
    }
    for (click, answer) in [
        ("resolve_review('{id}', 'buy_again', 'I am in a hurry') ->> 'code'", "attempt_unsettled"),
        ("resolve_review('{id}', 'give_up', 'I am in a hurry') ->> 'code'", "attempt_unsettled"),
        ("release_hold('{id}') ->> 'duplicate'", "true"),
        ("recover_stuck_orders(0) ->> 'recovered'", "0"),
        ("cancel_order('{id}') ->> 'waiting'", "true"),
    ] {
        let click = click.replace("{id}", &id.to_string());
        assert_eq!(shop.as_app(&format!("select {{s}}.{click}")).await, [answer], "{click}");
        worker.engine.wake();
        assert!(worker.engine.submit_one(id).await.unwrap().is_none(), "{click}");
    }
    let body = format!("{{\"orderId\": \"{id}\"}}");
    let said = shop.post(&worker, "/functions/v1/process-zma-order", &body).await;
    assert!(said.starts_with("HTTP/1.1 409 ") && said.contains("needs_review"), "{said}");
    assert_eq!(shop.zinc().summary().creates, creates);
    assert_eq!(
        shop.ends().await,
        [("needs_review cancel_requested outcome_unknown".into(), 1)].into()
    );
    worker.stop().await;
    shop.clean().await;
}

/// What forty triggers at once on these engines say who drove the order.
async fn triggers(engines: &[Arc<Engine>], id: Uuid) -> Vec<Ended> {
    let together = Arc::new(tokio::sync::Barrier::new(40));
    let triggers = (0..40).map(|number| {
        let engine = Arc::clone(&engines[number % engines.len()]);
        let together = Arc::clone(&together);
        tokio::spawn(async move {
            together.wait().await;
            engine.wake();
            engine.submit_one(id).await.expect("an answer")
        })
    });
    join_all(triggers).await.into_iter().filter_map(|answer| answer.expect("no panic")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn window_a12_many_triggers_at_once_lead_to_one_request_and_answers_that_agree() {
    let shop = Shop::fresh().await;
    let first = shop.paid(1).await[0];
    // Nothing but the triggers drives: exactly one of them must.
    let cancel = CancellationToken::new();
    let (mut engines, mut recorders) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        let engine = shop.prepared(Setup::default()).await.expect("an engine");
        recorders.push(tokio::spawn(engine.clone().run_on_demand(cancel.clone())));
        engines.push(engine);
    }
    let told = triggers(&engines, first).await;
    let [ended] = &told[..] else { panic!("one trigger drives: {told:?}") };
    assert!(matches!(ended.consequence, Consequence::Accept(_)), "{ended:?}");
    assert_eq!(ended.recorded, Recorded::Done);
    assert_eq!(
        (shop.zinc().summary().creates, shop.status(first).await.as_str()),
        (1, "submitted_to_zinc")
    );
    cancel.cancel();
    for recorder in recorders {
        assert_eq!(recorder.await.expect("a recorder"), Stopped::AllRecorded);
    }
    // Beside running engines, which may be faster than every trigger.
    let mut workers = Vec::new();
    for _ in 0..4 {
        workers.push(shop.worker(Setup::default()).await);
    }
    let second = shop.paid(1).await[0];
    let engines: Vec<_> = workers.iter().map(|worker| Arc::clone(&worker.engine)).collect();
    let told = triggers(&engines, second).await;
    assert!(told.len() <= 1, "{told:?}");
    assert!(told.iter().all(|ended| ended.recorded == Recorded::Done), "{told:?}");
    shop.until_ended().await;
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(shop.bought_once(&[first, second]).await.creates, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn window_a13_each_id_ever_returned_stays_linked_and_an_old_one_changes_nothing() {
    let shop = Shop::faulty(Faults {
        fail_later: 1.0,
        fail_codes: vec!["zma_temporarily_overloaded".into()],
        ..Faults::none()
    })
    .await;
    let id = shop.paid(1).await[0];
    let worker = shop.worker(Setup::default()).await;
    shop.until("select count(*) >= 2 from {s}.order_attempts where request_id is not null").await;
    shop.zinc().set_faults(world::quick(Faults::none())).expect("faults");
    shop.until_ended().await;
    worker.stop().await;
    let requests =
        shop.texts("select request_id from {s}.order_attempts order by generation").await;
    assert!(
        requests.len() >= 2 && requests.iter().all(|request| !request.is_empty()),
        "{requests:?}"
    );
    assert_eq!(shop.of(id, "zinc_request_id").await, requests[requests.len() - 1]);
    let before = shop.kinds(id).await;
    let late = format!("select {{s}}.complete_order_processing('{id}', '{}')::text", requests[0]);
    shop.as_app(&late).await;
    assert_eq!(shop.of(id, "zinc_request_id").await, requests[requests.len() - 1]);
    assert_eq!(shop.kinds(id).await, before, "word of an old id changes nothing");
    let found = "select string_agg(concat_ws(' ', f.kind, f.subject, a.rule, a.subject, a.closed_at), ',')
                   from {s}.findings as f join {s}.alerts as a on a.order_id = f.order_id and a.rule = f.kind";
    let told = format!("request_id_stale {0} request_id_stale {0}", requests[0]);
    assert_eq!(shop.text(found).await, told, "people are told of the second id");
    shop.bought_once(&[id]).await;
}
