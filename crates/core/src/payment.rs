//! When a payment is good. The database decides on the same facts again when it records them.

use crate::money::{Currency, Minor};
use uuid::Uuid;

/// What Stripe said about a PaymentIntent, read from its API, never from a client or an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentFacts {
    /// Stripe's status.
    pub status: String,
    /// What was really received.
    pub received_minor: Minor,
    /// ISO code in upper case.
    pub currency: String,
    /// Live or test mode.
    pub livemode: bool,
    /// The order that its metadata names.
    pub order_id: Option<Uuid>,
    /// Whether the latest charge was refunded, wholly or in part, or is disputed.
    pub spoiled: bool,
}

/// What an order expects of its payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// The order.
    pub order_id: Uuid,
    /// What the customer owes.
    pub total_minor: Minor,
    /// In which currency.
    pub currency: Currency,
    /// Whether the shop runs in live mode.
    pub live_mode: bool,
}

/// What the facts mean for the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every condition holds.
    Paid,
    /// Not yet; nothing is wrong.
    Waiting,
    /// Money came, but not this order's: the field that differs.
    Mismatch(&'static str),
}

/// Judges a payment on the facts of a PaymentIntent and its latest charge. // G2
pub fn judge(facts: &PaymentFacts, expected: Expected) -> Verdict {
    if facts.status != "succeeded" {
        return Verdict::Waiting;
    }
    let conditions = [
        (facts.livemode == expected.live_mode, "livemode"),
        (facts.order_id == Some(expected.order_id), "order_id"),
        (facts.currency == expected.currency.code(), "currency"),
        (facts.received_minor == expected.total_minor, "amount"),
        (!facts.spoiled, "refunded_or_disputed"),
    ];
    match conditions.into_iter().find(|(holds, _)| !holds) {
        None => Verdict::Paid,
        Some((_, field)) => Verdict::Mismatch(field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_single_deviation_keeps_an_order_unpaid() {
        let order_id = Uuid::from_u128(1);
        let expected =
            Expected { order_id, total_minor: 1530, currency: Currency::Gbp, live_mode: false };
        let good = PaymentFacts {
            status: "succeeded".into(),
            received_minor: 1530,
            currency: "GBP".into(),
            livemode: false,
            order_id: Some(order_id),
            spoiled: false,
        };
        assert_eq!(judge(&good, expected), Verdict::Paid);
        let wrong = |change: fn(&mut PaymentFacts)| {
            let mut facts = good.clone();
            change(&mut facts);
            judge(&facts, expected)
        };
        assert_eq!(wrong(|f| f.status = "requires_capture".into()), Verdict::Waiting);
        assert_eq!(wrong(|f| f.received_minor = 1529), Verdict::Mismatch("amount"));
        assert_eq!(wrong(|f| f.received_minor = 1531), Verdict::Mismatch("amount"));
        assert_eq!(wrong(|f| f.currency = "USD".into()), Verdict::Mismatch("currency"));
        assert_eq!(wrong(|f| f.livemode = true), Verdict::Mismatch("livemode"));
        assert_eq!(wrong(|f| f.order_id = None), Verdict::Mismatch("order_id"));
        assert_eq!(wrong(|f| f.order_id = Some(Uuid::nil())), Verdict::Mismatch("order_id"));
        assert_eq!(wrong(|f| f.spoiled = true), Verdict::Mismatch("refunded_or_disputed"));
    }
}
