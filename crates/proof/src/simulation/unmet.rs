//! What no history can meet, each with its reason. A cell that is met after all must go from here.

/// Cells of `coverage` and why they are not met.
pub const UNMET: &[(&str, &str)] = &[
    (
        "cancel_order answered: purchase_forgotten",
        "no database is restored here, so none has forgotten a purchase; tests/restored.rs has it",
    ),
    (
        "resolve_review answered: purchase_forgotten",
        "no database is restored here, so none has forgotten a purchase; tests/restored.rs has it",
    ),
    (
        "complete_order_processing answered: order_completed",
        "every completed order has a request id, and another one is a conflict before this is asked",
    ),
    (
        "edge: needs_review -> submitting",
        "no function lets a person ask for the same key again; the edge waits for one",
    ),
    (
        "edge: needs_review -> processing",
        "a report of the retailer's order leads there by way of submitted_to_zinc, and nothing else is read of an order in review",
    ),
    (
        "edge: pending -> needs_review",
        "an order whose attempts are used up goes to review where the last one ends, so no claim meets one; what cannot be put into a request is refused when it is placed",
    ),
    (
        "place_order answered: PT422",
        "orders are placed without a caller's key; the tests of the API have it",
    ),
    (
        "place_order answered: payment_taken",
        "orders are placed before anything is paid for them, so none names a payment",
    ),
    (
        "release_shop answered: held_anew",
        "it takes two people in one moment, and one thing happens at a time here",
    ),
    (
        "release_shop answered: not_compared",
        "an engine that begins compares the books at once, and nothing goes wrong in that here",
    ),
];
