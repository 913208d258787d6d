//! One JSON object, read strictly, and the order that it is.
//!
//! Promise: an object in which a key stands twice is no order, because readers do not agree about
//! which of the two counts; nothing but an object is one; the rules are those of the API, and every
//! field that breaks one is named.

use super::REASONS_PER_ORDER_MAX;
use crate::api::json::strict;
use crate::api::shape;
use orders_core::order::{NewOrder, Recipient, Violation};
use serde_json::error::Category;
use serde_json::{Map, Value, json};

/// A JSON object and the paths of the keys that stand in it twice; the first of them counts.
pub(super) struct Strict {
    pub fields: Map<String, Value>,
    twice: Vec<Violation>,
}

/// Why a text is no JSON object.
pub(super) enum NoObject {
    /// It is no JSON: what is wrong, and at which line and byte of the text.
    Json { line: usize, column: usize, reason: String },
    /// It is something else than an object.
    Other,
}

/// Reads a text.
pub(super) fn parse(text: &str) -> Result<Strict, NoObject> {
    match strict(text.as_bytes(), REASONS_PER_ORDER_MAX) {
        Ok((Value::Object(fields), repeated)) => {
            let rule = "is given twice; give it once";
            let twice =
                repeated.into_iter().map(|key| Violation { field: key.path, rule: rule.into() });
            Ok(Strict { fields, twice: twice.collect() })
        }
        Ok(_) => Err(NoObject::Other),
        Err(error) => Err(NoObject::Json {
            line: error.line(),
            column: error.column(),
            reason: reason(&error),
        }),
    }
}

/// The parser's message without its position, which is counted inside the text. It quotes no value:
/// every value is taken as it comes, and its rules are asked later. // G36
fn reason(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(words, _)| words);
    match error.classify() {
        Category::Eof => format!("the JSON is cut off: {message}"),
        Category::Syntax | Category::Io | Category::Data => format!("this is not JSON: {message}"),
    }
}

impl Strict {
    /// The number of the order, when there is one that can be shown.
    pub fn order_number(&self) -> Option<String> {
        let number = self.fields.get("order_number").and_then(Value::as_str);
        number.filter(|number| !number.is_empty()).map(str::to_owned)
    }

    /// The order, or every rule that it breaks.
    pub fn order(self) -> Result<NewOrder, Vec<Violation>> {
        let mut found = self.twice;
        match shape::new_order(self.fields) {
            Ok(order) if found.is_empty() => Ok(order),
            Ok(_) => Err(found),
            Err(fault) => {
                found.extend(fault.violations.iter().cloned());
                Err(found)
            }
        }
    }

    /// The recipient that this object is, by the rules of an order's recipient.
    pub fn recipient(self) -> Result<Recipient, Vec<Violation>> {
        const FIELD: &str = "recipient";
        let mut order = Map::new();
        // An order without any other fault.
        order.insert("order_number".to_owned(), json!("1"));
        order.insert("retailer".to_owned(), json!("amazon"));
        order.insert("currency".to_owned(), json!("USD"));
        order.insert("total_minor".to_owned(), json!(1));
        let item = json!({"product_id": "1", "quantity": 1, "unit_price_minor": 1});
        order.insert("items".to_owned(), json!([item]));
        order.insert(FIELD.to_owned(), Value::Object(self.fields));
        let within = |violation: Violation| {
            let field = format!("{FIELD}.{}", violation.field);
            Violation { field, ..violation }
        };
        let twice = self.twice.into_iter().map(within).collect();
        Strict { fields: order, twice }.order().map(|order| order.recipient.clone())
    }
}
