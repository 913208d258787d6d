//! ARCHITECTURE.md tells the truth: its table of edges is the program's, its drawing has the same
//! edges, and every decision that a comment cites by number stands there. // G10

use orders_core::state::EDGES;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn document() -> String {
    text(&root().join("ARCHITECTURE.md"))
}

/// The rows below a table's headline, each as its cells.
fn table(headline: &str) -> Vec<Vec<String>> {
    let document = document();
    let mut lines = document.lines().skip_while(|line| line.trim() != headline);
    assert!(lines.next().is_some(), "ARCHITECTURE.md has no table {headline}");
    lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

#[test]
fn the_table_of_edges_in_the_document_is_the_programs() {
    let written = table("| before | after | meaning |");
    let program: Vec<Vec<String>> = EDGES
        .iter()
        .map(|edge| [edge.before_name(), edge.after.name(), edge.meaning].map(str::to_owned).into())
        .collect();
    assert_eq!(written, program);
}

#[test]
fn the_drawing_in_the_document_has_the_programs_edges() {
    let document = document();
    let drawn: BTreeSet<(&str, &str)> = document
        .lines()
        .skip_while(|line| *line != "stateDiagram-v2")
        .take_while(|line| *line != "```")
        .filter_map(|line| line.trim().split_once(" --> "))
        .filter(|(_, after)| *after != "[*]")
        .map(|(before, after)| (if before == "[*]" { "new" } else { before }, after))
        .collect();
    let program: BTreeSet<_> = EDGES.iter().map(|e| (e.before_name(), e.after.name())).collect();
    assert_eq!(drawn, program);
}

#[test]
fn every_decision_that_a_comment_cites_stands_in_the_document() {
    let known: BTreeSet<u32> = table("| number | decision |")
        .iter()
        .map(|row| row[0].parse().expect("a decision's number"))
        .collect();
    let mut cited = 0;
    for file in sources(&root().join("crates")) {
        for number in text(&file).lines().flat_map(decisions) {
            cited += 1;
            assert!(known.contains(&number), "{} cites ruling {number}", file.display());
        }
    }
    assert!(cited >= 20, "the check must see the citations: {cited}");
}

/// The numbers after the word: `ruling 4`, `rulings 17 and 19`, `ruling 19, 20`.
fn decisions(line: &str) -> Vec<u32> {
    let lower = line.to_lowercase();
    let Some((_, rest)) = lower.split_once("ruling") else { return Vec::new() };
    let rest = rest.strip_prefix('s').unwrap_or(rest);
    rest.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map_while(|word| if word == "and" { Some(None) } else { word.parse().ok().map(Some) })
        .flatten()
        .collect()
}

/// The Rust and SQL files below a folder, this one aside.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name != "target" {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs" || kind == "sql")
            && name != "architecture.rs"
        {
            found.push(path);
        }
    }
    found
}
