//! The counts of all runs so far, and the page that tells of them.

use super::batch::Ran;
use super::table::{ALSO, FAULTS, SPOTS, WAITING_SPOTS, must, waits};
use super::{Fault, Spot};
use crate::counts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// What the runs of a cell came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cell {
    /// How many were run.
    runs: u64,
    /// The highest seed.
    last_seed: u64,
    /// The seeds that failed and have not been run well since.
    failed: Vec<u64>,
}

/// The counts, by the cell's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<String, Cell>);

impl Counts {
    /// Reads them; none where there is no file yet.
    pub fn read(file: &Path) -> std::io::Result<Self> {
        counts::read(file).map(Self)
    }

    /// Writes them.
    pub fn write(&self, file: &Path) -> std::io::Result<()> {
        counts::write(file, &self.0)
    }

    /// The first seed that a cell was not run with.
    pub fn next_seed(&self, spot: Spot, fault: Fault) -> u64 {
        self.0.get(&name(spot, fault)).map_or(1, |cell| cell.last_seed + 1)
    }

    /// How often a cell was run.
    pub fn runs(&self, spot: Spot, fault: Fault) -> u64 {
        self.0.get(&name(spot, fault)).map_or(0, |cell| cell.runs)
    }

    /// Adds a run.
    pub fn add(&mut self, one: &Ran) {
        let cell = self.0.entry(name(one.spot, one.fault)).or_default();
        cell.runs += 1;
        cell.last_seed = cell.last_seed.max(one.seed);
        cell.failed.retain(|seed| *seed != one.seed);
        if one.failed.is_some() {
            cell.failed.push(one.seed);
        }
    }

    /// The page.
    pub fn page(&self) -> String {
        let all = Spot::all().flat_map(|spot| Fault::all().map(move |fault| (spot, fault)));
        let live: Vec<_> = all.filter(|(spot, fault)| must(*spot, *fault).is_some()).collect();
        let waiting = live.iter().filter(|(spot, fault)| waits(*spot, *fault).is_some()).count();
        let run = live.iter().filter(|(spot, fault)| self.0.contains_key(&name(*spot, *fault)));
        let (run, runs) = (run.count(), self.0.values().map(|cell| cell.runs).sum::<u64>());
        let mut page = format!(
            "# The fault matrix\n\n\
             What happens when a fault meets an engine at a point of an order's life. Written by `just matrix`, which adds to it; \
             the test command runs every cell that can be run once.\n\n\
             **{run} of the {} cells that can happen were run, {runs} runs in all; {waiting} wait for features.** After each run the \
             partners' ledgers and the whole database were judged (no second purchase, none refunded and bought, one refund each, \
             every history whole), with the faults gone every order ended, and one of the cell's letters was seen.\n\n\
             In a cell: how often it was run, and what must happen. A dash: not run yet. A tilde: waits for a feature. Empty: it \
             cannot happen.\n\n| point |",
            live.len()
        );
        for fault in Fault::all() {
            let _ = write!(page, " {fault} |");
        }
        page.push_str("\n|---|");
        page.push_str(&"---|".repeat(FAULTS.len()));
        for spot in Spot::all() {
            let _ = write!(page, "\n| {spot} |");
            for fault in Fault::all() {
                let _ = match (must(spot, fault), self.0.get(&name(spot, fault))) {
                    (None, _) => write!(page, " |"),
                    (Some(word), None) if waits(spot, fault).is_some() => {
                        write!(page, " ~ {word} |")
                    }
                    (Some(word), None) => write!(page, " – {word} |"),
                    (Some(word), Some(cell)) => write!(page, " {} {word} |", cell.runs),
                };
            }
        }
        page.push_str("\n\n## The points\n\n");
        for (spot, said) in Spot::all().zip(SPOTS) {
            let _ = writeln!(page, "- {spot}: {said}");
        }
        page.push_str("\n## The faults\n\n");
        for (fault, said) in Fault::all().zip(FAULTS) {
            let _ = writeln!(page, "- {fault}: {said}");
        }
        page.push_str(WORDS);
        page.push_str("\n## What waits\n\n");
        for (spot, why) in WAITING_SPOTS {
            let _ = writeln!(page, "- {spot}: {why}");
        }
        page.push_str("\n## Where another letter is right too\n\n");
        for (spot, fault, letters, why) in ALSO {
            let _ = writeln!(page, "- {spot}{fault}, `{letters}`: {why}");
        }
        let failed: Vec<_> = self.0.iter().filter(|(_, cell)| !cell.failed.is_empty()).collect();
        if !failed.is_empty() {
            page.push_str("\n## Seeds that failed\n\n");
            for (cell, of) in failed {
                let _ = writeln!(page, "- {cell}: {:?}", of.failed);
            }
        }
        page
    }
}

fn name(spot: Spot, fault: Fault) -> String {
    format!("{spot}{fault}")
}

const WORDS: &str = "
## What must happen

`N` nothing durable, the sender repeats or the reconciler finds it. `D` recognised as done or overtaken, one effect. `R` another worker goes on, same key, same bytes. `U` unknown, evidence decides. `Z` the late actor changes nothing. `T` rolled back and done again whole. `Q` read back before anything else. `B` waiting, nothing wrong written. `H` held for a person. `K` carries on. `S` starts held, compares first. Two letters: either, by timing.
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn runs_add_up_and_a_seed_that_failed_is_told_until_it_runs_well() {
        let mut counts = Counts::default();
        let ran = |seed, failed: Option<&str>| Ran {
            spot: Spot(8),
            fault: Fault(2),
            seed,
            took: Duration::ZERO,
            failed: failed.map(Into::into),
        };
        assert_eq!(counts.next_seed(Spot(8), Fault(2)), 1);
        counts.add(&ran(1, None));
        counts.add(&ran(2, Some("bought twice")));
        assert_eq!(counts.next_seed(Spot(8), Fault(2)), 3);
        assert!(counts.page().contains("| C8 | – U | 2 Z |"), "{}", counts.page());
        assert!(counts.page().contains("- C8F2: [2]"));
        counts.add(&ran(2, None));
        assert!(!counts.page().contains("Seeds that failed"));
        assert!(counts.page().contains(
            "**1 of the 321 cells that can happen were run, 3 runs in all; 47 wait for features.**"
        ));
    }
}
