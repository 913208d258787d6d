//! The oracle: what the ledger's lines say about the money, and nothing but the lines.
//!
//! This folds the lines anew at each question. It shares no table with the books that decide, so a
//! mistake in them cannot hide itself here.

use super::event::Event;
use super::fault::StripeFault;
use super::intent::Fact;
use super::refund::{Refund, RefundStatus};
use crate::ledger::Line;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// The money in one currency, in its smallest unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Received: paid at once, or captured.
    pub received: i64,
    /// Of it, captured.
    pub captured: i64,
    /// Refunded, or about to be: refunds that neither failed nor were canceled.
    pub refunded: i64,
    /// Authorised, and neither captured nor released.
    pub authorised: i64,
}

/// A refund of ours that was made more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepeatedRefund {
    /// What all of them carry in `metadata.refund_id`.
    pub refund_id: String,
    /// Stripe's ids of those that are live.
    pub refunds: Vec<String>,
}

/// What happened so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Intents made.
    pub intents: u64,
    /// The money, by currency.
    pub sums: BTreeMap<String, Sums>,
    /// Live refunds of each intent that has some.
    pub refunds: BTreeMap<String, u64>,
    /// What must never be: one refund of the shop's made twice.
    pub repeated_refunds: Vec<RepeatedRefund>,
    /// What must never be: intents of which more was refunded than received.
    pub over_refunded: Vec<String>,
    /// What must never be: intents that were captured more than once.
    pub captured_twice: Vec<String>,
    /// Orders with more than one intent that received money; Stripe does not prevent it.
    pub paid_twice: BTreeMap<String, Vec<String>>,
    /// Stripe's own events.
    pub events: u64,
    /// Deliveries tried.
    pub deliveries: u64,
    /// Of them, answered with 2xx.
    pub delivered: u64,
    /// Calls with the right secret, without those that were limited.
    pub calls: u64,
    /// Calls over the limit.
    pub limited: u64,
    /// Calls without the right secret.
    pub unauthorized: u64,
    /// Stored answers that were given again.
    pub replays: u64,
    /// Keys that came back while they were in use.
    pub busy: u64,
    /// Keys that came back with other parameters: a mistake of the client.
    pub violations: u64,
    /// What was done to calls.
    pub faults: BTreeMap<StripeFault, u64>,
    /// Why the ledger's file can no longer be trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_failure: Option<String>,
}

/// What the lines say about one intent.
#[derive(Default)]
struct Money<'a> {
    order_id: Option<&'a str>,
    currency: &'a str,
    amount: i64,
    manual: bool,
    received: i64,
    captured: i64,
    captures: u32,
    authorised: i64,
}

/// The intents, in the order of their creation, and the refunds with their last status.
#[derive(Default)]
struct Fold<'a> {
    intents: Vec<&'a str>,
    money: HashMap<&'a str, Money<'a>>,
    refunds: Vec<(&'a Refund, RefundStatus)>,
}

/// Everything at once.
pub(super) fn summary(lines: &[Line<Event>], ledger_failure: Option<&str>) -> Summary {
    let mut sum =
        Summary { ledger_failure: ledger_failure.map(str::to_owned), ..Summary::default() };
    let mut fold = Fold::default();
    for line in lines {
        fold.pay(&line.event);
        sum.count(&line.event);
    }
    sum.add_intents(&fold);
    sum.add_refunds(&fold);
    sum
}

impl<'a> Fold<'a> {
    fn pay(&mut self, event: &'a Event) {
        match event {
            Event::Created { intent } => {
                self.intents.push(&intent.id);
                let money = Money {
                    order_id: intent.metadata.get("order_id").map(String::as_str),
                    currency: &intent.currency,
                    amount: intent.amount,
                    manual: intent.capture_method == "manual",
                    ..Money::default()
                };
                self.money.insert(&intent.id, money);
            }
            Event::RefundMade { refund } => self.refunds.push((refund, refund.status)),
            Event::RefundMoved { id, status } => {
                for (_, last) in self.refunds.iter_mut().filter(|(refund, _)| refund.id == *id) {
                    *last = *status;
                }
            }
            Event::Confirmed { id, .. }
            | Event::Captured { id, .. }
            | Event::Canceled { id, .. }
            | Event::Changed { id, .. } => {
                if let Some(money) = self.money.get_mut(id.as_str()) {
                    money.learn(event);
                }
            }
            _ => {}
        }
    }
}

impl<'a> Money<'a> {
    fn learn(&mut self, event: &'a Event) {
        match event {
            Event::Confirmed { .. } if self.manual => self.authorised = self.amount,
            Event::Confirmed { .. } => self.received += self.amount,
            Event::Captured { amount, .. } => {
                self.received += amount;
                self.captured += amount;
                self.captures += 1;
                self.authorised = 0;
            }
            Event::Canceled { .. } => self.authorised = 0,
            Event::Changed { fact, .. } => match fact {
                Fact::Amount(amount) => self.amount = *amount,
                Fact::AmountReceived(amount) => self.received = *amount,
                Fact::Currency(currency) => self.currency = currency,
                Fact::OrderId(order_id) => self.order_id = order_id.as_deref(),
                Fact::Status(status) => {
                    let held = status == "requires_capture";
                    self.authorised = if held { self.amount } else { 0 };
                }
                Fact::Refunded(_) | Fact::Disputed(_) | Fact::Livemode(_) | Fact::Review(_) => {}
            },
            _ => {}
        }
    }
}

impl Summary {
    fn count(&mut self, event: &Event) {
        match event {
            Event::Notified { .. } => self.events += 1,
            Event::Tried { status, .. } => {
                self.deliveries += 1;
                let arrived = status.is_some_and(|status| (200..300).contains(&status));
                self.delivered += u64::from(arrived);
            }
            Event::Called { fault, .. } => {
                self.calls += 1;
                if let Some(fault) = fault {
                    *self.faults.entry(*fault).or_default() += 1;
                }
            }
            Event::Limited { .. } => self.limited += 1,
            Event::Unauthorized => self.unauthorized += 1,
            Event::Replayed { .. } => self.replays += 1,
            Event::Busy { .. } => self.busy += 1,
            Event::Violation { .. } => self.violations += 1,
            _ => {}
        }
    }

    fn add_intents(&mut self, fold: &Fold<'_>) {
        let mut paid: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (id, money) in fold.intents.iter().filter_map(|id| Some((id, fold.money.get(id)?))) {
            self.intents += 1;
            let sums = self.sums.entry(money.currency.to_owned()).or_default();
            sums.received += money.received;
            sums.captured += money.captured;
            sums.authorised += money.authorised;
            if money.captures > 1 {
                self.captured_twice.push((*id).to_owned());
            }
            if let Some(order_id) = money.order_id.filter(|_| money.received > 0) {
                paid.entry(order_id).or_default().push((*id).to_owned());
            }
        }
        let twice = paid.into_iter().filter(|(_, intents)| intents.len() > 1);
        self.paid_twice = twice.map(|(order, intents)| (order.to_owned(), intents)).collect();
    }

    fn add_refunds(&mut self, fold: &Fold<'_>) {
        let mut by_note: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut returned: BTreeMap<&str, i64> = BTreeMap::new();
        for (refund, _) in fold.refunds.iter().filter(|(_, status)| status.is_live()) {
            self.sums.entry(refund.currency.clone()).or_default().refunded += refund.amount;
            *self.refunds.entry(refund.payment_intent.clone()).or_default() += 1;
            *returned.entry(&refund.payment_intent).or_default() += refund.amount;
            if let Some(note) = refund.metadata.get("refund_id") {
                by_note.entry(note).or_default().push(refund.id.clone());
            }
        }
        let repeated = by_note.into_iter().filter(|(_, refunds)| refunds.len() > 1);
        self.repeated_refunds = repeated
            .map(|(note, refunds)| RepeatedRefund { refund_id: note.to_owned(), refunds })
            .collect();
        let received = |id: &str| fold.money.get(id).map_or(0, |money| money.received);
        let over = returned.into_iter().filter(|(id, amount)| *amount > received(id));
        self.over_refunded = over.map(|(id, _)| id.to_owned()).collect();
    }
}
