//! What Stripe, the wire, the bank, time and people do to a movement.

use super::state::{Flight, KEYS, MOVES, Phase, Refunded, Row, State, Told, Worker};
use super::{Act, Movements};
use crate::guard::Guard;
use orders_core::money_move::Kind;

impl Movements {
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
        for number in 0..MOVES {
            if let Some(row) = s.rows[number] {
                self.time(s, number, row, add);
                Self::bank(s, number, add);
            }
        }
        if s.budget.ends > 0 && !s.ended {
            let mut next = *s;
            (next.ended, next.budget.ends) = (true, s.budget.ends - 1);
            add(Act::OrderEnds, next);
        }
        // Engines are stopped for it, and it takes longer than a call. The ids are derived, so that what
        // is intended again is the same movement.
        if s.budget.restores > 0 && s.flights.iter().flatten().next().is_none() {
            let mut next = *s;
            next.budget.restores -= 1;
            next.rows = [Some(self.intended(self.kind, 0)), None, None];
            for worker in next.workers.iter_mut().flatten() {
                *worker = Worker::Idle;
            }
            add(Act::Restored, next);
        }
    }

    fn hands(&self, s: &State, worker: u8, does: Worker, add: &mut impl FnMut(Act, State)) {
        let mut next = *s;
        match does {
            Worker::Unsent(ticket, key, late) => {
                let number = ticket.number;
                if let Some(free) = s.flights.iter().position(Option::is_none)
                    && (!late || !self.without.has(Guard::MoveDeadline))
                {
                    let mut next = *s;
                    next.flights[free] = Some(Flight { number, key, worker: Some(worker) });
                    next.work(worker, Worker::Waiting(ticket));
                    add(Act::Sends { worker, number, late }, next);
                }
                next.work(worker, Worker::Unsent(ticket, key, true));
                if late {
                    next.work(worker, Worker::Answered(ticket, Told::NotSent));
                    return add(Act::NotSent { worker }, next);
                }
                add(Act::Dawdles { worker }, next);
            }
            Worker::Waiting(ticket) if s.budget.losses > 0 => {
                next.budget.losses -= 1;
                next.work(worker, Worker::Answered(ticket, Told::Lost));
                alone(&mut next, worker);
                add(Act::GivesUp { worker }, next);
            }
            _ => {}
        }
        if s.budget.crashes > 0 && does != Worker::Idle {
            let mut next = *s;
            next.budget.crashes -= 1;
            next.work(worker, Worker::Idle);
            alone(&mut next, worker);
            add(Act::Dies { worker }, next);
        }
    }

    /// Stripe deals with a call.
    fn arrives(&self, s: &State, slot: usize, flight: Flight, add: &mut impl FnMut(Act, State)) {
        let (number, key) = (usize::from(flight.number), usize::from(flight.key));
        let Some(kind) = s.rows[number].map(|row| row.kind) else { return };
        let mut arrived = *s;
        arrived.flights[slot] = None;
        if let Some(told) = s.book.memory[number][key] {
            let again = if told == Told::ServerError { Told::StoredError } else { told };
            return answers(
                arrived,
                flight,
                again,
                "gives the answer that the key has stored",
                add,
            );
        }
        let mut keep = |mut next: State, told: Told, effect: &'static str| {
            next.book.memory[number][key] = Some(told);
            answers(next, flight, told, effect, add);
        };
        if s.budget.errors > 0 {
            let mut failed = arrived;
            failed.budget.errors -= 1;
            keep(failed, Told::ServerError, "fails without an effect, and stores that");
            keep(failed, Told::Refused, "refuses, and stores that");
        }
        let Some((done, told)) = self.effect(&arrived, number, kind) else {
            return keep(arrived, Told::Refused, "refuses, and stores that");
        };
        keep(done, told, "does it");
        if s.budget.errors > 0 {
            let mut odd = done;
            odd.budget.errors -= 1;
            keep(
                odd,
                Told::ServerError,
                "does it, answers with an error of its own, and stores that",
            );
        }
    }

    /// What a call does at Stripe, if it can be done.
    fn effect(&self, s: &State, number: usize, kind: Kind) -> Option<(State, Told)> {
        let mut next = *s;
        let book = &mut next.book;
        match kind {
            Kind::Capture => {
                let again = book.captures > 0 && !self.without.has(Guard::StripeCapturesOnce);
                if book.reserved == 0 && !again {
                    return None;
                }
                book.captures += 1;
                book.received += book.reserved;
                book.reserved = 0;
                Some((next, Told::Done))
            }
            Kind::Cancel => {
                if book.reserved == 0 {
                    return None;
                }
                (book.canceled, book.reserved) = (true, 0);
                Some((next, Told::Done))
            }
            Kind::Refund => {
                let out = self.returned(s) + self.amounts[number];
                let free = book.refunds[number].iter().position(|r| *r == Refunded::None)?;
                if out > book.received && self.without.has(Guard::StripeBoundsRefunds) {
                    return None;
                }
                book.refunds[number][free] = Refunded::Pending;
                Some((next, Told::Pending))
            }
        }
    }

    fn time(&self, s: &State, number: usize, row: Row, add: &mut impl FnMut(Act, State)) {
        let named = u8::try_from(number).unwrap_or(0);
        let flies = |key: u8| {
            s.flights.iter().flatten().any(|flight| flight.number == named && flight.key == key)
        };
        let any = (0..3).any(flies);
        let mut change = |act: Act, change: &dyn Fn(&mut State, &mut Row)| {
            let (mut next, mut row) = (*s, row);
            change(&mut next, &mut row);
            next.rows[number] = Some(row);
            add(act, next);
        };
        if row.phase == Phase::Running {
            change(Act::CallEnds { number: named }, &|next, row| {
                row.phase = Phase::Ended;
                for worker in next.workers.iter_mut().flatten() {
                    if let Worker::Unsent(ticket, _, late) = worker
                        && ticket.number == named
                    {
                        *late = true;
                    }
                }
            });
        }
        if row.phase == Phase::Ended && (!any || !self.without.has(Guard::StripeBoundHolds)) {
            change(Act::CallIsOver { number: named }, &|_, row| row.phase = Phase::Over);
        }
        if row.leased && row.phase != Phase::Running {
            change(Act::LeaseEnds { number: named }, &|next, row| {
                row.leased = false;
                next.unfence(named);
            });
        }
        if row.calls > 0 && !row.key_dead && row.phase != Phase::Running && s.budget.deaths > 0 {
            change(Act::KeyDies { number: named }, &|next, row| {
                row.key_dead = true;
                next.budget.deaths -= 1;
            });
        }
        for key in 0..KEYS {
            let at = u8::try_from(key).unwrap_or(0);
            let in_hand = s.workers.iter().flatten().any(|worker| {
                matches!(worker, Worker::Unsent(t, k, false) if t.number == named && *k == at)
            });
            let dead = at + 1 < row.keys || at + 1 == row.keys && row.key_dead;
            // What another error has stored of a capture is never asked again, and need not be pruned.
            if s.book.memory[number][key].is_some() && dead && !flies(at) && !in_hand {
                change(Act::Prunes { number: named, key: at }, &|next, _| {
                    next.book.memory[number][key] = None;
                });
            }
        }
    }

    fn bank(s: &State, number: usize, add: &mut impl FnMut(Act, State)) {
        let named = u8::try_from(number).unwrap_or(0);
        for n in 0..2 {
            let mut next = *s;
            let refund = &mut next.book.refunds[number][n];
            if *refund == Refunded::Pending {
                *refund = Refunded::Done;
                add(Act::BankDoes { number: named }, next);
            }
            let mut next = *s;
            let refund = &mut next.book.refunds[number][n];
            if refund.lives() && s.budget.returns > 0 {
                *refund = Refunded::Returned;
                next.budget.returns -= 1;
                add(Act::BankReturns { number: named }, next);
            }
        }
    }
}

fn answers(
    next: State,
    flight: Flight,
    told: Told,
    effect: &'static str,
    add: &mut impl FnMut(Act, State),
) {
    let (number, key) = (flight.number, flight.key);
    let Some(worker) = flight.worker else {
        return add(Act::Stripe { number, key, effect, heard: None }, next);
    };
    let Some(Worker::Waiting(ticket)) = next.workers[usize::from(worker)] else { return };
    let mut heard = next;
    heard.work(worker, Worker::Answered(ticket, told));
    add(Act::Stripe { number, key, effect, heard: Some(true) }, heard);
    if next.budget.losses > 0 {
        let mut lost = next;
        lost.budget.losses -= 1;
        lost.work(worker, Worker::Answered(ticket, Told::Lost));
        add(Act::Stripe { number, key, effect, heard: Some(false) }, lost);
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
