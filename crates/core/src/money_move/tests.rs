//! Every combination of what may be known and read, and a small Stripe to play against.

use super::*;
use proptest::prelude::*;

mod play;

const WORDS: [&str; 8] = [
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "requires_capture",
    "processing",
    "succeeded",
    "canceled",
    "a_word_of_next_year",
];
const REFUND_WORDS: [&str; 6] =
    ["pending", "requires_action", "succeeded", "failed", "canceled", "a_word_of_next_year"];
const CODES: [Option<&str>; 4] =
    [None, Some("timed_out"), Some(STORED_ERROR), Some("refused:charge_already_refunded")];

pub(super) fn due(kind: Kind) -> Due {
    Due {
        id: "m-1".into(),
        kind,
        amount_minor: 700,
        state: State::Open,
        calls: 0,
        keys: 1,
        key_dead: false,
        call_over: true,
        why: Why::Other,
        wanted: true,
        stripe_id: None,
        code: None,
    }
}

fn sent(kind: Kind) -> Due {
    Due { state: State::Unknown, calls: 1, ..due(kind) }
}

/// A payment with this word, and the money that goes with it.
fn seen(word: &str) -> Seen {
    Seen {
        ours: true,
        payment_intent: "pi_1".into(),
        status: word.into(),
        received_minor: if word == "succeeded" { 700 } else { 0 },
        capturable_minor: if word == "requires_capture" { 700 } else { 0 },
        refunds: Vec::new(),
    }
}

fn refund(id: &str, status: &str, amount_minor: Minor, refund_id: Option<&str>) -> SeenRefund {
    let refund_id = refund_id.map(Into::into);
    SeenRefund { id: id.into(), status: status.into(), amount_minor, refund_id }
}

/// Every movement that can be due.
fn every_due(kind: Kind) -> Vec<Due> {
    let mut states = vec![(State::Open, 0), (State::Unknown, 1), (State::Unknown, 50)];
    states.extend((kind == Kind::Refund).then_some((State::Accepted, 1)));
    let mut all = Vec::new();
    for ((state, calls), code) in states.into_iter().flat_map(|one| CODES.map(|code| (one, code))) {
        for flags in 0..32_u8 {
            all.push(Due {
                state,
                calls,
                keys: if flags & 1 == 0 { 1 } else { look::KEYS_MAX },
                key_dead: flags & 2 != 0 && calls > 0,
                call_over: flags & 4 != 0,
                wanted: flags & 8 != 0,
                why: if flags & 16 == 0 { Why::Other } else { Why::Unpaid },
                code: code.map(Into::into),
                ..due(kind)
            });
        }
    }
    all
}

/// Every movement with everything that may be read of it.
fn every_look(kind: Kind) -> impl Iterator<Item = (Due, Seen)> {
    let seen = every_seen();
    every_due(kind)
        .into_iter()
        .flat_map(move |due| seen.clone().into_iter().map(move |seen| (due.clone(), seen)))
}

/// Every payment that can be read, with every refund of ours, of others, and none.
fn every_seen() -> Vec<Seen> {
    let mut all = Vec::new();
    for word in WORDS {
        for (received_minor, capturable_minor) in
            [(0, 0), (0, 700), (700, 0), (300, 0), (0, 300), (900, 0)]
        {
            let plain = Seen { received_minor, capturable_minor, ..seen(word) };
            for status in REFUND_WORDS {
                for refund_id in [None, Some("m-1"), Some("m-2")] {
                    let refunds = vec![refund("re_1", status, 700, refund_id)];
                    all.push(Seen { refunds, ..plain.clone() });
                }
            }
            all.push(plain);
        }
    }
    all
}

#[test]
fn nothing_is_sent_that_is_done_or_impossible_or_wanted_by_nobody() {
    for kind in Kind::ALL {
        for (due, seen) in every_look(kind) {
            let Step::Send { renew } = before_send(&due, &seen, 7) else { continue };
            assert!(due.wanted && due.state != State::Accepted, "{due:?} {seen:?}");
            assert!(!renew || due.calls > 0 && due.keys < look::KEYS_MAX, "{due:?} {seen:?}");
            let word = seen.status.as_str();
            match kind {
                Kind::Capture => {
                    assert!(word == "requires_capture" && seen.capturable_minor >= 700, "{seen:?}");
                }
                Kind::Cancel => {
                    assert!(word.starts_with("requires_"), "{seen:?}");
                    let reserved = word == "requires_capture";
                    assert!(!reserved || due.why == Why::Other, "{due:?} {seen:?}");
                }
                Kind::Refund => {
                    let ours = |refund: &SeenRefund| refund.refund_id.as_deref() == Some("m-1");
                    assert!(!seen.refunds.iter().any(ours), "{seen:?}");
                    let live = seen.refunds.iter().any(SeenRefund::is_live);
                    assert!(seen.received_minor >= if live { 1400 } else { 700 }, "{seen:?}");
                    assert!(!renew || due.key_dead && due.call_over, "{due:?}");
                    assert!(renew || !due.key_dead, "a dead key is not used again: {due:?}");
                }
            }
        }
    }
}

#[test]
fn every_look_leads_to_a_step_whose_pause_is_bounded_and_whose_end_is_founded() {
    for kind in Kind::ALL {
        for (due, seen) in every_look(kind) {
            for chance in [0, 1, u64::MAX] {
                let step = before_send(&due, &seen, chance);
                let Some(record) = step.clone().record(&due, chance) else { continue };
                let pauses = PAUSE_LEAST..=PAUSES.cap;
                assert!(record.state.is_end() || pauses.contains(&record.delay), "{step:?}");
                match record.state {
                    State::Open | State::Unknown => assert_eq!(record.state, due.state),
                    State::Withdrawn => assert!(due.calls == 0 && !due.wanted, "{due:?}"),
                    State::Accepted | State::Failed => assert_eq!(kind, Kind::Refund),
                    State::Refused => {
                        assert_ne!(due.state, State::Accepted, "what Stripe has is not refused");
                    }
                    State::Done => {}
                }
            }
        }
    }
}

#[test]
fn a_capture_is_done_when_the_payment_received_the_amount() {
    let step = |word: &str| before_send(&sent(Kind::Capture), &seen(word), 0);
    assert_eq!(
        step("succeeded"),
        Step::Done { stripe_id: "pi_1".into(), status: "succeeded".into() }
    );
    assert_eq!(step("requires_capture"), Step::Send { renew: false });
    assert!(matches!(step("processing"), Step::Wait(_)));
    for word in ["canceled", "requires_payment_method", "requires_confirmation", "requires_action"]
    {
        assert_eq!(step(word), Step::Refused { code: word.into() });
    }
    let other = Seen { received_minor: 699, ..seen("succeeded") };
    let code = "other_amount_received".into();
    assert_eq!(before_send(&sent(Kind::Capture), &other, 0), Step::Refused { code });
    let little = Seen { capturable_minor: 699, ..seen("requires_capture") };
    let code = "too_little_reserved".into();
    assert_eq!(before_send(&due(Kind::Capture), &little, 0), Step::Refused { code });
}

#[test]
fn a_cancellation_of_a_paid_payment_is_refused_and_one_at_the_bank_waits() {
    let step = |word: &str| before_send(&due(Kind::Cancel), &seen(word), 0);
    assert_eq!(step("succeeded"), Step::Refused { code: "succeeded".into() });
    assert_eq!(
        step("canceled"),
        Step::Done { stripe_id: "pi_1".into(), status: "canceled".into() }
    );
    assert!(matches!(step("processing"), Step::Wait(_)));
    assert_eq!(step("requires_capture"), Step::Send { renew: false });
}

#[test]
fn a_refund_is_what_the_refund_with_our_id_is() {
    let step = |status: &str| {
        let refunds =
            vec![refund("re_0", "succeeded", 1, None), refund("re_1", status, 700, Some("m-1"))];
        before_send(&sent(Kind::Refund), &Seen { refunds, ..seen("succeeded") }, 0)
    };
    let (stripe_id, status) = ("re_1".to_owned(), |word: &str| word.to_owned());
    assert_eq!(
        step("succeeded"),
        Step::Done { stripe_id: stripe_id.clone(), status: status("succeeded") }
    );
    for word in ["pending", "requires_action"] {
        assert_eq!(
            step(word),
            Step::Accepted { stripe_id: stripe_id.clone(), status: status(word) }
        );
    }
    for word in ["failed", "canceled"] {
        assert_eq!(step(word), Step::Failed { stripe_id: stripe_id.clone(), status: status(word) });
    }
    assert!(matches!(step("a_word_of_next_year"), Step::Wait(_)));
}

#[test]
fn a_refund_that_is_known_by_its_id_is_that_one_and_a_living_one_says_more_than_a_failed_one() {
    let both = vec![
        refund("re_1", "failed", 700, Some("m-1")),
        refund("re_2", "succeeded", 700, Some("m-1")),
    ];
    let look = Seen { refunds: both, received_minor: 2000, ..seen("succeeded") };
    let step = before_send(&sent(Kind::Refund), &look, 0);
    assert_eq!(step, Step::Done { stripe_id: "re_2".into(), status: "succeeded".into() });
    let known =
        Due { state: State::Accepted, stripe_id: Some("re_1".into()), ..sent(Kind::Refund) };
    let step = before_send(&known, &look, 0);
    assert_eq!(step, Step::Failed { stripe_id: "re_1".into(), status: "failed".into() });
}

#[test]
fn what_others_returned_is_not_returned_again_and_what_failed_of_it_is() {
    let step = |status: &str, amount: Minor| {
        let refunds = vec![refund("re_1", status, amount, None)];
        before_send(&due(Kind::Refund), &Seen { refunds, ..seen("succeeded") }, 0)
    };
    assert_eq!(step("succeeded", 1), Step::Refused { code: "more_than_is_left".into() });
    assert_eq!(step("succeeded", Minor::MAX), Step::Refused { code: "more_than_is_left".into() });
    assert_eq!(step("failed", 700), Step::Send { renew: false });
    let nothing = before_send(&due(Kind::Refund), &seen("requires_capture"), 0);
    assert_eq!(nothing, Step::Refused { code: "nothing_received".into() });
    let odd = vec![refund("re_1", "succeeded", 699, Some("m-1"))];
    let odd = before_send(&sent(Kind::Refund), &Seen { refunds: odd, ..seen("succeeded") }, 0);
    assert_eq!(odd, Step::Refused { code: "refund_of_another_amount".into() });
}

#[test]
fn a_refund_has_a_new_key_only_when_the_former_is_dead_and_its_call_long_over() {
    let look = seen("succeeded");
    let table = [
        (false, true, None, Some(Step::Send { renew: false })),
        (false, true, Some(STORED_ERROR), None),
        (false, true, Some("refused:x"), Some(Step::Send { renew: false })),
        (true, false, None, None),
        (true, true, None, Some(Step::Send { renew: true })),
        (true, true, Some(STORED_ERROR), Some(Step::Send { renew: true })),
    ];
    for (key_dead, call_over, code, expected) in table {
        let due = Due { key_dead, call_over, code: code.map(Into::into), ..sent(Kind::Refund) };
        let step = before_send(&due, &look, 3);
        match expected {
            Some(expected) => assert_eq!(step, expected, "{due:?}"),
            None => assert!(matches!(step, Step::Wait(_)), "{due:?} {step:?}"),
        }
    }
}

#[test]
fn a_capture_or_a_cancellation_has_a_new_key_when_the_former_gives_a_stored_word() {
    for kind in [Kind::Capture, Kind::Cancel] {
        let look = seen("requires_capture");
        for (code, renew) in [
            (None, false),
            (Some("timed_out"), false),
            (Some(STORED_ERROR), true),
            (Some("refused:x"), true),
        ] {
            let due = Due { code: code.map(Into::into), ..sent(kind) };
            assert_eq!(before_send(&due, &look, 0), Step::Send { renew }, "{due:?}");
        }
        let dead = Due { key_dead: true, ..sent(kind) };
        assert_eq!(before_send(&dead, &look, 0), Step::Send { renew: true });
        let last = Due { keys: look::KEYS_MAX, ..dead.clone() };
        assert_eq!(before_send(&last, &look, 0), Step::Refused { code: "keys_used_up".into() });
        // Hours of stored errors end nothing: then there is a new key when the former is dead.
        let many = Due { keys: look::KEYS_AT_ONCE, code: Some(STORED_ERROR.into()), ..sent(kind) };
        assert!(matches!(before_send(&many, &look, 0), Step::Wait(_)), "{kind:?}");
        let dead = Due { keys: look::KEYS_AT_ONCE, ..dead };
        assert_eq!(before_send(&dead, &look, 0), Step::Send { renew: true });
    }
}

#[test]
fn window_b10_money_that_is_reserved_before_the_cancellation_for_want_of_it_is_sent_ends_it() {
    let look = seen("requires_capture");
    let unsent = Due { why: Why::Unpaid, ..due(Kind::Cancel) };
    assert_eq!(before_send(&unsent, &look, 0), Step::Refused { code: "reserved".into() });
    let running = Due { why: Why::Unpaid, call_over: false, ..sent(Kind::Cancel) };
    assert!(matches!(before_send(&running, &look, 0), Step::Wait(_)), "it may still arrive");
    let over = Due { call_over: true, ..running };
    assert_eq!(before_send(&over, &look, 0), Step::Refused { code: "reserved".into() });
    let asked_for = Due { why: Why::Other, ..unsent };
    assert_eq!(before_send(&asked_for, &look, 0), Step::Send { renew: false });
}

#[test]
fn what_nobody_wants_any_more_is_withdrawn_unsent_or_ended_once_its_call_is_over() {
    let look = seen("requires_capture");
    let unsent = Due { wanted: false, ..due(Kind::Cancel) };
    assert_eq!(before_send(&unsent, &look, 0), Step::Withdraw);
    let unknown = Due { wanted: false, ..sent(Kind::Cancel) };
    assert_eq!(before_send(&unknown, &look, 0), Step::Refused { code: "not_wanted".into() });
    let running = Due { call_over: false, ..unknown.clone() };
    assert!(matches!(before_send(&running, &look, 0), Step::Wait(_)));
    let made = before_send(&unknown, &seen("canceled"), 0);
    assert!(matches!(made, Step::Done { .. }), "what was made is told as made");
}

fn answered(status: &str, amount_minor: Minor) -> Answer {
    Answer::Done { stripe_id: "x_1".into(), status: status.into(), amount_minor }
}

#[test]
fn an_answer_ends_a_movement_only_if_it_shows_what_was_asked_for() {
    let state =
        |kind, status: &str, amount| after_answer(answered(status, amount), &due(kind), 0).state;
    assert_eq!(state(Kind::Capture, "succeeded", 700), State::Done);
    assert_eq!(state(Kind::Capture, "succeeded", 699), State::Unknown);
    assert_eq!(state(Kind::Capture, "processing", 700), State::Unknown);
    assert_eq!(state(Kind::Cancel, "canceled", 0), State::Done);
    assert_eq!(state(Kind::Cancel, "succeeded", 700), State::Unknown);
    assert_eq!(state(Kind::Refund, "succeeded", 700), State::Done);
    assert_eq!(state(Kind::Refund, "succeeded", 1), State::Unknown);
    assert_eq!(state(Kind::Refund, "odd", 700), State::Unknown);
    for word in ["pending", "requires_action"] {
        assert_eq!(state(Kind::Refund, word, 700), State::Accepted);
    }
    for word in ["failed", "canceled"] {
        assert_eq!(state(Kind::Refund, word, 700), State::Failed);
    }
    for kind in Kind::ALL {
        for word in WORDS.iter().chain(&REFUND_WORDS) {
            let record = after_answer(answered(word, 700), &due(kind), 0);
            assert_eq!(record.stripe_id.is_some(), record.state != State::Unknown, "{record:?}");
        }
    }
}

#[test]
fn a_refusal_is_believed_when_it_comes_again_after_a_look() {
    for kind in Kind::ALL {
        let refused = || Answer::Refused { code: "charge_already_refunded".into() };
        let first = after_answer(refused(), &due(kind), 0);
        assert_eq!(first.state, State::Unknown);
        assert!(first.delay <= Duration::from_secs(1));
        let due = Due { code: first.code, ..sent(kind) };
        let second = after_answer(refused(), &due, 0);
        assert_eq!(
            (second.state, second.code.as_deref()),
            (State::Refused, Some("charge_already_refunded"))
        );
        let lost = after_answer(
            Answer::Unknown { doubt: "timed_out", retry_after: None, replayed: false },
            &due,
            0,
        );
        assert_eq!(
            after_answer(refused(), &Due { code: lost.code, ..due }, 0).state,
            State::Unknown
        );
    }
}

#[test]
fn what_tells_nothing_of_the_movement_keeps_what_is_remembered_of_it() {
    for code in [STORED_ERROR, "refused:x"] {
        let due = Due { code: Some(code.into()), ..sent(Kind::Refund) };
        for answer in [Answer::Barred(403), Answer::NotSent("no_connection")] {
            let record = after_answer(answer, &due, 0);
            assert_eq!((record.state, record.code.as_deref()), (State::Unknown, Some(code)));
        }
    }
    let barred = after_answer(Answer::Barred(401), &due(Kind::Refund), 0);
    assert_eq!(barred.code.as_deref(), Some("stripe_http_401"));
    assert!(barred.delay >= PAUSES.cap / 2);
    let bug = after_answer(Answer::Bug { code: "idempotency_error".into() }, &due(Kind::Refund), 0);
    assert_eq!(
        (bug.state, bug.code.as_deref()),
        (State::Refused, Some("fault_of_ours:idempotency_error"))
    );
}

#[test]
fn a_stored_error_is_remembered_and_a_wait_that_stripe_asks_for_is_kept_within_bounds() {
    let answer = |retry_after: Option<u64>, replayed| {
        let retry_after = retry_after.map(Duration::from_secs);
        after_answer(
            Answer::Unknown { doubt: "server_error", retry_after, replayed },
            &due(Kind::Refund),
            0,
        )
    };
    assert_eq!(answer(None, true).code.as_deref(), Some(STORED_ERROR));
    assert_eq!(answer(None, false).code.as_deref(), Some("server_error"));
    assert_eq!(answer(Some(9), false).delay, Duration::from_secs(9));
    assert_eq!(answer(Some(9_000), false).delay, PAUSES.cap);
}

#[test]
fn names_are_read_as_they_are_written() {
    for kind in Kind::ALL {
        assert_eq!(Kind::parse(kind.name()), Some(kind));
    }
    for state in State::ALL {
        assert_eq!(State::parse(state.name()), Some(state));
    }
    assert_eq!((Kind::parse("x"), State::parse("x")), (None, None));
}

#[test]
fn the_database_knows_the_same_kinds_and_states() {
    let sql = include_str!("../../../store/migrations/0006_money.sql");
    for kind in Kind::ALL {
        assert!(sql.contains(&format!("'{}'", kind.name())), "{kind:?}");
    }
    for state in State::ALL {
        assert!(sql.contains(&format!("'{}'", state.name())), "{state:?}");
    }
}

proptest! {
    #[test]
    fn no_pause_is_longer_than_five_minutes_or_shorter_than_its_least(
        calls: u32, chance: u64, seconds: u32
    ) {
        let retry_after = Some(Duration::from_secs(seconds.into()));
        let due = Due { calls, ..sent(Kind::Refund) };
        for answer in [
            Answer::Unknown { doubt: "timed_out", retry_after, replayed: false },
            Answer::NotSent("stopped"),
            Answer::Barred(401),
            Answer::Refused { code: "x".into() },
            answered("pending", 700),
        ] {
            let delay = after_answer(answer, &due, chance).delay;
            prop_assert!((PAUSE_LEAST..=PAUSES.cap).contains(&delay), "{delay:?}");
        }
        prop_assert!(Record::unread(&due, calls, chance).delay <= PAUSES.cap);
    }
}

#[test]
fn nothing_is_sent_about_a_payment_that_names_another_order() {
    for kind in Kind::ALL {
        for word in ["succeeded", "requires_capture", "requires_payment_method", "canceled"] {
            let step = before_send(&due(kind), &Seen { ours: false, ..seen(word) }, 0);
            assert_eq!(step, Step::Refused { code: "names_another_order".into() }, "{word}");
        }
    }
}
