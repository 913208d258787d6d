//! What the simulation was seen to find: faults of the program that were made on purpose, one at a time.

/// A fault that was made on purpose, and how it was found.
#[derive(Debug, Clone, Copy)]
pub struct Mutant {
    /// What was broken.
    pub what: &'static str,
    /// The first seed of the test command that failed.
    pub seed: u64,
    /// By which rule.
    pub seen: &'static str,
    /// How many operations were left when it was made smaller.
    pub smallest: usize,
}

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        what: "a lost answer counts as a refusal, and a new key follows",
        seed: 1,
        seen: "bought twice",
        smallest: 3,
    },
    Mutant {
        what: "a repeat is sent under another key",
        seed: 1,
        seen: "bought twice",
        smallest: 4,
    },
    Mutant {
        what: "the request names twice the price that may be paid",
        seed: 1,
        seen: "a price cap above the total",
        smallest: 2,
    },
    Mutant {
        what: "nobody is told of an order in review",
        seed: 3,
        seen: "in review and nobody is told",
        smallest: 2,
    },
    Mutant {
        what: "an acceptance is recorded whoever holds the claim, and however late",
        seed: 28,
        seen: "written over another one's claim",
        smallest: 6,
    },
    Mutant {
        what: "a claim is given back by whoever once held it",
        seed: 53,
        seen: "written over another one's claim",
        smallest: 6,
    },
    Mutant {
        what: "money is returned of an order that may still be bought",
        seed: 1,
        seen: "money returned of an order that may be bought",
        smallest: 4,
    },
    Mutant {
        what: "more is returned than is left",
        seed: 60,
        seen: "more to be returned than was ever received",
        smallest: 8,
    },
    Mutant {
        what: "one person approves the refund that he has asked for",
        seed: 7,
        seen: "a function failed: the constraint of two persons",
        smallest: 6,
    },
];
