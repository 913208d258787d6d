//! Orders that are paid in every way, and what became of their money.

use super::{Shop, call, facts, order};
use serde_json::{Value, json};
use uuid::Uuid;

/// What Stripe says of a payment that pays the order, but for one fact.
pub fn with(id: Uuid, field: &str, value: Value) -> Value {
    let mut told = facts(id);
    told[field] = value;
    told
}

impl Shop {
    /// An order whose payment is named and not read yet.
    pub async fn unpaid(&self, number: &str) -> Uuid {
        let id = self.place(number).await;
        self.sql(&format!("select attach_payment('{id}', 'pi_{}')", id.simple())).await;
        id
    }

    /// The same, captured after its purchase.
    pub async fn reserving(&self, number: &str) -> Uuid {
        let mut content = order(number);
        content["capture_when"] = json!("after_purchase");
        let content = content.to_string();
        let args = [("order_param", content.as_str(), "jsonb")];
        let answer = call(&self.app, "place_order", &args).await.expect("place");
        let id: Uuid = answer["order_id"].as_str().unwrap().parse().unwrap();
        self.sql(&format!("select attach_payment('{id}', 'pi_{}')", id.simple())).await;
        id
    }

    /// What Stripe says of money that is reserved until so many seconds from now.
    pub async fn reserved(&self, id: Uuid, for_s: i64) -> Value {
        let now = self.text("select floor(extract(epoch from clock_now()))").await;
        let mut told = facts(id);
        told["status"] = json!("requires_capture");
        told["received_minor"] = json!(0);
        told["capturable_minor"] = json!(1530);
        told["capture_before"] = json!(now.parse::<i64>().unwrap() + for_s);
        told
    }

    /// The movements of an order's money, oldest first.
    pub async fn moves(&self, order: Uuid) -> String {
        self.text(&format!(
            "select coalesce(string_agg(concat_ws(' ', kind, amount_minor, cause, state), ', ' order by created_at, kind), '')
               from money_moves where order_id = '{order}'"
        ))
        .await
    }
}
