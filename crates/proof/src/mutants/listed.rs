//! The changes that the suite need not notice, each with its reason. The list may only shrink.

use std::collections::{BTreeMap, BTreeSet};

/// The list, as people write it: a line `= reason`, and below it the names that it holds for.
const TEXT: &str = include_str!("listed.txt");

/// The reason for each name.
pub fn listed() -> BTreeMap<&'static str, &'static str> {
    read(TEXT)
}

fn read(text: &str) -> BTreeMap<&str, &str> {
    let mut reason = "";
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix("= ") {
            Some(said) => reason = said,
            None => {
                found.insert(line, reason);
            }
        }
    }
    found
}

/// The names on the list that are no change of anything any more, or have no reason.
pub fn stale(names: &BTreeSet<&str>) -> Vec<&'static str> {
    let unknown = |(name, reason): &(&'static str, &'static str)| {
        !names.contains(name) || reason.trim().is_empty()
    };
    listed().into_iter().filter(unknown).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_the_reason_above_it() {
        let found = read("# A word.\n= first\nf: a\nf: b\n\n= second\ng: c\n");
        assert_eq!(
            Vec::from_iter(found),
            [("f: a", "first"), ("f: b", "first"), ("g: c", "second")]
        );
    }
}
