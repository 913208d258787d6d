//! What must happen, cell by cell.
//!
//! `N` nothing durable, the sender repeats or the reconciler finds it · `D` recognised as done or
//! overtaken, one effect · `R` another worker goes on with the same key and bytes · `U` unknown, evidence
//! decides · `Z` the late actor changes nothing · `T` rolled back and done again whole · `Q` read back
//! before anything else · `B` waiting, nothing wrong written · `H` held for a person · `K` carries on ·
//! `S` starts held and compares first. Two letters: either, by timing. A point: the cell cannot occur.

use super::{Fault, Spot};

/// The points, in an order's life.
pub const SPOTS: [&str; 22] = [
    "webhook read, not yet verified",
    "inbox insert in flight",
    "inbox committed, 2xx not sent",
    "inbox claimed, payment being read at Stripe",
    "order becomes paid, commit in flight",
    "order claimed, no intent yet",
    "intent (key, digest, cap), commit in flight",
    "intent committed, not connected",
    "request partly written",
    "request written, provider undecided",
    "provider bought, answer not read",
    "answer read, not recorded",
    "record, commit in flight",
    "recorded, worker not yet idle",
    "look-up of an unknown in flight",
    "provider webhook insert in flight",
    "capture or refund intent committed, call starting",
    "Stripe acted, answer not read",
    "state and outbox row committed",
    "customer webhook sent, not marked",
    "upkeep or reconciler in mid-batch",
    "migration running beside the old program",
];

/// The faults.
pub const FAULTS: [&str; 19] = [
    "killed",
    "stopped longer than its lease, then let go on",
    "future dropped, or a panic",
    "database connection reset before the statement",
    "reset after the commit took effect, before its answer",
    "database restarted, immediately",
    "read-only, or failed over without loss",
    "serialization failure, deadlock, lock time-out",
    "pool empty, or the database very slow",
    "disk full, or too many connections",
    "partner unreachable",
    "time-out, and the partner did nothing",
    "time-out, and the partner did it, at once or later",
    "429, a definite refusal, an empty wallet",
    "answer corrupt, cut, too long, a byte at a time, another order's",
    "webhooks doubled, in another order, early, late",
    "two workers on one order",
    "clocks an hour off",
    "database restored from an hour ago",
];

/// What must happen, by point and fault.
const CELLS: [&str; 22] = [
    "N D N K . N B . B B . . . . N D D N N",
    "N D N N D N B T B B . . . . . D D K N",
    "D D D K . K K . . K . . . . . D D K N",
    "R Z R K . R B . K B R R . RH R D Z Z S",
    "R Z Q T Q Q B T T B . . . . . D Z Z S",
    "R Z R T . T B T B B . . . . . D Z Z S",
    "R Z Q T Q Q B T B B . . . . . D Z Z S",
    "U Z U K . K U . K U R . . . . K Z Z S",
    "U Z U K . TU U . K U U U . . . D Z Z S",
    "U Z U K . TU U . K U U U U RH U D Z Z S",
    "U Z U K . TU U . K U U . U . U D Z Z S",
    "U Z U T . TU U T T TU . . . . . D Z Z S",
    "U Z Q T Q Q U T T TU . . . . . D Z Z S",
    "K K K K . K K . K K . . . . . D Z K S",
    "R Z R K . R B . K B R R R RH R D Z Z S",
    "N D N N D N B T B B . . . . N D D K S",
    "U Z U K . K U . K U R U U RH U D Z Z S",
    "U Z U K . TU U . K U U . U . U D Z Z S",
    "R R R K . K B T B B . . . . . K Z K S",
    "D D D T D D D T D D R R D R R K D Z D",
    "T Z T T Q Q B T B B R R R R R D Z Z S",
    "T TB . T Q Q B B B T . . . . . D B K S",
];

/// What must happen in a cell; nothing where it cannot occur.
pub fn must(spot: Spot, fault: Fault) -> Option<&'static str> {
    let row = CELLS.get(usize::from(spot.0.checked_sub(1)?))?;
    let word = row.split(' ').nth(usize::from(fault.0.checked_sub(1)?))?;
    Some(word).filter(|word| *word != ".")
}

/// The points that wait for a feature, and what they wait for.
pub const WAITING_SPOTS: [(Spot, &str); 3] = [
    (Spot(16), "messages of the provider are not taken yet; what it has is read"),
    (Spot(19), "messages to customers are not sent yet: there is no outbox"),
    (Spot(20), "messages to customers are not sent yet"),
];

/// What a cell that can happen waits for, if it waits.
pub fn waits(spot: Spot, fault: Fault) -> Option<&'static str> {
    must(spot, fault)?;
    WAITING_SPOTS.iter().find(|(one, _)| *one == spot).map(|(_, why)| *why)
}

/// Cells in which another letter than the table's is right too, and why.
pub const ALSO: [(Spot, Fault, &str, &str); 3] = [
    (
        Spot(1),
        Fault(6),
        "K",
        "The server finds its connections dead before it stores the message, and opens another.",
    ),
    (
        Spot(1),
        Fault(19),
        "K",
        "The message is stored after the database was put back, over a connection that was opened since.",
    ),
    (
        Spot(2),
        Fault(3),
        "D",
        "A statement that is on its way when the caller hangs up may still commit; then the repetition is a duplicate.",
    ),
];

/// The letters that are right too in a cell.
pub fn also(spot: Spot, fault: Fault) -> &'static str {
    let listed = ALSO.iter().find(|(one, other, _, _)| (*one, *other) == (spot, fault));
    listed.map_or("", |(_, _, letters, _)| letters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::cell::is_runnable;

    /// How many cells are run.
    const RUN: usize = 274;

    #[test]
    fn of_418_cells_321_can_happen() {
        let all: Vec<_> =
            Spot::all().flat_map(|spot| Fault::all().map(move |it| (spot, it))).collect();
        assert_eq!(all.len(), 418);
        assert!(CELLS.iter().all(|row| row.split(' ').count() == FAULTS.len()));
        assert_eq!(all.iter().filter(|(spot, it)| must(*spot, *it).is_some()).count(), 321);
        assert_eq!((must(Spot(0), Fault(1)), must(Spot(23), Fault(1))), (None, None));
    }

    #[test]
    fn each_cell_that_can_happen_is_run_or_waits_for_a_feature_that_is_named() {
        let live: Vec<_> = Spot::all()
            .flat_map(|spot| Fault::all().map(move |it| (spot, it)))
            .filter(|(spot, it)| must(*spot, *it).is_some())
            .collect();
        let run = live.iter().filter(|(spot, it)| is_runnable(*spot, *it)).count();
        let waiting = live.iter().filter(|(spot, it)| waits(*spot, *it).is_some()).count();
        assert_eq!((run, waiting, run + waiting), (RUN, 321 - RUN, 321));
    }

    #[test]
    fn another_letter_is_right_only_in_a_cell_that_is_run_and_does_not_have_it() {
        for (spot, fault, letters, why) in ALSO {
            let word = must(spot, fault).unwrap_or_default();
            assert!(is_runnable(spot, fault), "{spot}{fault}");
            assert!(letters.chars().all(|letter| !word.contains(letter)), "{spot}{fault}");
            assert!(why.ends_with('.'), "{spot}{fault}: {why}");
        }
    }
}
