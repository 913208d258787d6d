//! Which PaymentIntent pays an order, and what Stripe's word does to its hold.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use orders_core::payment::PaymentFacts;
use orders_store::payment::{DuePayment, ReadPayment, due, record};
use serde_json::json;
use shop::{Shop, call};
use uuid::Uuid;

fn facts(order: Uuid, change: impl FnOnce(&mut PaymentFacts)) -> ReadPayment {
    let mut facts = PaymentFacts {
        status: "succeeded".into(),
        received_minor: 1530,
        capturable_minor: 0,
        refunded_minor: 0,
        currency: "GBP".into(),
        livemode: false,
        named_order: Some(order.to_string()),
        capture_before_s: None,
        dispute: None,
        in_review: false,
        warned: false,
    };
    change(&mut facts);
    let asked_us = i64::MAX / 2_000; // later than whatever stands
    let due = DuePayment { order_id: order, payment_intent: intent(order), asked_us };
    ReadPayment { due, facts }
}

fn intent(order: Uuid) -> String {
    format!("pi_{}", order.simple())
}

async fn attach(shop: &Shop, order: Uuid, intent: &str) -> Result<serde_json::Value, String> {
    let args =
        [("order_uuid", &*order.to_string(), "uuid"), ("payment_intent_param", intent, "text")];
    call(&shop.app, "attach_payment", &args)
        .await
        .map_err(|error| format!("{} {error}", error.sqlstate().unwrap_or_default()))
}

async fn hold(shop: &Shop, order: Uuid) -> String {
    shop.text(&format!("select coalesce(hold_reason, 'none') from orders where id = '{order}'"))
        .await
}

#[tokio::test]
async fn a_payment_pays_one_order_and_an_order_has_one_payment() {
    let shop = Shop::fresh().await;
    let (a, b) = (shop.place("a").await, shop.place("b").await);
    assert_eq!(attach(&shop, a, "pi_1").await.unwrap()["duplicate"], json!(false));
    assert_eq!(attach(&shop, a, "pi_1").await.unwrap()["duplicate"], json!(true));
    assert_eq!(attach(&shop, a, "pi_2").await.unwrap()["code"], json!("second_payment"));
    assert_eq!(attach(&shop, b, "pi_1").await.unwrap()["code"], json!("payment_taken"));
    let kept = "select string_agg(kind || ' ' || subject, ', ' order by kind) from findings";
    assert_eq!(shop.text(kept).await, "payment_taken pi_1, second_payment pi_2");
    let shown = "select string_agg(rule, ', ' order by rule) from alerts where closed_at is null";
    assert_eq!(shop.text(shown).await, "payment_taken, second_payment");
    let refused = attach(&shop, b, "ch_1").await.unwrap_err();
    assert!(refused.starts_with("22023") && refused.contains("pi_3Abc"), "{refused}");
    assert_eq!(shop.text("select count(*) from payments").await, "1");
}

#[tokio::test]
async fn a_mismatch_ends_when_stripe_says_otherwise_and_is_told_once() {
    let shop = Shop::fresh().await;
    let id = shop.place("1").await;
    attach(&shop, id, &intent(id)).await.unwrap();
    let wrong = || facts(id, |f| f.named_order = None);
    for _ in 0..3 {
        record(&shop.app, "t", false, &[wrong()]).await.unwrap();
        assert_eq!(hold(&shop, id).await, "wrong_order");
    }
    let told = format!(
        "select count(*) from order_events where order_id = '{id}' and kind = 'payment_mismatched'"
    );
    assert_eq!(shop.text(&told).await, "1");
    assert_eq!(record(&shop.app, "t", false, &[facts(id, |_| ())]).await.unwrap(), (1, 0));
    assert_eq!(hold(&shop, id).await, "none");
    shop.verify().await;
}

#[tokio::test]
async fn a_payment_is_read_again_while_its_order_waits_and_not_once_it_is_paid() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let id = shop.place("1").await;
    attach(&shop, id, &intent(id)).await.unwrap();
    for shift in ["0 s", "1 h", "2 h"] {
        shop.shift(shift).await;
        assert_eq!(due(&shop.app, 10).await.unwrap().len(), 1, "{shift}");
        assert_eq!(due(&shop.app, 10).await.unwrap().len(), 0, "taken at {shift}");
    }
    record(&shop.app, "t", false, &[facts(id, |_| ())]).await.unwrap();
    shop.shift("1 year").await;
    assert_eq!(due(&shop.app, 10).await.unwrap().len(), 0);
    let left = "select count(*) from payments where next_read_at < 'infinity'";
    assert_eq!(shop.text(left).await, "0", "nothing is left for a later look to pass over");
}

/// The findings of an order, and the same alerts.
async fn findings(shop: &Shop, order: Uuid) -> String {
    let list = |of: &str, word: &str, more: &str| {
        format!(
            "select coalesce(string_agg({word} || ' ' || subject, ', ' order by {word}), '') from {of}
              where order_id = '{order}' and closed_at is null{more}"
        )
    };
    let found = shop.text(&list("findings", "kind", "")).await;
    let shown = shop.text(&list("alerts", "rule", " and rule <> 'needs_review'")).await;
    assert_eq!(found, shown);
    found
}

#[tokio::test]
async fn window_b10_money_that_comes_after_the_end_of_its_order_goes_back_once() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let id = shop.place("1").await;
    attach(&shop, id, &intent(id)).await.unwrap();
    shop.sql(&format!("select cancel_order('{id}')")).await;
    assert_eq!(shop.moves(id).await, "cancel 0 order_ended open", "it cannot be paid any more");
    for said in ["processing", "requires_payment_method"] {
        record(&shop.app, "t", false, &[facts(id, |f| f.status = said.into())]).await.unwrap();
    }
    shop.shift("40 days").await;
    let read: Vec<_> = due(&shop.app, 10).await.unwrap();
    assert!(read.iter().any(|one| one.order_id == id), "weeks later it is still read");
    for _ in 0..3 {
        record(&shop.app, "t", false, &[facts(id, |_| ())]).await.unwrap();
        let both = "cancel 0 order_ended open, refund 1530 paid_after_end open";
        assert_eq!(shop.moves(id).await, both);
    }
    assert_eq!(shop.status(id).await, "cancelled", "and nothing is bought for it");
    assert_eq!(shop.text("select payment_status from orders").await, "refund_pending");
    shop.verify().await;
}

#[tokio::test]
async fn window_b10_an_order_expires_only_when_stripe_says_that_it_cannot_be_paid() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.sql("update settings set value = '3600' where name = 'expire_unpaid_after_s'").await;
    let (slow, dead, bare) = (shop.place("1").await, shop.place("2").await, shop.place("3").await);
    for id in [slow, dead] {
        attach(&shop, id, &intent(id)).await.unwrap();
    }
    let sweep = "select expire_unpaid('t', 10)";
    assert_eq!(shop.text(sweep).await, "0", "it is not late yet");
    shop.shift("2 hours").await;
    assert_eq!(shop.text(sweep).await, "3");
    assert_eq!(shop.text(sweep).await, "0", "each is asked to be cancelled once");
    assert_eq!(shop.status(bare).await, "cancelled", "nobody can pay it");
    for id in [slow, dead] {
        assert_eq!(shop.status(id).await, "pending");
        assert_eq!(shop.moves(id).await, "cancel 0 unpaid_too_long open");
    }
    record(&shop.app, "t", false, &[facts(slow, |_| ())]).await.unwrap();
    record(&shop.app, "t", false, &[facts(dead, |f| f.status = "canceled".into())]).await.unwrap();
    shop.sql(sweep).await;
    assert_eq!(
        (hold(&shop, slow).await.as_str(), shop.status(slow).await.as_str()),
        ("none", "pending")
    );
    assert_eq!(shop.status(dead).await, "cancelled");
    assert_eq!(findings(&shop, dead).await, "", "what was wrong about it is over");
    shop.verify().await;
}

#[tokio::test]
async fn window_b10_an_order_whose_payment_stripe_does_not_know_or_gives_to_another_does_not_expire()
 {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.sql("update settings set value = '3600' where name = 'expire_unpaid_after_s'").await;
    let (unknown, named, late) =
        (shop.place("1").await, shop.place("2").await, shop.place("3").await);
    for id in [unknown, named] {
        attach(&shop, id, &intent(id)).await.unwrap();
    }
    shop.shift("2 hours").await;
    // Our key may be another account's: a 404 proves nothing.
    record(&shop.app, "t", false, &[facts(unknown, |f| f.status = "not_found".into())])
        .await
        .unwrap();
    let other = facts(named, |f| {
        f.status = "requires_payment_method".into();
        f.named_order = None;
    });
    record(&shop.app, "t", false, &[other]).await.unwrap();
    let sweep = "select expire_unpaid('t', 1)";
    assert_eq!(shop.text(sweep).await, "1", "they keep nobody waiting");
    assert_eq!(shop.status(late).await, "cancelled");
    assert_eq!(shop.text(sweep).await, "0");
    for id in [unknown, named] {
        assert_eq!(
            (shop.status(id).await.as_str(), shop.moves(id).await.as_str()),
            ("pending", "")
        );
    }
    shop.verify().await;
}

#[tokio::test]
async fn a_payment_of_an_ended_order_is_read_more_and_more_seldom_until_stripe_ends_it() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let id = shop.place("1").await;
    attach(&shop, id, &intent(id)).await.unwrap();
    shop.sql(&format!("select cancel_order('{id}')")).await;
    let mut reads = 0;
    for half in 0..2 * 60 {
        shop.shift(&format!("{} hours", half * 12)).await;
        reads += due(&shop.app, 10).await.unwrap().len();
    }
    assert!((10..40).contains(&reads), "{reads} reads in sixty days");
    shop.shift("100 days").await;
    assert_eq!(due(&shop.app, 10).await.unwrap().len(), 1);
    let days = "select round(extract(epoch from next_read_at - clock_now()) / 86400) from payments";
    assert_eq!(shop.text(days).await, "7", "never more seldom than that");
    record(&shop.app, "t", false, &[facts(id, |f| f.status = "canceled".into())]).await.unwrap();
    shop.shift("1 year").await;
    assert_eq!(due(&shop.app, 10).await.unwrap().len(), 0);
    assert_eq!(shop.text("select next_read_at from payments").await, "infinity");
    assert_eq!(findings(&shop, id).await, "");
}

#[tokio::test]
async fn a_payment_that_was_being_read_while_its_order_was_cancelled_goes_back() {
    let shop = Shop::fresh().await;
    let id = shop.place("1").await;
    attach(&shop, id, &intent(id)).await.unwrap();
    assert_eq!(due(&shop.app, 10).await.unwrap().len(), 1);
    shop.sql(&format!("select cancel_order('{id}')")).await;
    record(&shop.app, "t", false, &[facts(id, |_| ())]).await.unwrap();
    assert!(shop.moves(id).await.ends_with("refund 1530 paid_after_end open"));
}

#[tokio::test]
async fn a_cancelled_order_sends_back_whatever_was_received_and_cancels_what_was_not() {
    let shop = Shop::fresh().await;
    let paid = shop.paid("1").await;
    let mismatched = shop.place("2").await;
    attach(&shop, mismatched, &intent(mismatched)).await.unwrap();
    record(&shop.app, "t", false, &[facts(mismatched, |f| f.received_minor = 5)]).await.unwrap();
    let unpaid = shop.place("3").await;
    attach(&shop, unpaid, &intent(unpaid)).await.unwrap();
    let bare = shop.place("4").await;
    for id in [paid, mismatched, unpaid, bare] {
        for _ in 0..2 {
            shop.sql(&format!("select cancel_order('{id}', 'the customer asked for it')")).await;
        }
    }
    assert_eq!(shop.moves(paid).await, "refund 1530 order_ended open");
    assert_eq!(shop.moves(mismatched).await, "refund 5 order_ended open", "if not the right sum");
    assert_eq!(shop.moves(unpaid).await, "cancel 0 order_ended open");
    assert_eq!(shop.moves(bare).await, "");
    shop.verify().await;
}

#[tokio::test]
async fn the_alert_for_want_of_funds_ends_with_its_hold_and_with_its_order() {
    let shop = Shop::fresh().await;
    let open = "select count(*) from alerts where rule = 'awaiting_funds' and closed_at is null";
    for (number, ending) in [
        ("1", "cancel_order('ID')"),
        ("2", "release_hold('ID')"),
        ("3", "manually_complete_order('ID', 'by-hand', 'bought by hand')"),
    ] {
        let (id, token) = shop.submitting(number, 60_000).await;
        let words = shop::Setback { hold: Some("awaiting_funds"), ..shop::Setback::REFUSED };
        assert_eq!(shop.setback(id, token, &words).await.unwrap(), "recorded");
        assert_eq!(shop.text(open).await, "1", "{ending}");
        shop.sql(&format!("select {}", ending.replace("ID", &id.to_string()))).await;
        assert_eq!(shop.text(open).await, "0", "{ending}");
    }
}

#[tokio::test]
async fn a_refusal_for_want_of_funds_does_not_replace_a_persons_hold() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.sql(&format!("select hold_order('{id}', 'disputed')")).await;
    shop.sql(&format!(
        "select * from record_setbacks('t', array['{id}'::uuid], array['{token}'::uuid], array['purchase_refused'],
           array['insufficient_zma_balance'], array['refused'], array['key_used_up'], array['pending'],
           array[null::text], array['awaiting_funds'], array[0::bigint])"
    ))
    .await;
    assert_eq!(
        (shop.status(id).await.as_str(), hold(&shop, id).await.as_str()),
        ("pending", "disputed")
    );
    shop.verify().await;
}
