//! The specification's sentences, each as a test: the wall around the status, the three functions,
//! the stuck query exactly as it is printed, and what happens under deadlocks and lock time-outs.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

#[path = "../shop/mod.rs"]
mod shop;

mod complete;
mod manual;
mod recover;
mod stuck_query;
mod trouble;
mod wall;
