//! The state of the money model: one order's movements, the workers, Stripe's book.

use orders_core::money_move::{Kind, State as Stage};

/// The most movements of one order.
pub const MOVES: usize = 3;
/// The most keys of a movement that are told apart.
pub const KEYS: usize = 3;

/// What is stored as the code of a movement, as far as it decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// Nothing that decides.
    Other,
    /// The key gives a stored error of the server.
    StoredError,
    /// It was refused once.
    RefusedOnce,
}

impl Code {
    /// Reads what `orders_core` wants stored.
    pub fn of(word: Option<&str>) -> Self {
        match word {
            Some("stored_error") => Self::StoredError,
            Some(word) if word.starts_with("refused:") => Self::RefusedOnce,
            _ => Self::Other,
        }
    }

    /// The word that `orders_core` reads.
    pub fn word(self) -> Option<String> {
        let word = match self {
            Self::Other => "timed_out",
            Self::StoredError => "stored_error",
            Self::RefusedOnce => "refused:once",
        };
        Some(word.to_owned())
    }
}

/// How long the last call of a movement has been over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Its deadline stands.
    Running,
    /// Its deadline has passed.
    Ended,
    /// Ten minutes more have passed.
    Over,
}

/// A row of `money_moves`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    /// What is moved.
    pub kind: Kind,
    /// How much.
    pub amount: u8,
    /// How far it is.
    pub state: Stage,
    /// How often it was sent; more than two are two, no decision tells them apart.
    pub calls: u8,
    /// The number of its key, from 1.
    pub keys: u8,
    /// Whether that key is dead.
    pub key_dead: bool,
    /// How long its last call has been over.
    pub phase: Phase,
    /// Whether it is leased, and the lease stands.
    pub leased: bool,
    /// Whether Stripe's id of it is known.
    pub known: bool,
    /// The code of its last call.
    pub code: Code,
}

/// What a worker has of a movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Which movement.
    pub number: u8,
    /// The row as it was leased.
    pub row: Row,
    /// Whether its token is the one on the row.
    pub fenced: bool,
}

/// What a worker was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Told {
    /// It is done.
    Done,
    /// Stripe has it, the bank not yet.
    Pending,
    /// Stripe said no.
    Refused,
    /// Nobody knows.
    Lost,
    /// An error of the server.
    ServerError,
    /// That error again, because the key has stored it.
    StoredError,
    /// Nothing was sent.
    NotSent,
}

/// What a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Worker {
    /// Nothing.
    Idle,
    /// It has leased the movement and read Stripe, which decided that it is to be sent, under a new key
    /// or not.
    Looked(Ticket, bool),
    /// It has committed the call and sent nothing: under which key, and whether its deadline has passed.
    Unsent(Ticket, u8, bool),
    /// It waits for the answer.
    Waiting(Ticket),
    /// It has an answer and has recorded nothing.
    Answered(Ticket, Told),
}

/// A call on its way to Stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flight {
    /// Which movement.
    pub number: u8,
    /// Under which key.
    pub key: u8,
    /// Who waits.
    pub worker: Option<u8>,
}

/// A refund at Stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refunded {
    /// There is none.
    None,
    /// The bank has not done it yet.
    Pending,
    /// The money is gone.
    Done,
    /// The bank gave it back.
    Returned,
}

impl Refunded {
    /// Whether the money left, or may yet.
    pub fn lives(self) -> bool {
        matches!(self, Self::Pending | Self::Done)
    }
}

/// What Stripe has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Book {
    /// What was received.
    pub received: u8,
    /// What is reserved.
    pub reserved: u8,
    /// How often it was captured.
    pub captures: u8,
    /// Whether the PaymentIntent is canceled.
    pub canceled: bool,
    /// The refunds of each movement.
    pub refunds: [[Refunded; 2]; MOVES],
    /// What is stored under each key of each movement.
    pub memory: [[Option<Told>; KEYS]; MOVES],
}

/// How much may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Budget {
    /// Workers that die.
    pub crashes: u8,
    /// Answers and calls that get lost.
    pub losses: u8,
    /// Errors of Stripe's servers that it stores, and refusals.
    pub errors: u8,
    /// Refunds that the bank gives back.
    pub returns: u8,
    /// Refunds that a person asks for.
    pub asked: u8,
    /// Keys that die.
    pub deaths: u8,
    /// Restored databases.
    pub restores: u8,
    /// Orders that end without goods meanwhile.
    pub ends: u8,
}

/// All there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    /// Whether the order has ended without goods.
    pub ended: bool,
    /// Our rows.
    pub rows: [Option<Row>; MOVES],
    /// Our workers.
    pub workers: [Option<Worker>; 3],
    /// Calls on their way.
    pub flights: [Option<Flight>; 3],
    /// Stripe's book.
    pub book: Book,
    /// What may still go wrong.
    pub budget: Budget,
}

impl State {
    /// Sets what a worker does.
    pub fn work(&mut self, worker: u8, does: Worker) {
        if let Some(slot) = self.workers.get_mut(usize::from(worker)) {
            *slot = Some(does);
        }
    }

    /// Takes the fence from whoever has it of a movement.
    pub fn unfence(&mut self, number: u8) {
        for worker in self.workers.iter_mut().flatten() {
            match worker {
                Worker::Looked(ticket, _)
                | Worker::Unsent(ticket, ..)
                | Worker::Waiting(ticket)
                | Worker::Answered(ticket, _)
                    if ticket.number == number =>
                {
                    ticket.fenced = false;
                }
                _ => {}
            }
        }
    }
}
