//! What the outside does: the wire, the provider, time, Stripe, death.
//!
//! Promise: nothing here knows our rows better than the world does. The provider de-duplicates by key
//! and gives stored answers again, a refusal may be stored or be given at the door, equal keys in
//! flight at once may both be bought, an answer may be lost after its effect, and a key is forgotten a
//! while after we have called it dead. Two bounds are assumed and can be switched off: a call has ended
//! when the processing bound has passed, and a key is remembered until it is dead.

use super::state::{Flight, Hold, Memory, Money, Order, Phase, Pur, Said, State, Ticket, Worker};
use super::{Act, Purchases};
use crate::guard::Guard;
use orders_core::state::Status;

impl Purchases {
    /// What can happen outside now.
    pub(super) fn outside(&self, s: &State, add: &mut impl FnMut(Act, State)) {
        for slot in 0..s.flights.len() {
            if let Some(flight) = s.flights[slot] {
                self.arrives(s, slot, flight, add);
            }
        }
        for worker in 0..3_u8 {
            if let Some(does) = s.workers[usize::from(worker)] {
                self.hands(s, worker, does, add);
            }
        }
        for number in 0..2 {
            if let Some(order) = s.order(number) {
                self.time(s, number, order, add);
                Self::retailer(s, number, add);
                self.stripe(s, number, order, add);
            }
        }
    }

    /// A worker sends, or cannot, or dies.
    fn hands(&self, s: &State, worker: u8, does: Worker, add: &mut impl FnMut(Act, State)) {
        let mut next = *s;
        match does {
            Worker::Unsent(ticket, late) => {
                if !late || !self.without.has(Guard::SendDeadline) {
                    Self::send(s, worker, ticket, late, add);
                }
                if !late {
                    let mut next = *s;
                    next.work(worker, Worker::Unsent(ticket, true));
                    add(Act::Dawdles { worker }, next);
                }
                if late || s.budget.losses > 0 {
                    next.budget.losses -= u8::from(!late);
                    next.work(worker, Worker::Answered(ticket, Said::NotSent));
                    add(Act::NotSent { worker, late }, next);
                }
            }
            Worker::Waiting(ticket) if s.budget.losses > 0 => {
                next.budget.losses -= 1;
                next.work(worker, Worker::Answered(ticket, Said::Lost));
                alone(&mut next, worker);
                add(Act::GivesUp { worker }, next);
            }
            _ => {}
        }
        if s.budget.crashes > 0 && does != Worker::Idle && !matches!(does, Worker::Reading(..)) {
            let mut next = *s;
            next.budget.crashes -= 1;
            next.work(worker, Worker::Idle);
            alone(&mut next, worker);
            add(Act::Dies { worker }, next);
        }
    }

    fn send(s: &State, worker: u8, ticket: Ticket, late: bool, add: &mut impl FnMut(Act, State)) {
        let Some(free) = s.flights.iter().position(Option::is_none) else { return };
        let mut next = *s;
        next.flights[free] = Some(Flight {
            order: ticket.order,
            key: ticket.key,
            body: ticket.body,
            worker: Some(worker),
            begun: false,
        });
        next.work(worker, Worker::Waiting(ticket));
        add(Act::Sends { worker, order: ticket.order, key: ticket.key, late }, next);
    }

    /// The provider deals with a request; the answer is heard, or lost on its way.
    fn arrives(&self, s: &State, slot: usize, flight: Flight, add: &mut impl FnMut(Act, State)) {
        let (number, key) = (usize::from(flight.order), usize::from(flight.key));
        let mut arrived = *s;
        arrived.flights[slot] = None;
        arrived.books[number].bodies[key] |= 1 << flight.body;
        let told = |next: State, said, effect, add: &mut dyn FnMut(Act, State)| {
            Self::answers(next, flight, said, effect, add);
        };
        let memory = s.books[number].memory[key];
        let stored = match memory {
            Memory::Answer(said) if !flight.begun && self.without.has(Guard::ProviderDedupes) => {
                Some(said)
            }
            _ => None,
        };
        if s.budget.refusals > 0 {
            for &said in self.at_the_door {
                let mut next = *s;
                next.flights[slot] = None;
                next.budget.refusals -= 1;
                told(next, said, "refuses at the door", add);
            }
        }
        if let Some(said) = stored {
            return told(arrived, said, "gives the answer that it has stored", add);
        }
        let alike = |other: &&Flight| other.order == flight.order && other.key == flight.key;
        let overlap = arrived.flights.iter().flatten().any(|other| alike(&other) && !other.begun);
        for both in [false, true] {
            let Some(free) = arrived.books[number].purchases.iter().position(|p| *p == Pur::None)
            else {
                continue;
            };
            if both && !overlap || s.wallet == 0 {
                continue;
            }
            let mut next = arrived;
            next.wallet -= 1;
            let book = &mut next.books[number];
            book.purchases[free] = Pur::Queued;
            book.bought_by[free] = flight.key;
            let said = Said::Accepted(u8::try_from(free).unwrap_or(0));
            book.memory[key] = Memory::Answer(said);
            if both {
                for other in next.flights.iter_mut().flatten().filter(|o| alike(&&**o)) {
                    other.begun = true;
                }
            }
            let effect = if both { "buys, while an equal request is under way" } else { "buys" };
            told(next, said, effect, add);
        }
        if s.wallet == 0 {
            arrived.books[number].memory[key] = Memory::Answer(Said::NoFunds);
            told(arrived, Said::NoFunds, "refuses for want of money", add);
        } else if s.budget.refusals > 0 {
            for &said in self.stored_words {
                let mut next = arrived;
                next.budget.refusals -= 1;
                next.books[number].memory[key] = Memory::Answer(said);
                told(next, said, "refuses, and stores that under the key", add);
            }
        }
    }

    fn answers(
        next: State,
        flight: Flight,
        said: Said,
        effect: &'static str,
        add: &mut dyn FnMut(Act, State),
    ) {
        let (order, key) = (flight.order, flight.key);
        let Some(worker) = flight.worker else {
            return add(Act::Provider { order, key, effect, heard: None }, next);
        };
        let Some(Worker::Waiting(ticket)) = next.workers[usize::from(worker)] else { return };
        let mut heard = next;
        heard.work(worker, Worker::Answered(ticket, said));
        add(Act::Provider { order, key, effect, heard: Some(true) }, heard);
        if next.budget.losses > 0 {
            let mut lost = next;
            lost.budget.losses -= 1;
            lost.work(worker, Worker::Answered(ticket, Said::Lost));
            add(Act::Provider { order, key, effect, heard: Some(false) }, lost);
        }
    }

    fn time(&self, s: &State, number: u8, order: Order, add: &mut impl FnMut(Act, State)) {
        if let Some(attempt) = order.attempt {
            let change = |change: &dyn Fn(&mut super::state::Attempt)| {
                let (mut next, mut order, mut attempt) = (*s, order, attempt);
                change(&mut attempt);
                order.attempt = Some(attempt);
                next.orders[usize::from(number)] = Some(order);
                next
            };
            if attempt.leased && attempt.phase == Phase::Running {
                let mut next = change(&|a| a.phase = Phase::Ended);
                for worker in next.workers.iter_mut().flatten() {
                    if let Worker::Unsent(ticket, late) = worker
                        && ticket.order == number
                    {
                        *late = true;
                    }
                }
                add(Act::LeaseEnds { order: number }, next);
            }
            let under_way = s.flies(number, attempt.key) && self.without.has(Guard::BoundHolds);
            if attempt.calls > 0 && attempt.phase == Phase::Ended && !under_way {
                add(Act::BoundPasses { order: number }, change(&|a| a.phase = Phase::Over));
            }
            if attempt.calls > 0
                && !attempt.key_dead
                && attempt.phase != Phase::Running
                && s.budget.deaths > 0
            {
                let mut next = change(&|a| a.key_dead = true);
                next.budget.deaths -= 1;
                add(Act::KeyDies { order: number }, next);
            }
        }
        self.forget(s, number, order, add);
    }

    fn forget(&self, s: &State, number: u8, order: Order, add: &mut impl FnMut(Act, State)) {
        let book = s.books[usize::from(number)];
        for key in 0..super::state::KEYS {
            let named = u8::try_from(key).unwrap_or(0);
            let current = order.attempt.is_some_and(|a| a.key == named);
            let dead = order.attempt.is_some_and(|a| a.key == named && a.key_dead);
            let used = named < order.keys || !self.without.has(Guard::RestoredSoon);
            // Who may still send under the key does so within half a minute, not after a day.
            let in_hand = s.workers.iter().flatten().any(|worker| {
                matches!(worker, Worker::Unsent(t, false) if t.order == number && t.key == named)
            });
            if book.memory[key] == Memory::Blank
                || s.flies(number, named)
                || in_hand
                || !(dead || !current && used && s.budget.deaths > 0)
            {
                continue;
            }
            let mut next = *s;
            next.budget.deaths -= u8::from(!dead);
            next.books[usize::from(number)].memory[key] = Memory::Blank;
            add(Act::Forgets { order: number, key: named }, next);
        }
    }

    /// The retailer takes, delivers, or cannot.
    fn retailer(s: &State, number: u8, add: &mut impl FnMut(Act, State)) {
        for n in 0..super::state::PURCHASES {
            let now = s.books[usize::from(number)].purchases[n];
            let go = |to: Pur, costs: u8| {
                let mut next = *s;
                next.budget.refusals -= costs;
                next.wallet += costs;
                next.books[usize::from(number)].purchases[n] = to;
                (Act::Becomes { order: number, now: to }, next)
            };
            match now {
                Pur::Queued => {
                    let (act, next) = go(Pur::Placed, 0);
                    add(act, next);
                }
                Pur::Placed => {
                    let (act, next) = go(Pur::Delivered, 0);
                    add(act, next);
                }
                _ => continue,
            }
            if s.budget.refusals > 0 {
                for gone in [Pur::GoneLater, Pur::GoneNever] {
                    let (act, next) = go(gone, 1);
                    add(act, next);
                }
            }
        }
    }

    /// Payments are undone, grow old, are named and read (`record_payments`, `settle_payment`,
    /// `attach_payment`).
    fn stripe(&self, s: &State, number: u8, order: Order, add: &mut impl FnMut(Act, State)) {
        let mut turn = |act: Act, money: Money, hold: Hold, spent: u8| {
            let (mut next, mut order) = (*s, order);
            (order.money, next.budget.undone) = (money, next.budget.undone - spent);
            if order.hold == hold {
                next.orders[usize::from(number)] = Some(order);
            } else {
                order.hold = hold;
                next.store(number, order);
            }
            add(act, next);
        };
        let bought = matches!(
            order.status,
            Status::SubmittedToZinc | Status::Processing | Status::Completed
        ) || order.request != 0;
        match order.money {
            Money::Good if s.budget.undone > 0 => {
                turn(Act::Undone { order: number }, Money::JustUndone, order.hold, 1);
            }
            Money::JustUndone => {
                turn(Act::FactsAge { order: number }, Money::Undone, order.hold, 0);
            }
            Money::Undone | Money::KnownUndone => {
                let holds = order.hold == Hold::None && !bought && !order.status.is_end();
                let hold = if holds { Hold::Payment } else { order.hold };
                turn(Act::PaymentRead { order: number }, Money::KnownUndone, hold, 0);
            }
            Money::Unnamed => {
                let taken = (0..2).any(|other| {
                    other != number && s.order(other).is_some_and(|o| o.money != Money::Unnamed)
                });
                if !taken || !self.without.has(Guard::OnePaymentOneOrder) {
                    turn(Act::PaymentNamed { order: number }, Money::Named, order.hold, 0);
                }
            }
            Money::Named if number == 0 || !self.without.has(Guard::PaymentNamesOrder) => {
                turn(Act::PaymentRead { order: number }, Money::Good, Hold::None, 0);
            }
            _ => {}
        }
    }
}

/// Nobody waits for the answers of a worker any more.
fn alone(s: &mut State, worker: u8) {
    for flight in s.flights.iter_mut().flatten() {
        if flight.worker == Some(worker) {
            flight.worker = None;
        }
    }
}
