//! The words of an SQL function's text with their places: enough to change it, without understanding it.
//!
//! Promise: every byte that is no space and no comment belongs to exactly one token, and each token knows
//! the bracket or `case` that it stands in.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A keyword, a name or a number.
    Word,
    /// A text in quotes, or a name in quotes.
    Quoted,
    /// An operator or a mark.
    Sign,
}

/// One token: its bytes in the text, and the token that opened what it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// How it stands in the text.
    pub text: &'a str,
    /// Where it begins.
    pub from: usize,
    /// The index of the bracket or `case` around it.
    pub inside: Option<usize>,
}

impl Token<'_> {
    /// Where it ends.
    pub fn to(&self) -> usize {
        self.from + self.text.len()
    }

    /// Whether it is this keyword or sign.
    pub fn is(&self, text: &str) -> bool {
        self.kind != Kind::Quoted && self.text == text
    }

    /// Whether it is one of these keywords or signs, which are separated by spaces.
    pub fn is_of(&self, texts: &str) -> bool {
        self.kind != Kind::Quoted && texts.split(' ').any(|text| text == self.text)
    }
}

/// Operators of more than one character, the longest first.
const LONG_SIGNS: [&str; 16] = [
    "#>>", "->>", "<=", ">=", "<>", ":=", "=>", "||", "->", "#>", "@>", "<@", "::", "?&", "?|",
    "..",
];

/// The tokens of a text, in order.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found: Vec<Token<'_>> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next().unwrap_or(' ');
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        if rest.starts_with("--") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        let (kind, length) = measure(rest);
        let index = found.len();
        let token = Token { kind, text: &rest[..length], from: at, inside: None };
        let closes_case =
            token.is("end") && open.last().is_some_and(|&opener| found[opener].is("case"));
        if token.is(")") || token.is("]") || closes_case {
            open.pop();
        }
        found.push(Token { inside: open.last().copied(), ..token });
        if token.is_of("( [ case") {
            open.push(index);
        }
        at += length;
    }
    found
}

/// The kind of the token that a text begins with, and how many bytes it has.
fn measure(rest: &str) -> (Kind, usize) {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '#';
    let quoted = rest.trim_start_matches(['E', ':']);
    let skipped = rest.len() - quoted.len();
    if let Some(quote) = quoted.chars().next().filter(|c| *c == '\'' || *c == '"')
        && skipped <= 1
    {
        return (Kind::Quoted, skipped + to_the_quote(quoted, quote));
    }
    if rest.starts_with("$$") {
        return (Kind::Sign, 2);
    }
    if rest.starts_with(is_name) && !rest.starts_with("#>") {
        return (Kind::Word, rest.find(|c| !is_name(c)).unwrap_or(rest.len()));
    }
    let long = LONG_SIGNS.iter().find(|sign| rest.starts_with(**sign));
    let one = rest.chars().next().map_or(1, char::len_utf8);
    (Kind::Sign, long.map_or(one, |sign| sign.len()))
}

/// How long a text in quotes is; a quote that stands twice is part of it.
fn to_the_quote(text: &str, quote: char) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return at + 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_signs_and_comments_are_told_apart() {
        let text = "a<=b.c -- it's gone\n and :\"schema\".d = E'x''y' || $$ f(1)";
        let seen: Vec<&str> = tokens(text).iter().map(|token| token.text).collect();
        let wanted = [
            "a",
            "<=",
            "b",
            ".",
            "c",
            "and",
            ":\"schema\"",
            ".",
            "d",
            "=",
            "E'x''y'",
            "||",
            "$$",
            "f",
            "(",
            "1",
            ")",
        ];
        assert_eq!(seen, wanted);
    }

    #[test]
    fn a_token_knows_the_bracket_or_the_case_around_it() {
        let found = tokens("x (case when a then (b) end) y end if");
        let inside: Vec<Option<&str>> =
            found.iter().map(|token| token.inside.map(|at| found[at].text)).collect();
        let (bracket, case) = (Some("("), Some("case"));
        let wanted = [
            None, None, bracket, case, case, case, case, bracket, case, bracket, None, None, None,
            None,
        ];
        assert_eq!(inside, wanted, "{found:?}");
    }
}
