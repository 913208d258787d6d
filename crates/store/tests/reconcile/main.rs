//! Comparing the books: every kind of difference is found once, nothing else is, and nothing is
//! changed by it. // G27, C11
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod books;
mod healthy;
mod passing;
mod seeds;
#[path = "../shop/mod.rs"]
mod shop;

use books::{Books, WHOLE, open};
use orders_store::reconcile::{self, Ended};
use serde_json::json;
use shop::Shop;
use std::time::Duration;

/// A healthy shop, twenty minutes later.
async fn calm() -> Shop {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    healthy::fill(&shop, 2).await;
    shop.shift("20 minutes").await;
    shop
}

#[tokio::test]
async fn g27_a_healthy_shop_with_orders_in_every_state_has_no_difference() {
    let shop = calm().await;
    let books = Books::of(&shop).await;
    for _ in 0..2 {
        assert_eq!(books.compare(&shop, &WHOLE).await, Ended::default(), "{:?}", open(&shop).await);
    }
    let doubted = "select count(*) + (select count(*) from differences) from payments where stale_since is not null";
    assert_eq!(shop.text(doubted).await, "0", "and nothing is read anew without a reason");
    let counts = "select count(distinct status)::text || ' ' || count(distinct payment_status) || ' ' || count(*) from orders";
    assert_eq!(shop.text(counts).await, "8 8 50");
    shop.verify().await;
}

#[tokio::test]
async fn g27_each_kind_of_difference_is_found_once_grows_older_and_goes_when_both_sides_agree() {
    let shop = calm().await;
    let good = Books::of(&shop).await;
    let seeded = seeds::plant(&shop, &good).await;
    let kinds = u64::try_from(seeds::KINDS.len()).unwrap();
    let first = seeded.compare(&shop, &WHOLE).await;
    let undated = u64::try_from(seeds::UNDATED.len()).unwrap();
    assert_eq!((first.open, first.new), (kinds - undated, kinds - undated));
    // What no list dates is told when it was seen twice.
    let second = seeded.compare_at(&shop, &WHOLE, "36 minutes").await;
    let found = open(&shop).await;
    assert_eq!(found.iter().map(|one| &*one.kind).collect::<Vec<_>>(), seeds::KINDS, "{found:?}");
    assert_eq!(second, Ended { gone: 0, open: kinds, new: undated });
    let late: Vec<_> = found.iter().filter(|one| one.new).map(|one| &*one.kind).collect();
    assert_eq!(late, seeds::UNDATED);
    let alerts = "select count(*)::text || ' ' || count(distinct subject) || ' ' || count(*) filter (where runbook like '%line for each kind%')
       from alerts where rule = 'difference' and closed_at is null";
    assert_eq!(shop.text(alerts).await, format!("{kinds} {kinds} 0"), "each with its own words");
    let third = seeded.compare_at(&shop, &WHOLE, "96 minutes").await;
    assert_eq!(third.gone, 0);
    let later = open(&shop).await;
    // What waited for twenty minutes only is overdue by now.
    let stood: Vec<_> = later.iter().filter(|one| !one.new).collect();
    assert_eq!(stood.len(), found.len());
    for (one, before) in stood.iter().zip(&found) {
        assert_eq!((&one.kind, &one.subject), (&before.kind, &before.subject));
        assert_eq!(one.age_s / 60, before.age_s / 60 + 60, "{one:?}");
        assert_eq!(before.new, before.age_s < 60, "{before:?}");
    }
    assert!(later.iter().filter(|one| one.new).all(|one| one.kind == "move_overdue"), "{later:?}");
    seeds::pull(&shop).await;
    shop.shift("20 minutes").await;
    let fourth = good.compare_at(&shop, &WHOLE, "100 minutes").await;
    assert_eq!((fourth.open, fourth.gone), (0, third.open), "{:?}", open(&shop).await);
    assert_eq!(shop.text(alerts).await, "0 0 0");
    let again = seeded.compare_at(&shop, &WHOLE, "110 minutes").await;
    assert!(again.new >= 20, "what comes back is a new difference: {again:?}");
}

#[tokio::test]
async fn window_c11_comparing_changes_no_order_no_amount_and_no_movement_of_money() {
    let shop = calm().await;
    let good = Books::of(&shop).await;
    let seeded = seeds::plant(&shop, &good).await;
    let everything = "select md5(jsonb_build_array((select jsonb_agg(o order by o.id) from orders as o),
       (select jsonb_agg(e order by e.order_id, e.seq) from order_events as e), (select jsonb_agg(a order by a.attempt_id) from order_attempts as a),
       (select jsonb_agg(m order by m.id) from money_moves as m),
       (select jsonb_agg(to_jsonb(p) - 'stale_since' - 'next_read_at' order by p.payment_intent) from payments as p))::text)";
    let before = shop.text(everything).await;
    seeded.compare(&shop, &WHOLE).await;
    assert_eq!(shop.text(everything).await, before);
    // As after a message of Stripe: read anew, before anything is bought with it.
    let stale = "select count(*) from payments where stale_since is not null";
    let unread = shop.text(&format!("{stale} and next_read_at > stale_since")).await;
    assert_eq!(unread, "0");
    assert!(shop.text(stale).await.parse::<u32>().unwrap() >= 4);
    let doubted = seeds::intent_of(&shop, "paid 0").await;
    let claimable = format!(
        "select count(*) from lock_due_orders('zinc_v1', 100) as o join payments as p on p.order_id = o.id where p.payment_intent = '{doubted}'"
    );
    assert_eq!(shop.text(&claimable).await, "0");
}

#[tokio::test]
async fn window_c11_a_list_that_was_not_read_to_its_end_closes_nothing_of_its_side() {
    let shop = calm().await;
    let good = Books::of(&shop).await;
    let seeded = seeds::plant(&shop, &good).await;
    seeded.compare(&shop, &WHOLE).await;
    let all = seeded.compare_at(&shop, &WHOLE, "36 minutes").await.open;
    let cut = Books { payments: vec![], refunds: vec![], purchases: vec![] };
    let ended = cut.compare_at(&shop, &[], "37 minutes").await;
    assert_eq!(ended, Ended { gone: 0, open: all, new: 0 });
    let ended = good.compare_at(&shop, &["purchases"], "38 minutes").await;
    assert_eq!(ended.gone, 4, "only those of the provider");
    let kinds: Vec<_> = open(&shop).await.into_iter().map(|one| one.kind).collect();
    assert!(kinds.iter().all(|kind| !kind.starts_with("purchase_")), "{kinds:?}");
}

#[tokio::test]
async fn a_difference_that_a_comparison_does_not_reach_back_to_stays_open() {
    let shop = calm().await;
    let good = Books::of(&shop).await;
    let mut seeded = good.clone();
    seeded.payments.push(seeds::stray("pi_stray", None));
    assert_eq!(seeded.compare(&shop, &WHOLE).await.new, 1);
    let now = shop.text("select clock_now() - interval '10 minutes'").await;
    let ended = good.compare_since(&shop, &WHOLE, &now).await;
    assert_eq!((ended.gone, ended.open), (0, 1), "it is older than that");
    assert_eq!(good.compare(&shop, &WHOLE).await.gone, 1);
}

#[tokio::test]
async fn what_is_younger_than_a_quarter_of_an_hour_is_not_told_and_what_is_told_stays() {
    let shop = calm().await;
    let good = Books::of(&shop).await;
    let mut seeded = good.clone();
    let abandoned = seeds::intent_of(&shop, "abandoned 0").await;
    seeded.succeed(&abandoned);
    let just_now: i64 =
        shop.text("select floor(extract(epoch from clock_now()))").await.parse().unwrap();
    seeded.change(&abandoned, "changed_s", json!(just_now));
    seeded.payments.push({
        let mut stray = seeds::stray("pi_stray", None);
        stray["created_s"] = json!(just_now);
        stray
    });
    assert_eq!(seeded.compare(&shop, &WHOLE).await, Ended::default(), "they may be on their way");
    assert_eq!(seeded.compare_at(&shop, &WHOLE, "36 minutes").await.new, 1, "the stray one");
    // Its capture or its bank may have come a moment ago.
    let ended = seeded.compare_at(&shop, &WHOLE, "50 minutes").await;
    assert_eq!((ended.new, ended.open), (0, 1));
    let ended = seeded.compare_at(&shop, &WHOLE, "52 minutes").await;
    assert_eq!((ended.new, ended.open), (1, 2));
    // Stripe sends word of it: it may be on its way, and it is not gone.
    shop.sql(&format!(
        "update payments set stale_since = clock_now() where payment_intent = '{abandoned}'"
    ))
    .await;
    let ended = seeded.compare_at(&shop, &WHOLE, "53 minutes").await;
    assert_eq!((ended.gone, ended.open, ended.new), (0, 2, 0));
    // Read after the list was: the list is older than what stands here.
    let run_at = reconcile::begin(&shop.app, None).await.unwrap().unwrap();
    let paid = seeds::intent_of(&shop, "paid 0").await;
    shop.sql(&format!("update payments set read_at = clock_now() where payment_intent = '{paid}'"))
        .await;
    let mut older = good.clone();
    older.change(&paid, "status", json!("requires_payment_method"));
    older.change(&paid, "received_minor", json!(0));
    let told = older.payments_as_sql(&run_at.to_string());
    shop.sql(&told).await;
    assert_eq!(
        shop.text("select count(*) from differences where kind = 'paid_not_received'").await,
        "0"
    );
}

#[tokio::test]
async fn money_that_is_being_moved_is_not_told_while_its_answer_may_still_come() {
    let shop = calm().await;
    let mut books = Books::of(&shop).await;
    // Stripe has made a refund whose answer nobody has stored, and the bank has taken another one.
    let under_way = seeds::intent_of(&shop, "refund under way 0").await;
    books.change(&under_way, "refunded_minor", json!(1530));
    let at_the_bank = seeds::refund_of(&shop, "refund at the bank 0").await;
    books.change(&at_the_bank, "status", json!("succeeded"));
    assert_eq!(books.compare(&shop, &WHOLE).await, Ended::default(), "{:?}", open(&shop).await);
    // Nobody has asked about it although it was time.
    let ended = books.compare_at(&shop, &WHOLE, "2 hours").await;
    let kinds: Vec<_> = open(&shop).await.into_iter().map(|one| one.kind).collect();
    assert!(kinds.contains(&"refund_status_differs".into()), "{kinds:?}");
    assert!(kinds.contains(&"move_overdue".into()) && ended.gone == 0, "{kinds:?}");
}

#[tokio::test]
async fn of_many_engines_one_compares_in_an_hour_and_a_person_always_may() {
    let shop = std::sync::Arc::new(Shop::fresh().await);
    shop.own_clock().await;
    let hour = Some(Duration::from_hours(1));
    let race = async || {
        let mut tries = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let shop = std::sync::Arc::clone(&shop);
            tries.spawn(async move { reconcile::begin(&shop.app, hour).await.unwrap() });
        }
        tries.join_all().await.into_iter().flatten().count()
    };
    assert_eq!((race().await, race().await), (1, 0));
    shop.shift("61 minutes").await;
    assert_eq!(race().await, 1);
    assert!(reconcile::begin(&shop.app, None).await.unwrap().is_some());
}

#[tokio::test]
async fn two_comparisons_at_once_find_each_difference_once() {
    let shop = calm().await;
    let good = Books::of(&shop).await;
    let seeded = seeds::plant(&shop, &good).await;
    let (one, other) = tokio::join!(seeded.compare(&shop, &WHOLE), seeded.compare(&shop, &WHOLE));
    let kinds = seeds::KINDS.len() - seeds::UNDATED.len();
    assert_eq!(open(&shop).await.len(), kinds, "{one:?} {other:?}");
    let told = "select count(*) from differences where gone_at is null";
    assert_eq!(shop.text(told).await, kinds.to_string());
    assert_eq!(
        shop.text("select count(*) from alerts where rule = 'difference'").await,
        kinds.to_string()
    );
}
