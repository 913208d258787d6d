//! What an engine did, as numbers that only grow.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($name:ident: $meaning:literal),+ $(,)?) => {
        /// Counters of one engine.
        #[derive(Debug, Default)]
        pub struct Stats { $(#[doc = $meaning] pub $name: AtomicU64),+ }

        impl Stats {
            /// The counters by name.
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Ordering::Relaxed))),+]
            }
        }
    };
}

counters! {
    claimed: "Orders claimed.",
    repeated: "Of these, repeats of an open attempt.",
    sent: "Calls to the provider.",
    accepted: "Calls that were accepted.",
    refused: "Calls that were refused.",
    unknown: "Calls whose outcome is unknown.",
    not_sent: "Claims given back unsent.",
    recorded: "Answers recorded.",
    stale: "Answers whose lease was lost.",
    recovered: "Orders whose lease had ended.",
    reviewed: "Orders handed to a person.",
    read: "Accepted orders read at the provider.",
    found: "Unknown outcomes found in the provider's list.",
    paid: "Payments found good.",
    mismatched: "Payments that do not match their order.",
    unread: "Payments that could not be read, or that Stripe does not know.",
    followed: "Messages of Stripe followed up.",
    missed: "Messages found in Stripe's list that were never delivered here.",
    captures_planned: "Captures intended because the goods are bought.",
    unpaid_ended: "Unpaid orders whose time was over: cancelled, or their payment first.",
    move_sent: "Calls that move money.",
    moved: "Movements of money that were made.",
    move_accepted: "Refunds that Stripe has and the bank not yet.",
    move_refused: "Movements of money that Stripe refused, or that had become impossible.",
    move_failed: "Refunds that the bank returned.",
    move_unknown: "Calls that move money whose outcome is unknown.",
    faults: "Turns of a loop that ended in an error.",
}

impl Stats {
    /// Adds to a counter.
    pub fn add(counter: &AtomicU64, by: usize) {
        counter.fetch_add(by as u64, Ordering::Relaxed);
    }
}
