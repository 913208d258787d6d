//! One broken row between two good orders, in each way a row can break.

use super::table::{Record, Table, required};
use super::*;
use orders_core::order::ITEMS_MAX;
use proptest::prelude::*;

const HEADER: &str = "order_number,retailer,currency,total,gift_message,is_gift,\
    recipient_first_name,recipient_last_name,recipient_address_line1,recipient_zip_code,\
    recipient_city,recipient_country,recipient_phone_number,product_id,title,quantity,unit_price,recipient_state";
const COLUMNS: usize = 18;

/// A row of order `number` with one cell after another replaced.
fn row(number: &str, changes: &[(&str, &str)]) -> String {
    let good = format!(
        "{number},amazon_uk,GBP,,,,Ada,Miller,12 Elm Street,SW1A 1AA,London,GB,020 7946 0000,P1,tea,2,2.55,Kent"
    );
    let mut cells: Vec<&str> = good.split(',').collect();
    for (name, value) in changes {
        let at = HEADER.split(',').position(|column| column == *name).unwrap();
        cells[at] = value;
    }
    cells.join(",")
}

fn good(number: &str) -> String {
    row(number, &[])
}

fn read_rows(rows: &[impl AsRef<[u8]>]) -> Vec<Entry> {
    let mut file = HEADER.as_bytes().to_vec();
    for row in rows {
        file.push(b'\n');
        file.extend_from_slice(row.as_ref());
    }
    entries(Format::Csv, &file, Options::default())
}

/// The reasons for a broken row of its own order at line 3, after checking that its neighbours
/// come out.
fn between(broken: impl AsRef<[u8]>) -> Vec<String> {
    let rows = [good("A").into_bytes(), broken.as_ref().to_vec(), good("C").into_bytes()];
    let entries = read_rows(&rows);
    assert_eq!(numbers(&entries), ["A", "C"]);
    said(&entries)
}

#[test]
fn rows_of_one_number_are_one_order_and_an_absent_total_is_the_sum_of_its_lines() {
    let entries = read_rows(&[good("A"), row("A", &[("quantity", "3")]), good("B")]);
    let all = orders(&entries);
    assert_eq!((all.len(), all[0].items.len(), all[0].total_minor), (2, 2, 5 * 255));
    assert_eq!(all[0].check(), Ok(()));
    assert!(matches!(entries[0], Entry::Order { first_line: 2, last_line: 3, .. }));
    let paid = read_rows(&[row("A", &[("total", "6.1")])]);
    assert_eq!(orders(&paid)[0].total_minor, 610);
}

#[test]
fn a_mark_at_the_beginning_and_carriage_returns_change_nothing() {
    let unix = format!("{HEADER}\n{}\n\n{}", good("A"), good("B"));
    let windows = format!("\u{feff}{unix}\n").replace('\n', "\r\n");
    let read = |text: &str| entries(Format::Csv, text.as_bytes(), Options::default());
    assert_eq!(orders(&read(&unix)), orders(&read(&windows)));
    assert_eq!(numbers(&read(&unix)), ["A", "B"]);
}

#[test]
fn a_quoted_message_may_have_commas_quotes_and_line_breaks() {
    let message = [("is_gift", "true"), ("gift_message", "\"Dear Ada,\r\n\"\"yes\"\"\"")];
    let entries = read_rows(&[row("A", &message), good("B")]);
    assert_eq!(numbers(&entries), ["A", "B"], "{:?}", said(&entries));
    assert_eq!(orders(&entries)[0].gift_message.as_deref(), Some("Dear Ada,\n\"yes\""));
    assert!(matches!(entries[1], Entry::Order { first_line: 4, .. }));
}

#[test]
fn a_bad_number_is_named_by_line_and_column() {
    for (column, value, reason) in [
        ("quantity", "two", "16 (quantity), order B: quantity is not a whole number such as 6"),
        ("quantity", "0", "16 (quantity), order B: quantity must be between 1 and 100000"),
        ("unit_price", "2.555", "17 (unit_price), order B: unit_price has more than two decimals"),
        (
            "unit_price",
            "",
            "17 (unit_price), order B: unit_price is not a decimal number such as 12.50",
        ),
        ("total", "£9", "4 (total), order B: total is not a decimal number such as 12.50"),
        ("is_gift", "yes", "6 (is_gift), order B: is_gift must be one of false, true"),
    ] {
        assert_eq!(between(row("B", &[(column, value)])), [format!("line 3, column {reason}")]);
    }
}

#[test]
fn a_reason_about_money_speaks_as_the_columns_do() {
    let most = "10000000.00";
    let sum = "must be at least the sum of the lines (5.10) and at most 10000000.00";
    let cap = "price_cap must be between 0.01 and";
    for (changes, reason) in [
        (&[("total", "3")][..], format!("4 (total), order B: total {sum}")),
        (
            &[("unit_price", "0")],
            format!("17 (unit_price), order B: unit_price must be between 0.01 and {most}"),
        ),
        (
            &[("unit_price", "9000000"), ("quantity", "2")],
            format!(
                "17 (unit_price), order B: unit_price times quantity must sum to at most {most} over the lines of the order"
            ),
        ),
        (
            &[("gift_message", "9")],
            format!("5 (price_cap), order B: {cap} the sum of the lines (5.10)"),
        ),
        (&[("gift_message", "9"), ("total", "6")], format!("5 (price_cap), order B: {cap} total")),
    ] {
        let header = HEADER.replace("gift_message", "price_cap");
        let file = format!("{header}\n{}\n", row("B", changes));
        let entries = entries(Format::Csv, file.as_bytes(), Options::default());
        assert_eq!(said(&entries), [format!("line 2, column {reason}")]);
    }
    // Who writes the sum as it is told pays the sum.
    assert_eq!(orders(&read_rows(&[row("B", &[("total", "5.10")])]))[0].total_minor, 510);
}

#[test]
fn every_broken_cell_of_an_order_is_reported_at_once() {
    let changes = [
        ("currency", "USD"),
        ("recipient_phone_number", ""),
        ("quantity", "x"),
        ("unit_price", "-1"),
    ];
    let said = between(row("B", &changes));
    let columns =
        ["16 (quantity)", "3 (currency)", "17 (unit_price)", "13 (recipient_phone_number)"];
    for column in columns {
        assert!(said.iter().any(|said| said.contains(column)), "{column}: {said:?}");
    }
    assert_eq!(said.len(), 5, "the phone breaks two rules, the sum is not judged: {said:?}");
}

#[test]
fn a_missing_and_a_surplus_column_are_named() {
    let short = good("B").rsplit_once(',').unwrap().0.to_owned();
    let said = between(short);
    let reason = "order B: the row has 17 columns and the header 18";
    assert_eq!(said, [format!("line 3, column 18 (recipient_state), {reason}")]);
    let said = between(format!("{},x", good("B")));
    assert_eq!(said, [format!("line 3, column 19, {}", reason.replace("has 17", "has 19"))]);
    assert_eq!(between("garbage").len(), 1);
}

#[test]
fn a_quote_that_is_never_closed_costs_its_own_row_only() {
    let open = row("B", &[("title", "\"tea")]);
    let said = between(&open);
    assert_eq!(said.len(), 1);
    assert!(
        said[0].starts_with("line 3, column 15 (title), order B: a quote is opened"),
        "{said:?}"
    );
    // Neither quotes further down nor a long file may hide the rows in between.
    let mut rows = vec![good("A"), open];
    rows.extend((0..40).map(|n| row(&format!("N{n}"), &[("title", "\"a, b\"")])));
    assert_eq!(numbers(&read_rows(&rows)).len(), 41);
    let after = between(row("B", &[("title", "\"tea\" pot")]));
    assert!(after[0].contains("column 15 (title), order B: after a closing quote"), "{after:?}");
}

#[test]
fn a_row_of_several_lines_with_a_missing_column_says_so() {
    let open = row("B", &[("is_gift", "true"), ("gift_message", "\"Dear\nAda\"")]);
    let said = between(open.rsplit_once(',').unwrap().0);
    assert_eq!(said[0], "line 3, order B: the row of 2 lines has 17 columns and the header 18");
}

#[test]
fn bytes_that_are_no_text_are_named_by_their_column() {
    let mut bytes = row("B", &[("title", "caf#")]).into_bytes();
    let at = bytes.iter().position(|byte| *byte == b'#').unwrap();
    bytes[at] = 0xe9;
    assert_eq!(between(&bytes), ["line 3, column 15 (title), order B: the cell is not UTF-8"]);
    bytes[at] = 0;
    assert_eq!(
        between(&bytes),
        ["line 3, column 15 (title), order B: the cell contains a NUL byte"]
    );
}

#[test]
fn what_is_too_long_is_rejected_by_the_name_of_its_limit() {
    let said = between(row("B", &[("title", &"x".repeat(ROW_BYTES_MAX))]));
    assert_eq!(said, ["line 3, order B: a row may have at most 16384 bytes"]);
    let said = between(row("B", &[("title", &"x".repeat(FIELD_BYTES_MAX + 1))]));
    assert_eq!(said, ["line 3, column 15 (title), order B: a cell may have at most 4096 bytes"]);
    let mut rows = vec![good("A")];
    rows.extend(vec![good("B"); ITEMS_MAX + 7]);
    rows.push(good("C"));
    let entries = read_rows(&rows);
    assert_eq!(numbers(&entries), ["A", "C"]);
    let (lines, most) = (ITEMS_MAX + 7, ITEMS_MAX);
    let reason = format!(
        "line 3, column 1 (order_number), order B: the order has {lines} lines; it may have at most {most}"
    );
    assert_eq!(super::said(&entries), [reason]);
}

#[test]
fn an_order_with_very_many_reasons_says_how_many_are_left_out() {
    let entries = read_rows(&vec![row("A", &[("quantity", "x")]); 130]);
    assert_eq!(rejects(&entries).len(), REASONS_PER_ORDER_MAX);
    assert!(said(&entries)[99].ends_with("; 30 more reasons are left out"));
}

#[test]
fn order_level_columns_that_differ_are_named_by_line_and_column() {
    let other = row("B", &[("recipient_city", "Leeds"), ("currency", "USD")]);
    let entries = read_rows(&[good("A"), good("B"), other, good("C")]);
    assert_eq!(numbers(&entries), ["A", "C"]);
    let expected =
        ["3 (currency), order B: currency", "11 (recipient_city), order B: recipient_city"]
            .map(|what| format!("line 4, column {what} differs from line 3, its order's first"));
    assert_eq!(said(&entries), expected);
}

#[test]
fn a_number_that_comes_again_is_rejected_and_a_first_pass_saves_its_first_part() {
    let rows = [good("A"), good("B"), good("A"), good("C")];
    let entries = read_rows(&rows);
    assert_eq!(numbers(&entries), ["A", "B", "C"]);
    let reason = "this order number stood at line 2 already; one order must stand in one place";
    assert_eq!(said(&entries), [format!("line 4, column 1 (order_number), order A: {reason}")]);
    let torn = torn(entries.into_iter());
    let second: Vec<_> = without(read_rows(&rows).into_iter(), torn, "orders").collect();
    assert_eq!(numbers(&second), ["B", "C"]);
    assert_eq!(rejects(&second).len(), 2);
}

#[test]
fn a_broken_row_in_an_order_rejects_all_of_it_wherever_it_stands() {
    let broken = row("A", &[("title", "\"x")]);
    for rows in [
        [broken.clone(), good("A"), good("A"), good("B")],
        [good("A"), broken.clone(), good("A"), good("B")],
        [good("A"), good("A"), broken, good("B")],
        [good("A"), "5363".to_owned(), good("A"), good("B")],
    ] {
        let entries = read_rows(&rows);
        assert_eq!(numbers(&entries), ["B"], "{:?}", said(&entries));
    }
}

#[test]
fn a_file_that_was_not_copied_to_its_end_does_not_let_its_last_order_out() {
    let last = row("536365", &[("recipient_first_name", "Bob")]);
    for length in 1..last.rfind(',').unwrap() {
        let entries = read_rows(&[&good("A"), &good("536365"), &last[..length]]);
        assert_eq!(numbers(&entries), ["A"], "cut after {length} bytes");
    }
}

#[test]
fn a_row_whose_order_number_cannot_be_read_rejects_the_orders_it_may_belong_to() {
    for broken in ["\"", "\0\0\0"] {
        let entries = read_rows(&[&good("A"), &good("B"), broken, &good("C"), &good("D")]);
        assert_eq!(numbers(&entries), ["A", "D"]);
        let of_neighbours: Vec<_> = rejects(&entries)[1..].to_vec();
        for (reject, side) in of_neighbours.iter().zip(["below", "above"]) {
            assert_eq!((reject.kind, column(reject)), (Kind::Incomplete, "order_number"));
            let reason =
                format!("the order_number of the broken row {side}, line 4, cannot be read");
            assert!(reject.reason.starts_with(&reason), "{}", reject.reason);
        }
        assert_eq!(of_neighbours.len(), 2);
    }
}

#[test]
fn a_row_without_an_order_number_is_nobodys_and_rejected_by_itself() {
    for broken in [row("", &[]), ",amazon_uk,GBP".to_owned(), row("", &[("title", "\"tea")])] {
        let entries = read_rows(&[good("A"), broken.clone(), good("B"), good("C")]);
        assert_eq!(numbers(&entries), ["A", "B", "C"], "{broken}: {:?}", said(&entries));
        assert_eq!((rejects(&entries).len(), rejects(&entries)[0].line), (1, 3), "{broken}");
    }
    // Of a row that ends with its number, the number itself may be cut off.
    let entries = read_rows(&[&good("A"), "\"\"", &good("B")]);
    assert_eq!(numbers(&entries), ["A", "B"], "an empty line is no row");
}

fn column(reject: &Reject) -> &str {
    reject.column.as_ref().and_then(|column| column.name.as_deref()).unwrap_or_default()
}

#[test]
fn a_reject_whose_cause_is_the_number_names_its_column() {
    let mut rows = vec![good("A"), good("B"), good("A"), row("C", &[("title", "\"x")]), good("C")];
    rows.extend(vec![good("D"); ITEMS_MAX + 1]);
    rows.extend([good("E"), "5363".to_owned(), good("E"), good("F")]);
    let torn = torn(read_rows(&rows).into_iter());
    let entries: Vec<_> = without(read_rows(&rows).into_iter(), torn, "orders").collect();
    assert_eq!(numbers(&entries), ["B", "F"]);
    for kind in [Kind::Repeated, Kind::Incomplete, Kind::Limit] {
        let found: Vec<_> = rejects(&entries).into_iter().filter(|one| one.kind == kind).collect();
        assert!(!found.is_empty(), "{kind:?}");
        for reject in found {
            assert_eq!(reject.column.as_ref().unwrap().number, Some(1), "{reject}");
            assert_eq!(column(reject), "order_number", "{reject}");
        }
    }
}

#[test]
fn empty_rows_of_a_spreadsheet_are_passed_over() {
    let commas = ",".repeat(COLUMNS - 1);
    assert_eq!(between(&commas), [""; 0]);
    assert_eq!(between(""), [""; 0]);
}

/// A file on a disk that fails after some bytes.
struct Failing<'a>(&'a [u8]);

impl io::Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::Error::other("the disk is gone"));
        }
        self.0.read(buffer)
    }
}

#[test]
fn a_disk_that_fails_ends_the_reading_and_its_last_order_does_not_come_out() {
    let file = format!("{HEADER}\n{}\n{}\n", good("A"), good("B"));
    let reader = io::BufReader::new(Failing(file.as_bytes()));
    let entries: Vec<_> =
        read(Format::Csv, reader, "orders", Options::default()).unwrap().collect();
    assert_eq!(numbers(&entries), ["A"]);
    let kinds: Vec<_> = rejects(&entries).iter().map(|reject| reject.kind).collect();
    assert_eq!(kinds, [Kind::Incomplete, Kind::Stopped]);
}

#[test]
fn no_reason_repeats_a_private_cell() {
    let shifted = good("B").replace("GBP,,,,", "GBP,,,");
    let private = [("quantity", "12 Elm Street"), ("recipient_country", "Elm")];
    for said in [between(shifted), between(row("B", &private))].concat() {
        assert!(!said.contains("Elm") && !said.contains("Miller"), "{said}");
    }
}

fn line_of(entry: &Entry) -> u64 {
    match entry {
        Entry::Order { first_line, .. } => *first_line,
        Entry::Reject(reject) => reject.line,
    }
}

#[test]
fn lines_that_were_read_ahead_in_vain_come_again_in_their_order() {
    // The lengths meet the limit of bytes, of lines, and of a line that is too long by itself.
    for (length, last) in [(2000, 1), (1, 1), (1, ROW_BYTES_MAX)] {
        let mut rows = vec![row("B", &[("title", "\"x")])];
        rows.extend((0..20).map(|n| row(&format!("N{n}"), &[("title", &"y".repeat(length))])));
        rows[8] = row("N7", &[("title", &"y".repeat(last))]);
        let entries = read_rows(&rows);
        let mut lines: Vec<u64> = entries.iter().map(line_of).collect();
        lines.sort_unstable();
        assert_eq!(lines, (2..=22).collect::<Vec<_>>());
        for entry in &entries {
            if let Entry::Order { order, first_line, .. } = entry {
                assert_eq!(order.order_number, format!("N{}", first_line - 3));
            }
        }
    }
}

proptest! {
    #[test]
    fn no_broken_row_is_passed_over_in_silence(
        garbage in prop::collection::vec(prop::sample::select(b"\",ax \0\xff".to_vec()), 1..30),
    ) {
        let rows = [good("A").into_bytes(), garbage.clone(), good("C").into_bytes()];
        let entries = read_rows(&rows);
        let reported = rejects(&entries).iter().any(|reject| reject.line == 3);
        let empty = garbage.iter().all(|byte| b"\",".contains(byte));
        prop_assert!(reported || empty, "{:?}", said(&entries));
    }

    #[test]
    fn whatever_the_csv_crate_writes_is_read_back_cell_by_cell(
        rows in prop::collection::vec(["[a,\"\n é]{0,5}", "[a,\"\n]{0,5}", "[ab]{1,5}"], 0..20),
    ) {
        let mut writer = ::csv::Writer::from_writer(Vec::new());
        writer.write_record(["a", "b", "c"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let file = writer.into_inner().unwrap();
        let known = ["a", "b", "c"].map(required);
        let mut table = Table::open(file.as_slice(), "table", &known, "c").unwrap();
        for expected in &rows {
            let Some(Record::Row(row)) = table.next() else { panic!("no row for {expected:?}") };
            let found = ["a", "b", "c"].map(|name| table.columns().cell(&row, name).to_owned());
            prop_assert_eq!(&found, expected);
        }
        prop_assert!(table.next().is_none());
    }
}
