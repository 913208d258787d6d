//! What customers, banks and Stripe do: orders are placed and paid, messages come, money is asked back.

use super::operation::{Content, Delivery, Event, Paying, word};
use super::play::{Failure, Order, Payment, Play};
use crate::world::order as good_order;
use orders_core::private::Private;
use orders_sandbox::stripe::{DisputeStatus, RefundStatus};
use serde_json::{Value, json};
use uuid::Uuid;

impl Play<'_> {
    pub(super) async fn place(&mut self, content: Content) -> Result<String, Failure> {
        let number = self.orders.len();
        let id = Uuid::from_u64_pair(self.seed, number as u64 + 1);
        let (order, total) = placed(number, content);
        let said = self.door("place_order", &place_call(&order, Some(id))).await?;
        self.orders.push(Order { id, content, total });
        Ok(said)
    }

    pub(super) async fn place_again(
        &mut self,
        order: usize,
        content: Content,
    ) -> Result<String, Failure> {
        let (content, _) = placed(order, content);
        self.door("place_order", &place_call(&content, None)).await
    }

    pub(super) async fn pay(
        &mut self,
        order: usize,
        paying: Paying,
        tied: bool,
    ) -> Result<String, Failure> {
        let Order { id, total, .. } = self.orders[order];
        let (stripe, name) = (self.ground.shop.stripe(), id.to_string());
        let intent = match paying {
            Paying::Right => stripe.pay(&name, total, "usd"),
            Paying::TooLittle(cents) => stripe.pay(&name, total - i64::from(cents), "usd"),
            Paying::TooMuch(cents) => stripe.pay(&name, total + i64::from(cents), "usd"),
            Paying::OtherCurrency => stripe.pay(&name, total, "eur"),
            Paying::Reserved => stripe.authorise(&name, total, "usd"),
            Paying::ForAnother => {
                let other = Uuid::from_u64_pair(self.seed, u64::MAX).to_string();
                stripe.pay(&other, total, "usd")
            }
            Paying::Later => stripe.open_intent(&name, total, "usd"),
        };
        self.payments.push(Payment::of(intent.clone(), order));
        let number = self.payments.len();
        if tied {
            let said = self.attach(order, &intent).await?;
            return Ok(format!("payment {number}, named here: {said}"));
        }
        Ok(format!("payment {number}, not named here"))
    }

    pub(super) async fn attach(&mut self, order: usize, intent: &str) -> Result<String, Failure> {
        let id = self.orders[order].id;
        self.door("attach_payment", &format!("'{id}', '{intent}'")).await
    }

    pub(super) fn bank(&mut self, slot: u8, yes: bool) -> String {
        let Some(payment) = self.payment(slot) else { return "there is no payment yet".into() };
        let (stripe, intent) = (self.ground.shop.stripe(), &self.payments[payment].intent);
        let heard = if yes { stripe.approve(intent) } else { stripe.decline(intent) };
        format!("payment {}{}", payment + 1, if heard { "" } else { " does not wait" })
    }

    pub(super) async fn deliver(&mut self, delivery: Delivery) -> String {
        let stripe = self.ground.shop.stripe();
        let owed = stripe.owed().len();
        let some = |count: u8| usize::from(count).min(owed);
        let places: Vec<usize> = match delivery {
            Delivery::Oldest(count) => (0..some(count)).collect(),
            Delivery::Newest(count) => (owed - some(count)..owed).rev().collect(),
            Delivery::Twice if owed > 0 => vec![0, 0],
            Delivery::Twice => Vec::new(),
        };
        let said = stripe.deliver(&places).await;
        for status in &said {
            self.coverage.hit(format!("messages: {}", status.unwrap_or_default()));
        }
        let said: Vec<_> = said.iter().map(|status| status.unwrap_or_default()).collect();
        format!("{said:?}")
    }

    pub(super) fn stripe(&mut self, slot: u8, event: Event) -> String {
        let Some(place) = self.payment(slot) else { return "there is no payment yet".into() };
        let stripe = self.ground.shop.stripe();
        let payment = &mut self.payments[place];
        let intent = payment.intent.clone();
        let last = || stripe.refunds_of(&intent).last().map(|refund| refund.id.clone());
        let moved = |status| last().is_some_and(|refund| stripe.move_refund(&refund, status));
        let dispute = |id: &Option<String>, status| {
            id.as_ref().is_some_and(|id| stripe.move_dispute(id, status))
        };
        let done = match event {
            Event::Dispute if payment.dispute.is_none() => {
                payment.dispute = stripe.dispute(&intent, DisputeStatus::NeedsResponse);
                payment.dispute.is_some()
            }
            Event::Dispute => dispute(&payment.dispute, DisputeStatus::UnderReview),
            Event::DisputeWon => dispute(&payment.dispute, DisputeStatus::Won),
            Event::DisputeLost => dispute(&payment.dispute, DisputeStatus::Lost),
            Event::Warning => stripe.warn(&intent).is_some(),
            Event::Review => {
                let opened = stripe.review(&intent);
                payment.review = opened.clone().or(payment.review.take());
                opened.is_some()
            }
            Event::ReviewClosed => {
                payment.review.take().is_some_and(|id| stripe.close_review(&id, "approved"))
            }
            Event::PartRefunded(cents) => stripe.refund(&intent, Some(i64::from(cents))).is_ok(),
            Event::AllRefunded => stripe.refund(&intent, None).is_ok(),
            Event::RefundFails => moved(RefundStatus::Failed),
            Event::NextRefundPends => {
                stripe.next_refund(RefundStatus::Pending);
                true
            }
            Event::RefundArrives => moved(RefundStatus::Succeeded),
        };
        if done {
            self.coverage.hit(format!("at Stripe: {}", word(&event)));
        }
        format!("payment {}{}", place + 1, if done { "" } else { ": nothing to do it to" })
    }
}

/// An order under a number that no history gives, as SQL.
pub(super) fn another() -> String {
    let (order, _) = placed(usize::MAX, Content::One);
    format!("'{}'::jsonb", order.to_string().replace('\'', "''"))
}

/// An order as it is placed, and its total.
fn placed(number: usize, content: Content) -> (Value, i64) {
    let mut order = good_order();
    order["order_number"] = format!("s{number}").into();
    let line = |id: &str, quantity: i64, price: i64| json!({"product_id": id, "quantity": quantity, "unit_price_minor": price});
    let total = match content {
        Content::One => 1_530,
        Content::Three => {
            order["items"] = json!([
                line("B0EXAMPLE1", 1, 500),
                line("B0EXAMPLE2", 2, 300),
                line("B0EXAMPLE3", 1, 99)
            ]);
            1_250
        }
        Content::Gift => {
            order["is_gift"] = true.into();
            order["gift_message"] = "for you".into();
            1_700
        }
    };
    order["total_minor"] = total.into();
    (order, total)
}

fn place_call(order: &Value, id: Option<Uuid>) -> String {
    let text = Private::new(order.to_string().replace('\'', "''"));
    let options = id.map_or(json!({}), |id| json!({ "order_id": id }));
    format!("'{}'::jsonb, '{options}'", text.expose())
}
