//! Comparing the books over HTTP: with the fake Stripe and the fake Zinc, which know more and less than
//! the shop does. // G27, C11
#![expect(clippy::expect_used, reason = "helpers of tests may fail by panic, like the tests")]

use orders_proof::world;

use jiff::SignedDuration;
use orders_sandbox::Fault;
use orders_sandbox::stripe::{DisputeStatus, Fact, RefundStatus, StripeFault};
use orders_sandbox::zinc::Injected;
use orders_service::engine::Engine;
use orders_service::engine::reconcile::{Partners, Report, Scope, reconcile};
use orders_store::reconcile as books;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;
use world::worker::Setup;
use world::{Shop, hurried};

/// A shop of orders that were paid, bought and delivered, twenty minutes ago, with one that was
/// cancelled and refunded and one whose money a person returned; and whoever asks its partners.
async fn healthy(count: usize) -> (Shop, Arc<Engine>, Vec<Uuid>) {
    let shop = Shop::fresh().await;
    let asks = shop.prepared(Setup::default()).await.expect("an engine");
    let ids = shop.paying(count).await;
    shop.finish().await;
    assert_eq!(shop.ids("status = 'completed'").await.len(), count);
    shop.sql(&format!("select {{s}}.refund_order('{}', null, 'it came back')", ids[0])).await;
    let worker = shop.worker(Setup::default()).await;
    shop.until("select count(*) = 1 from {s}.orders where payment_status = 'refunded'").await;
    worker.stop().await;
    shop.own_clock().await;
    shop.shift("20 minutes").await;
    (shop, asks, ids)
}

/// Compares the books once.
async fn compare(shop: &Shop, asks: &Engine) -> Report {
    let partners = Partners { stripe: asks.stripe.as_deref(), provider: Some(&asks.provider) };
    let run_at = books::begin(&shop.app, None).await.expect("a clock").expect("a time");
    let since = run_at - SignedDuration::from_hours(24);
    let scope = Scope { run_at, since, live_mode: false, worker: "t" };
    reconcile(&shop.app, partners, scope, &|_| ()).await.expect("a comparison")
}

/// The open differences: how many there are of each kind.
async fn open(shop: &Shop) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for kind in shop.texts("select kind from {s}.differences where gone_at is null").await {
        *kinds.entry(kind).or_default() += 1;
    }
    kinds
}

fn each(kinds: &[&str]) -> BTreeMap<String, usize> {
    kinds.iter().map(|kind| ((*kind).to_owned(), 1)).collect()
}

async fn intent(shop: &Shop, id: Uuid) -> String {
    shop.text(&format!(
        "select payment_intent from {{s}}.payments where order_id = '{id}' and live"
    ))
    .await
}

/// What no wall can stop.
async fn by_force(shop: &Shop, sql: String) {
    let sql = format!("set local session_replication_role = replica; {sql}")
        .replace("{s}", shop.app.schema());
    let run = shop.admin.transact("test", move |tx| {
        let sql = sql.clone();
        Box::pin(async move { tx.execute(&sql).await })
    });
    run.await.expect("what is forced");
}

/// What Stripe knows and the shop does not, of orders 1 to 8.
async fn at_stripe(shop: &Shop, ids: &[Uuid]) -> String {
    let stripe = &shop.partners.world.stripe;
    let mut intents = Vec::new();
    for id in &ids[..9] {
        intents.push(intent(shop, *id).await);
    }
    stripe.pay("an order of another shop", world::TOTAL, "usd");
    let second = stripe.pay(&ids[1].to_string(), world::TOTAL, "usd");
    let late = shop.place().await;
    shop.sql(&format!("select {{s}}.cancel_order('{late}', 'never mind')")).await;
    stripe.pay(&late.to_string(), world::TOTAL, "usd");
    shop.paying(1).await; // and no engine reads it
    for (at, fact) in [
        (2, Fact::AmountReceived(world::TOTAL - 1)),
        (3, Fact::Currency("gbp".into())),
        (4, Fact::Livemode(true)),
        (5, Fact::OrderId(Some(ids[6].to_string()))),
        (6, Fact::Status("requires_payment_method".into())),
    ] {
        assert!(stripe.change(&intents[at], fact));
    }
    stripe.dispute(&intents[7], DisputeStatus::NeedsResponse).expect("a dispute");
    stripe.refund(&intents[8], Some(100)).expect("a refund");
    let refunds = stripe.refunds_of(&intents[0]);
    assert!(stripe.move_refund(&refunds[0].id, RefundStatus::Failed));
    second
}

/// What the shop has lost or believes wrongly, of orders 9 to 12.
async fn in_the_shop(shop: &Shop, ids: &[Uuid]) {
    shop.paid(1).await; // Stripe has never heard of its payment
    let (lost, other, unpaid, returned) = (ids[9], ids[10], ids[11], ids[12]);
    by_force(
        shop,
        format!(
            "delete from {{s}}.orders where id = '{lost}'; delete from {{s}}.payments where order_id = '{lost}';
             delete from {{s}}.order_attempts where order_id = '{lost}';
             update {{s}}.orders set zinc_request_id = 'req-other' where id = '{other}';
             update {{s}}.order_attempts set request_id = 'req-other' where order_id = '{other}';
             update {{s}}.orders set payment_status = 'unpaid' where id = '{unpaid}';
             update {{s}}.orders set status = 'failed' where id = '{returned}'"
        ),
    )
    .await;
}

const FOUND: [&str; 17] = [
    "amount_differs",
    "bought_unpaid",
    "currency_differs",
    "dispute_unknown",
    "ended_with_money",
    "mode_differs",
    "order_differs",
    "order_not_paid",
    "paid_not_received",
    "payment_missing",
    "payment_not_tied",
    "purchase_missing",
    "purchase_not_recorded",
    "purchase_without_order",
    "refund_status_differs",
    "refund_without_move",
    "second_payment",
];

/// Those of them that no list dates.
const UNDATED: [&str; 4] =
    ["dispute_unknown", "order_not_paid", "paid_not_received", "refund_status_differs"];

#[tokio::test(flavor = "multi_thread")]
async fn g27_every_seeded_difference_is_found_once_among_forty_good_orders_and_keeps_its_age() {
    let (shop, asks, ids) = healthy(53).await;
    let good = compare(&shop, &asks).await;
    assert!(good.is_complete(), "{:?}", good.faults);
    assert_eq!((good.compared.payments, good.compared.refunds), (53, 1));
    assert_eq!((good.compared.purchases, good.compared.orders), (53, 53));
    assert_eq!(open(&shop).await, BTreeMap::new(), "forty and more, and nothing differs");
    let doubted = "select count(*) from {s}.payments where stale_since is not null";
    assert_eq!(shop.count(doubted).await, 0, "and nothing is read anew without a reason");

    let second = at_stripe(&shop, &ids).await;
    in_the_shop(&shop, &ids).await;
    shop.shift("40 minutes").await;
    let report = compare(&shop, &asks).await;
    assert!(report.is_complete(), "{:?}", report.faults);
    assert_eq!(report.ended.new, 15);
    let undated = open(&shop).await;
    assert!(UNDATED.iter().all(|kind| !undated.contains_key(*kind)), "{undated:?}");
    // What no list dates is told when it was seen twice.
    shop.shift("60 minutes").await;
    let report = compare(&shop, &asks).await;
    let mut wanted = each(&FOUND);
    // The payment of the lost order, and that of another shop.
    wanted.insert("payment_without_order".into(), 2);
    assert_eq!(open(&shop).await, wanted);
    assert_eq!((report.ended.new, report.ended.open), (4, 19));
    let ages = "select string_agg(kind || subject || first_at, ' ' order by kind, subject) from {s}.differences where gone_at is distinct from first_at";
    let first = shop.text(ages).await;

    shop.shift("120 minutes").await;
    let again = compare(&shop, &asks).await;
    assert_eq!((again.ended.new, again.ended.open, again.ended.gone), (0, 19, 0));
    assert_eq!(shop.text(ages).await, first, "the same ones, an hour older");
    assert_eq!(shop.count("select count(*) from {s}.alerts where rule = 'difference'").await, 19);
    let never = shop.count("select count(*) from {s}.money_moves").await;
    assert_eq!(never, 1, "nothing was moved by it");

    // A person returns what was paid twice.
    shop.partners.world.stripe.refund(&second, None).expect("a refund");
    let ended = compare(&shop, &asks).await.ended;
    assert_eq!((ended.gone, ended.open), (1, 18));
    assert!(!open(&shop).await.contains_key("second_payment"));
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c11_a_list_that_cannot_be_read_to_its_end_closes_nothing_and_is_said() {
    let (shop, asks, ids) = healthy(3).await;
    let stripe = &shop.partners.world.stripe;
    let second = stripe.pay(&ids[1].to_string(), world::TOTAL, "usd");
    // So many checkouts that nobody paid, that it stands on the third page.
    for _ in 0..220 {
        stripe.open_intent("an order of another shop", world::TOTAL, "usd");
    }
    let report = compare(&shop, &asks).await;
    assert_eq!((report.is_complete(), report.compared.payments), (true, 224));
    assert_eq!(open(&shop).await, each(&["second_payment"]));

    stripe.refund(&second, None).expect("a refund");
    stripe.inject_at("/payment_intents", StripeFault::ReadError);
    let cut = compare(&shop, &asks).await;
    assert!(cut.faults[0].contains("list of payments could not be read"), "{:?}", cut.faults);
    assert_eq!((cut.ended.gone, cut.ended.open), (0, 1));

    shop.zinc().set_outage(true);
    let deaf = compare(&shop, &asks).await;
    assert!(deaf.faults[0].contains("the provider's list could not be read"), "{:?}", deaf.faults);
    assert_eq!((deaf.ended.gone, deaf.ended.open), (1, 0), "Stripe's side is whole again");
    shop.zinc().set_outage(false);
}

#[tokio::test(flavor = "multi_thread")]
async fn g27_a_side_that_no_engine_can_compare_is_shown_to_a_person_until_one_can() {
    let (shop, asks, _) = healthy(3).await;
    let told = "select subject || ' ' || runbook from {s}.alerts where rule = 'books_not_compared' and closed_at is null order by subject";
    let report = asks.reconcile_if_due().await.expect("a comparison").expect("it is time");
    assert_eq!((report.is_complete(), shop.texts(told).await.len()), (true, 0));
    assert!(asks.reconcile_if_due().await.expect("a look").is_none(), "not before an hour is over");
    for hour in 1..3 {
        shop.shift(&format!("{} minutes", 20 + 61 * hour)).await;
        shop.partners.world.stripe.inject_at("/payment_intents", StripeFault::ReadError);
        shop.zinc().set_outage(true);
        asks.reconcile_if_due().await.expect("a comparison").expect("it is time");
        let shown = shop.texts(told).await;
        let words = shown.iter().map(|one| one.split(' ').next().unwrap_or_default());
        assert_eq!(words.collect::<Vec<_>>(), ["payments", "purchases"], "once each");
        assert!(shown[0].contains("STRIPE_KEY") && shown[1].contains("ZINC_TOKEN"), "{shown:?}");
        shop.zinc().set_outage(false);
    }
    // A person sees one side whole before the hour is over.
    let run_at = books::begin(&shop.app, None).await.expect("a clock").expect("a time");
    books::note(&shop.app, run_at, &["purchases"], &[]).await.expect("a note");
    assert!(shop.texts(told).await[0].starts_with("payments"), "the other one stands");
    shop.shift("300 minutes").await;
    asks.reconcile_if_due().await.expect("a comparison").expect("it is time");
    assert_eq!(shop.texts(told).await, [""; 0]);
    books::note(&shop.app, run_at, &[], &["payments"]).await.expect("a note");
    assert_eq!(shop.texts(told).await, [""; 0], "a later one has compared them by now");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_list_leaves_out_is_asked_for_by_its_id_before_it_counts_as_missing() {
    let (shop, asks, _) = healthy(6).await;
    shop.zinc().inject(Injected::Fault(Fault::ListGap));
    let report = compare(&shop, &asks).await;
    assert!(report.faults[0].contains("a list left out"), "{:?}", report.faults);
    assert_eq!(open(&shop).await, BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_another_account_are_one_difference_each_and_not_one_for_each_order() {
    let (shop, asks, _) = healthy(4).await;
    let mut options = hurried();
    (options.stripe.seed, options.zinc.seed) = (7, 7);
    let other = Shop::with(options).await;
    for _ in 0..5 {
        other.partners.world.stripe.pay("an order of another shop", world::TOTAL, "usd");
    }
    let wrong = other.prepared(Setup::default()).await.expect("an engine");
    let report = compare(&shop, &wrong).await;
    assert_eq!(report.faults.len(), 2, "{:?}", report.faults);
    assert!(report.faults.iter().all(|fault| fault.contains("another account")));
    let mut wanted = each(&["account_differs"]);
    wanted.insert("account_differs".into(), 2);
    assert_eq!(open(&shop).await, wanted);
    let report = compare(&shop, &asks).await;
    assert_eq!((report.is_complete(), report.ended.gone, report.ended.open), (true, 2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_nobody_named_is_tied_to_the_order_that_it_was_made_for() {
    let (shop, asks, _) = healthy(2).await;
    let id = shop.place().await;
    let paid = shop.partners.world.stripe.pay(&id.to_string(), world::TOTAL, "usd");
    let report = compare(&shop, &asks).await;
    assert_eq!((report.is_complete(), report.ended.open), (true, 0));
    assert_eq!(intent(&shop, id).await, paid);
    assert_eq!(shop.of(id, "payment_status").await, "unpaid", "it is judged when it is read");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_partner_the_other_is_compared_and_it_is_said() {
    let (shop, asks, ids) = healthy(3).await;
    shop.partners.world.stripe.pay(&ids[1].to_string(), world::TOTAL, "usd");
    let run_at = books::begin(&shop.app, None).await.expect("a clock").expect("a time");
    let since = run_at - SignedDuration::from_hours(24);
    let scope = Scope { run_at, since, live_mode: false, worker: "t" };
    let partners = Partners { stripe: asks.stripe.as_deref(), provider: None };
    let report = reconcile(&shop.app, partners, scope, &|_| ()).await.expect("a comparison");
    assert_eq!(report.faults, ["the provider was not asked: no ZINC_TOKEN"]);
    assert_eq!(open(&shop).await, each(&["second_payment"]));
    let partners = Partners { stripe: None, provider: Some(&asks.provider) };
    let report = reconcile(&shop.app, partners, scope, &|_| ()).await.expect("a comparison");
    assert_eq!(report.faults, ["Stripe was not asked: no STRIPE_KEY"]);
    assert_eq!((report.ended.gone, report.ended.open), (0, 1));
}
