//! Faults as text, for a command line: `none`, `demo`, or JSON, and behind a name any fields, such
//! as `demo,seed=7,drop_answer=0.2`.

use crate::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The faults that the text describes, not yet checked.
pub(crate) fn read<T: Serialize + DeserializeOwned>(
    text: &str,
    none: impl FnOnce() -> T,
    demo: impl FnOnce() -> T,
) -> Result<T, Error> {
    let wrong = |error: serde_json::Error| Error::Faults(error.to_string());
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(wrong);
    }
    let mut parts = text.split(',').map(str::trim);
    let start = match parts.next() {
        Some("" | "none") | None => none(),
        Some("demo") => demo(),
        Some(other) => {
            let known = "the known ones are none and demo, each with fields behind it if need be";
            return Err(Error::Faults(format!("no set is called {other:?}; {known}")));
        }
    };
    let mut fields = match serde_json::to_value(start).map_err(wrong)? {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    for part in parts.filter(|part| !part.is_empty()) {
        let (name, value) = part
            .split_once('=')
            .ok_or_else(|| Error::Faults(format!("field=value expected, not {part:?}")))?;
        let value = serde_json::from_str(value).map_err(wrong)?;
        fields.insert(name.to_owned(), value);
    }
    serde_json::from_value(Value::Object(fields)).map_err(wrong)
}
