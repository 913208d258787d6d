//! Plays a history on a ground, one operation after the other, and writes down what happened.
//!
//! Promise: whatever the shop answers is either one of the answers that its functions give, which becomes a
//! line of the story, or a failure. Nothing waits by the wall's clock for something to become due.

use super::coverage::{self, Coverage};
use super::draw::{History, Kind};
use super::ground::Ground;
use super::hand::Told;
use super::operation::{Content, Mishap, Operation, Slot, Step};
use super::story::{self, Story};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Between two operations so much time passes, so that each has a time of its own.
const TICK_MS: i64 = 10;

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
    pub(super) dispute: Option<String>,
    pub(super) review: Option<String>,
}

impl Payment {
    /// A new one.
    pub(super) fn of(intent: String, order: usize) -> Self {
        Self { intent, order, dispute: None, review: None }
    }
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
            Operation::Wait(seconds) => {
                self.ground.time.pass(i64::from(*seconds) * 1_000);
                Ok("passes".into())
            }
            Operation::ClockBack(minutes) => {
                self.ground.behind_ms = i64::from(*minutes) * 60_000;
                self.known.clock_back = true;
                Ok("is behind".into())
            }
            Operation::Shop(whole) => self.shop(*whole).await,
            Operation::Deliver(delivery) => Ok(self.deliver(*delivery).await),
            Operation::Bank(slot, yes) => Ok(self.bank(*slot, *yes)),
            Operation::Stripe(slot, event) => Ok(self.stripe(*slot, *event)),
            Operation::GoOn(worker) => {
                let told =
                    self.ground.hands[usize::from(worker % 2)].go_on(&self.ground.shop).await;
                self.told(told, None, &Mishap::None)
            }
            Operation::Kill(worker) => {
                let told = self.ground.hands[usize::from(worker % 2)].die(&self.ground.shop).await;
                self.told(told, None, &Mishap::None)
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
        self.told(told, Some(step), mishap)
    }

    fn told(&mut self, told: Told, step: Option<Step>, mishap: &Mishap) -> Result<String, Failure> {
        let mut met = |happened: bool| {
            for cell in
                step.filter(|_| happened).iter().flat_map(|step| coverage::happened(*step, mishap))
            {
                self.coverage.hit(cell);
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
        self.coverage.hit(coverage::answer(door, &code));
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

    /// The order that is meant, as things stood at the last look.
    fn order(&self, slot: Slot) -> Option<usize> {
        let of = |orders: &[usize]| match slot.number {
            u8::MAX => orders.last().copied(),
            number => orders.get(usize::from(number).checked_rem(orders.len())?).copied(),
        };
        let all: Vec<usize> = (0..self.orders.len()).collect();
        let fits = |order: &usize| slot.status.is_some_and(|status| self.status(*order) == status);
        let fitting: Vec<usize> = all.iter().copied().filter(fits).collect();
        of(&fitting).or_else(|| of(&all))
    }

    pub(super) fn payment(&self, slot: u8) -> Option<usize> {
        match slot {
            u8::MAX => self.payments.len().checked_sub(1),
            slot => usize::from(slot).checked_rem(self.payments.len()),
        }
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
