//! Tells code from comments and literals, and finds the functions of a Rust file.
//!
//! Promise: what stands in a string or a comment is never taken for code. Not a parser: it knows
//! quotes, comments and braces and nothing else, which is enough for the checks that stand on it.

/// A text taken apart. Both halves keep the line breaks, so that a line number means the same in
/// each; what belongs to the other half is blank.
#[derive(Debug, Clone)]
pub struct Source {
    /// Everything outside comments and string, character and byte literals.
    pub code: String,
    /// The comments alone, with their slashes or dashes.
    pub comments: String,
}

impl Source {
    /// Takes Rust apart.
    pub fn rust(text: &str) -> Self {
        Self::split(text, rust_piece)
    }

    /// Takes SQL apart. A dollar-quoted body counts as code: it is the code of a function.
    pub fn sql(text: &str) -> Self {
        Self::split(text, sql_piece)
    }

    fn split(text: &str, piece: fn(&[char]) -> (Piece, usize)) -> Self {
        let text: Vec<char> = text.chars().collect();
        let mut source = Self { code: String::with_capacity(text.len()), comments: String::new() };
        let mut rest = text.as_slice();
        while !rest.is_empty() {
            let (kind, length) = piece(rest);
            let (taken, left) = rest.split_at(length.clamp(1, rest.len()));
            for &letter in taken {
                let blank = if letter == '\n' { '\n' } else { ' ' };
                source.code.push(if kind == Piece::Code { letter } else { blank });
                source.comments.push(if kind == Piece::Comment { letter } else { blank });
            }
            rest = left;
        }
        source
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Code,
    Comment,
    Literal,
}

fn rust_piece(rest: &[char]) -> (Piece, usize) {
    match rest {
        ['/', '/', ..] => (Piece::Comment, to_line_end(rest)),
        ['/', '*', ..] => (Piece::Comment, block_comment(rest)),
        // A lifetime (`'a`) has no closing quote where a character literal has one.
        ['"', ..] | ['\'', '\\', ..] => (Piece::Literal, quoted(rest)),
        ['\'', _, '\'', ..] => (Piece::Literal, 3),
        ['r', ..] => raw_string(rest).map_or((Piece::Code, 1), |length| (Piece::Literal, length)),
        _ => (Piece::Code, 1),
    }
}

fn sql_piece(rest: &[char]) -> (Piece, usize) {
    match rest {
        ['-', '-', ..] => (Piece::Comment, to_line_end(rest)),
        ['/', '*', ..] => (Piece::Comment, block_comment(rest)),
        // A doubled quote inside reads as two literals side by side, which is as good.
        ['\'', after @ ..] => {
            let end = after.iter().position(|&letter| letter == '\'');
            (Piece::Literal, end.map_or(rest.len(), |end| end + 2))
        }
        _ => (Piece::Code, 1),
    }
}

fn to_line_end(rest: &[char]) -> usize {
    rest.iter().position(|&letter| letter == '\n').unwrap_or(rest.len())
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] if depth == 1 => return at + 2,
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

/// The length of a literal between two equal quotes, in which a backslash hides the next letter.
fn quoted(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != rest[0] {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of `r"…"`, `r#"…"#` and so on; none for a word that merely begins with `r`.
fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|&&letter| letter == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let mut at = hashes + 2;
    while at < rest.len() {
        let closing = rest[at..].iter().skip(1).take(hashes);
        if rest[at] == '"' && closing.filter(|&&letter| letter == '#').count() == hashes {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(at)
}

/// A function with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its `fn`, counted from 1.
    pub line: usize,
    /// From the line of `fn` to the line of the closing brace, both counted.
    pub lines: usize,
    /// Whether an attribute such as `#[test]` or `#[tokio::test(…)]` stands above it.
    pub is_test: bool,
}

/// The functions in the code half of a Rust [`Source`], nested ones and those in macros included.
pub fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let begins_inside_a_word = code[..at].ends_with(is_word);
        let name: String =
            code[at + 3..].trim_start().chars().take_while(|&c| is_word(c)).collect();
        if begins_inside_a_word || name.is_empty() {
            continue;
        }
        let Some((open, close)) = body(&code[at..]) else {
            continue;
        };
        let signature_and_body = &code[at..at + open + close];
        found.push(Function {
            name,
            line: code[..at].matches('\n').count() + 1,
            lines: signature_and_body.matches('\n').count() + 1,
            is_test: is_test(above(&code[..at])),
        });
    }
    found
}

/// Whether a character can be part of a name.
pub fn is_word(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

/// Where the body's opening brace is, and how far from there its closing one ends; none for a
/// declaration that ends in a semicolon.
fn body(function: &str) -> Option<(usize, usize)> {
    let mut depth = 0_i32;
    let open = function.char_indices().find_map(|(at, letter)| {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(Some(at)),
            ';' if depth == 0 => return Some(None),
            _ => {}
        }
        None
    })??;
    let mut braces = 0_i32;
    let close = function[open..].char_indices().find_map(|(at, letter)| {
        braces += i32::from(letter == '{') - i32::from(letter == '}');
        (braces == 0).then_some(at + 1)
    })?;
    Some((open, close))
}

/// What stands between the item before and this `fn`: attributes, visibility, `async`.
fn above(before: &str) -> &str {
    before.rfind(['{', '}', ';']).map_or(before, |end| &before[end + 1..])
}

fn is_test(attributes: &str) -> bool {
    attributes.split("#[").skip(1).any(|attribute| {
        let path = attribute.split(['(', ']', '=']).next().unwrap_or_default();
        path.trim().rsplit("::").next().is_some_and(|name| name.contains("test"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRICKY: &str = r##"
//! fn in_a_comment() {}
fn first<'a>(x: &'a str) -> char {
    let brace = '{';
    let quote = '\'';
    let text = "fn in_a_string() { \" ";
    let raw = r#"fn raw() { " "#; /* fn nested /* twice */ { */
    x.chars().next().unwrap_or(brace.max(quote)) // G7
}
trait T { fn declared(&self, x: [u8; 4]); }
#[tokio::test(flavor = "multi_thread")]
async fn second() {
    fn inner() {}
}
#[cfg(test)]
fn third() {}
"##;

    #[test]
    fn strings_and_comments_are_not_code() {
        let source = Source::rust(TRICKY);
        for hidden in ["in_a_comment", "in_a_string", "raw()", "nested", "G7"] {
            assert!(!source.code.contains(hidden), "{hidden} taken for code");
        }
        assert!(source.comments.contains("in_a_comment") && source.comments.contains("// G7"));
        assert!(!source.comments.contains("in_a_string"));
        assert_eq!(source.code.lines().count(), TRICKY.lines().count());
    }

    #[test]
    fn functions_are_found_with_their_lines_and_their_attributes() {
        let seen: Vec<_> = functions(&Source::rust(TRICKY).code)
            .into_iter()
            .map(|f| (f.name, f.line, f.lines, f.is_test))
            .collect();
        let expected = [
            ("first", 3, 7, false),
            ("second", 12, 3, true),
            ("inner", 13, 1, false),
            ("third", 16, 1, false),
        ];
        assert_eq!(
            seen,
            expected.map(|(name, line, lines, test)| (name.into(), line, lines, test))
        );
    }

    #[test]
    fn sql_comments_and_literals_are_told_from_code() {
        let source = Source::sql("select 'it''s -- text' -- G3\nfrom orders /* SELECT */;\n");
        assert!(source.code.contains("select") && source.code.contains("from orders"));
        assert!(!source.code.contains("text") && !source.code.contains("SELECT"));
        assert!(source.comments.contains("-- G3"));
    }

    #[test]
    fn text_that_breaks_off_ends_the_scan_and_nothing_else() {
        for text in ["\"open", "r#\"open", "/* open", "'\\", "fn half(", "fn half() {", "r"] {
            assert!(functions(&Source::rust(text).code).is_empty(), "{text}");
        }
    }
}
