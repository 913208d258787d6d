//! The books of the fake Zinc: the ledger, and what follows from it.
//!
//! Promise: the state is a fold of the ledger's lines ([`Book::apply`]); nothing changes it but a
//! line being written. So a restart from the file gives the same books, and what the books say can
//! always be checked against the lines.
//!
//! What is due (a purchase made late, a failure) waits in `jobs` and is settled by whoever looks
//! next, with the time at which it was due.

use super::event::{Create, Event, Later, Outcome, Purchase, StoredError};
use super::fault::{Fault, Faults};
use super::{Injected, Settings};
use crate::digest::Digest;
use crate::ledger::Ledger;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// Everything that the fake Zinc knows.
pub(super) struct Book {
    pub(super) settings: Settings,
    pub(super) faults: Faults,
    pub(super) outage: bool,
    /// What happens to the next creates ...
    pub(super) injected: VecDeque<Injected>,
    /// ... and to the next reads and lists.
    pub(super) injected_reads: VecDeque<Fault>,
    pub(super) ledger: Ledger<Event>,
    pub(super) keys: HashMap<Arc<str>, Key>,
    pub(super) requests: HashMap<Arc<str>, Entry>,
    /// Request ids in the order of their purchase, with the time of it.
    pub(super) listed: Vec<(i64, Arc<str>)>,
    pub(super) bodies: HashMap<Arc<str>, Box<str>>,
    jobs: BTreeMap<(i64, Arc<str>), Job>,
    /// Calls of all kinds: what outages count by.
    pub(super) calls: u64,
    pub(super) keyless_calls: u32,
    pub(super) lists: u32,
}

/// What is remembered about a key.
pub(super) struct Key {
    /// Calls under it, ever.
    pub(super) calls: u32,
    /// How many of them were treated badly.
    pub(super) faults: u32,
    /// The first bytes under it.
    pub(super) digest: Digest,
    /// When its answer was stored; counts for forgetting it.
    pub(super) stored_ms: i64,
    pub(super) busy_until_ms: i64,
    pub(super) answer: Option<Answer>,
}

/// The stored answer.
#[derive(Clone)]
pub(super) enum Answer {
    Request(Arc<str>),
    Error(Arc<StoredError>),
}

/// A request that was bought.
pub(super) struct Entry {
    pub(super) purchase: Arc<Purchase>,
    pub(super) cancelled: bool,
    pub(super) reads: u32,
    pub(super) faults: u32,
}

#[derive(Clone)]
enum Job {
    Buy(Arc<Purchase>),
    Fail(String),
}

impl Book {
    /// Books from a ledger, which may have lines already.
    pub(super) fn new(settings: Settings, ledger: Ledger<Event>) -> Self {
        let faults = settings.faults.clone();
        let mut book = Self {
            settings,
            faults,
            outage: false,
            injected: VecDeque::new(),
            injected_reads: VecDeque::new(),
            ledger,
            keys: HashMap::new(),
            requests: HashMap::new(),
            listed: Vec::new(),
            bodies: HashMap::new(),
            jobs: BTreeMap::new(),
            calls: 0,
            keyless_calls: 0,
            lists: 0,
        };
        for line in book.ledger.lines().to_vec() {
            book.apply(line.at_ms, &line.event);
        }
        book
    }

    /// Write a line and draw its consequences.
    pub(super) fn record(&mut self, at_ms: i64, event: Event) {
        self.apply(at_ms, &event);
        self.ledger.append(at_ms, event);
    }

    /// Do what has become due.
    pub(super) fn settle(&mut self, now_ms: i64) {
        while let Some(((due_ms, request_id), job)) = self.jobs.first_key_value() {
            if *due_ms > now_ms {
                break;
            }
            let (due_ms, request_id) = (*due_ms, Arc::clone(request_id));
            let event = match job.clone() {
                Job::Buy(purchase) => Event::Purchase(purchase),
                Job::Fail(code) => Event::Failed { request_id, code },
            };
            self.record(due_ms, event);
        }
    }

    fn apply(&mut self, at_ms: i64, event: &Event) {
        match event {
            Event::Create(create) => {
                self.calls += 1;
                self.apply_create(at_ms, create);
            }
            Event::Purchase(purchase) => self.apply_purchase(at_ms, purchase),
            Event::Failed { request_id, .. } => {
                self.jobs.remove(&(at_ms, Arc::clone(request_id)));
            }
            Event::Cancelled { request_id } => {
                if let Some(entry) = self.requests.get_mut(request_id) {
                    entry.cancelled = true;
                }
            }
            Event::Read { request_id, fault } => {
                self.calls += 1;
                if let Some(entry) = self.requests.get_mut(request_id) {
                    entry.reads += 1;
                    entry.faults += u32::from(fault.is_some());
                }
            }
            Event::List { .. } => {
                self.calls += 1;
                self.lists += 1;
            }
            Event::Unauthorized | Event::Violation { .. } => {}
        }
    }

    fn apply_create(&mut self, at_ms: i64, create: &Create) {
        if let Some(Later { due_ms, purchase }) = &create.later {
            let job = Job::Buy(Arc::clone(purchase));
            self.jobs.insert((*due_ms, Arc::clone(&purchase.request_id)), job);
        }
        let Some(name) = &create.key else {
            self.keyless_calls = create.call;
            return;
        };
        let key = self.keys.entry(Arc::clone(name)).or_insert_with(|| Key {
            calls: 0,
            faults: 0,
            digest: create.sha256,
            stored_ms: at_ms,
            busy_until_ms: at_ms,
            answer: None,
        });
        key.calls = create.call;
        key.faults += u32::from(create.fault.is_some());
        let answer = match &create.outcome {
            Outcome::Accepted(id) | Outcome::AcceptedAgain(id) => Answer::Request(Arc::clone(id)),
            Outcome::Refused(error) => Answer::Error(Arc::clone(error)),
            Outcome::DuplicateOf(_) | Outcome::RefusedAgain(_) | Outcome::TurnedAway => return,
        };
        key.answer = Some(answer);
        key.stored_ms = at_ms;
        key.busy_until_ms = key.busy_until_ms.max(create.busy_until_ms);
    }

    fn apply_purchase(&mut self, at_ms: i64, purchase: &Arc<Purchase>) {
        let id = &purchase.request_id;
        self.jobs.remove(&(at_ms, Arc::clone(id)));
        if purchase.void
            && let Some(code) = &purchase.error
        {
            let due_ms = purchase.placed_ms.max(at_ms);
            self.jobs.insert((due_ms, Arc::clone(id)), Job::Fail(code.clone()));
        }
        self.listed.push((at_ms, Arc::clone(id)));
        let entry = Entry { purchase: Arc::clone(purchase), cancelled: false, reads: 0, faults: 0 };
        self.requests.insert(Arc::clone(id), entry);
    }

    /// Whether a call must fail whatever it asks: by hand or by the clock.
    pub(super) fn is_outage(&self, now_ms: i64) -> bool {
        self.outage || self.faults.outage_at(now_ms)
    }

    /// The fault of a read: an outage, or what is drawn for it.
    pub(super) fn fault_of_read(&mut self, now_ms: i64, request_id: &str) -> Option<Fault> {
        if self.is_outage(now_ms) {
            return Some(Fault::Outage);
        }
        if let Some(fault) = self.injected_reads.pop_front_if(|fault| *fault != Fault::ListGap) {
            return Some(fault);
        }
        let entry = self.requests.get(request_id)?;
        if entry.faults >= self.faults.faults_per_key_max {
            return None;
        }
        if self.faults.burst(self.calls) {
            return Some(Fault::Outage);
        }
        self.faults.of_read(request_id, entry.reads + 1)
    }

    /// The fault of a list.
    pub(super) fn fault_of_list(&mut self, now_ms: i64) -> Option<Fault> {
        if !self.is_outage(now_ms)
            && let Some(fault) = self.injected_reads.pop_front_if(|fault| fault.is_of_lists())
        {
            return Some(fault);
        }
        if self.is_outage(now_ms) || self.faults.burst(self.calls) {
            return Some(Fault::Outage);
        }
        self.faults.of_list(self.lists + 1)
    }
}
