//! What is sent to move money: made once, stored, and sent as it was stored. // G4, G28
//!
//! Promise: the same arguments give the same bytes, in every release. What is read back from the
//! store is checked again, so that nothing but a capture, a cancellation or a refund of one payment
//! can ever be sent, whatever became of a row.

use super::word::is_id;
use form_urlencoded::Serializer;
use std::collections::BTreeMap;

const PAYMENTS: &str = "/payment_intents/";
const CAPTURE: &str = "/capture";
const CANCEL: &str = "/cancel";
const REFUNDS: &str = "/refunds";
/// The longest value that Stripe keeps in metadata.
const METADATA_CHARS_MAX: usize = 500;

/// A request as it is stored with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// What follows the base address.
    pub target: String,
    /// The form, to the byte.
    pub body: Vec<u8>,
}

/// Why an authorisation or an unpaid payment is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CancelReason {
    /// There is another one for the same thing.
    Duplicate,
    /// It was not the customer's own.
    Fraudulent,
    /// The customer does not want it any more.
    RequestedByCustomer,
    /// Nobody went on with it.
    Abandoned,
}

impl CancelReason {
    /// Every reason.
    pub const ALL: [Self; 4] =
        [Self::Duplicate, Self::Fraudulent, Self::RequestedByCustomer, Self::Abandoned];

    /// Stripe's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Fraudulent => "fraudulent",
            Self::RequestedByCustomer => "requested_by_customer",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Why money is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefundReason {
    /// It was paid twice.
    Duplicate,
    /// It was not the customer's own. Stripe blocks the card and the address for this.
    Fraudulent,
    /// The customer does not get, or does not want, what was paid for.
    RequestedByCustomer,
}

impl RefundReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Duplicate, Self::Fraudulent, Self::RequestedByCustomer];

    /// Stripe's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Fraudulent => "fraudulent",
            Self::RequestedByCustomer => "requested_by_customer",
        }
    }
}

/// The request that takes an authorised amount, in minor units; the rest is released.
///
/// Arguments that could never be sent give a request that never is, see [`super::Client::act`]: an
/// id that is none of Stripe's, an amount of nothing, here and below.
pub fn capture_request(payment_intent: &str, amount_minor: i64) -> Prepared {
    Prepared {
        target: format!("{PAYMENTS}{payment_intent}{CAPTURE}"),
        body: form(&[("amount_to_capture", &amount_minor.to_string())]),
    }
}

/// The request that gives up a payment which brought no money.
pub fn cancel_request(payment_intent: &str, reason: CancelReason) -> Prepared {
    Prepared {
        target: format!("{PAYMENTS}{payment_intent}{CANCEL}"),
        body: form(&[("cancellation_reason", reason.name())]),
    }
}

/// The request that gives back an amount, in minor units, of what was received. `refund_id` is our own
/// id of the refund; it is stored at Stripe, so that the refund can be found when its answer was lost.
pub fn refund_request(
    payment_intent: &str,
    amount_minor: i64,
    reason: RefundReason,
    refund_id: &str,
) -> Prepared {
    Prepared {
        target: REFUNDS.to_owned(),
        body: form(&[
            ("payment_intent", payment_intent),
            ("amount", &amount_minor.to_string()),
            ("reason", reason.name()),
            ("metadata[refund_id]", refund_id),
        ]),
    }
}

fn form(pairs: &[(&str, &str)]) -> Vec<u8> {
    Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes()
}

/// What a stored request asks for: what its answer is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// To capture, or to cancel, this payment.
    Payment { id: String },
    /// To give back so much of this payment, under our id.
    Refund { payment_intent: String, amount_minor: i64, refund_id: String },
}

impl Asked {
    /// Reads a stored request. Nothing comes of a target that is none of the three, of a field that
    /// is none of its own, that is missing or stands twice, and of a value that could not be one.
    pub(super) fn read(target: &str, body: &[u8]) -> Option<Self> {
        let mut fields = fields(body)?;
        let asked = if target == REFUNDS {
            let asked = Self::Refund {
                payment_intent: fields.remove("payment_intent").filter(|id| is_id(id))?,
                amount_minor: amount(&fields.remove("amount")?)?,
                refund_id: fields.remove("metadata[refund_id]").filter(|id| is_ours(id))?,
            };
            let reason = fields.remove("reason")?;
            RefundReason::ALL.iter().find(|known| known.name() == reason)?;
            asked
        } else {
            let rest = target.strip_prefix(PAYMENTS)?;
            let id = if let Some(id) = rest.strip_suffix(CAPTURE) {
                amount(&fields.remove("amount_to_capture")?)?;
                id
            } else {
                let reason = fields.remove("cancellation_reason")?;
                CancelReason::ALL.iter().find(|known| known.name() == reason)?;
                rest.strip_suffix(CANCEL)?
            };
            Self::Payment { id: Some(id).filter(|id| is_id(id))?.to_owned() }
        };
        fields.is_empty().then_some(asked)
    }
}

fn fields(body: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut fields = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(body) {
        if fields.insert(name.into_owned(), value.into_owned()).is_some() {
            return None;
        }
    }
    Some(fields)
}

/// A positive amount as it is printed: no sign, no zero in front.
fn amount(text: &str) -> Option<i64> {
    let amount: i64 = text.parse().ok()?;
    (amount > 0 && amount.to_string() == text).then_some(amount)
}

fn is_ours(refund_id: &str) -> bool {
    (1..=METADATA_CHARS_MAX).contains(&refund_id.len())
        && refund_id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REFUND: &str = "0198c0de-0000-7000-8000-000000000001";

    fn text(prepared: &Prepared) -> (&str, &str) {
        (&prepared.target, std::str::from_utf8(&prepared.body).unwrap())
    }

    // A release that changes these bytes makes an idempotency error of every repeat that it takes over.
    #[test]
    fn g4_the_same_arguments_give_the_same_bytes_in_every_release() {
        assert_eq!(
            text(&capture_request("pi_1", 4200)),
            ("/payment_intents/pi_1/capture", "amount_to_capture=4200")
        );
        assert_eq!(
            text(&cancel_request("pi_1", CancelReason::Abandoned)),
            ("/payment_intents/pi_1/cancel", "cancellation_reason=abandoned")
        );
        assert_eq!(
            text(&refund_request("pi_1", 700, RefundReason::RequestedByCustomer, REFUND)),
            (
                "/refunds",
                "payment_intent=pi_1&amount=700&reason=requested_by_customer\
                 &metadata%5Brefund_id%5D=0198c0de-0000-7000-8000-000000000001"
            )
        );
    }

    #[test]
    fn what_was_prepared_is_read_back() {
        let read = |prepared: Prepared| Asked::read(&prepared.target, &prepared.body);
        let payment = Some(Asked::Payment { id: "pi_1".into() });
        assert_eq!(read(capture_request("pi_1", 1)), payment);
        for reason in CancelReason::ALL {
            assert_eq!(read(cancel_request("pi_1", reason)), payment);
        }
        for reason in RefundReason::ALL {
            let asked = Asked::Refund {
                payment_intent: "pi_1".into(),
                amount_minor: i64::MAX,
                refund_id: REFUND.into(),
            };
            assert_eq!(read(refund_request("pi_1", i64::MAX, reason, REFUND)), Some(asked));
        }
    }

    #[test]
    fn arguments_that_could_never_be_sent_give_nothing_that_is() {
        let read = |prepared: Prepared| Asked::read(&prepared.target, &prepared.body);
        for id in ["", "pi/1", "pi_1/capture?x=", "../pi_1", "pi_1%2F"] {
            assert_eq!(read(capture_request(id, 1)), None, "{id}");
            assert_eq!(read(cancel_request(id, CancelReason::Duplicate)), None, "{id}");
            assert_eq!(read(refund_request(id, 1, RefundReason::Duplicate, REFUND)), None, "{id}");
        }
        for amount in [0, -1, i64::MIN] {
            assert_eq!(read(capture_request("pi_1", amount)), None);
            let refund = refund_request("pi_1", amount, RefundReason::Duplicate, REFUND);
            assert_eq!(read(refund), None);
        }
        for refund_id in ["", "a b", "ä", &"x".repeat(501)] {
            let refund = refund_request("pi_1", 1, RefundReason::Duplicate, refund_id);
            assert_eq!(read(refund), None);
        }
    }

    #[test]
    fn nothing_but_the_three_forms_is_read_back() {
        let whole = "payment_intent=pi_1&amount=7&reason=duplicate&metadata%5Brefund_id%5D=r";
        assert!(Asked::read("/refunds", whole.as_bytes()).is_some());
        let capture = "amount_to_capture=7";
        assert!(Asked::read("/payment_intents/pi_1/capture", capture.as_bytes()).is_some());
        let table = [
            ("/refunds", capture.to_owned()),
            ("/refunds", String::new()),
            ("/refunds", whole.replace("&amount=7", "")),
            ("/refunds", whole.replace("=7", "=+7")),
            ("/refunds", whole.replace("=7", "=07")),
            ("/refunds", whole.replace("duplicate", "because")),
            ("/refunds", format!("{whole}&amount=8")),
            ("/refunds", format!("{whole}&charge=ch_2")),
            ("/refunds/re_1", whole.to_owned()),
            ("/transfers", whole.to_owned()),
            ("/payment_intents/pi_1", capture.to_owned()),
            ("/payment_intents/pi_1/confirm", capture.to_owned()),
            ("/payment_intents/pi_1/cancel", capture.to_owned()),
            ("/payment_intents/pi_1/capture", "cancellation_reason=duplicate".to_owned()),
            ("/payment_intents/pi_1/capture", format!("{capture}&final_capture=false")),
            ("/payment_intents/pi_1/../pi_2/capture", capture.to_owned()),
            ("payment_intents/pi_1/capture", capture.to_owned()),
            ("", capture.to_owned()),
        ];
        for (target, body) in table {
            assert_eq!(Asked::read(target, body.as_bytes()), None, "{target} {body}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_of_a_row_make_it_panic_or_ask_for_more_than_they_say(
            target in "/(refunds|payment_intents/[a-z_/]{0,8}/(capture|cancel))",
            body in proptest::collection::vec(any::<u8>(), 0..100)
        ) {
            prop_assert_eq!(Asked::read(&target, &body), None);
        }
    }
}
