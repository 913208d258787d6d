//! One order, or two, from the claim to the end: the purchase.
//!
//! Promise: the decisions are `orders_core`'s own; what stands here is what SQL does around them and
//! what the outside does to them. The laws look at the provider's books and at Stripe's, not at our
//! rows, but for the four that are about our rows.
//!
//! Left out, because it costs time and decides nothing: the account's pauses, back-off, batches.
//! A movement of money is one act here; the model [`crate::money`] looks into it.

mod engine;
mod outside;
mod people;
pub mod state;
mod tell;

use crate::guard::Without;
use crate::world::{Cause, Move, World};
use orders_core::state::Status;
use state::{
    Book, Budget, Fault, Hold, KEYS, Memory, Money, Order, PURCHASES, Pur, Refund, Said, State,
    Worker,
};
use stateright::{Model, Property};

/// The law of G1.
pub const ONE_PURCHASE: &str = "no two live purchases";
/// The law of G7.
pub const NOT_BOTH: &str = "never refunded and bought";
/// Ruling 1.
pub const ONE_ATTEMPT: &str = "at most one unsettled attempt";
/// The law of G10.
pub const KNOWN_EDGES: &str = "only known edges";
/// The law of G4.
pub const SAME_BYTES: &str = "the same bytes under a key";
/// A hold stops what was not sent.
pub const HELD: &str = "nothing is claimed that is held";
/// The law of G2.
pub const PAID: &str = "nothing is claimed on facts older than a minute";
/// The balance at the provider that all orders share.
pub const BALANCE: &str = "a balance pays each order once";
/// One payment buys for one order.
pub const ONE_ORDER: &str = "a payment buys one order";

/// A scenario of purchases.
#[derive(Debug, Clone, Copy)]
pub struct Purchases {
    /// What is switched off.
    pub without: Without,
    /// How many orders there are: one or two.
    pub orders: u8,
    /// How many workers: up to three.
    pub workers: u8,
    /// The most calls under one key.
    pub calls_max: u8,
    /// The most attempts of an order.
    pub generations_max: u8,
    /// What the shop has at the provider, in prices of an order.
    pub wallet: u8,
    /// Whether both orders are told to be paid by one PaymentIntent, which names the first.
    pub one_payment: bool,
    /// Whether people decide about reviews.
    pub people_decide: bool,
    /// What may go wrong.
    pub budget: Budget,
    /// Refusals that the provider stores under the key.
    pub stored_words: &'static [Said],
    /// Refusals that it gives before it looks at the key.
    pub at_the_door: &'static [Said],
}

/// A decision of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// `cancel_order`.
    Cancels,
    /// `hold_order`.
    Holds,
    /// `release_hold`.
    Releases,
    /// `resolve_review`, `nothing_was_bought`.
    SaysNothingWasBought,
    /// `resolve_review`, `buy_again`.
    BuysAgain,
    /// `resolve_review`, `give_up`.
    GivesUp,
    /// `resolve_review`, `watch_on`.
    WatchesOn,
    /// `manually_complete_order`.
    Completes,
}

/// What happens; each is told in a sentence in `tell.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences of tell.rs say what each is")]
pub enum Act {
    Claim { worker: u8, order: u8, generation: u8, key: u8, again: bool },
    Review { worker: u8, order: u8, reason: &'static str },
    Sends { worker: u8, order: u8, key: u8, late: bool },
    Dawdles { worker: u8 },
    NotSent { worker: u8, late: bool },
    GivesUp { worker: u8 },
    Dies { worker: u8 },
    Record { worker: u8, order: u8, said: Said, stale: bool },
    Recover { order: u8, after: Status },
    KeyDied { order: u8 },
    Found { order: u8 },
    Absent { order: u8 },
    SettledByWaiting { order: u8, looked: bool },
    Read { worker: u8, order: u8, seen: Pur },
    RecordReading { worker: u8, order: u8, stale: bool },
    MoneyReturned { order: u8 },
    EndedRead { order: u8 },
    Provider { order: u8, key: u8, effect: &'static str, heard: Option<bool> },
    Becomes { order: u8, now: Pur },
    LeaseEnds { order: u8 },
    BoundPasses { order: u8 },
    KeyDies { order: u8 },
    Forgets { order: u8, key: u8 },
    Undone { order: u8 },
    FactsAge { order: u8 },
    PaymentRead { order: u8 },
    PaymentNamed { order: u8 },
    Person { order: u8, deed: Deed },
    NewRelease,
    BackedUp,
    Restored,
}

impl Model for Purchases {
    type State = State;
    type Action = Move<Act, State>;

    fn init_states(&self) -> Vec<State> {
        let order = Order {
            status: Status::Pending,
            hold: if self.one_payment { Hold::Payment } else { Hold::None },
            generation: 0,
            attempt: None,
            stray: false,
            request: 0,
            keys: 0,
            refund: Refund::Not,
            money: if self.one_payment { Money::Unnamed } else { Money::Good },
            fault: Fault::None,
        };
        let book = Book {
            memory: [Memory::Blank; KEYS],
            bodies: [0; KEYS],
            purchases: [Pur::None; PURCHASES],
            bought_by: [0; PURCHASES],
        };
        let worker = |n: u8| (n < self.workers).then_some(Worker::Idle);
        vec![State {
            orders: [Some(order), (self.orders > 1).then_some(order)],
            workers: [worker(0), worker(1), worker(2)],
            flights: [None; 3],
            books: [book; 2],
            wallet: self.wallet,
            release: 0,
            backup: None,
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
            Property::always(ONE_PURCHASE, |w, s| w.holds(ONE_PURCHASE, s)),
            Property::always(NOT_BOTH, |w, s| w.holds(NOT_BOTH, s)),
            Property::always(ONE_ATTEMPT, |w, s| w.holds(ONE_ATTEMPT, s)),
            Property::always(KNOWN_EDGES, |w, s| w.holds(KNOWN_EDGES, s)),
            Property::always(SAME_BYTES, |w, s| w.holds(SAME_BYTES, s)),
            Property::always(HELD, |w, s| w.holds(HELD, s)),
            Property::always(PAID, |w, s| w.holds(PAID, s)),
            Property::always(BALANCE, |w, s| w.holds(BALANCE, s)),
            Property::always(ONE_ORDER, |w, s| w.holds(ONE_ORDER, s)),
        ]
    }
}

impl World for Purchases {
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
        self.people(state, &mut add);
        moves
    }

    fn laws(&self) -> &'static [&'static str] {
        &[
            ONE_PURCHASE,
            NOT_BOTH,
            ONE_ATTEMPT,
            KNOWN_EDGES,
            SAME_BYTES,
            HELD,
            PAID,
            BALANCE,
            ONE_ORDER,
        ]
    }

    fn holds(&self, law: &str, s: &State) -> bool {
        let each = |good: &dyn Fn(&Order, &Book) -> bool| {
            s.orders.iter().zip(&s.books).all(|(o, b)| o.as_ref().is_none_or(|o| good(o, b)))
        };
        match law {
            ONE_PURCHASE => each(&|_, book| book.live() <= 1),
            NOT_BOTH => each(&|order, book| order.refund != Refund::Made || book.live() == 0),
            ONE_ATTEMPT => each(&|order, _| !order.stray),
            KNOWN_EDGES => each(&|order, _| order.fault != Fault::UnknownEdge),
            SAME_BYTES => each(&|_, book| book.bodies.iter().all(|seen| seen.count_ones() <= 1)),
            HELD => each(&|order, _| order.fault != Fault::ClaimedHeld),
            PAID => each(&|order, _| order.fault != Fault::ClaimedUnpaid),
            BALANCE => {
                let spent: usize = s.books.iter().map(Book::live).sum();
                let entitled = s.orders.iter().flatten().filter(|o| o.refund != Refund::Made);
                spent <= entitled.count()
            }
            ONE_ORDER => {
                let bought = s.books.iter().filter(|book| book.live() > 0).count();
                !self.one_payment || bought <= 1
            }
            _ => false,
        }
    }

    fn rests(&self, s: &State) -> bool {
        s.orders.iter().flatten().all(|order| match order.status {
            Status::Completed | Status::NeedsReview => true,
            Status::Cancelled | Status::Failed => {
                order.refund == Refund::Made || order.money != Money::Good
            }
            _ => order.hold != Hold::None,
        })
    }

    fn cause(&self, act: &Act) -> Cause {
        match act {
            Act::GivesUp { .. }
            | Act::Dies { .. }
            | Act::NotSent { late: false, .. }
            | Act::Provider { heard: Some(false), .. }
            | Act::KeyDies { .. }
            | Act::Undone { .. }
            | Act::Person { .. }
            | Act::NewRelease
            | Act::BackedUp
            | Act::Restored
            | Act::Becomes { now: Pur::GoneLater | Pur::GoneNever, .. } => Cause::Chance,
            _ => Cause::Course,
        }
    }

    fn tell(&self, history: &[Act]) -> Vec<String> {
        tell::tell(history)
    }
}
