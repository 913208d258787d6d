//! The rules for any file: names that say something, no orphaned notes, no path of one machine.

use crate::finding::Finding;
use crate::scan::{Source, is_word};
use crate::tree::File;

/// Words that fit every file and so describe none.
const EMPTY_WORDS: [&str; 7] = ["util", "utils", "helper", "helpers", "common", "manager", "misc"];

/// Notes to oneself that nobody else will find, unless they name their issue.
const NOTES: [&str; 3] = ["TODO", "FIXME", "XXX"];

/// Folders that exist on one machine only. Put together here, so that this file passes itself.
const MACHINE_PATHS: [&str; 3] =
    [concat!("/wo", "rk/"), concat!(".lib", "rary"), concat!("/fa", "rm/")];

/// Checks the name of a file and what stands in it.
pub fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for part in file.path.split('/') {
        if let Some(word) = empty_word(part) {
            let sentence = empty_word_sentence(&format!("`{part}`"), word);
            findings.push(Finding::file(&file.path, sentence));
        }
    }
    for (number, line) in file.numbered() {
        for path in MACHINE_PATHS.iter().filter(|path| line.contains(**path)) {
            let sentence = format!("`{path}` is a place on one machine, not part of the project");
            findings.push(Finding::line(&file.path, number, sentence));
        }
    }
    for (index, line) in remarks(file).lines().enumerate() {
        if let Some(note) = orphaned_note(line) {
            let sentence = format!("{note} without its issue: write `{note}(#12)`, or do it");
            findings.push(Finding::line(&file.path, index + 1, sentence));
        }
    }
    findings
}

/// The first word without meaning in a name such as `test_helpers.rs`.
pub fn empty_word(name: &str) -> Option<&'static str> {
    let mut parts = name.split(|letter: char| !letter.is_alphanumeric());
    parts.find_map(|part| EMPTY_WORDS.into_iter().find(|word| part.eq_ignore_ascii_case(word)))
}

/// The complaint about it.
pub fn empty_word_sentence(what: &str, word: &str) -> String {
    format!("{what}: `{word}` could hold anything; name it after what it does")
}

/// The part of a file in which people leave notes: comments where we can tell them from the rest.
/// Prose may talk about such notes, and data may contain anything.
fn remarks(file: &File) -> String {
    let extension = file.path.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "rs" => Source::rust(&file.text).comments,
        "sql" => Source::sql(&file.text).comments,
        "toml" | "sh" | "js" | "mjs" | "ts" | "tsx" | "css" | "html" | "py" | "yml" | "yaml" => {
            file.text.clone()
        }
        _ => String::new(),
    }
}

fn orphaned_note(line: &str) -> Option<&'static str> {
    let mut words = line.split(|letter| !is_word(letter));
    let note = words.find_map(|word| NOTES.into_iter().find(|note| word == *note))?;
    let lower = line.to_lowercase();
    let numbered = line.split('#').skip(1).any(|rest| rest.starts_with(|c: char| c.is_numeric()));
    let has_issue = numbered || lower.contains("issue");
    (!has_issue).then_some(note)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn findings(path: &str, text: &str) -> Vec<Finding> {
        Tree::of(&[(path, text)]).files().flat_map(check).collect()
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        let empty =
            ["crates/store/src/util.rs", "tests/common/mod.rs", "a/db-manager.ts", "Misc.md"];
        for path in empty {
            assert_eq!(findings(path, "").len(), 1, "{path}");
        }
        for path in ["crates/store/src/utility_bill.rs", "docs/commons.md", ".ci/run"] {
            assert_eq!(findings(path, ""), [], "{path}");
        }
    }

    #[test]
    fn a_note_needs_its_issue() {
        assert_eq!(findings("a.rs", "//! A.\n// TODO: later\n")[0].line, Some(2));
        assert_eq!(findings("a.sql", "-- FIXME\n").len(), 1);
        assert_eq!(findings("a.toml", "# XXX\n").len(), 1);
        for fine in ["// TODO(#12): later", "// TODO, see issue 12", "let s = \"TODO\";"] {
            assert_eq!(findings("a.rs", fine), [], "{fine}");
        }
        assert_eq!(findings("a.sh", "mktemp -d /tmp/aXXXXXX\n"), []);
    }

    #[test]
    fn a_path_of_one_machine_is_found_in_any_file() {
        for machine in MACHINE_PATHS {
            let text = format!("read {machine}x\n");
            assert_eq!(findings("README.md", &text).len(), 1, "{machine}");
        }
        assert_eq!(findings("README.md", "a workspace, a farm and a library\n"), []);
    }
}
