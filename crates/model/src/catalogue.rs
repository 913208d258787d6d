//! The scenarios that are explored, and the twins that must fail.
//!
//! Promise: what the tests, the command and docs/MODEL.md speak of stands here once. A twin that holds
//! is named as one: then the guard saves calls or keeps the record true, and is not the safety.

mod twins;

pub use twins::{Expected, TWINS, Twin};

use crate::explore::{Broken, Explored, Rest, prove, shortest, stuck};
use crate::guard::{Guard, Without};
use crate::money::{self, Movements};
use crate::purchase::state::Said;
use crate::purchase::{self, Purchases};
use crate::world::World as _;
use orders_core::money_move::Kind;

/// One of the two models.
#[derive(Debug, Clone, Copy)]
pub enum Any {
    /// Purchases.
    Purchase(Purchases),
    /// Movements of money.
    Money(Movements),
}

impl Any {
    /// The same without some guards.
    #[must_use]
    pub fn without(self, guards: &[Guard]) -> Self {
        let without = Without::of(guards);
        match self {
            Self::Purchase(world) => Self::Purchase(Purchases { without, ..world }),
            Self::Money(world) => Self::Money(Movements { without, ..world }),
        }
    }

    /// Explores it with `stateright`.
    pub fn prove(self, threads: usize, most: Option<usize>, watch: &dyn Fn(usize)) -> Explored {
        match self {
            Self::Purchase(world) => prove(world, threads, most, watch),
            Self::Money(world) => prove(world, threads, most, watch),
        }
    }

    /// The shortest history that breaks a law, or any law.
    pub fn shortest(self, law: Option<&'static str>) -> (usize, Option<Broken>) {
        let one = law.map(|law| [law]);
        let chosen = one.as_ref().map(<[_; 1]>::as_slice);
        match self {
            Self::Purchase(world) => shortest(&world, chosen.unwrap_or(world.laws())),
            Self::Money(world) => shortest(&world, chosen.unwrap_or(world.laws())),
        }
    }

    /// Looks for states without a way out.
    pub fn stuck(self) -> Rest {
        match self {
            Self::Purchase(world) => stuck(&world),
            Self::Money(world) => stuck(&world),
        }
    }
}

/// One order that may meet everything that a scenario allows.
pub const ONE: Purchases = Purchases {
    without: Without::NOTHING,
    orders: 1,
    workers: 2,
    calls_max: 2,
    generations_max: 2,
    wallet: 9,
    one_payment: false,
    people_decide: true,
    budget: quiet(),
    stored_words: &[Said::Later, Said::Never],
    at_the_door: &[Said::Unclear],
};

/// One refund of a part of the money; a second one may be asked for.
pub const REFUND: Movements = Movements {
    without: Without::NOTHING,
    workers: 2,
    kind: Kind::Refund,
    amounts: [1, 2, 1],
    money: 2,
    budget: calm(),
};

/// One capture, after which the order may end.
pub const CAPTURE: Movements = Movements {
    without: Without::NOTHING,
    workers: 2,
    kind: Kind::Capture,
    amounts: [1, 1, 1],
    money: 1,
    budget: calm(),
};

/// Nothing goes wrong with a purchase.
pub const fn quiet() -> purchase::state::Budget {
    purchase::state::Budget {
        crashes: 0,
        losses: 0,
        refusals: 0,
        people: 0,
        undone: 0,
        releases: 0,
        restores: 0,
        deaths: 0,
    }
}

/// Nothing goes wrong with a movement.
pub const fn calm() -> money::state::Budget {
    money::state::Budget {
        crashes: 0,
        losses: 0,
        errors: 0,
        returns: 0,
        asked: 0,
        deaths: 0,
        restores: 0,
        ends: 0,
    }
}

/// A scenario with all guards.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What is explored.
    pub world: Any,
    /// The fewest states that it must have, so that a model in which nothing happens fails.
    pub states_min: usize,
}

const fn purchases(name: &'static str, world: Purchases, states_min: usize) -> Scenario {
    Scenario { name, world: Any::Purchase(world), states_min }
}

const fn movements(name: &'static str, world: Movements, states_min: usize) -> Scenario {
    Scenario { name, world: Any::Money(world), states_min }
}

/// What the tests explore.
pub const SCENARIOS: &[Scenario] = {
    use money::state::Budget as Calm;
    use purchase::state::Budget as Quiet;
    let two = Purchases { orders: 2, generations_max: 1, ..ONE };
    &[
        purchases(
            "one order, two workers",
            Purchases { budget: Quiet { crashes: 1, losses: 1, refusals: 1, ..quiet() }, ..ONE },
            100_000,
        ),
        purchases(
            "one order, three workers",
            Purchases { workers: 3, budget: Quiet { losses: 1, ..quiet() }, ..ONE },
            20_000,
        ),
        purchases(
            "one order and people",
            Purchases { budget: Quiet { losses: 1, people: 1, ..quiet() }, ..ONE },
            20_000,
        ),
        purchases(
            "one order whose key dies",
            Purchases { budget: Quiet { losses: 1, deaths: 1, ..quiet() }, ..ONE },
            10_000,
        ),
        purchases(
            "one order of an account that is refused",
            Purchases {
                calls_max: 3,
                budget: Quiet { refusals: 2, ..quiet() },
                stored_words: &[Said::Account],
                at_the_door: &[Said::Account],
                ..ONE
            },
            20_000,
        ),
        purchases(
            "one order whose payment is undone",
            Purchases { budget: Quiet { undone: 1, losses: 1, people: 1, ..quiet() }, ..ONE },
            20_000,
        ),
        purchases(
            "one order and a new release",
            Purchases { budget: Quiet { releases: 1, losses: 1, crashes: 1, ..quiet() }, ..ONE },
            10_000,
        ),
        purchases(
            "one order that is restored",
            Purchases {
                people_decide: false,
                budget: Quiet { restores: 1, losses: 1, ..quiet() },
                ..ONE
            },
            10_000,
        ),
        purchases(
            "two orders that share a balance",
            Purchases { wallet: 1, calls_max: 1, budget: quiet(), ..two },
            5_000,
        ),
        purchases(
            "two orders that are told one payment",
            Purchases { one_payment: true, budget: Quiet { losses: 1, ..quiet() }, ..two },
            100,
        ),
        movements(
            "a refund in part",
            Movements { budget: Calm { losses: 1, errors: 1, deaths: 1, ..calm() }, ..REFUND },
            10_000,
        ),
        movements(
            "a refund that comes back, and another one",
            Movements { budget: Calm { losses: 1, returns: 1, asked: 1, ..calm() }, ..REFUND },
            10_000,
        ),
        movements(
            "a refund that is restored",
            Movements { budget: Calm { losses: 1, restores: 1, deaths: 1, ..calm() }, ..REFUND },
            5_000,
        ),
        movements(
            "a capture while its order ends",
            Movements { workers: 1, budget: Calm { losses: 1, ends: 1, ..calm() }, ..CAPTURE },
            1_000,
        ),
    ]
};

/// What `just model` explores beside them, and how many states it generates of each at most.
pub const DEEP: &[(Scenario, usize)] = {
    use money::state::Budget as Calm;
    use purchase::state::Budget as Quiet;
    let bad = Quiet { crashes: 1, losses: 1, refusals: 1, ..quiet() };
    &[
        (
            purchases(
                "one order, two workers, people, and keys that die",
                Purchases { budget: Quiet { people: 1, deaths: 1, ..bad }, ..ONE },
                5_000_000,
            ),
            60_000_000,
        ),
        (
            purchases(
                "one order, three workers, and more of everything",
                Purchases {
                    workers: 3,
                    calls_max: 3,
                    at_the_door: &[Said::Unclear, Said::Account],
                    stored_words: &[Said::Later, Said::Never, Said::Account],
                    budget: Quiet { losses: 2, people: 1, ..bad },
                    ..ONE
                },
                1_500_000,
            ),
            8_000_000,
        ),
        (
            purchases(
                "two orders that share a balance, and lose answers",
                Purchases { orders: 2, generations_max: 1, wallet: 1, budget: bad, ..ONE },
                1_000_000,
            ),
            6_000_000,
        ),
        (
            movements(
                "a refund with everything",
                Movements {
                    budget: Calm {
                        crashes: 1,
                        losses: 1,
                        errors: 1,
                        returns: 1,
                        asked: 1,
                        deaths: 1,
                        restores: 1,
                        ends: 0,
                    },
                    ..REFUND
                },
                1_000_000,
            ),
            6_000_000,
        ),
        (
            movements(
                "a capture while its order ends, two workers",
                Movements { budget: Calm { losses: 1, errors: 1, ends: 1, ..calm() }, ..CAPTURE },
                500_000,
            ),
            4_000_000,
        ),
    ]
};
