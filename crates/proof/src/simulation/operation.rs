//! The alphabet: everything that can happen in a simulated shop, one thing at a time.
//!
//! Promise: an operation says all that is drawn about it, so that a list of them is a whole history: the
//! same list does the same. A number of an order, a payment or a worker that is too high is folded back, so
//! that a list from which some were taken away still means something.

use orders_core::gate::Point;
use orders_sandbox::{Fault, StripeFault};
use std::fmt::{self, Display, Formatter};

/// Which order is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Its number among those that fit; [`Slot::NEWEST`] is the last one.
    pub number: u8,
    /// In which status it should be; where none is in it, any order fits.
    pub status: Option<&'static str>,
}

impl Slot {
    /// The order that was placed last.
    pub const NEWEST: Self = Self { number: u8::MAX, status: None };

    /// The order with this number.
    pub fn of(number: u8) -> Self {
        Self { number, status: None }
    }

    /// One that is in this status.
    pub fn in_status(number: u8, status: &'static str) -> Self {
        Self { number, status: Some(status) }
    }
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// An order is placed; what it holds.
    Place(Content),
    /// An order is placed again under its number, with the same content or with another one.
    PlaceAgain(Slot, Content),
    /// The customer of an order pays at Stripe, and the shop is told of the payment or not.
    Pay(Slot, Paying, bool),
    /// A payment is named for an order.
    Attach(Slot, u8),
    /// The customer or the bank says yes or no to a payment that waits.
    Bank(u8, bool),
    /// Stripe delivers some of the messages that it owes.
    Deliver(Delivery),
    /// A worker takes one step, and something may happen to it.
    Work(u8, Step, Mishap),
    /// A worker that stands still goes on.
    GoOn(u8),
    /// A worker dies where it stands.
    Kill(u8),
    /// So many seconds pass, for everybody.
    Wait(u32),
    /// The database's clock is set back by so many minutes.
    ClockBack(u8),
    /// A person or a program of the shop asks something of the database.
    Ask(Slot, Wish),
    /// A person holds the whole shop, or lets it go on.
    Shop(Whole),
    /// Something happens to a payment in Stripe's dashboard or at a bank.
    Stripe(u8, Event),
}

/// What an order holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// One line.
    One,
    /// Three lines.
    Three,
    /// A gift with a message.
    Gift,
}

/// How a customer pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paying {
    /// The total.
    Right,
    /// So many cents too little.
    TooLittle(u16),
    /// So many cents too much.
    TooMuch(u16),
    /// In another currency.
    OtherCurrency,
    /// Reserved only.
    Reserved,
    /// With notes that name another order.
    ForAnother,
    /// Begun, not paid yet.
    Later,
}

/// Which messages are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// So many of the oldest.
    Oldest(u8),
    /// So many of the newest, the newest first.
    Newest(u8),
    /// The oldest twice.
    Twice,
}

/// One step of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Sends this order, its payment read before when it must be.
    Submit(Slot),
    /// Sends whatever is due.
    SubmitDue,
    /// Reads a payment that is due.
    ReadPayment,
    /// Recovers what was left behind.
    Recover,
    /// Reads an accepted order that is due.
    Watch,
    /// Searches the provider's list.
    LookUp,
    /// Follows up a message.
    FollowUp,
    /// Reads the list of messages.
    ReadMissed,
    /// Intends what nobody asks for.
    Intend,
    /// Brings a movement of money on.
    Move,
    /// Compares the books.
    Reconcile,
}

/// What happens to a worker in a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Mishap {
    /// Nothing.
    None,
    /// It dies at a point.
    Dies(Point),
    /// It stands still at a point.
    Stands(Point),
    /// The provider does this to its next call.
    Zinc(Fault),
    /// The provider answers its next purchase with this error.
    Refused(&'static str),
    /// Stripe does this to its next call.
    Stripe(StripeFault),
    /// Something happens to a statement, named by a part of its text, on its way to the database.
    Database(Break, &'static str),
    /// Something happens on its way to the partners.
    Wire(Cut),
}

/// What happens to a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// The connection breaks before it is committed.
    Before,
    /// The connection breaks when it is committed, and nobody hears of it.
    After,
    /// The database refuses it once with this SQLSTATE.
    Refuses(&'static str),
}

/// What happens to a call between a worker and a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// No connection comes about.
    Refused,
    /// It breaks before the whole request is through.
    InRequest,
    /// The answer breaks off.
    InAnswer,
    /// The answer is no JSON.
    Spoilt,
}

/// How long one waits, by what it is longer than.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// A few seconds.
    Seconds,
    /// The bound within which the provider works on a call.
    Bound,
    /// Longer than a lease, a call and the age of facts.
    Lease,
    /// Longer than the pauses between tries.
    Quarter,
    /// Longer than a poll and the pauses before a new key.
    Hour,
    /// The life of a key.
    KeyLife,
    /// Longer than anybody remembers a key.
    Day,
    /// Some days.
    Days,
}

/// What a person or a program of the shop asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To cancel the order.
    Cancel,
    /// To hold it.
    Hold,
    /// To end its hold.
    Release,
    /// To return money: how much, and under which of the caller's keys.
    Refund(Amount, Option<u8>),
    /// To decide about its last movement of money.
    Decide(Decision),
    /// To end it by a person's word.
    Complete(Id),
    /// To store that the provider has it.
    Report(Id, Report),
    /// To end its review.
    Resolve(Resolution),
    /// To recover what seems stuck.
    Recover(u8),
    /// A call that makes no sense, by its place in a list of them.
    Nonsense(u8),
}

/// What a person does to the whole shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// Holds it.
    Hold,
    /// Lets it go on when it was compared.
    Release,
    /// Lets it go on whether it was compared or not.
    ReleaseUncompared,
}

/// How much money is to be returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// All that is left.
    All,
    /// So many cents.
    Part(u16),
    /// More than there is.
    TooMuch,
}

/// What is decided about a movement of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Another person approves it.
    Approve,
    /// Whoever asked for it approves it.
    ApproveOneself,
    /// It is approved with another amount.
    ApproveOther,
    /// It is withdrawn.
    Withdraw,
    /// It is tried again.
    Again,
}

/// Which request id is given. Nobody gives one that is wrong where nobody could tell: who looks at the
/// provider reads the right one there, and what is wrong is another than the stored one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Id {
    /// None.
    None,
    /// The one in the provider's list.
    Right,
    /// That of another order, which stands in the database.
    Others,
    /// One beside that which is stored.
    Second,
    /// One of a purchase somewhere else, for an order of which nothing is under way.
    Outside,
    /// That of an earlier attempt, which is settled.
    Former,
}

/// How far a report says that an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// The provider has it.
    Submitted,
    /// The retailer has it.
    Processing,
    /// It has arrived.
    Completed,
    /// Nothing was bought.
    Failed,
}

/// How a review is ended. What is said of the provider is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// The provider has nothing and will have nothing.
    NothingWasBought,
    /// Buy again.
    BuyAgain,
    /// Go on watching.
    WatchOn,
    /// Give it up.
    GiveUp,
}

/// What happens to a payment without the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The bank asks for the money.
    Dispute,
    /// The shop wins it.
    DisputeWon,
    /// The shop loses it.
    DisputeLost,
    /// The bank warns of fraud.
    Warning,
    /// A review is opened.
    Review,
    /// It is closed.
    ReviewClosed,
    /// So many cents are refunded by hand.
    PartRefunded(u16),
    /// All is refunded by hand.
    AllRefunded,
    /// The last refund fails.
    RefundFails,
    /// The next refund stays pending.
    NextRefundPends,
    /// A pending refund arrives.
    RefundArrives,
}

impl Operation {
    /// Its kind, as coverage counts it.
    pub fn kind(&self) -> String {
        match self {
            Self::Place(_) => "place".into(),
            Self::PlaceAgain(..) => "place again".into(),
            Self::Pay(_, paying, _) => format!("pay {}", word(paying)),
            Self::Attach(..) => "attach".into(),
            Self::Bank(_, yes) => format!("bank says {}", if *yes { "yes" } else { "no" }),
            Self::Deliver(delivery) => format!("deliver {}", word(delivery)),
            Self::Work(_, step, _) => step.kind(),
            Self::GoOn(_) => "go on".into(),
            Self::Kill(_) => "kill".into(),
            Self::Wait(seconds) => format!("wait {}", word(&Length::of(*seconds))),
            Self::ClockBack(_) => "clock back".into(),
            Self::Ask(_, wish) => wish.kind(),
            Self::Shop(whole) => format!("shop {}", word(whole)),
            Self::Stripe(_, event) => format!("stripe {}", word(event)),
        }
    }

    /// The order that it is about, if it is about one.
    pub fn order(&self) -> Option<Slot> {
        match self {
            Self::PlaceAgain(order, _)
            | Self::Pay(order, ..)
            | Self::Attach(order, _)
            | Self::Work(_, Step::Submit(order), _)
            | Self::Ask(order, _) => Some(*order),
            _ => None,
        }
    }
}

impl Length {
    /// The classes with the most seconds of each, the shortest first.
    pub const ALL: [(Self, u32); 8] = [
        (Self::Seconds, 45),
        (Self::Bound, 80),
        (Self::Lease, 200),
        (Self::Quarter, 2_000),
        (Self::Hour, 20_000),
        (Self::KeyLife, 84_500),
        (Self::Day, 100_000),
        (Self::Days, 300_000),
    ];

    /// The class of so many seconds.
    pub fn of(seconds: u32) -> Self {
        let within = |(_, most): &&(Self, u32)| seconds <= *most;
        Self::ALL.iter().find(within).map_or(Self::Days, |(length, _)| *length)
    }
}

impl Step {
    /// Its kind, as coverage counts it.
    pub fn kind(self) -> String {
        word(&self)
    }
}

impl Wish {
    /// Its kind, as coverage counts it.
    pub fn kind(self) -> String {
        match self {
            Self::Refund(amount, _) => format!("refund {}", word(&amount)),
            Self::Decide(decision) => format!("decide {}", word(&decision)),
            Self::Complete(id) => format!("complete {}", word(&id)),
            Self::Report(id, far) => format!("report {} {}", word(&id), word(&far)),
            Self::Resolve(resolution) => format!("resolve {}", word(&resolution)),
            other => word(&other),
        }
    }
}

impl Mishap {
    /// Its kind, as coverage counts it when it has happened.
    pub fn kind(&self) -> Option<String> {
        Some(match self {
            Self::None => return None,
            Self::Dies(point) => format!("dies at {}", point.name()),
            Self::Stands(point) => format!("stands at {}", point.name()),
            Self::Zinc(fault) => format!("zinc {}", word(fault)),
            Self::Refused(code) => format!("zinc refuses {code}"),
            Self::Stripe(fault) => format!("stripe {}", word(fault)),
            Self::Database(Break::Refuses(_), at) => format!("database refuses {at}"),
            Self::Database(broken, at) => format!("database breaks {} {at}", word(broken)),
            Self::Wire(cut) => format!("wire {}", word(cut)),
        })
    }
}

/// A variant's name as words, without what it holds: `OtherCurrency` is `other currency`.
pub fn word(value: &impl fmt::Debug) -> String {
    let text = format!("{value:?}");
    let name = text.split(['(', ' ']).next().unwrap_or_default();
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

impl Display for Operation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work(worker, step, Mishap::None) => {
                write!(f, "worker {}: {}", letter(*worker), step.kind())?;
            }
            Self::Work(worker, step, mishap) => {
                let met = mishap.kind().unwrap_or_default();
                write!(f, "worker {}: {}, and {met}", letter(*worker), step.kind())?;
            }
            Self::GoOn(worker) => write!(f, "worker {} goes on", letter(*worker))?,
            Self::Kill(worker) => write!(f, "worker {} dies where it stands", letter(*worker))?,
            Self::Wait(seconds) => write!(f, "wait {seconds} s")?,
            Self::ClockBack(minutes) => write!(f, "clock back by {minutes} min")?,
            Self::Ask(_, Wish::Refund(Amount::Part(cents), _)) => write!(f, "refund of {cents}")?,
            Self::Pay(_, Paying::TooLittle(cents), _) => write!(f, "pay {cents} too little")?,
            Self::Pay(_, Paying::TooMuch(cents), _) => write!(f, "pay {cents} too much")?,
            other => write!(f, "{}", other.kind())?,
        }
        Ok(())
    }
}

fn letter(worker: u8) -> char {
    if worker.is_multiple_of(2) { 'A' } else { 'B' }
}
