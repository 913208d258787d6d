//! A message of Stripe, as far as it is read: what happened to which object.
//!
//! Promise: nothing here decides about money. The shape of the object depends on a version that
//! others choose, so only its id and its kind are taken from it, and what it says is read again.

use super::word::{WORD_CHARS_MAX, is_id, is_moment, is_word};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The types of messages that are handled; Stripe's list of messages takes 20 of them at most.
pub const EVENT_TYPES: [&str; 20] = [
    "payment_intent.succeeded",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.amount_capturable_updated",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "review.opened",
    "review.closed",
    "radar.early_fraud_warning.created",
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
];

/// The longest type of a message.
const TYPE_CHARS_MAX: usize = 100;
/// The longest name of a version, `2025-04-30.basil` for instance.
const VERSION_CHARS_MAX: usize = 60;

/// What a message says that is worth keeping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFacts {
    /// The message's own id; it comes again under the same.
    pub id: String,
    /// Its type, as in [`EVENT_TYPES`], or another.
    pub kind: String,
    /// When it was created, in seconds since 1970.
    pub created: i64,
    /// Whether it is about real money.
    pub livemode: bool,
    /// The connected account that it came from; ours comes without one.
    pub account: Option<String>,
    /// The version that the object was written in.
    pub api_version: Option<String>,
    /// Stripe's word for the object's kind, see [`super::Object::parse`].
    pub object: String,
    /// The object's id. Always there if the type is one of [`EVENT_TYPES`]; some objects that other
    /// messages are about have none, or one that we would not put into a path.
    pub object_id: Option<String>,
    /// The payment that the object names, if it does: for asking about the right payment first, never
    /// for believing it.
    pub payment_intent_hint: Option<String>,
    /// SHA-256 of the object's canonical JSON (keys sorted, no blanks): two messages that tell of the
    /// same state of the same object have the same.
    pub object_digest: [u8; 32],
}

/// A message as the list of messages has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedEvent {
    /// The message's own id.
    pub id: String,
    /// What it says; absent where it cannot be read. One of those is no reason to miss the others.
    pub facts: Option<EventFacts>,
}

#[derive(Deserialize)]
struct Event {
    id: String,
    object: String,
    #[serde(rename = "type")]
    kind: String,
    created: i64,
    livemode: bool,
    account: Option<String>,
    api_version: Option<String>,
}

/// Reads a message.
pub(super) fn event(value: &Value) -> Option<EventFacts> {
    let event = Event::deserialize(value).ok()?;
    let about = value.get("data")?.get("object").filter(|about| about.is_object())?;
    let object = about.get("object")?.as_str()?;
    let object_id = id_in(about);
    let handled = EVENT_TYPES.contains(&event.kind.as_str());
    let version_fits = |version: &String| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        version.len() <= VERSION_CHARS_MAX && version.bytes().all(plain)
    };
    let fits = event.object == "event"
        && is_id(&event.id)
        && is_word(&event.kind, TYPE_CHARS_MAX)
        && is_moment(event.created)
        && event.account.as_deref().is_none_or(is_id)
        && event.api_version.as_ref().is_none_or(version_fits)
        && is_word(object, WORD_CHARS_MAX)
        && (object_id.is_some() || !handled);
    fits.then(|| EventFacts {
        id: event.id,
        kind: event.kind,
        created: event.created,
        livemode: event.livemode,
        account: event.account,
        api_version: event.api_version,
        payment_intent_hint: payment_in(about, object),
        object: object.to_owned(),
        object_id,
        object_digest: digest(about),
    })
}

/// Reads an entry of the list of messages.
pub(super) fn listed(value: &Value) -> Option<ListedEvent> {
    Some(ListedEvent { id: id_in(value)?, facts: event(value) })
}

fn id_in(value: &Value) -> Option<String> {
    value.get("id")?.as_str().filter(|id| is_id(id)).map(Into::into)
}

/// The payment's id in whatever shape this version gives it; what cannot be read is no hint.
fn payment_in(about: &Value, object: &str) -> Option<String> {
    if object == "payment_intent" {
        return id_in(about);
    }
    match about.get("payment_intent")? {
        Value::String(id) => is_id(id).then(|| id.clone()),
        expanded => id_in(expanded),
    }
}

fn digest(value: &Value) -> [u8; 32] {
    let mut text = String::new();
    write_canonical(value, &mut text);
    Sha256::digest(text).into()
}

/// JSON with sorted keys and no blanks. The parser has limited how deep this goes.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            write_all(fields, ('{', '}'), text, |(name, value), text| {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_canonical(value, text);
            });
        }
        Value::Array(entries) => write_all(entries, ('[', ']'), text, write_canonical),
        scalar => text.push_str(&scalar.to_string()),
    }
}

fn write_all<T>(
    entries: impl IntoIterator<Item = T>,
    (open, close): (char, char),
    text: &mut String,
    write: impl Fn(T, &mut String),
) {
    text.push(open);
    for (at, entry) in entries.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        write(entry, text);
    }
    text.push(close);
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeSet;

    /// The example of the contract's section 8.2.
    pub(in crate::stripe) fn example() -> Value {
        json!({
            "id": "evt_1Example", "object": "event", "type": "payment_intent.succeeded",
            "created": 1_767_225_600, "livemode": false, "api_version": "2026-09-30.endive",
            "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null},
            "data": {"object": {"id": "pi_1Example", "object": "payment_intent",
                "status": "succeeded", "amount": 4200, "amount_received": 4200, "currency": "usd",
                "capture_method": "automatic", "latest_charge": "ch_1Example",
                "metadata": {"order_id": "0198"}}},
        })
    }

    fn with(change: impl FnOnce(&mut Value)) -> Option<EventFacts> {
        let mut value = example();
        change(&mut value);
        event(&value)
    }

    #[test]
    fn the_example_of_the_contract_is_read() {
        let read = with(|_| ()).unwrap();
        assert_eq!((&*read.id, &*read.kind), ("evt_1Example", "payment_intent.succeeded"));
        assert_eq!((read.created, read.livemode), (1_767_225_600, false));
        assert_eq!(read.api_version.as_deref(), Some("2026-09-30.endive"));
        assert_eq!((&*read.object, read.account), ("payment_intent", None));
        assert_eq!(read.object_id.as_deref(), Some("pi_1Example"));
        assert_eq!(read.payment_intent_hint.as_deref(), Some("pi_1Example"));
    }

    #[test]
    fn the_types_are_those_of_the_contract_and_each_stands_once() {
        let types: BTreeSet<_> = EVENT_TYPES.into_iter().collect();
        assert_eq!(types.len(), 20);
        assert!(types.iter().all(|kind| is_word(kind, TYPE_CHARS_MAX)));
    }

    #[test]
    fn the_payment_of_another_object_is_a_hint_and_what_cannot_be_read_is_none() {
        let hint = |payment: Value| {
            let read = with(|event| {
                event["data"]["object"] =
                    json!({"id": "ch_1", "object": "charge", "payment_intent": payment});
            });
            read.unwrap().payment_intent_hint
        };
        assert_eq!(hint("pi_1".into()).as_deref(), Some("pi_1"));
        assert_eq!(hint(json!({"id": "pi_1"})).as_deref(), Some("pi_1"));
        for none in [Value::Null, json!("pi/1"), json!(7), json!({"id": 7}), json!([])] {
            assert_eq!(hint(none), None);
        }
    }

    #[test]
    fn a_message_without_an_object_is_none_and_one_of_a_strange_object_is_kept_without_its_id() {
        assert_eq!(with(|event| event["data"]["object"] = Value::Null), None);
        assert_eq!(with(|event| event["data"]["object"]["id"] = Value::Null), None);
        assert_eq!(with(|event| event["data"]["object"]["id"] = "pi/1".into()), None);
        for object in [json!({"object": "balance"}), json!({"id": "a-b", "object": "product"})] {
            let strange = with(|event| {
                event["type"] = "balance.available".into();
                event["data"]["object"] = object;
            });
            assert_eq!(strange.unwrap().object_id, None);
        }
    }

    #[test]
    fn texts_that_are_too_long_or_hold_anything_else_make_it_unreadable() {
        let long = "x".repeat(256);
        let table = [
            ("id", vec!["", "evt-1", "evt 1", "evt_ä", &long]),
            ("object", vec!["v2.core.event", ""]),
            ("type", vec!["", "Charge.refunded", "a b", &long]),
            ("account", vec!["", "acct-1", &long]),
            ("api_version", vec!["2025 04", &long]),
        ];
        for (field, texts) in table {
            for text in texts {
                assert_eq!(with(|event| event[field] = text.into()), None, "{field} {text}");
            }
        }
        for (field, value) in
            [("created", json!(-1)), ("created", json!(1.5)), ("livemode", json!("false"))]
        {
            assert_eq!(with(|event| event[field] = value), None, "{field}");
        }
        for field in ["id", "object", "type", "created", "livemode", "data"] {
            assert_eq!(with(|event| event[field] = Value::Null), None, "{field}");
        }
        assert!(with(|event| event["api_version"] = Value::Null).is_some());
        assert!(with(|event| event["account"] = "acct_1".into()).is_some());
    }

    #[test]
    fn the_digest_sees_the_content_of_the_object_and_not_the_order_of_its_keys() {
        let digest_of = |text: &str| digest(&serde_json::from_str(text).unwrap());
        let one = digest_of(r#"{"a":[1,{"c":"\u00e4","b":null}],"d":true}"#);
        assert_eq!(one, digest_of(r#" { "d" : true, "a":[1, {"b":null,"c":"ä"}] } "#));
        assert_ne!(one, digest_of(r#"{"a":[1,{"c":"ä","b":null}],"d":false}"#));
        assert_ne!(one, digest_of(r#"{"a":[{"c":"ä","b":null},1],"d":true}"#));
        // printf '{"a":[1,"x\\"y"],"b":{}}' | sha256sum
        let mut text = String::new();
        write_canonical(&json!({"b": {}, "a": [1, "x\"y"]}), &mut text);
        assert_eq!(text, r#"{"a":[1,"x\"y"],"b":{}}"#);
    }
}
