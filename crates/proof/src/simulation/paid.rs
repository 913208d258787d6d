//! The oracle's rule of payment: nothing was asked of the provider but for an order whose payment was good at
//! Stripe shortly before. // G2
//!
//! By the two ledgers alone. What Stripe says may be a minute old when an order is claimed, and its call ends
//! half a minute later; so a payment that was never good in that time cannot have been read as good. Where
//! the database's clock was set back the rule says nothing: facts are as old as that clock says.

use super::play::{Failure, Order, Play};
use orders_sandbox::stripe::{DisputeStatus, Event, RefundStatus};
use orders_sandbox::zinc;
use std::collections::BTreeMap;

/// The age of facts that a claim takes and the length of a call, and a second for the ticks between.
const READ_WITHIN_MS: i64 = 60_000 + 30_000 + 1_000;

/// A payment as Stripe's ledger has it up to some line.
#[derive(Default)]
struct Money {
    order: Option<String>,
    currency: String,
    amount: i64,
    manual: bool,
    received: i64,
    reserved: i64,
    refunds: BTreeMap<String, (i64, RefundStatus)>,
    disputes: BTreeMap<String, DisputeStatus>,
    /// From when to when it was good; the last one may go on.
    good: Vec<(i64, Option<i64>)>,
}

impl Money {
    fn pays(&self, order: &Order, reserved_is_enough: bool) -> bool {
        let returned = self.refunds.values().any(|(_, status)| status.is_live());
        let disputed = self.disputes.values().any(|status| *status != DisputeStatus::Won);
        self.currency == "usd"
            && (self.received == order.total || reserved_is_enough && self.reserved == order.total)
            && !returned
            && !disputed
    }

    fn learn(&mut self, event: &Event) {
        match event {
            Event::Created { intent } => {
                self.order = intent.metadata.get("order_id").cloned();
                self.currency.clone_from(&intent.currency);
                self.amount = intent.amount;
                self.manual = intent.capture_method == "manual";
            }
            Event::Confirmed { .. } if self.manual => self.reserved = self.amount,
            Event::Confirmed { .. } => self.received = self.amount,
            Event::Captured { amount, .. } => (self.received, self.reserved) = (*amount, 0),
            Event::Canceled { .. } => self.reserved = 0,
            Event::RefundMade { refund } => {
                self.refunds.insert(refund.id.clone(), (refund.amount, refund.status));
            }
            Event::DisputeOpened { dispute } => {
                self.disputes.insert(dispute.id.clone(), dispute.status);
            }
            _ => {}
        }
    }
}

impl Play<'_> {
    /// Whether every call was for an order that was paid.
    pub(super) fn paid_before_it_was_sent(&self) -> Result<(), Failure> {
        if self.known.clock_back {
            return Ok(());
        }
        let payments = self.payments_in_time();
        for line in self.ground.shop.zinc().ledger() {
            let zinc::Event::Create(create) = &line.event else { continue };
            let (from, until) = (line.at_ms - READ_WITHIN_MS, line.at_ms);
            let within = |(since, end): &(i64, Option<i64>)| {
                *since <= until && end.is_none_or(|end| end >= from)
            };
            let order = create.order_id.as_deref();
            let paid = payments
                .values()
                .any(|money| money.order.as_deref() == order && money.good.iter().any(within));
            if !paid {
                let said = format!("{} at {} ms", order.unwrap_or("nobody"), line.at_ms);
                return Err(Failure::of("sent and not paid", said));
            }
        }
        Ok(())
    }

    /// When each payment was good, by Stripe's ledger.
    fn payments_in_time(&self) -> BTreeMap<String, Money> {
        let mut payments: BTreeMap<String, Money> = BTreeMap::new();
        for line in self.ground.shop.stripe().ledger() {
            match &line.event {
                Event::RefundMoved { id, status } => {
                    for money in payments.values_mut() {
                        if let Some(refund) = money.refunds.get_mut(id) {
                            refund.1 = *status;
                        }
                    }
                }
                Event::DisputeMoved { id, status } => {
                    for money in payments.values_mut() {
                        if let Some(dispute) = money.disputes.get_mut(id) {
                            *dispute = *status;
                        }
                    }
                }
                event => {
                    if let Some(intent) = intent_of(event) {
                        payments.entry(intent.to_owned()).or_default().learn(event);
                    }
                }
            }
            for money in payments.values_mut() {
                let order = self.orders.iter().find(|one| Some(one.id.to_string()) == money.order);
                let pays = order.is_some_and(|order| money.pays(order, self.kind.captures_after));
                match money.good.last_mut() {
                    Some((_, end @ None)) if !pays => *end = Some(line.at_ms),
                    Some((_, None)) => {}
                    _ if pays => money.good.push((line.at_ms, None)),
                    _ => {}
                }
            }
        }
        payments
    }
}

/// The payment that a line is about.
fn intent_of(event: &Event) -> Option<&str> {
    match event {
        Event::Created { intent } => Some(&intent.id),
        Event::Confirmed { id, .. } | Event::Captured { id, .. } | Event::Canceled { id, .. } => {
            Some(id)
        }
        Event::RefundMade { refund } => Some(&refund.payment_intent),
        Event::DisputeOpened { dispute } => Some(&dispute.payment_intent),
        _ => None,
    }
}
