//! Rows of a comma-separated table, from bounded memory and with a way back.
//!
//! Promise: a broken row costs itself only. The `csv` crate would read a quote that is never closed
//! to the end of the file, as one cell. Here a row has a limit of lines and bytes; when a row that
//! goes over several lines does not end well, its first line is to blame and the reading goes on
//! with the second. Quotes are as in RFC 4180; a quote inside a bare cell stands for itself.

use super::lines::{Line, Lines};
use super::{Column, FIELD_BYTES_MAX, ImportError, Kind, Problem, ROW_BYTES_MAX, ROW_LINES_MAX};
use std::collections::VecDeque;
use std::io::{self, BufRead};

/// A column that a table may have.
pub(super) struct Known {
    pub name: String,
    pub required: bool,
}

pub(super) fn required(name: &str) -> Known {
    Known { name: name.to_owned(), required: true }
}

pub(super) fn optional(name: &str) -> Known {
    Known { name: name.to_owned(), required: false }
}

/// The columns of one table in the order of its header.
pub(super) struct Columns(Vec<String>);

impl Columns {
    fn at(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|column| column == name)
    }

    /// The cell of a row; a column that the table does not have is empty in each row.
    pub fn cell<'row>(&self, row: &'row Row, name: &str) -> &'row str {
        self.at(name).and_then(|at| row.cells.get(at)).map_or("", String::as_str)
    }

    /// Where a reason about this column belongs.
    pub fn place(&self, name: &str) -> Column {
        Column { number: self.at(name).map(|at| at + 1), name: Some(name.to_owned()) }
    }

    /// The place of a column by its number from 0; beyond the header it has no name.
    fn place_at(&self, at: usize) -> Column {
        Column { number: Some(at + 1), name: self.0.get(at).cloned() }
    }
}

/// A row that has every column, all of them text.
pub(super) struct Row {
    pub first_line: u64,
    pub last_line: u64,
    /// Bytes of the file up to its end.
    pub read_to: u64,
    cells: Vec<String>,
}

pub(super) enum Record {
    Row(Row),
    /// A row that cannot be read, with what could be read of its key.
    Broken {
        key: Key,
        /// Whether the row ends with its key, so that the key itself may be cut off.
        cut: bool,
        problem: Problem,
    },
    /// The file cannot be read any further.
    Stopped(Problem),
}

/// The key of a broken row.
pub(super) enum Key {
    Read(String),
    /// Columns are missing or too many before it or behind it, so it is one of these cells.
    Among(Vec<String>),
    /// Its cell was read, and nothing stands in it.
    Empty,
    Unreadable,
}

pub(super) struct Table<R> {
    lines: Lines<R>,
    /// Lines that were read ahead in vain and come again.
    waiting: VecDeque<Line>,
    failure: Option<io::Error>,
    columns: Columns,
    key_at: usize,
}

impl<R: BufRead> Table<R> {
    /// Reads the header. The `key` column tells which rows belong together.
    pub fn open(reader: R, file: &str, known: &[Known], key: &str) -> Result<Self, ImportError> {
        let mut lines = Lines::new(reader, ROW_BYTES_MAX);
        let line = lines
            .next()
            .map_err(|source| ImportError::Read { file: file.to_owned(), source })?
            .unwrap_or(Line { number: 1, bytes: Vec::new(), whole: true, read_to: 0 });
        let columns = header(&line, known).map_err(|wrong| ImportError::Columns {
            file: file.to_owned(),
            wrong,
            known: list(known.iter().map(|column| column.name.as_str())),
        })?;
        let key_at = columns.at(key).unwrap_or_default();
        Ok(Self { lines, waiting: VecDeque::new(), failure: None, columns, key_at })
    }

    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The next row; rows in which every cell is empty are passed over, as spreadsheets write them.
    pub fn next(&mut self) -> Option<Record> {
        loop {
            let line = match self.line() {
                Ok(line) => line?,
                Err(error) => {
                    let problem = Problem::stopped(self.lines.number() + 1, &error);
                    return Some(Record::Stopped(problem));
                }
            };
            if let Some(record) = self.record(&line) {
                return Some(record);
            }
        }
    }

    fn line(&mut self) -> io::Result<Option<Line>> {
        match (self.waiting.pop_front(), self.failure.take()) {
            (Some(line), failure) => {
                self.failure = failure;
                Ok(Some(line))
            }
            (None, Some(error)) => Err(error),
            (None, None) => self.lines.next(),
        }
    }

    /// The row that begins with this line, or nothing when it is empty.
    fn record(&mut self, first: &Line) -> Option<Record> {
        if !first.whole {
            let reason = format!("a row may have at most {ROW_BYTES_MAX} bytes");
            return Some(self.broken(first, None, Kind::Limit, reason));
        }
        let mut bytes = first.bytes.clone();
        let mut further: Vec<Line> = Vec::new();
        loop {
            let (cells, end) = split(&bytes);
            let row_ends_well = end == End::Closed && cells.len() == self.columns.0.len();
            if row_ends_well || (further.is_empty() && end != End::Open) {
                let last = further.last().unwrap_or(first);
                return self.finish(first, last.number, last.read_to, cells, end);
            }
            let next =
                if end == End::Open { self.line_within(further.len(), bytes.len()) } else { None };
            let Some(next) = next else { break };
            bytes.push(b'\n');
            bytes.extend_from_slice(&next.bytes);
            further.push(next);
        }
        let (at, kind, reason) = self.blame(first, &bytes, further.len());
        for line in further.into_iter().rev() {
            self.waiting.push_front(line);
        }
        Some(self.broken(first, at, kind, reason))
    }

    /// What is wrong with a row over several lines; `first` is the only one that is given up.
    fn blame(&self, first: &Line, row: &[u8], further: usize) -> (Option<usize>, Kind, String) {
        let (cells, end) = split(row);
        if end == End::Closed {
            let (count, wanted) = (cells.len(), self.columns.0.len());
            let lines = further + 1;
            let reason =
                format!("the row of {lines} lines has {count} columns and the header {wanted}");
            return (None, Kind::Columns, reason);
        }
        let reason = format!(
            "a quote is opened here and not closed properly within {ROW_LINES_MAX} lines and \
             {ROW_BYTES_MAX} bytes"
        );
        (Some(split(&first.bytes).0.len()), Kind::Text, reason)
    }

    /// One more line for a row of `further + 1` lines, if the limits allow it.
    fn line_within(&mut self, further: usize, bytes: usize) -> Option<Line> {
        if further + 1 >= ROW_LINES_MAX {
            return None;
        }
        match self.line() {
            Ok(Some(line)) if line.whole && bytes + line.bytes.len() < ROW_BYTES_MAX => Some(line),
            Ok(line) => {
                if let Some(line) = line {
                    self.waiting.push_front(line);
                }
                None
            }
            Err(error) => {
                self.failure = Some(error);
                None
            }
        }
    }

    fn finish(
        &self,
        first: &Line,
        last_line: u64,
        read_to: u64,
        cells: Vec<Vec<u8>>,
        end: End,
    ) -> Option<Record> {
        if end == End::Closed && cells.iter().all(Vec::is_empty) {
            return None;
        }
        let count = self.columns.0.len();
        if end == End::Broken {
            let reason = "after a closing quote there must be a comma or the end of the row";
            return Some(self.broken(first, Some(cells.len()), Kind::Text, reason.to_owned()));
        }
        if cells.len() != count {
            let at = cells.len().min(count);
            let reason = format!("the row has {} columns and the header {count}", cells.len());
            return Some(self.broken(first, Some(at), Kind::Columns, reason));
        }
        let mut texts = Vec::with_capacity(count);
        for (at, cell) in cells.into_iter().enumerate() {
            match text(cell) {
                Ok(text) => texts.push(text),
                Err((kind, reason)) => return Some(self.broken(first, Some(at), kind, reason)),
            }
        }
        Some(Record::Row(Row { first_line: first.number, last_line, read_to, cells: texts }))
    }

    fn broken(&self, line: &Line, at: Option<usize>, kind: Kind, reason: String) -> Record {
        let (mut cells, _) = split(&line.bytes);
        if !line.whole {
            // The last cell may be cut off, and a part of a number is another number.
            cells.pop();
        }
        let cut = cells.len() == self.key_at + 1 && self.columns.0.len() > cells.len();
        let moved = kind == Kind::Columns && !cut && self.key_at > 0;
        let key = if moved { self.key_among(cells) } else { self.key(cells) };
        Record::Broken {
            key,
            cut,
            problem: Problem {
                line: line.number,
                column: at.map(|at| self.columns.place_at(at)),
                kind,
                reason,
            },
        }
    }

    fn key(&self, cells: Vec<Vec<u8>>) -> Key {
        match cells.into_iter().nth(self.key_at).and_then(|cell| text(cell).ok()) {
            // Blanks around it do not make it another order's.
            Some(key) if key.trim().is_empty() => Key::Empty,
            Some(key) => Key::Read(key.trim().to_owned()),
            None => Key::Unreadable,
        }
    }

    /// The cells in which the key of a row with too few or too many columns may stand.
    fn key_among(&self, cells: Vec<Vec<u8>>) -> Key {
        let (count, wanted) = (cells.len(), self.columns.0.len());
        if count <= self.key_at {
            return Key::Unreadable;
        }
        let first = self.key_at.saturating_sub(wanted.saturating_sub(count));
        let last = self.key_at + count.saturating_sub(wanted).min(wanted);
        let cells = cells.into_iter().take(last + 1).skip(first);
        let texts = cells.filter_map(|cell| Some(text(cell).ok()?.trim().to_owned()));
        let keys: Vec<_> = texts.filter(|text| !text.is_empty()).collect();
        if keys.is_empty() { Key::Empty } else { Key::Among(keys) }
    }
}

fn header(line: &Line, known: &[Known]) -> Result<Columns, String> {
    let (cells, end) = split(&line.bytes);
    if line.bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    if !line.whole || end != End::Closed {
        return Err("it is too long or has a quote that is not closed".to_owned());
    }
    let names: Result<Vec<String>, _> = cells.into_iter().map(text).collect();
    let names = names.map_err(|(_, reason)| reason)?;
    let missing = known.iter().filter(|column| column.required && !names.contains(&column.name));
    let missing = list(missing.map(|column| column.name.as_str()));
    let is_known = |name: &String| known.iter().any(|column| column.name == *name);
    let twice = names.iter().enumerate().filter(|(at, name)| names[..*at].contains(name));
    let twice = list(twice.filter(|(_, name)| is_known(name)).map(|(_, name)| name.as_str()));
    let wrong: Vec<String> =
        [("missing", missing), ("unknown", unknown(&names, is_known)), ("twice", twice)]
            .into_iter()
            .filter(|(_, columns)| !columns.is_empty())
            .map(|(what, columns)| format!("{what}: {columns}"))
            .collect();
    if wrong.is_empty() { Ok(Columns(names)) } else { Err(wrong.join("; ")) }
}

/// The columns that we do not know, by their numbers. Their words are repeated only when most of the
/// line is a header: without one it is an order, with somebody's address. // G36
fn unknown(names: &[String], is_known: impl Fn(&String) -> bool) -> String {
    let is_header = names.iter().filter(|name| is_known(name)).count() * 2 > names.len();
    let strange = names.iter().enumerate().filter(|(_, name)| !is_known(name));
    let shown = strange.map(|(at, name)| {
        let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
        if is_header { format!("column {} ({name})", at + 1) } else { format!("column {}", at + 1) }
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn text(cell: Vec<u8>) -> Result<String, (Kind, String)> {
    if cell.len() > FIELD_BYTES_MAX {
        return Err((Kind::Limit, format!("a cell may have at most {FIELD_BYTES_MAX} bytes")));
    }
    if cell.contains(&0) {
        return Err((Kind::Text, "the cell contains a NUL byte".to_owned()));
    }
    String::from_utf8(cell).map_err(|_| (Kind::Text, "the cell is not UTF-8".to_owned()))
}

/// How the text of a row ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Every cell is complete.
    Closed,
    /// Inside quotes; the cells are those before.
    Open,
    /// Something follows a closing quote; the cells are those before.
    Broken,
}

/// Cuts a row into cells.
fn split(row: &[u8]) -> (Vec<Vec<u8>>, End) {
    let mut cells = Vec::new();
    let mut rest = row;
    loop {
        let (cell, after) = match rest.strip_prefix(b"\"") {
            None => {
                let length = rest.iter().position(|b| *b == b',').unwrap_or(rest.len());
                let (cell, after) = rest.split_at(length);
                (cell.to_vec(), after)
            }
            Some(quoted) => match unquote(quoted) {
                Some(both) => both,
                None => return (cells, End::Open),
            },
        };
        match after {
            [] => {
                cells.push(cell);
                return (cells, End::Closed);
            }
            [b',', after @ ..] => {
                cells.push(cell);
                rest = after;
            }
            _ => return (cells, End::Broken),
        }
    }
}

/// The cell up to the closing quote, and what follows it.
fn unquote(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut cell = Vec::new();
    loop {
        let quote = rest.iter().position(|byte| *byte == b'"')?;
        cell.extend_from_slice(&rest[..quote]);
        rest = &rest[quote + 1..];
        let Some(after) = rest.strip_prefix(b"\"") else {
            return Some((cell, rest));
        };
        cell.push(b'"');
        rest = after;
    }
}
