//! What can go wrong for a worker in each of its steps.
//!
//! Left out, because they need time to pass inside a call and a simulated clock stands still there: answers
//! that come late, a byte a second or not at all, and longer than anybody reads. The matrix has them. An
//! engine is made to stand still only where it holds no lock of the database: whoever waits for a lock
//! waits by the wall's clock.

use super::draw::Dice;
use super::operation::{Break, Cut, Mishap, Step};
use orders_core::gate::Point;
use orders_sandbox::{Fault, StripeFault};

/// What the provider does to purchases.
pub const ZINC: [Fault; 13] = [
    Fault::ErrorBefore,
    Fault::ErrorAfter,
    Fault::DropAnswer,
    Fault::CutAnswer,
    Fault::ResetAnswer,
    Fault::WrongId,
    Fault::DoubleAnswer,
    Fault::BuyLate,
    Fault::EarlyAnswer,
    Fault::TooMany,
    Fault::Forbidden,
    Fault::OddError,
    Fault::EmptyAnswer,
];

/// What the provider does to readings.
pub const ZINC_READS: [Fault; 7] = [
    Fault::ReadError,
    Fault::ReadStale,
    Fault::ReadCut,
    Fault::ReadWrong,
    Fault::ReadTooMany,
    Fault::ReadForbidden,
    Fault::ReadOdd,
];

/// With what the provider refuses purchases.
pub const REFUSALS: [&str; 9] = [
    "max_price_exceeded",
    "product_unavailable",
    "zma_temporarily_overloaded",
    "internal_error",
    "insufficient_zma_balance",
    "order_probably_placed",
    "account_locked",
    "aborted_request",
    "a_code_that_is_new",
];

/// What Stripe does to movements of money.
pub const STRIPE: [StripeFault; 15] = [
    StripeFault::DropAnswer,
    StripeFault::DropRequest,
    StripeFault::EffectLater,
    StripeFault::ErrorStoredAfter,
    StripeFault::ErrorStoredBefore,
    StripeFault::ErrorNotStored,
    StripeFault::CardError,
    StripeFault::LockTimeout,
    StripeFault::TooMany,
    StripeFault::TooManyWait,
    StripeFault::ShouldRetry,
    StripeFault::ShouldNotRetry,
    StripeFault::CorruptAnswer,
    StripeFault::CutAnswer,
    StripeFault::WrongObject,
];

/// What Stripe does to readings.
pub const STRIPE_READS: [StripeFault; 7] = [
    StripeFault::ReadError,
    StripeFault::ReadDrop,
    StripeFault::ReadTooMany,
    StripeFault::ReadTooManyWait,
    StripeFault::ReadCorrupt,
    StripeFault::ReadCut,
    StripeFault::ReadWrong,
];

/// The statement that records what is no acceptance; where something happens to it, there is something to be
/// recorded: the provider refuses the purchase.
pub const SETBACKS: &str = "record_setbacks";

/// With what the database refuses statements for a moment.
pub const SQLSTATES: [&str; 6] = ["40001", "40P01", "55P03", "53100", "57P01", "25006"];

/// What happens on the way to a partner.
pub const CUTS: [Cut; 4] = [Cut::Refused, Cut::InRequest, Cut::InAnswer, Cut::Spoilt];

/// Where a worker dies in a step.
pub fn deaths(step: Step) -> &'static [Point] {
    match step {
        Step::Submit(_) | Step::SubmitDue => &[
            Point::OrdersLocked,
            Point::IntentCommitted,
            Point::RequestStarted,
            Point::AnswerRead,
            Point::AnswerRecorded,
        ],
        Step::Watch => &[Point::LookupStarted],
        Step::Move => &[Point::MoveCommitted, Point::RequestStarted, Point::MoveAnswered],
        Step::Recover => &[Point::RecoveryStarted],
        _ => &[],
    }
}

/// Where it stands still.
pub fn stands(step: Step) -> &'static [Point] {
    match step {
        Step::Submit(_) | Step::SubmitDue => {
            &[Point::IntentCommitted, Point::RequestStarted, Point::AnswerRead]
        }
        Step::Watch => &[Point::LookupStarted],
        Step::Move => &[Point::MoveCommitted, Point::RequestStarted, Point::MoveAnswered],
        _ => &[],
    }
}

/// The statements of a step that something happens to.
pub fn statements(step: Step) -> &'static [&'static str] {
    match step {
        Step::Submit(_) => &["commit_intents", "record_acceptances", SETBACKS, "record_payments"],
        Step::SubmitDue => &["commit_intents", "record_acceptances", SETBACKS],
        Step::ReadPayment => &["due_payments", "record_payments"],
        Step::Recover => &["recover_stuck_orders"],
        Step::Watch => &["due_watches", "record_readings"],
        Step::FollowUp => &["due_events", "record_payments", "finish_events"],
        Step::ReadMissed => &["receive_event", "move_cursor"],
        Step::Move => &["lease_moves", "commit_move", "record_move"],
        Step::Intend => &["plan_captures"],
        Step::Reconcile => &["finish_reconciliation"],
        Step::LookUp => &[],
    }
}

/// Which call of a step something happens to on its way.
pub fn call(step: Step) -> &'static str {
    match step {
        Step::Submit(_) | Step::SubmitDue => "POST /v1/orders",
        Step::Move => "POST /v1/",
        _ => "GET /v1/",
    }
}

/// What the provider does to its list.
pub const ZINC_LISTS: [Fault; 3] = [Fault::ListGap, Fault::ReadError, Fault::ReadTooMany];

/// What a partner does in a step by itself.
fn partners(step: Step) -> Vec<Mishap> {
    let zinc = |faults: &[Fault]| faults.iter().copied().map(Mishap::Zinc).collect();
    let stripe =
        |faults: &[StripeFault]| faults.iter().copied().map(Mishap::Stripe).collect::<Vec<_>>();
    match step {
        Step::Submit(_) | Step::SubmitDue => {
            let refusals = REFUSALS.iter().copied().map(Mishap::Refused);
            refusals.chain(ZINC.iter().copied().map(Mishap::Zinc)).collect()
        }
        Step::Watch => zinc(&ZINC_READS),
        Step::LookUp => zinc(&ZINC_LISTS),
        Step::Move => [stripe(&STRIPE), stripe(&STRIPE_READS)].concat(),
        Step::ReadPayment | Step::FollowUp | Step::ReadMissed | Step::Reconcile => {
            stripe(&STRIPE_READS)
        }
        Step::Recover | Step::Intend => Vec::new(),
    }
}

/// What happens on its way to the partners.
fn cuts(step: Step) -> &'static [Cut] {
    if matches!(step, Step::Recover | Step::Intend) { &[] } else { &CUTS }
}

/// Everything that can happen in a step.
pub fn all(step: Step) -> Vec<Mishap> {
    let mut all: Vec<Mishap> = deaths(step).iter().copied().map(Mishap::Dies).collect();
    all.extend(stands(step).iter().copied().map(Mishap::Stands));
    for (place, has) in statements(step).iter().copied().enumerate() {
        // So that each code is some statement's.
        let code = SQLSTATES[(place + has.len()) % SQLSTATES.len()];
        let breaks = [Break::Before, Break::After, Break::Refuses(code)];
        all.extend(breaks.map(|broken| Mishap::Database(broken, has)));
    }
    all.extend(cuts(step).iter().copied().map(Mishap::Wire));
    all.extend(partners(step));
    all
}

/// Draws what happens in a step: first of which sort, so that those with few members are not rare.
pub fn drawn(dice: &mut Dice, step: Step) -> Mishap {
    let broken =
        [Break::Before, Break::After, Break::After, Break::Refuses(dice.one_of(&SQLSTATES))];
    let broken = dice.one_of(&broken);
    let (sort, partners) = (dice.below(10), partners(step));
    match sort {
        0 | 1 if !deaths(step).is_empty() => Mishap::Dies(dice.one_of(deaths(step))),
        2 | 3 if !stands(step).is_empty() => Mishap::Stands(dice.one_of(stands(step))),
        4 if !statements(step).is_empty() => {
            Mishap::Database(broken, dice.one_of(statements(step)))
        }
        5 if !cuts(step).is_empty() => Mishap::Wire(dice.one_of(cuts(step))),
        6..=9 if !partners.is_empty() => {
            let at = usize::from(dice.below(u8::try_from(partners.len()).unwrap_or(u8::MAX)));
            partners[at].clone()
        }
        _ => Mishap::None,
    }
}
