//! What all judged mutants came to, kept in a file so that a run goes on where another ended, and the page
//! that tells of it.

use super::batch::Judged;
use super::listed::listed;
use super::suite::Verdict;
use crate::counts;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// What became of the mutants of one function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// A fingerprint of the text that was changed; another text is judged anew.
    text: String,
    /// Those that were noticed, with the file of the suite that did or that two sessions did, and those that
    /// the database refuses to make, with none; by the fingerprints of their names: their text would fill a
    /// book.
    seen: BTreeMap<String, Option<String>>,
    /// Those that nobody noticed.
    unnoticed: BTreeSet<String>,
}

impl Function {
    fn noticed(&self) -> usize {
        self.seen.values().flatten().count()
    }

    fn impossible(&self) -> usize {
        self.seen.len() - self.noticed()
    }
}

/// What a run of `cargo mutants` came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rust {
    /// How many were tried.
    pub total_mutants: u64,
    /// How many a test noticed.
    pub caught: u64,
    /// How many no test noticed.
    pub missed: u64,
    /// How many never ended, which is noticed too.
    pub timeout: u64,
    /// How many do not compile.
    pub unviable: u64,
}

/// What all mutants came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// By function.
    functions: BTreeMap<String, Function>,
    /// By what of the program was changed.
    rust: BTreeMap<String, Rust>,
}

/// A short fingerprint of a text (FNV-1a), the same on every machine.
pub fn fingerprint(text: &str) -> String {
    let mixed = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |mixed, byte| {
        (mixed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{mixed:016x}")
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

    /// Forgets what was judged of a function that has another text now, or is gone.
    pub fn forget_changed(&mut self, functions: &BTreeMap<String, String>) {
        self.functions.retain(|name, known| {
            functions.get(name).is_some_and(|text| fingerprint(text) == known.text)
        });
    }

    /// Whether a mutant was noticed already.
    pub fn is_noticed(&self, function: &str, name: &str) -> bool {
        self.functions
            .get(function)
            .is_some_and(|known| known.seen.contains_key(&fingerprint(name)))
    }

    /// Adds what was judged of a function with this text.
    pub fn add(&mut self, one: &Judged, text: &str) {
        let known = self.functions.entry(one.mutant.function.clone()).or_default();
        known.text = fingerprint(text);
        let name = fingerprint(&one.mutant.name);
        let by = match &one.verdict {
            Verdict::Unnoticed => {
                known.seen.remove(&name);
                known.unnoticed.insert(one.mutant.name.clone());
                return;
            }
            Verdict::Noticed(file) => Some(file.clone()),
            Verdict::Impossible(_) => None,
        };
        known.unnoticed.remove(&one.mutant.name);
        known.seen.insert(name, by);
    }

    /// Adds what `cargo mutants` said of a part of the program.
    pub fn add_rust(&mut self, part: &str, said: Rust) {
        self.rust.insert(part.to_owned(), said);
    }

    /// Those that nobody noticed and that are not on the list.
    pub fn unexplained(&self) -> Vec<&str> {
        let known = listed();
        let all = self.functions.values().flat_map(|one| &one.unnoticed);
        all.map(String::as_str).filter(|name| !known.contains_key(name)).collect()
    }

    /// The page.
    pub fn page(&self) -> String {
        let known = listed();
        let all = || self.functions.values();
        let noticed: usize = all().map(Function::noticed).sum();
        let unnoticed: usize = all().map(|one| one.unnoticed.len()).sum();
        let impossible: usize = all().map(Function::impossible).sum();
        let unexplained = self.unexplained();
        let mut page = format!(
            "# The mutants\n\n{BEGINNING}\n## The functions of the database\n\n\
             **{} changes of {} functions were tried: {noticed} noticed by the pgTAP suite or by two sessions, {} listed with a reason, {} that nobody noticed yet.** \
             {impossible} more make no function at all.\n\n\
             | function | changes | noticed | listed | not yet |\n|---|---|---|---|---|\n",
            noticed + unnoticed,
            self.functions.len(),
            unnoticed - unexplained.len(),
            unexplained.len(),
        );
        for (name, one) in &self.functions {
            let noticed = one.noticed();
            let (listed, open): (Vec<_>, Vec<_>) =
                one.unnoticed.iter().partition(|name| known.contains_key(name.as_str()));
            let _ = writeln!(
                page,
                "| {name} | {} | {noticed} | {} | {} |",
                noticed + one.unnoticed.len(),
                listed.len(),
                open.len()
            );
        }
        if !unexplained.is_empty() {
            page.push_str("\n## Not noticed yet\n\n");
            for name in &unexplained {
                let _ = writeln!(page, "- `{}`", name.replace('`', "'"));
            }
        }
        page.push_str("\n## Listed, with the reason\n");
        let mut by_reason: BTreeMap<&str, usize> = BTreeMap::new();
        for name in all().flat_map(|one| &one.unnoticed) {
            if let Some(reason) = known.get(name.as_str()) {
                *by_reason.entry(reason).or_default() += 1;
            }
        }
        page.push_str("\n| reason | changes |\n|---|---|\n");
        for (reason, count) in by_reason {
            let _ = writeln!(page, "| {reason} | {count} |");
        }
        self.rust_page(&mut page);
        page
    }

    fn rust_page(&self, page: &mut String) {
        page.push_str(RUST);
        if self.rust.is_empty() {
            page.push_str("No run has come to its end yet.\n");
            return;
        }
        page.push_str("| part | changes | noticed | never ended | not noticed | do not compile |\n|---|---|---|---|---|---|\n");
        for (part, said) in &self.rust {
            let Rust { total_mutants, caught, missed, timeout, unviable } = said;
            let _ = writeln!(
                page,
                "| {part} | {total_mutants} | {caught} | {timeout} | {missed} | {unviable} |"
            );
        }
    }
}

const BEGINNING: &str = "\
A test that cannot fail proves nothing. So the product is changed in small ways, one at a time, and a test must notice each: a condition \
that is not asked, a bound that is off by the least, a lock that is not taken, a statement that is not executed, a word that a list lacks. \
Each file of the pgTAP suite is one session, and cannot see a lock: what it does not notice is tried in scenes of two sessions, where one \
leaves something uncommitted and the other must wait for it, or pass it by, and answer for what stands then. \
Written by `just mutants`, which goes on where the last run ended; the test command tries some, drawn by a seed, and demands that the list \
below names nothing that is gone.

`mutants --function commit_intents --list` shows the changes of a function. What may go unnoticed stands in \
`crates/proof/src/mutants/listed.txt`, each under its reason.
";

const RUST: &str = "
## The program

`just mutants-rust` runs `cargo mutants` as `.cargo/mutants.toml` says; what may go unnoticed stands there with its reason.

";

#[cfg(test)]
mod tests {
    use super::super::change::Mutant;
    use super::*;

    fn judged(name: &str, verdict: Verdict) -> Judged {
        let mutant =
            Mutant { function: "f".into(), name: name.into(), range: 0..0, by: String::new() };
        Judged { mutant, verdict }
    }

    #[test]
    fn a_run_goes_on_and_what_is_noticed_later_is_not_open_any_more() {
        let mut counts = Counts::default();
        counts.add(&judged("f: a", Verdict::Noticed("08_x".into())), "text");
        counts.add(&judged("f: b", Verdict::Unnoticed), "text");
        assert!(counts.is_noticed("f", "f: a") && !counts.is_noticed("f", "f: b"));
        assert_eq!(counts.unexplained(), ["f: b"]);
        assert!(counts.page().contains("| f | 2 | 1 | 0 | 1 |"), "{}", counts.page());
        counts.add(&judged("f: b", Verdict::Noticed("09_y".into())), "text");
        assert_eq!(counts.unexplained(), Vec::<&str>::new());
        counts.add(&judged("f: a", Verdict::Unnoticed), "text");
        assert!(counts.page().contains("| f | 2 | 1 | 0 | 1 |"), "{}", counts.page());
        counts.forget_changed(&BTreeMap::from([("f".to_owned(), "text".to_owned())]));
        assert!(counts.is_noticed("f", "f: b"));
        counts.forget_changed(&BTreeMap::from([("f".to_owned(), "another text".to_owned())]));
        assert!(!counts.is_noticed("f", "f: b"), "another text is judged anew");
    }
}
