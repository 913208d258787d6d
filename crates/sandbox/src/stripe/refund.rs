//! Refunds: money on its way back, which may come to nothing after it was said to be done.

use super::book::Book;
use super::event::Event;
use super::form::Form;
use super::notice::Cause;
use super::refused::Refused;
use super::table::Object;
use crate::chance::Chance;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A refund.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// `re_` and 24 letters.
    pub id: String,
    /// Seconds since 1970.
    pub created: i64,
    /// In the currency's smallest unit.
    pub amount: i64,
    /// Lower case.
    pub currency: String,
    /// The charge that it returns money of.
    pub charge: String,
    /// The intent of that charge.
    pub payment_intent: String,
    /// Carries `refund_id` when the shop made it; empty when a person did in the dashboard.
    pub metadata: BTreeMap<String, String>,
    /// Why, if it was said.
    pub reason: Option<String>,
    /// How far it is.
    pub status: RefundStatus,
}

/// How far a refund is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// On its way.
    Pending,
    /// Waits for the customer.
    RequiresAction,
    /// Said to be done; it may still fail.
    Succeeded,
    /// The money came back to the shop.
    Failed,
    /// Stopped; the money stayed with the shop.
    Canceled,
}

impl RefundStatus {
    /// Whether the money left the shop, or is about to.
    pub fn is_live(self) -> bool {
        !matches!(self, Self::Failed | Self::Canceled)
    }

    fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::RequiresAction)
    }
}

/// What a call asks for.
#[derive(Debug)]
pub(super) struct NewRefund {
    /// An intent's id or a charge's.
    of: String,
    amount: Option<i64>,
    reason: Option<String>,
    metadata: BTreeMap<String, String>,
}

const REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];

impl Object for Refund {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Refund {
    pub(super) fn to_json(&self) -> Value {
        let mut refund = json!({
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "balance_transaction": null,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "destination_details": { "card": { "type": "refund" }, "type": "card" },
            "metadata": self.metadata,
            "payment_intent": self.payment_intent,
            "reason": self.reason,
            "receipt_number": null,
            "source_transfer_reversal": null,
            "status": self.status,
            "transfer_reversal": null,
        });
        if self.status.is_open() {
            refund["pending_reason"] = "processing".into();
        }
        if self.status == RefundStatus::Failed {
            refund["failure_reason"] = "lost_or_stolen_card".into();
        }
        if !self.status.is_live() {
            let back = self.id.replacen("re", "txn", 1);
            refund["failure_balance_transaction"] = back.into();
        }
        refund
    }
}

impl NewRefund {
    /// What the parameters say, as far as they can be judged by themselves.
    pub(super) fn parse(form: &Form) -> Result<Self, Refused> {
        form.only(&["payment_intent", "charge", "amount", "reason", "metadata", "expand"])?;
        let of = form.get("payment_intent").or(form.get("charge"));
        let of = of.ok_or_else(|| Refused::invalid("parameter_missing", "charge"))?.to_owned();
        let amount = form.integer("amount")?;
        if amount.is_some_and(|amount| amount < 1) {
            return Err(Refused::invalid("parameter_invalid_integer", "amount"));
        }
        let reason = form.one_of("reason", &REASONS)?.map(str::to_owned);
        Ok(Self { of, amount, reason, metadata: form.metadata() })
    }

    /// What a person asks for in the dashboard.
    pub(super) fn by_hand(of: &str, amount: Option<i64>) -> Self {
        Self { of: of.to_owned(), amount, reason: None, metadata: BTreeMap::new() }
    }
}

impl Book {
    /// Make a refund, if there is something to refund. Answers its id.
    pub(super) fn refund(&mut self, cause: &Cause, new: NewRefund) -> Result<String, Refused> {
        let intent = self.intent_of(&new.of).ok_or_else(|| Refused::missing("payment_intent"))?;
        let captured = intent.paid_charge().is_some_and(|charge| charge.captured);
        if !captured || intent.amount_received == 0 {
            return Err(Refused::unexpected_state(intent.to_json()));
        }
        if new.of.starts_with("ch_") && intent.paid_charge().is_none_or(|it| it.id != new.of) {
            return Err(Refused::by_state("charge_not_refundable"));
        }
        let (left, intent_id) = (intent.refundable(), intent.id.clone());
        if left <= 0 {
            return Err(Refused::by_state("charge_already_refunded"));
        }
        let mut disputes = self.disputes.rows().iter().filter(|it| it.payment_intent == intent_id);
        if disputes.any(|dispute| dispute.status.blocks_refunds()) {
            return Err(Refused::by_state("charge_disputed"));
        }
        let amount = new.amount.unwrap_or(left);
        if amount > left {
            let mut refused = Refused::by_state("amount_too_large");
            refused.body["error"]["param"] = "amount".into();
            return Err(refused);
        }
        let status = self.next_refunds.pop_front().unwrap_or(RefundStatus::Succeeded);
        Ok(self.return_money(cause, &intent_id, amount, status, new))
    }

    /// Return money, whatever the rules say.
    fn return_money(
        &mut self,
        cause: &Cause,
        intent_id: &str,
        amount: i64,
        status: RefundStatus,
        new: NewRefund,
    ) -> String {
        let intent = self.intents.get(intent_id);
        let charge = intent.and_then(|it| it.charges.last()).map(|charge| charge.id.clone());
        let before = self.object(charge.as_deref().unwrap_or_default()).unwrap_or_default();
        let number = self.refunds.count();
        let id = format!("re_{}", Chance::of(self.settings.seed, "refund", "", number).hex(3));
        let refund = Refund {
            id: id.clone(),
            created: cause.at_s(),
            amount,
            currency: intent.map(|intent| intent.currency.clone()).unwrap_or_default(),
            charge: charge.clone().unwrap_or_default(),
            payment_intent: intent_id.to_owned(),
            metadata: new.metadata,
            reason: new.reason,
            status,
        };
        self.record(cause.at_ms, Event::RefundMade { refund: Box::new(refund) });
        self.announce(cause, "refund.created", &id, None);
        let previous = json!({
            "amount_refunded": before["amount_refunded"], "refunded": before["refunded"],
        });
        if status.is_live() {
            self.announce(cause, "charge.refunded", &charge.unwrap_or_default(), Some(previous));
        } else {
            self.announce(cause, "refund.failed", &id, None);
        }
        id
    }

    /// A refund moves on, or turns out to have failed. False if it cannot.
    pub(super) fn move_refund(&mut self, cause: &Cause, id: &str, status: RefundStatus) -> bool {
        let Some(former) = self.refunds.get(id).map(|refund| refund.status) else { return false };
        let possible = match former {
            RefundStatus::Pending | RefundStatus::RequiresAction => status != former,
            // Even what was said to be done may fail, days later.
            RefundStatus::Succeeded => !status.is_live(),
            RefundStatus::Failed | RefundStatus::Canceled => false,
        };
        if !possible {
            return false;
        }
        self.record(cause.at_ms, Event::RefundMoved { id: id.to_owned(), status });
        self.announce(cause, "refund.updated", id, Some(json!({ "status": former })));
        if status == RefundStatus::Failed {
            self.announce(cause, "refund.failed", id, None);
        }
        true
    }

    /// So much was refunded in all, says a test: the last refunds fail, or another one is made.
    pub(super) fn refund_in_all(&mut self, cause: &Cause, intent_id: &str, total: i64) {
        let refunded = |book: &Self| book.intents.get(intent_id).map_or(0, |it| it.amount_refunded);
        while refunded(self) > total {
            let of = |it: &&Refund| it.payment_intent == intent_id && it.status.is_live();
            let Some(last) = self.refunds.rows().iter().rfind(of).map(|it| it.id.clone()) else {
                break;
            };
            // A refund that is done can fail, but not be stopped.
            if !self.move_refund(cause, &last, RefundStatus::Failed) {
                break;
            }
        }
        let missing = total - refunded(self);
        if missing > 0 {
            let new = NewRefund::by_hand(intent_id, None);
            self.return_money(cause, intent_id, missing, RefundStatus::Succeeded, new);
        }
    }
}
