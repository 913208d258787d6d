//! The simulation in the test command: a few seeds with the oracle's word about each, histories that failed
//! once, and that a seed tells one story.

use orders_proof::simulation::batch::{run, run_all};
use orders_proof::simulation::draw::history;
use orders_proof::simulation::ground::Ground;
use orders_proof::simulation::operation::{Content, Operation, Paying, Wish};
use orders_proof::simulation::play::Play;

/// How many histories are played side by side; they wait more than they work.
const LANES: usize = 4;
/// The most operations of a history here; `just simulate` plays longer ones.
const OPERATIONS: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_in_any_order_nothing_is_bought_twice_refunded_and_bought_or_lost() {
    let ran = run_all((1..=12).collect(), OPERATIONS, LANES, |_| ()).await;
    assert_eq!(ran.len(), 12);
    for one in &ran {
        if let Some(small) = &one.failed {
            panic!("seed {}: {:?}\n{}", one.seed, small.failure, small.story);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reserved_payment_of_an_order_that_ended_is_not_read_again_and_again() {
    let mut drawn = history(1, 3);
    drawn.operations = vec![
        Operation::Place(Content::One),
        Operation::Pay(0, Paying::Reserved, false),
        Operation::Ask(0, Wish::Cancel),
    ];
    let mut ground = Ground::fresh().await;
    let (play, failure) = Play::all(&mut ground, 1, &drawn).await;
    assert_eq!(failure, None, "{}", play.story.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn g47_the_same_seed_gives_the_same_story_in_another_world() {
    for seed in [3, 7] {
        let (_, one) = run(None, seed, OPERATIONS).await;
        let (_, elsewhere) = run(None, seed, OPERATIONS).await;
        assert!(one.failed.is_none(), "seed {seed}: {:?}", one.failed);
        assert_eq!(one.story, elsewhere.story, "seed {seed}");
    }
}
