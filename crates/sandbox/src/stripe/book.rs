//! The books of the fake Stripe: a fold of its ledger's lines, as those of the fake Zinc are.
//!
//! What is due (an effect that comes late, the end of an authorisation) waits in `jobs` and is
//! settled by whoever looks next, with the time at which it was due.

use super::call::{Calls, Deferred};
use super::courier::{Post, Target};
use super::dispute::Dispute;
use super::event::Event;
use super::fault::StripeFaults;
use super::intent::Intent;
use super::notice::{Cause, Notice};
use super::refund::{Refund, RefundStatus};
use super::settings::Settings;
use super::signal::{Review, Session, Warning};
use super::table::Table;
use crate::Error;
use crate::digest::Digest;
use crate::ledger::Ledger;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// An answer under a key.
pub(super) struct Stored {
    pub(super) at_ms: i64,
    pub(super) parameters: Digest,
    pub(super) status: u16,
    pub(super) body: String,
    /// Until when the first call is still being answered.
    pub(super) busy_until_ms: i64,
}

/// Everything that the fake Stripe knows.
pub(super) struct Book {
    pub(super) settings: Settings,
    pub(super) faults: StripeFaults,
    pub(super) ledger: Ledger<Event>,
    pub(super) intents: Table<Intent>,
    /// The intent of each charge.
    charges: HashMap<String, String>,
    pub(super) refunds: Table<Refund>,
    /// What becomes of the next refunds.
    pub(super) next_refunds: VecDeque<RefundStatus>,
    pub(super) disputes: Table<Dispute>,
    pub(super) reviews: Table<Review>,
    pub(super) warnings: Table<Warning>,
    pub(super) sessions: Table<Session>,
    pub(super) notices: Table<Arc<Notice>>,
    /// The numbers of the notices about each object.
    facts: HashMap<String, Vec<usize>>,
    pub(super) keys: HashMap<String, Stored>,
    pub(super) calls: Calls,
    pub(super) webhook: Option<Target>,
    pub(super) post: Post,
    jobs: BTreeMap<(i64, u64), Job>,
}

enum Job {
    /// A call whose effect comes late.
    Run(Box<Deferred>),
    /// An authorisation that was not captured in time.
    Expire(String),
}

impl Book {
    /// Books from a ledger, which may have lines already.
    pub(super) fn new(settings: Settings, ledger: Ledger<Event>) -> Result<Self, Error> {
        let webhook = settings.webhook_url.as_deref().map(Target::parse).transpose()?;
        let mut book = Self {
            faults: settings.faults.clone().checked()?,
            settings,
            ledger,
            intents: Table::default(),
            charges: HashMap::new(),
            refunds: Table::default(),
            next_refunds: VecDeque::new(),
            disputes: Table::default(),
            reviews: Table::default(),
            warnings: Table::default(),
            sessions: Table::default(),
            notices: Table::default(),
            facts: HashMap::new(),
            keys: HashMap::new(),
            calls: Calls::default(),
            webhook,
            post: Post::default(),
            jobs: BTreeMap::new(),
        };
        for line in book.ledger.lines().to_vec() {
            book.apply(line.seq, line.at_ms, &line.event);
        }
        Ok(book)
    }

    /// Write a line and draw its consequences.
    pub(super) fn record(&mut self, at_ms: i64, event: Event) {
        let seq = self.ledger.lines().last().map_or(0, |line| line.seq) + 1;
        self.apply(seq, at_ms, &event);
        self.ledger.append(at_ms, event);
    }

    /// Do what has become due.
    pub(super) fn settle(&mut self, now_ms: i64) {
        while let Some(entry) = self.jobs.first_entry() {
            let (due_ms, _) = *entry.key();
            if due_ms > now_ms {
                break;
            }
            match entry.remove() {
                Job::Run(call) => self.run_late(due_ms, &call),
                Job::Expire(id) => self.expire(due_ms, &id),
            }
        }
    }

    /// When something becomes due next, if anything does.
    pub(super) fn next_job_ms(&self) -> Option<i64> {
        self.jobs.first_key_value().map(|((due_ms, _), _)| *due_ms)
    }

    /// Whoever waits for a line should look again.
    pub(super) fn ring(&self) {
        self.ledger.changed().notify_waiters();
    }

    /// The intent with this id, or of the charge with this id.
    pub(super) fn intent_of(&self, id: &str) -> Option<&Intent> {
        self.intents.get(self.charges.get(id).map_or(id, String::as_str))
    }

    /// What was told about an object.
    pub(super) fn facts_of(&self, object_id: &str) -> impl Iterator<Item = &Arc<Notice>> {
        let numbers = self.facts.get(object_id).into_iter().flatten();
        numbers.filter_map(|number| self.notices.rows().get(*number))
    }

    /// The object with this id, whatever it is, with ids in the place of others.
    pub(super) fn object(&self, id: &str) -> Option<Value> {
        match id.split('_').next()? {
            "pi" => self.intents.get(id).map(Intent::to_json),
            "ch" => {
                let intent = self.intent_of(id)?;
                let charge = intent.charges.iter().find(|charge| charge.id == id)?;
                Some(charge.to_json(intent))
            }
            "re" => self.refunds.get(id).map(Refund::to_json),
            "dp" => self.disputes.get(id).map(Dispute::to_json),
            "prv" => self.reviews.get(id).map(Review::to_json),
            "issfr" => {
                let warning = self.warnings.get(id)?;
                let intent = self.intents.get(&warning.payment_intent)?;
                Some(warning.to_json(intent.refundable() > 0 && !intent.disputed))
            }
            "cs" => {
                let session = self.sessions.get(id)?;
                Some(session.to_json(self.intents.get(&session.payment_intent)?))
            }
            "evt" => {
                let number = self.notices.position(id)?;
                let notice = self.notices.rows().get(number)?;
                Some(notice.to_json(self.post.pending_of(number)))
            }
            _ => None,
        }
    }

    fn apply(&mut self, seq: u64, at_ms: i64, event: &Event) {
        match event {
            Event::Created { intent } => self.intents.push((**intent).clone()),
            Event::Waiting { id, payment_method, status } => {
                self.change(id, |intent| intent.wait(at_ms, payment_method, status));
            }
            Event::Confirmed { id, payment_method, capture_before_ms } => {
                if let Some(before_ms) = capture_before_ms {
                    self.jobs.insert((*before_ms, seq), Job::Expire(id.clone()));
                }
                let before_ms = *capture_before_ms;
                self.change(id, |intent| intent.confirm(at_ms, payment_method, before_ms));
            }
            Event::Declined { id } => self.change(id, |intent| intent.decline(at_ms)),
            Event::Captured { id, amount, release_shown } => {
                self.change(id, |intent| intent.capture(*amount, *release_shown));
            }
            Event::Canceled { id, reason, release_shown } => {
                self.change(id, |intent| intent.cancel(at_ms, reason.as_deref(), *release_shown));
            }
            Event::Changed { id, fact } => self.change(id, |intent| intent.learn(at_ms, fact)),
            Event::Notified { notice, fate } => {
                let number = self.notices.rows().len();
                self.facts.entry(notice.object_id().to_owned()).or_default().push(number);
                self.notices.push(Arc::clone(notice));
                self.post.owe(number, at_ms, *fate);
            }
            Event::Tried { delivery, status, .. } => {
                self.post.tried(&self.settings, at_ms, *delivery, *status);
            }
            Event::EndpointGone => self.post.give_up_all(),
            Event::Later { due_ms, call } => {
                self.jobs.insert((*due_ms, seq), Job::Run(call.clone()));
                self.calls.defer(*due_ms, call);
            }
            Event::Called { method, path, key, fault, .. } => {
                self.calls.count(method, path, key.as_deref(), fault.is_some());
            }
            Event::Stored { key, parameters, status, body, busy_until_ms } => {
                let (parameters, status, busy_until_ms) = (*parameters, *status, *busy_until_ms);
                let stored =
                    Stored { at_ms, parameters, status, body: body.clone(), busy_until_ms };
                self.keys.insert(key.clone(), stored);
            }
            event => self.apply_aftermath(event),
        }
    }

    /// What comes after a payment.
    fn apply_aftermath(&mut self, event: &Event) {
        match event {
            Event::RefundMade { refund } => {
                self.refunds.push((**refund).clone());
                if refund.status.is_live() {
                    self.return_to_customer(&refund.id, 1);
                }
            }
            Event::RefundMoved { id, status } => {
                let Some(refund) = self.refunds.get_mut(id) else { return };
                let was_live = refund.status.is_live();
                refund.status = *status;
                if was_live && !status.is_live() {
                    self.return_to_customer(id, -1);
                }
            }
            Event::DisputeOpened { dispute } => {
                self.change(&dispute.payment_intent, |intent| intent.disputed = true);
                self.disputes.push((**dispute).clone());
            }
            Event::DisputeMoved { id, status } => {
                if let Some(dispute) = self.disputes.get_mut(id) {
                    dispute.status = *status;
                }
            }
            Event::ReviewOpened { review } => {
                let id = review.id.clone();
                self.change(&review.payment_intent, |intent| intent.review = Some(id));
                self.reviews.push((**review).clone());
            }
            Event::ReviewClosed { id, reason } => {
                let Some(review) = self.reviews.get_mut(id) else { return };
                review.closed_reason = Some(reason.clone());
                let intent_id = review.payment_intent.clone();
                self.change(&intent_id, |intent| intent.review = None);
            }
            Event::Warned { warning } => self.warnings.push((**warning).clone()),
            Event::CheckedOut { session } => self.sessions.push((**session).clone()),
            // Only written down.
            _ => {}
        }
    }

    fn change(&mut self, id: &str, change: impl FnOnce(&mut Intent)) {
        if let Some(intent) = self.intents.get_mut(id) {
            change(intent);
            if let Some(charge) = intent.charges.last() {
                self.charges.insert(charge.id.clone(), intent.id.clone());
            }
        }
    }

    /// A refund's money goes to the customer, or comes back.
    fn return_to_customer(&mut self, refund_id: &str, sign: i64) {
        if let Some(refund) = self.refunds.get(refund_id) {
            let (id, amount) = (refund.payment_intent.clone(), refund.amount * sign);
            self.change(&id, |intent| intent.amount_refunded += amount);
        }
    }

    /// An authorisation ends by itself, unless it was captured or canceled before.
    fn expire(&mut self, due_ms: i64, id: &str) {
        let is_due = |it: &Intent| {
            it.status == "requires_capture"
                && it.capture_before_ms.is_some_and(|before_ms| before_ms <= due_ms)
        };
        if self.intents.get(id).is_some_and(is_due) {
            self.end_unpaid(&Cause::outside(due_ms), id, Some("automatic"));
        }
    }
}
