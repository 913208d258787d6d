//! JSON Lines: one order per line, as the API takes it.
//!
//! Promise: a line is an order or is rejected, whatever stands in the lines around it.

use super::lines::{Line, Lines};
use super::seen::{Seen, repeated};
use super::{Column, Entry, JSON_LINE_BYTES_MAX, Kind, Problem, cells};
use orders_core::order::NewOrder;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use std::collections::VecDeque;
use std::fmt;
use std::io::BufRead;

pub(super) struct Orders<R> {
    lines: Lines<R>,
    file: String,
    seen: Seen,
    ready: VecDeque<Entry>,
    ended: bool,
}

impl<R: BufRead> Orders<R> {
    pub fn open(reader: R, file: &str) -> Self {
        Self {
            lines: Lines::new(reader, JSON_LINE_BYTES_MAX),
            file: file.to_owned(),
            seen: Seen::default(),
            ready: VecDeque::new(),
            ended: false,
        }
    }

    fn step(&mut self) {
        match self.lines.next() {
            Ok(Some(line)) => self.line(&line),
            Ok(None) => self.ended = true,
            Err(error) => self.stop(Problem::stopped(self.lines.number() + 1, &error)),
        }
    }

    fn stop(&mut self, problem: Problem) {
        self.ended = true;
        self.ready.push_back(problem.reject(&self.file, None));
    }

    fn line(&mut self, line: &Line) {
        if line.whole && line.bytes.trim_ascii().is_empty() {
            return;
        }
        let (number, problems) = match parse(line) {
            Ok(order) => match self.accept(order, line) {
                Some(rejected) => rejected,
                None => return,
            },
            Err(problem) => (order_number(&line.bytes), vec![problem]),
        };
        for problem in problems {
            self.ready.push_back(problem.reject(&self.file, number.as_deref()));
        }
    }

    /// Lets the order out, or says why not. Only orders that came out count as seen: a line is
    /// whole in itself, so a broken one says nothing against its correction further down.
    fn accept(&mut self, order: NewOrder, line: &Line) -> Option<(Option<String>, Vec<Problem>)> {
        let number = order.order_number.clone();
        let mut problems: Vec<_> = cells::violations(&order)
            .into_iter()
            .map(|violation| Problem {
                line: line.number,
                reason: violation.to_string(),
                column: Some(Column { number: None, name: Some(violation.field) }),
                kind: Kind::Rule,
            })
            .collect();
        if let Some(first) = self.seen.find(&number) {
            let column = Some(Column { number: None, name: Some("order_number".to_owned()) });
            let reason = repeated(first);
            problems.push(Problem { line: line.number, column, kind: Kind::Repeated, reason });
        }
        if !problems.is_empty() {
            return Some((Some(number), problems));
        }
        if let Err(full) = self.seen.note(&number, line.number, false) {
            self.stop(full);
            return None;
        }
        self.ready.push_back(Entry::Order {
            order: Box::new(order),
            first_line: line.number,
            last_line: line.number,
            bytes_read: line.read_to,
        });
        None
    }
}

impl<R: BufRead> Iterator for Orders<R> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            if self.ready.is_empty() && !self.ended {
                self.step();
            } else {
                return self.ready.pop_front();
            }
        }
    }
}

fn parse(line: &Line) -> Result<NewOrder, Problem> {
    let problem = |number: usize, name: Option<String>, kind, reason| Problem {
        line: line.number,
        column: Some(Column { number: Some(number), name }),
        kind,
        reason,
    };
    if !line.whole {
        let reason = format!("a line may have at most {JSON_LINE_BYTES_MAX} bytes");
        return Err(problem(JSON_LINE_BYTES_MAX + 1, None, Kind::Limit, reason));
    }
    let text = std::str::from_utf8(&line.bytes).map_err(|error| {
        let number = characters(&line.bytes, error.valid_up_to()) + 1;
        problem(number, None, Kind::Text, "the line is not UTF-8 here".to_owned())
    })?;
    serde_json::from_str(text).map_err(|error| {
        let number = characters(&line.bytes, error.column()).max(1);
        let message = without_values(&error);
        problem(number, named_field(&message), Kind::Json, message)
    })
}

/// How many characters stand in the first `bytes_max` bytes; an editor counts characters.
fn characters(bytes: &[u8], bytes_max: usize) -> usize {
    String::from_utf8_lossy(&bytes[..bytes_max.min(bytes.len())]).chars().count()
}

/// The parser's message without its position, which is counted inside the line, and without the
/// value that it quotes: a street in the wrong place must not come out in a report. // G36
pub(super) fn without_values(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(words, _)| words);
    match error.classify() {
        Category::Eof => return format!("the JSON is cut off: {message}"),
        Category::Syntax | Category::Io => return format!("this is not JSON: {message}"),
        Category::Data => {}
    }
    if let Some((_, expected)) =
        message.strip_prefix("unknown variant ").and_then(|m| m.rsplit_once("`, expected "))
    {
        return format!("unknown word, expected {expected}");
    }
    match (message.strip_prefix("invalid "), message.rsplit_once(", expected ")) {
        (Some(rest), Some((_, expected))) => {
            let kind = rest.split(['"', '`', ',']).next().unwrap_or_default().trim_end();
            format!("invalid {kind}, expected {expected}")
        }
        _ => message.to_owned(),
    }
}

/// The field of ``missing field `x` `` and its like.
fn named_field(message: &str) -> Option<String> {
    let (words, rest) = message.split_once(" field `")?;
    let known = ["missing", "unknown", "duplicate"].contains(&words);
    rest.split('`').next().filter(|_| known).map(str::to_owned)
}

/// The order number of a line that is no order: what can be read before the JSON breaks.
fn order_number(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = None;
    // The outcome says only that the line is broken, which is known.
    let _ = Number(&mut found).deserialize(&mut serde_json::Deserializer::from_str(&text));
    found.filter(|number| !number.is_empty() && !number.contains(char::REPLACEMENT_CHARACTER))
}

struct Number<'a>(&'a mut Option<String>);

impl<'de> DeserializeSeed<'de> for Number<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Number<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an order")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "order_number" {
                *self.0 = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}
