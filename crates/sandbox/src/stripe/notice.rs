//! Stripe's own events: what happened, told to the shop. How one is delivered is drawn when it
//! comes into being, from its kind and its object, never from timing.

use super::book::Book;
use super::event::Event;
use super::table::Object;
use crate::chance::Chance;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// An event as `GET /v1/events` shows it and as it is delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// `evt_` and 24 letters, from the seed and the event's number.
    pub id: String,
    /// Such as `payment_intent.succeeded`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Seconds since 1970.
    pub created: i64,
    /// As that of the object.
    pub livemode: bool,
    /// The version that the object is written in.
    pub api_version: String,
    /// The object as it stood then.
    pub object: Value,
    /// What it was before, if it was something else.
    pub previous: Option<Value>,
    /// The call that caused it, if one did.
    pub request: Option<Origin>,
}

/// The call that caused an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The id of the request.
    pub id: String,
    /// The key that it came with.
    pub idempotency_key: Option<String>,
}

/// How an event will be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fate {
    /// How many deliveries are owed; none when there is no endpoint.
    pub copies: u32,
    /// Never delivered, as to an endpoint that was down for days.
    pub lost: bool,
    /// When the first try is due.
    pub due_ms: i64,
    /// Whether a later event may overtake it before that.
    pub overtaken: bool,
}

/// When something happens, and by whose call.
#[derive(Debug, Clone)]
pub(super) struct Cause {
    pub(super) at_ms: i64,
    pub(super) request: Option<Origin>,
}

impl Cause {
    /// Nobody's call: the dashboard, a bank, a customer, or time itself.
    pub(super) fn outside(at_ms: i64) -> Self {
        Self { at_ms, request: None }
    }

    pub(super) fn at_s(&self) -> i64 {
        self.at_ms.div_euclid(1000)
    }
}

impl Object for Arc<Notice> {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Notice {
    /// The id of the object that it is about.
    pub fn object_id(&self) -> &str {
        self.object["id"].as_str().unwrap_or_default()
    }

    pub(super) fn to_json(&self, pending_webhooks: usize) -> Value {
        let mut data = json!({ "object": self.object });
        if let Some(previous) = &self.previous {
            data["previous_attributes"] = previous.clone();
        }
        let request = json!({
            "id": self.request.as_ref().map(|origin| &origin.id),
            "idempotency_key": self.request.as_ref().map(|origin| &origin.idempotency_key),
        });
        json!({
            "id": self.id,
            "object": "event",
            "api_version": self.api_version,
            "created": self.created,
            "data": data,
            "livemode": self.livemode,
            "pending_webhooks": pending_webhooks,
            "request": request,
            "type": self.kind,
        })
    }
}

impl Book {
    /// Something happened to an object: let there be an event of it, or, with that fault, two.
    pub(super) fn announce(
        &mut self,
        cause: &Cause,
        kind: &str,
        object_id: &str,
        previous: Option<Value>,
    ) {
        let Some(object) = self.object(object_id) else { return };
        let name = format!("{kind} {object_id}");
        let of_fact = |it: &&Arc<Notice>| it.kind == kind && it.object_id() == object_id;
        let nth = self.facts_of(object_id).filter(of_fact).count();
        let nth = u64::try_from(nth).unwrap_or(u64::MAX);
        let mut chance = Chance::of(self.faults.seed, "event", &name, nth);
        let doubled = chance.happens(self.faults.event_doubled);
        let fact = Notice {
            id: String::new(),
            kind: kind.to_owned(),
            created: cause.at_s(),
            livemode: self.is_live(&object),
            api_version: self.settings.api_version.clone(),
            object,
            previous,
            request: cause.request.clone(),
        };
        for _ in 0..=u32::from(doubled) {
            let fate = self.fate(&mut chance, cause.at_ms);
            let letters = Chance::of(self.settings.seed, "event", "", self.notices.count()).hex(3);
            let notice = Arc::new(Notice { id: format!("evt_{letters}"), ..fact.clone() });
            self.record(cause.at_ms, Event::Notified { notice, fate });
        }
    }

    fn fate(&self, chance: &mut Chance, at_ms: i64) -> Fate {
        let faults = &self.faults;
        // Every draw is made, so that one rate does not change what the others hit.
        let lost = chance.happens(faults.event_lost);
        let twice = chance.happens(faults.event_twice);
        let overtaken = chance.happens(faults.event_overtaken);
        let delay_ms = match (chance.happens(faults.event_delayed), chance.below(u32::MAX)) {
            (true, draw) => i64::from(draw % faults.event_delay_ms_max.max(1)) + 1,
            (false, _) => 0,
        };
        let behind_ms = if overtaken { i64::from(faults.event_overtaken_ms) } else { 0 };
        let copies = match (self.webhook.is_some() && !lost, twice) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        };
        Fate { copies, lost, due_ms: at_ms + delay_ms + behind_ms, overtaken }
    }

    /// A refund does not say whether it is live; its intent does.
    fn is_live(&self, object: &Value) -> bool {
        object["livemode"].as_bool().unwrap_or_else(|| {
            let intent = object["payment_intent"].as_str().and_then(|id| self.intents.get(id));
            intent.is_some_and(|intent| intent.livemode)
        })
    }
}
