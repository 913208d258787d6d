//! What is simpler than an operation: less goes wrong in it, or its numbers are smaller.
//!
//! Promise: whatever is given is strictly simpler, so that making something simpler again and again ends.

use super::draw::{History, Kind};
use super::operation::{
    Amount, Content, Delivery, Event, Mishap, Operation, Paying, Slot, Step, Wish,
};

/// A shop in which nothing is special.
const PLAIN: Kind = Kind {
    two_persons_above: 0,
    captures_after: false,
    expires_after_s: 0,
    tries: (12, 5),
    fails_percent: 0,
    delivers_all: true,
};

/// The same history in shops that are plainer in one respect.
pub fn simpler_kinds(history: &History) -> Vec<History> {
    let kind = history.kind;
    let plainer = [
        PLAIN,
        Kind { two_persons_above: PLAIN.two_persons_above, ..kind },
        Kind { captures_after: PLAIN.captures_after, ..kind },
        Kind { expires_after_s: PLAIN.expires_after_s, ..kind },
        Kind { tries: PLAIN.tries, ..kind },
        Kind { fails_percent: PLAIN.fails_percent, ..kind },
        Kind { delivers_all: PLAIN.delivers_all, ..kind },
    ];
    let others = plainer.into_iter().filter(|other| *other != kind);
    others.map(|kind| History { kind, operations: history.operations.clone() }).collect()
}

/// What is simpler, the simplest first.
pub fn simpler(operation: &Operation) -> Vec<Operation> {
    match operation {
        Operation::Place(content) => contents(*content, Operation::Place),
        Operation::PlaceAgain(slot, content) => {
            let mut all = slots(*slot, |slot| Operation::PlaceAgain(slot, *content));
            all.extend(contents(*content, |content| Operation::PlaceAgain(*slot, content)));
            all
        }
        Operation::Pay(slot, paying, tied) => pays(*slot, *paying, *tied),
        Operation::Attach(slot, payment) => {
            let mut all = slots(*slot, |slot| Operation::Attach(slot, *payment));
            all.extend(below(u32::from(*payment), 0, |payment| Operation::Attach(*slot, payment)));
            all
        }
        Operation::Bank(payment, yes) => {
            below(u32::from(*payment), 0, |payment| Operation::Bank(payment, *yes))
        }
        Operation::Deliver(delivery) => deliveries(*delivery),
        Operation::Work(worker, step, mishap) => works(*worker, *step, mishap),
        Operation::GoOn(worker) => below(u32::from(*worker), 0, Operation::GoOn),
        Operation::Kill(worker) => below(u32::from(*worker), 0, Operation::Kill),
        Operation::Wait(seconds) => below(*seconds, 1, Operation::Wait),
        Operation::ClockBack(minutes) => below(u32::from(*minutes), 1, Operation::ClockBack),
        Operation::Ask(slot, wish) => {
            let mut all = slots(*slot, |slot| Operation::Ask(slot, *wish));
            all.extend(wishes(*wish).into_iter().map(|wish| Operation::Ask(*slot, wish)));
            all
        }
        Operation::Shop(_) => Vec::new(),
        Operation::Stripe(payment, event) => {
            let mut all =
                below(u32::from(*payment), 0, |payment| Operation::Stripe(payment, *event));
            if let Event::PartRefunded(cents) = event {
                all.extend(below(u32::from(*cents), 1, |cents| {
                    Operation::Stripe(*payment, Event::PartRefunded(cents))
                }));
            }
            all
        }
    }
}

/// Numbers below one, down to the least: that one, then ever nearer ones, to a sixty-fourth of the way.
fn below<N: TryFrom<u32>, T>(number: u32, least: u32, made: impl Fn(N) -> T) -> Vec<T> {
    let way = number.saturating_sub(least);
    let mut numbers = vec![least];
    let mut step = way / 2;
    while step > way / 64 || step == 1 {
        numbers.push(number - step);
        step /= 2;
    }
    numbers.retain(|one| *one < number);
    numbers.dedup();
    numbers.into_iter().filter_map(|one| N::try_from(one).ok()).map(made).collect()
}

fn contents(content: Content, made: impl Fn(Content) -> Operation) -> Vec<Operation> {
    if content == Content::One { Vec::new() } else { vec![made(Content::One)] }
}

fn slots(slot: Slot, made: impl Fn(Slot) -> Operation) -> Vec<Operation> {
    let mut all = Vec::new();
    if slot.status.is_some() {
        all.push(made(Slot::of(slot.number)));
    }
    let lower = |number| made(Slot { number, status: slot.status });
    all.extend(below(u32::from(slot.number), 0, lower));
    all
}

fn pays(slot: Slot, paying: Paying, tied: bool) -> Vec<Operation> {
    let mut all = slots(slot, |slot| Operation::Pay(slot, paying, tied));
    if paying != Paying::Right {
        all.push(Operation::Pay(slot, Paying::Right, tied));
    }
    if !tied {
        all.push(Operation::Pay(slot, paying, true));
    }
    let cents = |number: u16, made: fn(u16) -> Paying| {
        below(u32::from(number), 1, move |cents| Operation::Pay(slot, made(cents), tied))
    };
    match paying {
        Paying::TooLittle(number) => all.extend(cents(number, Paying::TooLittle)),
        Paying::TooMuch(number) => all.extend(cents(number, Paying::TooMuch)),
        _ => {}
    }
    all
}

fn deliveries(delivery: Delivery) -> Vec<Operation> {
    let simple: Vec<Delivery> = match delivery {
        Delivery::Oldest(count) => below(u32::from(count), 1, Delivery::Oldest),
        Delivery::Newest(count) => {
            let mut all = vec![Delivery::Oldest(count)];
            all.extend(below(u32::from(count), 1, Delivery::Newest));
            all
        }
        Delivery::Twice => vec![Delivery::Oldest(1)],
    };
    simple.into_iter().map(Operation::Deliver).collect()
}

fn works(worker: u8, step: Step, mishap: &Mishap) -> Vec<Operation> {
    let mut all = Vec::new();
    if *mishap != Mishap::None {
        all.push(Operation::Work(worker, step, Mishap::None));
    }
    all.extend(below(u32::from(worker), 0, |worker| Operation::Work(worker, step, mishap.clone())));
    if let Step::Submit(slot) = step {
        all.extend(slots(slot, |slot| Operation::Work(worker, Step::Submit(slot), mishap.clone())));
    }
    all
}

fn wishes(wish: Wish) -> Vec<Wish> {
    match wish {
        Wish::Refund(amount, key) => {
            let mut all = Vec::new();
            if key.is_some() {
                all.push(Wish::Refund(amount, None));
            }
            match amount {
                Amount::All | Amount::TooMuch => all.push(Wish::Refund(Amount::Part(500), key)),
                Amount::Part(cents) => all.extend(below(u32::from(cents), 1, |cents| {
                    Wish::Refund(Amount::Part(cents), key)
                })),
            }
            all
        }
        Wish::Recover(age) => below(u32::from(age), 0, Wish::Recover),
        Wish::Nonsense(place) => below(u32::from(place), 0, Wish::Nonsense),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::draw::history;

    #[test]
    fn making_any_operation_simpler_again_and_again_ends() {
        for seed in 0..200 {
            for operation in history(seed, 80).operations {
                let (mut now, mut steps) = (operation.clone(), 0);
                // The last one is the least simpler of all.
                while let Some(next) = simpler(&now).pop() {
                    now = next;
                    steps += 1;
                    assert!(steps < 5_000, "seed {seed}: {operation:?}");
                }
            }
        }
    }

    #[test]
    fn a_number_is_made_the_least_one_or_brought_ever_less_down() {
        let waits = simpler(&Operation::Wait(100));
        assert_eq!(waits, [1, 51, 76, 88, 94, 97, 99].map(Operation::Wait));
        assert_eq!(simpler(&Operation::Wait(1)), []);
    }
}
