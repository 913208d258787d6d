//! The twins: the protocol without a guard, or without an assumption.

use super::{Any, CAPTURE, ONE, REFUND, calm, quiet};
use crate::guard::Guard;
use crate::money::{self, Movements};
use crate::purchase::state::Budget as Quiet;
use crate::purchase::{self, Purchases};
use money::state::Budget as Calm;

/// What a twin must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Break this law, at the earliest after so many acts.
    Breaks(&'static str, usize),
    /// Come, at the earliest after so many acts, where no end and no person can be reached.
    Sticks(usize),
    /// Hold all the same; why.
    Holds(&'static str),
}

/// The protocol without something.
#[derive(Debug, Clone, Copy)]
pub struct Twin {
    /// The letter of the first model, or a short name.
    pub name: &'static str,
    /// What is missing, in a sentence.
    pub missing: &'static str,
    /// The guards.
    pub guards: &'static [Guard],
    /// Where.
    pub world: Any,
    /// What must come of it.
    pub expected: Expected,
}

const BAD: Quiet = Quiet { crashes: 0, losses: 1, refusals: 1, people: 1, ..quiet() };
const FEW: Quiet = Quiet { losses: 1, refusals: 1, ..quiet() };
const OLD: Quiet = Quiet { deaths: 1, ..BAD };
const MONEY: Calm = Calm { losses: 1, deaths: 1, ..calm() };

const fn one(budget: Quiet) -> Any {
    Any::Purchase(Purchases { budget, ..ONE })
}

const fn told(budget: Quiet) -> Any {
    Any::Purchase(Purchases { orders: 2, generations_max: 1, one_payment: true, budget, ..ONE })
}

const fn restored(budget: Quiet) -> Any {
    Any::Purchase(Purchases { people_decide: false, budget, ..ONE })
}

const fn refund(budget: Calm) -> Any {
    Any::Money(Movements { budget, ..REFUND })
}

const fn capture(budget: Calm) -> Any {
    Any::Money(Movements { workers: 1, budget, ..CAPTURE })
}

const fn twin(
    name: &'static str,
    missing: &'static str,
    guards: &'static [Guard],
    world: Any,
    expected: Expected,
) -> Twin {
    Twin { name, missing, guards, world, expected }
}

/// Every twin.
pub const TWINS: &[Twin] = {
    use Expected::{Breaks, Holds, Sticks};
    use Guard as G;
    use money::{NOT_MORE, ONE_CAPTURE, ONE_REFUND};
    use purchase::{HELD, NOT_BOTH, ONE_ORDER, ONE_PURCHASE, PAID, SAME_BYTES};
    &[
        twin(
            "A",
            "each call has a key of its own",
            &[G::StableKey],
            one(BAD),
            Breaks(ONE_PURCHASE, 8),
        ),
        twin(
            "B",
            "the provider does not de-duplicate (an assumption)",
            &[G::ProviderDedupes],
            one(BAD),
            Breaks(ONE_PURCHASE, 8),
        ),
        twin(
            "C",
            "recovery gives an unknown order a new key",
            &[G::UnknownWaits],
            one(BAD),
            Breaks(ONE_PURCHASE, 8),
        ),
        twin(
            "D",
            "a key for each call, and leases that nobody respects",
            &[G::StableKey, G::ClaimRespectsLease, G::RepeatWaits],
            one(BAD),
            Breaks(ONE_PURCHASE, 6),
        ),
        twin(
            "E",
            "a lost answer is read as a refusal that settles nothing",
            &[G::LostAnswerIsNoDoubt],
            one(FEW),
            Holds("every such order waits for a person"),
        ),
        twin(
            "F",
            "a lost answer is read as a refusal",
            &[G::LostAnswerIsUnknown],
            one(BAD),
            Breaks(NOT_BOTH, 5),
        ),
        twin(
            "G",
            "a refusal settles although the key is not used up",
            &[G::OnlyUsedUpKeySettles],
            one(BAD),
            Breaks(NOT_BOTH, 10),
        ),
        twin(
            "H",
            "an unclear purchase is settled by waiting",
            &[G::QuarantineIsNotEnough],
            one(BAD),
            Breaks(NOT_BOTH, 11),
        ),
        twin(
            "I",
            "an unclear purchase is settled by a look at a list that may leave it out",
            &[G::LookUpIsNotEnough],
            one(BAD),
            Breaks(NOT_BOTH, 10),
        ),
        twin(
            "J",
            "an empty list ends an unknown order",
            &[G::AbsenceProvesNothing],
            one(BAD),
            Breaks(NOT_BOTH, 6),
        ),
        twin(
            "K",
            "an order is cancelled at once although something was sent",
            &[G::CancelOnlyUnsent],
            one(BAD),
            Breaks(NOT_BOTH, 6),
        ),
        twin("L", "a record needs no token", &[G::Fence], one(BAD), Breaks(NOT_BOTH, 14)),
        twin(
            "M",
            "a leased order is claimed all the same",
            &[G::ClaimRespectsLease],
            one(FEW),
            Holds(
                "the key is stable and a repeat waits for the former call: it saves calls, it is not the safety",
            ),
        ),
        twin(
            "N",
            "neither token nor lease",
            &[G::Fence, G::ClaimRespectsLease],
            one(BAD),
            Breaks(NOT_BOTH, 13),
        ),
        twin(
            "O",
            "recovery makes orders pending again, under the same key",
            &[G::RecoveryKeepsSubmitting],
            one(FEW),
            Holds("the attempt stays unsettled, so that the same bytes follow"),
        ),
        twin(
            "P",
            "refusals are never settled",
            &[G::RefusalsSettle],
            one(FEW),
            Holds("every refused order waits for a person"),
        ),
        twin(
            "Q",
            "nothing: a refusal that used its key up is settled at once",
            &[],
            one(FEW),
            Holds("the same key can never buy again"),
        ),
        twin(
            "R",
            "refusals are settled at once, and a record needs no token",
            &[G::Fence],
            Any::Purchase(Purchases { at_the_door: &[], budget: BAD, ..ONE }),
            Breaks(NOT_BOTH, 14),
        ),
        twin(
            "one attempt",
            "an order with an unsettled attempt gets another one",
            &[G::OneUnsettled],
            one(BAD),
            Breaks(ONE_PURCHASE, 7),
        ),
        twin(
            "repeat waits",
            "a repeat does not wait for the end of the former call",
            &[G::RepeatWaits],
            one(BAD),
            Breaks(ONE_PURCHASE, 8),
        ),
        twin(
            "bound",
            "calls may go on longer than the processing bound (an assumption)",
            &[G::BoundHolds],
            one(BAD),
            Breaks(ONE_PURCHASE, 9),
        ),
        twin("key death", "a dead key is sent", &[G::KeyDeath], one(OLD), Breaks(ONE_PURCHASE, 10)),
        twin(
            "send deadline",
            "bytes are sent after the deadline",
            &[G::SendDeadline],
            one(OLD),
            Breaks(ONE_PURCHASE, 9),
        ),
        twin("hold", "a held order is claimed", &[G::HoldStopsSends], one(BAD), Breaks(HELD, 2)),
        twin(
            "refund from an end",
            "a wish to cancel returns the money at once",
            &[G::RefundOnlyFromEnd],
            one(BAD),
            Breaks(NOT_BOTH, 5),
        ),
        twin(
            "refund with the end",
            "the refund is not intended where the order ends",
            &[G::RefundWithTheEnd],
            one(FEW),
            Holds("the payment of an ended order is read again, and the refund follows from that"),
        ),
        twin(
            "refund with the end, and ended orders read",
            "neither the end nor a later reading intends the refund",
            &[G::RefundWithTheEnd, G::EndedAreReadAgain],
            one(FEW),
            Sticks(4),
        ),
        twin(
            "fresh facts",
            "a claim takes facts of any age",
            &[G::FreshFacts],
            one(Quiet { undone: 1, ..quiet() }),
            Breaks(PAID, 3),
        ),
        twin(
            "person waits",
            "a person may say that nothing was bought while a call runs",
            &[G::PersonWaits],
            one(BAD),
            Breaks(NOT_BOTH, 12),
        ),
        twin(
            "version of a reading",
            "an old reading is recorded",
            &[G::ReadingVersion],
            one(BAD),
            Breaks(NOT_BOTH, 15),
        ),
        twin(
            "frozen bytes",
            "a repeat builds its bytes anew",
            &[G::FrozenBytes],
            one(Quiet { releases: 1, losses: 1, ..quiet() }),
            Breaks(SAME_BYTES, 9),
        ),
        twin(
            "recovery",
            "nobody takes up what a dead worker left",
            &[G::Recovery],
            one(Quiet { crashes: 1, ..quiet() }),
            Sticks(2),
        ),
        twin(
            "derived keys",
            "a restored database makes other keys",
            &[G::DerivedKeys],
            restored(Quiet { restores: 1, ..quiet() }),
            Breaks(ONE_PURCHASE, 8),
        ),
        twin(
            "restored soon",
            "a database is restored to a time that its keys do not outlive (what G22 holds a shop for)",
            &[G::RestoredSoon],
            restored(Quiet { restores: 1, deaths: 1, ..quiet() }),
            Breaks(ONE_PURCHASE, 9),
        ),
        twin(
            "restored and cancelled",
            "a restored shop is worked with before it was compared (what G22 holds a shop for)",
            &[],
            one(Quiet { restores: 1, people: 1, ..quiet() }),
            Breaks(NOT_BOTH, 7),
        ),
        twin(
            "one payment, one order",
            "two orders may name one PaymentIntent",
            &[G::OnePaymentOneOrder],
            told(FEW),
            Holds("the payment's metadata names one of them only"),
        ),
        twin(
            "payment names its order",
            "a payment pays whatever order it is named for",
            &[G::PaymentNamesOrder],
            told(FEW),
            Holds("a PaymentIntent is tied to one order"),
        ),
        twin(
            "one payment, unnamed",
            "neither",
            &[G::OnePaymentOneOrder, G::PaymentNamesOrder],
            told(FEW),
            Breaks(ONE_ORDER, 10),
        ),
        twin(
            "look",
            "nothing is read at Stripe before a send",
            &[G::LookedUp],
            refund(MONEY),
            Breaks(ONE_REFUND, 11),
        ),
        twin(
            "two keys apart",
            "a refund gets a new key at once",
            &[G::TwoKeysApart],
            refund(MONEY),
            Breaks(ONE_REFUND, 10),
        ),
        twin(
            "key death at Stripe",
            "a key that Stripe may have forgotten is sent",
            &[G::MoveKeyDeath],
            refund(MONEY),
            Breaks(ONE_REFUND, 12),
        ),
        twin(
            "bound at Stripe",
            "calls to Stripe may go on for ever (an assumption)",
            &[G::StripeBoundHolds],
            refund(MONEY),
            Breaks(ONE_REFUND, 12),
        ),
        twin(
            "deadline of a movement",
            "a movement is sent after its deadline",
            &[G::MoveDeadline],
            refund(MONEY),
            Breaks(ONE_REFUND, 12),
        ),
        twin(
            "token of a movement",
            "a movement is committed and recorded without its token",
            &[G::MoveFence],
            refund(MONEY),
            Breaks(ONE_REFUND, 16),
        ),
        twin(
            "lease of a movement",
            "a leased movement is leased again",
            &[G::MoveLease],
            refund(MONEY),
            Holds("key, look and token are the safety; it saves looks"),
        ),
        twin(
            "sum of refunds",
            "more may be intended than was received",
            &[G::SumOfRefunds],
            refund(Calm { asked: 1, ..calm() }),
            Holds("the look shows what is left, and Stripe returns no more than it has"),
        ),
        twin(
            "sum of refunds, unbounded Stripe",
            "neither we nor Stripe bound the sum",
            &[G::SumOfRefunds, G::StripeBoundsRefunds],
            refund(Calm { asked: 1, losses: 1, ..calm() }),
            Breaks(NOT_MORE, 9),
        ),
        twin(
            "unbounded Stripe",
            "Stripe returns more than it has received (an assumption)",
            &[G::StripeBoundsRefunds],
            refund(Calm { asked: 1, losses: 1, returns: 1, ..calm() }),
            Holds("our own sum is bounded under the payment's lock"),
        ),
        twin(
            "movement wanted",
            "a capture is sent for an order that has ended",
            &[G::MoveWanted],
            capture(Calm { ends: 1, ..calm() }),
            Holds("what was taken goes back by the next reading; it saves a refund"),
        ),
        twin(
            "Stripe captures once",
            "Stripe captures a PaymentIntent as often as it is asked (an assumption)",
            &[G::StripeCapturesOnce],
            capture(Calm { losses: 1, deaths: 1, errors: 1, ..calm() }),
            Breaks(ONE_CAPTURE, 11),
        ),
    ]
};
