//! Orders one of whose rows is broken and stands apart: none is placed in part.

use super::*;

/// The head of a table and its rows: a good one of an order, and one that lacks its last column.
struct Shape {
    format: Format,
    header: &'static str,
    rest: &'static str,
}

const CSV: Shape = Shape {
    format: Format::Csv,
    header: "order_number,retailer,currency,product_id,quantity,unit_price,recipient_first_name,\
        recipient_last_name,recipient_address_line1,recipient_zip_code,recipient_city,\
        recipient_state,recipient_country,recipient_phone_number",
    rest: "amazon_uk,GBP,P1,2,2.55,Ada,Miller,12 Elm Street,SW1A 1AA,London,Kent,GB,020 7946 0000",
};

const RETAIL: Shape = Shape {
    format: Format::OnlineRetail,
    header: "invoice_no,stock_code,description,quantity,unit_price_gbp,customer_id",
    rest: "A,tea,2,2.55,17850",
};

impl Shape {
    fn good(&self, number: &str) -> String {
        format!("{number},{}", self.rest)
    }

    fn short(&self, number: &str) -> String {
        self.good(number).rsplit_once(',').unwrap().0.to_owned()
    }

    fn first_pass(&self, rows: &[String]) -> Vec<Entry> {
        let file = format!("{}\n{}\n", self.header, rows.join("\n"));
        let options = if self.format == Format::Csv { Options::default() } else { retail() };
        entries(self.format, file.as_bytes(), options)
    }

    /// The entries as the command takes them.
    fn both_passes(&self, rows: &[String]) -> Vec<Entry> {
        let torn = torn(self.first_pass(rows).into_iter());
        without(self.first_pass(rows).into_iter(), torn, "orders").collect()
    }
}

/// The line of each reject of an order.
fn lines(entries: &[Entry], number: &str) -> Vec<u64> {
    let of_order = |reject: &&&Reject| reject.order_number.as_deref() == Some(number);
    rejects(entries).iter().filter(of_order).map(|reject| reject.line).collect()
}

#[test]
fn a_broken_row_further_down_tears_its_order_wherever_it_stands() {
    for shape in [CSV, RETAIL] {
        let mut rows = ["T1", "T2"].map(|number| shape.good(number)).to_vec();
        rows.extend([shape.short("T1"), shape.good("T3")]);
        let entries = shape.both_passes(&rows);
        assert_eq!(numbers(&entries), ["T2", "T3"], "{:?}", said(&entries));
        assert_eq!(lines(&entries, "T1"), [2, 4, 4]);
        let reason = "this order has rows at line 2 and a broken row at line 4; no order is placed \
                      in part";
        let naming = said(&entries).iter().filter(|said| said.ends_with(reason)).count();
        assert_eq!(naming, 2, "both parts name both lines: {:?}", said(&entries));
        // Any distance.
        rows.splice(2..2, (0..50).map(|n| shape.good(&format!("N{n}"))));
        let entries = shape.both_passes(&rows);
        assert_eq!((numbers(&entries).len(), lines(&entries, "T1")), (52, vec![2, 54, 54]));
    }
}

#[test]
fn a_broken_row_further_up_tears_its_order_too_and_both_lines_are_named() {
    for shape in [CSV, RETAIL] {
        let mut rows = vec![shape.short("T1")];
        rows.extend(["T2", "T3", "T1", "T4"].map(|number| shape.good(number)));
        let entries = shape.both_passes(&rows);
        assert_eq!(numbers(&entries), ["T2", "T3", "T4"]);
        assert_eq!(lines(&entries, "T1"), [2, 5]);
        let reason = "this order has rows at line 5 and a broken row at line 2;";
        assert!(said(&entries)[1].contains(reason), "{:?}", said(&entries));
    }
}

#[test]
fn every_sort_of_broken_row_tears_the_order_it_names() {
    for broken in [
        CSV.good("T1").replace("12 Elm", "\"12 Elm"),
        CSV.good("T1").replace("12 Elm", "\"12\" Elm"),
        CSV.good("T1").replace("12 Elm", "\0"),
        CSV.good("T1").replace("12 Elm", &"x".repeat(FIELD_BYTES_MAX + 1)),
        CSV.good("T1").replace("12 Elm", &"x".repeat(ROW_BYTES_MAX)),
        format!("{},x", CSV.good("T1")),
        CSV.short(" T1 "),
        "T1".to_owned(),
    ] {
        let rows = [CSV.good("T1"), CSV.good("T2"), broken, CSV.good("T3")];
        let entries = CSV.both_passes(&rows);
        assert_eq!(numbers(&entries), ["T2", "T3"], "{:?}", said(&entries));
    }
}

#[test]
fn a_broken_row_names_its_order_where_columns_before_the_number_are_missing_or_too_many() {
    const SHIFTED: Shape = Shape {
        header: "stock_code,description,invoice_no,quantity,unit_price_gbp,customer_id",
        ..RETAIL
    };
    let good = |number: &str| format!("A,tea,{number},2,2.55,17850");
    for broken in ["A,T1,2,2.55,17850", "A,tea,green,T1,2,2.55,17850", "A,tea,T1,2,2.55"] {
        // Further down, directly below, directly above, further up.
        for at in [3, 1, 0] {
            let mut rows = ["T1", "T2", "T3"].map(good).to_vec();
            rows.insert(at, broken.to_owned());
            let entries = SHIFTED.both_passes(&rows);
            assert_eq!(numbers(&entries), ["T2", "T3"], "{broken}: {:?}", said(&entries));
            assert!(!said(&entries).iter().any(|said| said.contains("order tea")));
        }
        let rows = [broken.to_owned(), good("T2"), good("T1"), good("T3")];
        assert_eq!(numbers(&SHIFTED.both_passes(&rows)), ["T2", "T3"], "{broken}");
    }
}

#[test]
fn a_row_that_is_cut_off_inside_its_number_tears_the_order_below_it() {
    let rows = [CSV.good("A"), "5363".to_owned(), CSV.good("536365"), CSV.good("B")];
    let entries = CSV.both_passes(&rows);
    assert_eq!(numbers(&entries), ["A", "B"], "{:?}", said(&entries));
    // What is left of one number may be the whole of another.
    let rows = [CSV.good("5363"), CSV.good("536365"), "5363".to_owned(), CSV.good("B")];
    let entries = CSV.both_passes(&rows);
    assert_eq!(numbers(&entries), ["B"], "{:?}", said(&entries));
}

#[test]
fn an_order_is_counted_once_wherever_its_reasons_stand() {
    let rows = [
        CSV.good("T1"),
        CSV.good("T2"),
        CSV.short("T1"),
        CSV.short("T4"),
        CSV.good("T3"),
        CSV.good("T1"),
        CSV.good("T5"),
        CSV.good("T3"),
        CSV.short(""),
    ];
    let mut counts = Counts::default();
    for entry in CSV.both_passes(&rows) {
        counts.note(&entry);
    }
    // T2 and T5 are good; T1, T3, T4 and the row of nobody are not.
    assert_eq!((counts.accepted, counts.rejected), (2, 4), "{:?}", counts.kinds);
    let of = |kind| counts.kinds.get(&kind).map(|count: &KindCount| (count.orders, count.reasons));
    assert_eq!(of(Kind::Repeated), Some((2, 3)), "T1 once, T3 twice");
    assert_eq!(of(Kind::Incomplete), Some((1, 2)));
    assert_eq!(of(Kind::Columns), Some((3, 3)));
    // One whose number is far too long has two reasons and is one order too.
    let mut counts = Counts::default();
    for entry in CSV.both_passes(&[CSV.good(&"x".repeat(300)).replace(",2,", ",two,")]) {
        counts.note(&entry);
    }
    assert_eq!((counts.rejected, counts.kinds.len()), (1, 2), "{:?}", counts.kinds);
}
