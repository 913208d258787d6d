//! JSON Lines: one order per line, as the API takes it.
//!
//! Promise: a line is an order or is rejected, whatever stands in the lines around it.

use super::lines::{Line, Lines};
use super::object::{self, NoObject, Strict};
use super::seen::{Seen, repeated};
use super::{Column, Entry, JSON_LINE_BYTES_MAX, Kind, Problem, REASONS_PER_ORDER_MAX};
use orders_core::order::{NewOrder, Violation};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::collections::VecDeque;
use std::fmt;
use std::io::BufRead;

/// The field with the order's number.
const KEY: &str = "order_number";

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
            Ok(object) => {
                let number = object.order_number();
                match self.judge(object, line) {
                    Ok(order) => return self.let_out(order, line),
                    Err(problems) => (number, problems),
                }
            }
            Err(problem) => (order_number(&line.bytes), vec![problem]),
        };
        for problem in problems {
            self.ready.push_back(problem.reject(&self.file, number.as_deref()));
        }
    }

    /// The order of an object, or everything that is wrong with it. Only orders that came out count
    /// as seen: a line is whole in itself, so a broken one says nothing against its correction
    /// further down.
    fn judge(&self, object: Strict, line: &Line) -> Result<NewOrder, Vec<Problem>> {
        let number = object.order_number();
        let first = number.as_deref().and_then(|number| self.seen.find(number));
        let mut problems = Vec::new();
        let order = object.order().map_err(|broken| {
            let problem = |violation: Violation| Problem {
                line: line.number,
                reason: violation.to_string(),
                column: Some(Column::named(violation.field)),
                kind: Kind::Rule,
            };
            problems.extend(broken.into_iter().map(problem));
        });
        if problems.len() >= REASONS_PER_ORDER_MAX
            && let Some(last) = problems.last_mut()
        {
            last.reason.push_str("; more reasons may be left out");
        }
        if let Some(first) = first {
            let (column, reason) = (Some(Column::named(KEY)), repeated(first));
            problems.push(Problem { line: line.number, column, kind: Kind::Repeated, reason });
        }
        match order {
            Ok(order) if problems.is_empty() => Ok(order),
            _ => Err(problems),
        }
    }

    fn let_out(&mut self, order: NewOrder, line: &Line) {
        if let Err(full) = self.seen.note(&order.order_number, line.number, false) {
            return self.stop(Problem { column: Some(Column::named(KEY)), ..full });
        }
        self.ready.push_back(Entry::Order {
            order: Box::new(order),
            first_line: line.number,
            last_line: line.number,
            bytes_read: line.read_to,
            key: Column::named(KEY),
        });
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

fn parse(line: &Line) -> Result<Strict, Problem> {
    let problem = |number: usize, kind, reason| Problem {
        line: line.number,
        column: Some(Column { number: Some(number), name: None }),
        kind,
        reason,
    };
    if !line.whole {
        let reason = format!("a line may have at most {JSON_LINE_BYTES_MAX} bytes");
        return Err(problem(JSON_LINE_BYTES_MAX + 1, Kind::Limit, reason));
    }
    let text = std::str::from_utf8(&line.bytes).map_err(|error| {
        let number = characters(&line.bytes, error.valid_up_to()) + 1;
        problem(number, Kind::Text, "the line is not UTF-8 here".to_owned())
    })?;
    object::parse(text).map_err(|error| match error {
        NoObject::Json { column, reason, .. } => {
            let number = characters(&line.bytes, column).max(1);
            problem(number, Kind::Json, reason)
        }
        NoObject::Other => problem(1, Kind::Json, "the line must be one JSON object".to_owned()),
    })
}

/// How many characters stand in the first `bytes_max` bytes; an editor counts characters.
fn characters(bytes: &[u8], bytes_max: usize) -> usize {
    String::from_utf8_lossy(&bytes[..bytes_max.min(bytes.len())]).chars().count()
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
            if key == KEY {
                *self.0 = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}
