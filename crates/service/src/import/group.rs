//! Orders from the rows of a table: rows with one number, standing together, are one order.
//!
//! Promise: an order comes out only when every row from its first to its last could be read and no
//! unreadable row may belong to it, except that a broken row of its number further down is met too
//! late; its reject says so and [`super::torn`] finds it. Of an order with too many rows, the
//! surplus is counted, not held.

use super::seen::{Seen, repeated, stands_apart};
use super::table::{Columns, Key, Record, Row, Table};
use super::{Column, Entry, Kind, Problem, REASONS_PER_ORDER_MAX};
use orders_core::order::{ITEMS_MAX, NewOrder};
use std::collections::VecDeque;
use std::io::BufRead;

/// How the rows of one order become an order.
pub(super) trait Layout {
    /// The column with the order's number.
    const KEY: &'static str;

    /// The order of these rows, of which there is at least one. Whatever is wrong with it goes into
    /// `problems`, and then the order is not used.
    fn order(&self, columns: &Columns, rows: &[Row], problems: &mut Problems) -> Option<NewOrder>;
}

/// The reasons against one order; beyond a limit they are only counted.
#[derive(Default)]
pub(super) struct Problems {
    kept: Vec<Problem>,
    more: usize,
}

impl Problems {
    pub fn add(&mut self, line: u64, column: Option<Column>, kind: Kind, reason: String) {
        self.push(Problem { line, column, kind, reason });
    }

    pub fn has(&self, line: u64, column: &Column) -> bool {
        self.kept.iter().any(|known| known.line == line && known.column.as_ref() == Some(column))
    }

    fn push(&mut self, problem: Problem) {
        if self.kept.len() < REASONS_PER_ORDER_MAX {
            self.kept.push(problem);
        } else {
            self.more += 1;
        }
    }

    fn all(mut self) -> Vec<Problem> {
        if self.more > 0
            && let Some(last) = self.kept.last_mut()
        {
            last.reason = format!("{}; {} more reasons are left out", last.reason, self.more);
        }
        self.kept
    }
}

/// Why an order is not placed that stands beside a row whose order number cannot be read.
fn doubtful<L: Layout>(side: &str, line: u64) -> String {
    format!(
        "the {} of the broken row {side}, line {line}, cannot be read, so that row may be a part of \
         this order; no order is placed in part",
        L::KEY
    )
}

/// The order being read.
struct Group {
    number: String,
    rows: Vec<Row>,
    row_count: usize,
    first_line: u64,
    last_line: u64,
    read_to: u64,
    /// Rows of an order that stood elsewhere already; they make no order.
    repeated: bool,
    problems: Problems,
}

pub(super) struct Orders<R, L> {
    table: Table<R>,
    layout: L,
    file: String,
    group: Option<Group>,
    /// A broken row since the last good one that is not known to belong to `group`.
    stray_line: Option<u64>,
    /// A broken row since the last good one whose order cannot be told.
    doubt_line: Option<u64>,
    /// The beginning of a number, from a row directly above that is cut off inside it.
    cut_above: Option<(String, u64)>,
    seen: Seen,
    ready: VecDeque<Entry>,
    ended: bool,
}

impl<R: BufRead, L: Layout> Orders<R, L> {
    pub fn new(table: Table<R>, layout: L, file: &str) -> Self {
        Self {
            table,
            layout,
            file: file.to_owned(),
            group: None,
            stray_line: None,
            doubt_line: None,
            cut_above: None,
            seen: Seen::default(),
            ready: VecDeque::new(),
            ended: false,
        }
    }

    fn step(&mut self) {
        match self.table.next() {
            Some(Record::Row(row)) => self.row(row),
            Some(Record::Broken { key: Key::Read(number), cut, problem }) => {
                self.broken(&number, cut, problem);
            }
            Some(Record::Broken { key: Key::Among(numbers), problem, .. }) => {
                self.moved(&numbers, problem);
            }
            Some(Record::Broken { key: Key::Empty, cut: false, problem }) => self.nobodys(problem),
            Some(Record::Broken { problem, .. }) => self.unassigned(problem),
            Some(Record::Stopped(problem)) => self.stop(problem),
            None => {
                self.ended = true;
                self.finish();
            }
        }
    }

    fn row(&mut self, row: Row) {
        let columns = self.table.columns();
        let number = columns.cell(&row, L::KEY);
        if number.is_empty() {
            let column = Some(columns.place(L::KEY));
            let reason = format!("{} must not be empty; each row names its order", L::KEY);
            let line = row.first_line;
            self.nobodys(Problem { line, column, kind: Kind::Value, reason });
            return;
        }
        let same = self.group.as_ref().is_some_and(|group| group.number == number);
        if !same {
            let number = number.to_owned();
            self.finish();
            if !self.begin(number, &row) {
                return;
            }
        }
        let key = Some(self.key());
        let stray = self.stray_line.take();
        self.doubt_line = None;
        self.cut_above = None;
        let Some(group) = &mut self.group else { return };
        if let Some(line) = stray.filter(|_| same) {
            let reason = format!("a row between the rows of this order, line {line}, is broken");
            group.problems.add(row.first_line, key, Kind::Incomplete, reason);
        }
        group.last_line = row.last_line;
        group.read_to = row.read_to;
        group.row_count += 1;
        if !group.repeated && group.row_count <= ITEMS_MAX {
            group.rows.push(row);
        }
    }

    /// Begins an order with this row; false when the file has more orders than we remember.
    fn begin(&mut self, number: String, row: &Row) -> bool {
        let line = row.first_line;
        let mut problems = Problems::default();
        let first = self.seen.find(&number);
        if let Some(first) = first {
            let (kind, reason) = if first.broken {
                (Kind::Incomplete, stands_apart(line, first.line))
            } else {
                (Kind::Repeated, repeated(first))
            };
            problems.add(line, Some(self.key()), kind, reason);
        } else if let Err(full) = self.seen.note(&number, line, false) {
            self.stop(Problem { column: Some(self.key()), ..full });
            return false;
        }
        let cut = self.cut_above.as_ref().filter(|(start, _)| number.starts_with(start.as_str()));
        if let Some(doubt) = self.doubt_line.or(cut.map(|(_, line)| *line)) {
            problems.add(line, Some(self.key()), Kind::Incomplete, doubtful::<L>("above", doubt));
        }
        self.group = Some(Group {
            number,
            rows: Vec::new(),
            row_count: 0,
            first_line: line,
            last_line: row.last_line,
            read_to: row.read_to,
            repeated: first.is_some_and(|first| !first.broken),
            problems,
        });
        true
    }

    /// A broken row that names its order, or the beginning of its order's number if it is `cut`,
    /// as the last row is when a file was not copied to its end.
    fn broken(&mut self, number: &str, cut: bool, problem: Problem) {
        let line = problem.line;
        match &mut self.group {
            Some(group) if group.number == number => return group.problems.push(problem),
            Some(group) if cut && group.number.starts_with(number) => group.problems.push(problem),
            _ => {
                // The current order stays open: if it goes on below, this row stood inside it.
                self.stray_line.get_or_insert(line);
                self.ready.push_back(problem.reject(&self.file, Some(number)));
            }
        }
        if cut {
            self.cut_above = Some((number.to_owned(), line));
        }
        self.names(number, line);
    }

    /// A broken row that names its order in one of several cells.
    fn moved(&mut self, numbers: &[String], problem: Problem) {
        let line = problem.line;
        match &mut self.group {
            Some(group) if numbers.contains(&group.number) => group.problems.push(problem),
            _ => {
                self.stray_line.get_or_insert(line);
                // The other cells may be private, so only what is an order's number is shown. // G36
                let known = numbers.iter().find(|number| self.seen.find(number).is_some());
                let number = known.map(String::as_str);
                self.ready.push_back(problem.reject(&self.file, number));
            }
        }
        for number in numbers {
            if self.ended {
                break;
            }
            self.names(number, line);
        }
    }

    /// Remembers that a broken row names this order: its other rows, wherever they stand, are not
    /// the whole of it. Those above came out already, so a reject of their number says it.
    fn names(&mut self, number: &str, line: u64) {
        if self.group.as_ref().is_some_and(|group| group.number == number) {
            return;
        }
        match self.seen.find(number) {
            Some(first) if first.broken => {}
            Some(first) => {
                let (column, reason) = (Some(self.key()), stands_apart(first.line, line));
                let problem = Problem { line, column, kind: Kind::Incomplete, reason };
                self.ready.push_back(problem.reject(&self.file, Some(number)));
            }
            None => {
                if let Err(full) = self.seen.note(number, line, true) {
                    self.stop(Problem { column: Some(self.key()), ..full });
                }
            }
        }
    }

    /// A row that names no order: it belongs to none, so it says nothing about its neighbours.
    fn nobodys(&mut self, problem: Problem) {
        self.ready.push_back(problem.reject(&self.file, None));
    }

    /// A broken row that may belong to the order above or to the one below.
    fn unassigned(&mut self, problem: Problem) {
        let line = problem.line;
        let key = Some(self.key());
        if let Some(group) = &mut self.group
            && self.doubt_line.is_none()
        {
            let reason = doubtful::<L>("below", line);
            group.problems.add(group.last_line, key, Kind::Incomplete, reason);
        }
        self.doubt_line.get_or_insert(line);
        self.ready.push_back(problem.reject(&self.file, None));
    }

    fn stop(&mut self, problem: Problem) {
        self.ended = true;
        if problem.kind == Kind::Stopped
            && let Some(group) = &mut self.group
        {
            let reason = "the file cannot be read beyond this order, so it may have more rows";
            let line = group.last_line;
            group.problems.add(line, None, Kind::Incomplete, reason.to_owned());
        }
        self.finish();
        self.ready.push_back(problem.reject(&self.file, None));
    }

    /// Where the number of an order stands.
    fn key(&self) -> Column {
        self.table.columns().place(L::KEY)
    }

    /// Lets the current order out, or says why not.
    fn finish(&mut self) {
        let Some(mut group) = self.group.take() else {
            return;
        };
        if group.row_count > ITEMS_MAX {
            let reason =
                format!("the order has {} lines; it may have at most {ITEMS_MAX}", group.row_count);
            group.problems.add(group.first_line, Some(self.key()), Kind::Limit, reason);
        }
        let order = if group.rows.is_empty() {
            None
        } else {
            self.layout.order(self.table.columns(), &group.rows, &mut group.problems)
        };
        let mut problems = group.problems.all();
        problems.sort_by_key(|problem| problem.line);
        match order {
            Some(order) if problems.is_empty() => self.ready.push_back(Entry::Order {
                order: Box::new(order),
                first_line: group.first_line,
                last_line: group.last_line,
                bytes_read: group.read_to,
                key: self.key(),
            }),
            _ => {
                let rejects = problems.into_iter();
                let number = Some(group.number.as_str());
                self.ready.extend(rejects.map(|problem| problem.reject(&self.file, number)));
            }
        }
    }
}

impl<R: BufRead, L: Layout> Iterator for Orders<R, L> {
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
