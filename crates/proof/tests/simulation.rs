//! The simulation in the test command: seeds with the oracle's word about each and the demand that they meet
//! everything that can be met, histories that failed once, and that a seed tells one story.

use orders_proof::simulation::batch::{Plan, Ran, run, run_all};
use orders_proof::simulation::coverage::Coverage;
use orders_proof::simulation::draw::history;
use orders_proof::simulation::ground::Ground;
use orders_proof::simulation::operation::{
    Content, Id, Mishap, Operation, Paying, Slot, Step, Wish,
};
use orders_proof::simulation::play::Play;

/// How many seeds: the first of all.
const SEEDS: u64 = 200;
/// How many histories are played side by side; they wait more than they work.
const LANES: usize = 4;
/// The most operations of a history here; `just simulate` plays longer ones.
const OPERATIONS: usize = 70;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_in_any_order_nothing_is_bought_twice_refunded_and_bought_or_lost() {
    let ran = run_all(Plan::of(1..=SEEDS, OPERATIONS, LANES), |_| ()).await;
    let faults: Vec<String> = ran.iter().filter_map(Ran::fault).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert_eq!(ran.len() as u64, SEEDS);
    let mut met = Coverage::default();
    for one in &ran {
        met.add(&one.coverage);
    }
    assert_eq!(met.faults(), Vec::<String>::new(), "what is drawn decides what is tried");
}

/// Plays a history that failed once, in the plainest shop.
async fn plays_well(operations: Vec<Operation>) {
    let mut drawn = history(1, 3);
    drawn.operations = operations;
    let mut ground = Ground::fresh().await;
    let (play, failure) = Play::all(&mut ground, 1, &drawn).await;
    assert_eq!(failure, None, "{}", play.story.text());
}

/// An order with a payment that the shop was told of.
fn paid(paying: Paying) -> Vec<Operation> {
    vec![Operation::Place(Content::One), Operation::Pay(Slot::of(0), paying, true)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reserved_payment_of_an_order_that_ended_is_not_read_again_and_again() {
    plays_well(vec![
        Operation::Place(Content::One),
        Operation::Pay(Slot::of(0), Paying::Reserved, false),
        Operation::Ask(Slot::of(0), Wish::Cancel),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reserved_payment_of_an_ended_order_is_not_read_without_end_until_a_clock_is_right_again()
{
    let mut operations = paid(Paying::Reserved);
    operations.extend([
        Operation::Work(0, Step::ReadPayment, Mishap::None),
        Operation::Ask(Slot::of(0), Wish::Cancel),
        Operation::ClockBack(1),
    ]);
    plays_well(operations).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_refused_and_then_bought_somewhere_else_has_a_whole_history() {
    let mut operations = paid(Paying::Right);
    let refused = Mishap::Refused("zma_temporarily_overloaded");
    operations.extend([
        Operation::Work(0, Step::Submit(Slot::of(0)), refused),
        Operation::Ask(Slot::of(0), Wish::Complete(Id::Outside)),
    ]);
    plays_well(operations).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g47_the_same_seed_gives_the_same_story_in_another_world() {
    for seed in [3, 7] {
        let (_, one) = run(None, seed, OPERATIONS).await;
        let (_, elsewhere) = run(None, seed, OPERATIONS).await;
        assert!(one.failed.is_none(), "seed {seed}: {:?}", one.failed);
        assert_eq!(one.story, elsewhere.story, "seed {seed}");
        assert_eq!(one.coverage, elsewhere.coverage, "seed {seed}");
    }
}
