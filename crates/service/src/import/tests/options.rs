//! What is refused before the first row, and how it is said.

use super::*;

const HEADER: &[u8] =
    b"invoice_no,stock_code,description,quantity,unit_price_gbp,customer_id\n1,A,x,1,1.00,\n";

#[test]
fn online_retail_needs_all_four_options_and_names_the_missing_one() {
    let missing = |options| refusal(Format::OnlineRetail, HEADER, options);
    assert!(missing(Options::default()).starts_with("--recipient is needed"));
    assert!(missing(Options { retailer: None, ..retail() }).starts_with("--retailer is needed"));
    assert!(missing(Options { currency: None, ..retail() }).starts_with("--currency is needed"));
    let without_map = Options { product_map: None, ..retail() };
    assert!(missing(without_map).starts_with("--product-map is needed"));
    assert_eq!(numbers(&entries(Format::OnlineRetail, HEADER, retail())), ["1"]);
}

#[test]
fn the_other_formats_take_none_of_the_options() {
    for format in [Format::Csv, Format::Jsonl] {
        let said = refusal(format, b"", retail());
        assert!(said.starts_with("--recipient is only for --format online-retail"), "{said}");
    }
}

#[test]
fn a_currency_that_is_not_the_retailers_or_not_the_price_columns_is_refused() {
    let dollars = Options { currency: Some(Currency::Usd), ..retail() };
    let said = refusal(Format::OnlineRetail, HEADER, dollars.clone());
    assert_eq!(said, "--currency must be GBP, the only currency of amazon_uk, not USD");
    let american = Options { retailer: Some(Retailer::Amazon), ..dollars };
    let said = refusal(Format::OnlineRetail, HEADER, american);
    let column = "unknown: column 5 (unit_price_gbp)";
    assert!(said.contains(&format!("missing: unit_price_usd; {column}")), "{said}");
}

#[test]
fn a_recipient_that_breaks_a_rule_is_refused_once_without_its_values() {
    let mut options = retail();
    if let Some(recipient) = &mut options.recipient {
        recipient.country = "Utopia".to_owned();
    }
    let said = refusal(Format::OnlineRetail, HEADER, options);
    assert!(said.contains("recipient.country must be an ISO 3166 code"), "{said}");
    assert!(!said.contains("Utopia"), "{said}");
}

#[test]
fn a_recipient_file_is_one_strict_object_and_all_its_faults_are_named() {
    let said = |text: &str| recipient(text.as_bytes(), "r.json").unwrap_err().to_string();
    let whole = fs::read_to_string(example("recipient.json")).unwrap();
    assert!(recipient(whole.as_bytes(), "r.json").is_ok());
    assert!(said("{\n\"city\" 1}").starts_with("r.json, line 2: this is not JSON"));
    for other in ["[\"Ada\"]", "\"Ada\"", "null"] {
        assert_eq!(said(other), "r.json: it must be one JSON object; correct it and start again");
    }
    let twice = said(&whole.replacen("\"city\"", "\"city\": \"12 Elm Street\", \"city\"", 1));
    assert!(twice.starts_with("r.json: recipient.city is given twice; give it once;"), "{twice}");
    let broken =
        said("{\"first_name\": {}, \"country\": \"Utopia\", \"colour\": \"12 Elm Street\"}");
    for field in [
        "first_name must be a text",
        "country must be",
        "colour is not known",
        "city must be given",
    ] {
        assert!(broken.contains(&format!("recipient.{field}")), "{field}: {broken}");
    }
    assert!(!broken.contains("Utopia") && !(broken + &twice).contains("Elm"));
}

#[test]
fn a_product_map_that_is_wrong_anywhere_is_refused_with_its_line() {
    let map = |text: &str| ProductMap::read(text.as_bytes(), "map.csv");
    let good = map("stock_code,product_id\nA,B0\n\nA,B0\n").unwrap();
    assert_eq!((good.find("A"), good.find("B")), (Some("B0"), None));
    for (text, said) in [
        ("stock_code,product_id\nA,B0\nA,B1\n", "line 3: stock code A has another product id"),
        ("stock_code,product_id\nA\n", "line 2: the row has 1 columns and the header 2"),
        ("stock_code,product_id\nA,\n", "line 2: a row needs a stock code and a product id"),
        ("stock_code;product_id\n", "missing: stock_code, product_id; unknown: column 1"),
    ] {
        let error = map(text).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn unknown_missing_and_doubled_columns_are_named_before_the_first_row() {
    let said = refusal(Format::Csv, b"order_number,colour,order_number\n", Options::default());
    assert!(said.contains("missing: retailer, currency, recipient_first_name"), "{said}");
    assert!(said.contains("unknown: column 2 (colour); twice: order_number"), "{said}");
    assert!(said.contains("Known columns: order_number, retailer,"), "{said}");
    for (bytes, reason) in [(&b""[..], "it is empty"), (b"\"a", "quote"), (b"\xff\n", "UTF-8")] {
        let said = refusal(Format::Csv, bytes, Options::default());
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn a_table_without_a_header_repeats_nothing_of_its_first_order() {
    let row = b"1001,amazon_uk,GBP,Ada,Miller,12 Elm Street,SW1A 1AA,London\n";
    let said = refusal(Format::Csv, row, Options::default());
    assert!(said.contains("unknown: column 1, column 2, column 3,"), "{said}");
    for private in ["Ada", "Miller", "Elm", "SW1A", "London", "1001"] {
        assert!(!said.contains(private), "{said}");
    }
    // One cell of a row may be a column's name by chance.
    let said = refusal(Format::Csv, b"title,Ada,12 Elm Street\n", Options::default());
    assert!(!said.contains("Elm") && said.contains("unknown: column 2, column 3"), "{said}");
    let said = refusal(Format::Csv, b"title,currency,a\x1b[2Jb\n", Options::default());
    assert!(said.contains("column 3 (a[2Jb)"), "{said}");
}

#[test]
fn every_format_is_found_by_its_name() {
    for format in Format::ALL {
        assert_eq!(Format::parse(format.name()), Some(format));
    }
    assert_eq!(Format::parse("xlsx"), None);
}

#[test]
fn a_reason_about_an_invoices_money_speaks_as_its_price_column_does() {
    let header = "invoice_no,stock_code,description,quantity,unit_price_gbp,customer_id";
    let file = format!("{header}\n1,A,x,2,9000000.00,\n2,A,x,1,10000000.01,\n3,A,x,1,1.00,\n");
    let found = entries(Format::OnlineRetail, file.as_bytes(), retail());
    assert_eq!(numbers(&found), ["3"]);
    let place = |line, number| format!("line {line}, column 5 (unit_price_gbp), order {number}");
    let sum = "must sum to at most 10000000.00 over the lines of the order";
    let reasons = [
        format!("{}: unit_price_gbp times quantity {sum}", place(2, 1)),
        format!("{}: unit_price_gbp is larger than 10000000.00", place(3, 2)),
    ];
    assert_eq!(said(&found), reasons);
}
