//! A clock of the database that jumps ahead ends every lease, also of calls that are under way: nobody
//! meets such a call at the provider. // A3, G16
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail by panic, like the tests")]

use orders_core::clock::JUMP_MIN;
use orders_core::gate::Point;
use orders_core::lease::Times;
use orders_proof::matrix::place::Place;
use orders_proof::matrix::victim::Victim;
use orders_proof::wire::database::Moment;
use orders_proof::world::Shop;
use orders_proof::world::worker::{Setup, ShiftedClock};
use orders_service::engine::Engine;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);
/// A call that outlasts what happens meanwhile.
const LONG_CALL: Duration = Duration::from_mins(1);

/// An engine that notices jumps, with a clock of its own, driven by hand.
async fn watchful(shop: &Shop) -> (Arc<Engine>, Arc<ShiftedClock>) {
    let clock = Arc::new(ShiftedClock::default());
    let mut setup = Setup { clock: Arc::clone(&clock) as _, ..Setup::behind_wires() };
    setup.options.jump_min = JUMP_MIN;
    let engine = shop.prepared(setup).await.unwrap();
    tokio::spawn(Arc::clone(&engine).run_on_demand(CancellationToken::new()));
    (engine, clock)
}

/// Another such engine, which runs, and stands still with an order in its hands. Its calls may last longer
/// than any of these tests.
async fn held(shop: &Shop, place: Place) -> Victim {
    let victim = Victim::working(shop, place, Moment::Committing, |options| {
        options.times = Times { lease: LONG_CALL + Duration::from_secs(11), call: LONG_CALL };
        options.jump_min = JUMP_MIN;
        options.in_flight_max = 1;
    });
    let victim = victim.await;
    assert!(victim.stand.reached(PATIENCE).await, "{}", shop.story().await);
    victim
}

/// Two leases and the provider's bound later, by the engine's own clock.
async fn calm(shop: &Shop, engine: &Engine, clock: &ShiftedClock) {
    clock.advance(Duration::from_secs(26));
    shop.shift("1 hour 26 seconds").await;
    engine.recover_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g16_a_database_clock_that_jumps_ahead_lets_nobody_meet_a_call_that_is_under_way() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let (other, clock) = watchful(&shop).await;
    let order = shop.paying(1).await[0];
    let mut victim = held(&shop, Place::Request("POST /v1/orders")).await;
    shop.shift("1 hour").await;
    other.recover_once().await;
    assert_eq!(shop.events("lease_ended").await, 1, "the jump has ended the lease");
    assert!(other.submit_one(order).await.unwrap().is_none(), "a call is under way");
    assert_eq!(shop.zinc().summary().creates, 0);
    victim.stand.let_go();
    shop.until_creates(1).await;
    victim.end().await;
    calm(&shop, &other, &clock).await;
    assert!(other.submit_one(order).await.unwrap().is_some(), "{}", shop.story().await);
    assert_eq!(shop.status(order).await, "submitted_to_zinc");
    let summary = shop.clean().await;
    assert_eq!((summary.live_purchases, summary.duplicate_calls), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_jump_of_the_clock_has_held_up_is_repeated_when_calls_of_before_have_ended() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let (other, clock) = watchful(&shop).await;
    let order = shop.paying(1).await[0];
    let mut victim = held(&shop, Place::Gate(Point::IntentCommitted)).await;
    victim.kill();
    shop.shift("1 hour").await;
    other.recover_once().await;
    assert!(other.submit_one(order).await.unwrap().is_none(), "it may be under way");
    calm(&shop, &other, &clock).await;
    assert!(other.submit_one(order).await.unwrap().is_some(), "{}", shop.story().await);
    assert_eq!(shop.zinc().summary().creates, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_orders_are_bought_as_always_when_the_databases_clock_has_jumped() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let (other, _) = watchful(&shop).await;
    shop.shift("1 hour").await;
    other.recover_once().await;
    let order = shop.paying(1).await[0];
    assert!(other.submit_one(order).await.unwrap().is_some(), "{}", shop.story().await);
    assert_eq!(shop.status(order).await, "submitted_to_zinc");
}
