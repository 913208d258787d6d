//! Failure windows B to D: lost orders, money apart from goods, evidence. Each test is one rule.

use orders_proof::world;

use orders_core::gate::{Gate, Point};
use orders_sandbox::zinc::{Event, Injected};
use orders_sandbox::{Fault, Faults};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use world::worker::{Barrier, Count, Setup};
use world::{Shop, TOTAL};

#[tokio::test(flavor = "multi_thread")]
async fn window_b2_every_purchase_that_the_provider_holds_is_linked_to_its_order_after_a_kill() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(8).await;
    shop.zinc().set_latency_ms(500);
    let mut dying = shop.child(|_| {});
    shop.until_creates(4).await;
    dying.signal(rustix::process::Signal::KILL);
    dying.killed().await;
    shop.zinc().set_latency_ms(20);
    shop.end_leases().await;
    shop.finish().await;
    let linked: HashSet<String> =
        shop.texts("select request_id from {s}.order_attempts").await.into_iter().collect();
    let held: HashSet<String> = shop
        .zinc()
        .ledger()
        .iter()
        .filter_map(|line| match &line.event {
            Event::Purchase(purchase) => Some(purchase.request_id.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(linked, held);
    assert!(shop.events("lease_ended").await >= 4);
    shop.bought_once(&ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_b3_an_answer_is_kept_while_the_database_is_away() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(3).await;
    let barrier = Barrier::at(Point::AnswerRead);
    let worker = shop.worker(Setup::gate(barrier.clone())).await;
    barrier.reached(3).await;
    for door in ["record_acceptances", "record_setbacks"] {
        shop.sql(&format!(
            "do $$ begin execute (select format('alter function %s rename to {door}_away', oid::regprocedure)
               from pg_proc where proname = '{door}' and pronamespace = '{{s}}'::regnamespace); end $$"
        ))
        .await;
    }
    barrier.open();
    let failed = async {
        while worker.stat("faults") < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), failed).await.expect("failed records");
    for door in ["record_acceptances", "record_setbacks"] {
        shop.sql(&format!(
            "do $$ begin execute (select format('alter function %s rename to {door}', oid::regprocedure)
               from pg_proc where proname = '{door}_away' and pronamespace = '{{s}}'::regnamespace); end $$"
        ))
        .await;
    }
    shop.until_ended().await;
    worker.stop().await;
    assert_eq!(
        shop.bought_once(&ids).await.creates,
        3,
        "the answer was kept, nothing was repeated"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn window_b3_connections_that_are_cut_at_the_worst_moment_lose_no_order() {
    let shop = Shop::faulty(Faults { drop_answer: 0.2, ..Faults::none() }).await;
    let ids = shop.paid(30).await;
    let worker = shop.worker(Setup::in_flight(4)).await;
    let cut = "select count(pg_terminate_backend(pid))::text from pg_stat_activity
                where datname = current_database() and usename like '%_orders_app'";
    let mut cuts = 0;
    while shop.count("select count(*) from {s}.orders where status = 'completed'").await < 15 {
        cuts += shop.texts(cut).await[0].parse::<u32>().expect("a number");
        tokio::time::sleep(std::time::Duration::from_millis(80)).await;
        shop.end_leases_of_nobody().await;
    }
    let until = std::time::Instant::now();
    while shop.count("select count(*) from {s}.orders where status <> 'completed'").await > 0 {
        assert!(until.elapsed().as_secs() < 60, "{}", shop.story().await);
        shop.end_leases_of_nobody().await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    worker.stop().await;
    assert!(cuts >= 5, "{cuts} connections cut");
    shop.bought_once(&ids).await;
}

/// Panics once at a point.
struct Panics(Point, AtomicBool);

impl Gate for Panics {
    fn pass(&self, point: Point) {
        assert!(
            point != self.0 || self.1.swap(true, Ordering::SeqCst),
            "the test's panic at {point:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn window_b5_a_panic_at_any_point_neither_keeps_an_order_nor_ends_a_loop() {
    // Those of money have a test of their own, in `engine_moves`.
    let of_money = [Point::MoveCommitted, Point::MoveAnswered];
    for point in Point::ALL.into_iter().filter(|point| !of_money.contains(point)) {
        let shop = Shop::fresh().await;
        let ids = shop.paid(3).await;
        let gate = Arc::new(Panics(point, AtomicBool::new(false)));
        let worker = shop.worker(Setup::gate(gate.clone())).await;
        let begun = std::time::Instant::now();
        while !gate.1.load(Ordering::SeqCst) {
            assert!(begun.elapsed().as_secs() < 20, "nobody came to {point:?}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let more = shop.paid(2).await;
        let begun = std::time::Instant::now();
        while shop.count("select count(*) from {s}.orders where status <> 'completed'").await > 0 {
            assert!(begun.elapsed().as_secs() < 40, "{point:?}: {}", shop.story().await);
            shop.end_leases_of_nobody().await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        worker.stop().await;
        shop.bought_once(&[ids, more].concat()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn window_b5_an_answer_that_the_database_refuses_leaves_no_order_leased() {
    let shop = Shop::fresh().await;
    shop.set("calls_max", "2").await;
    shop.set("complete_on", "placed").await;
    shop.paid(1).await;
    shop.finish().await;
    // The next order is answered with the id of the first.
    shop.paid(1).await;
    shop.zinc().inject(Injected::Fault(Fault::WrongId));
    let worker = shop.worker(Setup::default()).await;
    shop.until(
        "select exists (select from {s}.findings where kind = 'request_id_of_another_order')",
    )
    .await;
    shop.until("select not exists (select from {s}.order_attempts where lease_token is not null)")
        .await;
    shop.until_ended().await;
    worker.stop().await;
    assert_eq!(shop.events("lease_ended").await, 0, "nobody had to wait for the lease");
    assert_eq!(shop.ends().await, [("completed".into(), 2)].into());
    shop.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_b6_year_old_orders_of_every_state_and_more_than_a_batch_reach_their_end() {
    let mut options = world::hurried();
    options.zinc.placed_after_ms = 20;
    options.zinc.delivered_after_ms = 20;
    let shop = Shop::with(options).await;
    shop.own_clock().await;
    shop.shift("-1 year").await;
    // Waiting for a payment, paid, submitting under an ended lease, with the provider.
    let mut ids = shop.paying(110).await;
    ids.extend(shop.paid(100).await);
    let barrier = Barrier::after(Point::AnswerRead, 20);
    let first = shop.worker(Setup::gate(barrier.clone())).await;
    barrier.reached(5).await;
    shop.until("select count(*) >= 15 from {s}.orders where status = 'submitted_to_zinc' or status = 'processing' or status = 'completed'").await;
    shop.shift("0").await;
    assert!(shop.count("select count(*) from {s}.orders where status = 'submitting'").await >= 5);
    let second = shop.worker(Setup::default()).await;
    shop.until_ended().await;
    barrier.open();
    first.stop().await;
    second.stop().await;
    let summary = shop.clean().await;
    let ends = shop.ends().await;
    // A key that is a year old may be forgotten: such an order is with a person, not repeated.
    let dead = ends
        .get("needs_review outcome_unknown")
        .or(ends.get("needs_review key_dead"))
        .copied()
        .unwrap_or(0);
    assert!((1..=21).contains(&dead), "{ends:?}");
    assert_eq!(ends.get("completed").copied(), Some(ids.len() - dead), "{ends:?}");
    let late = "select count(*) from {s}.order_events as e join {s}.order_attempts as a using (order_id)
                 where e.kind = 'purchase_repeated' and e.at > a.first_sent_at + interval '23 hours'";
    assert_eq!(shop.count(late).await, 0, "nothing was sent again after a year");
    assert_eq!(summary.orders_bought_once, ids.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c5_what_is_under_way_is_not_cancelled_and_what_is_cancelled_is_not_bought() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(1).await;
    let barrier = Barrier::at(Point::AnswerRead);
    let worker = shop.worker(Setup::gate(barrier.clone())).await;
    barrier.reached(1).await;
    let cancel = format!("select {{s}}.cancel_order('{}') ->> 'waiting'", ids[0]);
    assert_eq!(shop.as_app(&cancel).await, ["true"], "it is a wish, and waits for the answer");
    barrier.open();
    shop.until_ended().await;
    let accepted = "needs_review cancel_requested accepted_while_held".to_owned();
    assert_eq!(shop.ends().await, [(accepted.clone(), 1)].into());
    worker.stop().await;
    // Paid and due, and nobody works: only the cancellation keeps it from being bought.
    let paid = shop.paid(1).await[0];
    let cancel = format!("select {{s}}.cancel_order('{paid}') ->> 'success'");
    assert_eq!(shop.as_app(&cancel).await, ["true"]);
    let turns = Count::of(Point::RecoveryStarted);
    let worker = shop.worker(Setup::gate(turns.clone())).await;
    assert!(worker.engine.submit_one(paid).await.unwrap().is_none());
    turns.reaches(2).await;
    worker.stop().await;
    assert_eq!(shop.zinc().purchases_of(&paid.to_string()), []);
    assert_eq!(shop.clean().await.creates, 1);
    assert_eq!(shop.ends().await, [("cancelled".into(), 1), (accepted, 1)].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c8_the_ceiling_is_at_most_what_was_paid_and_the_real_cost_is_recorded() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(6).await;
    shop.finish().await;
    shop.bought_once(&ids).await;
    for id in ids {
        let [purchase] = &shop.zinc().purchases_of(&id.to_string())[..] else {
            panic!("one purchase")
        };
        assert!(purchase.max_price <= TOTAL && purchase.max_price > 0);
        assert_eq!(shop.of(id, "cost_minor").await, purchase.total_cents.to_string());
        assert_eq!(shop.of(id, "price_cap_minor").await, purchase.max_price.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn window_d3_every_change_of_the_engine_names_who_when_and_why() {
    let shop = Shop::faulty(Faults { drop_answer: 0.2, ..Faults::none() }).await;
    let ids = shop.paying(6).await;
    shop.zinc().inject(Injected::Fault(Fault::DropAnswer));
    let mut setup = Setup::default();
    setup.options.worker = "the-only-one".into();
    let worker = shop.worker(setup).await;
    shop.until_ended().await;
    worker.stop().await;
    shop.bought_once(&ids).await;
    let strangers = "select count(*) from {s}.order_events where kind <> 'order_placed' and actor <> 'engine/the-only-one'";
    assert_eq!(shop.count(strangers).await, 0);
    let lost = "select count(*) from {s}.order_events where kind = 'answer_lost' and data ->> 'code' <> ''";
    assert_eq!(shop.count(lost).await, shop.events("answer_lost").await);
    assert!(shop.events("answer_lost").await > 0);
    let without = "select count(*) from {s}.orders as o where o.version <> (select count(*) from {s}.order_events as e where e.order_id = o.id)";
    assert_eq!(shop.count(without).await, 0);
}
