//! JSON whose objects name each key once.
//!
//! Promise: a key that stands twice is reported by its name. Readers differ in which of the two they
//! take, so a proxy or a log in front of us could have seen another order, or another role, than we
//! would act upon. // D1, D4

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt::{self, Write as _};

/// The most characters of a key that are told.
const KEY_CHARS_MAX: usize = 60;

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
    let (value, repeated) =
        strict(bytes, 1).map_err(|error| Unreadable::Malformed(error.line(), error.column()))?;
    match repeated.into_iter().next() {
        Some(Repeated { key, .. }) => Err(Unreadable::Repeated(
            key.chars().filter(|c| !c.is_control()).take(KEY_CHARS_MAX).collect(),
        )),
        None => Ok(value),
    }
}

/// A key that stands twice in one object; the first of the two counts.
pub(crate) struct Repeated {
    key: String,
    /// Where it stands, as `items[0].title`.
    pub path: String,
}

/// Reads bytes as one value, and names at most so many keys that stand twice in it. They are told
/// beside the value because an error of the reader's could not be told from its other errors.
pub(crate) fn strict(bytes: &[u8], most: usize) -> serde_json::Result<(Value, Vec<Repeated>)> {
    let mut walk = Walk { path: String::new(), repeated: Vec::new(), most };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Part(&mut walk).deserialize(&mut reader)?;
    reader.end()?;
    Ok((value, walk.repeated))
}

/// Where the reader is, and what it found so far.
struct Walk {
    path: String,
    repeated: Vec<Repeated>,
    most: usize,
}

/// A value on its way.
struct Part<'a>(&'a mut Walk);

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let (mut values, here) = (Vec::new(), self.0.path.len());
        loop {
            // Writing to a text cannot fail.
            let _ = write!(self.0.path, "[{}]", values.len());
            let value = seq.next_element_seed(Part(&mut *self.0))?;
            self.0.path.truncate(here);
            match value {
                Some(value) => values.push(value),
                None => return Ok(Value::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let (mut fields, here) = (Map::new(), self.0.path.len());
        while let Some(name) = map.next_key::<String>()? {
            if here > 0 {
                self.0.path.push('.');
            }
            self.0.path.extend(name.chars().take(KEY_CHARS_MAX));
            if fields.contains_key(&name) && self.0.repeated.len() < self.0.most {
                let path = self.0.path.clone();
                self.0.repeated.push(Repeated { key: name.clone(), path });
            }
            let value = map.next_value_seed(Part(&mut *self.0))?;
            self.0.path.truncate(here);
            fields.entry(name).or_insert(value);
        }
        Ok(Value::Object(fields))
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
