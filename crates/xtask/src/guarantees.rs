//! Promises and proofs meet: `docs/GUARANTEES.md`, the marks in the code, the names of the tests.
//!
//! Promise: a promise in the document names tests that exist, or says that it waits; a mark such
//! as `// G15` in the code points at a promise in the document; a test named after a promise
//! (`window_a3_…`, `g15_…`) is listed under it; no number ever disappears.
//!
//! `CONTRIBUTING.md` describes the form of the document. The parser looks at table rows whose
//! first cell is an id and leaves everything else (prose, headings, fenced examples) to its author.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::Finding;
use crate::scan::{self, Source, is_word};
use crate::tree::Tree;

/// Where the promises stand.
pub const DOCUMENT: &str = "docs/GUARANTEES.md";

/// How many ids each letter has at least. They only grow: a promise may be worded better, but it
/// is not dropped and its number is never given to another.
const NUMBERED: [(char, usize); 5] = [('G', 48), ('A', 15), ('B', 11), ('C', 11), ('D', 5)];

/// One row of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    id: String,
    line: usize,
    /// The tests named in the last cell.
    tests: Vec<String>,
    /// The feature that the row, or what is left of it, waits for.
    waits_for: Option<String>,
}

/// Compares the document with the tree.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let Some(document) = tree.file(DOCUMENT) else {
        return vec![Finding::file(DOCUMENT, "is missing: the promises have to stand somewhere")];
    };
    let rows = rows(&document.text);
    let tests = tests(tree);
    let mut findings = numbering(&rows);
    for row in &rows {
        findings.extend(proof(row, &tests));
    }
    findings.extend(unlisted_tests(&rows, &tests));
    findings.extend(unknown_marks(&rows, tree));
    findings
}

/// The rows that still wait, by the feature they wait for, and how many promises are kept.
pub fn waiting(document: &str) -> String {
    let rows = rows(document);
    let mut features: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in &rows {
        if let Some(feature) = &row.waits_for {
            features.entry(feature).or_default().push(&row.id);
        }
    }
    let kept = rows.iter().filter(|row| row.waits_for.is_none()).count();
    let mut lines = vec![format!("{kept} of {} promises are kept by a test", rows.len())];
    lines.extend(features.iter().map(|(feature, ids)| format!("{feature}: {}", ids.join(" "))));
    lines.join("\n")
}

fn rows(document: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut fenced = false;
    for (index, line) in document.lines().enumerate() {
        let line = line.trim();
        fenced ^= line.starts_with("```");
        if fenced || !line.starts_with('|') {
            continue;
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let id = cells[0].trim_matches(['*', '`', ' ']);
        if !is_id(id) {
            continue;
        }
        let last = cells.last().copied().filter(|_| cells.len() > 1).unwrap_or_default();
        let (tests, waits_for) = status(last);
        rows.push(Row { id: id.to_owned(), line: index + 1, tests, waits_for });
    }
    rows
}

fn is_id(word: &str) -> bool {
    let mut letters = word.chars();
    let letter = letters.next();
    let number = letters.as_str();
    NUMBERED.iter().any(|(known, _)| Some(*known) == letter)
        && !number.is_empty()
        && number.chars().all(|digit| digit.is_ascii_digit())
}

/// Reads the last cell: names of tests, or `waiting: feature`, or both while a part is missing.
fn status(cell: &str) -> (Vec<String>, Option<String>) {
    // A test may have "waiting" in its name; a status has a blank or nothing before it.
    let waiting = cell.match_indices("waiting").map(|(at, _)| cell.split_at(at));
    let status = waiting.into_iter().find(|(before, _)| !before.ends_with(is_word));
    let (names, waits_for) = match status {
        Some((names, feature)) => {
            let feature = feature.trim_start_matches("waiting");
            let feature = feature.trim_matches([':', ' ', '`', '(', ')', '*', '.']);
            let feature = if feature.is_empty() { "not said" } else { feature };
            (names, Some(feature.to_owned()))
        }
        None => (cell, None),
    };
    let words = names.split(|letter: char| !is_word(letter) && letter != ':');
    let tests = words
        .filter_map(|word| word.trim_matches(':').rsplit("::").next())
        .filter(|word| word.contains('_'))
        .map(str::to_owned)
        .collect();
    (tests, waits_for)
}

/// Every id once, none missing.
fn numbering(rows: &[Row]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for row in rows {
        if !seen.insert(&row.id) {
            let sentence = format!("{} stands here a second time", row.id);
            findings.push(Finding::line(DOCUMENT, row.line, sentence));
        }
    }
    for (letter, at_least) in NUMBERED {
        let numbers = rows.iter().filter_map(|row| row.id.strip_prefix(letter)?.parse().ok());
        let last = numbers.max().unwrap_or(0).max(at_least);
        for number in 1..=last {
            let id = format!("{letter}{number}");
            if !seen.contains(&id) {
                findings.push(Finding::file(DOCUMENT, format!("{id} has no row")));
            }
        }
    }
    findings
}

fn proof(row: &Row, tests: &BTreeMap<String, Place>) -> Vec<Finding> {
    let id = &row.id;
    if row.tests.is_empty() && row.waits_for.is_none() {
        let sentence = format!("{id} names no test and does not say `waiting: <feature>`");
        return vec![Finding::line(DOCUMENT, row.line, sentence)];
    }
    let missing = row.tests.iter().filter(|name| !tests.contains_key(*name));
    missing
        .map(|name| {
            let sentence = format!("{id} names `{name}`, but no test is called so");
            Finding::line(DOCUMENT, row.line, sentence)
        })
        .collect()
}

/// Where a test stands.
#[derive(Debug)]
struct Place {
    path: String,
    line: usize,
}

/// The tests of the tree by name. A function without a test attribute proves nothing.
fn tests(tree: &Tree) -> BTreeMap<String, Place> {
    let mut tests = BTreeMap::new();
    for file in tree.rust() {
        for function in scan::functions(&Source::rust(&file.text).code) {
            if function.is_test {
                let place = Place { path: file.path.clone(), line: function.line };
                tests.insert(function.name, place);
            }
        }
    }
    tests
}

/// A test that carries an id in its name belongs to that row.
fn unlisted_tests(rows: &[Row], tests: &BTreeMap<String, Place>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, place) in tests {
        let Some(id) = id_in_name(name) else { continue };
        let sentence = match rows.iter().find(|row| row.id == id) {
            Some(row) if row.tests.contains(name) => continue,
            Some(_) => format!("`{name}` is not listed under {id} in {DOCUMENT}"),
            None => format!("`{name}` names {id}, which {DOCUMENT} does not know"),
        };
        findings.push(Finding::line(&place.path, place.line, sentence));
    }
    findings
}

/// `window_a3_…` belongs to A3, `g15_…` to G15.
fn id_in_name(name: &str) -> Option<String> {
    let (rest, is_window) = match name.strip_prefix("window_") {
        Some(rest) => (rest, true),
        None => (name, false),
    };
    let id = rest.split('_').next()?.to_uppercase();
    (is_id(&id) && is_window != id.starts_with('G')).then_some(id)
}

/// A mark in a comment of the code or of the SQL must lead somewhere.
fn unknown_marks(rows: &[Row], tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let own_examples = |path: &str| path.starts_with("crates/xtask/");
    for file in tree.files().filter(|file| !own_examples(&file.path)) {
        let comments = match () {
            () if file.is("rs") => Source::rust(&file.text).comments,
            () if file.is("sql") => Source::sql(&file.text).comments,
            () => continue,
        };
        for (index, line) in comments.lines().enumerate() {
            let words = line.split(|letter| !is_word(letter));
            let marks = words.filter(|word| word.starts_with('G') && is_id(word));
            for mark in marks.filter(|mark| !rows.iter().any(|row| row.id == **mark)) {
                let sentence = format!("the mark {mark} leads nowhere: {DOCUMENT} has no {mark}");
                findings.push(Finding::line(&file.path, index + 1, sentence));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A complete document, in which one row is replaced.
    fn document(id: &str, row: &str) -> String {
        let mut lines = vec!["| id | promise | mechanism | tests |".to_owned()];
        for (letter, count) in NUMBERED {
            for number in 1..=count {
                let this = format!("{letter}{number}");
                let waiting = format!("| {this} | promise | mechanism | waiting: chaos |");
                lines.push(if this == id { row.to_owned() } else { waiting });
            }
        }
        lines.join("\n")
    }

    const PROOF: &str = "//! Tests.\n#[test]\nfn g3_kept_over_a_crash() {}\nfn no_test() {}\n";

    fn judged(document: &str, code: &str) -> Vec<String> {
        let tree = Tree::of(&[(DOCUMENT, document), ("crates/core/src/a.rs", code)]);
        check(&tree).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_kept_promise_passes() {
        for cell in ["`g3_kept_over_a_crash`", "store::tests::g3_kept_over_a_crash"] {
            let text = document("G3", &format!("| **G3** | promise | how | {cell} |"));
            assert_eq!(judged(&text, PROOF), [""; 0], "{cell}");
        }
        let partly = "| G3 | promise | how | `g3_kept_over_a_crash`; waiting: chaos |";
        assert_eq!(judged(&document("G3", partly), PROOF), [""; 0]);
    }

    #[test]
    fn a_promise_whose_test_does_not_exist_is_found() {
        for name in ["g3_gone", "no_test"] {
            let text = document("G3", &format!("| G3 | promise | how | `{name}` |"));
            let found = judged(&text, "//! Tests.\nfn no_test() {}\n");
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(&format!("G3 names `{name}`")), "{found:?}");
        }
    }

    #[test]
    fn a_row_without_a_proof_that_does_not_wait_is_found() {
        for row in ["| G4 | promise | how | |", "| G4 | promise | how | soon |", "| G4 |"] {
            let found = judged(&document("G4", row), "//! Nothing.\n");
            assert_eq!(found.len(), 1, "{row}: {found:?}");
            assert!(found[0].contains("G4 names no test"), "{found:?}");
        }
    }

    #[test]
    fn a_test_named_after_a_promise_must_be_listed_there() {
        let code = "//! Tests.\n#[tokio::test]\nasync fn window_a3_pauses_a_worker() {}\n";
        let found = judged(&document("", ""), code);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("a.rs:3: `window_a3_pauses_a_worker` is not listed under A3"));
        let elsewhere = document("A4", "| A4 | promise | how | `window_a3_pauses_a_worker` |");
        assert_eq!(judged(&elsewhere, code).len(), 1, "listed under another id");
        let unknown = judged(&document("", ""), &code.replace("_a3_", "_c15_"));
        assert!(unknown[0].contains("names C15, which"), "{unknown:?}");
        let listed = document("A3", "| A3 | promise | how | `window_a3_pauses_a_worker` |");
        assert_eq!(judged(&listed, code), [""; 0]);
    }

    #[test]
    fn a_mark_that_leads_nowhere_is_found_and_a_good_one_is_not() {
        let text = document("", "");
        let found = judged(&text, "//! Marks.\n// G48, G49\nfn f() { let g99 = \"G77\"; }\n");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("a.rs:2: the mark G49 leads nowhere"), "{found:?}");
        let tree = Tree::of(&[(DOCUMENT, &text), ("queries/a.sql", "select 1; -- G50\n")]);
        assert_eq!(check(&tree).len(), 1);
    }

    #[test]
    fn a_number_that_is_dropped_or_used_twice_is_found() {
        let dropped = judged(&document("B11", ""), "//! Nothing.\n");
        assert_eq!(dropped, [format!("{DOCUMENT}: B11 has no row")]);
        let twice = judged(&document("B11", "| B10 | again | how | waiting: chaos |"), "//! A.\n");
        assert!(twice.iter().any(|found| found.contains("B10 stands here a second time")));
        let fenced = document("G1", "```\n| G1 | an example | how | waiting |\n```");
        assert_eq!(judged(&fenced, "//! Nothing.\n"), [format!("{DOCUMENT}: G1 has no row")]);
    }

    #[test]
    fn without_the_document_the_check_fails() {
        assert_eq!(check(&Tree::of(&[])).len(), 1);
    }

    #[test]
    fn what_waits_is_listed_by_feature() {
        let text =
            "| G1 | p | m | waiting: refunds |\n| G2 | p | m | `a_b` |\n| A1 | p | m | waiting |";
        let expected = "1 of 3 promises are kept by a test\nnot said: A1\nrefunds: G1";
        assert_eq!(waiting(text), expected);
    }
}
