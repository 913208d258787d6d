//! JSON whose objects name each key once.
//!
//! Promise: a key that stands twice is reported by its name. Readers differ in which of the two they
//! take, so a proxy or a log in front of us could have seen another order, or another role, than we
//! would act upon. // D1, D4

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Why bytes are not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// They are no JSON, seen at this line and column.
    Malformed(usize, usize),
    /// This key stands twice in one object.
    Repeated(String),
}

/// Reads bytes as one value.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, Unreadable> {
    let Node { value, repeated } = serde_json::from_slice(bytes)
        .map_err(|error| Unreadable::Malformed(error.line(), error.column()))?;
    match repeated {
        Some(key) => {
            Err(Unreadable::Repeated(key.chars().filter(|c| !c.is_control()).take(60).collect()))
        }
        None => Ok(value),
    }
}

/// A value, and the first key that stands twice in it. It is carried beside the value because an
/// error of the reader's could not be told from its other errors.
struct Node {
    value: Value,
    repeated: Option<String>,
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        Self { value, repeated: None }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Value::Null.into())
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Value::Bool(value).into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Value::Number(value.into()).into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Value::Number(value.into()).into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number).into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Value::String(value.to_owned()).into())
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Value::String(value).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Node, A::Error> {
        let (mut all, mut repeated) = (Vec::new(), None);
        while let Some(row) = rows.next_element::<Node>()? {
            repeated = repeated.or(row.repeated);
            all.push(row.value);
        }
        Ok(Node { value: Value::Array(all), repeated })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node, A::Error> {
        let (mut all, mut repeated) = (Map::new(), None);
        while let Some((key, field)) = fields.next_entry::<String, Node>()? {
            repeated = repeated.or(field.repeated);
            if all.contains_key(&key) {
                repeated = repeated.or(Some(key));
            } else {
                all.insert(key, field.value);
            }
        }
        Ok(Node { value: Value::Object(all), repeated })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_the_usual_reader_reads() {
        for text in [
            "null",
            "true",
            "-7",
            "18446744073709551615",
            "1.5",
            "\"a\\u0000\\n\"",
            "[]",
            "{}",
            "{\"b\": [1, {\"a\": null}], \"a\": {\"b\": 2}}",
        ] {
            let usual: Value = serde_json::from_str(text).unwrap();
            assert_eq!(read(text.as_bytes()), Ok(usual), "{text}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_named_wherever_it_stands() {
        for (text, key) in [
            ("{\"a\": 1, \"a\": 1}", "a"),
            ("[0, {\"x\": {\"b\": 1, \"c\": 2, \"b\": 3}}]", "b"),
            ("{\"a\": {\"b\": 1, \"b\": 2}, \"a\": 1}", "b"),
            ("{\"a\": 1, \"\\u0061\": 2}", "a"),
            ("{\"a\\u0000\": 1, \"a\\u0000\": 2}", "a"),
        ] {
            assert_eq!(read(text.as_bytes()), Err(Unreadable::Repeated(key.to_owned())), "{text}");
        }
        assert!(read(b"{\"a\": {\"a\": 1}, \"b\": {\"a\": 2}}").is_ok());
    }

    #[test]
    fn what_is_no_json_is_told_with_its_place() {
        let deep = "[".repeat(200);
        for text in ["", "{", "{\"a\": 1}}", "1e999", "{\"a\" 1}", "\u{feff}{}", deep.as_str()] {
            assert!(matches!(read(text.as_bytes()), Err(Unreadable::Malformed(..))), "{text}");
        }
        assert_eq!(read(b"{\n\"a\": x}"), Err(Unreadable::Malformed(2, 6)));
        assert!(matches!(read(b"\"\xff\""), Err(Unreadable::Malformed(..))));
    }
}
