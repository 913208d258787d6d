//! The form of a body, checked before its content: every unknown, missing or mistyped field is
//! named with its path, all in one go. // D4
//!
//! What is wrong is replaced by a stand-in, so that the content of the other fields can be checked
//! in the same breath; a body with a violation is never used for anything else.

use super::fault::Fault;
use orders_core::order::{NewOrder, Violation, rule};
use serde_json::{Map, Value, json};

/// The most violations that are listed.
const LISTED_MAX: usize = 100;

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Any text; its content has rules of its own.
    Text,
    /// A line of so many to so many characters.
    Line(usize, usize),
    /// Stripe's id of a PaymentIntent.
    PaymentIntent,
    /// The provider's id of a request.
    RequestId,
    /// A whole number.
    Whole,
    /// True or false.
    Flag,
    /// One of these words; the first is the stand-in.
    Word(&'static [&'static str]),
    /// An object of these fields.
    Object(&'static [Field]),
    /// An array of such objects.
    List(&'static [Field]),
}

/// A field of an object: its name, what it holds, whether it must be given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field(pub &'static str, pub Kind, pub bool);

const TEXT: Kind = Kind::Text;

/// An order as it may be placed.
pub(crate) const ORDER: &[Field] = &[
    Field("order_number", TEXT, true),
    Field("retailer", TEXT, true),
    Field("currency", TEXT, true),
    Field("items", Kind::List(ITEM), true),
    Field("total_minor", Kind::Whole, true),
    Field("price_cap_minor", Kind::Whole, false),
    Field("shipping_method", Kind::Word(&["cheapest", "fastest", "free"]), false),
    Field("is_gift", Kind::Flag, false),
    Field("gift_message", TEXT, false),
    Field("recipient", Kind::Object(RECIPIENT), true),
    Field("payment_intent", Kind::PaymentIntent, false),
    Field("capture_when", Kind::Word(&["before_purchase", "after_purchase"]), false),
];
const ITEM: &[Field] = &[
    Field("product_id", TEXT, true),
    Field("title", TEXT, false),
    Field("quantity", Kind::Whole, true),
    Field("unit_price_minor", Kind::Whole, true),
];
const RECIPIENT: &[Field] = &[
    Field("first_name", TEXT, true),
    Field("last_name", TEXT, true),
    Field("address_line1", TEXT, true),
    Field("address_line2", TEXT, false),
    Field("zip_code", TEXT, true),
    Field("city", TEXT, true),
    Field("state", TEXT, true),
    Field("country", TEXT, true),
    Field("phone_number", TEXT, true),
    Field("instructions", TEXT, false),
];

/// Checks an object against its fields, or gives every violation.
pub(crate) fn check(body: &mut Map<String, Value>, fields: &[Field]) -> Result<(), Fault> {
    let mut found = Vec::new();
    object(body, fields, "", &mut found);
    listed(found)
}

/// An order that keeps every rule of form and content, or every rule that it breaks.
pub(crate) fn new_order(mut body: Map<String, Value>) -> Result<NewOrder, Fault> {
    let mut found = Vec::new();
    object(&mut body, ORDER, "", &mut found);
    let order: NewOrder = serde_json::from_value(Value::Object(body))
        .map_err(|error| Fault::field("order", format!("cannot be read: {error}")))?;
    if let Err(invalid) = order.check() {
        let formless: Vec<String> = found.iter().map(|one| one.field.clone()).collect();
        // A sum over stand-ins means nothing.
        let sums =
            formless.iter().any(|name| name.starts_with("items") || name.ends_with("_minor"));
        found.extend(invalid.0.into_iter().filter(|one| {
            let of_sum = matches!(one.field.as_str(), "items" | "total_minor" | "price_cap_minor");
            let stands_in = formless.iter().any(|name| is_within(&one.field, name));
            !(stands_in || (sums && of_sum))
        }));
    }
    listed(found).map(|()| order)
}

/// Whether a path is this field or a part of it.
fn is_within(path: &str, field: &str) -> bool {
    path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn listed(mut found: Vec<Violation>) -> Result<(), Fault> {
    if found.is_empty() {
        return Ok(());
    }
    found.truncate(LISTED_MAX);
    Err(Fault::invalid(found))
}

fn object(body: &mut Map<String, Value>, fields: &[Field], at: &str, found: &mut Vec<Violation>) {
    let mut add = |name: &str, rule: String| {
        if found.len() <= LISTED_MAX {
            let name: String = name.chars().take(60).collect();
            found.push(Violation { field: format!("{at}{name}"), rule });
        }
    };
    body.retain(|name, _| {
        let known = fields.iter().any(|field| field.0 == name);
        if !known {
            let names: Vec<&str> = fields.iter().map(|field| field.0).collect();
            add(name, format!("is not known; known are {}", names.join(", ")));
        }
        known
    });
    // An optional field that is null was not given.
    body.retain(|name, value| {
        !value.is_null() || fields.iter().any(|field| field.0 == name && field.2)
    });
    for Field(name, kind, needed) in fields {
        match body.get_mut(*name) {
            None | Some(Value::Null) if *needed => {
                add(name, "must be given".to_owned());
                body.insert((*name).to_owned(), stand_in(*kind));
            }
            None => {}
            Some(value) => {
                if let Some(rule) = fault(name, value, *kind) {
                    add(name, rule);
                    *value = stand_in(*kind);
                }
            }
        }
    }
    for Field(name, kind, _) in fields {
        match (kind, body.get_mut(*name)) {
            (Kind::Object(inner), Some(Value::Object(value)))
                if !found.iter().any(|one| one.field == format!("{at}{name}")) =>
            {
                object(value, inner, &format!("{at}{name}."), found);
            }
            (Kind::Object(inner), Some(Value::Object(value))) => {
                object(value, inner, "", &mut Vec::new());
            }
            (Kind::List(inner), Some(Value::Array(rows))) => {
                list(rows, inner, &format!("{at}{name}"), found);
            }
            _ => {}
        }
    }
}

fn list(rows: &mut [Value], inner: &[Field], at: &str, found: &mut Vec<Violation>) {
    for (line, row) in rows.iter_mut().enumerate() {
        if let Value::Object(value) = row {
            object(value, inner, &format!("{at}[{line}]."), found);
        } else {
            if found.len() <= LISTED_MAX {
                let field = format!("{at}[{line}]");
                found.push(Violation { field, rule: "must be an object".to_owned() });
            }
            let mut whole = Map::new();
            object(&mut whole, inner, "", &mut Vec::new());
            *row = Value::Object(whole);
        }
    }
}

/// The rule of form that the value of a field breaks.
fn fault(name: &str, value: &Value, kind: Kind) -> Option<String> {
    match (kind, value) {
        (Kind::Text, Value::String(_))
        | (Kind::Flag, Value::Bool(_))
        | (Kind::Object(_), Value::Object(_))
        | (Kind::List(_), Value::Array(_)) => None,
        (Kind::Line(least, most), Value::String(text)) => line_fault(text, least, most),
        (Kind::PaymentIntent, Value::String(text)) => {
            rule::payment_intent(name, text).err().map(|one| one.rule)
        }
        (Kind::RequestId, Value::String(text)) => {
            rule::request_id(name, text).err().map(|one| one.rule)
        }
        (Kind::Whole, Value::Number(number)) if number.is_i64() => None,
        (Kind::Word(words), Value::String(word)) if words.contains(&word.as_str()) => None,
        (Kind::Text | Kind::Line(..) | Kind::PaymentIntent | Kind::RequestId, _) => {
            Some("must be a text".to_owned())
        }
        (Kind::Whole, _) => Some("must be a whole number".to_owned()),
        (Kind::Flag, _) => Some("must be true or false".to_owned()),
        (Kind::Word(words), _) => Some(format!("must be one of {}", words.join(", "))),
        (Kind::Object(_), _) => Some("must be an object".to_owned()),
        (Kind::List(_), _) => Some("must be an array".to_owned()),
    }
}

fn line_fault(text: &str, least: usize, most: usize) -> Option<String> {
    // Blanks say nothing: they do not count for the least, but for the most.
    if text.trim().chars().count() < least || text.chars().count() > most {
        return Some(format!("must have {least} to {most} characters"));
    }
    (!rule::is_one_line(text))
        .then(|| "must not contain line breaks or other control characters".to_owned())
}

fn stand_in(kind: Kind) -> Value {
    match kind {
        Kind::Text | Kind::Line(..) | Kind::PaymentIntent | Kind::RequestId => json!("x"),
        Kind::Whole => json!(1),
        Kind::Flag => json!(false),
        Kind::Word(words) => json!(words.first()),
        Kind::Object(_) => json!({}),
        Kind::List(_) => json!([]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Value {
        json!({
            "order_number": "7", "retailer": "amazon_uk", "currency": "GBP", "total_minor": 1530,
            "items": [{"product_id": "85123A", "quantity": 6, "unit_price_minor": 255}],
            "recipient": {"first_name": "Ada", "last_name": "Miller", "address_line1": "12 Elm Street",
                "zip_code": "SW1A 1AA", "city": "London", "state": "London", "country": "GB", "phone_number": "+442079460000"}
        })
    }

    /// The fields named when `change` is made to a good order.
    fn named(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut body = order();
        change(&mut body);
        let Value::Object(body) = body else { panic!("not an object") };
        match new_order(body) {
            Ok(_) => vec![],
            Err(fault) => fault.violations.iter().map(|one| one.field.clone()).collect(),
        }
    }

    #[test]
    fn a_good_order_is_read_and_nulls_of_optional_fields_count_as_absent() {
        assert!(named(|_| ()).is_empty());
        assert!(named(|o| o["gift_message"] = Value::Null).is_empty());
        assert!(named(|o| o["recipient"]["instructions"] = Value::Null).is_empty());
    }

    #[test]
    fn the_fields_are_those_that_the_core_reads() {
        let full = json!({
            "order_number": "7", "retailer": "amazon_uk", "currency": "GBP", "total_minor": 1530,
            "items": [{"product_id": "85123A", "title": "x", "quantity": 6, "unit_price_minor": 255}],
            "price_cap_minor": 1530, "shipping_method": "free", "is_gift": true, "gift_message": "hi",
            "payment_intent": "pi_1", "capture_when": "after_purchase",
            "recipient": {"first_name": "Ada", "last_name": "Miller", "address_line1": "12 Elm Street",
                "address_line2": "x", "zip_code": "SW1A 1AA", "city": "London", "state": "London",
                "country": "GB", "phone_number": "+442079460000", "instructions": "x"}
        });
        serde_json::from_value::<NewOrder>(full.clone()).unwrap();
        for (at, fields) in [("", ORDER), ("/items/0", ITEM), ("/recipient", RECIPIENT)] {
            let known: Vec<&str> = fields.iter().map(|field| field.0).collect();
            let given = full.pointer(at).unwrap().as_object().unwrap();
            assert!(
                given.len() == known.len()
                    && given.keys().all(|name| known.contains(&name.as_str()))
            );
            for Field(name, _, needed) in fields {
                let mut less = full.clone();
                less.pointer_mut(at).unwrap().as_object_mut().unwrap().remove(*name);
                assert_eq!(
                    serde_json::from_value::<NewOrder>(less).is_err(),
                    *needed,
                    "{at} {name}"
                );
            }
        }
    }

    #[test]
    fn each_wrong_field_is_named_with_its_path() {
        assert_eq!(named(|o| o["colour"] = json!("red")), ["colour"]);
        assert_eq!(named(|o| o["items"][0]["colour"] = json!("red")), ["items[0].colour"]);
        assert_eq!(named(|o| o["items"][0]["quantity"] = json!(1.5)), ["items[0].quantity"]);
        assert_eq!(named(|o| o["items"][0] = json!(7)), ["items[0]"]);
        assert_eq!(named(|o| o["items"] = json!({})), ["items"]);
        assert_eq!(named(|o| o["items"] = json!([])), ["items"]);
        assert_eq!(named(|o| o["total_minor"] = json!("1530")), ["total_minor"]);
        assert_eq!(named(|o| o["total_minor"] = json!(1)), ["total_minor"]);
        assert_eq!(named(|o| o["recipient"] = json!("Ada")), ["recipient"]);
        assert_eq!(named(|o| o["recipient"]["city"] = Value::Null), ["recipient.city"]);
        assert_eq!(named(|o| o["shipping_method"] = json!("drone")), ["shipping_method"]);
    }

    #[test]
    fn faults_of_form_and_of_content_are_listed_together() {
        let fields = named(|o| {
            o["retailer"] = json!("tesco");
            o["is_gift"] = json!("yes");
            o["recipient"]["phone_number"] = json!("12");
            o["recipient"]["extra"] = json!(1);
        });
        for field in ["retailer", "is_gift", "recipient.phone_number", "recipient.extra"] {
            assert!(fields.iter().any(|found| found == field), "{field}: {fields:?}");
        }
    }

    #[test]
    fn a_fault_of_form_hides_no_other_line() {
        let fields = named(|o| {
            o["items"] = json!(vec![o["items"][0].clone(); 12]);
            o["items"][1] = json!(7);
            o["items"][11]["quantity"] = json!(0);
        });
        assert_eq!(fields, ["items[1]", "items[11].quantity"]);
    }

    #[test]
    fn a_line_has_its_length_in_characters_that_say_something() {
        let fields = [Field("note", Kind::Line(3, 5), false)];
        let fits = |note: &str| {
            let mut body = Map::from_iter([("note".to_owned(), json!(note))]);
            check(&mut body, &fields).is_ok()
        };
        assert!(fits("abc") && fits("äöüß!"));
        for note in ["ab", "ab   ", "abcdef", "a\0bc", "ab\nc", "abcd  "] {
            assert!(!fits(note), "{note:?}");
        }
    }

    #[test]
    fn the_list_of_violations_is_bounded() {
        let many = vec![json!(null); 5000];
        assert_eq!(named(|o| o["items"] = json!(many)).len(), LISTED_MAX);
    }
}
