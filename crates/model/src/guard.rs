//! The guards of the protocol, one variant each, so that a model can be explored without one of them.
//!
//! Promise: what a variant takes away is said in one sentence, and nothing else changes. Three
//! variants are not ours: they are assumptions about the partners, and switching one off shows what
//! rests on it.

/// Something that the protocol does, and that a twin of the model does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Guard {
    /// The key belongs to the attempt, not to the call (`commit_intents`). // G4
    StableKey,
    /// Assumed: the provider makes one purchase of equal keys.
    ProviderDedupes,
    /// No timer settles an attempt whose outcome is unknown (`recover_stuck_orders`). // G5
    UnknownWaits,
    /// A leased order is not claimed (`lock_due_orders`, `commit_intents`).
    ClaimRespectsLease,
    /// A lost answer is not a refusal (`orders_core::plan::after_answer`). // G5
    LostAnswerIsUnknown,
    /// A lost answer is not even an unsettled refusal.
    LostAnswerIsNoDoubt,
    /// A refusal settles only when it has used the key up (`Refusal::is_an_end`). // G6
    OnlyUsedUpKeySettles,
    /// A quarantine alone does not settle a refusal. // G6
    QuarantineIsNotEnough,
    /// A look-up alone does not settle a refusal. // G6
    LookUpIsNotEnough,
    /// A list that does not show a purchase proves nothing (ruling 2).
    AbsenceProvesNothing,
    /// Cancelling at once is for orders of which nothing was sent (`cancel_order`). // G7
    CancelOnlyUnsent,
    /// A record demands the token of the claim (`record_setbacks`, `record_acceptances`). // G13
    Fence,
    /// Recovery leaves an order `submitting` (`recover_ended_leases`).
    RecoveryKeepsSubmitting,
    /// Refusals that used their key up are settled at all.
    RefusalsSettle,
    /// One unsettled attempt: what is open is repeated, never followed (the unique index). // G6
    OneUnsettled,
    /// A repeat waits for the former call's deadline and the processing bound (ruling 4).
    RepeatWaits,
    /// A dead key is not sent (ruling 3).
    KeyDeath,
    /// No byte leaves after the call's deadline (the gateway's guard). // G16
    SendDeadline,
    /// A held order is not claimed (`lock_due_orders`, `commit_intents`).
    HoldStopsSends,
    /// Money goes back only from an end (`move_wanted`, `return_money`). // G7
    RefundOnlyFromEnd,
    /// The refund is intended in the transaction that ends the order (`end_unbought`).
    RefundWithTheEnd,
    /// The payment of an ended order is read again and settled (`settle_payment`).
    EndedAreReadAgain,
    /// A claim wants facts of the payment that are a minute old at most (`gate_age_ms`). // G2
    FreshFacts,
    /// Nobody says "nothing was bought" while a call may run (`resolve_review`).
    PersonWaits,
    /// A reading is recorded only for the version that it was read at (`record_readings`).
    ReadingVersion,
    /// A repeat sends the stored bytes (`order_attempts.request_body`). // G4
    FrozenBytes,
    /// Somebody takes up what a dead worker left (`recover_stuck_orders`). // G15
    Recovery,
    /// Keys are derived, so that a restored database repeats instead of buying anew (ruling 6).
    DerivedKeys,
    /// A PaymentIntent pays one order (the key of `payments`).
    OnePaymentOneOrder,
    /// A payment pays the order that its metadata names (`payment_deviation`).
    PaymentNamesOrder,
    /// Assumed: the call of a dead connection has ended after the processing bound.
    BoundHolds,
    /// Assumed: a database is restored to a time that its keys outlive.
    RestoredSoon,
    /// Stripe is read before every send of a movement (`money_move::look`). // G28
    LookedUp,
    /// A refund's next key comes only after the death of the former (`commit_move`). // G28
    TwoKeysApart,
    /// A key of a movement that Stripe may have forgotten is not sent.
    MoveKeyDeath,
    /// A movement is recorded and committed behind its lease's token (`record_move`).
    MoveFence,
    /// A leased movement is not leased again (`lease_moves`).
    MoveLease,
    /// A movement is sent only while its order wants it (`move_wanted`). // G7
    MoveWanted,
    /// No byte of a movement leaves after its deadline.
    MoveDeadline,
    /// The sum of refunds is bounded under the payment's lock (`refunds_within_received`). // G28
    SumOfRefunds,
    /// Assumed: Stripe returns no more than it received.
    StripeBoundsRefunds,
    /// Assumed: Stripe captures a PaymentIntent once, whatever the key.
    StripeCapturesOnce,
    /// Assumed: a call to Stripe has ended ten minutes after its deadline.
    StripeBoundHolds,
}

/// Guards that are switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Without(u64);

impl Without {
    /// The protocol as it is.
    pub const NOTHING: Self = Self(0);

    /// The protocol without these.
    pub fn of(guards: &[Guard]) -> Self {
        Self(guards.iter().fold(0, |set, guard| set | 1 << *guard as u64))
    }

    /// Whether a guard stands.
    pub fn has(self, guard: Guard) -> bool {
        self.0 & (1 << guard as u64) == 0
    }
}
