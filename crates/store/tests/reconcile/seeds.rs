//! One difference of each kind, planted in a healthy shop and pulled out again.

use super::books::Books;
use super::shop::Shop;
use serde_json::{Value, json};

/// Every kind that the database finds, in alphabetical order.
pub const KINDS: [&str; 25] = [
    "amount_differs",
    "bought_unpaid",
    "currency_differs",
    "dispute_unknown",
    "ended_with_money",
    "mode_differs",
    "move_overdue",
    "order_differs",
    "order_not_paid",
    "paid_after_end",
    "paid_not_received",
    "payment_missing",
    "payment_not_tied",
    "payment_without_order",
    "purchase_failed",
    "purchase_missing",
    "purchase_not_recorded",
    "purchase_without_order",
    "refund_amount_differs",
    "refund_missing",
    "refund_status_differs",
    "refund_without_move",
    "refunded_and_bought",
    "refunded_sum_differs",
    "second_payment",
];

/// Those of them that no list dates, so that they are told when they were seen twice.
pub const UNDATED: [&str; 6] = [
    "dispute_unknown",
    "order_not_paid",
    "paid_after_end",
    "paid_not_received",
    "refund_status_differs",
    "refunded_sum_differs",
];

/// The order of a number.
async fn id_of(shop: &Shop, number: &str) -> String {
    shop.text(&format!("select id from orders where order_number = '{number}'")).await
}

/// The PaymentIntent of the order of a number.
pub async fn intent_of(shop: &Shop, number: &str) -> String {
    format!("pi_{}", id_of(shop, number).await.replace('-', ""))
}

async fn request_of(shop: &Shop, number: &str) -> String {
    format!("req-{}", id_of(shop, number).await.replace('-', ""))
}

/// Stripe's id of the refund of the order of a number.
pub async fn refund_of(shop: &Shop, number: &str) -> String {
    let sql = format!(
        "select m.stripe_id from money_moves as m join orders as o on o.id = m.order_id where o.order_number = '{number}'"
    );
    shop.text(&sql).await
}

/// A payment of some years ago that nobody expects.
pub fn stray(intent: &str, named_order: Option<&str>) -> Value {
    json!({
        "payment_intent": intent, "status": "succeeded", "received_minor": 1530, "capturable_minor": 0,
        "refunded_minor": 0, "currency": "GBP", "livemode": false, "named_order": named_order,
        "disputed": false, "in_review": false, "created_s": 1_600_000_000, "changed_s": 1_600_000_000,
    })
}

/// Plants one of each.
pub async fn plant(shop: &Shop, good: &Books) -> Books {
    let mut books = good.clone();
    in_payments(shop, &mut books).await;
    in_refunds(shop, &mut books).await;
    in_purchases(shop, &mut books).await;
    in_the_shop(shop, &mut books).await;
    books
}

async fn in_payments(shop: &Shop, books: &mut Books) {
    books.payments.push(stray("pi_stray", None));
    books.payments.push(stray("pi_second", Some(&id_of(shop, "completed 0").await)));
    books.payments.push(stray("pi_late", Some(&id_of(shop, "cancelled unpaid 0").await)));
    books.succeed(&intent_of(shop, "abandoned 0").await);
    books.succeed(&intent_of(shop, "cancelled authorized 0").await);
    let unpaid = intent_of(shop, "paid 0").await;
    books.change(&unpaid, "status", json!("requires_payment_method"));
    books.change(&unpaid, "received_minor", json!(0));
    books.change(&intent_of(shop, "paid too 0").await, "received_minor", json!(1529));
    books.change(&intent_of(shop, "held 0").await, "currency", json!("USD"));
    books.change(&intent_of(shop, "submitting 0").await, "livemode", json!(true));
    let other = json!(id_of(shop, "placed 0").await);
    books.change(&intent_of(shop, "unknown 0").await, "named_order", other);
    books.change(&intent_of(shop, "accepted 0").await, "disputed", json!(true));
    books.change(&intent_of(shop, "processing 0").await, "refunded_minor", json!(100));
    books.remove(&intent_of(shop, "needs review 0").await);
}

async fn in_refunds(shop: &Shop, books: &mut Books) {
    books.refunds.push(json!({
        "refund_id": "re_stray", "payment_intent": intent_of(shop, "completed 1").await, "amount_minor": 100,
        "currency": "GBP", "status": "succeeded", "named_move": null, "created_s": 1_600_000_000,
    }));
    books.change(&intent_of(shop, "completed 1").await, "refunded_minor", json!(100));
    books.change(&refund_of(shop, "refunded in part 0").await, "amount_minor", json!(501));
    books.change(&refund_of(shop, "refunded 0").await, "status", json!("failed"));
    books.remove(&refund_of(shop, "refunded 1").await);
}

async fn in_purchases(shop: &Shop, books: &mut Books) {
    let bought = |request: &str, order: Option<String>| json!({"request_id": request, "order_id": order, "attempt_id": null, "outcome": "bought", "placed_s": 1_600_000_000});
    books.purchases.push(bought("req-stray", None));
    books.purchases.push(bought("req-second", Some(id_of(shop, "completed 0").await)));
    books.change(&request_of(shop, "disputed 0").await, "outcome", json!("failed"));
    books.remove(&request_of(shop, "disputed 1").await);
}

async fn in_the_shop(shop: &Shop, books: &mut Books) {
    let returned = intent_of(shop, "accepted 1").await;
    books.change(&returned, "refunded_minor", json!(1530));
    let (unpaid, withdrawn, overdue) = (
        id_of(shop, "by word 0").await,
        id_of(shop, "refund under way 0").await,
        id_of(shop, "refund under way 1").await,
    );
    shop.by_force(&format!(
        "update orders set payment_status = 'unpaid' where id = '{unpaid}';
         update payments set amount_refunded = 1530 where payment_intent = '{returned}';
         update money_moves set state = 'withdrawn', due_at = null, settled_at = created_at where order_id = '{withdrawn}';
         update payments set refunds_minor = 0 where order_id = '{withdrawn}';
         update money_moves set created_at = created_at - interval '2 hours' where order_id = '{overdue}';
         update order_events set at = at - interval '2 hours' where order_id = '{overdue}'"
    ))
    .await;
}

/// Pulls out what was planted in the shop itself.
pub async fn pull(shop: &Shop) {
    let (paid, kept, withdrawn, overdue) = (
        id_of(shop, "by word 0").await,
        intent_of(shop, "accepted 1").await,
        id_of(shop, "refund under way 0").await,
        id_of(shop, "refund under way 1").await,
    );
    shop.by_force(&format!(
        "update orders set payment_status = 'paid' where id = '{paid}';
         update payments set amount_refunded = 0 where payment_intent = '{kept}';
         update money_moves set state = 'done', due_at = null, settled_at = created_at where order_id = '{withdrawn}';
         update payments set refunds_minor = 1530 where order_id = '{withdrawn}';
         update money_moves set created_at = created_at + interval '4 hours' where order_id = '{overdue}';
         update order_events set at = at + interval '4 hours' where order_id = '{overdue}';
         update money_moves set created_at = created_at + interval '2 hours' where state = 'open' and order_id <> '{overdue}'"
    ))
    .await;
}
