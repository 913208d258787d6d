//! The oracle: what the partners' ledgers and the whole database say when a history has ended.
//!
//! Promise: it shares no code with what decides (`crates/core`), and believes the ledgers alone about what
//! was bought and what was paid. Each rule has a name, by which a failure is known again while it is made
//! smaller. // G1, G2, G7, G8, G10, G11, G12

use super::operation::word;
use super::play::{Failure, Play};
use crate::fence;
use orders_sandbox::stripe::Intent;
use orders_sandbox::zinc::{Event, Outcome};
use std::collections::BTreeMap;

impl Play<'_> {
    /// Judges everything.
    pub(super) async fn judge(&mut self) -> Result<(), Failure> {
        self.count_partners();
        self.goods()?;
        self.paid_before_it_was_sent()?;
        self.calls().await?;
        self.money().await?;
        self.histories().await?;
        self.ends().await
    }

    /// The provider's ledger by itself: at no instant were there two.
    fn goods(&self) -> Result<(), Failure> {
        let zinc = self.ground.shop.zinc();
        let mut live: BTreeMap<String, (String, i64)> = BTreeMap::new();
        for line in zinc.ledger() {
            match &line.event {
                Event::Purchase(purchase) => {
                    let order = purchase.order_id.as_deref().unwrap_or("nobody").to_owned();
                    if let Some((other, _)) = live.get(&order) {
                        let said =
                            format!("{}: {other} and {}", self.named(&order), purchase.request_id);
                        return Err(Failure::of("bought twice", said));
                    }
                    live.insert(order, (purchase.request_id.to_string(), purchase.max_price));
                }
                Event::Failed { request_id, .. } | Event::Cancelled { request_id } => {
                    live.retain(|_, (id, _)| *id != **request_id);
                }
                _ => {}
            }
        }
        let summary = zinc.summary();
        for (count, rule) in [
            (summary.duplicates.len() as u64, "bought twice in the end"),
            (summary.violations, "other bytes under one key"),
            (summary.overlapping_purchases, "a key that was busy was sent"),
            (summary.keyless_purchases, "bought without a key"),
            (summary.purchases_without_order, "bought for nobody"),
        ] {
            holds(count == 0, rule, || format!("{summary:?}"))?;
        }
        for (order, (_, max_price)) in &live {
            let total =
                self.orders.iter().find(|one| one.id.to_string() == *order).map(|one| one.total);
            holds(
                total.is_some_and(|total| *max_price <= total),
                "a price cap above the total",
                || format!("{}: {max_price}", self.named(order)),
            )?;
        }
        Ok(())
    }

    /// Every call stands in the database with its key and its bytes. // G3, G4
    async fn calls(&self) -> Result<(), Failure> {
        let shop = &self.ground.shop;
        let attempts = shop
            .texts("select provider_key || ' ' || encode(request_digest, 'hex') from {s}.order_attempts")
            .await;
        for line in shop.zinc().ledger() {
            if let Event::Create(create) = &line.event {
                let sent = format!("{} {}", create.key.as_deref().unwrap_or("none"), create.sha256);
                holds(attempts.contains(&sent), "sent without an intent", || sent.clone())?;
            }
        }
        Ok(())
    }

    /// Stripe's ledger, and what it means beside the provider's. // G7, G28
    async fn money(&self) -> Result<(), Failure> {
        let stripe = self.ground.shop.stripe();
        let summary = stripe.summary();
        for (good, rule) in [
            (summary.repeated_refunds.is_empty(), "refunded twice"),
            (summary.over_refunded.is_empty(), "more refunded than received"),
            (summary.captured_twice.is_empty(), "captured twice"),
            (summary.violations == 0, "other parameters under one key"),
        ] {
            holds(good, rule, || format!("{summary:?}"))?;
        }
        for payment in &self.payments {
            let ours = stripe.refunds_of(&payment.intent).into_iter().find(|refund| {
                refund.status.is_live() && refund.metadata.contains_key("refund_id")
            });
            let Some(refund) = ours else { continue };
            let order = payment.order;
            let is_bought = self.bought(order).is_some();
            holds(
                !is_bought || self.known.refunded.contains(&order),
                "refunded and bought",
                || format!("order {}: {}", order + 1, refund.amount),
            )?;
        }
        self.money_of_nobody().await
    }

    /// Money that was received is an order's that was bought, or it went back, or a person is told.
    async fn money_of_nobody(&self) -> Result<(), Failure> {
        let shop = &self.ground.shop;
        for (number, payment) in self.payments.iter().enumerate() {
            let Some(intent) = shop.stripe().intent(&payment.intent) else { continue };
            let left = intent.amount_received - intent.amount_refunded;
            if left <= 0 {
                continue;
            }
            let id = &payment.intent;
            let order = self.orders[payment.order].id;
            let stands = shop
                .count(&format!(
                    "select (select count(*) from {{s}}.payments as p join {{s}}.orders as o on o.id = p.order_id
                              where p.payment_intent = '{id}' and p.live and o.status not in ('cancelled', 'failed'))
                          + (select count(*) from {{s}}.differences as d where d.gone_at is null and (d.subject like '%{id}%' or d.data::text like '%{id}%'))
                          + (select count(*) from {{s}}.findings as f where f.closed_at is null and (f.subject like '%{id}%' or f.data::text like '%{id}%'))
                          + (select count(*) from {{s}}.money_moves as m where m.payment_intent = '{id}' and m.state = 'awaiting_approval')
                          + (select count(*) from {{s}}.alerts as a where a.closed_at is null and (a.subject like '%{id}%' or a.order_id = '{order}'))"
                ))
                .await;
            holds(stands > 0, "money that nobody knows of", || {
                format!("payment {}: {left} left, {}", number + 1, intent.status)
            })?;
        }
        Ok(())
    }

    /// The whole database by its own verification, and its edges by its own table.
    async fn histories(&mut self) -> Result<(), Failure> {
        let shop = &self.ground.shop;
        let broken = shop
            .texts("select order_id::text || ' ' || rule || ' ' || coalesce(detail, '') from {s}.verify_orders(null, 100000) where rule is not null")
            .await;
        holds(broken.is_empty(), "a history that is not whole", || broken.join("; "))?;
        let edges = shop
            .texts(
                "select distinct concat_ws(' ', e.status_before, '->', e.status_after, case when k is null and e.status_before <> e.status_after then 'unknown' end)
                   from {s}.order_events as e left join {s}.order_edges as k
                     on k.status_before = e.status_before and k.status_after = e.status_after",
            )
            .await;
        for edge in edges {
            holds(!edge.ends_with("unknown"), "an edge that there is not", || edge.clone())?;
            // What stays in its status moves along no edge.
            if edge.split_once(" -> ").is_some_and(|(before, after)| before != after) {
                self.coverage.hit(format!("edge: {edge}"));
            }
        }
        self.fence().await
    }

    /// Nobody ended a claim that was another one's. // G13, G16
    async fn fence(&self) -> Result<(), Failure> {
        let told = "select concat_ws(' ', e.order_id, e.kind, e.actor) from {s}.order_events as e order by e.order_id, e.seq";
        let lines = self.ground.shop.texts(told).await;
        let words = lines.iter().filter_map(|line| {
            let (order, rest) = line.split_once(' ')?;
            let (kind, actor) = rest.split_once(' ')?;
            Some((order, kind, actor))
        });
        let people = |actor: &str| !actor.starts_with("engine/");
        fence::whole(words, people)
            .map_err(|why| Failure::of("written over another one's claim", why))
    }

    /// Nothing is believed that is not, and nothing is lost. // G5, G9
    async fn ends(&self) -> Result<(), Failure> {
        let shop = &self.ground.shop;
        for (number, order) in self.orders.iter().enumerate() {
            let (id, name) = (order.id, || format!("order {}", number + 1));
            let (status, hold) = (shop.status(id).await, shop.of(id, "hold_reason").await);
            let bought = self.bought(number).is_some();
            let by_word = self.known.by_word.contains(&number);
            let alerts = shop.alerts(id).await;
            match status.as_str() {
                "completed" => holds(bought || by_word, "believed bought", name)?,
                "cancelled" | "failed" => {
                    holds(!bought, "ended without goods and bought", name)?;
                }
                "needs_review" => holds(!alerts.is_empty(), "in review and nobody is told", name)?,
                "pending" => {
                    holds(
                        !bought || self.known.outside.contains(&number),
                        "bought and pending",
                        name,
                    )?;
                    self.held(number, &hold, &alerts)?;
                }
                other => return Err(Failure::of("never ended", format!("{} {other}", name()))),
            }
        }
        Ok(())
    }

    /// An order that waits does so for its customer, or a person knows of it.
    fn held(&self, number: usize, hold: &str, alerts: &[String]) -> Result<(), Failure> {
        let said = || format!("order {}: {hold}, alerts {alerts:?}", number + 1);
        match hold {
            "awaiting_payment" => {
                let good = self.payments.iter().filter(|one| one.order == number);
                let good = good.filter_map(|one| self.ground.shop.stripe().intent(&one.intent));
                let paid = good.filter(|intent| self.pays(number, intent)).count();
                holds(paid == 0 || !alerts.is_empty(), "paid and waits for its payment", said)
            }
            // The person who has held it knows it.
            "operator" => Ok(()),
            _ => holds(!alerts.is_empty(), "held and nobody is told", said),
        }
    }

    /// Whether a payment pays an order, by Stripe's own word.
    fn pays(&self, number: usize, intent: &Intent) -> bool {
        let order = &self.orders[number];
        intent.status == "succeeded"
            && intent.amount_received == order.total
            && intent.amount_refunded == 0
            && intent.currency == "usd"
            && intent.metadata.get("order_id") == Some(&order.id.to_string())
    }

    /// What the partners did, as their ledgers have it.
    fn count_partners(&mut self) {
        let (zinc, stripe) = (self.ground.shop.zinc().ledger(), self.ground.shop.stripe().ledger());
        for line in zinc {
            let fault = match &line.event {
                Event::Create(create) => {
                    if let Outcome::Refused(error) = &create.outcome {
                        self.coverage.hit(format!("zinc refused: {}", error.code));
                    }
                    self.coverage.hit(format!("zinc: {}", word(&create.outcome)));
                    create.fault
                }
                Event::Read { fault, .. } | Event::List { fault } => *fault,
                Event::Failed { code, .. } => {
                    self.coverage.hit(format!("zinc failed: {code}"));
                    None
                }
                _ => None,
            };
            if let Some(fault) = fault {
                self.coverage.hit(format!("zinc did: {fault:?}"));
            }
        }
        for line in stripe {
            if let orders_sandbox::stripe::Event::Called { fault: Some(fault), .. } = &line.event {
                self.coverage.hit(format!("stripe did: {fault:?}"));
            }
        }
    }

    fn named(&self, id: &str) -> String {
        let number = self.orders.iter().position(|order| order.id.to_string() == id);
        number.map_or(id.to_owned(), |number| format!("order {}", number + 1))
    }
}

fn holds(good: bool, rule: &str, said: impl FnOnce() -> String) -> Result<(), Failure> {
    if good { Ok(()) } else { Err(Failure::of(rule, said())) }
}
