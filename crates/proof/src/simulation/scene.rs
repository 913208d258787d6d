//! Scenes: a few operations in a row that lead to a place where something is to happen, so that what is rare
//! in a fair mixture is met by every run of some size, and among everything else that a history holds.
//!
//! Promise: the seeds take the places in turn, so that so many seeds in a row meet all of them. A scene is
//! made of ordinary operations: it is played, judged and made smaller like all others.

use super::alphabet::{STATUSES, about, mishaps};
use super::corner;
use super::draw::Dice;
use super::operation::{Content, Delivery, Mishap, Operation, Paying, Slot, Step, Wish};
use orders_sandbox::Fault;

/// How many mishaps one seed aims at, and how many operations on orders of one status.
const MISHAPS: usize = 5;
const OPERATIONS: usize = 5;

/// The scenes of a seed.
pub fn of(seed: u64, dice: &mut Dice) -> Vec<Vec<Operation>> {
    let worker = dice.below(2);
    let mut scenes = vec![in_status(seed, 0, worker), in_status(seed, 1, worker)];
    scenes.push(corner::in_turn(in_turn(seed, 1, 0), worker));
    let all = mishaps(Slot::NEWEST);
    for turn in 0..MISHAPS {
        // A stride without a common factor with their number, so that one seed has different ones.
        let place = in_turn(seed, MISHAPS, turn) * 31;
        let (step, mishap) = &all[place % all.len()];
        scenes.push(meets(worker, *step, mishap));
    }
    scenes
}

/// The place of a turn, counted over all seeds.
fn in_turn(seed: u64, turns: usize, turn: usize) -> usize {
    usize::try_from(seed % 1_000_000).unwrap_or_default() * turns + turn
}

pub(super) fn work(worker: u8, step: Step) -> Operation {
    Operation::Work(worker, step, Mishap::None)
}

/// An order that is paid and may be sent.
pub(super) fn paid() -> Vec<Operation> {
    vec![Operation::Place(Content::One), Operation::Pay(Slot::NEWEST, Paying::Right, true)]
}

/// An order that was sent, and what happened then.
pub(super) fn sent(worker: u8, mishap: Mishap) -> Vec<Operation> {
    let mut scene = paid();
    scene.push(Operation::Work(worker, Step::Submit(Slot::NEWEST), mishap));
    scene
}

/// Leads to an order in this status.
pub(super) fn leads_to(status: &str, worker: u8) -> Vec<Operation> {
    let watched = |waits: &[u32]| {
        let mut scene = sent(worker, Mishap::None);
        for seconds in waits {
            scene.extend([Operation::Wait(*seconds), work(worker, Step::Watch)]);
        }
        scene
    };
    match status {
        "submitting" => sent(worker, Mishap::Zinc(Fault::DropAnswer)),
        "submitted_to_zinc" => watched(&[]),
        "processing" => watched(&[301]),
        "completed" => watched(&[301, 1_801]),
        "needs_review" => sent(worker, Mishap::Refused("a_code_that_is_new")),
        "failed" => {
            let mut scene = sent(worker, Mishap::Refused("max_price_exceeded"));
            scene.extend([Operation::Wait(400), work(worker, Step::Submit(Slot::NEWEST))]);
            scene
        }
        "cancelled" => {
            let mut scene = paid();
            scene.push(Operation::Ask(Slot::NEWEST, Wish::Cancel));
            scene
        }
        _ => paid(),
    }
}

/// An order in one status, and operations on orders that are in it.
fn in_status(seed: u64, part: usize, worker: u8) -> Vec<Operation> {
    let turn = in_turn(seed, 1, 0);
    let status = STATUSES[turn % STATUSES.len()];
    let mut scene = leads_to(status, worker);
    let all = about(Slot::in_status(u8::MAX, status));
    let round = (turn / STATUSES.len() * 2 + part) * OPERATIONS;
    // Neighbours in the list would often end an order for each other.
    scene.extend((0..OPERATIONS).map(|place| all[(round + place) * 17 % all.len()].clone()));
    scene
}

/// A mishap where its step has something to do.
fn meets(worker: u8, step: Step, mishap: &Mishap) -> Vec<Operation> {
    let mut scene = match step {
        Step::Submit(_) | Step::SubmitDue | Step::ReadPayment => paid(),
        Step::Watch => {
            let mut scene = sent(worker, Mishap::None);
            scene.push(Operation::Wait(301));
            scene
        }
        Step::Move => {
            // What is due already is brought on first.
            vec![
                work(worker, Step::Move),
                work(worker, Step::Move),
                Operation::Place(Content::One),
                Operation::Pay(Slot::NEWEST, Paying::Later, true),
                Operation::Ask(Slot::NEWEST, Wish::Cancel),
            ]
        }
        Step::LookUp => sent(worker, Mishap::Zinc(Fault::DropAnswer)),
        Step::FollowUp => {
            let mut scene = paid();
            scene.push(Operation::Deliver(Delivery::Newest(3)));
            scene
        }
        Step::ReadMissed | Step::Reconcile => {
            let mut scene = paid();
            scene.push(Operation::Wait(3_700));
            scene
        }
        Step::Recover | Step::Intend => Vec::new(),
    };
    if matches!(step, Step::SubmitDue) {
        scene.extend([work(worker, Step::ReadPayment), work(worker, Step::ReadPayment)]);
    }
    scene.push(Operation::Work(worker, step, mishap.clone()));
    scene
}
