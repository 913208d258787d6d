//! The rules for a Rust file: a head that says what it promises, short functions, no test asleep.

use crate::finding::Finding;
use crate::scan::{self, Source};
use crate::tree::File;

use super::{FUNCTION_LINES_MAX, words};

/// Checks one Rust file.
pub fn check(file: &File) -> Vec<Finding> {
    let source = Source::rust(&file.text);
    let mut findings = Vec::new();
    findings.extend(head(file));
    findings.extend(long_functions(file, &source));
    findings.extend(by_line(file, &source));
    findings
}

fn head(file: &File) -> Option<Finding> {
    let first = file.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    (!first.starts_with("//!")).then(|| {
        let sentence = "a Rust file starts with `//!`: what it promises and what it relies on";
        Finding::line(&file.path, 1, sentence)
    })
}

fn long_functions(file: &File, source: &Source) -> Vec<Finding> {
    let long = scan::functions(&source.code).into_iter().filter(|f| f.lines > FUNCTION_LINES_MAX);
    long.map(|function| {
        let (name, lines) = (&function.name, function.lines);
        let sentence =
            format!("`{name}` has {lines} lines; a function has at most {FUNCTION_LINES_MAX}");
        Finding::line(&file.path, function.line, sentence)
    })
    .collect()
}

fn by_line(file: &File, source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in source.code.lines().enumerate() {
        if line.contains("#[ignore") {
            let sentence = "a test that is not run proves nothing: make it fast, or a benchmark";
            findings.push(Finding::line(&file.path, index + 1, sentence));
        }
        let module = line.trim_start().trim_start_matches("pub ").strip_prefix("mod ");
        let name: String =
            module.unwrap_or_default().chars().take_while(|&c| scan::is_word(c)).collect();
        if let Some(word) = words::empty_word(&name) {
            let sentence = words::empty_word_sentence(&format!("module `{name}`"), word);
            findings.push(Finding::line(&file.path, index + 1, sentence));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn findings(text: &str) -> Vec<Finding> {
        let tree = Tree::of(&[("crates/core/src/example.rs", text)]);
        tree.rust().flat_map(check).collect()
    }

    #[test]
    fn a_module_without_a_head_is_found() {
        for text in ["", "use std::fmt;\n", "// A comment is no head.\n", "/// Neither is this.\n"]
        {
            assert_eq!(findings(text).len(), 1, "{text:?}");
        }
        assert_eq!(findings("\n//! Promises.\n"), []);
    }

    #[test]
    fn a_long_function_is_found_in_tests_too() {
        let body = "    x();\n".repeat(FUNCTION_LINES_MAX - 1);
        let long = format!("//! Head.\n#[test]\nfn long() {{\n{body}}}\n");
        let found = findings(&long);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, Some(3));
        assert!(found[0].sentence.contains("`long` has 71 lines"), "{}", found[0]);
        assert_eq!(findings(&long.replacen("    x();\n", "", 1)), []);
    }

    #[test]
    fn braces_in_literals_do_not_lengthen_a_function() {
        let after = "//\n".repeat(FUNCTION_LINES_MAX);
        let text = format!("//! Head.\nfn short() {{ let a = \"{{\"; let b = '{{'; }}\n{after}");
        assert_eq!(findings(&text), []);
    }

    #[test]
    fn a_sleeping_test_is_found() {
        assert_eq!(findings("//! Head.\n#[test]\n#[ignore]\nfn t() {}\n").len(), 1);
        assert_eq!(findings("//! Head.\n#[ignore = \"slow\"]\nfn t() {}\n").len(), 1);
        assert_eq!(findings("//! Says #[ignore] in words.\n"), []);
    }

    #[test]
    fn a_module_with_an_empty_name_is_found() {
        assert_eq!(findings("//! Head.\nmod test_helpers;\n").len(), 1);
        assert_eq!(findings("//! Head.\npub mod util {}\n").len(), 1);
        assert_eq!(findings("//! Head.\nmod utilisation;\nmod lease;\n"), []);
    }
}
