//! What only seems to differ because it is under way, and what seems settled and is not.

use super::books::{Books, WHOLE, open};
use super::shop::{Shop, facts};
use super::{calm, seeds};
use orders_store::reconcile::{self, ListedIds, Unlisted};
use serde_json::{Value, json};

/// Now, in microseconds since 1970.
async fn now_us(shop: &Shop) -> i64 {
    let now = "select (extract(epoch from clock_now()) * 1000000)::bigint";
    shop.text(now).await.parse().unwrap()
}

#[tokio::test]
async fn window_c11_what_a_list_shows_is_not_overruled_by_a_reading_that_was_asked_for_before() {
    let shop = calm().await;
    let good = Books::of(&shop).await;
    let paid = shop.text("select id from orders where order_number = 'paid 0'").await;
    let run_at = reconcile::begin(&shop.app, None).await.unwrap().unwrap();
    let mut slow = facts(paid.parse().unwrap());
    slow["asked_us"] = json!(now_us(&shop).await);
    // Returned at Stripe now; then its list is read.
    let mut listed = good.clone();
    listed.change(&seeds::intent_of(&shop, "paid 0").await, "refunded_minor", json!(1530));
    shop.app.query("test", &listed.payments_as_sql(&run_at.to_string()), &[]).await.unwrap();
    shop.told(&[slow]).await;
    let claimable = format!("select count(*) from lock_due_orders('zinc_v1', 1, '{paid}')");
    assert_eq!(shop.text(&claimable).await, "0", "what was seen refunded is not bought");
    let due = format!(
        "select next_read_at <= clock_now() and stale_since is not null from payments where order_id = '{paid}'"
    );
    assert_eq!(shop.text(&due).await, "true");
    // One that is asked for afterwards does.
    let mut fresh = facts(paid.parse().unwrap());
    fresh["asked_us"] = json!(now_us(&shop).await);
    shop.told(&[fresh]).await;
    assert_eq!(shop.text(&claimable).await, "1");
}

#[tokio::test]
async fn window_c11_a_payment_that_was_read_between_the_start_and_the_list_is_read_anew() {
    let shop = calm().await;
    let good = Books::of(&shop).await;
    let paid = shop.text("select id from orders where order_number = 'paid 0'").await;
    let run_at = reconcile::begin(&shop.app, None).await.unwrap().unwrap();
    let mut read = facts(paid.parse().unwrap());
    read["asked_us"] = json!(now_us(&shop).await);
    shop.told(&[read]).await;
    let mut listed = good.clone();
    listed.change(&seeds::intent_of(&shop, "paid 0").await, "refunded_minor", json!(1530));
    shop.app.query("test", &listed.payments_as_sql(&run_at.to_string()), &[]).await.unwrap();
    let stale = format!("select stale_since is not null from payments where order_id = '{paid}'");
    assert_eq!(shop.text(&stale).await, "true");
}

#[tokio::test]
async fn g27_a_refund_and_a_dispute_of_a_minute_ago_are_told_only_when_nobody_reads_them() {
    let shop = calm().await;
    let mut listed = Books::of(&shop).await;
    let bought = seeds::intent_of(&shop, "completed 0").await;
    listed.change(&bought, "refunded_minor", json!(100));
    listed.change(&bought, "disputed", json!(true));
    let refund = seeds::refund_of(&shop, "refunded 0").await;
    listed.change(&refund, "status", json!("failed"));
    let passing = async || {
        let mut kinds: Vec<_> = open(&shop).await.into_iter().map(|one| one.kind).collect();
        kinds.retain(|kind| kind != "move_overdue");
        kinds
    };
    listed.compare_at(&shop, &WHOLE, "3 hours").await;
    assert_eq!(passing().await, [""; 0], "their messages may be on their way");
    let alerts = "select count(*) from alerts where rule = 'difference' and subject not like 'move%' and closed_at is null";
    assert_eq!(shop.text(alerts).await, "0");
    // However often somebody looks.
    for minute in [185, 190] {
        listed.compare_at(&shop, &WHOLE, &format!("{minute} minutes")).await;
        assert_eq!(passing().await, [""; 0]);
    }
    listed.compare_at(&shop, &WHOLE, "195 minutes").await;
    let told = ["dispute_unknown", "refund_status_differs", "refunded_sum_differs"];
    assert_eq!(passing().await, told);
    assert_eq!(shop.text(alerts).await, "3");
    // Another refund a minute ago is something else; the dispute is read by now.
    let order = shop.text("select id from orders where order_number = 'completed 0'").await;
    let mut read = facts(order.parse().unwrap());
    (read["refunded_minor"], read["dispute"]) = (json!(100), json!("open"));
    shop.told(&[read]).await;
    shop.shift("200 minutes").await;
    listed.change(&bought, "refunded_minor", json!(150));
    listed.compare(&shop, &WHOLE).await;
    assert_eq!(passing().await, ["refund_status_differs", "refunded_sum_differs"]);
}

#[tokio::test]
async fn g27_an_ended_order_with_money_stays_told_until_the_money_is_really_gone() {
    let shop = calm().await;
    let good = Books::of(&shop).await;
    let order = shop.text("select id from orders where order_number = 'refund under way 0'").await;
    let force = async |state: &str, due: &str, settled: &str, refunds: i64| {
        shop.by_force(&format!(
            "update money_moves set state = '{state}', due_at = {due}, settled_at = {settled} where order_id = '{order}';
             update payments set refunds_minor = {refunds} where order_id = '{order}'"
        ))
        .await;
        good.compare(&shop, &WHOLE).await;
        let told = open(&shop).await;
        told.iter().filter(|one| one.kind == "ended_with_money").count()
    };
    assert_eq!(force("open", "created_at", "null", 1530).await, 0, "it is on its way");
    assert_eq!(force("withdrawn", "null", "created_at", 0).await, 1);
    assert_eq!(force("open", "created_at", "null", 1530).await, 1, "planned is not returned");
    assert_eq!(force("accepted", "created_at", "null", 1530).await, 1, "the bank has it");
    assert_eq!(force("done", "null", "created_at", 1530).await, 0);
}

#[tokio::test]
async fn a_cancellation_waits_for_a_bank_that_takes_days_without_being_overdue() {
    let shop = calm().await;
    let order =
        shop.text("select id from orders where order_number = 'cancellation under way 0'").await;
    let status = async |status: &str| {
        shop.by_force(&format!(
            "update payments set stripe_status = '{status}' where order_id = '{order}'"
        ))
        .await;
        Books::of(&shop).await.compare_at(&shop, &WHOLE, "3 hours").await;
        shop.text(&format!(
            "select count(*) from differences where kind = 'move_overdue' and order_id = '{order}' and gone_at is null"
        ))
        .await
    };
    assert_eq!(status("processing").await, "0");
    assert_eq!(status("requires_capture").await, "1");
}

#[tokio::test]
async fn window_c11_what_a_later_comparison_saw_go_is_not_opened_again_by_an_earlier_one() {
    let shop = calm().await;
    let good = Books::of(&shop).await;
    let mut seeded = good.clone();
    seeded.payments.push(seeds::stray("pi_stray", None));
    assert_eq!(seeded.compare(&shop, &WHOLE).await.new, 1);
    let slow = reconcile::begin(&shop.app, None).await.unwrap().unwrap();
    assert_eq!(good.compare_at(&shop, &WHOLE, "21 minutes").await.gone, 1);
    shop.app.query("test", &seeded.payments_as_sql(&slow.to_string()), &[]).await.unwrap();
    assert_eq!(
        open(&shop).await.iter().filter(|one| one.kind == "payment_without_order").count(),
        0
    );
    assert_eq!(seeded.compare(&shop, &WHOLE).await.new, 1, "one that begins now sees it come back");
}

#[tokio::test]
async fn what_has_no_time_of_its_own_goes_with_its_side() {
    let shop = calm().await;
    let good = Books::of(&shop).await;
    let mut seeded = good.clone();
    let stray = json!({"request_id": "req-stray", "order_id": null, "attempt_id": null, "outcome": "bought", "placed_s": null});
    seeded.purchases.push(stray);
    let ago = async |reach: &str| {
        let sql = format!("select to_json(clock_now() - interval '{reach}') #>> '{{}}'");
        shop.text(&sql).await
    };
    assert_eq!(seeded.compare_since(&shop, &WHOLE, &ago("30 days").await).await.new, 1);
    let run_at = reconcile::begin(&shop.app, None).await.unwrap().unwrap();
    let other = Unlisted {
        kind: "account_differs".into(),
        subject: "stripe".into(),
        order_id: None,
        attempt_id: None,
        about_at: run_at,
        ripe: true,
        data: json!({}),
    };
    let since = run_at - jiff::SignedDuration::from_hours(720);
    reconcile::finish(&shop.app, run_at, since, &[], &[other]).await.unwrap();
    shop.shift("31 days").await;
    let ended = good.compare_since(&shop, &["payments"], &ago("30 days").await).await;
    let kinds = async || open(&shop).await.into_iter().map(|one| one.kind).collect::<Vec<_>>();
    assert!(ended.gone == 1 && !kinds().await.contains(&"account_differs".into()), "{ended:?}");
    good.compare_since(&shop, &WHOLE, &ago("12 hours").await).await;
    assert!(kinds().await.contains(&"purchase_without_order".into()), "it did not reach as far");
    good.compare_since(&shop, &WHOLE, &ago("30 days").await).await;
    assert!(!kinds().await.contains(&"purchase_without_order".into()));
}

#[tokio::test]
async fn a_failed_purchase_whose_notes_are_lost_is_told_of_the_order_that_holds_it() {
    let shop = calm().await;
    let mut listed = Books::of(&shop).await;
    let order = shop.text("select id from orders where order_number = 'completed 0'").await;
    let request = format!("req-{}", order.replace('-', ""));
    for (field, value) in
        [("order_id", json!(null)), ("attempt_id", json!(null)), ("outcome", json!("failed"))]
    {
        listed.change(&request, field, value);
    }
    assert_eq!(listed.compare(&shop, &WHOLE).await.new, 1);
    let told = "select kind || ' ' || order_id from differences";
    assert_eq!(shop.text(told).await, format!("purchase_failed {order}"));
}

#[tokio::test]
async fn g27_what_is_younger_than_the_lists_is_not_asked_for_however_old_its_order_is() {
    let shop = calm().await;
    let old = shop.place("old").await;
    shop.shift("2 hours").await;
    let run_at = reconcile::begin(&shop.app, None).await.unwrap().unwrap();
    let good = Books::of(&shop).await;
    // Now the customer pays, and its goods are bought and delivered at once.
    shop.sql(&format!("select attach_payment('{old}', 'pi_{}')", old.simple())).await;
    shop.told(&[facts(old)]).await;
    let token = shop.claim(old, 60_000).await;
    shop.accept(old, token, "req-old").await;
    shop.complete(old, "req-old", "delivered", "completed").await;
    let ids = |listed: &[Value], name: &str| {
        Some(listed.iter().map(|one| one[name].as_str().unwrap().to_owned()).collect())
    };
    let listed = ListedIds {
        payments: ids(&good.payments, "payment_intent"),
        refunds: ids(&good.refunds, "refund_id"),
        purchases: ids(&good.purchases, "request_id"),
    };
    let since = run_at - jiff::SignedDuration::from_hours(24);
    let missing = reconcile::unlisted(&shop.app, run_at, since, &listed, 100).await.unwrap();
    assert!(missing.is_empty(), "{missing:?}");
    let later = run_at + jiff::SignedDuration::from_hours(1);
    let missing = reconcile::unlisted(&shop.app, later, since, &listed, 100).await.unwrap();
    let kinds: Vec<_> = missing.iter().map(|one| &*one.kind).collect();
    assert_eq!(kinds, ["payment_missing", "purchase_missing"], "an hour later they are");
}

#[tokio::test]
async fn how_a_refund_stands_is_not_judged_while_stripe_leaves_it_open() {
    let shop = calm().await;
    let mut listed = Books::of(&shop).await;
    for number in ["refunded 0", "refund at the bank 0"] {
        listed.change(&seeds::refund_of(&shop, number).await, "status", Value::Null);
    }
    let mut stray = listed.refunds[0].clone();
    (stray["refund_id"], stray["named_move"]) = (json!("re_stray"), Value::Null);
    listed.refunds.push(stray);
    for shift in ["20 minutes", "40 minutes"] {
        listed.compare_at(&shop, &WHOLE, shift).await;
        let kinds: Vec<_> = open(&shop).await.into_iter().map(|one| one.kind).collect();
        assert_eq!(kinds, ["refund_without_move"]);
    }
}

#[tokio::test]
async fn what_no_engine_reads_any_more_is_told_when_it_was_seen_twice() {
    let shop = calm().await;
    let mut listed = Books::of(&shop).await;
    let dead = seeds::intent_of(&shop, "dead payment 0").await;
    shop.by_force(&format!("update payments set live = false where payment_intent = '{dead}'"))
        .await;
    listed.succeed(&dead);
    listed.change(&dead, "refunded_minor", json!(1530));
    listed.change(&dead, "disputed", json!(true));
    assert_eq!(listed.compare(&shop, &WHOLE).await.open, 0);
    listed.compare_at(&shop, &WHOLE, "36 minutes").await;
    let kinds: Vec<_> = open(&shop).await.into_iter().map(|one| one.kind).collect();
    assert_eq!(kinds, ["dispute_unknown", "refunded_sum_differs"]);
}

#[tokio::test]
async fn window_c11_an_older_comparison_overwrites_nothing_that_a_newer_one_learnt() {
    let shop = calm().await;
    let mut listed = Books::of(&shop).await;
    let stray = |amount: i64| {
        let mut stray = seeds::stray("pi_stray", None);
        stray["received_minor"] = json!(amount);
        stray
    };
    listed.payments.push(stray(100));
    let slow = reconcile::begin(&shop.app, None).await.unwrap().unwrap();
    let older = listed.payments_as_sql(&slow.to_string());
    *listed.payments.last_mut().unwrap() = stray(200);
    listed.compare_at(&shop, &WHOLE, "21 minutes").await;
    shop.app.query("test", &older, &[]).await.unwrap();
    let told = "select data ->> 'received_minor' from differences where subject = 'pi_stray' and gone_at is null";
    assert_eq!(shop.text(told).await, "200");

    let newer = reconcile::begin(&shop.app, None).await.unwrap().unwrap();
    let alerts =
        "select count(*) from alerts where rule = 'books_not_compared' and closed_at is null";
    reconcile::note(&shop.app, newer, &[], &["refunds"]).await.unwrap();
    reconcile::note(&shop.app, slow, &["refunds"], &[]).await.unwrap();
    assert_eq!(shop.text(alerts).await, "1", "what was whole before is not whole now");
}

#[tokio::test]
async fn a_refund_is_overdue_an_hour_after_its_approval_and_not_after_its_request() {
    let shop = calm().await;
    shop.sql("update settings set value = '1000' where name = 'two_persons_above_minor'").await;
    let order = shop.text("select id from orders where order_number = 'completed 0'").await;
    let person = |name: &str| format!("{{\"actor\": \"{name}\"}}");
    let ask = format!("select refund_order('{order}', null, 'came back', '{}')", person("ada"));
    shop.sql(&ask).await;
    let overdue = format!(
        "select count(*) from differences where kind = 'move_overdue' and order_id = '{order}' and gone_at is null"
    );
    let good = Books::of(&shop).await;
    good.compare_at(&shop, &WHOLE, "5 hours").await;
    let approve = format!(
        "select decide_move(id, 'approve', 1530, 'seen', '{}') ->> 'state' from money_moves where order_id = '{order}'",
        person("bob")
    );
    assert_eq!(shop.text(&approve).await, "open");
    for (shift, count) in [("5 hours 30 minutes", "0"), ("6 hours 10 minutes", "1")] {
        good.compare_at(&shop, &WHOLE, shift).await;
        assert_eq!(shop.text(&overdue).await, count, "{shift}");
    }
}
