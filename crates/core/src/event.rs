//! What a history is made of, and how it folds back into the row.
//!
//! Promise: [`Kind::ALL`] lists every kind that the database functions write (compared by a test),
//! and [`fold`] of an order's events gives the columns of its row. // G11

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

macro_rules! kinds {
    ($($variant:ident = $name:literal: $meaning:literal),+ $(,)?) => {
        /// What happened, in the past tense.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind { $(#[doc = $meaning] $variant),+ }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name as the history stores it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The sentence for people.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),+ }
            }
        }
    };
}

kinds! {
    OrderPlaced = "order_placed": "The order was placed.",
    PaymentConfirmed = "payment_confirmed": "Stripe confirmed the payment.",
    PaymentAuthorized = "payment_authorized": "The money is reserved; it is captured after the purchase.",
    PaymentMismatched = "payment_mismatched": "The payment does not pay the order.",
    PaymentChanged = "payment_changed": "Stripe told something new of the payment.",
    MovePlanned = "move_planned": "A movement of money was intended.",
    MoveApproved = "move_approved": "A second person approved a movement of money.",
    MoveEnded = "move_ended": "A movement of money came to its end.",
    CancelRequested = "cancel_requested": "Somebody wants the order cancelled; it may be bought.",
    OrderHeld = "order_held": "The order was held.",
    HoldReleased = "hold_released": "The hold was released.",
    PurchaseOpened = "purchase_opened": "A worker claimed the order and committed key and bytes of a purchase.",
    PurchaseRepeated = "purchase_repeated": "A worker claimed the order again, to repeat the same bytes under the same key.",
    ClaimReleased = "claim_released": "The worker gave the claim back; nothing was sent by it.",
    AnswerLost = "answer_lost": "The call ended without an answer that can be trusted; the outcome is unknown.",
    LeaseEnded = "lease_ended": "The lease ended and nobody recorded an answer; the outcome is unknown.",
    KeyDied = "key_died": "The provider may have forgotten the key; nothing may be repeated any more.",
    ProviderRefusedUs = "provider_refused_us": "The provider refused our account, not the order.",
    PurchaseAccepted = "purchase_accepted": "The provider has the order.",
    PurchaseRefused = "purchase_refused": "The provider refused the purchase.",
    PurchaseDoubtful = "purchase_doubtful": "The provider's answer says that a purchase may exist.",
    RetailerOrderPlaced = "retailer_order_placed": "The retailer took the order.",
    PurchaseFailed = "purchase_failed": "The purchase ended without goods.",
    OrderCompleted = "order_completed": "The order is complete.",
    CompletedByPerson = "completed_by_person": "A person said that the order is complete.",
    ReviewNeeded = "review_needed": "A person must decide.",
    ReviewResolved = "review_resolved": "A person decided what follows.",
    OrderCancelled = "order_cancelled": "The order was cancelled; nothing had been sent.",
}

/// The columns that a history leaves behind: each event's `set`, the later over the earlier.
pub fn fold<'a>(datas: impl IntoIterator<Item = &'a Value>) -> Map<String, Value> {
    let mut columns = Map::new();
    for data in datas {
        for (name, value) in data.get("set").and_then(Value::as_object).into_iter().flatten() {
            columns.insert(name.clone(), value.clone());
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_later_event_wins_and_evidence_is_not_folded() {
        let datas = [
            json!({"set": {"hold_reason": "awaiting_payment", "generation": 0}, "note": 1}),
            json!({"code": "x"}),
            json!({"set": {"hold_reason": null}}),
        ];
        assert_eq!(Value::Object(fold(&datas)), json!({"hold_reason": null, "generation": 0}));
    }
}
