//! The conditions of a function: what stands between `where`, `if`, `when`, `and`, `or` and their likes.
//!
//! Promise: a part of a condition is found by the words around it alone. What is no condition although
//! it looks like one is left out: the second half of `between`, the values of a `case` with a subject, the
//! names of caught errors, what an index of `distinct on` and `on conflict` is made of.

use super::token::Token;
use std::ops::Range;

/// Words and marks that a part of a condition never reaches over, when they stand in the same bracket.
const EDGES: &str = "and or where on having if elsif when then else while group order limit for returning union except window loop ; , \
    join left inner cross select return := as from set do begin declare exception case end $$ with using values into => perform default";

/// What begins a condition of which nothing is left when it is taken away: it lets everything through.
const FILTERS: &str = "where on having";
/// What begins a condition that lets something happen.
const GUARDS: &str = "if elsif when while";

/// A part of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its tokens.
    pub tokens: Range<usize>,
    /// What it is when it is not asked any more.
    pub neutral: bool,
    /// Whether it is the whole condition of a guard.
    pub guard: bool,
}

/// A stretch between two edges.
struct Stretch {
    before: usize,
    tokens: Range<usize>,
    after: Option<usize>,
}

/// All parts of conditions among the tokens, in order.
pub fn parts(tokens: &[Token<'_>], body: Range<usize>) -> Vec<Part> {
    let mut found = Vec::new();
    let mut frames: Vec<Option<usize>> = tokens[body.clone()].iter().map(|t| t.inside).collect();
    frames.sort_unstable();
    frames.dedup();
    for frame in frames {
        let stretches = stretches(tokens, &body, frame);
        found.extend(stretches.iter().filter_map(|one| part(tokens, one)));
        found.extend(whole_guards(tokens, &stretches));
    }
    found.sort_by_key(|part| (part.tokens.start, part.tokens.end));
    found
}

/// The stretches of one bracket, `case` or body.
fn stretches(tokens: &[Token<'_>], body: &Range<usize>, frame: Option<usize>) -> Vec<Stretch> {
    let mut found = Vec::new();
    let mut before = frame.unwrap_or(body.start.saturating_sub(1));
    let (mut in_between, mut caught) = (false, false);
    let from = frame.map_or(body.start, |opener| opener + 1);
    let mut last = from;
    for index in from..body.end {
        let token = &tokens[index];
        if token.inside != frame {
            // Further out: the bracket is closed here.
            let closed = frame.is_some_and(|opener| is_outside(tokens, index, opener));
            if closed {
                break;
            }
            last = index + 1;
            continue;
        }
        last = index + 1;
        in_between |= token.is("between");
        if !is_edge(tokens, index) {
            continue;
        }
        if in_between && token.is("and") {
            in_between = false;
            continue;
        }
        if !caught && before + 1 < index {
            found.push(Stretch { before, tokens: before + 1..index, after: Some(index) });
        }
        caught = (caught && !token.is("then")) || catches(tokens, index);
        before = index;
    }
    if !caught && before + 1 < last {
        found.push(Stretch { before, tokens: before + 1..last, after: None });
    }
    found
}

/// Whether a token stands outside of what an opener opened.
fn is_outside(tokens: &[Token<'_>], index: usize, opener: usize) -> bool {
    let mut around = tokens[index].inside;
    while let Some(at) = around {
        if at == opener {
            return false;
        }
        around = tokens[at].inside;
    }
    true
}

fn is_edge(tokens: &[Token<'_>], index: usize) -> bool {
    let (token, next) = (&tokens[index], tokens.get(index + 1));
    let called = next.is_some_and(|next| next.is("("));
    let compared = token.is("from") && index > 0 && tokens[index - 1].is("distinct");
    token.is_of(EDGES) && !compared && !(token.is("left") && called)
}

/// Whether the `when` here names errors that are caught, or what a subject is compared with.
fn catches(tokens: &[Token<'_>], index: usize) -> bool {
    let token = &tokens[index];
    if !token.is("when") {
        return false;
    }
    match token.inside.filter(|&opener| tokens[opener].is("case")) {
        Some(case) => !tokens[case + 1].is("when"),
        None => index == 0 || !tokens[index - 1].is_of("exit continue"),
    }
}

/// The part of a condition that a stretch is, if it is one.
fn part(tokens: &[Token<'_>], stretch: &Stretch) -> Option<Part> {
    let before = &tokens[stretch.before];
    let after = stretch.after.map(|at| &tokens[at]);
    let beside = |word: &str| before.is(word) || after.is_some_and(|after| after.is(word));
    let neutral = if beside("and") {
        true
    } else if beside("or") {
        false
    } else if before.is_of(FILTERS) && is_filter(tokens, stretch.before) {
        true
    } else if before.is_of(GUARDS) {
        false
    } else {
        return None;
    };
    let constant = stretch.tokens.len() == 1 && tokens[stretch.tokens.start].is_of("true false");
    let guard = before.is_of(GUARDS) && !beside("and") && !beside("or");
    (!constant).then(|| Part { tokens: stretch.tokens.clone(), neutral, guard })
}

/// Whether what begins here lets rows through, and is no list of columns.
fn is_filter(tokens: &[Token<'_>], index: usize) -> bool {
    let next = tokens.get(index + 1);
    let listed = index > 0 && tokens[index - 1].is("distinct");
    !tokens[index].is("on") || !(listed || next.is_some_and(|next| next.is("conflict")))
}

/// The guards that consist of several parts, each as one.
fn whole_guards(tokens: &[Token<'_>], stretches: &[Stretch]) -> Vec<Part> {
    let mut found = Vec::new();
    for (at, first) in stretches.iter().enumerate() {
        let joined = |one: &Stretch| one.after.is_some_and(|after| tokens[after].is_of("and or"));
        if !tokens[first.before].is_of(GUARDS) || !joined(first) {
            continue;
        }
        let Some(last) = stretches[at..].iter().find(|one| !joined(one)) else { continue };
        let tokens = first.tokens.start..last.tokens.end;
        found.push(Part { tokens, neutral: false, guard: true });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::token::tokens;
    use super::*;

    fn seen(text: &str) -> Vec<String> {
        let found = tokens(text);
        let word = |part: &Part| {
            let (first, last) = (&found[part.tokens.start], &found[part.tokens.end - 1]);
            format!("{} {}", &text[first.from..last.to()], part.neutral)
        };
        parts(&found, 0..found.len()).iter().map(word).collect()
    }

    #[test]
    fn each_part_of_a_condition_is_found_with_what_it_is_when_it_is_not_asked() {
        let text = "select a from b where c = 1 and (d or e) order by f";
        assert_eq!(seen(text), ["c = 1 true", "(d or e) true", "d false", "e false"]);
        assert_eq!(seen("delete from a where b;"), ["b true"]);
        assert_eq!(seen("if a then b; end if;"), ["a false"]);
        let text = "if a and not b or c then d; end if;";
        assert_eq!(seen(text), ["a true", "a and not b or c false", "not b true", "c false"]);
        assert_eq!(seen("x join y on x.a = y.a left join z on true;"), ["x.a = y.a true"]);
        assert_eq!(seen("a := b or c;"), ["b false", "c false"]);
        assert_eq!(
            seen("case when left(a, 1) = 'b' then c else d end"),
            ["left(a, 1) = 'b' false"]
        );
    }

    #[test]
    fn what_only_looks_like_a_condition_is_left_out() {
        assert_eq!(seen("where a between b and c and d;"), ["a between b and c true", "d true"]);
        assert_eq!(seen("case a when 'b' then c end"), Vec::<String>::new());
        assert_eq!(seen("begin a; exception when b or c then null; end"), Vec::<String>::new());
        assert_eq!(seen("select distinct on (a) b"), Vec::<String>::new());
        assert_eq!(seen("on conflict (a) do nothing;"), Vec::<String>::new());
        assert_eq!(seen("where a is distinct from b;"), ["a is distinct from b true"]);
    }
}
