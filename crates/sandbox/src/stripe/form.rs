//! Parameters as Stripe takes them: form-encoded, with `name[]` and `name[key]`.

use super::refused::Refused;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The parameters of a call, sorted: their order means nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn parse(text: &[u8]) -> Self {
        let mut fields: Vec<_> = form_urlencoded::parse(text).into_owned().collect();
        fields.sort();
        Self(fields)
    }

    /// The value of a field, if it was sent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// The keys and values of `name[key]`; a list has empty keys or numbers.
    pub(super) fn under<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(it, value)| {
            let key = it.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?;
            Some((key, value.as_str()))
        })
    }

    pub(super) fn metadata(&self) -> BTreeMap<String, String> {
        self.under("metadata").map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// A whole number, if one was sent.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Refused> {
        let parse = |text: &str| {
            text.parse().map_err(|_| Refused::invalid("parameter_invalid_integer", name))
        };
        self.get(name).map(parse).transpose()
    }

    /// A word of a list, if one was sent.
    pub(super) fn one_of(&self, name: &str, words: &[&str]) -> Result<Option<&str>, Refused> {
        match self.get(name) {
            Some(word) if !words.contains(&word) => {
                Err(Refused::invalid("parameter_invalid", name))
            }
            word => Ok(word),
        }
    }

    /// Stripe refuses what it does not know, so that a misspelt filter never means "everything".
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Refused> {
        for (name, _) in &self.0 {
            let plain = name.split('[').next().unwrap_or(name);
            if !known.contains(&plain) {
                return Err(Refused::invalid("parameter_unknown", name));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_by_name_by_key_and_as_lists() {
        let form = Form::parse(b"b=2&types[]=x&types[]=y&metadata[order_id]=o%201&a=1");
        assert_eq!(form, Form::parse(b"a=1&types[]=y&types[]=x&metadata[order_id]=o+1&b=2"));
        assert_eq!(form.under("types").map(|(_, it)| it).collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(form.metadata()["order_id"], "o 1");
        assert_eq!(form.integer("a").unwrap(), Some(1));
        assert_eq!(form.integer("c").unwrap(), None);
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let form = Form::parse(b"types[]=x&amuont=1");
        assert!(form.only(&["types", "amuont"]).is_ok());
        assert_eq!(form.only(&["types", "amount"]).unwrap_err().code(), "parameter_unknown");
    }
}
