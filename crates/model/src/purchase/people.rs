//! What people do: `cancel_order`, `hold_order`, `release_hold`, `resolve_review`,
//! `manually_complete_order`; a new release, a backup and its restoring.
//!
//! Promise: people are honest. Who says "nothing was bought" has looked at the provider in that moment
//! and seen nothing alive; who completes an order has seen a live purchase.

use super::state::{Hold, Money, Order, Phase, Refund, State, Worker};
use super::{Act, Deed, Purchases};
use crate::guard::Guard;
use orders_core::state::Status;

impl Purchases {
    /// What people can do now.
    pub(super) fn people(&self, s: &State, add: &mut impl FnMut(Act, State)) {
        for number in 0..2 {
            let Some(order) = s.order(number) else { continue };
            if s.budget.people > 0 {
                self.cancel(s, number, order, add);
                Self::hold(s, number, order, add);
            }
            if self.people_decide {
                self.resolve(s, number, order, add);
            }
            if matches!(order.hold, Hold::Operator | Hold::Funds | Hold::Wish) {
                // What a person's hold has hidden of the payment holds the order next; what a wish to
                // cancel has hidden shows at the next reading.
                let undone = order.money == Money::KnownUndone && order.hold != Hold::Wish;
                let open = matches!(order.status, Status::Pending | Status::Submitting);
                let hold = if undone && open { Hold::Payment } else { Hold::None };
                let after = Order { hold, ..order };
                let mut next = *s;
                next.wallet += u8::from(order.hold == Hold::Funds);
                next.store(number, after);
                add(Act::Person { order: number, deed: Deed::Releases }, next);
            }
        }
        if s.budget.releases > 0 {
            let mut next = *s;
            next.budget.releases -= 1;
            next.release += 1;
            add(Act::NewRelease, next);
        }
        self.restore(s, add);
    }

    fn cancel(&self, s: &State, number: u8, order: Order, add: &mut impl FnMut(Act, State)) {
        if order.status.is_end() {
            return;
        }
        let (mut next, mut order) = (*s, order);
        next.budget.people -= 1;
        let sent = order.attempt.is_some_and(|a| a.calls > 0);
        let unsent = matches!(order.status, Status::Pending | Status::NeedsReview) && !sent;
        let careless = !self.without.has(Guard::CancelOnlyUnsent)
            && !order.attempt.is_some_and(|a| a.leased)
            && matches!(order.status, Status::Pending | Status::Submitting);
        if unsent || careless {
            order.attempt = None;
            order.go(Status::Cancelled);
            self.end_unbought(&mut order);
        } else if order.hold == Hold::Wish {
            return;
        } else {
            order.hold = Hold::Wish;
            if !self.without.has(Guard::RefundOnlyFromEnd) && order.money == Money::Good {
                order.refund = order.refund.max_intended();
            }
        }
        next.store(number, order);
        add(Act::Person { order: number, deed: Deed::Cancels }, next);
    }

    fn hold(s: &State, number: u8, order: Order, add: &mut impl FnMut(Act, State)) {
        if order.status.is_end() || order.hold != Hold::None {
            return;
        }
        let mut next = *s;
        next.budget.people -= 1;
        next.store(number, Order { hold: Hold::Operator, ..order });
        add(Act::Person { order: number, deed: Deed::Holds }, next);
    }

    fn resolve(&self, s: &State, number: u8, order: Order, add: &mut impl FnMut(Act, State)) {
        let book = s.books[usize::from(number)];
        let lives = order.attempt.is_some_and(|a| book.lives_under(a.key));
        let mut decide = |deed: Deed, change: &dyn Fn(&mut Order)| {
            let (mut next, mut order) = (*s, order);
            change(&mut order);
            self.end_unbought(&mut order);
            next.unfence(number);
            next.store(number, order);
            add(Act::Person { order: number, deed }, next);
        };
        let leased = order.status == Status::Submitting
            && order.attempt.is_some_and(|a| a.leased && a.phase == Phase::Running);
        let open = matches!(
            order.status,
            Status::Submitting | Status::NeedsReview | Status::SubmittedToZinc | Status::Processing
        );
        if open && lives && !leased {
            decide(Deed::Completes, &|o| {
                (o.attempt, o.hold) = (None, Hold::None);
                o.go(Status::Completed);
            });
        }
        if order.status != Status::NeedsReview {
            return;
        }
        if let Some(attempt) = order.attempt {
            let over = attempt.phase == Phase::Over || !self.without.has(Guard::PersonWaits);
            if !lives && over {
                decide(Deed::SaysNothingWasBought, &|o| {
                    (o.attempt, o.request) = (None, 0);
                    if o.hold == Hold::Wish {
                        o.go(Status::Cancelled);
                    }
                });
            }
            if order.request != 0 && order.hold != Hold::Wish {
                decide(Deed::WatchesOn, &|o| o.go(Status::SubmittedToZinc));
            }
            return;
        }
        if order.hold != Hold::Wish
            && order.generation < self.generations_max
            && order.money == Money::Good
        {
            decide(Deed::BuysAgain, &|o| o.go(Status::Pending));
        }
        decide(Deed::GivesUp, &|o| o.go(Status::Failed));
    }

    /// A backup of the first order is taken, and later put back; all engines are stopped for it, and it
    /// takes longer than a call.
    fn restore(&self, s: &State, add: &mut impl FnMut(Act, State)) {
        let Some(now) = s.order(0) else { return };
        if s.budget.restores == 0 {
            return;
        }
        let mut next = *s;
        let Some(backup) = s.backup else {
            next.backup = Some(now);
            return add(Act::BackedUp, next);
        };
        if s.flights.iter().flatten().next().is_some() {
            return;
        }
        next.budget.restores -= 1;
        for worker in next.workers.iter_mut().flatten() {
            *worker = Worker::Idle;
        }
        // What Stripe has returned stays returned, and what we know of it is old.
        let returned = now.refund == Refund::Made;
        let keys = if self.without.has(Guard::DerivedKeys) { backup.keys } else { now.keys };
        next.store(
            0,
            Order {
                refund: if returned { Refund::Made } else { backup.refund },
                money: if returned { Money::Undone } else { now.money },
                keys,
                ..backup
            },
        );
        next.backup = None;
        add(Act::Restored, next);
    }
}
