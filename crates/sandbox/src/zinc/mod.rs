//! A fake Zinc, API v1.
//!
//! [`Zinc`] is the provider as tests see it: it answers calls (through the world's server), and it
//! is asked for the truth through the methods here.
//!
//! What it assumes where the contract is silent: a create takes `latency_ms` from its begin to its
//! end and the purchase is made at the end, whether or not the client still listens; an equal key
//! that begins in between is bought once more; validation errors are stored under the key too;
//! reads carry no request id, and only those of a purchase repeat our request; parcels appear one
//! by one; the list leaves unfinished requests out.

mod answer;
mod book;
mod create;
mod event;
mod fault;
mod read;
mod request;
mod summary;

pub use event::{Create, Event, Later, Outcome, Purchase, StoredError};
pub use fault::{Fault, Faults};
pub use summary::{Duplicate, Summary};

use crate::Error;
use crate::clock::Clock;
use crate::digest::Digest;
use crate::ledger::{self, Ledger, Line};
use crate::reply::Reply;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use book::Book;
use read::Filter;
use request::Request;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How the fake Zinc behaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, each named where it is set"
)]
pub struct Settings {
    /// The client token: the user name of Basic auth, with an empty password.
    pub token: String,
    /// What request ids and prices are drawn from.
    pub seed: u64,
    /// How long a create takes.
    pub latency_ms: u32,
    /// Equal keys that are so far apart are never both bought, however late a purchase is made.
    pub processing_bound_ms: u32,
    /// How probably an equal key that begins before the former call has ended is bought too.
    pub double_buy: f64,
    /// How long a key is remembered.
    pub key_memory_ms: u32,
    /// From the purchase to the placed order.
    pub placed_after_ms: u32,
    /// From the placed order to the delivery of its last parcel; the others come before it.
    pub delivered_after_ms: u32,
    /// What a purchase costs at most, in percent of its ceiling; above 100 the ceiling is broken.
    pub price_percent_max: u32,
    /// How probably, with quirks, the retailer makes two orders of a request, each with a parcel.
    pub split: f64,
    /// Whether the list shows requests that have not ended.
    pub list_unfinished: bool,
    /// Whether the list is an object with one array, instead of an array.
    pub list_as_object: bool,
    /// Draw what the contract leaves open: the status of errors, several retailer orders for a
    /// request, tracking as one object.
    pub quirks: bool,
    /// The retailers that the managed account serves. The provider documents only `amazon`.
    pub managed_retailers: Vec<String>,
    /// Keep the requests' texts in memory to echo them as they came. Without, reads echo what the
    /// ledger knows.
    pub keep_bodies: bool,
    /// What goes wrong.
    pub faults: Faults,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token: "sandbox-token".to_owned(),
            seed: 1,
            latency_ms: 0,
            processing_bound_ms: 10_000,
            double_buy: 1.0,
            key_memory_ms: 24 * 60 * 60 * 1000,
            placed_after_ms: 2_000,
            delivered_after_ms: 5_000,
            price_percent_max: 100,
            split: 0.125,
            list_unfinished: false,
            list_as_object: false,
            quirks: true,
            managed_retailers: vec!["amazon".to_owned()],
            keep_bodies: true,
            faults: Faults::none(),
        }
    }
}

/// Something to happen to the next call of its kind, ahead of what is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Injected {
    /// A fault, of a create, a read or a list.
    Fault(Fault),
    /// This error as the result of a create, stored under the key. Ignored for a key that has a result.
    Refusal(String),
}

/// The fake provider.
pub struct Zinc {
    book: Mutex<Book>,
    clock: Arc<dyn Clock>,
    authorization: String,
    managed_retailers: Vec<String>,
}

impl std::fmt::Debug for Zinc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Zinc").finish_non_exhaustive()
    }
}

impl Zinc {
    /// A provider whose ledger is in the file, if one is given, with all that stands there.
    pub(crate) fn open(
        mut settings: Settings,
        clock: Arc<dyn Clock>,
        path: Option<&Path>,
        durable: bool,
    ) -> Result<Self, Error> {
        settings.faults = settings.faults.checked()?;
        let token = STANDARD.encode(format!("{}:", settings.token));
        let managed_retailers = settings.managed_retailers.clone();
        let book = Mutex::new(Book::new(settings, Ledger::open(path, durable)?));
        Ok(Self { book, clock, authorization: format!("Basic {token}"), managed_retailers })
    }

    /// The faults in force.
    pub fn faults(&self) -> Faults {
        self.book().faults.clone()
    }

    /// Put other faults in force.
    pub fn set_faults(&self, faults: Faults) -> Result<(), Error> {
        self.book().faults = faults.checked()?;
        Ok(())
    }

    /// Begin or end an outage: every call meets 503 or a closed connection.
    pub fn set_outage(&self, on: bool) {
        self.book().outage = on;
    }

    /// Change how long a create takes.
    pub fn set_latency_ms(&self, latency_ms: u32) {
        self.book().settings.latency_ms = latency_ms;
    }

    /// Let this happen to the next create, or to the next read or list if it is a fault of theirs;
    /// several wait in line.
    pub fn inject(&self, next: Injected) {
        match next {
            Injected::Fault(fault) if fault.is_of_reads() => {
                self.book().injected_reads.push_back(fault);
            }
            next => self.book().injected.push_back(next),
        }
    }

    /// Forget what was to happen to calls that have not come.
    pub fn forget_injected(&self) {
        let mut book = self.book();
        book.injected.clear();
        book.injected_reads.clear();
    }

    /// Cancel a purchase, as a seller would. False if there is none or it is cancelled already.
    pub fn cancel(&self, request_id: &str) -> bool {
        let mut book = self.book();
        if book.requests.get(request_id).is_none_or(|entry| entry.cancelled) {
            return false;
        }
        let event = Event::Cancelled { request_id: request_id.into() };
        book.record(self.clock.now_ms(), event);
        true
    }

    /// All lines, oldest first.
    pub fn ledger(&self) -> Vec<Line<Event>> {
        self.book().ledger.lines().to_vec()
    }

    /// The lines behind a number, as JSON lines.
    pub(crate) fn ledger_text(&self, after: u64) -> Vec<u8> {
        ledger::to_text(self.book().ledger.lines(), after)
    }

    /// Wait until the lines satisfy the test, which is asked again at each new line.
    pub async fn wait_until(&self, mut holds: impl FnMut(&[Line<Event>]) -> bool) {
        let changed = self.book().ledger.changed();
        loop {
            // Registered before the look, so that no line falls in between.
            let mut next = std::pin::pin!(changed.notified());
            next.as_mut().enable();
            if holds(self.book().ledger.lines()) {
                return;
            }
            next.await;
        }
    }

    /// What happened so far.
    pub fn summary(&self) -> Summary {
        let book = self.book();
        summary::summary(book.ledger.lines(), book.ledger.failure())
    }

    /// The live purchases of an order. More than one is what must never be.
    pub fn purchases_of(&self, order_id: &str) -> Vec<Purchase> {
        let book = self.book();
        let all = summary::live(book.ledger.lines()).into_iter();
        all.filter(|it| it.order_id.as_deref() == Some(order_id)).map(|it| (**it).clone()).collect()
    }

    /// Orders with more than one live purchase.
    pub fn duplicates(&self) -> Vec<Duplicate> {
        summary::duplicates(self.book().ledger.lines())
    }

    /// Those of the orders that have no live purchase.
    pub fn never_bought<'a>(&self, expected: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        summary::never_bought(self.book().ledger.lines(), expected)
    }

    /// How many creates came under a key, since the ledger began.
    pub fn calls_of(&self, key: &str) -> u32 {
        self.book().keys.get(key).map_or(0, |key| key.calls)
    }

    /// Hand the ledger's text to the operating system.
    pub fn flush(&self) {
        self.book().ledger.flush();
    }

    /// Answer a call under `/v1/orders`.
    pub(crate) fn handle(
        &self,
        method: &str,
        path: &str,
        query: &str,
        authorization: Option<&str>,
        body: &[u8],
    ) -> Reply {
        if authorization != Some(&self.authorization) {
            self.book().record(self.clock.now_ms(), Event::Unauthorized);
            return Reply::json(401, answer::error("invalid_client_token", &[]).to_string());
        }
        let rest = path.strip_prefix("/v1/orders").unwrap_or_default();
        let request_id = rest.strip_prefix('/').unwrap_or_default();
        match method {
            "POST" if request_id.is_empty() => {
                // Reading and hashing need no lock.
                let (request, sha256) =
                    (Request::parse(body, &self.managed_retailers), Digest::of(body));
                let mut book = self.book();
                if book.ledger.failure().is_some() {
                    return Reply::page(500);
                }
                book.create(self.clock.now_ms(), &request, sha256, body)
            }
            "GET" if request_id.is_empty() => {
                self.book().list(self.clock.now_ms(), &Filter::parse(query))
            }
            "GET" if !request_id.contains('/') => self.book().read(self.clock.now_ms(), request_id),
            _ => Reply::json(404, answer::error("invalid_request", &[]).to_string()),
        }
    }

    /// The books, with everything done that is due.
    fn book(&self) -> MutexGuard<'_, Book> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.settle(self.clock.now_ms());
        book
    }
}
