//! What Stripe shows of a movement, and what follows from it.

use super::{Due, Kind, REFUSED_ONCE, Record, STORED_ERROR, State, Why, long_pause};
use crate::money::Minor;
use std::time::Duration;

/// The most keys of a refund, which uses one a day.
pub(super) const REFUND_KEYS_MAX: u32 = 20;
/// The most keys of a capture or a cancellation; the database counts no further.
pub(super) const KEYS_MAX: u32 = 100;
/// How many of them may follow each other at once when each gives a stored error: some hours of
/// them. Afterwards there is one a day, so that an outage ends no movement.
pub(super) const KEYS_AT_ONCE: u32 = 60;

/// What Stripe was just read to say of the payment. The refunds are read after the payment, and only
/// for a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Stripe's id of the payment.
    pub payment_intent: String,
    /// Whether its metadata names the order of the movement: else it may be somebody else's money.
    pub ours: bool,
    /// Stripe's word.
    pub status: String,
    /// What was received, in minor units.
    pub received_minor: Minor,
    /// What is reserved and can be captured, in minor units.
    pub capturable_minor: Minor,
    /// Every refund of the payment.
    pub refunds: Vec<SeenRefund>,
}

/// One refund of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRefund {
    /// Stripe's id of it.
    pub id: String,
    /// Stripe's word.
    pub status: String,
    /// How much, in minor units.
    pub amount_minor: Minor,
    /// The id of ours that it carries, if it does.
    pub refund_id: Option<String>,
}

/// What follows from a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It is to be sent, under its key or under the next one.
    Send {
        /// Whether under the next one.
        renew: bool,
    },
    /// It was made.
    Done {
        /// Stripe's id.
        stripe_id: String,
        /// Stripe's word.
        status: String,
    },
    /// It can never be made.
    Refused {
        /// Why.
        code: String,
    },
    /// Stripe has it, and waits for the bank or for the customer.
    Accepted {
        /// Stripe's id.
        stripe_id: String,
        /// Stripe's word.
        status: String,
    },
    /// The bank returned it.
    Failed {
        /// Stripe's id.
        stripe_id: String,
        /// Stripe's word.
        status: String,
    },
    /// Nothing was sent, and nobody needs it any more.
    Withdraw,
    /// Nothing yet: look again after this.
    Wait(Duration),
}

/// Decides what a movement does next, right after Stripe was read; `chance` spreads the pauses.
pub fn before_send(due: &Due, seen: &Seen, chance: u64) -> Step {
    if !seen.ours && due.state == State::Open {
        return Step::Refused { code: "names_another_order".to_owned() };
    }
    let shown = match due.kind {
        Kind::Capture => capture(due, seen),
        Kind::Cancel => cancel(due, seen),
        Kind::Refund => refund(due, seen),
    };
    match shown {
        Shown::Already(step) => step,
        Shown::Unclear => Step::Wait(long_pause(chance)),
        Shown::Nothing if !due.wanted => unwanted(due, chance),
        Shown::Nothing => send(due, chance),
    }
}

/// What a look shows of a movement.
enum Shown {
    /// What became of it.
    Already(Step),
    /// No effect, and nothing that speaks against it.
    Nothing,
    /// Something that may still become anything.
    Unclear,
}

impl Shown {
    fn refused(code: &str) -> Self {
        Self::Already(Step::Refused { code: code.to_owned() })
    }

    fn done(seen: &Seen) -> Self {
        let (stripe_id, status) = (seen.payment_intent.clone(), seen.status.clone());
        Self::Already(Step::Done { stripe_id, status })
    }
}

fn capture(due: &Due, seen: &Seen) -> Shown {
    match seen.status.as_str() {
        "succeeded" if seen.received_minor == due.amount_minor => Shown::done(seen),
        "succeeded" => Shown::refused("other_amount_received"),
        "requires_capture" if seen.capturable_minor < due.amount_minor => {
            Shown::refused("too_little_reserved")
        }
        "requires_capture" => Shown::Nothing,
        word @ ("canceled"
        | "requires_payment_method"
        | "requires_confirmation"
        | "requires_action") => Shown::refused(word),
        _ => Shown::Unclear,
    }
}

fn cancel(due: &Due, seen: &Seen) -> Shown {
    match seen.status.as_str() {
        "canceled" => Shown::done(seen),
        "succeeded" => Shown::refused("succeeded"),
        // He has paid after all, as far as he can. What was sent may still arrive.
        "requires_capture" if due.why == Why::Unpaid && due.call_over => Shown::refused("reserved"),
        "requires_capture" if due.why == Why::Unpaid => Shown::Unclear,
        "requires_payment_method"
        | "requires_confirmation"
        | "requires_action"
        | "requires_capture" => Shown::Nothing,
        // A bank is at work: Stripe hardly ever cancels then, and every end of it is one of the above.
        _ => Shown::Unclear,
    }
}

fn refund(due: &Due, seen: &Seen) -> Shown {
    // One that is known by Stripe's id is that one; else one that is alive says more than one that failed.
    let known = seen.refunds.iter().find(|refund| due.stripe_id.as_ref() == Some(&refund.id));
    let ours = seen.refunds.iter().filter(|refund| refund.refund_id.as_ref() == Some(&due.id));
    if let Some(found) = known.or_else(|| ours.min_by_key(|refund| !refund.is_live())) {
        return became(due, found);
    }
    if due.state == State::Accepted {
        // Stripe said that it has it: never again, whatever the list shows now.
        return Shown::Unclear;
    }
    let live = seen.refunds.iter().filter(|refund| refund.is_live());
    let returned = live.fold(0, |sum: Minor, refund| sum.saturating_add(refund.amount_minor));
    if seen.received_minor == 0 {
        Shown::refused("nothing_received")
    } else if seen.received_minor.saturating_sub(returned) < due.amount_minor {
        Shown::refused("more_than_is_left")
    } else {
        Shown::Nothing
    }
}

/// What became of our refund, as Stripe's word for it says.
fn became(due: &Due, found: &SeenRefund) -> Shown {
    let (stripe_id, status) = (found.id.clone(), found.status.clone());
    if found.amount_minor != due.amount_minor {
        return Shown::refused("refund_of_another_amount");
    }
    match found.status.as_str() {
        "succeeded" => Shown::Already(Step::Done { stripe_id, status }),
        "pending" | "requires_action" => Shown::Already(Step::Accepted { stripe_id, status }),
        "failed" | "canceled" => Shown::Already(Step::Failed { stripe_id, status }),
        _ => Shown::Unclear,
    }
}

impl SeenRefund {
    /// Whether the money left, or may yet: a word that is not known counts as if it did.
    pub(super) fn is_live(&self) -> bool {
        !matches!(self.status.as_str(), "failed" | "canceled")
    }
}

/// A movement that is not needed any more, and of which Stripe shows nothing.
fn unwanted(due: &Due, chance: u64) -> Step {
    if due.state == State::Open && due.calls == 0 {
        Step::Withdraw
    } else if due.call_over {
        Step::Refused { code: "not_wanted".to_owned() }
    } else {
        Step::Wait(long_pause(chance))
    }
}

/// A movement of which Stripe shows nothing, and that nothing speaks against.
fn send(due: &Due, chance: u64) -> Step {
    if due.calls == 0 {
        return Step::Send { renew: false };
    }
    let code = due.code.as_deref().unwrap_or_default();
    let stored = code == STORED_ERROR || code.starts_with(REFUSED_ONCE);
    let renew = match due.kind {
        Kind::Refund if !due.key_dead && code == STORED_ERROR => {
            // The key says the same for a day; only reading can tell anything new.
            return Step::Wait(long_pause(chance));
        }
        Kind::Refund if due.key_dead && !due.call_over => return Step::Wait(long_pause(chance)),
        Kind::Refund => due.key_dead,
        Kind::Capture | Kind::Cancel if stored && !due.key_dead && due.keys >= KEYS_AT_ONCE => {
            return Step::Wait(long_pause(chance));
        }
        Kind::Capture | Kind::Cancel => due.key_dead || stored,
    };
    let keys_max = if due.kind == Kind::Refund { REFUND_KEYS_MAX } else { KEYS_MAX };
    if renew && due.keys >= keys_max {
        return Step::Refused { code: "keys_used_up".to_owned() };
    }
    Step::Send { renew }
}

impl Step {
    /// What is stored of a step that sends nothing; nothing of one that sends.
    pub fn record(self, due: &Due, chance: u64) -> Option<Record> {
        Some(match self {
            Self::Send { .. } => return None,
            Self::Done { stripe_id, status } => Record::shown(State::Done, stripe_id, status),
            Self::Failed { stripe_id, status } => Record::shown(State::Failed, stripe_id, status),
            Self::Accepted { stripe_id, status } => {
                let delay = long_pause(chance);
                Record { delay, ..Record::shown(State::Accepted, stripe_id, status) }
            }
            Self::Refused { code } => Record::ended(State::Refused, code),
            Self::Withdraw => Record::ended(State::Withdrawn, "not_wanted".to_owned()),
            Self::Wait(delay) => Record::unchanged(due, delay),
        })
    }
}
