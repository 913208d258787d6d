//! Plays a history on a ground, one operation after the other, and writes down what happened.
//!
//! Promise: whatever the shop answers is either one of the answers that its functions give, which becomes a
//! line of the story, or a failure. Nothing waits by the wall's clock for something to become due.

use super::coverage::Coverage;
use super::draw::{History, Kind};
use super::ground::Ground;
use super::hand::Told;
use super::operation::{Content, Delivery, Event, Length, Mishap, Operation, Paying, Step, word};
use super::story::{self, Story};
use crate::world::order as good_order;
use orders_core::private::Private;
use orders_sandbox::stripe::{DisputeStatus, RefundStatus};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Between two operations so much time passes, so that each has a time of its own.
const TICK_MS: i64 = 10;
/// How far a clock is set back. Less than the hour by which a key lives shorter here than it is remembered by
/// a partner: a clock that is wrong by more may send a key that was forgotten, and nothing could tell.
const BACK_MS: i64 = 55 * 60_000;

/// Why a history failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The rule that was broken, in the same words each time.
    pub rule: String,
    /// What was seen.
    pub said: String,
}

impl Failure {
    /// That this rule was broken.
    pub fn of(rule: &str, said: impl Into<String>) -> Self {
        Self { rule: rule.to_owned(), said: said.into() }
    }
}

/// An order of a history.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its id.
    pub id: Uuid,
    /// What it holds.
    pub content: Content,
    /// What it costs.
    pub total: i64,
}

/// A payment of a history.
#[derive(Debug, Clone)]
pub struct Payment {
    /// Its PaymentIntent.
    pub intent: String,
    /// For which order it was made.
    pub order: usize,
    dispute: Option<String>,
    review: Option<String>,
}

/// What people have done that the partners' ledgers cannot know.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Orders that a person said were bought somewhere else.
    pub outside: BTreeSet<usize>,
    /// Orders that ended by a person's word, before their goods had arrived.
    pub by_word: BTreeSet<usize>,
    /// Orders of which a person had money returned.
    pub refunded: BTreeSet<usize>,
    /// Whether the database's clock was set back.
    pub clock_back: bool,
}

/// A history under way.
pub struct Play<'a> {
    /// Where.
    pub ground: &'a mut Ground,
    /// With which seed.
    pub seed: u64,
    /// Which shop.
    pub kind: Kind,
    /// The orders, in the order of their birth.
    pub orders: Vec<Order>,
    /// The payments, in the order of their making.
    pub payments: Vec<Payment>,
    /// What people did.
    pub known: Known,
    /// What was met.
    pub coverage: Coverage,
    /// What happened.
    pub story: Story,
    standing: Value,
}

impl<'a> Play<'a> {
    /// Plays a history, lets everything come to its end and judges it.
    pub async fn all(
        ground: &'a mut Ground,
        seed: u64,
        history: &History,
    ) -> (Self, Option<Failure>) {
        ground.begin(seed, &history.kind).await;
        let mut play = Self {
            ground,
            seed,
            kind: history.kind,
            orders: Vec::new(),
            payments: Vec::new(),
            known: Known::default(),
            coverage: Coverage::default(),
            story: Story::default(),
            standing: json!({}),
        };
        let failure = play.whole(history).await.err();
        if let Some(failure) = &failure {
            play.look().await;
            play.story.ends(failure);
        }
        (play, failure)
    }

    async fn whole(&mut self, history: &History) -> Result<(), Failure> {
        for operation in &history.operations {
            self.ground.time.pass(TICK_MS);
            self.look().await;
            self.one(operation).await?;
        }
        self.settle().await?;
        self.judge().await
    }

    /// Performs one operation.
    async fn one(&mut self, operation: &Operation) -> Result<(), Failure> {
        let order = operation.order().and_then(|slot| self.order(slot));
        let kind = operation.kind();
        self.coverage.hit(format!("operation: {kind}"));
        if let Some(order) = order {
            self.coverage.hit(format!("{} × {kind}", self.status(order)));
        }
        let said = self.perform(operation, order).await?;
        let at = self.at();
        self.story.line(&at, operation, order, &said);
        Ok(())
    }

    async fn perform(
        &mut self,
        operation: &Operation,
        order: Option<usize>,
    ) -> Result<String, Failure> {
        match operation {
            Operation::Place(content) => self.place(*content).await,
            Operation::Wait(length) => {
                self.ground.time.pass(length_ms(*length));
                Ok("passes".into())
            }
            Operation::ClockBack => {
                self.ground.behind_ms = BACK_MS;
                self.known.clock_back = true;
                Ok("by 55 minutes".into())
            }
            Operation::Deliver(delivery) => Ok(self.deliver(*delivery).await),
            Operation::Bank(slot, yes) => Ok(self.bank(*slot, *yes)),
            Operation::Stripe(slot, event) => Ok(self.stripe(*slot, *event)),
            Operation::GoOn(worker) => {
                let told =
                    self.ground.hands[usize::from(worker % 2)].go_on(&self.ground.shop).await;
                self.told(told, &Mishap::None)
            }
            Operation::Kill(worker) => {
                let told = self.ground.hands[usize::from(worker % 2)].die(&self.ground.shop).await;
                self.told(told, &Mishap::None)
            }
            Operation::Work(worker, step, mishap) => {
                self.work(usize::from(worker % 2), *step, order, mishap).await
            }
            _ => match order {
                None => Ok("there is no order yet".into()),
                Some(order) => self.about(operation, order).await,
            },
        }
    }

    async fn about(&mut self, operation: &Operation, order: usize) -> Result<String, Failure> {
        match operation {
            Operation::PlaceAgain(_, content) => self.place_again(order, *content).await,
            Operation::Pay(_, paying, tied) => self.pay(order, *paying, *tied).await,
            Operation::Attach(_, slot) => match self.payment(*slot) {
                None => Ok("there is no payment yet".into()),
                Some(payment) => {
                    let intent = self.payments[payment].intent.clone();
                    self.attach(order, &intent).await
                }
            },
            Operation::Ask(_, wish) => self.ask(order, *wish).await,
            other => Err(Failure::of("an operation that nobody performs", other.kind())),
        }
    }

    /// Lets a worker take a step.
    pub(super) async fn work(
        &mut self,
        worker: usize,
        step: Step,
        order: Option<usize>,
        mishap: &Mishap,
    ) -> Result<String, Failure> {
        let order = order.map(|order| self.orders[order].id);
        let hand = &mut self.ground.hands[worker];
        let told = hand.take(&self.ground.shop, step, order, mishap).await;
        self.told(told, mishap)
    }

    fn told(&mut self, told: Told, mishap: &Mishap) -> Result<String, Failure> {
        let mut met = |happened: bool| {
            if let Some(kind) = mishap.kind().filter(|_| happened) {
                self.coverage.hit(format!("mishap: {kind}"));
            }
        };
        Ok(match told {
            Told::Said(said, happened) => {
                met(happened);
                said
            }
            Told::Died => {
                met(matches!(mishap, Mishap::Dies(_)));
                "it is dead; another one takes its place".into()
            }
            Told::Stands => {
                met(true);
                "it stands still".into()
            }
            Told::Away => "it still stands still".into(),
            Told::Wrong(rule, said) => return Err(Failure::of(rule, said)),
        })
    }

    async fn place(&mut self, content: Content) -> Result<String, Failure> {
        let number = self.orders.len();
        let id = Uuid::from_u64_pair(self.seed, number as u64 + 1);
        let (order, total) = placed(number, content);
        let said = self.door("place_order", &place_call(&order, Some(id))).await?;
        self.orders.push(Order { id, content, total });
        Ok(said)
    }

    async fn place_again(&mut self, order: usize, content: Content) -> Result<String, Failure> {
        let (content, _) = placed(order, content);
        self.door("place_order", &place_call(&content, None)).await
    }

    async fn pay(&mut self, order: usize, paying: Paying, tied: bool) -> Result<String, Failure> {
        let Order { id, total, .. } = self.orders[order];
        let (stripe, name) = (self.ground.shop.stripe(), id.to_string());
        let intent = match paying {
            Paying::Right => stripe.pay(&name, total, "usd"),
            Paying::TooLittle => stripe.pay(&name, total - 1, "usd"),
            Paying::OtherCurrency => stripe.pay(&name, total, "eur"),
            Paying::Reserved => stripe.authorise(&name, total, "usd"),
            Paying::ForAnother => {
                let other = Uuid::from_u64_pair(self.seed, u64::MAX).to_string();
                stripe.pay(&other, total, "usd")
            }
            Paying::Later => stripe.open_intent(&name, total, "usd"),
        };
        let payment = Payment { intent: intent.clone(), order, dispute: None, review: None };
        self.payments.push(payment);
        let number = self.payments.len();
        if tied {
            let said = self.attach(order, &intent).await?;
            return Ok(format!("payment {number}, named here: {said}"));
        }
        Ok(format!("payment {number}, not named here"))
    }

    async fn attach(&mut self, order: usize, intent: &str) -> Result<String, Failure> {
        let id = self.orders[order].id;
        self.door("attach_payment", &format!("'{id}', '{intent}'")).await
    }

    fn bank(&mut self, slot: u8, yes: bool) -> String {
        let Some(payment) = self.payment(slot) else { return "there is no payment yet".into() };
        let (stripe, intent) = (self.ground.shop.stripe(), &self.payments[payment].intent);
        let heard = if yes { stripe.approve(intent) } else { stripe.decline(intent) };
        format!("payment {}{}", payment + 1, if heard { "" } else { " does not wait" })
    }

    async fn deliver(&mut self, delivery: Delivery) -> String {
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

    fn stripe(&mut self, slot: u8, event: Event) -> String {
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
            Event::PartRefunded => stripe.refund(&intent, Some(100)).is_ok(),
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

    /// Asks a function of the shop; gives its code, or what it did.
    pub(super) async fn door(&mut self, door: &str, arguments: &str) -> Result<String, Failure> {
        let sql = format!("select {{schema}}.{door}({arguments})::text");
        let app = &self.ground.shop.app;
        let answer = app.query("simulation", &app.in_schema(&sql), &[]).await;
        let code = match answer {
            Ok(rows) => {
                let text: String = rows.first().map_or_else(String::new, |row| row.get(0));
                said(&serde_json::from_str(&text).unwrap_or(Value::Null))
            }
            Err(error) => match error.sqlstate() {
                Some(code @ ("22023" | "PT404" | "PT409" | "PT422")) => code.to_owned(),
                _ => return Err(Failure::of("a function failed", format!("{door}: {error}"))),
            },
        };
        self.coverage.hit(format!("{door}: {code}"));
        Ok(code)
    }

    /// Sets the database's clock and tells of what has become of the orders since the last look.
    pub(super) async fn look(&mut self) {
        let now = self.ground.look().await;
        let ids: Vec<String> = self.orders.iter().map(|order| order.id.to_string()).collect();
        for change in story::changes(&ids, &self.standing, &now) {
            self.story.change(&change);
        }
        self.standing = now;
    }

    /// The status of an order at the last look.
    pub(super) fn status(&self, order: usize) -> String {
        let id = self.orders[order].id.to_string();
        self.standing[id.as_str()][0].as_str().unwrap_or("new").to_owned()
    }

    /// How long after the beginning it is.
    pub(super) fn at(&self) -> String {
        story::since(orders_sandbox::Clock::now_ms(&self.ground.time) - super::time::BEGIN_MS)
    }

    fn order(&self, slot: u8) -> Option<usize> {
        usize::from(slot).checked_rem(self.orders.len())
    }

    fn payment(&self, slot: u8) -> Option<usize> {
        usize::from(slot).checked_rem(self.payments.len())
    }
}

/// What a function said, in a word.
fn said(answer: &Value) -> String {
    let yes = |name: &str| answer[name] == true;
    match answer["code"].as_str() {
        Some(code) => code.to_owned(),
        None if yes("duplicate") && yes("waiting") => "waits already".into(),
        None if yes("duplicate") => "duplicate".into(),
        None if yes("waiting") => "waits".into(),
        None => "ok".into(),
    }
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

fn length_ms(length: Length) -> i64 {
    let seconds = match length {
        Length::Seconds => 7,
        Length::Bound => 61,
        Length::Lease => 121,
        Length::Quarter => 901,
        Length::Hour => 3_700,
        Length::KeyLife => 82_900,
        Length::Day => 90_100,
        Length::Days => 260_000,
    };
    seconds * 1_000
}
