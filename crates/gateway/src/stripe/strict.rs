//! JSON in which no key stands twice.
//!
//! Promise: a text that two readers could understand differently, because it names a field twice, is
//! not read at all. Depth is limited by the parser.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// A whole JSON text, or nothing.
pub(super) fn parse(text: &[u8]) -> Option<Value> {
    serde_json::from_slice::<Unique>(text).ok().map(|unique| unique.0)
}

struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without a key that stands twice")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(Unique(entry)) = entries.next_element()? {
            read.push(entry);
        }
        Ok(read.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some((name, Unique(value))) = fields.next_entry::<String, _>()? {
            if read.insert(name, value).is_some() {
                return Err(Error::custom("a key stands twice"));
            }
        }
        Ok(read.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_that_stands_twice_makes_the_text_unreadable_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert!(parse(br#"[{"a":1},{"a":1}]"#).is_some());
    }

    #[test]
    fn a_text_that_is_too_deep_or_not_whole_is_not_read() {
        let deep = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(deep(100).as_bytes()).is_some());
        assert_eq!(parse(deep(200_000).as_bytes()), None);
        for text in ["", "{", "{} {}", "{\"a\":}", "nan"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_the_ordinary_parser_reads(
            number in any::<i64>(), text in ".{0,20}", float in -1e9_f64..1e9, flag in any::<bool>()
        ) {
            let value = serde_json::json!({"a": [number, text, null], "b": {"c": float, "d": flag}});
            let text = value.to_string();
            prop_assert_eq!(parse(text.as_bytes()), serde_json::from_str(&text).ok());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let read = parse(&bytes);
            prop_assert!(read.is_none() || serde_json::from_slice::<Value>(&bytes).is_ok());
        }
    }
}
