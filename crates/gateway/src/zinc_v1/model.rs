//! What Zinc v1 answers, read with as few expectations as possible.
//!
//! Promise: unknown fields and types are ignored and no detail can make a whole answer unreadable,
//! because the contract says so of everything undocumented. Two things are not forgiven: an answer
//! that is not one whole JSON object, and a field that stands in it twice. Of what the provider's
//! validator says only names out of a closed list are taken, never a word of its own.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

/// The longest id that is taken for one; v1 gives 32 hex digits.
const ID_CHARS_MAX: usize = 200;
/// The most order numbers of one request that are kept.
const MERCHANT_ORDERS_MAX: usize = 500;
/// The most fields of a wrong request that are kept.
const WRONG_FIELDS_MAX: usize = 10;
/// The fields of our request, see `request`.
pub(super) const FIELDS: &[&str] = &[
    "idempotency_key",
    "retailer",
    "addax",
    "products",
    "product_id",
    "quantity",
    "max_price",
    "shipping_address",
    "first_name",
    "last_name",
    "address_line1",
    "address_line2",
    "zip_code",
    "city",
    "state",
    "country",
    "phone_number",
    "instructions",
    "is_gift",
    "gift_message",
    "shipping_method",
    "strict_expired_product_id",
    "addax_queue_timeout",
    "client_notes",
    "order_id",
    "attempt_id",
];

/// An answer, or an entry of the list: the fields that we look at, each in whatever shape it came.
#[derive(Default, Deserialize)]
pub(super) struct Body {
    #[serde(rename = "_type")]
    kind: Option<Value>,
    code: Option<Value>,
    request_id: Option<Value>,
    idempotency_key: Option<Value>,
    client_notes: Option<Value>,
    request: Option<Value>,
    data: Option<Value>,
    pub(super) price_components: Option<Value>,
    merchant_order_ids: Option<Value>,
    tracking: Option<Value>,
}

/// The type that an answer states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Absent,
    Error,
    OrderResponse,
    Other,
}

/// A field that decides: what is there but makes no sense is not the same as nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field<'a> {
    Absent,
    Unreadable,
    Readable(&'a str),
}

impl<'a> Field<'a> {
    fn of(value: Option<&'a Value>, makes_sense: impl Fn(&str) -> bool) -> Self {
        match value {
            None => Self::Absent,
            Some(Value::String(text)) if makes_sense(text) => Self::Readable(text),
            Some(_) => Self::Unreadable,
        }
    }
}

/// One parcel.
pub(super) struct Tracking<'a>(&'a Value);

impl<'a> Tracking<'a> {
    pub(super) fn is_delivered(&self) -> bool {
        self.0.get("delivery_status").and_then(Value::as_str) == Some("Delivered")
    }

    /// The retailer's order that it belongs to.
    pub(super) fn merchant_order(&self) -> Field<'a> {
        Field::of(self.0.get("merchant_order_id").filter(|id| !id.is_null()), is_id)
    }
}

/// What we sent, as far as an echo of it can be compared.
#[derive(Deserialize)]
struct Sent {
    idempotency_key: Uuid,
    client_notes: SentNotes,
}

#[derive(Deserialize)]
struct SentNotes {
    attempt_id: Uuid,
}

impl Body {
    /// Reads one JSON object.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        // serde would also fill the struct from an array, by position.
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace())?;
        if *first != b'{' {
            return None;
        }
        serde_json::from_slice(bytes).ok()
    }

    pub(super) fn kind(&self) -> Kind {
        match &self.kind {
            None => Kind::Absent,
            Some(Value::String(kind)) if kind == "error" => Kind::Error,
            Some(Value::String(kind)) if kind == "order_response" => Kind::OrderResponse,
            Some(_) => Kind::Other,
        }
    }

    /// The code; readable when it is a text that can be stored and shown.
    pub(super) fn code(&self) -> Field<'_> {
        Field::of(self.code.as_ref(), |code| !code.is_empty() && !code.contains(char::is_control))
    }

    /// The provider's id of the request; readable when it can be stored and put into a path.
    pub(super) fn request_id(&self) -> Field<'_> {
        Field::of(self.request_id.as_ref(), is_id)
    }

    /// Our ids, when the entry carries notes of ours.
    pub(super) fn notes(&self) -> Option<(Uuid, Uuid)> {
        self.echoes("client_notes").find_map(|notes| {
            let id = |name| notes.get(name)?.as_str()?.parse().ok();
            Some((id("order_id")?, id("attempt_id")?))
        })
    }

    /// Whether an echo in the answer to a create call contradicts what was sent.
    pub(super) fn is_for_another_call(&self, sent: &[u8]) -> bool {
        let echoes_something =
            self.echoes("idempotency_key").chain(self.echoes("client_notes")).next().is_some();
        if !echoes_something {
            return false;
        }
        let Ok(sent) = serde_json::from_slice::<Sent>(sent) else {
            return true;
        };
        self.names_another_attempt(sent.client_notes.attempt_id)
            || self.echoes("idempotency_key").any(|key| !is_uuid(key, sent.idempotency_key))
    }

    /// Whether the answer to a read names another request or another attempt. One that names none
    /// may be anybody's, see [`Body::names`]: the contract says ids may be missing.
    pub(super) fn is_for_another_request(&self, request_id: &str, attempt_id: Uuid) -> bool {
        let id = self.request_id.as_ref().and_then(Value::as_str);
        id.is_some_and(|id| id != request_id) || self.names_another_attempt(attempt_id)
    }

    /// Whether the answer names our attempt.
    pub(super) fn names(&self, attempt_id: Uuid) -> bool {
        let mut named = self.echoes("client_notes").filter_map(|notes| notes.get("attempt_id"));
        named.any(|named| is_uuid(named, attempt_id))
    }

    fn names_another_attempt(&self, attempt_id: Uuid) -> bool {
        let mut named = self.echoes("client_notes").filter_map(|notes| notes.get("attempt_id"));
        named.any(|named| !is_uuid(named, attempt_id))
    }

    /// A field of our request wherever the provider may echo it: beside the answer, or in it.
    fn echoes<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a Value> {
        let beside = match name {
            "client_notes" => self.client_notes.as_ref(),
            _ => self.idempotency_key.as_ref(),
        };
        let within = self.request.as_ref().and_then(|request| request.get(name));
        beside.into_iter().chain(within).filter(|value| !value.is_null())
    }

    /// The number of each of the retailer's orders.
    pub(super) fn merchant_orders(&self) -> Vec<Field<'_>> {
        let orders = one_or_many(self.merchant_order_ids.as_ref()).iter();
        orders.map(|order| Field::of(order.get("merchant_order_id"), is_id)).collect()
    }

    /// Those of the retailer's order numbers that can be kept.
    pub(super) fn merchant_order_ids(&self) -> Vec<String> {
        let ids = self.merchant_orders().into_iter().filter_map(|order| match order {
            Field::Readable(id) => Some(id.to_owned()),
            Field::Absent | Field::Unreadable => None,
        });
        ids.take(MERCHANT_ORDERS_MAX).collect()
    }

    /// When the first of the retailer's orders was placed, if any of them says so.
    pub(super) fn placed_at(&self) -> Option<Timestamp> {
        let orders = one_or_many(self.merchant_order_ids.as_ref()).iter();
        orders.filter_map(|order| order.get("placed_at")?.as_str()?.parse().ok()).min()
    }

    /// The fields of our request that the provider's validator names. What it says about them may
    /// repeat what a customer gave us, so no other word of it is looked at.
    pub(super) fn wrong_fields(&self) -> Vec<&'static str> {
        let errors = self.data.as_ref().and_then(|data| data.get("validator_errors"));
        let mut named = Vec::new();
        for error in one_or_many(errors) {
            let texts = ["path", "field", "message"].map(|name| error.get(name));
            for text in texts.into_iter().flatten().filter_map(Value::as_str) {
                let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                for word in words {
                    let field = FIELDS.iter().copied().find(|field| *field == word);
                    named.extend(field.filter(|field| !named.contains(field)));
                }
            }
        }
        named.truncate(WRONG_FIELDS_MAX);
        named
    }

    /// The parcels; the provider sends a list, or a single one outside a list.
    pub(super) fn tracking(&self) -> Vec<Tracking<'_>> {
        one_or_many(self.tracking.as_ref()).iter().map(Tracking).collect()
    }
}

/// The entries of a list: a bare array, or an object that holds exactly one. // undocumented
/// An entry of no known shape becomes one that says nothing: it still counts, and cannot make the
/// others unreadable.
pub(super) fn entries(bytes: &[u8]) -> Option<Vec<Body>> {
    let array = match serde_json::from_slice(bytes).ok()? {
        Value::Array(entries) => entries,
        Value::Object(envelope) => {
            let mut arrays = envelope.into_iter().filter_map(|(_, value)| match value {
                Value::Array(entries) => Some(entries),
                _ => None,
            });
            let only = arrays.next()?;
            if arrays.next().is_some() {
                return None;
            }
            only
        }
        _ => return None,
    };
    let entry = |value: Value| {
        let object = value.is_object().then_some(value)?;
        serde_json::from_value(object).ok()
    };
    Some(array.into_iter().map(|value| entry(value).unwrap_or_default()).collect())
}

/// Whether a text can serve as an id: stored, shown and put into a path.
pub(super) fn is_id(text: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        // A path would be shortened by these.
        && text != "."
        && text != ".."
}

fn is_uuid(value: &Value, wanted: Uuid) -> bool {
    value.as_str().and_then(|text| text.parse().ok()) == Some(wanted)
}

fn one_or_many(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(many)) => many,
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => &[],
    }
}
