//! One broken line between good orders, in each way a line of JSON can break.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn order(number: &str) -> Value {
    json!({
        "order_number": number, "retailer": "amazon_uk", "currency": "GBP",
        "items": [{"product_id": "P1", "title": "tea", "quantity": 2, "unit_price_minor": 255}],
        "total_minor": 510, "shipping_method": "free",
        "recipient": {
            "first_name": "Ada", "last_name": "Miller", "address_line1": "12 Elm Street",
            "zip_code": "SW1A 1AA", "city": "London", "state": "Kent", "country": "GB",
            "phone_number": "+44 20 7946 0000",
        },
    })
}

/// Order B with the value at a JSON pointer replaced.
fn changed(pointer: &str, value: Value) -> String {
    let mut order = order("B");
    *order.pointer_mut(pointer).unwrap() = value;
    order.to_string()
}

fn read_lines(lines: &[impl AsRef<[u8]>]) -> Vec<Entry> {
    let lines: Vec<&[u8]> = lines.iter().map(AsRef::as_ref).collect();
    entries(Format::Jsonl, &lines.join(&b'\n'), Options::default())
}

/// The reasons for a broken line 2, after checking that its neighbours come out.
fn between(broken: impl AsRef<[u8]>) -> Vec<String> {
    let (before, after) = (order("A").to_string(), order("C").to_string());
    let entries = read_lines(&[before.as_bytes(), broken.as_ref(), after.as_bytes()]);
    assert_eq!(numbers(&entries), ["A", "C"]);
    said(&entries)
}

#[test]
fn each_line_is_an_order_and_empty_lines_and_a_mark_are_passed_over() {
    let text = format!("\u{feff}{}\r\n\r\n  \n{}", order("A"), order("B"));
    let entries = entries(Format::Jsonl, text.as_bytes(), Options::default());
    assert_eq!(numbers(&entries), ["A", "B"]);
    let size = text.len() as u64;
    let Entry::Order { first_line, last_line, bytes_read, .. } = &entries[1] else { panic!() };
    assert_eq!((*first_line, *last_line, *bytes_read), (4, 4, size));
}

#[test]
fn an_unknown_field_is_named() {
    let mut unknown = order("B");
    unknown["colour"] = json!("red");
    unknown["items"][0]["size"] = json!(7);
    let said = between(unknown.to_string());
    let colour = "line 2, column colour, order B: colour is not known; known are order_number,";
    assert!(said[0].starts_with(colour), "{said:?}");
    assert!(said[1].contains("items[0].size, order B: items[0].size is not known"), "{said:?}");
}

#[test]
fn a_missing_field_and_a_wrong_type_are_named_with_their_path() {
    let mut missing = order("B");
    missing.as_object_mut().unwrap().remove("currency");
    let place = |path: &str| format!("line 2, column {path}, order B: {path}");
    let said = between(missing.to_string());
    assert_eq!(said, [format!("{} must be given", place("currency"))]);
    for (pointer, path, value) in [
        ("/items/0/quantity", "items[0].quantity", json!("2")),
        ("/items/0/quantity", "items[0].quantity", json!(2.5)),
        ("/total_minor", "total_minor", json!(9_223_372_036_854_775_808_u64)),
    ] {
        let said = between(changed(pointer, value));
        assert_eq!(said, [format!("{} must be a whole number", place(path))]);
    }
}

#[test]
fn every_fault_of_a_line_is_reported_at_once_whatever_its_sort() {
    let mut wrong = order("B");
    wrong["items"][0]["quantity"] = json!(1.5);
    wrong["colour"] = json!("red");
    wrong["retailer"] = json!("tesco");
    wrong["recipient"]["country"] = json!("Gb");
    wrong.as_object_mut().unwrap().remove("currency");
    let broken = wrong.to_string().replacen("\"city\"", "\"state\":\"Kent\",\"city\"", 1);
    let said = between(&broken);
    for path in [
        "recipient.state",
        "colour",
        "currency",
        "items[0].quantity",
        "retailer",
        "recipient.country",
    ] {
        let place = format!("line 2, column {path}, order B: {path}");
        assert!(said.iter().any(|said| said.starts_with(&place)), "{path}: {said:?}");
    }
}

#[test]
fn a_key_that_stands_twice_is_named_wherever_it_stands() {
    let whole = order("B").to_string();
    for (key, path) in [
        ("order_number", "order_number"),
        ("total_minor", "total_minor"),
        ("quantity", "items[0].quantity"),
        ("city", "recipient.city"),
    ] {
        let name = format!("\"{key}\":");
        let broken = whole.replacen(&name, &format!("{name}null,{name}"), 1);
        let said = between(broken);
        let reason = format!("column {path}, order B: {path} is given twice; give it once");
        let found = said.iter().any(|said| said.ends_with(&reason));
        // Of a number that stands twice neither is shown as the order's.
        let named = said.iter().any(|said| said.contains("order_number is given twice"));
        assert!(found || (key == "order_number" && named), "{said:?}");
    }
}

#[test]
fn what_is_no_object_is_no_order() {
    let fields = order("B").as_object().unwrap().values().cloned().collect::<Vec<_>>();
    for other in [json!(fields), json!([]), json!([order("B")]), json!("B"), json!(7), json!(null)]
    {
        let reason = "line 2, column 1: the line must be one JSON object";
        assert_eq!(between(other.to_string()), [reason]);
    }
    let said = between(changed("/recipient", json!(["Ada", "Miller", "12 Elm Street"])));
    assert_eq!(said, ["line 2, column recipient, order B: recipient must be an object"]);
}

#[test]
fn json_that_is_cut_off_or_no_json_says_where() {
    let whole = order("B").to_string();
    let cut = &whole[..whole.len() - 30];
    let said = between(cut);
    let expected = format!("line 2, column {}, order B: the JSON is cut off", cut.len());
    assert!(said[0].starts_with(&expected), "{said:?}");
    let said = between("{'order_number': 1}");
    assert_eq!(said, ["line 2, column 2: this is not JSON: key must be a string"]);
    let said = between(format!("{whole} {whole}"));
    assert!(said[0].contains("order B: this is not JSON: trailing characters"), "{said:?}");
}

#[test]
fn a_column_counts_characters_and_not_bytes() {
    let text = changed("/items/0/title", json!("ééé")).replacen("\"total_minor\":510", "?", 1);
    let column = text.chars().position(|c| c == '?').unwrap() + 1;
    let said = between(&text);
    assert!(said[0].starts_with(&format!("line 2, column {column}, order B")), "{said:?}");
}

#[test]
fn bytes_that_are_no_text_are_named_by_their_column() {
    let mut bytes = order("B").to_string().replace("London", "#").into_bytes();
    let at = bytes.iter().position(|byte| *byte == b'#').unwrap();
    bytes[at] = 0xff;
    let place = format!("line 2, column {}, order B", at + 1);
    assert_eq!(between(&bytes), [format!("{place}: the line is not UTF-8 here")]);
    bytes[at] = 0;
    let said = between(&bytes);
    assert!(said[0].starts_with(&place) && said[0].contains("this is not JSON"), "{said:?}");
}

#[test]
fn a_line_that_is_too_long_is_rejected_by_the_name_of_its_limit() {
    let said = between(changed("/items/0/title", json!("x".repeat(JSON_LINE_BYTES_MAX))));
    assert_eq!(said, ["line 2, column 1048577, order B: a line may have at most 1048576 bytes"]);
}

#[test]
fn every_broken_rule_of_an_order_is_reported_by_its_path() {
    let mut wrong = order("B");
    wrong["items"][0]["quantity"] = json!(0);
    wrong["recipient"]["country"] = json!("Gb");
    let rules = [
        "items[0].quantity, order B: items[0].quantity must be between 1 and 100000",
        "recipient.country, order B: recipient.country must be an ISO 3166 code of two capital letters",
    ];
    assert_eq!(between(wrong.to_string()), rules.map(|rule| format!("line 2, column {rule}")));
}

#[test]
fn a_number_comes_out_once_and_a_broken_line_does_not_use_it_up() {
    let twice = between(order("A").to_string());
    let reason = "this order number stood at line 1 already; one order must stand in one place";
    assert_eq!(twice, [format!("line 2, column order_number, order A: {reason}")]);
    let (broken, good) = (changed("/total_minor", json!(1)), order("B").to_string());
    assert_eq!(numbers(&read_lines(&[broken, good])), ["B"]);
}

#[test]
fn no_reason_repeats_a_private_value() {
    for broken in [
        changed("/recipient", json!("Ada, 12 Elm Street, expected")),
        changed("/recipient/phone_number", json!(447_911_123_456_u64)),
        changed("/shipping_method", json!("12 Elm Street")),
    ] {
        let said = between(broken);
        assert!(!said[0].contains("Elm") && !said[0].contains("4479"), "{said:?}");
    }
}

proptest! {
    #[test]
    fn garbage_lines_anywhere_never_change_the_good_orders(
        garbage in prop::collection::vec((0usize..9, prop::collection::vec(any::<u8>(), 0..60)), 0..12),
        cuts in prop::collection::vec((0usize..9, 1usize..300), 0..6),
    ) {
        let good: Vec<Vec<u8>> = (0..8).map(|n| order(&n.to_string()).to_string().into_bytes()).collect();
        let expected = read_lines(&good);
        let mut lines = good.clone();
        for (at, bytes) in garbage {
            lines.insert(at, bytes);
        }
        for (at, length) in cuts {
            lines.insert(at, good[at.min(7)][..length].to_vec());
        }
        let found = read_lines(&lines);
        prop_assert_eq!(orders(&found), orders(&expected));
    }

    #[test]
    fn no_bytes_stop_a_reader(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        entries(Format::Jsonl, &bytes, Options::default());
        let mut file = b"invoice_no,stock_code,description,quantity,unit_price_gbp,customer_id\n".to_vec();
        file.extend_from_slice(&bytes);
        file.extend_from_slice(b"\n1001,A,x,1,1.00,\n1002,A,x,1,1.00,\n");
        let found = entries(Format::OnlineRetail, &file, retail());
        prop_assert_eq!(numbers(&found).last().copied(), Some("1002"));
    }
}
