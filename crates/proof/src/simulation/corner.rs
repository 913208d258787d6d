//! Corners: places that only a certain order of things leads to, each written down as a scene. The seeds take
//! them in turn.

use super::asks::NONSENSE;
use super::operation::{
    Amount, Content, Decision, Delivery, Event, Id, Mishap, Operation, Paying, Report, Resolution,
    Slot, Step, Whole, Wish,
};
use super::scene::{leads_to, sent, work};
use orders_core::gate::Point;
use orders_sandbox::Fault;

/// The payment that was made last.
const LAST: u8 = u8::MAX;
/// All that customers and banks have said of late.
const NEWS: Delivery = Delivery::Newest(6);

type Corner = fn(u8) -> Vec<Operation>;

/// All of them.
const CORNERS: [Corner; 26] = [
    held_shop,
    given_back_too_late,
    answered_too_late,
    disputed_and_won,
    disputed_and_lost,
    refund_that_arrives,
    refund_that_fails,
    refund_by_two,
    refund_withdrawn,
    paid_for_nothing,
    reported_while_held,
    completed_under_a_lease,
    reviewed_and_bought_again,
    reviewed_and_given_up,
    reviewed_and_refunded,
    accepted_while_held,
    accepted_and_not_wanted,
    not_wanted_before_it_was_sent,
    failed_and_reported,
    accepted_and_unreadable,
    // Only in some shops does anything fail, so these come more often.
    failed_and_not_wanted,
    failed_at_the_retailer,
    failed_and_not_wanted,
    failed_at_the_retailer,
    failed_before_the_retailer,
    failed_at_the_retailer,
];

/// The corner of this turn.
pub(super) fn in_turn(turn: usize, worker: u8) -> Vec<Operation> {
    let nonsense = u8::try_from(turn % NONSENSE.len()).unwrap_or_default();
    let mut scene = CORNERS[turn % CORNERS.len()](worker);
    scene.push(ask(Wish::Nonsense(nonsense)));
    scene
}

fn ask(wish: Wish) -> Operation {
    Operation::Ask(Slot::NEWEST, wish)
}

fn resolve(resolution: Resolution) -> Operation {
    ask(Wish::Resolve(resolution))
}

fn with(mut scene: Vec<Operation>, more: impl IntoIterator<Item = Operation>) -> Vec<Operation> {
    scene.extend(more);
    scene
}

/// An order that ended with its goods, by a person's word.
fn completed(worker: u8) -> Vec<Operation> {
    with(sent(worker, Mishap::None), [ask(Wish::Complete(Id::Right))])
}

/// An order in review of which it is settled that nothing was bought.
fn reviewed(worker: u8) -> Vec<Operation> {
    with(
        leads_to("needs_review", worker),
        [
            resolve(Resolution::BuyAgain),
            Operation::Wait(400),
            resolve(Resolution::NothingWasBought),
            resolve(Resolution::NothingWasBought),
        ],
    )
}

fn held_shop(worker: u8) -> Vec<Operation> {
    with(
        reviewed(worker),
        [
            Operation::Shop(Whole::Hold),
            Operation::Shop(Whole::Hold),
            Operation::Wait(121),
            Operation::Kill(worker),
            resolve(Resolution::GiveUp),
            ask(Wish::Cancel),
            Operation::Shop(Whole::Release),
        ],
    )
}

fn disputed(worker: u8, end: Event) -> Vec<Operation> {
    with(
        completed(worker),
        [
            Operation::Stripe(LAST, Event::Dispute),
            Operation::Deliver(NEWS),
            work(worker, Step::ReadPayment),
            work(worker, Step::ReadPayment),
            ask(Wish::Refund(Amount::Part(100), None)),
            Operation::Stripe(LAST, end),
            Operation::Stripe(LAST, Event::Review),
            Operation::Stripe(LAST, Event::ReviewClosed),
        ],
    )
}

fn disputed_and_won(worker: u8) -> Vec<Operation> {
    disputed(worker, Event::DisputeWon)
}

fn disputed_and_lost(worker: u8) -> Vec<Operation> {
    disputed(worker, Event::DisputeLost)
}

fn refund(worker: u8, end: Event) -> Vec<Operation> {
    with(
        completed(worker),
        [
            work(worker, Step::Move),
            Operation::Stripe(LAST, Event::NextRefundPends),
            ask(Wish::Refund(Amount::Part(100), Some(0))),
            ask(Wish::Refund(Amount::Part(200), Some(0))),
            work(worker, Step::Move),
            work(worker, Step::Move),
            Operation::Stripe(LAST, end),
            Operation::Deliver(NEWS),
            work(worker, Step::Move),
            work(worker, Step::Move),
            ask(Wish::Refund(Amount::TooMuch, None)),
        ],
    )
}

fn refund_that_arrives(worker: u8) -> Vec<Operation> {
    refund(worker, Event::RefundArrives)
}

fn refund_that_fails(worker: u8) -> Vec<Operation> {
    refund(worker, Event::RefundFails)
}

fn refund_by_two(worker: u8) -> Vec<Operation> {
    let decide = |decision| ask(Wish::Decide(decision));
    with(
        completed(worker),
        [
            ask(Wish::Refund(Amount::All, None)),
            decide(Decision::ApproveOneself),
            Operation::Wait(90_000),
            decide(Decision::Approve),
            decide(Decision::Withdraw),
            ask(Wish::Refund(Amount::All, None)),
            decide(Decision::Approve),
            decide(Decision::Approve),
        ],
    )
}

fn refund_withdrawn(worker: u8) -> Vec<Operation> {
    let withdraw = || ask(Wish::Decide(Decision::Withdraw));
    with(
        completed(worker),
        [ask(Wish::Refund(Amount::Part(9), None)), withdraw(), withdraw(), ask(Wish::Hold)],
    )
}

/// A payment of another order, which is to be cancelled; and one of an order that waits for none.
fn paid_for_nothing(worker: u8) -> Vec<Operation> {
    vec![
        Operation::Place(Content::One),
        ask(Wish::Complete(Id::Outside)),
        Operation::Pay(Slot::NEWEST, Paying::Right, true),
        Operation::Place(Content::One),
        Operation::Pay(Slot::NEWEST, Paying::ForAnother, true),
        ask(Wish::Cancel),
        work(worker, Step::Move),
        work(worker, Step::ReadPayment),
        work(worker, Step::ReadPayment),
        ask(Wish::Decide(Decision::Again)),
        ask(Wish::Report(Id::Outside, Report::Submitted)),
    ]
}

fn reported_while_held(worker: u8) -> Vec<Operation> {
    with(
        sent(worker, Mishap::Zinc(Fault::DropAnswer)),
        [
            ask(Wish::Hold),
            ask(Wish::Hold),
            ask(Wish::Report(Id::Right, Report::Submitted)),
            ask(Wish::Release),
        ],
    )
}

fn completed_under_a_lease(worker: u8) -> Vec<Operation> {
    with(
        sent(worker, Mishap::Stands(Point::AnswerRead)),
        [ask(Wish::Complete(Id::Right)), Operation::GoOn(worker)],
    )
}

fn reviewed_and_bought_again(worker: u8) -> Vec<Operation> {
    let again = [
        resolve(Resolution::BuyAgain),
        Operation::Work(worker, Step::Submit(Slot::NEWEST), Mishap::Refused("a_code_that_is_new")),
        Operation::Wait(400),
        resolve(Resolution::NothingWasBought),
    ];
    let twice = [again.clone(), again].into_iter().flatten();
    with(with(reviewed(worker), twice), [resolve(Resolution::BuyAgain)])
}

fn reviewed_and_given_up(worker: u8) -> Vec<Operation> {
    let end = resolve(Resolution::GiveUp);
    with(reviewed(worker), [end, ask(Wish::Report(Id::Outside, Report::Submitted))])
}

fn reviewed_and_refunded(worker: u8) -> Vec<Operation> {
    with(
        reviewed(worker),
        [
            Operation::Stripe(LAST, Event::AllRefunded),
            Operation::Deliver(NEWS),
            work(worker, Step::ReadPayment),
            work(worker, Step::ReadPayment),
            resolve(Resolution::BuyAgain),
            ask(Wish::Cancel),
            ask(Wish::Report(Id::Outside, Report::Submitted)),
        ],
    )
}

/// An order that was accepted while something was asked of it, which a person decides about.
fn accepted_after(worker: u8, wish: Wish) -> Vec<Operation> {
    with(sent(worker, Mishap::Stands(Point::RequestStarted)), [ask(wish), Operation::GoOn(worker)])
}

fn accepted_while_held(worker: u8) -> Vec<Operation> {
    with(
        accepted_after(worker, Wish::Hold),
        [
            ask(Wish::Release),
            ask(Wish::Report(Id::Right, Report::Processing)),
            resolve(Resolution::WatchOn),
        ],
    )
}

fn accepted_and_not_wanted(worker: u8) -> Vec<Operation> {
    with(
        accepted_after(worker, Wish::Cancel),
        [resolve(Resolution::WatchOn), ask(Wish::Complete(Id::None))],
    )
}

/// What the provider says of it cannot be read, again and again.
fn accepted_and_unreadable(worker: u8) -> Vec<Operation> {
    let read = || Operation::Work(worker, Step::Watch, Mishap::Zinc(Fault::ReadOdd));
    // Another order may be due as well.
    let vain = [Operation::Wait(301), read(), read()];
    let again = [vain.clone(), vain.clone(), vain].into_iter().flatten();
    with(
        with(leads_to("processing", worker), again),
        [ask(Wish::Report(Id::Right, Report::Processing))],
    )
}

/// Its call comes too late to be sent, and meanwhile nobody wants it.
fn not_wanted_before_it_was_sent(worker: u8) -> Vec<Operation> {
    with(
        sent(worker, Mishap::Stands(Point::IntentCommitted)),
        [ask(Wish::Cancel), Operation::Wait(40), Operation::GoOn(worker)],
    )
}

/// A worker stands still beyond its lease, and when it goes on another one holds the order, who has asked again
/// under the same key.
fn goes_on_too_late(worker: u8, stands: Point) -> Vec<Operation> {
    let (other, again) = (1 - worker % 2, Step::Submit(Slot::NEWEST));
    with(
        sent(worker, Mishap::Stands(stands)),
        [
            Operation::Wait(90),
            work(other, Step::Recover),
            Operation::Wait(400),
            Operation::Work(other, again, Mishap::Stands(Point::AnswerRead)),
            Operation::GoOn(worker),
            Operation::GoOn(other),
        ],
    )
}

/// Its call comes too late to be sent, and it gives back what is not its own any more.
fn given_back_too_late(worker: u8) -> Vec<Operation> {
    goes_on_too_late(worker, Point::IntentCommitted)
}

fn answered_too_late(worker: u8) -> Vec<Operation> {
    goes_on_too_late(worker, Point::AnswerRead)
}

/// What was bought under the first key has failed, where it does so.
fn failed_and_reported(worker: u8) -> Vec<Operation> {
    with(
        sent(worker, Mishap::None),
        [
            Operation::Wait(301),
            work(worker, Step::Watch),
            work(worker, Step::Watch),
            ask(Wish::Report(Id::Former, Report::Submitted)),
            Operation::Wait(301),
            Operation::Work(worker, Step::Submit(Slot::NEWEST), Mishap::None),
            ask(Wish::Report(Id::Former, Report::Submitted)),
            ask(Wish::Complete(Id::None)),
        ],
    )
}

/// The retailer is said to have it, somebody does not want it any more, and it fails, where it does so.
fn failed_and_not_wanted(worker: u8) -> Vec<Operation> {
    with(
        sent(worker, Mishap::None),
        [
            ask(Wish::Report(Id::Right, Report::Processing)),
            ask(Wish::Cancel),
            Operation::Wait(301),
            work(worker, Step::Watch),
            work(worker, Step::Watch),
            ask(Wish::Report(Id::Former, Report::Submitted)),
        ],
    )
}

/// The retailer is said to have it, and it fails, where it does so.
fn failed_at_the_retailer(worker: u8) -> Vec<Operation> {
    with(
        sent(worker, Mishap::None),
        [
            ask(Wish::Report(Id::Right, Report::Processing)),
            ask(Wish::Report(Id::Outside, Report::Submitted)),
            Operation::Wait(301),
            work(worker, Step::Watch),
            work(worker, Step::Watch),
            ask(Wish::Report(Id::Former, Report::Submitted)),
        ],
    )
}

/// Somebody does not want it any more when it is accepted, and it fails, where it does so.
fn failed_before_the_retailer(worker: u8) -> Vec<Operation> {
    let mut scene = Vec::new();
    // Of several one fails.
    for _ in 0..3 {
        scene.extend(sent(worker, Mishap::None));
        scene.extend([ask(Wish::Cancel), Operation::Wait(301)]);
        scene.extend([work(worker, Step::Watch), work(worker, Step::Watch)]);
    }
    scene
}
