//! How a point of the table is met: by a gate of the engine, or by one of its wires.

use super::Spot;
use crate::wire::{Stop, database, partner};
use orders_core::gate::{Gate, Point};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Where an engine is made to stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At a gate of its own.
    Gate(Point),
    /// At a statement with this text.
    Statement(&'static str),
    /// Before a partner has a call with this in its first line.
    Request(&'static str),
    /// After the partner has done it.
    Answer(&'static str),
    /// Where a server reads its clock, to judge a message that it has read.
    Clock,
}

impl Place {
    /// Where a point is met; nothing where the matrix cannot meet it yet.
    pub fn of(spot: Spot) -> Option<Self> {
        Some(match spot.0 {
            1 => Self::Clock,
            2 => Self::Statement("receive_event"),
            3 => Self::Answer("POST /webhooks/stripe"),
            4 => Self::Request("GET /v1/payment_intents/"),
            5 => Self::Statement("record_payments"),
            6 => Self::Gate(Point::OrdersLocked),
            7 => Self::Statement("commit_intents"),
            8 => Self::Gate(Point::IntentCommitted),
            9 => Self::Gate(Point::RequestStarted),
            10 => Self::Request("POST /v1/orders"),
            11 => Self::Answer("POST /v1/orders"),
            12 => Self::Gate(Point::AnswerRead),
            13 => Self::Statement("record_acceptances"),
            14 => Self::Gate(Point::AnswerRecorded),
            15 => Self::Request("GET /v1/orders/"),
            17 => Self::Gate(Point::MoveCommitted),
            18 => Self::Answer("POST /v1/refunds"),
            21 => Self::Statement("recover_stuck_orders"),
            22 => Self::Statement("create or replace function \"public\"."),
            _ => return None,
        })
    }

    /// Whether a panic can happen right here; elsewhere the loop is dropped.
    pub fn is_gate(self) -> bool {
        matches!(self, Self::Gate(_))
    }
}

/// What becomes of whoever stands at a gate when he is let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fate {
    /// He goes on.
    GoesOn = 0,
    /// He panics.
    Panics = 1,
    /// His process is dead: nothing behind the gate happens.
    Dies = 2,
}

/// A gate that is shut at one point, once.
#[derive(Debug)]
pub struct Trap {
    point: Option<Point>,
    stop: Arc<Stop>,
    fate: AtomicU8,
}

impl Trap {
    /// Shut where this place is, if it is a gate.
    pub fn at(place: Place, stop: Arc<Stop>) -> Self {
        let point = match place {
            Place::Gate(point) => Some(point),
            _ => None,
        };
        Self { point, stop, fate: AtomicU8::new(Fate::GoesOn as u8) }
    }

    /// Decides what becomes of whoever stands there.
    pub fn decide(&self, fate: Fate) {
        self.fate.store(fate as u8, Ordering::SeqCst);
    }
}

impl Trap {
    /// Whoever comes first stands here until he is let go, and then meets his fate.
    pub fn stand(&self) {
        self.die_if_dead();
        if self.stop.count() > 0 {
            return;
        }
        tokio::task::block_in_place(|| self.stop.stand_blocking());
        self.die_if_dead();
        if self.fate.load(Ordering::SeqCst) == Fate::Panics as u8 {
            fall("on purpose");
        }
    }

    fn die_if_dead(&self) {
        if self.fate.load(Ordering::SeqCst) == Fate::Dies as u8 {
            fall("dead");
        }
    }
}

/// Past the hook that tells of panics: what happens on purpose would hide what does not.
fn fall(why: &'static str) -> ! {
    std::panic::resume_unwind(Box::new(why))
}

impl Gate for Trap {
    fn pass(&self, point: Point) {
        if self.point == Some(point) {
            self.stand();
        } else {
            self.die_if_dead();
        }
    }
}

/// Makes a wire hold at this place; a statement before it commits, or when it has and nobody knows.
pub fn hold(
    place: Place,
    moment: database::Moment,
    stop: &Arc<Stop>,
    database: &database::Wire,
    partners: &partner::Wire,
) {
    let stop = || Arc::clone(stop);
    match place {
        // Written in part: nobody can have read the whole before the writer goes on.
        Place::Gate(Point::RequestStarted) => {
            let act = partner::Act::HoldWith(stop());
            partners.add(partner::Rule { has: "POST /v1/orders", act, times: 2 });
        }
        Place::Gate(_) | Place::Clock => {}
        Place::Statement(has) => {
            let act = match moment {
                database::Moment::Committed => database::Act::HoldAndCut(stop()),
                _ => database::Act::Hold(stop()),
            };
            database.add(database::Rule { has, moment, act, times: 1 });
        }
        Place::Request(has) => {
            partners.add(partner::Rule { has, act: partner::Act::HoldRequest(stop()), times: 1 });
        }
        Place::Answer(has) => {
            partners.add(partner::Rule { has, act: partner::Act::HoldAnswer(stop()), times: 1 });
        }
    }
}
