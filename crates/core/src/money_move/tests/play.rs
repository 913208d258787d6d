//! A small Stripe that does its worst within the contract, and an engine that may die between any two
//! steps: whatever happens, a movement takes effect once at most, and it ends.

use super::*;
use std::collections::HashMap;

/// How long, in minutes, Stripe knows a key, and we use one.
const KEY_AT_STRIPE: u32 = 24 * 60;
const KEY_OF_OURS: u32 = 23 * 60;
/// How long a call may go on at Stripe when we have given it up.
const CALL_LONGEST: u32 = 10;

/// What one call meets.
#[derive(Debug, Clone, Copy)]
enum Luck {
    Good,
    AnswerLost,
    NeverArrived,
    /// Lost, and done only some minutes later; until then its key is in use.
    Later(u32),
    ErrorStoredAfter,
    ErrorStoredBefore,
    ErrorNotStored,
    Busy,
    CardError,
    /// The engine dies after the commit, before the call.
    DiesBefore,
    /// The engine dies with the answer in its hand.
    DiesAfter,
}

fn luck() -> impl Strategy<Value = Luck> {
    prop_oneof![
        Just(Luck::Good),
        Just(Luck::AnswerLost),
        Just(Luck::NeverArrived),
        (1..CALL_LONGEST).prop_map(Luck::Later),
        Just(Luck::ErrorStoredAfter),
        Just(Luck::ErrorStoredBefore),
        Just(Luck::ErrorNotStored),
        Just(Luck::Busy),
        Just(Luck::CardError),
        Just(Luck::DiesBefore),
        Just(Luck::DiesAfter),
    ]
}

#[derive(Clone)]
struct Stored {
    at: u32,
    answer: Answer,
}

struct Stripe {
    now: u32,
    word: &'static str,
    refunds: Vec<SeenRefund>,
    keys: HashMap<String, Stored>,
    later: Vec<(u32, String)>,
    effects: u32,
    kind: Kind,
}

impl Stripe {
    fn of(kind: Kind) -> Self {
        let word = if kind == Kind::Refund { "succeeded" } else { "requires_capture" };
        let (refunds, keys, later) = (Vec::new(), HashMap::new(), Vec::new());
        Self { now: 0, word, refunds, keys, later, effects: 0, kind }
    }

    fn pass(&mut self, minutes: u32) {
        self.now += minutes;
        for (at, key) in std::mem::take(&mut self.later) {
            if at <= self.now {
                let answer = self.perform();
                self.keys.insert(key, Stored { at, answer });
            } else {
                self.later.push((at, key));
            }
        }
        let now = self.now;
        self.keys.retain(|_, stored| now - stored.at < KEY_AT_STRIPE);
    }

    /// Does what is asked for, whatever its key: what is there already is refused for a payment only.
    fn perform(&mut self) -> Answer {
        let refused = || Answer::Refused { code: "payment_intent_unexpected_state".into() };
        match self.kind {
            Kind::Refund => {
                // Money of others is there too, so nothing but us stands against a second refund.
                let id = format!("re_{}", self.refunds.len());
                self.refunds.push(refund(&id, "succeeded", 700, Some("m-1")));
            }
            Kind::Capture | Kind::Cancel if self.word != "requires_capture" => return refused(),
            Kind::Capture => self.word = "succeeded",
            Kind::Cancel => self.word = "canceled",
        }
        self.effects += 1;
        let stripe_id = self.refunds.last().map_or("pi_1".into(), |refund| refund.id.clone());
        Answer::Done { stripe_id, status: self.word.into(), amount_minor: 700 }
    }

    fn read(&self) -> Seen {
        let received_minor =
            if self.kind == Kind::Refund { 7000 } else { seen(self.word).received_minor };
        Seen { received_minor, refunds: self.refunds.clone(), ..seen(self.word) }
    }

    fn call(&mut self, key: &str, luck: Luck) -> Answer {
        let unknown =
            |replayed| Answer::Unknown { doubt: "server_error", retry_after: None, replayed };
        if matches!(luck, Luck::NeverArrived | Luck::ErrorNotStored | Luck::Busy | Luck::DiesBefore)
            || self.later.iter().any(|(_, busy)| busy == key)
        {
            return unknown(false);
        }
        if let Some(stored) = self.keys.get(key) {
            let lost = matches!(luck, Luck::AnswerLost);
            return match stored.answer.clone() {
                _ if lost => unknown(false),
                Answer::Unknown { .. } => unknown(true),
                answer => answer,
            };
        }
        let (told, stored) = match luck {
            Luck::Later(minutes) => {
                self.later.push((self.now + minutes, key.to_owned()));
                return unknown(false);
            }
            Luck::ErrorStoredBefore => (unknown(false), unknown(false)),
            Luck::CardError => {
                let refused = Answer::Refused { code: "card_declined".into() };
                (refused.clone(), refused)
            }
            Luck::ErrorStoredAfter => {
                self.perform();
                (unknown(false), unknown(false))
            }
            Luck::AnswerLost => (unknown(false), self.perform()),
            _ => {
                let answer = self.perform();
                (answer.clone(), answer)
            }
        };
        self.keys.insert(key.to_owned(), Stored { at: self.now, answer: stored });
        told
    }
}

/// The movement as the database has it.
struct Row {
    state: State,
    calls: u32,
    keys: u32,
    key_dead_at: Option<u32>,
    call_ended_at: u32,
    code: Option<String>,
    stripe_id: Option<String>,
}

impl Row {
    fn due(&self, kind: Kind, now: u32) -> Due {
        let quarantine = if kind == Kind::Refund { CALL_LONGEST } else { 0 };
        Due {
            state: self.state,
            calls: self.calls,
            keys: self.keys,
            key_dead: self.key_dead_at.is_some_and(|at| at <= now),
            call_over: self.call_ended_at + quarantine <= now,
            code: self.code.clone(),
            stripe_id: self.stripe_id.clone(),
            ..due(kind)
        }
    }

    fn commit(&mut self, renew: bool, now: u32) {
        self.state = State::Unknown;
        self.calls += 1;
        self.keys += u32::from(renew);
        if renew || self.key_dead_at.is_none() {
            self.key_dead_at = Some(now + KEY_OF_OURS);
        }
        self.call_ended_at = now;
    }

    fn record(&mut self, record: Record) {
        (self.state, self.code) = (record.state, record.code);
        self.stripe_id = record.stripe_id.or(self.stripe_id.take());
    }
}

/// Plays a movement to its end; gives its last state.
fn play(kind: Kind, course: &[(Luck, u32)]) -> (State, u32) {
    let mut stripe = Stripe::of(kind);
    let mut row = Row {
        state: State::Open,
        calls: 0,
        keys: 1,
        key_dead_at: None,
        call_ended_at: 0,
        code: None,
        stripe_id: None,
    };
    // Once the bad luck is used up, everything goes well: then it must end within some days.
    let good = std::iter::repeat_n((Luck::Good, 60), 24 * 20);
    for (luck, minutes) in course.iter().copied().chain(good) {
        stripe.pass(minutes);
        let due = row.due(kind, stripe.now);
        let step = before_send(&due, &stripe.read(), 5);
        if let Some(record) = step.clone().record(&due, 5) {
            row.record(record);
        } else if let Step::Send { renew } = step {
            row.commit(renew, stripe.now);
            let answer = stripe.call(&format!("key:{}", row.keys), luck);
            if !matches!(luck, Luck::DiesBefore | Luck::DiesAfter) {
                row.record(after_answer(answer, &due, 5));
            }
        }
        assert!(stripe.effects <= 1, "{kind:?} took effect twice: {course:?}");
        if row.state.is_end() {
            break;
        }
    }
    stripe.pass(CALL_LONGEST);
    assert!(row.state.is_end(), "{kind:?} never ended: {course:?}");
    (row.state, stripe.effects)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_happens_to_its_calls_a_movement_takes_effect_once_at_most_and_ends(
        course in proptest::collection::vec((luck(), prop_oneof![0_u32..30, Just(60), Just(25 * 60)]), 0..12)
    ) {
        for kind in Kind::ALL {
            let (state, effects) = play(kind, &course);
            prop_assert_eq!(effects == 1, state == State::Done, "{:?} {:?} {:?}", kind, state, course);
        }
    }
}

#[test]
fn a_refund_that_never_arrived_before_a_long_outage_is_made_once_afterwards() {
    for luck in [Luck::NeverArrived, Luck::ErrorStoredBefore, Luck::DiesBefore] {
        assert_eq!(play(Kind::Refund, &[(luck, 0), (Luck::Good, 25 * 60)]), (State::Done, 1));
    }
}

#[test]
fn a_refund_that_took_effect_before_a_long_outage_is_found_afterwards() {
    for luck in [Luck::AnswerLost, Luck::ErrorStoredAfter, Luck::DiesAfter, Luck::Later(5)] {
        assert_eq!(play(Kind::Refund, &[(luck, 0), (Luck::Good, 25 * 60)]), (State::Done, 1));
    }
}

#[test]
fn a_refund_that_is_still_on_its_way_under_a_dying_key_gets_no_second_one() {
    let last_moment = KEY_OF_OURS - 1;
    let course = [(Luck::NeverArrived, 0), (Luck::Later(9), last_moment), (Luck::Good, 1)];
    assert_eq!(play(Kind::Refund, &course), (State::Done, 1));
}
