//! Orders in every state that a healthy shop may have them in, each with the money that belongs to it.

use super::shop::{self, Setback, Shop, facts, order};
use serde_json::{Value, json};
use uuid::Uuid;

/// Fills a shop with so many orders of each state, numbered by its name.
pub async fn fill(shop: &Shop, count: usize) {
    for n in 0..count {
        before_the_purchase(shop, n).await;
        under_way(shop, n).await;
        bought(shop, n).await;
        ended(shop, n).await;
    }
}

/// Records what Stripe says of an order's payment, with some facts changed.
async fn told(shop: &Shop, id: Uuid, changes: Value) {
    let mut told = facts(id);
    told.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    shop.told(&[told]).await;
}

async fn before_the_purchase(shop: &Shop, n: usize) {
    shop.place(&format!("placed {n}")).await;
    let id = shop.place(&format!("abandoned {n}")).await;
    shop.sql(&format!("select attach_payment('{id}', 'pi_{}')", id.simple())).await;
    told(shop, id, json!({"status": "requires_payment_method", "received_minor": 0})).await;
    shop.paid(&format!("paid {n}")).await;
    shop.paid(&format!("paid too {n}")).await;
    reserved(shop, &format!("authorized {n}")).await;
    let id = shop.paid(&format!("held {n}")).await;
    shop.sql(&format!("select hold_order('{id}', 'operator')")).await;
    let id = shop.place(&format!("dead payment {n}")).await;
    shop.sql(&format!("select attach_payment('{id}', 'pi_{}')", id.simple())).await;
    told(shop, id, json!({"status": "canceled", "received_minor": 0})).await;
}

/// An order whose money is reserved until after the purchase.
async fn reserved(shop: &Shop, number: &str) -> Uuid {
    let mut content = order(number);
    content["capture_when"] = json!("after_purchase");
    let content = content.to_string();
    let args = [("order_param", content.as_str(), "jsonb")];
    let answer = shop::call(&shop.app, "place_order", &args).await.unwrap();
    let id: Uuid = answer["order_id"].as_str().unwrap().parse().unwrap();
    shop.sql(&format!("select attach_payment('{id}', 'pi_{}')", id.simple())).await;
    told(
        shop,
        id,
        json!({"status": "requires_capture", "received_minor": 0, "capturable_minor": 1530, "capture_before": 9_000_000_000_i64}),
    )
    .await;
    id
}

async fn under_way(shop: &Shop, n: usize) {
    shop.submitting(&format!("submitting {n}"), 60_000).await;
    let (id, token) = shop.submitting(&format!("unknown {n}"), 60_000).await;
    shop.setback(id, token, &Setback::UNKNOWN).await.unwrap();
    let (id, token) = shop.submitting(&format!("needs review {n}"), 60_000).await;
    shop.setback(id, token, &Setback::REVIEW).await.unwrap();
    accepted(shop, &format!("accepted {n}")).await;
    let id = accepted(shop, &format!("processing {n}")).await;
    shop.complete(id, &format!("req-{}", id.simple()), "placed", "processing").await;
    let id = accepted(shop, &format!("back to pending {n}")).await;
    ends_unbought(shop, id, "pending").await;
}

/// An order that the provider has accepted.
async fn accepted(shop: &Shop, number: &str) -> Uuid {
    let (id, token) = shop.submitting(number, 60_000).await;
    assert_eq!(shop.accept(id, token, &format!("req-{}", id.simple())).await, "recorded");
    id
}

/// The provider has used the key up without buying.
async fn ends_unbought(shop: &Shop, id: Uuid, after: &str) {
    let reading = format!(
        "select result from record_readings('t', array['{id}'::uuid], array[(select version from orders where id = '{id}')::bigint],
           array['purchase_failed'], array['{after}'], array['failed'], array[null::bigint], array['provider_final'],
           array[null::text], array[null::text], array[0::bigint], array['{{}}'::jsonb])"
    );
    assert_eq!(shop.text(&reading).await, "recorded");
}

async fn bought(shop: &Shop, n: usize) {
    completed(shop, &format!("completed {n}")).await;
    let id = accepted(shop, &format!("by word {n}")).await;
    shop.by_word(id, None).await;
    let id = completed(shop, &format!("refunded in part {n}")).await;
    shop.sql(&format!("select refund_order('{id}', 500, 'one was broken')")).await;
    send(shop, id, "done").await;
    told(shop, id, json!({"refunded_minor": 500})).await;
    let id = completed(shop, &format!("refunded {n}")).await;
    shop.sql(&format!("select refund_order('{id}', null, 'all came back')")).await;
    send(shop, id, "done").await;
    told(shop, id, json!({"refunded_minor": 1530})).await;
    let id = completed(shop, &format!("refund at the bank {n}")).await;
    shop.sql(&format!("select refund_order('{id}', 700, 'some came back')")).await;
    send(shop, id, "accepted").await;
    told(shop, id, json!({"refunded_minor": 700})).await;
    let id = reserved(shop, &format!("captured {n}")).await;
    let token = shop.claim(id, 60_000).await;
    shop.accept(id, token, &format!("req-{}", id.simple())).await;
    shop.sql("select plan_captures('t', 10)").await;
    send(shop, id, "done").await;
    told(shop, id, json!({})).await;
    let id = completed(shop, &format!("disputed {n}")).await;
    told(shop, id, json!({"dispute": "open"})).await;
}

async fn completed(shop: &Shop, number: &str) -> Uuid {
    let id = accepted(shop, number).await;
    shop.complete(id, &format!("req-{}", id.simple()), "delivered", "completed").await;
    assert_eq!(shop.status(id).await, "completed");
    id
}

async fn ended(shop: &Shop, n: usize) {
    let id = shop.place(&format!("cancelled unpaid {n}")).await;
    shop.sql(&format!("select cancel_order('{id}', 'never mind')")).await;
    let id = shop.paid(&format!("refund under way {n}")).await;
    shop.sql(&format!("select cancel_order('{id}', 'never mind')")).await;
    let id = reserved(shop, &format!("cancellation under way {n}")).await;
    shop.sql(&format!("select cancel_order('{id}', 'never mind')")).await;
    let id = reserved(shop, &format!("cancelled authorized {n}")).await;
    shop.sql(&format!("select cancel_order('{id}', 'never mind')")).await;
    send(shop, id, "done").await;
    told(shop, id, json!({"status": "canceled", "received_minor": 0})).await;
    let id = accepted(shop, &format!("failed {n}")).await;
    ends_unbought(shop, id, "failed").await;
    send(shop, id, "done").await;
    told(shop, id, json!({"refunded_minor": 1530})).await;
}

/// Sends the movement of money of an order and records its end.
async fn send(shop: &Shop, id: Uuid, end: &str) {
    let token = id;
    let moved = shop
        .text(&format!("select id from money_moves where order_id = '{id}' and state = 'open'"))
        .await;
    // Others are due too; this one is leased by itself.
    shop.by_force(&format!(
        "update money_moves set lease_token = '{token}', lease_expires_at = clock_now() + interval '1 minute' where id = '{moved}'"
    ))
    .await;
    let sent = format!(
        "select count(*) from commit_move('{token}', '{moved}', '/x', 'x', false, 1000, 82800000)"
    );
    assert_eq!(shop.text(&sent).await, "1", "{id}");
    let stripe_id = format!("re_{}", id.simple());
    let recorded = format!(
        "select record_move('t', '{token}', '{moved}', '{end}', null, '{stripe_id}', 'x', 3600000)"
    );
    assert_eq!(shop.text(&recorded).await, "recorded", "{id}");
}
