//! One page of one of Stripe's lists.

use super::word::is_id;
use super::{PaymentError, UNREADABLE, strict};
use form_urlencoded::Serializer;
use serde::Deserialize;
use serde_json::Value;

/// The most entries that Stripe gives at once.
pub(super) const LIMIT_MAX: u8 = 100;

/// Which part of a list, by the time at which its entries were created. Newest come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The first moment, in seconds since 1970.
    pub created_from: i64,
    /// The moment after the last, in seconds since 1970.
    pub created_before: Option<i64>,
    /// The id of the last entry of the page before this one.
    pub after: Option<String>,
    /// How many entries at most; at least 1 and at most 100 are asked for.
    pub limit: u8,
}

/// One page. An entry that cannot be read makes the whole page an error, so none is missing here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Whether Stripe has more of them, after the last one here.
    pub more: bool,
}

impl Page {
    /// The target of the call, with what is asked for besides. The id of an entry that could never be
    /// one is not found.
    pub(super) fn target(
        &self,
        path: &str,
        besides: &[(&str, &str)],
    ) -> Result<String, PaymentError> {
        let mut query = query(besides, self.limit, self.after.as_deref())?;
        query.append_pair("created[gte]", &self.created_from.to_string());
        if let Some(before) = self.created_before {
            query.append_pair("created[lt]", &before.to_string());
        }
        Ok(format!("{path}?{}", query.finish()))
    }
}

/// The target of a page of everything that fits.
pub(super) fn whole(
    path: &str,
    besides: &[(&str, &str)],
    after: Option<&str>,
) -> Result<String, PaymentError> {
    let mut query = query(besides, LIMIT_MAX, after)?;
    Ok(format!("{path}?{}", query.finish()))
}

fn query(
    besides: &[(&str, &str)],
    limit: u8,
    after: Option<&str>,
) -> Result<Serializer<'static, String>, PaymentError> {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(besides);
    query.append_pair("limit", &limit.clamp(1, LIMIT_MAX).to_string());
    if let Some(after) = after {
        if !is_id(after) {
            return Err(PaymentError::NotFound);
        }
        query.append_pair("starting_after", after);
    }
    Ok(query)
}

#[derive(Deserialize)]
struct Envelope {
    object: String,
    data: Vec<Value>,
    has_more: bool,
}

/// The entries of a page, all of them or none.
pub(super) fn entries<T>(
    body: &[u8],
    read: impl Fn(Value) -> Option<T>,
) -> Result<Listed<T>, PaymentError> {
    let envelope = strict::parse(body).and_then(|body| serde_json::from_value(body).ok());
    let Envelope { object, data, has_more } = envelope.ok_or(UNREADABLE)?;
    // Nobody could ask for what comes after nothing.
    if object != "list" || (has_more && data.is_empty()) {
        return Err(UNREADABLE);
    }
    let items: Option<Vec<T>> = data.into_iter().map(read).collect();
    Ok(Listed { items: items.ok_or(UNREADABLE)?, more: has_more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_asked_for_by_time_and_by_the_last_entry() {
        let mut page = Page { created_from: 5, created_before: None, after: None, limit: 0 };
        assert_eq!(page.target("/x", &[]).unwrap(), "/x?limit=1&created%5Bgte%5D=5");
        page.created_before = Some(9);
        page.after = Some("pi_1".into());
        page.limit = 255;
        assert_eq!(
            page.target("/x", &[("a", "b&c")]).unwrap(),
            "/x?a=b%26c&limit=100&starting_after=pi_1&created%5Bgte%5D=5&created%5Blt%5D=9"
        );
        page.after = Some("pi_1&limit=1".into());
        assert_eq!(page.target("/x", &[]), Err(PaymentError::NotFound));
    }

    #[test]
    fn one_entry_that_cannot_be_read_makes_the_page_an_error() {
        let read = |body: &str| entries(body.as_bytes(), |value| value.as_i64());
        let page = read(r#"{"object":"list","data":[1,2],"has_more":true}"#).unwrap();
        assert_eq!(page, Listed { items: vec![1, 2], more: true });
        for body in [
            r#"{"object":"list","data":[1,"x"],"has_more":true}"#,
            r#"{"object":"list","data":[],"has_more":true}"#,
            r#"{"object":"list","data":[1]}"#,
            r#"{"object":"list","has_more":false}"#,
            r#"{"object":"charge","data":[1],"has_more":false}"#,
            r#"{"data":[1],"has_more":false}"#,
            r#"{"object":"list","data":[1],"data":[],"has_more":false}"#,
            "[]",
            "",
        ] {
            assert_eq!(read(body), Err(UNREADABLE), "{body}");
        }
    }
}
