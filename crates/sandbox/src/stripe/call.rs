//! A call on its way: the limit, the fault, the key, the command, the answer.
//!
//! The order is Stripe's: the limiter sits before the keys, the keys before the execution. What was
//! answered once execution began is stored under the key, errors too.

use super::book::{Book, Stored};
use super::event::Event;
use super::fault::StripeFault;
use super::form::Form;
use super::list::check_expand;
use super::notice::{Cause, Origin};
use super::pay::Command;
use super::refused::Refused;
use crate::chance::Chance;
use crate::digest::Digest;
use crate::reply::{Delivery, Reply};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};

const KEY_LENGTH_MAX: usize = 255;

/// A call with the right secret.
pub(super) struct Call<'a> {
    pub(super) now_ms: i64,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) form: Form,
    pub(super) key: Option<&'a str>,
    pub(super) fault: Option<StripeFault>,
    pub(super) request_id: String,
}

/// A call that was cut off and is carried out later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deferred {
    /// Where.
    pub path: String,
    /// With which parameters.
    pub form: Form,
    /// Under which key.
    pub key: Option<String>,
    /// The id of the request.
    pub request_id: String,
}

/// What is remembered about calls as such.
#[derive(Default)]
pub(super) struct Calls {
    /// How many there were, and how many were treated badly, by key or path.
    counts: HashMap<String, (u64, u32)>,
    /// What happens to the next calls whose path has this text in it.
    injected: VecDeque<(StripeFault, String)>,
    /// What the key has no right to: calls whose path has one of these texts in it.
    restricted: Vec<String>,
    /// Keys of calls whose effect comes later, with the parameters' digest and the time of it.
    deferred: HashMap<String, (Digest, i64)>,
    /// The second that is running, and the GETs and POSTs in it.
    window: (i64, [u32; 2]),
}

impl<'a> Call<'a> {
    fn is_read(&self) -> bool {
        self.method != "POST"
    }

    /// The path behind `/v1`, in parts.
    fn parts(&self) -> Vec<&'a str> {
        parts(self.path)
    }

    /// What draws go by.
    pub(super) fn name(&self) -> String {
        name(self.method, self.path, self.key)
    }

    fn digest(&self) -> Digest {
        digest(self.path, &self.form)
    }

    fn cause(&self) -> Cause {
        let idempotency_key = self.key.map(str::to_owned);
        let origin = Origin { id: self.request_id.clone(), idempotency_key };
        Cause { at_ms: self.now_ms, request: Some(origin) }
    }
}

fn parts(path: &str) -> Vec<&str> {
    path.strip_prefix("/v1").unwrap_or(path).split('/').filter(|part| !part.is_empty()).collect()
}

fn name(method: &str, path: &str, key: Option<&str>) -> String {
    format!("{method} {}", key.filter(|_| method == "POST").unwrap_or(path))
}

fn digest(path: &str, form: &Form) -> Digest {
    Digest::of(format!("{path} {form:?}").as_bytes())
}

impl Calls {
    pub(super) fn count(&mut self, method: &str, path: &str, key: Option<&str>, bad: bool) {
        let count = self.counts.entry(name(method, path, key)).or_default();
        count.0 += 1;
        count.1 += u32::from(bad);
    }

    fn of(&self, name: &str) -> (u64, u32) {
        self.counts.get(name).copied().unwrap_or_default()
    }

    pub(super) fn inject(&mut self, fault: StripeFault, path_has: &str) {
        self.injected.push_back((fault, path_has.to_owned()));
    }

    pub(super) fn forget_injected(&mut self) {
        self.injected.clear();
    }

    pub(super) fn restrict(&mut self, paths_have: Vec<String>) {
        self.restricted = paths_have;
    }

    pub(super) fn lacks_right(&self, path: &str) -> bool {
        self.restricted.iter().any(|text| path.contains(text.as_str()))
    }

    fn take_injected(&mut self, is_read: bool, path: &str) -> Option<StripeFault> {
        let fits = |(fault, path_has): &(StripeFault, String)| {
            fault.is_of_reads() == is_read && path.contains(path_has.as_str())
        };
        let at = self.injected.iter().position(fits)?;
        self.injected.remove(at).map(|(fault, _)| fault)
    }

    pub(super) fn defer(&mut self, due_ms: i64, call: &Deferred) {
        if let Some(key) = &call.key {
            self.deferred.insert(key.clone(), (digest(&call.path, &call.form), due_ms));
        }
    }

    /// Whether this call is one too many in its second. One that is, is not counted.
    fn is_over(&mut self, now_ms: i64, is_read: bool, max: Option<u32>) -> bool {
        let second = now_ms.div_euclid(1000);
        if self.window.0 != second {
            self.window = (second, [0, 0]);
        }
        let count = &mut self.window.1[usize::from(!is_read)];
        if max.is_some_and(|max| *count >= max) {
            return true;
        }
        *count += 1;
        false
    }
}

impl Book {
    /// Answer a call, and write down what it was told.
    pub(super) fn answer(&mut self, mut call: Call<'_>) -> Reply {
        let is_read = call.is_read();
        let (reads_max, writes_max) =
            (self.settings.reads_per_second_max, self.settings.writes_per_second_max);
        let max = if is_read { reads_max } else { writes_max };
        if self.calls.is_over(call.now_ms, is_read, max) {
            self.record(call.now_ms, Event::Limited { path: call.path.to_owned() });
            return Refused::too_many().into_reply();
        }
        let (name, seed) = (call.name(), self.settings.seed);
        let nth = self.calls.of(&name).0 + 1;
        call.request_id = format!("req_{}", Chance::of(seed, "call", &name, nth).hex(2));
        call.fault = self.draw(&call, &name, nth);
        let reply = if is_read { self.read(&call) } else { self.write(&mut call) };
        let reply = self.spoil(&call, reply);
        let status = (reply.delivery != Delivery::Never).then_some(reply.status);
        let event = Event::Called {
            method: call.method.to_owned(),
            path: call.path.to_owned(),
            key: call.key.map(str::to_owned),
            status,
            fault: call.fault,
        };
        self.record(call.now_ms, event);
        Reply { request_id: Some(call.request_id), ..reply }
    }

    fn draw(&mut self, call: &Call<'_>, name: &str, nth: u64) -> Option<StripeFault> {
        if let Some(fault) = self.calls.take_injected(call.is_read(), call.path) {
            return Some(fault);
        }
        let (_, bad) = self.calls.of(name);
        if bad >= self.faults.faults_per_key_max {
            return None;
        }
        self.faults.of_call(call.is_read(), name, nth)
    }

    fn read(&self, call: &Call<'_>) -> Reply {
        if call.method != "GET" {
            return Refused::no_page().into_reply();
        }
        match self.look(call.now_ms, &call.parts(), &call.form) {
            Ok(found) => Reply::json(200, found.to_string()),
            Err(refused) => refused.into_reply(),
        }
    }

    /// A change, at most once for a key.
    fn write(&mut self, call: &mut Call<'_>) -> Reply {
        if call.fault.is_some_and(StripeFault::turns_away) {
            // Whatever is told of it, it got no further than this.
            return Refused::broken().into_reply();
        }
        if let Some(reply) = self.known(call) {
            soften(call);
            return reply;
        }
        let command =
            check_expand(&call.form).and_then(|()| Command::parse(&call.parts(), &call.form));
        let command = match command {
            Ok(command) => command,
            Err(refused) => {
                soften(call);
                return refused.into_reply();
            }
        };
        let told = match call.fault {
            Some(StripeFault::EffectLater) => {
                self.defer(call);
                return Refused::broken().into_reply();
            }
            Some(StripeFault::ErrorStoredBefore | StripeFault::ShouldNotRetry) => {
                Err(Refused::broken())
            }
            Some(StripeFault::CardError) => Err(Refused::card("card_declined")),
            fault => {
                let done = self.perform(&call.cause(), command);
                let stored = done.as_ref().err().is_none_or(|refused| refused.stored);
                let breaks = fault == Some(StripeFault::ErrorStoredAfter) && stored;
                if breaks { Err(Refused::broken()) } else { done }
            }
        };
        let slow_ms = if call.fault == Some(StripeFault::Slow) { self.faults.slow_ms } else { 0 };
        let busy_until_ms = call.now_ms + i64::from(slow_ms);
        let (status, body) = self.tell(&call.form, told, |book, status, body| {
            book.store(call.now_ms, call.key, call.digest(), status, body, busy_until_ms);
        });
        Reply::json(status, body)
    }

    /// The text of an answer; what is to be stored of it is handed on first.
    fn tell(
        &mut self,
        form: &Form,
        told: Result<String, Refused>,
        store: impl FnOnce(&mut Self, u16, &str),
    ) -> (u16, String) {
        let (status, body, stored) = match told {
            Ok(id) => {
                let mut body = self.object(&id).unwrap_or_default();
                self.expand(form, &mut body);
                (200, body, true)
            }
            Err(refused) => (refused.status, refused.body, refused.stored),
        };
        let body = body.to_string();
        if stored {
            store(self, status, &body);
        }
        (status, body)
    }

    fn store(
        &mut self,
        at_ms: i64,
        key: Option<&str>,
        parameters: Digest,
        status: u16,
        body: &str,
        busy_until_ms: i64,
    ) {
        if let Some(key) = key {
            let (key, body) = (key.to_owned(), body.to_owned());
            self.record(at_ms, Event::Stored { key, parameters, status, body, busy_until_ms });
        }
    }

    fn defer(&mut self, call: &Call<'_>) {
        let due_ms = call.now_ms + i64::from(self.faults.effect_later_ms);
        let deferred = Deferred {
            path: call.path.to_owned(),
            form: call.form.clone(),
            key: call.key.map(str::to_owned),
            request_id: call.request_id.clone(),
        };
        self.record(call.now_ms, Event::Later { due_ms, call: Box::new(deferred) });
    }

    /// The effect of a call that was cut off long ago.
    pub(super) fn run_late(&mut self, due_ms: i64, call: &Deferred) {
        let origin = Origin { id: call.request_id.clone(), idempotency_key: call.key.clone() };
        let cause = Cause { at_ms: due_ms, request: Some(origin) };
        let done = Command::parse(&parts(&call.path), &call.form)
            .and_then(|command| self.perform(&cause, command));
        let digest = digest(&call.path, &call.form);
        self.tell(&call.form, done, |book, status, body| {
            book.store(due_ms, call.key.as_deref(), digest, status, body, due_ms);
        });
    }

    /// The answer that a key decides alone: the stored one, or an error about the key itself.
    fn known(&mut self, call: &Call<'_>) -> Option<Reply> {
        let name = call.key?;
        if name.len() > KEY_LENGTH_MAX {
            let refused = Refused::invalid("idempotency_key_too_long", "idempotency_key");
            return Some(refused.into_reply());
        }
        let (now_ms, key) = (call.now_ms, name.to_owned());
        let memory_ms = i64::from(self.settings.key_memory_ms);
        let stored = self.keys.get(name).filter(|it| now_ms - it.at_ms < memory_ms);
        let deferred = self.calls.deferred.get(name).filter(|(_, due_ms)| now_ms < *due_ms);
        let (parameters, is_busy) = match (deferred, stored) {
            (Some((digest, _)), _) => (*digest, true),
            (None, Some(stored)) => (stored.parameters, now_ms < stored.busy_until_ms),
            (None, None) => return None,
        };
        if parameters != call.digest() {
            self.record(now_ms, Event::Violation { key });
            return Some(Refused::new(400, "idempotency_error", None, None).into_reply());
        }
        if is_busy {
            self.record(now_ms, Event::Busy { key });
            let code = Some("idempotency_key_in_use");
            return Some(Refused::new(409, "idempotency_error", code, None).into_reply());
        }
        let Stored { status, body, .. } = stored?;
        let reply = Reply { replayed: true, ..Reply::json(*status, body.clone()) };
        self.record(now_ms, Event::Replayed { key });
        Some(reply)
    }

    /// Another object of the same kind, or the same one under an id that nobody has.
    pub(super) fn other(&self, body: &Value, call: &Call<'_>) -> Value {
        let own = body["id"].as_str().unwrap_or_default();
        let others: Vec<&str> = match body["object"].as_str() {
            Some("payment_intent") => newest(self.intents.rows(), own),
            Some("refund") => newest(self.refunds.rows(), own),
            _ => Vec::new(),
        };
        let mut chance = Chance::of(self.faults.seed, "other", &call.name(), 0);
        if let Some(other) = chance.one_of(&others).and_then(|id| self.object(id)) {
            return other;
        }
        let prefix = own.rsplit_once('_').map_or("", |(prefix, _)| prefix);
        let mut other = body.clone();
        other["id"] = format!("{prefix}_{}", chance.hex(3)).into();
        other
    }
}

fn newest<'a, T: super::table::Object>(rows: &'a [T], but: &str) -> Vec<&'a str> {
    rows.iter().rev().map(T::id).filter(|id| *id != but).take(8).collect()
}

/// A call that is not carried out cannot have a fault of its effect; what is left of a late one is
/// the lost answer.
fn soften(call: &mut Call<'_>) {
    call.fault = match call.fault {
        Some(StripeFault::EffectLater) => Some(StripeFault::DropAnswer),
        fault => fault.filter(|fault| !fault.changes_effect()),
    };
}
