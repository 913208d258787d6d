//! A create: what becomes of it, and what the client is told about it. These are two questions;
//! the ledger has the answer to the first one.

use super::book::{Answer, Book};
use super::event::{Create, Event, Later, Outcome, Purchase, StoredError};
use super::fault::Fault;
use super::request::Request;
use super::{Injected, answer};
use crate::chance::Chance;
use crate::digest::Digest;
use crate::reply::{Delivery, Reply};
use std::sync::Arc;

/// A create on its way through the books.
struct Call<'a> {
    request: &'a Request,
    /// What draws go by: the key.
    name: &'a str,
    /// The n-th call under it.
    nth: u32,
    now_ms: i64,
    /// When the provider has done with it, if no fault delays the purchase.
    ends_ms: i64,
    sha256: Digest,
    fault: Option<Fault>,
    /// The refusal that a test has asked for.
    refusal: Option<String>,
}

/// The name that draws go by when there is no key.
const KEYLESS: &str = "(no key)";
/// The one error that may hide a purchase.
const PROBABLY_PLACED: &str = "order_probably_placed";

impl Book {
    /// Receive a create. Its lines are written before anybody hears the answer.
    pub(super) fn create(
        &mut self,
        now_ms: i64,
        request: &Request,
        sha256: Digest,
        body: &[u8],
    ) -> Reply {
        self.settle(now_ms);
        let known = request.key.as_ref().and_then(|key| self.keys.get(key));
        let nth = match (&request.key, known) {
            (None, _) => self.keyless_calls + 1,
            (Some(_), None) => 1,
            (Some(_), Some(known)) => known.calls + 1,
        };
        if let (Some(key), Some(first)) = (&request.key, known.map(|known| known.digest))
            && first != sha256
        {
            let event = Event::Violation { key: Arc::clone(key), first, this: sha256 };
            self.record(now_ms, event);
        }
        let mut call = Call {
            request,
            name: request.key.as_deref().unwrap_or(KEYLESS),
            nth,
            now_ms,
            ends_ms: now_ms + i64::from(self.settings.latency_ms),
            sha256,
            fault: None,
            refusal: None,
        };
        self.draw(&mut call);
        let (outcome, purchase) = self.decide(&call);
        call.fault = possible(call.fault, &outcome, purchase.is_some());
        self.write_down(&call, outcome.clone(), purchase, body);
        self.tell(&call, &outcome)
    }

    fn draw(&mut self, call: &mut Call<'_>) {
        if self.is_outage(call.now_ms) {
            call.fault = Some(Fault::Outage);
            return;
        }
        match self.injected.pop_front() {
            Some(Injected::Fault(fault)) => call.fault = Some(fault),
            Some(Injected::Refusal(code)) => call.refusal = Some(code),
            None => {
                let known = call.request.key.as_ref().and_then(|key| self.keys.get(key));
                if known.is_some_and(|key| key.faults >= self.faults.faults_per_key_max) {
                    return;
                }
                call.fault = if self.faults.burst(self.calls) {
                    Some(Fault::Outage)
                } else {
                    self.faults.of_create(call.name, call.nth)
                };
            }
        }
    }

    /// What becomes of it. The error of a call under way may differ from the one that the same key
    /// gets a moment later: two calls at once are two runs, each with its own result.
    fn decide(&self, call: &Call<'_>) -> (Outcome, Option<Purchase>) {
        use Fault::{ErrorBefore, Forbidden, Outage, TooMany};
        if matches!(call.fault, Some(ErrorBefore | Outage | TooMany | Forbidden)) {
            return (Outcome::TurnedAway, None);
        }
        let mut again = false;
        let known = call.request.key.as_ref().and_then(|key| self.keys.get(key));
        if let Some((key, stored)) = known.and_then(|key| Some((key, key.answer.as_ref()?)))
            && call.now_ms - key.stored_ms < i64::from(self.settings.key_memory_ms)
        {
            let mut chance = Chance::of(self.settings.seed, "overlap", call.name, call.nth.into());
            again = call.now_ms < key.busy_until_ms && chance.happens(self.settings.double_buy);
            if !again {
                let outcome = match stored {
                    Answer::Request(id) => Outcome::DuplicateOf(Arc::clone(id)),
                    Answer::Error(error) => Outcome::RefusedAgain(error.code.clone()),
                };
                return (outcome, None);
            }
        }
        let drawn = self.faults.refusal(call.name, call.nth);
        let id: Arc<str> =
            Chance::of(self.settings.seed, "request", call.name, call.nth.into()).hex(4).into();
        if !call.request.wrong.is_empty() {
            let errors = call.request.wrong.clone();
            (self.refused(call, call.request.wrong_code, errors), None)
        } else if let Some(code) = call.refusal.as_deref().or(drawn) {
            let mut purchase = None;
            if code == PROBABLY_PLACED && self.was_placed(&id) {
                let error = Some((code.to_owned(), false));
                purchase = Some(self.purchase(call, id, error));
            }
            (self.refused(call, code, Vec::new()), purchase)
        } else {
            let error = self.failure(call, &id);
            let purchase = self.purchase(call, Arc::clone(&id), error);
            let outcome = if again { Outcome::AcceptedAgain(id) } else { Outcome::Accepted(id) };
            (outcome, Some(purchase))
        }
    }

    fn refused(&self, call: &Call<'_>, code: &str, validator_errors: Vec<String>) -> Outcome {
        // The status of an error is not documented: any 2xx or 4xx may come.
        let ok = self.settings.quirks && call.sha256.first() & 1 == 0;
        let status = if ok { 200 } else { 400 };
        Outcome::Refused(Arc::new(StoredError { status, code: code.to_owned(), validator_errors }))
    }

    /// Whether "probably placed" means placed: in half of the cases.
    fn was_placed(&self, request_id: &str) -> bool {
        Chance::of(self.settings.seed, "placed", request_id, 0).happens(0.5)
    }

    /// The error that an accepted request will end with, and whether nothing is bought then.
    fn failure(&self, call: &Call<'_>, request_id: &str) -> Option<(String, bool)> {
        if call.request.max_price <= 1 {
            // The one dry run that is known.
            return Some(("max_price_exceeded".to_owned(), true));
        }
        let code = self.faults.failure(request_id)?;
        Some((code.to_owned(), code != PROBABLY_PLACED || !self.was_placed(request_id)))
    }

    fn purchase(&self, call: &Call<'_>, id: Arc<str>, error: Option<(String, bool)>) -> Purchase {
        let max_price = call.request.max_price;
        let least = self.settings.price_percent_max.saturating_sub(20);
        let percent = least + Chance::of(self.settings.seed, "price", &id, 0).below(21);
        let placed_ms = self.due_ms(call) + i64::from(self.settings.placed_after_ms);
        let (error, void) = error.map_or((None, false), |(code, void)| (Some(code), void));
        Purchase {
            request_id: id,
            idempotency_key: call.request.key.clone(),
            order_id: call.request.order_id.clone(),
            attempt_id: call.request.attempt_id.clone(),
            max_price,
            total_cents: (max_price.saturating_mul(percent.into()) / 100).max(max_price.min(1)),
            currency: call.request.currency.to_owned(),
            sha256: call.sha256,
            placed_ms,
            delivered_ms: placed_ms + i64::from(self.settings.delivered_after_ms),
            error,
            void,
        }
    }

    /// When the purchase is made.
    fn due_ms(&self, call: &Call<'_>) -> i64 {
        let is_late = matches!(call.fault, Some(Fault::BuyLate | Fault::EarlyAnswer));
        call.ends_ms + if is_late { i64::from(self.faults.buy_late_ms) } else { 0 }
    }

    fn write_down(
        &mut self,
        call: &Call<'_>,
        outcome: Outcome,
        purchase: Option<Purchase>,
        body: &[u8],
    ) {
        let due_ms = self.due_ms(call);
        let bound_ms = call.now_ms + i64::from(self.settings.processing_bound_ms);
        let purchase = purchase.map(Arc::new);
        if let Some(purchase) = &purchase
            && self.settings.keep_bodies
            && let Ok(text) = std::str::from_utf8(body)
        {
            self.bodies.insert(Arc::clone(&purchase.request_id), text.into());
        }
        let (now, later) = match purchase {
            Some(purchase) if due_ms > call.now_ms => (None, Some(Later { due_ms, purchase })),
            now => (now, None),
        };
        let create = Create {
            key: call.request.key.clone(),
            call: call.nth,
            order_id: call.request.order_id.clone(),
            attempt_id: call.request.attempt_id.clone(),
            sha256: call.sha256,
            outcome,
            fault: call.fault,
            busy_until_ms: due_ms.min(bound_ms),
            later,
        };
        self.record(call.now_ms, Event::Create(create));
        if let Some(purchase) = now {
            self.record(call.now_ms, Event::Purchase(purchase));
        }
    }

    /// What the client hears.
    fn tell(&self, call: &Call<'_>, outcome: &Outcome) -> Reply {
        let mut how = Chance::of(self.faults.seed, "how", call.name, call.nth.into());
        let mut reply = match call.fault {
            Some(Fault::Outage) if how.happens(0.5) => {
                return Reply::page(503).delivered(Delivery::Never);
            }
            Some(Fault::Outage) => return Reply::page(503),
            Some(Fault::ErrorBefore | Fault::ErrorAfter) => server_error(&mut how),
            Some(Fault::BuyLate) if how.happens(0.5) => server_error(&mut how),
            Some(Fault::WrongId) => Reply::json(200, answer::accepted(&self.other(outcome, how))),
            Some(Fault::TooMany) => too_many(self.faults.retry_after_s),
            Some(Fault::Forbidden) => forbidden(&mut how),
            Some(Fault::OddError) => odd_error(&mut how),
            Some(Fault::EmptyAnswer) => empty(&mut how),
            _ => self.truth(call, outcome),
        };
        reply.not_before_ms = call.ends_ms
            + match call.fault {
                Some(Fault::LateAnswer) => i64::from(self.faults.late_answer_ms),
                Some(Fault::Slow) => i64::from(self.faults.slow_ms),
                _ => 0,
            };
        let delivery = match call.fault {
            Some(Fault::DropAnswer) => Delivery::Never,
            Some(Fault::BuyLate) if reply.status < 500 => Delivery::Never,
            Some(Fault::CutAnswer) => Delivery::Cut,
            Some(Fault::ResetAnswer) => Delivery::Reset,
            Some(Fault::DoubleAnswer) => Delivery::Twice,
            _ => Delivery::Whole,
        };
        reply.delivered(delivery)
    }

    fn truth(&self, call: &Call<'_>, outcome: &Outcome) -> Reply {
        let stored = |error: &StoredError| Reply::json(error.status, answer::stored(error));
        match outcome {
            Outcome::Accepted(id) | Outcome::AcceptedAgain(id) | Outcome::DuplicateOf(id) => {
                Reply::json(200, answer::accepted(id))
            }
            Outcome::Refused(error) => stored(error),
            Outcome::RefusedAgain(_) => {
                match call.request.key.as_ref().and_then(|key| self.keys.get(key)?.answer.as_ref())
                {
                    Some(Answer::Error(error)) => stored(error),
                    // Cannot be: the outcome says that an error is stored.
                    _ => Reply::page(500),
                }
            }
            Outcome::TurnedAway => Reply::page(503),
        }
    }

    /// A request id that is not this call's: another order's if there is one.
    fn other(&self, outcome: &Outcome, mut how: Chance) -> String {
        let (Outcome::Accepted(own) | Outcome::AcceptedAgain(own) | Outcome::DuplicateOf(own)) =
            outcome
        else {
            return how.hex(4);
        };
        let order =
            |id: &Arc<str>| self.requests.get(id).and_then(|it| it.purchase.order_id.clone());
        let others: Vec<&Arc<str>> = self
            .listed
            .iter()
            .rev()
            .map(|(_, id)| id)
            .filter(|id| *id != own && order(id) != order(own))
            .take(8)
            .collect();
        how.one_of(&others).map_or_else(|| nobody(own), |id| (**id).to_string())
    }
}

/// An id that nobody has, made from one that somebody has.
fn nobody(own: &str) -> String {
    Chance::of(0, "nobody", own, 0).hex(4)
}

/// A 5xx. Its body may be anything, even the code that would be a final answer elsewhere.
pub(super) fn server_error(how: &mut Chance) -> Reply {
    let status = [500, 502, 503, 504].get(how.below(4) as usize).copied().unwrap_or(500);
    if how.happens(0.5) {
        Reply::page(status)
    } else {
        Reply::json(status, answer::error("internal_error", &[]).to_string())
    }
}

/// A 429, with the wait that it asks for, if it does.
pub(super) fn too_many(retry_after_s: u32) -> Reply {
    let retry_after_s = Some(retry_after_s).filter(|seconds| *seconds > 0);
    Reply { retry_after_s, ..Reply::page(429) }
}

/// A 401 or 403 that says nothing of why.
pub(super) fn forbidden(how: &mut Chance) -> Reply {
    Reply::page(if how.happens(0.5) { 401 } else { 403 })
}

/// A 4xx without a code: a page, an object of another kind, or a code that is none.
pub(super) fn odd_error(how: &mut Chance) -> Reply {
    let status = [400, 404, 409, 422].get(how.below(4) as usize).copied().unwrap_or(400);
    match how.below(3) {
        0 => Reply::page(status),
        1 => Reply::json(status, "{\"error\":\"something went wrong\"}"),
        _ => Reply::json(status, "{\"_type\":\"error\",\"code\":null}"),
    }
}

/// A 2xx with neither id nor code.
pub(super) fn empty(how: &mut Chance) -> Reply {
    match how.below(4) {
        0 => Reply::json(200, ""),
        1 => Reply::json(201, "[]"),
        2 => Reply::json(200, "{}"),
        _ => Reply::json(202, "{\"_type\":\"request\",\"status\":\"ok\"}"),
    }
}

/// The fault that can be done to a call with this outcome.
fn possible(fault: Option<Fault>, outcome: &Outcome, buys: bool) -> Option<Fault> {
    match (fault, outcome) {
        // Nothing is left to be bought late: the answer is lost, no more.
        (Some(Fault::BuyLate), _) if !buys => Some(Fault::DropAnswer),
        // Nothing comes after its answer.
        (Some(Fault::EarlyAnswer), _) if !buys => None,
        // An error has no id that could be wrong.
        (Some(Fault::WrongId), Outcome::Refused(_) | Outcome::RefusedAgain(_)) => None,
        (fault, _) => fault,
    }
}
