//! Reserved money and unpaid orders: captured in time or released, never bought for, never lost. The
//! fake Stripe's ledger is the judge. // C3, B10, G29

use orders_proof::world;

use orders_sandbox::StripeFault;
use std::time::Duration;
use uuid::Uuid;
use world::money::{PASSING, Paying, Timed, turn};
use world::worker::Setup;
use world::{Shop, TOTAL, hurried};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

async fn reserved(shop: &Shop, count: usize) -> Vec<(Uuid, String)> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(shop.order_paying(Paying::Reserved).await);
    }
    all
}

/// Whether the purchase of an order was made before or after its money was captured.
async fn order_of_events(shop: &Shop, id: Uuid) -> [&'static str; 2] {
    let seq = |condition: &str| {
        let sql = format!(
            "select min(seq) from {{s}}.order_events where order_id = '{id}' and {condition}"
        );
        async move { shop.count(&sql).await }
    };
    let bought = seq("kind = 'purchase_opened'").await;
    let captured =
        seq("kind = 'move_ended' and data ->> 'move' = 'capture' and data ->> 'state' = 'done'")
            .await;
    if captured < bought { ["captured", "bought"] } else { ["bought", "captured"] }
}

#[tokio::test(flavor = "multi_thread")]
async fn g29_reserved_money_is_captured_once_before_the_purchase() {
    let shop = Shop::fresh().await;
    let orders = reserved(&shop, 4).await;
    let (one, other) = (shop.worker(Setup::default()).await, shop.worker(Setup::default()).await);
    shop.until_ended().await;
    shop.until_moved().await;
    one.stop().await;
    other.stop().await;
    let ids: Vec<_> = orders.iter().map(|(id, _)| *id).collect();
    shop.bought_once(&ids).await;
    let summary = shop.clean_money().await;
    assert_eq!((summary.sums["usd"].captured, summary.sums["usd"].authorised), (4 * TOTAL, 0));
    assert_eq!(shop.posts("/capture"), 4, "each was sent once");
    for id in ids {
        assert_eq!(order_of_events(&shop, id).await, ["captured", "bought"]);
        assert_eq!(shop.of(id, "payment_status").await, "paid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g29_reserved_money_is_captured_once_after_the_purchase_where_the_shop_wants_it_so() {
    let shop = Shop::fresh().await;
    shop.set("capture_when", "after_purchase").await;
    let orders = reserved(&shop, 4).await;
    let (one, other) = (shop.worker(Setup::default()).await, shop.worker(Setup::default()).await);
    shop.until_ended().await;
    shop.until("select not exists (select from {s}.orders where payment_status <> 'paid')").await;
    shop.until_moved().await;
    one.stop().await;
    other.stop().await;
    let ids: Vec<_> = orders.iter().map(|(id, _)| *id).collect();
    shop.bought_once(&ids).await;
    let summary = shop.clean_money().await;
    assert_eq!((summary.sums["usd"].captured, summary.sums["usd"].authorised), (4 * TOTAL, 0));
    assert_eq!(shop.posts("/capture"), 4, "each was sent once");
    for id in ids {
        assert_eq!(order_of_events(&shop, id).await, ["bought", "captured"]);
        assert_eq!(shop.alerts(id).await, [] as [&str; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g29_whatever_happens_to_its_call_a_capture_is_made_once() {
    let shop = Shop::fresh().await;
    let mut faults = shop.stripe().faults();
    (faults.effect_later_ms, faults.slow_ms) = (1_500, 300);
    shop.stripe().set_faults(faults).unwrap();
    // What is stored and had no effect costs a capture its key, and nothing more.
    let more =
        [StripeFault::ErrorStoredBefore, StripeFault::ShouldNotRetry, StripeFault::CardError];
    let orders = reserved(&shop, PASSING.len() + more.len()).await;
    for fault in PASSING.into_iter().chain(more) {
        shop.stripe().inject_at("/capture", fault);
    }
    let worker = shop.worker(Setup::default()).await;
    shop.until_ended().await;
    shop.until_moved().await;
    worker.stop().await;
    let ids: Vec<_> = orders.iter().map(|(id, _)| *id).collect();
    shop.bought_once(&ids).await;
    let summary = shop.clean_money().await;
    assert_eq!(summary.sums["usd"].captured, i64::try_from(ids.len()).unwrap() * TOTAL);
    assert_eq!(summary.faults.len(), ids.len(), "{:?}", summary.faults);
    assert_eq!(shop.count("select count(*) from {s}.alerts where closed_at is null").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn g29_a_capture_that_is_late_is_told_at_four_fifths_of_its_time_and_made_before_its_end() {
    let timed = Timed::fresh().await;
    let shop = &timed.shop;
    shop.set("capture_when", "after_purchase").await;
    let (id, intent) = shop.order_paying(Paying::Reserved).await;
    // Stripe lets us do nothing but read.
    shop.stripe().set_limits(None, Some(0));
    let worker = shop.worker(Setup::default()).await;
    shop.until_ended().await;
    shop.until("select calls > 0 and lease_token is null from {s}.money_moves").await;
    let told = |rule: &str| {
        format!(
            "select exists (select from {{s}}.alerts where rule = '{rule}' and order_id = '{id}')"
        )
    };
    timed.later(5 * DAY).await;
    shop.hurry_moves().await;
    let calls = shop.count("select calls from {s}.money_moves").await;
    shop.until(&format!("select calls > {calls} and lease_token is null from {{s}}.money_moves"))
        .await;
    assert_eq!(shop.text(&told("capture_due")).await, "false", "most of its time is left");
    timed.later(6 * DAY).await;
    shop.until(&told("capture_due")).await;
    shop.stripe().set_limits(None, None);
    shop.hurry_moves().await;
    shop.until_moved().await;
    shop.until("select payment_status = 'paid' from {s}.orders").await;
    worker.stop().await;
    let summary = shop.clean_money().await;
    assert_eq!(summary.sums["usd"].captured, TOTAL);
    assert_eq!(shop.stripe().intent(&intent).unwrap().status, "succeeded");
    assert_eq!(shop.alerts(id).await, [] as [&str; 0], "what was told is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn g29_goods_whose_reserved_money_lapsed_are_told_to_a_person() {
    let timed = Timed::fresh().await;
    let shop = &timed.shop;
    shop.set("capture_when", "after_purchase").await;
    let (id, _) = shop.order_paying(Paying::Reserved).await;
    shop.stripe().set_limits(None, Some(0));
    let worker = shop.worker(Setup::default()).await;
    shop.until_ended().await;
    shop.until("select calls > 0 and lease_token is null from {s}.money_moves").await;
    timed.later(8 * DAY).await;
    shop.until_moved().await;
    worker.stop().await;
    assert_eq!(shop.moves(id).await, [format!("capture {TOTAL} refused canceled")]);
    let alerts = shop.alerts(id).await;
    assert!(alerts.contains(&"capture_refused".to_owned()), "{alerts:?}");
    shop.clean_money().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c3_reserved_money_that_lapses_before_its_capture_buys_nothing() {
    let timed = Timed::fresh().await;
    let shop = &timed.shop;
    let (id, intent) = shop.order_paying(Paying::Reserved).await;
    shop.read_payments().await;
    assert_eq!(shop.moves(id).await, [format!("capture {TOTAL} open")]);
    timed.later(8 * DAY).await;
    let worker = shop.worker(Setup::default()).await;
    shop.until_moved().await;
    shop.until("select hold_reason = 'payment_canceled' from {s}.orders").await;
    worker.stop().await;
    assert_eq!(shop.moves(id).await, [format!("capture {TOTAL} refused canceled")]);
    assert_eq!(shop.stripe().intent(&intent).unwrap().status, "canceled");
    assert_eq!(shop.clean().await.creates, 0);
    assert_eq!((shop.clean_money().await.sums["usd"].received, shop.posts("/capture")), (0, 0));
    let alerts = shop.alerts(id).await;
    assert!(alerts.contains(&"capture_refused".to_owned()), "{alerts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c3_a_capture_that_the_bank_refuses_buys_nothing() {
    let shop = Shop::fresh().await;
    let (id, _) = shop.order_paying(Paying::Reserved).await;
    for _ in 0..2 {
        shop.stripe().inject_at("/capture", StripeFault::CardError);
    }
    let worker = shop.worker(Setup::default()).await;
    shop.until_moved_or("m.state = 'open'").await;
    shop.until("select state = 'refused' from {s}.money_moves").await;
    worker.stop().await;
    assert_eq!(shop.moves(id).await, [format!("capture {TOTAL} refused card_declined")]);
    assert_eq!(shop.of(id, "hold_reason").await, "awaiting_payment");
    assert_eq!(shop.alerts(id).await, ["capture_refused"]);
    assert_eq!(shop.clean().await.creates, 0);
    shop.clean_money().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c3_reserved_money_that_is_about_to_lapse_buys_nothing() {
    let timed = Timed::fresh().await;
    let shop = &timed.shop;
    shop.set("capture_when", "after_purchase").await;
    let (id, _) = shop.order_paying(Paying::Reserved).await;
    timed.later(6 * DAY + HOUR * 47 / 2).await;
    let worker = shop.worker(Setup::default()).await;
    shop.until("select hold_reason = 'authorisation_ending' from {s}.orders").await;
    timed.later(8 * DAY).await;
    shop.until("select hold_reason = 'payment_canceled' from {s}.orders").await;
    worker.stop().await;
    assert_eq!(shop.status(id).await, "pending");
    assert_eq!(shop.clean().await.creates, 0);
    shop.clean_money().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g29_what_a_cancelled_order_has_reserved_is_released_and_not_captured() {
    let shop = Shop::fresh().await;
    let mut orders = reserved(&shop, 3).await;
    shop.read_payments().await;
    for (id, _) in &orders {
        assert_eq!(shop.moves(*id).await, [format!("capture {TOTAL} open")]);
        shop.sql(&format!("select {{s}}.cancel_order('{id}')")).await;
    }
    let worker = shop.worker(Setup::default()).await;
    shop.until_moved().await;
    worker.stop().await;
    for (id, intent) in orders.drain(..) {
        assert_eq!(shop.stripe().intent(&intent).unwrap().status, "canceled");
        let moves = shop.moves(id).await;
        assert!(moves.contains(&"cancel 0 done".to_owned()), "{moves:?}");
        assert!(moves.iter().any(|one| one.starts_with(&format!("capture {TOTAL} "))), "{moves:?}");
        assert_eq!(shop.alerts(id).await, [] as [&str; 0]);
    }
    let sums = shop.clean_money().await.sums["usd"];
    assert_eq!((sums.received, sums.authorised), (0, 0));
    assert_eq!(shop.posts("/capture"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn window_b10_an_unpaid_order_is_cancelled_at_stripe_first_and_one_that_is_paid_meanwhile_stays()
 {
    let timed = Timed::with(hurried()).await;
    let shop = &timed.shop;
    shop.set("expire_unpaid_after_s", "3600").await;
    let (abandoned, never) = shop.order_paying(Paying::NotYet).await;
    let (slow, paid) = shop.order_paying(Paying::NotYet).await;
    let (bank, processing) = shop.order_paying(Paying::NotYet).await;
    turn(shop, &processing, "processing");
    shop.read_payments().await;
    timed.later(2 * HOUR).await;
    shop.as_app("select {s}.expire_unpaid('t', 100)::text").await;
    for id in [abandoned, slow] {
        assert_eq!(shop.moves(id).await, ["cancel 0 open"]);
        assert_eq!(shop.status(id).await, "pending", "Stripe has confirmed nothing");
    }
    assert_eq!(shop.moves(bank).await, [] as [&str; 0], "the bank has it in hand");
    // The customer was quicker.
    assert!(shop.stripe().approve(&paid));
    let worker = shop.worker(Setup::default()).await;
    shop.until(&format!("select status = 'cancelled' from {{s}}.orders where id = '{abandoned}'"))
        .await;
    shop.until(&format!("select status = 'completed' from {{s}}.orders where id = '{slow}'")).await;
    assert_eq!(shop.moves(abandoned).await, ["cancel 0 done"]);
    assert_eq!(shop.stripe().intent(&never).unwrap().status, "canceled");
    assert_eq!(shop.moves(slow).await, ["cancel 0 refused succeeded"]);
    assert_eq!(shop.status(bank).await, "pending");
    // The bank takes its time, and says yes.
    assert!(shop.stripe().approve(&processing));
    shop.sql(
        "update {s}.payments set next_read_at = {s}.clock_now() where next_read_at < 'infinity'",
    )
    .await;
    shop.until(&format!("select status = 'completed' from {{s}}.orders where id = '{bank}'")).await;
    shop.until_moved().await;
    worker.stop().await;
    for id in [abandoned, slow, bank] {
        assert_eq!(shop.alerts(id).await, [] as [&str; 0]);
    }
    let summary = shop.clean_money().await;
    assert_eq!((summary.sums["usd"].received, summary.sums["usd"].refunded), (2 * TOTAL, 0));
    assert_eq!(shop.clean().await.orders_bought_once, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn window_b10_a_customer_whose_money_is_reserved_meanwhile_keeps_the_order() {
    let timed = Timed::fresh().await;
    let shop = &timed.shop;
    shop.set("expire_unpaid_after_s", "3600").await;
    shop.set("capture_when", "after_purchase").await;
    let (id, intent) = shop.order_paying(Paying::NotYet).await;
    shop.read_payments().await;
    timed.later(2 * HOUR).await;
    shop.as_app("select {s}.expire_unpaid('t', 100)::text").await;
    turn(shop, &intent, "requires_capture");
    // Nobody here has heard of it when the cancellation's turn comes.
    let worker = shop.worker(Setup::default()).await;
    shop.until(&format!("select state = 'refused' and code = 'reserved' from {{s}}.money_moves where order_id = '{id}' and kind = 'cancel'")).await;
    shop.until(&format!(
        "select payment_status = 'authorized' from {{s}}.orders where id = '{id}'"
    ))
    .await;
    worker.stop().await;
    assert_eq!(shop.posts("/cancel"), 0);
    assert_ne!(shop.status(id).await, "cancelled");
    assert!(!shop.alerts(id).await.iter().any(|alert| alert.contains("cancel")));
    shop.clean().await;
}
