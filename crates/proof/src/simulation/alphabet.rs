//! One of each thing that can happen, for what has to know all of them: what coverage demands, and the scenes
//! that are made so that it is met.
//!
//! Promise: what is drawn is one of these but for its numbers. A run that meets another kind says so
//! (`Coverage::strange`), so that what is added to the operations is added here.

use super::mishap;
use super::operation::{
    Amount, Content, Decision, Delivery, Event, Id, Length, Mishap, Operation, Paying, Report,
    Resolution, Slot, Step, Whole, Wish,
};

/// The statuses of an order.
pub const STATUSES: [&str; 8] = [
    "pending",
    "submitting",
    "submitted_to_zinc",
    "processing",
    "completed",
    "needs_review",
    "cancelled",
    "failed",
];

/// Every way to pay.
pub const PAYING: [Paying; 7] = [
    Paying::Right,
    Paying::TooLittle(1),
    Paying::TooMuch(1),
    Paying::OtherCurrency,
    Paying::Reserved,
    Paying::ForAnother,
    Paying::Later,
];

/// Every event at Stripe or at a bank.
pub const EVENTS: [Event; 11] = [
    Event::Dispute,
    Event::DisputeWon,
    Event::DisputeLost,
    Event::Warning,
    Event::Review,
    Event::ReviewClosed,
    Event::PartRefunded(100),
    Event::AllRefunded,
    Event::RefundFails,
    Event::NextRefundPends,
    Event::RefundArrives,
];

/// Every step of a worker, for an order where it is about one.
pub fn steps(slot: Slot) -> [Step; 11] {
    [
        Step::Submit(slot),
        Step::SubmitDue,
        Step::ReadPayment,
        Step::Recover,
        Step::Watch,
        Step::LookUp,
        Step::FollowUp,
        Step::ReadMissed,
        Step::Intend,
        Step::Move,
        Step::Reconcile,
    ]
}

/// Everything that people ask of an order.
pub fn wishes() -> Vec<Wish> {
    let mut all = vec![Wish::Cancel, Wish::Hold, Wish::Release, Wish::Recover(0)];
    all.extend(
        [Amount::All, Amount::Part(500), Amount::TooMuch].map(|one| Wish::Refund(one, None)),
    );
    all.extend(
        [
            Decision::Approve,
            Decision::ApproveOneself,
            Decision::ApproveOther,
            Decision::Withdraw,
            Decision::Again,
        ]
        .map(Wish::Decide),
    );
    all.extend([Id::None, Id::Right, Id::Others, Id::Second, Id::Outside].map(Wish::Complete));
    for far in [Report::Submitted, Report::Processing, Report::Completed, Report::Failed] {
        all.extend([Id::Right, Id::Others, Id::Second].map(|id| Wish::Report(id, far)));
    }
    all.extend([Id::Outside, Id::Former].map(|id| Wish::Report(id, Report::Submitted)));
    all.extend(
        [
            Resolution::NothingWasBought,
            Resolution::BuyAgain,
            Resolution::WatchOn,
            Resolution::GiveUp,
        ]
        .map(Wish::Resolve),
    );
    all.push(Wish::Nonsense(0));
    all
}

/// Everything that is about an order.
pub fn about(slot: Slot) -> Vec<Operation> {
    let mut all = vec![
        Operation::PlaceAgain(slot, Content::One),
        Operation::Attach(slot, 0),
        Operation::Work(0, Step::Submit(slot), Mishap::None),
    ];
    all.extend(PAYING.map(|paying| Operation::Pay(slot, paying, true)));
    all.extend(wishes().into_iter().map(|wish| Operation::Ask(slot, wish)));
    all
}

/// Everything that can happen.
pub fn everything() -> Vec<Operation> {
    let slot = Slot::of(0);
    let mut all = about(slot);
    all.push(Operation::Place(Content::One));
    all.extend([true, false].map(|yes| Operation::Bank(0, yes)));
    all.extend([Delivery::Oldest(1), Delivery::Newest(1), Delivery::Twice].map(Operation::Deliver));
    all.extend(steps(slot).map(|step| Operation::Work(0, step, Mishap::None)));
    all.extend([Operation::GoOn(0), Operation::Kill(0), Operation::ClockBack(1)]);
    all.extend(Length::ALL.map(|(_, seconds)| Operation::Wait(seconds)));
    all.extend([Whole::Hold, Whole::Release, Whole::ReleaseUncompared].map(Operation::Shop));
    all.extend(EVENTS.map(|event| Operation::Stripe(0, event)));
    all
}

/// Every mishap of every step.
pub fn mishaps(slot: Slot) -> Vec<(Step, Mishap)> {
    let of = |step| mishap::all(step).into_iter().map(move |mishap| (step, mishap));
    steps(slot).into_iter().flat_map(of).collect()
}
