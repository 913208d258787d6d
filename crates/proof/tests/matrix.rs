//! The fault matrix in the test command: every cell that can be run, once, with the oracle's word.

use orders_proof::matrix::batch::{Ran, run_all};
use orders_proof::matrix::cell::is_runnable;
use orders_proof::matrix::{Fault, Spot};

/// How many cells are run side by side; they wait more than they work.
const LANES: usize = 6;
/// How a provider can refuse a purchase, one after the other by seed.
const REFUSALS: u64 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_at_every_point_that_can_be_run_buys_and_returns_once_and_ends() {
    let seed = 1;
    let cells = Spot::all().flat_map(|spot| Fault::all().map(move |fault| (spot, fault, seed)));
    let mut cells: Vec<_> = cells.filter(|(spot, fault, _)| is_runnable(*spot, *fault)).collect();
    assert_eq!(cells.len(), 274, "the other 47 of 321 wait for features");
    cells.extend((2..=REFUSALS).map(|seed| (Spot(10), Fault(14), seed)));
    let count = cells.len();
    let mut ran = run_all(cells, LANES, None, |_| ()).await;
    assert_eq!(ran.len(), count);
    let failed: Vec<String> = ran.iter().filter_map(Ran::fault).collect();
    assert!(failed.is_empty(), "{} cells failed\n{}", failed.len(), failed.join("\n\n"));
    ran.sort_by_key(|one| std::cmp::Reverse(one.took));
    for one in ran.iter().take(10) {
        println!("{}{}: {:?}", one.spot, one.fault, one.took);
    }
}
