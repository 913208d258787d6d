//! The alphabet: everything that can happen in a simulated shop, one thing at a time.
//!
//! Promise: an operation says all that is drawn about it, so that a list of them is a whole history: the
//! same list does the same. A slot is a number of an order, a payment or a worker; one that is too high is
//! folded back, so that a list from which some were taken away still means something.

use orders_core::gate::Point;
use orders_sandbox::{Fault, StripeFault};
use std::fmt::{self, Display, Formatter};

/// One thing that happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// An order is placed; what it holds.
    Place(Content),
    /// An order is placed again under its number, with the same content or with another one.
    PlaceAgain(u8, Content),
    /// The customer of an order pays at Stripe, and the shop is told of the payment or not.
    Pay(u8, Paying, bool),
    /// A payment is named for an order.
    Attach(u8, u8),
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
    /// Time passes, for everybody.
    Wait(Length),
    /// The database's clock is set back.
    ClockBack,
    /// A person or a program of the shop asks something of the database.
    Ask(u8, Wish),
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
    /// A cent too little.
    TooLittle,
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
    Submit(u8),
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

/// How long one waits.
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
    /// Something that makes no sense.
    Nonsense(u8),
}

/// How much money is to be returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// All that is left.
    All,
    /// A part.
    Part,
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
    /// One of a purchase somewhere else, for an order that waits.
    Outside,
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
    /// A part is refunded by hand.
    PartRefunded,
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
            Self::Wait(length) => format!("wait {}", word(length)),
            Self::ClockBack => "clock back".into(),
            Self::Ask(_, wish) => wish.kind(),
            Self::Stripe(_, event) => format!("stripe {}", word(event)),
        }
    }

    /// The slot of the order that it is about, if it is about one.
    pub fn order(&self) -> Option<u8> {
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
            Self::Database(Break::Refuses(code), _) => format!("database refuses {code}"),
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
            other => write!(f, "{}", other.kind())?,
        }
        Ok(())
    }
}

fn letter(worker: u8) -> char {
    if worker.is_multiple_of(2) { 'A' } else { 'B' }
}
