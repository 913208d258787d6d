//! A fake Stripe: payment intents and all that becomes of them, events and their delivery.
//!
//! [`Stripe`] is the provider as tests see it: it answers calls (through the world's server),
//! things happen to its payments through the methods here, and it is asked for the truth.
//!
//! Keys are honoured as the contract says: the first answer is stored once execution began, errors
//! too, and given again; other parameters under a key are an error; validation errors are not
//! stored; a key whose call is under way is refused with 409; after `key_memory_ms` a key is new.
//! Unknown parameters are refused. Payment methods: `pm_card_chargeDeclined` is declined,
//! `pm_card_authenticationRequired` waits for the customer, `pm_usBankAccount` for the bank, and
//! every other one pays.
//!
//! What it assumes where the contract is silent: nothing in `processing` can be canceled; a pending
//! refund counts as refunded; a charge stays `disputed` whatever became of the dispute, and can be
//! refunded again only when that was won or was an inquiry; an event that was not tried yet is
//! listed as not delivered.

mod book;
mod call;
mod charge;
pub(crate) mod courier;
mod desk;
mod dispute;
mod event;
mod fault;
mod form;
mod intent;
mod list;
mod notice;
mod pay;
mod refund;
mod refused;
mod settings;
mod signal;
mod signature;
mod spoil;
mod summary;
mod table;

pub use call::Deferred;
pub use charge::{Charge, ChargeStatus};
pub use courier::Owed;
pub use dispute::{Dispute, DisputeStatus};
pub use event::Event;
pub use fault::{StripeFault, StripeFaults};
pub use form::Form;
pub use intent::{Fact, Intent};
pub use notice::{Fate, Notice, Origin};
pub use refund::{Refund, RefundStatus};
pub use settings::Settings;
pub use signal::{Review, Session, Warning};
pub use summary::{RepeatedRefund, Summary, Sums};

use crate::Error;
use crate::clock::Clock;
use crate::ledger::{self, Ledger, Line};
use crate::reply::Reply;
use book::Book;
use call::Call;
use refused::Refused;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Headers that matter here.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Headers<'a> {
    pub(crate) authorization: Option<&'a str>,
    pub(crate) idempotency_key: Option<&'a str>,
}

/// The fake provider.
pub struct Stripe {
    book: Arc<Mutex<Book>>,
    clock: Arc<dyn Clock>,
    authorization: String,
}

impl std::fmt::Debug for Stripe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stripe").finish_non_exhaustive()
    }
}

impl Stripe {
    /// A provider whose ledger is in the file, if one is given, with all that stands there.
    pub(crate) fn open(
        settings: Settings,
        clock: Arc<dyn Clock>,
        path: Option<&Path>,
        durable: bool,
    ) -> Result<Self, Error> {
        let authorization = format!("Bearer {}", settings.secret_key);
        let book = Arc::new(Mutex::new(Book::new(settings, Ledger::open(path, durable)?)?));
        Ok(Self { book, clock, authorization })
    }

    /// The faults in force.
    pub fn faults(&self) -> StripeFaults {
        self.book().faults.clone()
    }

    /// Put other faults in force.
    pub fn set_faults(&self, faults: StripeFaults) -> Result<(), Error> {
        self.book().faults = faults.checked()?;
        Ok(())
    }

    /// Let this happen to the next POST, or to the next GET if it is a fault of theirs; several
    /// wait in line.
    pub fn inject(&self, fault: StripeFault) {
        self.inject_at("", fault);
    }

    /// Let this happen to the next call whose path has this text in it: `/capture`, `/refunds`, an
    /// id.
    pub fn inject_at(&self, path_has: &str, fault: StripeFault) {
        self.book().calls.inject(fault, path_has);
    }

    /// Forget what was to happen to calls that have not come.
    pub fn forget_injected(&self) {
        self.book().calls.forget_injected();
    }

    /// Let the key lack the right to calls whose path has one of these texts in it, from now on.
    pub fn restrict_key(&self, paths_have: &[&str]) {
        self.book().calls.restrict(paths_have.iter().map(|text| (*text).to_owned()).collect());
    }

    /// Limit the GETs and POSTs of a second from now on.
    pub fn set_limits(&self, reads_per_second: Option<u32>, writes_per_second: Option<u32>) {
        let mut book = self.book();
        book.settings.reads_per_second_max = reads_per_second;
        book.settings.writes_per_second_max = writes_per_second;
    }

    /// Write events in another version from now on.
    pub fn write_version(&self, version: &str) {
        version.clone_into(&mut self.book().settings.api_version);
    }

    /// What happened so far, by the ledger alone.
    pub fn summary(&self) -> Summary {
        let book = self.book();
        summary::summary(book.ledger.lines(), book.ledger.failure())
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

    /// Hand the ledger's text to the operating system.
    pub fn flush(&self) {
        self.book().ledger.flush();
    }

    /// Answer a call under `/v1`.
    pub(crate) fn handle(
        &self,
        method: &str,
        path: &str,
        query: &str,
        headers: Headers<'_>,
        body: &[u8],
    ) -> Reply {
        let mut book = self.book();
        let now_ms = self.clock.now_ms();
        if book.ledger.failure().is_some() {
            return Reply::page(500);
        }
        if headers.authorization != Some(&self.authorization) {
            book.record(now_ms, Event::Unauthorized);
            return Refused::new(401, "invalid_request_error", None, None).into_reply();
        }
        if book.calls.lacks_right(path) {
            book.record(now_ms, Event::Unauthorized);
            return Refused::new(403, "invalid_request_error", None, None).into_reply();
        }
        let form = Form::parse(if method == "POST" { body } else { query.as_bytes() });
        let key = headers.idempotency_key;
        let request_id = String::new();
        book.answer(Call { now_ms, method, path, form, key, fault: None, request_id })
    }

    /// The books, with everything done that is due.
    fn book(&self) -> MutexGuard<'_, Book> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.settle(self.clock.now_ms());
        book
    }
}
