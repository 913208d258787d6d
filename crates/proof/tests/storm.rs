//! A small storm in the test command: real processes, a database that is stopped without a word, and the
//! judge's word. `just chaos` brings big ones.

use orders_proof::storm::{Options, Weather, run};
use orders_proof::world::Shop;
use orders_proof::world::worker::Setup;
use orders_sandbox::Fault;
use orders_sandbox::zinc::Injected;

#[tokio::test(flavor = "multi_thread")]
async fn g15_a_storm_buys_every_order_once_loses_none_and_leaves_nobody_waiting() {
    let options = Options {
        seed: 1,
        orders: 300,
        engines: 4,
        weather: vec![
            (Weather::Kill, 8),
            (Weather::Stop, 2),
            (Weather::Restart, 2),
            (Weather::Cut, 8),
            (Weather::Disk, 2),
            (Weather::Jump, 1),
            (Weather::Pool, 1),
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
    assert!(row.bought >= 250 && row.unbought >= 5, "{row:#?}");
    assert!(row.kills >= 8 && row.kills_in_hand >= 2, "{row:#?}");
    assert!(row.stops >= 1 && row.restarts == 2 && row.cuts == 8, "{row:#?}");
    assert!(row.unknown >= 10 && row.resolved >= 10, "{row:#?}");
    assert!(row.messages >= 100, "{row:#?}");
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
