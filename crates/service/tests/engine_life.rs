//! An engine's life: it refuses bad ground, works beside others, and stops in order. // G21, G43

use orders_proof::world;

use orders_core::lease::Times;
use orders_sandbox::Faults;
use rustix::process::Signal;
use std::time::{Duration, Instant};
use world::worker::Setup;
use world::{Shop, address, fresh_database, hurried};

#[tokio::test(flavor = "multi_thread")]
async fn four_engines_share_sixty_orders_without_a_leader_and_buy_each_once() {
    let shop = Shop::faulty(Faults { drop_answer: 0.1, error_after: 0.1, ..Faults::none() }).await;
    let ids = shop.paying(60).await;
    let mut workers = Vec::new();
    for _ in 0..4 {
        workers.push(shop.worker(Setup::in_flight(4)).await);
    }
    shop.until_ended().await;
    let claimed: Vec<u64> = workers.iter().map(|worker| worker.stat("claimed")).collect();
    for worker in workers {
        worker.stop().await;
    }
    let summary = shop.bought_once(&ids).await;
    assert!(claimed.iter().filter(|count| **count > 0).count() >= 2, "{claimed:?}");
    assert_eq!(claimed.iter().sum::<u64>(), summary.creates, "one call for each claim");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_shops_in_two_schemas_of_one_database_each_buy_their_own() {
    let database = fresh_database().await;
    let first = Shop::in_schema(&database, "north", hurried()).await;
    let second = Shop::in_schema(&database, "south", hurried()).await;
    let (of_first, of_second) = (first.paying(8).await, second.paying(5).await);
    let workers = [first.worker(Setup::default()).await, second.worker(Setup::default()).await];
    first.until_ended().await;
    second.until_ended().await;
    for worker in workers {
        worker.stop().await;
    }
    first.bought_once(&of_first).await;
    second.bought_once(&of_second).await;
}

/// What a stopped engine must not leave behind.
async fn nothing_is_leased(shop: &Shop) {
    // An attempt keeps its lease until it is settled; it means something while its order is on its way.
    let leased =
        "select count(*) from {s}.order_attempts as a join {s}.orders as o on o.id = a.order_id
                   where o.status = 'submitting' and a.lease_token is not null";
    assert_eq!(shop.count(leased).await, 0, "{}", shop.story().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_ends_in_time_and_leaves_nothing_leased_five_times() {
    let shop = Shop::faulty(Faults { drop_answer: 0.1, ..Faults::none() }).await;
    let ids = shop.paid(60).await;
    shop.zinc().set_latency_ms(150);
    for turn in 1..=5 {
        let mut worker = shop.child(|command| {
            command.env("ORDERS_IN_FLIGHT", "8");
        });
        shop.until_creates(turn * 8).await;
        let begun = Instant::now();
        worker.signal(Signal::TERM);
        let status = worker.ended().await;
        assert!(status.success(), "{status}: {}", worker.said());
        assert!(begun.elapsed() < Duration::from_secs(25));
        nothing_is_leased(&shop).await;
        assert_eq!(shop.events("lease_ended").await, 0);
    }
    shop.zinc().set_latency_ms(20);
    shop.finish().await;
    shop.bought_once(&ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_outlast_the_stop_are_cut_and_recorded_as_unknown() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(2).await;
    shop.zinc().set_latency_ms(28_000);
    let mut setup = Setup::default();
    setup.options.times = Times { lease: Duration::from_mins(1), call: Duration::from_secs(30) };
    let worker = shop.worker(setup).await;
    shop.until_creates(2).await;
    // One that a person asked for is cut like the others.
    let engine = worker.engine.clone();
    let third = shop.paid(1).await[0];
    let asked = tokio::spawn(async move { engine.submit_one(third).await });
    shop.until_creates(3).await;
    let engine = worker.engine.clone();
    let took = worker.stop().await;
    assert!(took < Duration::from_secs(25) && took > Duration::from_secs(10), "{took:?}");
    nothing_is_leased(&shop).await;
    let stopped = "select count(*) from {s}.order_events where kind = 'answer_lost' and data ->> 'code' = 'stopped'";
    assert_eq!(shop.count(stopped).await, 3);
    assert!(engine.submit_one(ids[0]).await.expect("an answer").is_none(), "it has stopped");
    asked.await.expect("a task").expect("an answer");
    shop.clean().await;
}

/// How a worker refuses to start.
async fn refusal(shop: &Shop, change: impl FnOnce(&mut tokio::process::Command)) -> String {
    let mut worker = shop.child(change);
    let status = worker.ended().await;
    assert_eq!(status.code(), Some(1), "{}", worker.said());
    worker.said()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_bad_ground_is_refused_with_one_sentence_each() {
    let shop = Shop::fresh().await;
    let said = refusal(&shop, |command| {
        command.env("ORDERS_LEASE_MS", "11500");
    });
    assert!(said.await.contains("lengthen the lease"), "a short lease");
    let said = refusal(&shop, |command| {
        command.env("ORDERS_SCHEMA", "elsewhere");
    });
    let said = said.await;
    assert!(said.contains("holds no shop yet: run `atomic-orders migrate`"), "{said}");
    let superuser = address(&shop.database, "postgres");
    let said = refusal(&shop, |command| {
        command.env("DATABASE_URL", superuser);
    });
    let said = said.await;
    assert!(said.contains("superuser"), "{said}");
    shop.sql("insert into {s}.schema_migrations select version + 1, 'from_the_future', digest, applied_at from {s}.schema_migrations order by version desc limit 1").await;
    let said = refusal(&shop, |_| {}).await;
    assert!(said.contains("which this release does not know"), "{said}");
    shop.sql("delete from {s}.schema_migrations where version >= (select max(version) - 1 from {s}.schema_migrations)").await;
    let said = refusal(&shop, |_| {}).await;
    assert!(said.contains("run `atomic-orders migrate`"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_standing_shop_leaves_unpaid_orders_alone() {
    let shop = Shop::fresh().await;
    let unpaid = shop.place().await;
    let ids = shop.paid(1).await;
    let worker = shop.worker(Setup::default()).await;
    shop.until(&format!("select status = 'completed' from {{s}}.orders where id = '{}'", ids[0]))
        .await;
    assert!(worker.engine.submit_one(unpaid).await.expect("an answer").is_none());
    worker.stop().await;
    assert_eq!(shop.clean().await.creates, 1);
    assert_eq!(
        shop.of(unpaid, "concat_ws(' ', status, hold_reason)").await,
        "pending awaiting_payment"
    );
}
