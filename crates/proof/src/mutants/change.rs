//! Every small change of an SQL function's text that a test ought to notice.
//!
//! Promise: each change has a name that says what it does, which stays the same while the text around it
//! is edited; a function's changes are listed in the order of its text.

use super::condition::parts;
use super::token::{Kind, Token, tokens};
use std::collections::BTreeMap;
use std::ops::Range;

/// A changed function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// The function.
    pub function: String,
    /// The function and what is changed: nothing else has this name.
    pub name: String,
    /// The bytes that go.
    pub range: Range<usize>,
    /// What comes instead.
    pub by: String,
}

impl Mutant {
    /// The function's text with the change.
    pub fn text(&self, original: &str) -> String {
        format!("{}{}{}", &original[..self.range.start], self.by, &original[self.range.end..])
    }
}

/// The most characters of the text that a name shows.
const SHOWN: usize = 110;
/// How many tokens on each side a name shows of what stands around a sign.
const AROUND: usize = 4;

/// Every changed form of a function.
pub fn mutants(function: &str, text: &str) -> Vec<Mutant> {
    let found = tokens(text);
    let view = View { text, tokens: &found, body: body(&found) };
    let mut all = [
        conditions(&view),
        comparisons(&view),
        negations(&view),
        members(&view),
        choices(&view),
        limits(&view),
        locks(&view),
        assignments(&view),
        statements(&view),
    ]
    .concat();
    all.sort_by_key(|change| (change.range.start, change.range.end));
    let mut told: BTreeMap<String, u32> = BTreeMap::new();
    all.into_iter()
        .map(|change| {
            let times = told.entry(change.said.clone()).or_default();
            *times += 1;
            let again = if *times > 1 { format!(" ({times})") } else { String::new() };
            let name = format!("{function}: {}{again}", change.said);
            Mutant { function: function.into(), name, range: change.range, by: change.by }
        })
        .collect()
}

/// One change, before it has its name.
#[derive(Debug, Clone)]
struct Change {
    said: String,
    range: Range<usize>,
    by: String,
}

/// A function's text, its tokens, and which of them are its body.
struct View<'a> {
    text: &'a str,
    tokens: &'a [Token<'a>],
    body: Range<usize>,
}

/// The tokens between the dollars, or from `return` or `begin` on where there are none.
fn body(tokens: &[Token<'_>]) -> Range<usize> {
    let dollars = |token: &Token<'_>| token.is("$$");
    let first = tokens.iter().position(dollars);
    if let (Some(first), Some(last)) = (first, tokens.iter().rposition(dollars)) {
        return first + 1..last;
    }
    let first = tokens.iter().position(|token| token.is_of("return begin"));
    first.unwrap_or(tokens.len())..tokens.len()
}

impl View<'_> {
    /// The bytes of some tokens.
    fn bytes(&self, range: &Range<usize>) -> Range<usize> {
        self.tokens[range.start].from..self.tokens[range.end - 1].to()
    }

    /// How some tokens stand in the text, on one line, not too long.
    fn shown(&self, range: &Range<usize>) -> String {
        let mut line = String::new();
        for index in range.clone() {
            let token = &self.tokens[index];
            // Without the comments between them.
            if index > range.start && self.tokens[index - 1].to() < token.from {
                line.push(' ');
            }
            line.push_str(token.text);
        }
        let line = line.replace(":\"schema\".", "");
        match line.char_indices().nth(SHOWN) {
            Some((at, _)) => format!("{} …", &line[..at]),
            None => line,
        }
    }

    /// What stands around a token.
    fn around(&self, index: usize) -> String {
        let from = index.saturating_sub(AROUND).max(self.body.start);
        self.shown(&(from..(index + AROUND + 1).min(self.body.end)))
    }

    fn is(&self, index: usize, text: &str) -> bool {
        self.body.contains(&index) && self.tokens[index].is(text)
    }

    /// The tokens of the body that are this word or sign.
    fn all<'b>(&'b self, texts: &'b str) -> impl Iterator<Item = usize> + 'b {
        self.body.clone().filter(move |index| self.tokens[*index].is_of(texts))
    }

    /// Where the tokens end that stand in the same bracket as this one, or deeper, up to one of the edges.
    fn up_to(&self, from: usize, edges: &str) -> usize {
        let frame = self.tokens[from].inside;
        let mut index = from;
        while index < self.body.end {
            let token = &self.tokens[index];
            let level = token.inside == frame;
            if (level && index > from && token.is_of(edges))
                || (index > from && self.leaves(index, frame))
            {
                return index;
            }
            index += 1;
        }
        index
    }

    /// Whether a token stands outside of a bracket.
    fn leaves(&self, index: usize, frame: Option<usize>) -> bool {
        let Some(opener) = frame else { return false };
        let mut around = self.tokens[index].inside;
        while let Some(at) = around {
            if at == opener {
                return false;
            }
            around = self.tokens[at].inside;
        }
        true
    }

    /// What a bracket holds, split at its commas.
    fn listed(&self, opener: usize) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut from = opener + 1;
        for index in opener + 1..self.body.end {
            let closes = self.leaves(index, Some(opener));
            let comma = self.tokens[index].inside == Some(opener) && self.tokens[index].is(",");
            if (closes || comma) && from < index {
                found.push(from..index);
                from = index + 1;
            }
            if closes {
                break;
            }
        }
        found
    }

    fn change(&self, said: String, tokens: &Range<usize>, by: impl Into<String>) -> Change {
        Change { said, range: self.bytes(tokens), by: by.into() }
    }
}

fn conditions(view: &View<'_>) -> Vec<Change> {
    let change = |part: super::condition::Part| {
        let shown = view.shown(&part.tokens);
        let said = match (part.guard, part.neutral) {
            (true, _) => format!("never {shown}"),
            (false, true) => format!("without {shown}"),
            (false, false) => format!("without the alternative {shown}"),
        };
        view.change(said, &part.tokens, if part.neutral { "true" } else { "false" })
    };
    parts(view.tokens, view.body.clone()).into_iter().map(change).collect()
}

/// Bounds moved by the least, and equality turned around.
fn comparisons(view: &View<'_>) -> Vec<Change> {
    let turned = |sign: &str| match sign {
        "<" => "<=",
        "<=" => "<",
        ">" => ">=",
        ">=" => ">",
        "=" => "<>",
        _ => "=",
    };
    let stores = stored_columns(view);
    view.all("< <= > >= = <>")
        .filter(|index| !stores.contains(index) && !is_told(view, *index))
        .map(|index| {
            let by = turned(view.tokens[index].text);
            let said = format!("{} as {by} in {}", view.tokens[index].text, view.around(index));
            view.change(said, &(index..index + 1), by)
        })
        .collect()
}

/// Whether the equals sign here is one of `get diagnostics` or of what an error says.
fn is_told(view: &View<'_>, index: usize) -> bool {
    view.tokens[index - 2].is("diagnostics")
        || view.tokens[index - 1].is_of("errcode hint detail message")
}

/// The equals signs that store a value in a column.
fn stored_columns(view: &View<'_>) -> Vec<usize> {
    stores(view).into_iter().flatten().map(|range| sign_of(view, &range)).collect()
}

/// Where the equals sign of an assignment stands.
fn sign_of(view: &View<'_>, range: &Range<usize>) -> usize {
    range.clone().find(|index| view.tokens[*index].is("=")).unwrap_or(range.start)
}

/// The assignments of each `update … set`.
fn stores(view: &View<'_>) -> Vec<Vec<Range<usize>>> {
    let mut all = Vec::new();
    for set in view.all("set") {
        let frame = view.tokens[set].inside;
        let mut end = set + 1;
        loop {
            end = view.up_to(end, "from where returning ;");
            let compared =
                end < view.body.end && view.is(end, "from") && view.is(end - 1, "distinct");
            if !compared {
                break;
            }
        }
        let mut one = Vec::new();
        let mut from = set + 1;
        for index in set + 1..=end {
            let comma = index < end && view.tokens[index].inside == frame && view.is(index, ",");
            if (comma || index == end) && from < index {
                one.push(from..index);
                from = index + 1;
            }
        }
        all.push(one);
    }
    all
}

/// A column that keeps its value.
fn assignments(view: &View<'_>) -> Vec<Change> {
    let mut found = Vec::new();
    for one in stores(view).iter().filter(|one| one.len() > 1) {
        for (at, range) in one.iter().enumerate() {
            let said = format!("keeps {}", view.shown(range));
            let with_comma =
                if at == 0 { range.start..one[1].start } else { range.start - 1..range.end };
            let bytes = if at == 0 {
                view.tokens[range.start].from..view.tokens[with_comma.end].from
            } else {
                view.bytes(&with_comma)
            };
            found.push(Change { said, range: bytes, by: String::new() });
        }
    }
    found
}

/// What is denied is said, and the other way round.
fn negations(view: &View<'_>) -> Vec<Change> {
    let mut found = Vec::new();
    for index in view.all("not") {
        let of_is = view.is(index - 1, "is");
        let other = view.is(index + 1, "materialized");
        if !of_is && !other {
            let said = format!("without not in {}", view.around(index));
            found.push(view.change(said, &(index..index + 1), ""));
        }
    }
    for index in view.all("is") {
        let denied = view.is(index + 1, "not");
        let what = if denied { index + 2 } else { index + 1 };
        if !view.is(what, "null") && !view.is(what, "distinct") {
            continue;
        }
        let (range, by) =
            if denied { (index..index + 2, "is") } else { (index..index + 1, "is not") };
        let said = if denied { "is not as is" } else { "is as is not" };
        found.push(view.change(format!("{said} in {}", view.around(index)), &range, by));
    }
    found
}

/// A list that lacks one of its words.
fn members(view: &View<'_>) -> Vec<Change> {
    let mut found = Vec::new();
    for word in view.all("in array") {
        if !view.is(word + 1, "(") && !view.is(word + 1, "[") {
            continue;
        }
        let listed = view.listed(word + 1);
        let quoted =
            |one: &Range<usize>| one.len() == 1 && view.tokens[one.start].kind == Kind::Quoted;
        if listed.len() < 2 || !listed.iter().all(quoted) {
            continue;
        }
        for (at, one) in listed.iter().enumerate() {
            let range = if at == 0 { one.start..one.end + 1 } else { one.start - 1..one.end };
            let said = format!("without {} in {}", view.shown(one), view.around(word));
            found.push(view.change(said, &range, ""));
        }
    }
    found
}

/// Only one of several values.
fn choices(view: &View<'_>) -> Vec<Change> {
    let mut found = Vec::new();
    for word in view.all("coalesce least greatest nullif") {
        if !view.is(word + 1, "(") {
            continue;
        }
        let listed = view.listed(word + 1);
        let (Some(first), Some(last)) = (listed.first(), listed.last()) else { continue };
        let whole = word..last.end + 1;
        let shown = view.shown(&whole);
        let only = |one: &Range<usize>| {
            let kept = format!("({})", &view.text[view.bytes(one)]);
            let said = format!("only {} of {shown}", view.shown(one));
            view.change(said, &whole, kept)
        };
        found.push(only(first));
        if view.tokens[word].is_of("least greatest") {
            found.push(only(last));
        }
    }
    found
}

/// No limit.
fn limits(view: &View<'_>) -> Vec<Change> {
    view.all("limit")
        .map(|index| {
            let range = index..view.up_to(index, "for ; loop offset union");
            view.change(format!("without {}", view.shown(&range)), &range, "")
        })
        .collect()
}

/// Rows that are not locked, or waited for.
fn locks(view: &View<'_>) -> Vec<Change> {
    let mut found = Vec::new();
    for index in view.all("for") {
        let named = view.up_to(index, "update share");
        if named > index + 3 || !(view.is(named, "update") || view.is(named, "share")) {
            continue;
        }
        let mut end = named + 1;
        if view.is(end, "of") {
            end += 2;
            while view.is(end, ",") {
                end += 2;
            }
        }
        let skips = view.is(end, "skip").then_some(end..end + 2);
        let range = index..skips.as_ref().map_or(end, |skip| skip.end);
        // A lock is known by what it is taken on.
        let on = view.shown(&(index.saturating_sub(2 * AROUND).max(view.body.start)..range.end));
        found.push(view.change(format!("no lock in {on}"), &range, ""));
        if let Some(skip) = skips {
            found.push(view.change(format!("waits in {on}"), &skip, ""));
        }
    }
    found
}

/// A statement that is not executed.
fn statements(view: &View<'_>) -> Vec<Change> {
    let begins = |index: &usize| {
        *index > view.body.start
            && view.tokens[*index].inside.is_none()
            && view.tokens[index - 1].is_of("; begin then else loop")
    };
    let first = view.all("begin").next();
    let Some(first) = first.filter(|_| view.tokens.iter().any(|token| token.is("$$"))) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for index in (first..view.body.end).filter(begins) {
        let range = index..view.up_to(index, ";");
        let direct = |word: &str| {
            range.clone().any(|at| view.tokens[at].inside.is_none() && view.tokens[at].is_of(word))
        };
        let acts = view.tokens[index].is_of("perform update insert delete")
            || (view.tokens[index].is("with") && direct("update insert delete"))
            || view.is(index + 1, ":=");
        if acts {
            found.push(view.change(format!("not done: {}", view.shown(&range)), &range, "null"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(body: &str) -> Vec<(String, String)> {
        let text = format!("create function f() language plpgsql as $${body}$$;");
        let plain = |one: Mutant| {
            let whole = one.text(&text);
            let inside = whole.split("$$").nth(1).unwrap_or_default().to_owned();
            (one.name.trim_start_matches("f: ").to_owned(), inside)
        };
        mutants("f", &text).into_iter().map(plain).collect()
    }

    fn demand(body: &str, wanted: &[(&str, &str)]) {
        let found = changed(body);
        for (name, text) in wanted {
            assert!(found.contains(&((*name).into(), (*text).into())), "{name}: {found:#?}");
        }
        assert_eq!(found.len(), wanted.len(), "{found:#?}");
    }

    #[test]
    fn conditions_comparisons_and_denials_are_changed_each_once() {
        demand(
            " select a where b < 1 and c is not null; ",
            &[
                ("without b < 1", " select a where true and c is not null; "),
                (
                    "< as <= in select a where b < 1 and c is",
                    " select a where b <= 1 and c is not null; ",
                ),
                ("without c is not null", " select a where b < 1 and true; "),
                ("is not as is in < 1 and c is not null;", " select a where b < 1 and c is null; "),
            ],
        );
        demand(
            " if not found then return; end if; ",
            &[
                ("never not found", " if false then return; end if; "),
                ("without not in if not found then return;", " if  found then return; end if; "),
            ],
        );
    }

    #[test]
    fn statements_columns_and_locks_are_taken_away() {
        demand(
            " begin update t set a = 1, b = x where c; end ",
            &[
                ("not done: update t set a = 1, b = x where c", " begin null; end "),
                ("keeps a = 1", " begin update t set b = x where c; end "),
                ("keeps b = x", " begin update t set a = 1 where c; end "),
                ("without c", " begin update t set a = 1, b = x where true; end "),
            ],
        );
        demand(
            " select a from t limit 5 for update of t skip locked; ",
            &[
                ("without limit 5", " select a from t  for update of t skip locked; "),
                (
                    "no lock in select a from t limit 5 for update of t skip locked",
                    " select a from t limit 5 ; ",
                ),
                (
                    "waits in select a from t limit 5 for update of t skip locked",
                    " select a from t limit 5 for update of t ; ",
                ),
            ],
        );
    }

    #[test]
    fn lists_and_choices_lose_a_member() {
        demand(
            " return coalesce(a, b) in ('x', 'y'); ",
            &[
                ("only a of coalesce(a, b)", " return (a) in ('x', 'y'); "),
                ("without 'x' in a, b) in ('x', 'y'", " return coalesce(a, b) in ( 'y'); "),
                ("without 'y' in a, b) in ('x', 'y'", " return coalesce(a, b) in ('x'); "),
            ],
        );
    }
}
