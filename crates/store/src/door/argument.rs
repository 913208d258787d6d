//! What may be given to a door's parameter, judged before the database is asked.
//!
//! Promise: a value of another kind than the parameter's is refused, never written out as text: an
//! object for a request id would otherwise be stored as `{}`. Whoever is refused reads the
//! parameter's name and its rule, in our words, under the code that the database would give. // D4
//!
//! Kinds that no door has today are left to the database, and so are the fields of an object: the door
//! that reads them knows them.

use super::Door;
use crate::Error;
use orders_core::order::{Violation, rule};
use serde_json::{Map, Value};
use std::fmt;
use uuid::Uuid;

/// The database's codes for what is refused here: a value without its type's form, a number out of
/// its type's range, a character that no text can hold, a value that makes no sense.
const FORM: &str = "22P02";
const RANGE: &str = "22003";
const CHARACTER: &str = "22021";
const SENSE: &str = "22023";

/// The parameter that names an order. Others may be null: the first page has no order before it.
const ORDER: &str = "order_uuid";

/// An argument that cannot be meant so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misuse {
    /// The SQLSTATE.
    pub code: &'static str,
    /// The parameter, with the path into it, and the rule that it breaks.
    pub violation: Violation,
}

impl Misuse {
    fn new(code: &'static str, name: &str, rule: impl Into<String>) -> Self {
        Self { code, violation: Violation { field: name.to_owned(), rule: rule.into() } }
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.violation.fmt(f)
    }
}

impl From<Misuse> for Error {
    /// As if the database had said it: whoever calls a door has one kind of refusal to deal with.
    fn from(misuse: Misuse) -> Self {
        Self::Database {
            what: "doors.call",
            code: misuse.code.to_owned(),
            message: misuse.to_string(),
            detail: None,
            hint: None,
            constraint: None,
        }
    }
}

/// Checks what is given against the door's parameters; what the door does not have is ignored.
pub fn check(door: &Door, args: &Map<String, Value>) -> Result<(), Misuse> {
    door.params
        .iter()
        .filter_map(|param| Some((param, args.get(&param.name)?)))
        .try_for_each(|(param, value)| fits(&param.name, &param.kind, value))
}

fn fits(name: &str, kind: &str, value: &Value) -> Result<(), Misuse> {
    match (kind, value) {
        (_, Value::Null) if name == ORDER => {
            Err(Misuse::new(SENSE, name, "must be given: null names no order"))
        }
        (_, Value::Null) | ("boolean", Value::Bool(_)) => Ok(()),
        ("text", Value::String(text)) => text_fits(name, text),
        ("text", _) => Err(Misuse::new(SENSE, name, "must be a text")),
        ("uuid", Value::String(text)) if Uuid::try_parse(text).is_ok() => Ok(()),
        ("uuid", _) => Err(Misuse::new(FORM, name, "must be a uuid")),
        ("integer", Value::Number(number)) if number.is_i64() || number.is_u64() => {
            let fits = number.as_i64().is_some_and(|whole| i32::try_from(whole).is_ok());
            let rule = || format!("must be between {} and {}", i32::MIN, i32::MAX);
            if fits { Ok(()) } else { Err(Misuse::new(RANGE, name, rule())) }
        }
        ("integer", _) => Err(Misuse::new(FORM, name, "must be a whole number")),
        ("boolean", _) => Err(Misuse::new(FORM, name, "must be true or false")),
        ("jsonb" | "json", Value::Object(fields)) => fields_fit(name, fields),
        ("jsonb" | "json", _) => Err(Misuse::new(SENSE, name, "must be a JSON object")),
        _ => Ok(()),
    }
}

/// A text that a column can hold, and that keeps the rule of what it names.
fn text_fits(name: &str, text: &str) -> Result<(), Misuse> {
    if text.contains('\0') {
        return Err(nul(name));
    }
    let kept = match name {
        "zinc_request_id_param" => rule::request_id(name, text),
        "payment_intent_param" => rule::payment_intent(name, text),
        _ => Ok(()),
    };
    kept.map_err(|violation| Misuse { code: SENSE, violation })
}

/// The database's JSON cannot hold this one character, wherever it stands.
fn fields_fit(at: &str, fields: &Map<String, Value>) -> Result<(), Misuse> {
    for (field, value) in fields {
        if field.contains('\0') {
            return Err(Misuse::new(CHARACTER, at, "must not have a field with the character NUL"));
        }
        let shown: String = field.chars().take(60).collect();
        value_fits(&format!("{at}.{shown}"), value)?;
    }
    Ok(())
}

fn value_fits(at: &str, value: &Value) -> Result<(), Misuse> {
    match value {
        Value::String(text) if text.contains('\0') => Err(nul(at)),
        Value::Array(values) => values
            .iter()
            .enumerate()
            .try_for_each(|(place, value)| value_fits(&format!("{at}[{place}]"), value)),
        Value::Object(fields) => fields_fit(at, fields),
        _ => Ok(()),
    }
}

fn nul(name: &str) -> Misuse {
    Misuse::new(CHARACTER, name, "must not contain the character NUL")
}

/// A checked argument as the text that its parameter's type is read from.
pub(super) fn as_text(value: &Value, kind: &str) -> Option<String> {
    match value {
        Value::Null => None,
        // The database does not read every notation of a UUID that we do.
        Value::String(text) if kind == "uuid" => {
            Some(Uuid::try_parse(text).map_or_else(|_| text.clone(), |id| id.to_string()))
        }
        Value::String(text) if kind != "jsonb" && kind != "json" => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::DoorParam;
    use super::*;
    use serde_json::json;

    /// The code and the sentence for one argument.
    fn refusal(name: &str, kind: &str, value: &Value) -> Option<(&'static str, String)> {
        let param = DoorParam { name: name.into(), kind: kind.into(), optional: false };
        let door = Door {
            name: "door".into(),
            params: vec![param],
            returns_rows: false,
            returns_nothing: false,
            writes: true,
        };
        let args = Map::from_iter([(name.to_owned(), value.clone())]);
        check(&door, &args).err().map(|misuse| (misuse.code, misuse.to_string()))
    }

    #[test]
    fn a_parameter_takes_values_of_its_own_kind_and_null() {
        let id = json!("0198c0de-0000-7000-8000-00000000000a");
        let all = [json!("x"), id.clone(), json!(7), json!(1.5), json!(true), json!({}), json!([])];
        for (kind, fits) in [
            ("text", vec![json!("x"), id.clone()]),
            ("uuid", vec![id]),
            ("integer", vec![json!(7)]),
            ("boolean", vec![json!(true)]),
            ("jsonb", vec![json!({})]),
        ] {
            assert_eq!(refusal("p", kind, &Value::Null), None, "{kind}");
            for value in &all {
                let refused = refusal("p", kind, value);
                assert_eq!(refused.is_none(), fits.contains(value), "{kind} {value}: {refused:?}");
                assert!(refused.is_none_or(|(_, sentence)| sentence.starts_with("p must be ")));
            }
        }
    }

    #[test]
    fn the_codes_are_those_of_the_database() {
        for (name, kind, value, code, sentence) in [
            ("order_uuid", "uuid", json!("7"), FORM, "order_uuid must be a uuid"),
            (ORDER, "uuid", Value::Null, SENSE, "order_uuid must be given: null names no order"),
            ("age", "integer", json!("2"), FORM, "age must be a whole number"),
            (
                "age",
                "integer",
                json!(1_u64 << 63),
                RANGE,
                "age must be between -2147483648 and 2147483647",
            ),
            ("reason_param", "text", json!({}), SENSE, "reason_param must be a text"),
            ("order_param", "jsonb", json!("x"), SENSE, "order_param must be a JSON object"),
        ] {
            assert_eq!(refusal(name, kind, &value), Some((code, sentence.to_owned())));
        }
    }

    #[test]
    fn the_character_nul_is_refused_wherever_it_stands() {
        for (name, kind, value, at) in [
            ("reason_param", "text", json!("a\0b"), "reason_param"),
            ("zinc_request_id_param", "text", json!("\0"), "zinc_request_id_param"),
            ("options", "jsonb", json!({"actor": "\0"}), "options.actor"),
            (
                "order_param",
                "jsonb",
                json!({"items": [{"title": "\0"}]}),
                "order_param.items[0].title",
            ),
            ("order_param", "jsonb", json!({"a": {"\0": 1}}), "order_param.a"),
        ] {
            let (code, sentence) = refusal(name, kind, &value).unwrap();
            assert_eq!(code, CHARACTER, "{value}");
            assert!(sentence.starts_with(&format!("{at} must not ")), "{sentence}");
        }
    }

    #[test]
    fn the_ids_of_others_have_rules_of_their_own() {
        for (name, kind, value, named) in [
            ("zinc_request_id_param", "text", json!("a b"), "zinc_request_id_param"),
            ("zinc_request_id_param", "text", json!(""), "zinc_request_id_param"),
            ("payment_intent_param", "text", json!("ch_1"), "payment_intent_param"),
        ] {
            let (_, sentence) = refusal(name, kind, &value).unwrap();
            assert!(sentence.starts_with(&format!("{named} must ")), "{sentence}");
        }
    }

    #[test]
    fn every_notation_of_a_uuid_reaches_the_database_as_one() {
        let id = "0198c0de-0000-7000-8000-00000000000a";
        for notation in [id.to_uppercase(), format!("{{{id}}}"), format!("urn:uuid:{id}")] {
            assert_eq!(refusal(ORDER, "uuid", &json!(notation)), None);
            assert_eq!(as_text(&json!(notation), "uuid").as_deref(), Some(id));
        }
        assert_eq!(as_text(&json!({"a": 1}), "jsonb").as_deref(), Some("{\"a\":1}"));
        assert_eq!(as_text(&Value::Null, "text"), None);
    }
}
