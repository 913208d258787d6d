//! How a file of this project looks: its size, its name, its head, its words.
//!
//! Promise: every rule here is a rule of `CONTRIBUTING.md`, and every finding says what to do.
//! What rustfmt and clippy already decide is left to them.

mod rust;
mod sql;
mod words;

use crate::finding::Finding;
use crate::tree::{File, Tree};

/// No source file is longer: what needs more is two things.
pub const FILE_LINES_MAX: usize = 500;
/// No function is longer, tests included.
pub const FUNCTION_LINES_MAX: usize = 70;

/// Looks at every file of the tree.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files() {
        findings.extend(words::check(file));
        if file.is("rs") {
            findings.extend(too_long(file));
            findings.extend(rust::check(file));
        }
        if file.is("sql") {
            findings.extend(too_long(file));
            findings.extend(sql::check(file));
        }
    }
    findings.sort();
    findings
}

fn too_long(file: &File) -> Option<Finding> {
    let lines = file.text.lines().count();
    (lines > FILE_LINES_MAX).then(|| {
        let sentence = format!("{lines} lines; a file has at most {FILE_LINES_MAX}: split it");
        Finding::file(&file.path, sentence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_the_limit_is_found_and_one_at_the_limit_is_not() {
        let at_limit = "//! Long.\n".repeat(FILE_LINES_MAX);
        let over = format!("{at_limit}\n");
        let tree = Tree::of(&[("a/over.rs", &over), ("b/fits.rs", &at_limit)]);
        let findings = check(&tree);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].path, "a/over.rs");
        let rows = "select 1;\n".repeat(FILE_LINES_MAX + 1);
        assert_eq!(check(&Tree::of(&[("queries/over.sql", &rows)])).len(), 1);
    }

    #[test]
    fn length_is_no_rule_for_prose_and_data() {
        let long = "word\n".repeat(FILE_LINES_MAX * 2);
        assert_eq!(check(&Tree::of(&[("README.md", &long), ("data/a.csv", &long)])), []);
    }
}
