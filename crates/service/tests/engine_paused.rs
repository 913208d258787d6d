//! A worker that is frozen with an unsent request in its hand, while the others settle the order and
//! send the customer's money back. What is promised of it when it wakes is ruling 10. // G7, G16

use orders_proof::world;

use orders_sandbox::zinc::Injected;
use rustix::process::Signal;
use world::Shop;
use world::worker::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn g7_a_worker_that_wakes_after_the_refund_with_its_request_in_its_hand_buys_nothing() {
    let shop = Shop::fresh().await;
    let id = shop.paying(1).await[0];
    let intent = shop.text("select payment_intent from {s}.payments").await;
    let mut paused = shop.child(|command| {
        command.env("ORDERS_WORKER", "paused").args(["--stop-at", "intent-committed"]);
    });
    shop.until("select status = 'submitting' from {s}.orders").await;
    // Whoever sends the stored bytes is refused for good, and the provider keeps that under the key.
    shop.zinc().inject(Injected::Refusal("max_price_exceeded".into()));
    // No SQL helps here: the lease of twelve seconds ends by itself.
    let other = shop.worker(Setup::default()).await;
    shop.until("select payment_status = 'refunded' from {s}.orders").await;
    assert_eq!(shop.events("lease_ended").await, 1, "the lease ended by itself");
    let events = shop.text("select count(*) from {s}.order_events").await;

    paused.signal(Signal::CONT);
    // It beats: so it is awake, and its call and its recorder had their turn.
    shop.until("select count(*) = 1 from {s}.workers where worker = 'paused'").await;
    let beat = shop.text("select seen_at from {s}.workers where worker = 'paused'").await;
    shop.until(&format!("select seen_at > '{beat}' from {{s}}.workers where worker = 'paused'"))
        .await;
    paused.signal(Signal::TERM);
    assert!(paused.ended().await.success(), "{}", paused.said());
    other.stop().await;

    assert_eq!(shop.status(id).await, "failed");
    let summary = shop.clean().await;
    assert_eq!((summary.purchases, summary.live_purchases), (0, 0), "never refunded and bought");
    shop.refunded_once(&[intent]).await;
    let now = shop.text("select count(*) from {s}.order_events").await;
    assert_eq!(now, events, "it recorded nothing");
}
