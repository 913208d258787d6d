//! A gate that kills or stops this very process at a named point: how tests and the demonstration crash
//! or freeze an engine exactly where it hurts. Reached by hidden flags only.

use orders_core::gate::{Gate, Open, Point};
use rustix::process::{Pid, Signal, getpid, kill_process};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// No signal to this process is taken later than that.
const TAKEN_WITHIN: Duration = Duration::from_secs(2);

/// `point:n`: die at the n-th passing of the point.
#[derive(Debug, Clone, Copy)]
pub struct DieAt {
    point: Point,
    passing: u32,
}

impl FromStr for DieAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, passing) = text.split_once(':').unwrap_or((text, "1"));
        let names = || Point::ALL.map(Point::name).join(", ");
        Ok(Self {
            point: Point::parse(name)
                .ok_or_else(|| format!("no such point; there are {}", names()))?,
            passing: passing
                .parse()
                .map_err(|_| "after the colon: which passing, from 1".to_owned())?,
        })
    }
}

/// The gate for an optional point of death, or else of a stop from which somebody may wake it.
pub fn gate(die_at: Option<DieAt>, stop_at: Option<DieAt>) -> Arc<dyn Gate> {
    let deadly = |at, signal| Arc::new(Deadly { at, signal, passed: AtomicU32::new(0) });
    match (die_at, stop_at) {
        (Some(at), _) => deadly(at, Signal::KILL),
        (None, Some(at)) => deadly(at, Signal::STOP),
        (None, None) => Arc::new(Open),
    }
}

struct Deadly {
    at: DieAt,
    signal: Signal,
    passed: AtomicU32,
}

impl Gate for Deadly {
    fn pass(&self, point: Point) {
        if point == self.at.point
            && self.passed.fetch_add(1, Ordering::SeqCst) + 1 == self.at.passing
        {
            let this: Pid = getpid();
            // Nothing runs after a kill: no destructor, no flush, as in a real crash.
            let _ = kill_process(this, self.signal);
            // The kernel may hand the signal to another thread, and until that one takes it this one would
            // go on. Whoever is woken later finds this time long over.
            let begun = Instant::now();
            while let Some(left) = TAKEN_WITHIN.checked_sub(begun.elapsed()) {
                std::thread::park_timeout(left);
            }
        }
    }
}
