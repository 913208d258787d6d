//! The state of the purchase model: our rows, the workers, the provider's books, Stripe's book.
//!
//! Promise: everything is small and `Copy`; a token is not a number but the fact of being the current
//! one, so that the set of states is finite.

use orders_core::attempt::AttemptOutcome;
use orders_core::state::Status;

/// Keys that an order can have.
pub const KEYS: usize = 3;
/// Purchases that the provider can make of an order; a second live one ends the exploration anyway.
pub const PURCHASES: usize = 3;

/// Why nothing is sent for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hold {
    /// Nothing holds it.
    None,
    /// `awaiting_payment`, or what a payment breaks.
    Payment,
    /// `awaiting_funds`.
    Funds,
    /// `cancel_requested`.
    Wish,
    /// `operator`.
    Operator,
}

/// What became of the money of an order at Stripe, as the purchase model tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refund {
    /// None is intended.
    Not,
    /// A row of `money_moves` stands.
    Intended,
    /// Stripe has returned the money.
    Made,
}

/// How long the current call has been over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Its deadline and its lease stand.
    Running,
    /// It was recorded, or its lease has ended.
    Ended,
    /// The processing bound has passed as well.
    Over,
}

/// The code that an attempt has stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// None, or one that decides nothing.
    Other,
    /// The provider refused our account, in words that it may store.
    Account,
}

/// The attempt of an order that is not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// What we know of it.
    pub outcome: AttemptOutcome,
    /// How often it was sent, or was about to be.
    pub calls: u8,
    /// Which of the order's keys it has.
    pub key: u8,
    /// Which release of the program wrote its bytes.
    pub body: u8,
    /// The code of its last call.
    pub code: Code,
    /// How long its last call has been over.
    pub phase: Phase,
    /// Whether a lease stands on the row.
    pub leased: bool,
    /// Whether its key is dead.
    pub key_dead: bool,
}

/// What Stripe says of a payment, and what we know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Money {
    /// It is good, and was read within the last minute, or will be before a claim.
    Good,
    /// It was undone at Stripe within the last minute: no claim can know.
    JustUndone,
    /// It was undone more than a minute ago, and was not read since.
    Undone,
    /// It was undone, and we know.
    KnownUndone,
    /// No PaymentIntent is named yet.
    Unnamed,
    /// One is named and was not read yet.
    Named,
}

/// Something that happened and must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nothing.
    None,
    /// A status was changed along an edge that does not exist.
    UnknownEdge,
    /// A claim was committed for a held order.
    ClaimedHeld,
    /// A claim was committed on facts that were too old to be true.
    ClaimedUnpaid,
}

/// One order with its unsettled attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Order {
    /// Its status.
    pub status: Status,
    /// Why nothing is sent for it.
    pub hold: Hold,
    /// The number of its latest attempt.
    pub generation: u8,
    /// Its unsettled attempt.
    pub attempt: Option<Attempt>,
    /// Unsettled attempts beside that one.
    pub stray: bool,
    /// The request id that it has stored: the number of a purchase, from 1.
    pub request: u8,
    /// Keys that it has used.
    pub keys: u8,
    /// Its refund.
    pub refund: Refund,
    /// Its payment.
    pub money: Money,
    /// What must not have happened to it.
    pub fault: Fault,
}

/// What a worker was answered, in the model's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Said {
    /// It has the request, as this purchase.
    Accepted(u8),
    /// No answer.
    Lost,
    /// Nothing was sent, certainly.
    NotSent,
    /// Refused for now; the key is used up.
    Later,
    /// Refused for good; the key is used up.
    Never,
    /// Refused because the balance is too low; the key is used up.
    NoFunds,
    /// A word that may hide a purchase; the key is not used up.
    Unclear,
    /// Our account is refused.
    Account,
}

/// What a worker has in its hand of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Which order.
    pub order: u8,
    /// The number of the attempt.
    pub generation: u8,
    /// Its key.
    pub key: u8,
    /// Its bytes.
    pub body: u8,
    /// The number of the call under that key.
    pub calls: u8,
    /// The code of the call before.
    pub code: Code,
    /// Whether its token is the one on the row.
    pub fenced: bool,
}

/// What a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Worker {
    /// Nothing.
    Idle,
    /// It has committed an intent and sent nothing; whether its deadline has passed.
    Unsent(Ticket, bool),
    /// It waits for its answer.
    Waiting(Ticket),
    /// It has an answer and has recorded nothing.
    Answered(Ticket, Said),
    /// It has read an accepted purchase and recorded nothing; whether the order is as it was read.
    Reading(u8, Pur, bool),
}

/// A request on its way to the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flight {
    /// Whose.
    pub order: u8,
    /// Under which key.
    pub key: u8,
    /// With which bytes.
    pub body: u8,
    /// Who waits for the answer; nobody when he died or gave up.
    pub worker: Option<u8>,
    /// Whether the provider has looked at the key, found nothing, and works on it.
    pub begun: bool,
}

/// A purchase at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pur {
    /// There is none.
    None,
    /// In its queue.
    Queued,
    /// The retailer has it.
    Placed,
    /// It has arrived.
    Delivered,
    /// It ended without goods; another try may help.
    GoneLater,
    /// It ended without goods, for good.
    GoneNever,
}

impl Pur {
    /// Whether it costs money and brings goods.
    pub fn lives(self) -> bool {
        matches!(self, Self::Queued | Self::Placed | Self::Delivered)
    }
}

/// What the provider remembers of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Memory {
    /// Nothing, not yet or not any more.
    Blank,
    /// The answer that it gave.
    Answer(Said),
}

/// What the provider has of one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Book {
    /// What it remembers of each key.
    pub memory: [Memory; KEYS],
    /// Which bytes it has seen under each key, one bit for each release.
    pub bodies: [u8; KEYS],
    /// What it bought.
    pub purchases: [Pur; PURCHASES],
    /// Under which key it bought that.
    pub bought_by: [u8; PURCHASES],
}

impl Book {
    /// How many purchases live.
    pub fn live(&self) -> usize {
        self.purchases.iter().filter(|purchase| purchase.lives()).count()
    }

    /// The first purchase under a key.
    pub fn under(&self, key: u8) -> Option<u8> {
        (0..PURCHASES)
            .find(|&n| self.purchases[n] != Pur::None && self.bought_by[n] == key)
            .and_then(|n| u8::try_from(n).ok())
    }

    /// Whether a live purchase stands under a key.
    pub fn lives_under(&self, key: u8) -> bool {
        (0..PURCHASES).any(|n| self.purchases[n].lives() && self.bought_by[n] == key)
    }
}

/// How much may still go wrong, and how often people act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Budget {
    /// Workers that die.
    pub crashes: u8,
    /// Answers and requests that get lost, or are never sent.
    pub losses: u8,
    /// Refusals, and purchases that end without goods.
    pub refusals: u8,
    /// Acts of people that are not decisions of a review.
    pub people: u8,
    /// Payments that are undone at Stripe.
    pub undone: u8,
    /// New releases of the program.
    pub releases: u8,
    /// Restored databases.
    pub restores: u8,
    /// Keys that die.
    pub deaths: u8,
}

/// All there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    /// Our rows.
    pub orders: [Option<Order>; 2],
    /// Our workers.
    pub workers: [Option<Worker>; 3],
    /// Requests on their way.
    pub flights: [Option<Flight>; 3],
    /// The provider's books.
    pub books: [Book; 2],
    /// What the shop has left at the provider, in prices of an order.
    pub wallet: u8,
    /// Which release of the program runs.
    pub release: u8,
    /// What a backup of the first order holds.
    pub backup: Option<Order>,
    /// What may still go wrong.
    pub budget: Budget,
}

impl State {
    /// An order.
    pub fn order(&self, number: u8) -> Option<Order> {
        self.orders.get(usize::from(number)).copied().flatten()
    }

    /// Stores an order whose row has changed: readings of it are old now.
    pub fn store(&mut self, number: u8, order: Order) {
        for worker in self.workers.iter_mut().flatten() {
            if let Worker::Reading(of, _, fresh) = worker
                && *of == number
            {
                *fresh = false;
            }
        }
        if let Some(slot) = self.orders.get_mut(usize::from(number)) {
            *slot = Some(order);
        }
    }

    /// Takes the fence from whoever has it of an order: its token is not on the row any more.
    pub fn unfence(&mut self, number: u8) {
        for worker in self.workers.iter_mut().flatten() {
            match worker {
                Worker::Unsent(ticket, _)
                | Worker::Waiting(ticket)
                | Worker::Answered(ticket, _)
                    if ticket.order == number =>
                {
                    ticket.fenced = false;
                }
                _ => {}
            }
        }
    }

    /// Whether a request under a key is on its way.
    pub fn flies(&self, order: u8, key: u8) -> bool {
        self.flights.iter().flatten().any(|flight| flight.order == order && flight.key == key)
    }

    /// Sets what a worker does.
    pub fn work(&mut self, worker: u8, does: Worker) {
        if let Some(slot) = self.workers.get_mut(usize::from(worker)) {
            *slot = Some(does);
        }
    }
}

impl Order {
    /// Changes the status, and remembers a change along an edge that does not exist.
    pub fn go(&mut self, after: Status) {
        if self.status != after && !orders_core::state::is_edge(Some(self.status), after) {
            self.fault = Fault::UnknownEdge;
        }
        self.status = after;
    }
}
