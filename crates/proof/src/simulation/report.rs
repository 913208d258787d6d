//! The counts of all histories so far, and the page that tells of them.

use super::batch::Ran;
use super::coverage::{Coverage, wanted};
use super::mutants::MUTANTS;
use super::unmet::UNMET;
use crate::counts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What all histories came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// How many were played.
    pub histories: u64,
    /// How many operations they had together.
    pub operations: u64,
    /// The highest seed.
    pub last_seed: u64,
    /// The seeds that failed and have not been played well since.
    pub failed: Vec<u64>,
    /// What was met, and how often.
    pub met: BTreeMap<String, u64>,
}

impl Counts {
    /// Reads them; none where there is no file yet.
    pub fn read(file: &Path) -> std::io::Result<Self> {
        counts::read(file)
    }

    /// Writes them.
    pub fn write(&self, file: &Path) -> std::io::Result<()> {
        counts::write(file, self)
    }

    /// Adds a history.
    pub fn add(&mut self, one: &Ran) {
        self.histories += 1;
        self.operations += one.operations as u64;
        self.last_seed = self.last_seed.max(one.seed);
        self.failed.retain(|seed| *seed != one.seed);
        if one.failed.is_some() {
            self.failed.push(one.seed);
        }
        for (cell, count) in &one.coverage.0 {
            *self.met.entry(cell.clone()).or_default() += count;
        }
    }

    /// The page.
    pub fn page(&self) -> String {
        let all = wanted();
        let missing = Coverage(self.met.clone()).missing();
        let (met, wanted) = (all.len() - missing.len(), all.len());
        let mut page = format!(
            "# The simulation\n\n\
             Histories of a shop that are drawn by a seed and played on a real database between fakes with ledgers: orders, payments, messages, \
             people, two workers, partners and banks in any order, with anything going wrong in between. Written by `just simulate`, which adds to it; \
             the test command plays the first seeds with shorter histories, and demands the same.\n\n\
             **{} histories with {} operations, {} failed.** Of {wanted} cells that must be met {met} were; {} different ones were met in all.\n\n\
             After each history nothing goes wrong any more, time goes on and the engines do what is due until nothing is. Then the partners' ledgers and the \
             whole database are judged: no order bought twice at any instant, none refunded and bought, nothing refunded twice or beyond what was received, \
             every call with its intent, every history whole, every paid order ended or with a person who is told, and no money that nobody knows of.\n",
            self.histories,
            self.operations,
            self.failed.len(),
            self.met.len(),
        );
        page.push_str(WORDS);
        if !self.failed.is_empty() {
            let _ = write!(page, "\n## Seeds that failed\n\n{:?}\n", self.failed);
        }
        if !missing.is_empty() {
            page.push_str("\n## Not met yet\n\n");
            for cell in missing {
                let _ = writeln!(page, "- {cell}");
            }
        }
        page.push_str("\n## What it finds\n\nThe program was broken on purpose, one rule at a time, and the seeds of the test command were played until one failed.\n\n\
            | what was broken | seed | what was seen | made smaller |\n|---|---|---|---|\n");
        for mutant in MUTANTS {
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} operations |",
                mutant.what, mutant.seed, mutant.seen, mutant.smallest
            );
        }
        page.push_str("\n## What cannot be met\n\n");
        for (cell, reason) in UNMET {
            let _ = writeln!(page, "- {cell}: {reason}");
        }
        page.push_str("\n## What was met\n\n| cell | how often |\n|---|---|\n");
        for (cell, count) in &self.met {
            let _ = writeln!(page, "| {cell} | {count} |");
        }
        page
    }
}

/// The counts while histories are being played, written down again and again, so that a run that is broken off
/// has counted what it had played.
#[derive(Debug)]
pub struct Tally {
    /// The counts up to now.
    pub counts: Counts,
    next: u64,
    /// What was played before a history with a lower seed.
    early: BTreeMap<u64, Ran>,
    file: PathBuf,
    page: PathBuf,
}

impl Tally {
    /// Of a run that begins with this seed.
    pub fn from(counts: Counts, first: u64, file: PathBuf, page: PathBuf) -> Self {
        Self { counts, next: first, early: BTreeMap::new(), file, page }
    }

    /// Adds a history as soon as all with lower seeds are there; writes after every fiftieth.
    pub fn add(&mut self, one: &Ran) -> std::io::Result<()> {
        self.early.insert(one.seed, one.clone());
        while let Some(one) = self.early.remove(&self.next) {
            self.counts.add(&one);
            self.next += 1;
            if self.next.is_multiple_of(50) {
                self.write()?;
            }
        }
        Ok(())
    }

    /// Writes the counts and the page.
    pub fn write(&self) -> std::io::Result<()> {
        self.counts.write(&self.file)?;
        std::fs::write(&self.page, self.counts.page())
    }
}

const WORDS: &str = "
`simulate --seed 17` plays one seed and prints its story. A seed that fails is made smaller, as long as it fails by the same rule, and what is left is printed.
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn ran(seed: u64, failed: bool) -> Ran {
        let small = super::super::shrink::Small {
            history: super::super::draw::history(seed, 3),
            failure: super::super::play::Failure::of("bought twice", "order 1"),
            story: String::new(),
            tries: 0,
        };
        let mut coverage = Coverage::default();
        coverage.hit("operation: place".into());
        let (took, story) = (Duration::ZERO, String::new());
        Ran { seed, operations: 3, took, coverage, story, failed: failed.then_some(small) }
    }

    #[test]
    fn a_run_that_is_broken_off_has_counted_what_it_had_played_without_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let (file, page) = (folder.path().join("counts"), folder.path().join("page"));
        let mut tally = Tally::from(Counts::default(), 48, file.clone(), page);
        for seed in [49, 51, 48] {
            tally.add(&ran(seed, false)).unwrap();
        }
        assert_eq!(tally.counts.last_seed, 49, "the fiftieth is missing");
        let written = Counts::read(&file).unwrap();
        assert_eq!((written.histories, written.last_seed), (2, 49));
    }

    #[test]
    fn histories_add_up_and_a_seed_that_failed_is_told_until_it_plays_well() {
        let mut counts = Counts::default();
        counts.add(&ran(1, false));
        counts.add(&ran(2, true));
        assert_eq!((counts.histories, counts.operations, counts.last_seed), (2, 6, 2));
        assert!(counts.page().contains("## Seeds that failed\n\n[2]"));
        counts.add(&ran(2, false));
        assert!(!counts.page().contains("Seeds that failed"));
        assert!(counts.page().contains("| operation: place | 3 |"), "{}", counts.page());
    }
}
