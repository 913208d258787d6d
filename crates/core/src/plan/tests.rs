//! The tests of what follows from an answer.

use super::*;
use crate::state::is_edge;

const SENT: Sent = Sent { generation: 1, calls: 1, last_code: None };

fn setback(answer: Answer, sent: &Sent) -> Setback {
    match after_answer(answer, sent, &Limits::default(), 7) {
        Consequence::Setback(setback) => setback,
        Consequence::Accept(id) => panic!("accepted {id}"),
    }
}

fn refusal(class: Class, key_used_up: bool) -> Refusal {
    Refusal { class, code: "some_code".into(), key_used_up, kept: true, wrong_fields: None }
}

#[test]
fn an_unknown_outcome_is_never_settled_and_never_returns_to_pending() {
    for doubt in [
        Doubt::TimedOut,
        Doubt::ConnectionBroke,
        Doubt::ServerError,
        Doubt::Unreadable,
        Doubt::TooManyRequests,
        Doubt::UnreadableClientError,
        Doubt::Stopped,
        Doubt::LeaseEnded,
    ] {
        for calls in [1, 5, 12, 13] {
            let answer = Answer::Unknown { doubt, retry_after: None };
            let next = setback(answer, &Sent { calls, ..SENT });
            assert_eq!((next.outcome, next.settlement), ("unknown", None));
            assert_eq!(next.after == Status::NeedsReview, calls >= 12, "{doubt:?} {calls}");
            assert_ne!(next.after, Status::Pending);
        }
    }
}

#[test]
fn a_refusal_is_settled_only_when_the_key_is_used_up() {
    for class in Class::ALL {
        for key_used_up in [true, false] {
            for generation in [1, 5] {
                let sent = Sent { generation, ..SENT };
                let next = setback(Answer::Refused(refusal(class, key_used_up)), &sent);
                assert!(key_used_up || next.settlement.is_none(), "{class}");
                assert_eq!(next.settlement.is_some(), next.outcome == "refused", "{class}");
                if next.after == Status::Pending {
                    assert!(next.settlement.is_some(), "{class} would buy again");
                }
                assert!(
                    next.after == Status::Submitting
                        || is_edge(Some(Status::Submitting), next.after)
                );
                assert_eq!(
                    next.after == Status::NeedsReview,
                    next.review_reason.is_some(),
                    "{class}"
                );
            }
        }
    }
}

#[test]
fn each_class_has_the_consequence_of_the_contract() {
    let after = |class| {
        let next = setback(Answer::Refused(refusal(class, true)), &SENT);
        (next.after, next.hold_reason, next.review_reason)
    };
    assert_eq!(after(Class::RetryNewKey), (Status::Pending, None, None));
    assert_eq!(after(Class::HoldUntilFunded), (Status::Pending, Some("awaiting_funds"), None));
    assert_eq!(after(Class::Rejected), (Status::Failed, None, None));
    assert_eq!(after(Class::Cancelled), (Status::Failed, None, None));
    assert_eq!(after(Class::NeedsReview), (Status::NeedsReview, None, Some("some_code".into())));
    assert_eq!(after(Class::Configuration), (Status::Submitting, None, None));
    let exhausted = Sent { generation: 5, ..SENT };
    let next = setback(Answer::Refused(refusal(Class::RetryNewKey, true)), &exhausted);
    assert_eq!(next.review_reason.as_deref(), Some("attempts_exhausted"));
}

#[test]
fn a_wrong_account_pauses_the_account_and_fails_no_order() {
    let next = setback(Answer::Refused(refusal(Class::Configuration, false)), &SENT);
    assert!(next.pause.is_some_and(|pause| pause.alarm));
    assert_eq!((next.after, next.outcome), (Status::Submitting, "unknown"));
}

#[test]
fn a_stored_fault_of_the_account_costs_its_order_one_key_and_pauses_the_account_once() {
    let wrong = || Answer::Refused(refusal(Class::Configuration, false));
    let first = setback(wrong(), &SENT);
    assert!(first.pause.is_some());
    assert_eq!((first.after, first.settlement), (Status::Submitting, None));
    let sent = Sent { calls: 2, last_code: Some("some_code".into()), ..SENT };
    let again = setback(wrong(), &sent);
    assert_eq!((again.after, again.settlement), (Status::Pending, Some("key_used_up")));
    assert_eq!(again.pause, None, "the account was paused for it already");
    let last = setback(wrong(), &Sent { generation: 5, ..sent.clone() });
    assert_eq!(last.review_reason.as_deref(), Some("attempts_exhausted"));
    // Another code is another fault, and is paused for.
    let other = setback(wrong(), &Sent { last_code: Some("other_code".into()), ..sent });
    assert!(other.pause.is_some() && other.settlement.is_none());
}

#[test]
fn a_fault_of_the_account_settles_nothing_when_a_call_before_may_have_bought() {
    let wrong = || Answer::Refused(refusal(Class::Configuration, false));
    // The first call was lost; then the same fault twice: whoever refuses us may do so before he
    // looks at the key, and the first call may have bought.
    for calls in [3, 4, 11, 12] {
        let sent = Sent { calls, last_code: Some("some_code".into()), ..SENT };
        let next = setback(wrong(), &sent);
        assert_eq!((next.outcome, next.settlement), ("unknown", None), "{calls}");
        assert_eq!((next.after, next.pause), (Status::NeedsReview, None), "{calls}");
    }
    let lost = Sent { calls: 2, last_code: Some("timed_out".into()), ..SENT };
    assert_eq!(setback(wrong(), &lost).settlement, None);
}

#[test]
fn a_refused_token_never_uses_a_key_up_and_its_last_try_calls_a_person() {
    for calls in 1..=13 {
        let barred = Refusal { kept: false, ..refusal(Class::Configuration, false) };
        let sent = Sent { calls, last_code: Some("some_code".into()), ..SENT };
        let next = setback(Answer::Refused(barred), &sent);
        assert_eq!((next.outcome, next.settlement), ("unknown", None), "{calls}");
        assert_eq!(next.after == Status::NeedsReview, calls >= 12, "{calls}");
        assert_eq!(next.review_reason.is_some(), calls >= 12);
        assert!(next.pause.is_some_and(|pause| pause.alarm));
    }
}

#[test]
fn an_empty_balance_stops_the_whole_account_for_a_while() {
    let next = setback(Answer::Refused(refusal(Class::HoldUntilFunded, true)), &SENT);
    assert_eq!(next.hold_reason, Some("awaiting_funds"));
    let pause = next.pause.expect("a pause");
    assert_eq!((pause.length, pause.grows), (Limits::default().account_pause, false));
}

#[test]
fn the_wait_that_the_provider_asks_for_is_taken_as_it_is_and_bounded() {
    let asked = |retry_after| {
        let doubt = Doubt::TooManyRequests;
        let next = setback(Answer::Unknown { doubt, retry_after }, &SENT);
        let pause = next.pause.expect("a pause");
        assert!(next.delay >= retry_after.unwrap_or_default().min(trouble::PAUSE_MAX));
        (pause.length.as_secs(), pause.grows)
    };
    assert_eq!(asked(Some(Duration::from_secs(90))), (90, false));
    assert_eq!(asked(Some(Duration::from_hours(24))), (3600, false));
    assert_eq!(asked(Some(Duration::ZERO)), (1, true));
    assert_eq!(asked(None), (1, true));
}

#[test]
fn whatever_keeps_a_request_from_leaving_lets_the_account_rest() {
    let words = ["no_connection", "connect_timed_out", "tls_failed", "closed_before_sending"];
    for why in words.into_iter().chain(["send_deadline_passed", "request_not_built"]) {
        let next = setback(Answer::NotSent { why }, &SENT);
        assert_eq!((next.after, next.outcome), (Status::Pending, "open"), "{why}");
        let pause = next.pause.expect("a pause");
        assert!(pause.grows || pause.alarm, "{why} would be tried again and again");
    }
    assert_eq!(
        setback(Answer::NotSent { why: "stopped" }, &SENT).pause,
        None,
        "other engines go on"
    );
}

#[test]
fn a_request_that_is_itself_wrong_says_which_fields_to_those_who_mend_it() {
    let reason = |fields| {
        let wrong_fields = Some(fields);
        let refusal = Refusal { wrong_fields, ..refusal(Class::Rejected, true) };
        setback(Answer::Refused(refusal), &SENT).review_reason.expect("a reason")
    };
    assert_eq!(reason(vec![]), "request_invalid");
    assert_eq!(reason(vec!["zip_code", "quantity"]), "request_invalid: zip_code, quantity");
    assert!(reason(vec!["shipping_address"; 40]).chars().count() <= 100);
}

#[test]
fn only_an_order_without_an_open_attempt_gets_a_new_key() {
    let limits = Limits::default();
    let open = OpenAttempt { generation: 1, calls: 1, key_dead: false, may_still_run: false };
    assert_eq!(before_send(0, None, &limits), Intent::Open(1));
    assert_eq!(before_send(4, None, &limits), Intent::Open(5));
    assert_eq!(before_send(5, None, &limits), Intent::Review("attempts_exhausted"));
    assert_eq!(before_send(1, Some(open), &limits), Intent::Repeat(1));
    for (attempt, intent) in [
        (OpenAttempt { key_dead: true, ..open }, Intent::Review("key_dead")),
        (OpenAttempt { calls: 12, ..open }, Intent::Review("outcome_unknown")),
        (OpenAttempt { may_still_run: true, ..open }, Intent::Leave),
    ] {
        assert_eq!(before_send(1, Some(attempt), &limits), intent);
    }
}
