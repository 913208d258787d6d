//! The books of the fake Stripe: a fold of its ledger's lines, as those of the fake Zinc are.

use super::intent::{Fact, Intent};
use crate::digest::Digest;
use crate::ledger::Ledger;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A line's content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// An intent was created.
    Created {
        /// The intent as it was then.
        intent: Box<Intent>,
    },
    /// An intent was paid, or authorised.
    Confirmed {
        /// The intent.
        id: String,
        /// With what.
        payment_method: String,
    },
    /// A card said no.
    Declined {
        /// The intent.
        id: String,
    },
    /// A test changed a fact.
    Changed {
        /// The intent.
        id: String,
        /// The fact.
        fact: Fact,
    },
    /// An answer was stored under a key.
    Stored {
        /// The key.
        key: String,
        /// The parameters' digest.
        parameters: Digest,
        /// The status.
        status: u16,
        /// The body.
        body: String,
    },
    /// A stored answer was given again.
    Replayed {
        /// The key.
        key: String,
    },
    /// A key came back with other parameters.
    Violation {
        /// The key.
        key: String,
    },
    /// A call came without the right key.
    Unauthorized,
}

/// An answer under a key.
pub(super) struct Stored {
    pub(super) at_ms: i64,
    pub(super) parameters: Digest,
    pub(super) status: u16,
    pub(super) body: String,
}

/// Everything that the fake Stripe knows.
pub(super) struct Book {
    pub(super) ledger: Ledger<Event>,
    /// In the order of their creation.
    pub(super) intents: Vec<Intent>,
    index: HashMap<String, usize>,
    pub(super) keys: HashMap<String, Stored>,
}

impl Book {
    /// Books from a ledger, which may have lines already.
    pub(super) fn new(ledger: Ledger<Event>) -> Self {
        let mut book =
            Self { ledger, intents: Vec::new(), index: HashMap::new(), keys: HashMap::new() };
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

    /// An intent.
    pub(super) fn intent(&self, id: &str) -> Option<&Intent> {
        self.intents.get(self.position(id)?)
    }

    /// An intent's place in the order of creation.
    pub(super) fn position(&self, id: &str) -> Option<usize> {
        self.index.get(id).copied()
    }

    fn apply(&mut self, at_ms: i64, event: &Event) {
        match event {
            Event::Created { intent } => {
                self.index.insert(intent.id.clone(), self.intents.len());
                self.intents.push((**intent).clone());
            }
            Event::Confirmed { id, payment_method } => {
                self.change(id, |intent| intent.confirm(payment_method));
            }
            Event::Declined { id } => self.change(id, Intent::decline),
            Event::Changed { id, fact } => self.change(id, |intent| intent.learn(fact)),
            Event::Stored { key, parameters, status, body } => {
                let (parameters, status, body) = (*parameters, *status, body.clone());
                self.keys.insert(key.clone(), Stored { at_ms, parameters, status, body });
            }
            Event::Replayed { .. } | Event::Violation { .. } | Event::Unauthorized => {}
        }
    }

    fn change(&mut self, id: &str, change: impl FnOnce(&mut Intent)) {
        if let Some(at) = self.position(id)
            && let Some(intent) = self.intents.get_mut(at)
        {
            change(intent);
        }
    }
}
