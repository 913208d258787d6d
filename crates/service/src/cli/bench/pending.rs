//! Memory: how much the program takes at most while a long queue of paid orders waits and is worked
//! off. The orders stay in the database; the program holds what it has claimed.

use super::ground::Ground;
use super::process::Side;
use super::report::Run;
use super::whole::{Plan, run};

/// Measures the engine alone on a long queue.
pub async fn measure(ground: &Ground, plan: Plan) -> anyhow::Result<Run> {
    eprintln!("  {} orders pending", plan.orders);
    run(ground, Side::Ours, plan).await
}
