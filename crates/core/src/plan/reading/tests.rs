//! The tests of what follows from a reading.

use super::*;
use crate::outcome::Doubt;
use crate::state::is_edge;

const WATCHED: Watched = Watched {
    status: Status::SubmittedToZinc,
    generation: 1,
    currency: Currency::Gbp,
    price_cap_minor: 1530,
    complete_on: CompleteOn::Delivered,
    poll: Duration::from_mins(5),
    age: Duration::from_mins(5),
    vain: 0,
};
const PROCESSING: Watched = Watched { status: Status::Processing, ..WATCHED };

fn refusal(class: Class, key_used_up: bool) -> Refusal {
    Refusal { class, code: "some_code".into(), key_used_up, kept: true, wrong_fields: None }
}

fn placed(delivered: bool) -> Placed {
    Placed {
        cost_minor: Some(1500),
        currency: Some("GBP".into()),
        merchant_order_ids: vec!["112".into()],
        delivered,
    }
}

fn next(reading: Reading, watched: Watched) -> Next {
    after_reading(reading, watched, &Limits::default(), 7)
}

fn ours(delivered: bool) -> Reading {
    Reading::Placed(placed(delivered), Whose::Ours)
}

#[test]
fn a_reading_moves_one_step_and_a_failure_settles_only_by_the_providers_final_word() {
    let first = next(ours(true), WATCHED).step.unwrap();
    assert_eq!((first.after, first.delay), (Status::Processing, Duration::ZERO));
    let last = next(ours(true), PROCESSING).step.unwrap();
    assert_eq!((last.after, last.settlement), (Status::Completed, Some("delivered")));
    assert_eq!(next(ours(false), PROCESSING), Next::default());
    assert_eq!(next(Reading::Nothing { doubt: Doubt::TimedOut }, WATCHED), Next::default());
    for class in Class::ALL {
        for used_up in [true, false] {
            for watched in [WATCHED, PROCESSING] {
                let failed = Reading::Failed(refusal(class, used_up), Whose::Ours);
                let Some(step) = next(failed, watched).step else { continue };
                assert!(step.settlement.is_none() || used_up, "{class}");
                assert!(step.after != Status::Pending || step.settlement.is_some(), "{class}");
                assert!(is_edge(Some(watched.status), step.after), "{class}");
            }
        }
    }
}

#[test]
fn window_a8_an_end_that_names_nobody_settles_nothing_and_ends_with_a_person() {
    for class in Class::ALL {
        let failed = || Reading::Failed(refusal(class, true), Whose::Unsaid);
        for vain in [1, 2, 3, 4, 99] {
            let Some(step) = next(failed(), Watched { vain, ..WATCHED }).step else {
                let waits = matches!(class, Class::InProgress | Class::RetrySameKey);
                assert!(waits || vain < 3, "{class} is forgotten");
                continue;
            };
            assert_eq!((step.after, step.settlement), (Status::NeedsReview, None), "{class}");
            assert_ne!(step.review_reason.as_deref(), Some("refund_owed"), "{class}");
        }
    }
    let placed = || Reading::Placed(placed(true), Whose::Unsaid);
    assert_eq!(next(placed(), Watched { vain: 2, ..WATCHED }), Next::default());
    let step = next(placed(), Watched { vain: 3, ..PROCESSING }).step.unwrap();
    assert_eq!((step.after, step.settlement), (Status::NeedsReview, None));
    // One that names our attempt settles it.
    let named = Reading::Failed(refusal(Class::RetryNewKey, true), Whose::Ours);
    assert_eq!(next(named, WATCHED).step.unwrap().settlement, Some("provider_final"));
}

#[test]
fn what_says_nothing_usable_changes_nothing_and_tells_a_person_when_it_goes_on() {
    for doubt in [Doubt::Unreadable, Doubt::UnreadableClientError] {
        let odd = |vain| next(Reading::Nothing { doubt }, Watched { vain, ..WATCHED });
        assert_eq!(odd(2), Next::default());
        assert_eq!(odd(3).step, None);
        assert_eq!(odd(3).notice.unwrap().rule, "reading_unreadable");
    }
    let lost = |vain| {
        let code = "invalid_request_id".to_owned();
        next(Reading::NotFound { code }, Watched { vain, ..WATCHED })
    };
    assert_eq!(lost(1), Next::default(), "it may not be known yet");
    let step = lost(3).step.unwrap();
    assert_eq!((step.after, step.settlement), (Status::NeedsReview, None));
    let unreachable = Reading::Nothing { doubt: Doubt::ServerError };
    assert_eq!(next(unreachable, Watched { vain: 99, ..WATCHED }), Next::default());
}

#[test]
fn a_fault_of_the_account_that_a_reading_shows_is_told_and_never_waited_for() {
    let failed = Reading::Failed(refusal(Class::Configuration, false), Whose::Unsaid);
    let ended = next(failed, WATCHED);
    let step = ended.step.unwrap();
    assert_eq!((step.after, step.settlement), (Status::NeedsReview, None));
    assert_eq!(step.review_reason.as_deref(), Some("some_code"));
    assert!(ended.pause.is_some_and(|pause| pause.alarm));
    let barred = next(Reading::Barred { code: "http_401".into() }, WATCHED);
    assert_eq!(barred.step, None, "it says nothing of the order");
    assert!(barred.pause.is_some_and(|pause| pause.alarm));
}

#[test]
fn window_a5_age_only_tells() {
    let working = || Reading::InProgress { code: "request_processing".into() };
    let old = Watched { age: Duration::from_hours(25), ..WATCHED };
    assert_eq!(next(working(), WATCHED), Next::default());
    let told = next(working(), old);
    assert_eq!((told.step, told.pause), (None, None));
    assert_eq!(told.notice.unwrap().rule, "still_in_progress");
    let older = Watched { age: Duration::from_hours(31 * 24), ..PROCESSING };
    let told = next(ours(false), older);
    assert_eq!(told.step, None);
    assert_eq!(told.notice.unwrap().rule, "not_delivered");
    assert_eq!(next(ours(false), Watched { age: old.age, ..PROCESSING }), Next::default());
}

#[test]
fn window_c8_a_cost_above_the_cap_or_in_another_currency_is_told_and_kept() {
    let told = |cost: i64, currency: &str| {
        let placed =
            Placed { cost_minor: Some(cost), currency: Some(currency.into()), ..placed(false) };
        let next = next(Reading::Placed(placed, Whose::Ours), WATCHED);
        let step = next.step.unwrap();
        assert_eq!(step.after, Status::Processing, "the goods are bought all the same");
        assert_eq!(step.odd_cost.as_ref().map(|odd| odd.rule), next.notice.map(|it| it.rule));
        (step.cost_minor, step.odd_cost)
    };
    assert_eq!(told(1530, "GBP"), (Some(1530), None));
    let (cost, odd) = told(1531, "GBP");
    assert_eq!((cost, odd.unwrap().rule), (Some(1531), "cost_above_the_cap"));
    let (cost, odd) = told(10, "USD");
    let odd = odd.unwrap();
    assert_eq!((cost, odd.minor, odd.rule), (None, 10, "cost_in_another_currency"));
}

#[test]
fn an_accepted_purchase_that_ends_for_want_of_money_stops_the_account_too() {
    let failed = Reading::Failed(refusal(Class::HoldUntilFunded, true), Whose::Ours);
    let ended = next(failed, WATCHED);
    assert_eq!(ended.step.unwrap().hold_reason, Some("awaiting_funds"));
    assert!(ended.pause.is_some());
}
