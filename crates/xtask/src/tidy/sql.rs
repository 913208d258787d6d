//! The rules for an SQL file: lower case everywhere; a door stands alone under its own name and
//! says in its head what it is for, which locks it takes, how many rows it touches and who calls.

use crate::finding::Finding;
use crate::scan::{Source, is_word};
use crate::tree::File;

/// Where the doors stand: one function per file.
const DOORS: &str = "crates/store/functions/";
/// What the head of a door answers.
const HEAD: [&str; 4] = ["Purpose:", "Locks:", "Rows:", "Callers:"];

/// Words that begin a clause or a statement, where upper case shows most and costs least to see.
const KEYWORDS: [&str; 34] = [
    "alter",
    "and",
    "as",
    "begin",
    "case",
    "comment",
    "commit",
    "create",
    "declare",
    "delete",
    "drop",
    "else",
    "elsif",
    "end",
    "exception",
    "for",
    "from",
    "grant",
    "group",
    "if",
    "insert",
    "join",
    "language",
    "left",
    "or",
    "order",
    "return",
    "returns",
    "revoke",
    "select",
    "set",
    "update",
    "where",
    "with",
];

/// Checks one SQL file.
pub fn check(file: &File) -> Vec<Finding> {
    let source = Source::sql(&file.text);
    let mut findings = upper_case(file, &source);
    if file.path.starts_with(DOORS) {
        findings.extend(head(file));
        findings.extend(alone_under_its_name(file, &source));
    }
    findings
}

fn upper_case(file: &File, source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in source.code.lines().enumerate() {
        let first: String = line.trim_start().chars().take_while(|&c| is_word(c)).collect();
        let lower = first.to_lowercase();
        if first != lower && KEYWORDS.contains(&lower.as_str()) {
            let sentence = format!("`{first}`: keywords are lower case, `{lower}`");
            findings.push(Finding::line(&file.path, index + 1, sentence));
        }
    }
    findings
}

/// The comment lines before the first statement must answer all four questions.
fn head(file: &File) -> Option<Finding> {
    let lines = file.text.lines().take_while(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with("--")
    });
    let head: Vec<&str> = lines.collect();
    let answered = |word: &&str| head.iter().any(|line| line.contains(*word));
    let missing: Vec<&str> = HEAD.into_iter().filter(|word| !answered(word)).collect();
    (!missing.is_empty()).then(|| {
        let sentence = format!(
            "the head comment lacks {}: purpose, locks in their order, rows expected, callers",
            missing.join(" ")
        );
        Finding::line(&file.path, 1, sentence)
    })
}

fn alone_under_its_name(file: &File, source: &Source) -> Vec<Finding> {
    let file_name = file.path.rsplit('/').next().unwrap_or_default();
    let expected = file_name.trim_end_matches(".sql");
    let created = created(&source.code);
    let mut findings = Vec::new();
    if created.is_empty() {
        let sentence = "creates no function: what is not a door belongs in migrations or queries";
        findings.push(Finding::file(&file.path, sentence));
    }
    for (name, line) in created.iter().skip(1) {
        let sentence = format!("`{name}` is a second function here: one door, one file");
        findings.push(Finding::line(&file.path, *line, sentence));
    }
    if let Some((name, line)) = created.first().filter(|(name, _)| name != expected) {
        let sentence = format!("creates `{name}`, so the file is `{name}.sql`, not `{file_name}`");
        findings.push(Finding::line(&file.path, *line, sentence));
    }
    findings
}

/// The functions that a file creates, with their lines; a schema or its placeholder before the
/// name, quoted or not, does not matter.
fn created(code: &str) -> Vec<(String, usize)> {
    let lower = code.to_lowercase();
    let mut found = Vec::new();
    for kind in ["function ", "procedure "] {
        for (at, _) in lower.match_indices(kind) {
            let before = lower[..at].trim_end();
            let before = before.strip_suffix("or replace").unwrap_or(before);
            if !before.trim_end().ends_with("create") {
                continue;
            }
            let after = &lower[at + kind.len()..];
            let qualified = after.split('(').next().unwrap_or_default();
            let name = qualified.rsplit('.').next().unwrap_or_default();
            let name = name.trim_matches(|letter: char| !is_word(letter));
            found.push((name.to_owned(), lower[..at].matches('\n').count() + 1));
        }
    }
    found.sort_by_key(|(_, line)| *line);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    const GOOD: &str = "\
-- Purpose: closes the lease of a worker that stops.
-- Locks: the order, for no key update.
-- Rows: one or none.
-- Callers: the engine.
create or replace function {schema}.release_lease(order_uuid uuid)
returns jsonb
language plpgsql
as $$
begin
    -- UPDATE in a comment and 'SELECT' in a literal are words like others.
    update orders set lease = null where id = order_uuid;
end
$$;
";

    fn findings(path: &str, text: &str) -> Vec<Finding> {
        Tree::of(&[(path, text)]).sql().flat_map(check).collect()
    }

    fn door(text: &str) -> Vec<Finding> {
        findings("crates/store/functions/release_lease.sql", text)
    }

    #[test]
    fn a_door_as_it_should_be_passes() {
        assert_eq!(door(GOOD), []);
        assert_eq!(door(&GOOD.replace("{schema}.", "\"{schema}\".\"")), []);
    }

    #[test]
    fn a_head_without_an_answer_is_found() {
        for word in HEAD {
            let found = door(&GOOD.replace(word, "Note:"));
            assert_eq!(found.len(), 1);
            assert!(found[0].sentence.contains(word), "{}", found[0]);
        }
        let headless = GOOD.replace("-- Purpose", "select 1;\n-- Purpose");
        assert_eq!(door(&headless).len(), 1, "a comment behind a statement is no head");
    }

    #[test]
    fn a_door_under_another_name_is_found() {
        let found = findings("crates/store/functions/free_lease.sql", GOOD);
        assert_eq!(found.len(), 1);
        assert!(found[0].sentence.contains("`release_lease.sql`"), "{}", found[0]);
    }

    #[test]
    fn a_second_door_or_none_is_found() {
        let twice = format!("{GOOD}\nCREATE FUNCTION other() returns void as '' language sql;\n");
        let found = door(&twice);
        assert!(found.iter().any(|f| f.sentence.contains("`other` is a second function")));
        let none = GOOD.replace("create or replace function", "drop function");
        assert_eq!(door(&none).len(), 1);
    }

    #[test]
    fn upper_case_is_found_in_every_sql_file() {
        let found = findings("crates/store/queries/order.sql", "SELECT 1\n  FROM orders;\n");
        assert_eq!(found.iter().map(|f| f.line).collect::<Vec<_>>(), [Some(1), Some(2)]);
        assert_eq!(findings("crates/store/queries/order.sql", "select 1;\n-- SELECT\n"), []);
    }
}
