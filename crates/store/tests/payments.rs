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
        currency: "GBP".into(),
        livemode: false,
        order_id: Some(order),
        spoiled: false,
    };
    change(&mut facts);
    ReadPayment { due: DuePayment { order_id: order, payment_intent: intent(order) }, facts }
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
    assert_eq!(attach(&shop, a, "pi_2").await.unwrap()["code"], json!("payment_taken"));
    assert_eq!(attach(&shop, b, "pi_1").await.unwrap()["code"], json!("payment_taken"));
    let refused = attach(&shop, b, "ch_1").await.unwrap_err();
    assert!(refused.starts_with("22023") && refused.contains("pi_3Abc"), "{refused}");
    assert_eq!(shop.text("select count(*) from payments").await, "1");
}

#[tokio::test]
async fn a_mismatch_ends_when_stripe_says_otherwise_and_is_told_once() {
    let shop = Shop::fresh().await;
    let id = shop.place("1").await;
    attach(&shop, id, &intent(id)).await.unwrap();
    let wrong = || facts(id, |f| f.order_id = None);
    for _ in 0..3 {
        record(&shop.app, "t", false, &[wrong()]).await.unwrap();
        assert_eq!(hold(&shop, id).await, "payment_mismatch");
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
async fn a_payment_is_read_again_while_its_order_waits_and_never_after() {
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
    let cancelled = shop.place("2").await;
    attach(&shop, cancelled, &intent(cancelled)).await.unwrap();
    shop.sql(&format!("select cancel_order('{cancelled}')")).await;
    shop.shift("1 year").await;
    assert_eq!(due(&shop.app, 10).await.unwrap().len(), 0);
    let left = "select count(*) from payments where next_read_at < 'infinity'";
    assert_eq!(shop.text(left).await, "0", "nothing is left for a later look to pass over");
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
