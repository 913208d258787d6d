//! A history drawn by its seed: which shop it is, what happens in it and what goes wrong.
//!
//! Promise: the same seed draws the same history. How often each kind of thing happens differs from seed to
//! seed (some do not happen at all), because what only shows when something else is rare or frequent would
//! never show in a fair mixture.

use super::alphabet::{EVENTS, STATUSES};
use super::operation::{
    Amount, Content, Decision, Delivery, Event, Id, Length, Mishap, Operation, Paying, Report,
    Resolution, Slot, Step, Whole, Wish,
};
use super::{mishap, scene};

/// What is drawn from: a small generator (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// With this seed, for this purpose.
    pub fn of(seed: u64, purpose: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ purpose.wrapping_mul(0xD1B5_4A32_D192_ED03))
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below a bound that is not nought.
    pub fn below(&mut self, bound: u8) -> u8 {
        u8::try_from(self.number() % u64::from(bound.max(1))).unwrap_or_default()
    }

    /// A number from this one to that one.
    pub fn between(&mut self, least: u32, most: u32) -> u32 {
        let spread = u64::from(most.saturating_sub(least)) + 1;
        least + u32::try_from(self.number() % spread).unwrap_or_default()
    }

    /// Whether something happens that does so in so many of a hundred cases.
    pub fn happens(&mut self, percent: u8) -> bool {
        self.below(100) < percent
    }

    /// A place among so many.
    pub fn place(&mut self, count: usize) -> usize {
        usize::try_from(self.number() % count.max(1) as u64).unwrap_or_default()
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[usize::try_from(self.number() % items.len() as u64).unwrap_or_default()]
    }

    /// A place among these weights, none of which need be set.
    fn weighted(&mut self, weights: &[u32]) -> usize {
        let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut left = self.number() % sum.max(1);
        for (place, weight) in weights.iter().enumerate() {
            match left.checked_sub(u64::from(*weight)) {
                Some(rest) => left = rest,
                None => return place,
            }
        }
        0
    }
}

/// How a shop is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Above which amount two persons must agree to a refund; 0 is never.
    pub two_persons_above: u32,
    /// Whether money is reserved first and taken after the purchase.
    pub captures_after: bool,
    /// After how many seconds an unpaid order ends; 0 is never.
    pub expires_after_s: u32,
    /// How many calls there are under one key, and how many keys of one order.
    pub tries: (u8, u8),
    /// Of a hundred purchases so many end without goods.
    pub fails_percent: u8,
    /// What is left of Stripe's messages is delivered in the end.
    pub delivers_all: bool,
}

/// A history that can be played.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The shop.
    pub kind: Kind,
    /// What happens in it.
    pub operations: Vec<Operation>,
}

/// What one seed likes.
struct Mood {
    orders: u8,
    mishaps: u8,
}

type Maker = fn(&mut Dice, &Mood) -> Operation;

/// What is drawn, how often in a fair mixture, and whether a seed may do without.
const TABLE: [(u32, bool, Maker); 23] = [
    (6, false, |dice, _| Operation::Place(content(dice))),
    (2, true, |dice, mood| Operation::PlaceAgain(slot(dice, mood), content(dice))),
    (9, false, pay),
    (3, true, |dice, mood| Operation::Attach(slot(dice, mood), dice.below(mood.orders + 2))),
    (3, true, |dice, mood| Operation::Bank(dice.below(mood.orders + 2), dice.happens(70))),
    (6, true, |dice, _| Operation::Deliver(delivery(dice))),
    (12, false, |dice, mood| {
        let step = Step::Submit(slot(dice, mood));
        work(dice, mood, step)
    }),
    (5, true, |dice, mood| work(dice, mood, Step::SubmitDue)),
    (8, false, |dice, mood| work(dice, mood, Step::ReadPayment)),
    (4, true, |dice, mood| work(dice, mood, Step::Recover)),
    (7, false, |dice, mood| work(dice, mood, Step::Watch)),
    (2, true, |dice, mood| work(dice, mood, Step::LookUp)),
    (5, true, |dice, mood| work(dice, mood, Step::FollowUp)),
    (2, true, |dice, mood| work(dice, mood, Step::ReadMissed)),
    (3, true, |dice, mood| work(dice, mood, Step::Intend)),
    (8, false, |dice, mood| work(dice, mood, Step::Move)),
    (1, true, |dice, mood| work(dice, mood, Step::Reconcile)),
    (4, true, |dice, _| Operation::GoOn(dice.below(2))),
    (1, true, |dice, _| Operation::Kill(dice.below(2))),
    (12, false, |dice, _| Operation::Wait(seconds(dice))),
    (1, true, |dice, _| Operation::Shop(whole(dice))),
    (22, false, |dice, mood| Operation::Ask(slot(dice, mood), wish(dice))),
    (6, true, |dice, mood| Operation::Stripe(dice.below(mood.orders + 2), event(dice))),
];

/// The operations of a history that is long enough for scenes; they are about so many.
const SCENES_FROM: usize = 60;
const SCENES: usize = 46;

/// Draws the history of a seed, of about so many operations at most.
pub fn history(seed: u64, operations_max: usize) -> History {
    let mut dice = Dice::of(seed, 1);
    let has_scenes = operations_max >= SCENES_FROM;
    let most = if has_scenes { operations_max - SCENES } else { operations_max };
    let shortest = most.min(10) as u64;
    let length = usize::try_from(shortest + dice.number() % (most as u64 - shortest + 1));
    let kind = Kind {
        two_persons_above: dice.one_of(&[0, 0, 500]),
        captures_after: dice.happens(25),
        expires_after_s: dice.one_of(&[0, 0, 3_600, 90_000]),
        tries: dice.one_of(&[(12, 5), (12, 5), (2, 2), (3, 3)]),
        fails_percent: dice.one_of(&[0, 0, 60]),
        delivers_all: dice.happens(50),
    };
    let mut operations = mixture(&mut dice, length.unwrap_or(most));
    if has_scenes {
        for scene in scene::of(seed, &mut dice) {
            let at = 2 + dice.place(operations.len() - 1);
            operations.splice(at..at, scene);
        }
    }
    // A clock that is wrong twice could be wrong by more than the time between the life of a key here and
    // the memory of a partner. That is an hour, so it is wrong by less: whoever is wrong by more may send a
    // key that was forgotten, and nothing could tell.
    if dice.happens(10) {
        let at = dice.place(operations.len());
        let minutes = u8::try_from(dice.between(1, 55)).unwrap_or(1);
        operations.insert(at, Operation::ClockBack(minutes));
    }
    History { kind, operations }
}

/// So many operations, as one seed likes them.
fn mixture(dice: &mut Dice, length: usize) -> Vec<Operation> {
    let mood = Mood { orders: 1 + dice.below(4), mishaps: dice.one_of(&[0, 20, 45]) };
    let weights: Vec<u32> = TABLE
        .iter()
        .map(|(weight, may_lack, _)| match dice.below(8) {
            0 if *may_lack => 0,
            1 => weight * 4,
            _ => *weight,
        })
        .collect();
    let mut operations = vec![Operation::Place(content(dice)), pay(dice, &mood)];
    while operations.len() < length {
        let made = (TABLE[dice.weighted(&weights)].2)(dice, &mood);
        // More orders than a seed likes would each be seldom met.
        let placed = operations.iter().filter(|one| matches!(one, Operation::Place(_))).count();
        if matches!(made, Operation::Place(_)) && placed >= usize::from(mood.orders) {
            continue;
        }
        operations.push(made);
    }
    operations
}

/// An order, now and then by the status that it should be in.
fn slot(dice: &mut Dice, mood: &Mood) -> Slot {
    let number = dice.below(mood.orders);
    if dice.happens(30) {
        return Slot::in_status(number, dice.one_of(&STATUSES));
    }
    Slot::of(number)
}

fn work(dice: &mut Dice, mood: &Mood, step: Step) -> Operation {
    let worker = dice.below(2);
    let mishap = if dice.happens(mood.mishaps) { mishap::drawn(dice, step) } else { Mishap::None };
    Operation::Work(worker, step, mishap)
}

fn content(dice: &mut Dice) -> Content {
    dice.one_of(&[Content::One, Content::One, Content::Three, Content::Gift])
}

fn pay(dice: &mut Dice, mood: &Mood) -> Operation {
    use Paying::{ForAnother, Later, OtherCurrency, Reserved, Right, TooLittle, TooMuch};
    let cents = cents(dice);
    let of = [
        Right,
        Right,
        Right,
        Right,
        Right,
        Right,
        Reserved,
        Later,
        TooLittle(cents),
        TooMuch(cents),
        OtherCurrency,
        ForAnother,
    ];
    Operation::Pay(slot(dice, mood), dice.one_of(&of), dice.happens(70))
}

/// An amount that is less than any order costs, often a very small one.
fn cents(dice: &mut Dice) -> u16 {
    let most = dice.one_of(&[1, 100, 1_200]);
    u16::try_from(dice.between(1, most)).unwrap_or(1)
}

fn delivery(dice: &mut Dice) -> Delivery {
    let count = 1 + dice.below(6);
    dice.one_of(&[
        Delivery::Oldest(count),
        Delivery::Oldest(count),
        Delivery::Newest(count),
        Delivery::Twice,
    ])
}

/// A length of time, drawn on both sides of what it is longer than.
fn seconds(dice: &mut Dice) -> u32 {
    use Length::{Bound, Day, Days, Hour, KeyLife, Lease, Quarter, Seconds};
    let length = dice.one_of(&[
        Seconds, Seconds, Seconds, Bound, Bound, Lease, Lease, Lease, Quarter, Quarter, Hour, Hour,
        KeyLife, Day, Days,
    ]);
    let (least, most) = match length {
        Seconds => (1, 30),
        Bound => (55, 75),
        Lease => (85, 160),
        Quarter => (290, 1_000),
        Hour => (3_500, 4_000),
        KeyLife => (82_000, 83_600),
        Day => (85_000, 91_000),
        Days => (170_000, 300_000),
    };
    dice.between(least, most)
}

fn whole(dice: &mut Dice) -> Whole {
    dice.one_of(&[Whole::Hold, Whole::Release, Whole::Release, Whole::ReleaseUncompared])
}

fn wish(dice: &mut Dice) -> Wish {
    match dice.weighted(&[10, 4, 8, 10, 7, 8, 10, 12, 2, 2]) {
        0 => Wish::Cancel,
        1 => Wish::Hold,
        2 => Wish::Release,
        3 => {
            let part = Amount::Part(cents(dice));
            let amount = dice.one_of(&[Amount::All, part, part, Amount::TooMuch]);
            let key = dice.happens(50).then(|| dice.below(2));
            Wish::Refund(amount, key)
        }
        4 => Wish::Decide(dice.one_of(&[
            Decision::Approve,
            Decision::Approve,
            Decision::ApproveOneself,
            Decision::ApproveOther,
            Decision::Withdraw,
            Decision::Again,
        ])),
        5 => Wish::Complete(dice.one_of(&[
            Id::None,
            Id::Right,
            Id::Right,
            Id::Others,
            Id::Second,
            Id::Outside,
        ])),
        6 => {
            let id = dice.one_of(&[Id::Right, Id::Right, Id::Right, Id::Others, Id::Second]);
            let far = dice.one_of(&[
                Report::Submitted,
                Report::Submitted,
                Report::Processing,
                Report::Completed,
                Report::Failed,
            ]);
            Wish::Report(id, far)
        }
        7 => Wish::Resolve(dice.one_of(&[
            Resolution::NothingWasBought,
            Resolution::NothingWasBought,
            Resolution::BuyAgain,
            Resolution::WatchOn,
            Resolution::GiveUp,
        ])),
        8 => Wish::Recover(dice.below(4)),
        _ => Wish::Nonsense(dice.below(u8::MAX)),
    }
}

fn event(dice: &mut Dice) -> Event {
    match dice.one_of(&EVENTS) {
        Event::PartRefunded(_) => Event::PartRefunded(cents(dice)),
        event => event,
    }
}
