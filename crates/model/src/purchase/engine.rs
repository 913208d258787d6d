//! What the engine and the database's functions do, decided by `orders_core`.
//!
//! | act | SQL | decision |
//! |---|---|---|
//! | claim | `lock_due_orders`, `commit_intents`, `review_orders` | `plan::before_send` |
//! | record | `record_acceptances`, `record_setbacks`, `end_unbought` | `plan::after_answer` |
//! | record a reading | `record_readings`, `end_unbought` | `plan::reading::after_reading` |
//! | recover | `recover_ended_leases`, `recover_dead_keys` | – |
//! | look up | `complete_order_processing` (`accept_purchase`) | – |
//! | return money | `return_money`, `settle_payment`; `commit_move` and the call in one | – |
//!
//! The account's pauses are left out: they cost time and decide nothing.

use super::state::{
    Attempt, Code, Fault, Hold, KEYS, Money, Order, Phase, Pur, Refund, Said, State, Ticket, Worker,
};
use super::{Act, Purchases};
use crate::guard::Guard;
use orders_core::attempt::AttemptOutcome;
use orders_core::money::Currency;
use orders_core::outcome::{Answer, Class, Doubt, Placed, Reading, Refusal, Whose};
use orders_core::plan::reading::{CompleteOn, Step, Watched, after_reading};
use orders_core::plan::{
    Consequence, Intent, Limits, OpenAttempt, Sent, Setback, after_answer, before_send,
};
use orders_core::state::Status;
use std::time::Duration;

/// How many workers there may be, as their numbers are counted.
const WORKERS: u8 = 3;

impl Purchases {
    fn limits(&self) -> Limits {
        Limits {
            calls_max: u32::from(self.calls_max),
            generations_max: u32::from(self.generations_max),
            ..Limits::default()
        }
    }

    /// What the engine can do now.
    pub(super) fn engine(&self, s: &State, add: &mut impl FnMut(Act, State)) {
        for worker in 0..WORKERS {
            match s.workers[usize::from(worker)] {
                Some(Worker::Idle) => {
                    for number in 0..2 {
                        self.claim(s, worker, number, add);
                        Self::read(s, worker, number, add);
                    }
                }
                Some(Worker::Answered(ticket, said)) => {
                    self.record(s, worker, ticket, said, add);
                }
                Some(Worker::Reading(number, seen, fresh)) => {
                    self.record_reading(s, worker, number, seen, fresh, add);
                }
                _ => {}
            }
        }
        for number in 0..2 {
            if let Some(order) = s.order(number) {
                self.recover(s, number, order, add);
                self.look_up(s, number, order, add);
                self.return_money(s, number, order, add);
            }
        }
    }

    fn claim(&self, s: &State, worker: u8, number: u8, add: &mut impl FnMut(Act, State)) {
        let Some(order) = s.order(number) else { return };
        let has = |guard| self.without.has(guard);
        let known = matches!(order.money, Money::Good | Money::JustUndone);
        let free = order.attempt.is_none_or(|a| {
            a.outcome != AttemptOutcome::Refused && (!a.leased || !has(Guard::ClaimRespectsLease))
        });
        if !matches!(order.status, Status::Pending | Status::Submitting)
            || order.hold != Hold::None && has(Guard::HoldStopsSends)
            || !(known || order.money == Money::Undone && !has(Guard::FreshFacts))
            || !free
        {
            return;
        }
        let standing = order.attempt.filter(|a| has(Guard::OneUnsettled) || a.leased);
        let open = standing.map(|a| OpenAttempt {
            generation: i32::from(order.generation),
            calls: u32::from(a.calls),
            key_dead: a.key_dead && has(Guard::KeyDeath),
            may_still_run: a.phase != Phase::Over && a.calls > 0 && has(Guard::RepeatWaits),
        });
        let mut next = *s;
        let mut order = order;
        match before_send(i32::from(order.generation), open, &self.limits()) {
            Intent::Leave => return,
            Intent::Review(reason) => {
                order.go(Status::NeedsReview);
                next.store(number, order);
                return add(Act::Review { worker, order: number, reason }, next);
            }
            Intent::Open(_) => {
                if usize::from(order.keys) >= KEYS {
                    return;
                }
                order.stray |= order.attempt.is_some();
                order.generation += 1;
                order.attempt = Some(Attempt {
                    outcome: AttemptOutcome::Open,
                    calls: 0,
                    key: order.keys,
                    body: s.release,
                    code: Code::Other,
                    phase: Phase::Running,
                    leased: false,
                    key_dead: false,
                });
                order.keys += 1;
            }
            Intent::Repeat(_) => {}
        }
        if order.hold != Hold::None {
            order.fault = Fault::ClaimedHeld;
        }
        if order.money == Money::Undone {
            order.fault = Fault::ClaimedUnpaid;
        }
        self.commit_intent(next, worker, number, order, add);
    }

    fn commit_intent(
        &self,
        mut next: State,
        worker: u8,
        number: u8,
        mut order: Order,
        add: &mut impl FnMut(Act, State),
    ) {
        let Some(mut attempt) = order.attempt else { return };
        let again = attempt.calls > 0;
        if again && !self.without.has(Guard::StableKey) {
            if usize::from(order.keys) >= KEYS {
                return;
            }
            attempt.key = order.keys;
            order.keys += 1;
        }
        if !self.without.has(Guard::FrozenBytes) {
            attempt.body = next.release;
        }
        attempt.calls += 1;
        attempt.phase = Phase::Running;
        attempt.leased = true;
        order.attempt = Some(attempt);
        order.go(Status::Submitting);
        next.unfence(number);
        next.store(number, order);
        let ticket = Ticket {
            order: number,
            generation: order.generation,
            key: attempt.key,
            body: attempt.body,
            calls: attempt.calls,
            code: attempt.code,
            fenced: true,
        };
        next.work(worker, Worker::Unsent(ticket, false));
        let generation = order.generation;
        add(Act::Claim { worker, order: number, generation, key: ticket.key, again }, next);
    }

    /// The answer as the program reads it.
    fn answer(&self, said: Said) -> Answer {
        let refusal = |class, code: &str, key_used_up| {
            let (code, kept) = (code.to_owned(), true);
            Answer::Refused(Refusal { class, code, key_used_up, kept, wrong_fields: None })
        };
        let settles = self.without.has(Guard::RefusalsSettle);
        match said {
            Said::Accepted(n) => Answer::Accepted { request_id: n.to_string() },
            Said::Lost if !self.without.has(Guard::LostAnswerIsUnknown) => {
                refusal(Class::Rejected, "lost", true)
            }
            Said::Lost if !self.without.has(Guard::LostAnswerIsNoDoubt) => {
                refusal(Class::NeedsReview, "lost", false)
            }
            Said::Lost => Answer::Unknown { doubt: Doubt::TimedOut, retry_after: None },
            Said::NotSent => Answer::NotSent { why: "too_late" },
            Said::Later => refusal(Class::RetryNewKey, "internal_error", settles),
            Said::Never => refusal(Class::Rejected, "product_unavailable", settles),
            Said::NoFunds => refusal(Class::HoldUntilFunded, "insufficient_balance", settles),
            Said::Unclear if !self.without.has(Guard::OnlyUsedUpKeySettles) => {
                refusal(Class::Rejected, "unclear", true)
            }
            Said::Unclear => refusal(Class::NeedsReview, "unclear", false),
            Said::Account => refusal(Class::Configuration, "account", true),
        }
    }

    fn record(
        &self,
        s: &State,
        worker: u8,
        ticket: Ticket,
        said: Said,
        add: &mut impl FnMut(Act, State),
    ) {
        let number = ticket.order;
        let mut next = *s;
        next.work(worker, Worker::Idle);
        let Some(mut order) = s.order(number) else { return };
        let fenced = ticket.fenced || !self.without.has(Guard::Fence);
        let standing = order.attempt.filter(|a| {
            order.status == Status::Submitting
                && fenced
                && (a.leased && a.phase == Phase::Running || !self.without.has(Guard::Fence))
        });
        let Some(mut attempt) = standing else {
            return add(Act::Record { worker, order: number, said, stale: true }, next);
        };
        let sent = Sent {
            generation: u32::from(ticket.generation),
            calls: u32::from(ticket.calls),
            last_code: Some(if ticket.code == Code::Account { "account" } else { "other" }.into()),
        };
        match after_answer(self.answer(said), &sent, &self.limits(), 0) {
            Consequence::Accept(_) if order.request != 0 => {}
            Consequence::Accept(id) => {
                order.request = id.parse::<u8>().unwrap_or(0) + 1;
                order.go(if order.hold == Hold::None {
                    Status::SubmittedToZinc
                } else {
                    Status::NeedsReview
                });
                attempt.leased = false;
                attempt.phase = attempt.phase.max(Phase::Ended);
                order.attempt = Some(attempt);
            }
            Consequence::Setback(setback) => {
                attempt.code = if said == Said::Account { Code::Account } else { Code::Other };
                self.set_back(&mut order, attempt, &setback);
            }
        }
        next.unfence(number);
        next.store(number, order);
        add(Act::Record { worker, order: number, said, stale: false }, next);
    }

    /// `record_setbacks`, once the fence holds.
    fn set_back(&self, order: &mut Order, mut attempt: Attempt, setback: &Setback) {
        let released = setback.kind == "claim_released";
        let unsent = released && attempt.calls == 1 && attempt.outcome == AttemptOutcome::Open;
        let wished = order.hold == Hold::Wish;
        let settled = setback.settlement.is_some();
        let after = match () {
            () if wished && (unsent || settled) => Status::Cancelled,
            () if released && unsent => Status::Pending,
            () if released => Status::Submitting,
            () => setback.after,
        };
        if !released {
            attempt.outcome = outcome(setback.outcome);
        }
        attempt.leased = false;
        attempt.phase = attempt.phase.max(Phase::Ended);
        if unsent {
            (attempt.calls, attempt.phase, attempt.key_dead) = (0, Phase::Over, false);
        }
        order.attempt = (!(settled || wished && unsent)).then_some(attempt);
        if order.hold == Hold::None && setback.hold_reason.is_some() {
            order.hold = Hold::Funds;
        }
        order.go(after);
        self.end_unbought(order);
    }

    /// `end_unbought`: what follows in the transaction that ends an order without goods. // G7
    pub(super) fn end_unbought(&self, order: &mut Order) {
        if matches!(order.status, Status::Cancelled | Status::Failed) {
            order.hold = Hold::None;
            if self.without.has(Guard::RefundWithTheEnd) && order.money == Money::Good {
                order.refund = order.refund.max_intended();
            }
        }
    }

    fn recover(&self, s: &State, number: u8, order: Order, add: &mut impl FnMut(Act, State)) {
        let Some(mut attempt) = order.attempt else { return };
        if order.status != Status::Submitting || !self.without.has(Guard::Recovery) {
            return;
        }
        let (mut next, mut order) = (*s, order);
        if attempt.leased && attempt.phase >= Phase::Ended {
            let exhausted = attempt.calls >= self.calls_max || attempt.key_dead;
            attempt.outcome = AttemptOutcome::Unknown;
            attempt.leased = false;
            order.attempt = Some(attempt);
            if exhausted {
                order.go(Status::NeedsReview);
            } else if !self.without.has(Guard::RecoveryKeepsSubmitting) {
                order.go(Status::Pending);
            }
            if !self.without.has(Guard::UnknownWaits) && !exhausted {
                order.attempt = None;
                order.go(Status::Pending);
            }
            next.unfence(number);
            next.store(number, order);
            add(Act::Recover { order: number, after: order.status }, next);
        } else if !attempt.leased && attempt.key_dead && self.without.has(Guard::KeyDeath) {
            order.go(Status::NeedsReview);
            next.store(number, order);
            add(Act::KeyDied { order: number }, next);
        }
    }

    fn look_up(&self, s: &State, number: u8, order: Order, add: &mut impl FnMut(Act, State)) {
        let Some(attempt) = order.attempt else { return };
        if !matches!(order.status, Status::Submitting | Status::NeedsReview) || attempt.calls == 0 {
            return;
        }
        if let Some(found) = s.books[usize::from(number)].under(attempt.key)
            && order.hold == Hold::None
            && order.request == 0
        {
            let (mut next, mut order) = (*s, order);
            order.request = found + 1;
            order.go(Status::SubmittedToZinc);
            next.store(number, order);
            add(Act::Found { order: number }, next);
        }
        if attempt.outcome != AttemptOutcome::Unknown || order.request != 0 {
            return;
        }
        // The list may leave out what has not ended, so that it can be empty at any time.
        let mut believe = |act: Act| {
            let (mut next, mut order) = (*s, order);
            order.attempt = None;
            order.go(Status::Failed);
            self.end_unbought(&mut order);
            next.store(number, order);
            add(act, next);
        };
        if order.status == Status::Submitting && !attempt.leased {
            if !self.without.has(Guard::AbsenceProvesNothing) {
                believe(Act::Absent { order: number });
            }
        } else if order.status == Status::NeedsReview {
            if !self.without.has(Guard::QuarantineIsNotEnough) && attempt.phase == Phase::Over {
                believe(Act::SettledByWaiting { order: number, looked: false });
            }
            if !self.without.has(Guard::LookUpIsNotEnough) {
                believe(Act::SettledByWaiting { order: number, looked: true });
            }
        }
    }

    fn read(s: &State, worker: u8, number: u8, add: &mut impl FnMut(Act, State)) {
        let Some(order) = s.order(number) else { return };
        if !matches!(order.status, Status::SubmittedToZinc | Status::Processing) {
            return;
        }
        let seen = order
            .request
            .checked_sub(1)
            .map_or(Pur::None, |n| s.books[usize::from(number)].purchases[usize::from(n)]);
        if matches!(seen, Pur::None | Pur::Queued)
            || seen == Pur::Placed && order.status == Status::Processing
        {
            return;
        }
        let mut next = *s;
        next.work(worker, Worker::Reading(number, seen, true));
        add(Act::Read { worker, order: number, seen }, next);
    }

    fn record_reading(
        &self,
        s: &State,
        worker: u8,
        number: u8,
        seen: Pur,
        fresh: bool,
        add: &mut impl FnMut(Act, State),
    ) {
        let Some(mut order) = s.order(number) else { return };
        let mut next = *s;
        next.work(worker, Worker::Idle);
        let watched = matches!(order.status, Status::SubmittedToZinc | Status::Processing);
        let step = (watched && (fresh || !self.without.has(Guard::ReadingVersion)))
            .then(|| self.step(&order, seen))
            .flatten();
        let Some(step) = step else {
            return add(Act::RecordReading { worker, order: number, stale: true }, next);
        };
        let wished = order.hold == Hold::Wish && step.settlement == Some("provider_final");
        let after = if wished { Status::Cancelled } else { step.after };
        if order.hold == Hold::None && step.hold_reason.is_some() {
            order.hold = Hold::Funds;
        }
        if step.settlement.is_some() {
            order.attempt = None;
            if matches!(after, Status::Pending | Status::NeedsReview) {
                order.request = 0;
            }
        }
        order.go(after);
        self.end_unbought(&mut order);
        next.store(number, order);
        add(Act::RecordReading { worker, order: number, stale: false }, next);
    }

    /// What `orders_core` makes of a reading.
    fn step(&self, order: &Order, seen: Pur) -> Option<Step> {
        let gone = |class, code: &str| {
            let (code, key_used_up, kept) = (code.to_owned(), true, true);
            let refusal = Refusal { class, code, key_used_up, kept, wrong_fields: None };
            Reading::Failed(refusal, Whose::Ours)
        };
        let placed = |delivered| {
            let (cost_minor, currency, merchant_order_ids) = (None, None, Vec::new());
            let placed = Placed { cost_minor, currency, merchant_order_ids, delivered };
            Reading::Placed(placed, Whose::Ours)
        };
        let reading = match seen {
            Pur::None | Pur::Queued => return None,
            Pur::Placed => placed(false),
            Pur::Delivered => placed(true),
            Pur::GoneLater => gone(Class::RetryNewKey, "retailer_error"),
            Pur::GoneNever => gone(Class::Cancelled, "cancelled"),
        };
        let watched = Watched {
            status: order.status,
            generation: u32::from(order.generation),
            currency: Currency::Usd,
            price_cap_minor: 100,
            complete_on: CompleteOn::Delivered,
            poll: Duration::from_mins(5),
            age: Duration::from_mins(1),
            vain: 0,
        };
        after_reading(reading, watched, &self.limits(), 0).step
    }

    fn return_money(&self, s: &State, number: u8, order: Order, add: &mut impl FnMut(Act, State)) {
        let ended = matches!(order.status, Status::Cancelled | Status::Failed);
        let (mut next, mut row) = (*s, order);
        if order.refund == Refund::Intended
            && (ended || !self.without.has(Guard::RefundOnlyFromEnd))
        {
            row.refund = if order.money == Money::Good { Refund::Made } else { Refund::Not };
            next.store(number, row);
            add(Act::MoneyReturned { order: number }, next);
        } else if order.refund == Refund::Not
            && ended
            && order.money == Money::Good
            && self.without.has(Guard::EndedAreReadAgain)
        {
            row.refund = Refund::Intended;
            next.store(number, row);
            add(Act::EndedRead { order: number }, next);
        }
    }
}

impl Refund {
    /// Intended, unless it is made.
    pub(super) fn max_intended(self) -> Self {
        if self == Self::Not { Self::Intended } else { self }
    }
}

fn outcome(name: &str) -> AttemptOutcome {
    let known = AttemptOutcome::ALL.into_iter().find(|outcome| outcome.name() == name);
    known.unwrap_or(AttemptOutcome::Unknown)
}
