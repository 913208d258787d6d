//! The real invoices, counted twice: by the reader, and here by plain loops over another parser.

use super::*;
use orders_core::order::ITEMS_MAX;
use std::collections::BTreeMap;
use std::io::{BufReader, Read};

/// One line of the file: invoice, stock code, title, quantity, price in pence.
type Line = (String, String, String, i64, i64);

/// `2.55` → 255, by cutting the text.
fn pence(text: &str) -> i64 {
    let (pounds, rest) = text.split_once('.').unwrap();
    format!("{pounds}{rest:0<2}").parse().unwrap()
}

fn invoices() -> BTreeMap<String, Vec<Line>> {
    let mut invoices: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for record in ::csv::Reader::from_path(example("orders.csv")).unwrap().records() {
        let record = record.unwrap();
        let cell = |at: usize| record[at].to_owned();
        let line = (cell(0), cell(1), cell(2), cell(3).parse().unwrap(), pence(&record[5]));
        invoices.entry(cell(0)).or_default().push(line);
    }
    invoices
}

fn is_sale(lines: &[Line]) -> bool {
    lines.iter().all(|(_, _, _, quantity, price)| *quantity > 0 && *price > 0)
}

fn goods(lines: &[Line]) -> i64 {
    lines.iter().map(|(_, _, _, quantity, price)| quantity * price).sum()
}

fn read_real(options: Options) -> (Vec<Entry>, Counts) {
    let bytes = fs::read(example("orders.csv")).unwrap();
    let entries = entries(Format::OnlineRetail, &bytes, options);
    let mut counts = Counts::default();
    for entry in &entries {
        counts.note(entry);
    }
    (entries, counts)
}

fn kind(counts: &Counts, kind: Kind) -> u64 {
    counts.kinds.get(&kind).map_or(0, |count| count.orders)
}

fn count(invoices: &BTreeMap<String, Vec<Line>>, keep: impl Fn(&str, &[Line]) -> bool) -> u64 {
    invoices.iter().filter(|(number, lines)| keep(number, lines)).count() as u64
}

#[test]
fn each_of_the_512_real_invoices_is_accepted_or_rejected_for_the_right_reason() {
    let invoices = invoices();
    let (entries, counts) = read_real(retail());
    let credit = |number: &str| number.starts_with('C');
    let has = |lines: &[Line], wrong: fn(&Line) -> bool| lines.iter().any(wrong);

    assert_eq!((invoices.len(), counts.accepted + counts.rejected), (512, 512));
    assert_eq!((count(&invoices, |n, _| credit(n)), kind(&counts, Kind::CreditNote)), (43, 43));
    let quantity = count(&invoices, |n, l| !credit(n) && has(l, |line| line.3 <= 0));
    assert_eq!((quantity, kind(&counts, Kind::QuantityNotPositive)), (30, 30));
    let price = count(&invoices, |n, l| !credit(n) && has(l, |line| line.4 <= 0));
    assert_eq!((price, kind(&counts, Kind::PriceNotPositive)), (46, 46));
    let long = count(&invoices, |n, l| !credit(n) && l.len() > ITEMS_MAX);
    assert_eq!(kind(&counts, Kind::Limit), long);
    let good = count(&invoices, |n, l| !credit(n) && is_sale(l) && l.len() <= ITEMS_MAX);
    assert_eq!((counts.accepted, orders(&entries).len() as u64), (good, good));
    let kinds = 3 + usize::from(long > 0);
    assert_eq!(counts.kinds.len(), kinds, "no other reason: {:?}", counts.kinds);
}

#[test]
fn window_c7_the_accepted_real_invoices_cost_what_integers_say_line_by_line() {
    let invoices = invoices();
    let (entries, _) = read_real(retail());
    let mut total = 0;
    for order in orders(&entries) {
        let lines = &invoices[&order.order_number];
        assert_eq!(order.goods_minor(), Some(goods(lines)), "{}", order.order_number);
        assert_eq!(order.total_minor, goods(lines));
        assert_eq!(order.items.len(), lines.len());
        for (item, line) in order.items.iter().zip(lines) {
            assert_eq!(item.title, line.2.trim());
            assert_eq!(
                (&item.product_id, item.quantity, item.unit_price_minor),
                (&line.1, line.3, line.4)
            );
        }
        total += order.total_minor;
    }
    let kept =
        |(n, l): &(&String, &Vec<Line>)| !n.starts_with('C') && is_sale(l) && l.len() <= ITEMS_MAX;
    let expected: i64 = invoices.iter().filter(kept).map(|(_, lines)| goods(lines)).sum();
    assert_eq!(total, expected);
    let everything = invoices.iter().filter(|(n, l)| !n.starts_with('C') && is_sale(l));
    assert_eq!(everything.map(|(_, lines)| goods(lines)).sum::<i64>(), 18_396_183);
}

#[test]
fn a_real_invoice_without_a_customer_is_a_guest_and_accepted() {
    let invoices = invoices();
    let (entries, _) = read_real(retail());
    let accepted = numbers(&entries);
    let mut guests = BTreeMap::new();
    for record in ::csv::Reader::from_path(example("orders.csv")).unwrap().records() {
        let record = record.unwrap();
        guests.insert(record[0].to_owned(), record[6].is_empty());
    }
    let sale = |n: &str| !n.starts_with('C') && is_sale(&invoices[n]);
    let guests: Vec<_> = guests.into_iter().filter(|(n, guest)| *guest && sale(n)).collect();
    assert!(!guests.is_empty());
    for (guest, _) in guests {
        assert_eq!(accepted.contains(&guest.as_str()), invoices[&guest].len() <= ITEMS_MAX);
    }
}

#[test]
fn nothing_of_the_recipient_is_made_up_from_the_country_column() {
    let (entries, _) = read_real(retail());
    let french = orders(&entries).into_iter().find(|order| order.order_number == "536370");
    assert_eq!(french.unwrap().recipient, retail().recipient.unwrap());
    assert_eq!(french.unwrap().payment_intent, None);
}

#[test]
fn a_stock_code_that_the_map_does_not_know_rejects_its_invoice() {
    let invoices = invoices();
    let map = fs::read(example("products.csv")).unwrap();
    let product_map = Some(ProductMap::read(map.as_slice(), "products.csv").unwrap());
    let (entries, counts) = read_real(Options { product_map, ..retail() });
    let service = |line: &Line| !line.1.starts_with(|c: char| c.is_ascii_digit());
    let unknown =
        count(&invoices, |n, l| !n.starts_with('C') && l.iter().take(ITEMS_MAX).any(service));
    assert_eq!(kind(&counts, Kind::UnknownProduct), unknown);
    let good = count(&invoices, |n, l| {
        !n.starts_with('C') && is_sale(l) && l.len() <= ITEMS_MAX && !l.iter().any(service)
    });
    assert_eq!((counts.accepted, numbers(&entries).contains(&"536370")), (good, false));
}

#[test]
fn the_reader_says_how_far_it_is_and_how_many_lines_each_order_has() {
    let size = fs::metadata(example("orders.csv")).unwrap().len();
    let (entries, _) = read_real(retail());
    let mut before = (0, 1);
    for entry in &entries {
        let Entry::Order { order, first_line, last_line, bytes_read, .. } = entry else {
            continue;
        };
        assert!(*bytes_read > before.0 && *bytes_read <= size && *first_line > before.1);
        assert_eq!(last_line - first_line + 1, order.items.len() as u64);
        before = (*bytes_read, *last_line);
    }
}

#[test]
fn the_rejects_file_can_be_read_back() {
    let (entries, counts) = read_real(retail());
    let mut file = Rejects::new(Vec::new());
    for reject in rejects(&entries) {
        file.write(reject).unwrap();
    }
    let text = String::from_utf8(file.finish().unwrap()).unwrap();
    let back: Vec<Reject> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(back.iter().collect::<Vec<_>>(), rejects(&entries));
    assert_eq!(back.len() as u64, counts.kinds.values().map(|count| count.reasons).sum::<u64>());
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let keys: Vec<_> = first.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["file", "line", "column", "order_number", "kind", "reason"]);
}

/// A file that has no end: the reader must let orders out before it has seen it.
struct Endless(u64);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let row = match self.0 {
            0 => {
                "invoice_no,stock_code,description,quantity,unit_price_gbp,customer_id\n".to_owned()
            }
            n => format!("{n},P,x,1,1.00,\n"),
        };
        self.0 += 1;
        buffer[..row.len()].copy_from_slice(row.as_bytes());
        Ok(row.len())
    }
}

#[test]
fn orders_come_out_before_the_file_has_ended() {
    let reader = BufReader::new(Endless(0));
    let entries = read(Format::OnlineRetail, reader, "endless", retail()).unwrap();
    assert_eq!(numbers(&entries.take(3).collect::<Vec<_>>()), ["1", "2", "3"]);
}

/// `16426796` → `16,426,796`.
fn with_commas(number: i64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[test]
fn the_readme_of_the_example_tells_the_counts_of_today() {
    let readme = fs::read_to_string(example("README.md")).unwrap();
    let map = fs::read(example("products.csv")).unwrap();
    let product_map = Some(ProductMap::read(map.as_slice(), "products.csv").unwrap());
    let both = [read_real(retail()), read_real(Options { product_map, ..retail() })];
    let row = |title: &str, cell: fn(&(Vec<Entry>, Counts)) -> String| {
        let row = format!("| {title} | {} |", both.each_ref().map(cell).join(" | "));
        assert!(readme.contains(&row), "the table lacks: {row}");
    };
    row("accepted", |(_, counts)| counts.accepted.to_string());
    row("goods of the accepted, in pence", |(entries, _)| {
        with_commas(orders(entries).iter().map(|order| order.total_minor).sum())
    });
    row("rejected: a stock code that is not in the map", |(_, c)| {
        kind(c, Kind::UnknownProduct).to_string()
    });
}
