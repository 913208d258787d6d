//! The judge is seen to fail: a made-up ledger or a made-up order for each of its rules.

use super::*;
use crate::storm::books::{Difference, Owed};
use orders_sandbox::stripe::RepeatedRefund;
use orders_sandbox::zinc::Duplicate;

fn believed(status: &str, reason: Option<&str>) -> Believed {
    Believed { status: status.to_owned(), reason: reason.map(str::to_owned) }
}

/// What is said of one order, and the counts.
fn judged(
    believed: Option<&Believed>,
    is_bought: bool,
    returned: bool,
    money: Money,
) -> (Result<(), String>, Verdict) {
    let mut verdict = Verdict::default();
    let said = verdict.order(believed, is_bought, returned, money);
    (said, verdict)
}

/// What is wrong with one order.
fn wrong(status: &str, is_bought: bool, returned: bool, money: Money) -> (String, Verdict) {
    let (said, verdict) = judged(Some(&believed(status, None)), is_bought, returned, money);
    (said.unwrap_err(), verdict)
}

#[test]
fn what_is_as_it_should_be_is_counted_and_nothing_is_said() {
    let mut verdict = Verdict::default();
    for (status, is_bought, returned, money) in [
        ("completed", true, false, Money::KEPT),
        ("completed", true, true, Money::RETURNED),
        ("cancelled", false, false, Money::RETURNED),
        ("failed", false, false, Money::NEVER),
    ] {
        verdict.order(Some(&believed(status, None)), is_bought, returned, money).unwrap();
    }
    verdict.ledgers(&zinc::Summary::default(), &stripe::Summary::default());
    let counts = (verdict.bought, verdict.returned, verdict.unbought, verdict.lost, verdict.money);
    assert_eq!((counts, verdict.violations), ((1, 1, 2, 0, 0), Vec::<String>::new()));
}

#[test]
fn an_order_that_was_acknowledged_and_is_not_there_is_lost() {
    let (said, verdict) = judged(None, true, false, Money::KEPT);
    assert_eq!((said.unwrap_err().as_str(), verdict.lost), ("acknowledged and not there", 1));
}

#[test]
fn an_order_that_never_ends_or_ends_without_its_goods_is_lost() {
    for status in ["pending", "submitting", "submitted_to_zinc", "processing", "needs_review"] {
        let (said, verdict) = wrong(status, false, false, Money::KEPT);
        assert!(said.starts_with(status) && verdict.lost == 1, "{said}");
    }
    let (said, verdict) = wrong("completed", false, false, Money::KEPT);
    assert_eq!((said.as_str(), verdict.lost), ("completed and never bought", 1));
}

#[test]
fn an_order_that_was_refunded_and_bought_is_found_wherever_it_stands() {
    for status in ["cancelled", "failed"] {
        let (said, verdict) = wrong(status, true, false, Money::RETURNED);
        assert!(said.starts_with("ended and bought") && verdict.money == 1, "{said}");
    }
    let (said, verdict) = wrong("completed", true, false, Money::RETURNED);
    assert!(said.contains("its money is elsewhere") && verdict.money == 1, "{said}");
    let waits = believed("needs_review", Some("accepted_while_held"));
    let (said, verdict) = judged(Some(&waits), true, false, Money::RETURNED);
    assert!(said.unwrap_err().starts_with("refunded and bought") && verdict.money == 1);
    assert!(judged(Some(&waits), true, true, Money::RETURNED).0.is_ok(), "its goods went back");
    let mut verdict = Verdict::default();
    let said = verdict.given_up(true, false, Money::RETURNED).unwrap_err();
    assert!(said.starts_with("forgotten, refunded and bought") && verdict.money == 1);
    assert_eq!(verdict.given_up(true, false, Money::KEPT), Ok(()));
}

#[test]
fn money_that_is_not_where_it_must_be_is_found() {
    let half = Money { refunded: TOTAL / 2, refunds: 1, ..Money::KEPT };
    let reserved = Money { reserved: TOTAL, ..Money::NEVER };
    for (status, is_bought, returned, money) in [
        ("completed", true, false, Money::NEVER),
        ("completed", true, false, reserved),
        ("completed", true, true, Money::KEPT),
        ("completed", true, true, half),
        ("cancelled", false, false, Money::KEPT),
        ("cancelled", false, false, reserved),
        ("failed", false, false, half),
    ] {
        let (said, verdict) = wrong(status, is_bought, returned, money);
        assert!(said.contains("its money is elsewhere") && verdict.money == 1, "{said}");
    }
}

#[test]
fn nobody_waits_for_a_person_without_a_reason_that_a_storm_gives() {
    let unknown = believed("needs_review", Some("provider_account_wrong"));
    let said = judged(Some(&unknown), false, false, Money::KEPT).0.unwrap_err();
    assert!(said.contains("a reason that no storm gives: provider_account_wrong"), "{said}");
    let held = believed("pending", Some("held as payment_refunded"));
    let (said, mut verdict) = judged(Some(&held), false, false, Money::RETURNED);
    assert_eq!((said, verdict.violations.len()), (Ok(()), 0));
    verdict.nothing_was_forgotten();
    assert_eq!(verdict.violations, ["1 orders held as payment_refunded, and nothing was restored"]);
}

#[test]
fn a_second_purchase_and_whatever_else_must_not_stand_in_a_ledger_is_found() {
    let order = Uuid::from_u128(7);
    let duplicate =
        Duplicate { order_id: order.to_string(), request_ids: vec!["a".into(), "b".into()] };
    let zinc = zinc::Summary {
        duplicates: vec![duplicate],
        violations: 1,
        overlapping_purchases: 2,
        keyless_purchases: 3,
        purchases_without_order: 4,
        ledger_failure: Some("no room".into()),
        ..zinc::Summary::default()
    };
    let repeated = RepeatedRefund { refund_id: "m".into(), refunds: vec!["r".into(), "s".into()] };
    let stripe = stripe::Summary {
        violations: 5,
        repeated_refunds: vec![repeated],
        over_refunded: vec!["pi".into()],
        captured_twice: vec!["pi".into()],
        refunds: [("pi".to_owned(), 2)].into(),
        ..stripe::Summary::default()
    };
    let mut verdict = Verdict::default();
    verdict.ledgers(&zinc, &stripe);
    assert_eq!((verdict.duplicates, verdict.concerned.clone()), (1, vec![order]));
    for said in [
        "bought twice",
        "other bytes under one key at the provider: 1 times",
        "a key was sent while the provider was busy with it: 2 times",
        "a purchase without a key: 3 times",
        "a purchase without an order: 4 times",
        "other parameters under one key at Stripe: 5 times",
        "a refund was made twice: 1 times",
        "more refunded than received: 1 times",
        "captured twice: 1 times",
        "a ledger cannot be trusted: no room",
        "1 payments were refunded in more than one refund",
    ] {
        let is_said = verdict.violations.iter().any(|one| one.starts_with(said));
        assert!(is_said, "{said}: {:?}", verdict.violations);
    }
}

#[test]
fn a_message_that_was_acknowledged_and_is_gone_is_found_unless_the_database_was_put_back() {
    let tried = |seq, notice: &str, status| Line {
        seq,
        at_ms: 0,
        event: Event::Tried { notice: notice.to_owned(), delivery: 1, status: Some(status) },
    };
    let ledger = [tried(1, "evt_a", 200), tried(2, "evt_b", 500), tried(3, "evt_c", 200)];
    let judged = |stored: &[&str], forgotten: &Forgotten| {
        let mut verdict = Verdict::default();
        let stored = stored.iter().map(|one| (*one).to_owned()).collect();
        verdict.messages(&ledger, &stored, forgotten);
        (verdict.messages, verdict.violations)
    };
    assert_eq!(judged(&["evt_a", "evt_c"], &Forgotten::default()), (2, vec![]));
    let gone = "1 messages of Stripe were acknowledged and are not there".to_owned();
    assert_eq!(judged(&["evt_a"], &Forgotten::default()), (2, vec![gone]));
    assert_eq!(judged(&["evt_a"], &Forgotten::between(2, 3)), (1, vec![]));
}

#[test]
fn a_broken_history_is_found() {
    let mut verdict = Verdict::default();
    let order_id = Uuid::from_u128(9);
    let broken = Broken { order_id, rule: "fold".into(), detail: "status".into() };
    verdict.broken(vec![broken]);
    assert_eq!((verdict.violations.len(), verdict.concerned), (1, vec![order_id]));
}

#[test]
fn books_that_differ_and_forgotten_orders_that_nobody_is_shown_are_found() {
    let [forgotten, person, stranger] = [1, 2, 3].map(Uuid::from_u128);
    let name = |kind: &str, subject: &str| (kind.to_owned(), subject.to_owned());
    let difference = |kind: &str, subject: &str, order_id| {
        let (kind, subject) = name(kind, subject);
        Difference { kind, subject, order_id }
    };
    let owed = Owed {
        must: [
            (name("payment_without_order", "pi"), forgotten),
            (name("purchase_without_order", "req"), forgotten),
        ]
        .into(),
        may: [name("refund_without_move", "re")].into(),
    };
    let judged = |seen: &[Difference]| {
        let mut verdict = Verdict { people: [person].into(), ..Verdict::default() };
        verdict.books(seen, &owed);
        (verdict.told, verdict.lost, verdict.violations)
    };
    let all = [
        difference("payment_without_order", "pi", None),
        difference("purchase_without_order", "req", None),
        difference("refund_without_move", "re", Some(stranger)),
        difference("purchase_not_recorded", "other", Some(person)),
    ];
    assert_eq!(judged(&all), (1, 0, vec![]));
    let (told, lost, said) = judged(&all[..1]);
    assert!(said[0].contains("no comparison shows purchase_without_order req"), "{said:?}");
    assert_eq!((told, lost, said.len()), (1, 1, 1));
    let more = [all.as_slice(), &[difference("refunded_and_bought", "x", Some(stranger))]].concat();
    assert_eq!(judged(&more).2, ["the books differ: refunded_and_bought x"]);
}
