//! A movement of money: a refund, a capture, a cancellation, from its intent to Stripe's book.
//!
//! Promise: every decision before a send is `orders_core::money_move::before_send`, every decision after
//! an answer `after_answer`. What stands here is what SQL does around them (`lease_moves`,
//! `commit_move`, `record_move`, `plan_move`, `return_money`, `refund_order`, `fail_refund`) and what
//! Stripe does: keys that store their first answer and are pruned after a day, errors with and without
//! an effect, a bank that gives a refund back.
//!
//! The laws look at Stripe's book. A look that sends nothing is recorded in the same act.

mod engine;
mod outside;
pub mod state;
mod tell;

use crate::guard::Without;
use crate::world::{Cause, Move, World};
use orders_core::money_move::{Kind, State as Stage};
use state::{Book, Budget, Code, KEYS, MOVES, Phase, Refunded, Row, State, Told, Worker};
use stateright::{Model, Property};

/// The law of G28.
pub const ONE_REFUND: &str = "a movement is made at most once";
/// The other half of G28.
pub const NOT_MORE: &str = "never more returned than received";
/// Reserved money is taken once.
pub const ONE_CAPTURE: &str = "money is captured at most once";

/// A scenario of movements.
#[derive(Debug, Clone, Copy)]
pub struct Movements {
    /// What is switched off.
    pub without: Without,
    /// How many workers: up to three.
    pub workers: u8,
    /// What is moved first.
    pub kind: Kind,
    /// The amounts of the movements, in the order of their numbers.
    pub amounts: [u8; MOVES],
    /// What Stripe has received, or reserved, at the beginning.
    pub money: u8,
    /// What may go wrong.
    pub budget: Budget,
}

/// What happens; each is told in a sentence in `tell.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences of tell.rs say what each is")]
pub enum Act {
    Looks { worker: u8, number: u8, after: Option<Stage>, renew: bool },
    Commits { worker: u8, number: u8, key: u8 },
    Leaves { worker: u8, number: u8 },
    Sends { worker: u8, number: u8, late: bool },
    Dawdles { worker: u8 },
    NotSent { worker: u8 },
    GivesUp { worker: u8 },
    Dies { worker: u8 },
    Record { worker: u8, number: u8, told: Told, after: Stage, stale: bool },
    Stripe { number: u8, key: u8, effect: &'static str, heard: Option<bool> },
    LeaseEnds { number: u8 },
    CallEnds { number: u8 },
    CallIsOver { number: u8 },
    KeyDies { number: u8 },
    Prunes { number: u8, key: u8 },
    BankDoes { number: u8 },
    BankReturns { number: u8 },
    ReturnIsRead { number: u8 },
    Asked { number: u8 },
    OrderEnds,
    EndedRead { kind: Kind },
    Restored,
}

impl Movements {
    /// A row as it is intended.
    pub(crate) fn intended(&self, kind: Kind, number: usize) -> Row {
        Row {
            kind,
            amount: self.amounts[number],
            state: Stage::Open,
            calls: 0,
            keys: 1,
            key_dead: false,
            phase: Phase::Over,
            leased: false,
            known: false,
            code: Code::Other,
        }
    }

    /// What of the money is out, or may be.
    pub(crate) fn returned(&self, s: &State) -> u8 {
        s.book.refunds.iter().zip(self.amounts).fold(0, |sum, (refunds, amount)| {
            let live = refunds.iter().filter(|refund| refund.lives()).count();
            sum + u8::try_from(live).unwrap_or(u8::MAX) * amount
        })
    }
}

impl Model for Movements {
    type State = State;
    type Action = Move<Act, State>;

    fn init_states(&self) -> Vec<State> {
        let worker = |n: u8| (n < self.workers).then_some(Worker::Idle);
        let captures = self.kind == Kind::Capture;
        vec![State {
            ended: !captures,
            rows: [Some(self.intended(self.kind, 0)), None, None],
            workers: [worker(0), worker(1), worker(2)],
            flights: [None; 3],
            book: Book {
                received: if captures { 0 } else { self.money },
                reserved: if captures { self.money } else { 0 },
                captures: 0,
                canceled: false,
                refunds: [[Refunded::None; 2]; MOVES],
                memory: [[None; KEYS]; MOVES],
            },
            budget: self.budget,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Self::Action>) {
        actions.extend(self.moves(state));
    }

    fn next_state(&self, _: &State, action: Self::Action) -> Option<State> {
        Some(action.next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_REFUND, |w, s| w.holds(ONE_REFUND, s)),
            Property::always(NOT_MORE, |w, s| w.holds(NOT_MORE, s)),
            Property::always(ONE_CAPTURE, |w, s| w.holds(ONE_CAPTURE, s)),
        ]
    }
}

impl World for Movements {
    type Act = Act;

    fn moves(&self, state: &State) -> Vec<Move<Act, State>> {
        let mut moves = Vec::new();
        let mut add = |act, next: State| {
            if next != *state {
                moves.push(Move { act, next });
            }
        };
        self.engine(state, &mut add);
        self.outside(state, &mut add);
        moves
    }

    fn laws(&self) -> &'static [&'static str] {
        &[ONE_REFUND, NOT_MORE, ONE_CAPTURE]
    }

    fn holds(&self, law: &str, s: &State) -> bool {
        let live = |refunds: &[Refunded; 2]| refunds.iter().filter(|r| r.lives()).count();
        match law {
            ONE_REFUND => s.book.refunds.iter().all(|refunds| live(refunds) <= 1),
            NOT_MORE => self.returned(s) <= s.book.received,
            ONE_CAPTURE => s.book.captures <= 1,
            _ => false,
        }
    }

    fn rests(&self, s: &State) -> bool {
        // A refund whose key gives a stored error waits for the death of that key. The scenario grants so
        // many deaths, and time grants as many as are needed; so does it grant keys.
        let waits = |row: &Row| {
            let stored = row.code == Code::StoredError && !row.key_dead;
            let keyless = usize::from(row.keys) >= KEYS && row.key_dead;
            row.kind == Kind::Refund && (stored && s.budget.deaths == 0 || keyless)
        };
        let over = s.rows.iter().flatten().all(|row| row.state.is_end() || waits(row));
        // `record_move` shows these to a person.
        let told = |row: &Row| matches!(row.state, Stage::Refused | Stage::Failed);
        let shown = s.rows.iter().flatten().any(told);
        let clear = s.book.reserved == 0 && s.book.received == self.returned(s);
        over && (self.kind != Kind::Capture || !s.ended || clear || shown)
    }

    fn cause(&self, act: &Act) -> Cause {
        match act {
            Act::GivesUp { .. }
            | Act::Dies { .. }
            | Act::Stripe { heard: Some(false), .. }
            | Act::BankReturns { .. }
            | Act::Asked { .. }
            | Act::OrderEnds
            | Act::Restored => Cause::Chance,
            _ => Cause::Course,
        }
    }

    fn tell(&self, history: &[Act]) -> Vec<String> {
        history.iter().map(|act| tell::sentence(*act)).collect()
    }
}
