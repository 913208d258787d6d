//! The tests of signatures.

use super::*;
use crate::stripe::event::tests::example;
use proptest::prelude::*;

const SECRET: &str = "whsec_unit_test_secret";
const TIME: i64 = 1_767_225_600;
const BODY: &[u8] = br#"{"id":"evt_test_1","object":"event"}"#;
/// The check value of the contract, section 8.1.
const CHECK: &str = "0cf6c6bcbb9ffd8f769cb09ae5d0b061563f8042227f558ba73e944340385315";

fn secrets(texts: &[&str]) -> Vec<Private<String>> {
    texts.iter().map(|text| Private::new((*text).to_owned())).collect()
}

fn verified(header: &str) -> Result<(), Forged> {
    verify(header, BODY, &secrets(&[SECRET]), TIME, 300)
}

#[test]
fn the_check_value_of_the_contract_is_made_and_accepted() {
    let header = format!("t={TIME},v1={CHECK}");
    assert_eq!(sign(BODY, &Private::new(SECRET.to_owned()), TIME), header);
    assert_eq!(verified(&header), Ok(()));
}

#[test]
fn one_good_signature_among_others_is_enough() {
    let wrong = "0".repeat(64);
    for header in [
        format!("t={TIME},v1={wrong},v1={CHECK}"),
        format!("v1={CHECK},v1={wrong},t={TIME}"),
        format!("t={TIME},v0={wrong},v1={CHECK},v2=what=ever,=,x="),
        format!("t={TIME},v1=zz,v1={CHECK}"),
        format!("t={TIME},t={TIME},v1={CHECK}"),
    ] {
        assert_eq!(verified(&header), Ok(()), "{header}");
    }
}

#[test]
fn while_a_secret_is_changed_both_are_good_and_an_empty_one_never_is() {
    let header = format!("t={TIME},v1={CHECK}");
    let with = |header: &str, texts: &[&str]| verify(header, BODY, &secrets(texts), TIME, 300);
    for texts in [&["whsec_new", SECRET][..], &[SECRET, "whsec_new"], &["", SECRET]] {
        assert_eq!(with(&header, texts), Ok(()));
    }
    for texts in [&["whsec_new"][..], &[], &["unit_test_secret"], &[""]] {
        assert_eq!(with(&header, texts), Err(Forged::WrongSignature));
    }
    let empty = sign(BODY, &Private::new(String::new()), TIME);
    assert_eq!(with(&empty, &["", SECRET]), Err(Forged::WrongSignature));
}

#[test]
fn each_way_of_being_wrong_has_its_word() {
    let wrong = "0".repeat(64);
    let many = format!(",v1={wrong}").repeat(10);
    let long = format!("t={TIME},v1={CHECK},v0={}", "x".repeat(4096));
    let table = [
        (Forged::NoHeader, String::new()),
        (Forged::NoHeader, "  ".to_owned()),
        (Forged::Malformed, long),
        (Forged::Malformed, "what".to_owned()),
        (Forged::Malformed, format!("t={TIME},v1={CHECK},")),
        (Forged::Malformed, format!("v1={CHECK}")),
        (Forged::Malformed, format!(" t={TIME},v1={CHECK}")),
        (Forged::Malformed, format!("T={TIME},v1={CHECK}")),
        (Forged::Malformed, format!("t=,v1={CHECK}")),
        (Forged::Malformed, format!("t=-{TIME},v1={CHECK}")),
        (Forged::Malformed, format!("t=+{TIME},v1={CHECK}")),
        (Forged::Malformed, format!("t={TIME}.0,v1={CHECK}")),
        (Forged::Malformed, format!("t= {TIME},v1={CHECK}")),
        (Forged::Malformed, format!("t=9223372036854775808,v1={CHECK}")),
        (Forged::Malformed, format!("t={}{TIME},v1={CHECK}", "0".repeat(20))),
        (Forged::Malformed, format!("t={TIME},t=1,v1={CHECK}")),
        (Forged::Malformed, format!("t={TIME},v1=")),
        (Forged::Malformed, format!("t={TIME},v1={}", &CHECK[1..])),
        (Forged::Malformed, format!("t={TIME},v1={CHECK}0")),
        (Forged::Malformed, format!("t={TIME},v1={}", CHECK.to_uppercase())),
        (Forged::Malformed, format!("t={TIME},v1={}", CHECK.replace('0', "g"))),
        (Forged::NoSignature, format!("t={TIME}")),
        (Forged::NoSignature, format!("t={TIME},v0={CHECK},V1={CHECK}, v1={CHECK}")),
        (Forged::WrongSignature, format!("t={TIME},v1={wrong}")),
        (Forged::WrongSignature, format!("t={TIME}{many},v1={CHECK}")),
        (Forged::WrongSignature, format!("t=0{TIME},v1={CHECK}")),
        (Forged::WrongSignature, format!("t=9223372036854775807,v1={CHECK}")),
    ];
    for (forged, header) in table {
        assert_eq!(verified(&header), Err(forged), "{header}");
    }
}

#[test]
fn the_time_is_judged_after_the_signature_and_to_the_second() {
    let at = |now_s, tolerance_s| {
        let header = format!("t={TIME},v1={CHECK}");
        verify(&header, BODY, &secrets(&[SECRET]), now_s, tolerance_s)
    };
    assert_eq!(at(TIME + 300, 300), Ok(()));
    assert_eq!(at(TIME + 301, 300), Err(Forged::TooOld));
    assert_eq!(at(TIME - 300, 300), Ok(()));
    assert_eq!(at(TIME - 301, 300), Err(Forged::TooNew));
    assert_eq!((at(TIME, 0), at(TIME + 1, 0)), (Ok(()), Err(Forged::TooOld)));
    assert_eq!((at(TIME, -5), at(TIME - 1, -5)), (Ok(()), Err(Forged::TooNew)));
    assert_eq!(at(i64::MAX, 300), Err(Forged::TooOld));
    assert_eq!(at(i64::MIN, 300), Err(Forged::TooNew));
    assert_eq!(at(i64::MIN, i64::MAX), Err(Forged::TooNew));
    // A forger does not learn whether his time would have been good.
    let old = format!("t=1,v1={}", "0".repeat(64));
    assert_eq!(verified(&old), Err(Forged::WrongSignature));
}

#[test]
fn the_words_of_a_refusal_hold_nothing_of_the_message() {
    let all = [
        Forged::NoHeader,
        Forged::Malformed,
        Forged::NoSignature,
        Forged::WrongSignature,
        Forged::TooOld,
        Forged::TooNew,
    ];
    for forged in all {
        let shown = format!("{forged} {forged:?} {}", forged.name());
        assert!(!shown.contains(|char: char| char.is_ascii_digit()), "{shown}");
        assert!(!shown.contains("whsec"), "{shown}");
    }
}

#[test]
fn a_message_is_read_and_what_is_none_is_not() {
    let text = example().to_string();
    assert_eq!(read_event(text.as_bytes()), event::event(&example()));
    assert!(read_event(text.as_bytes()).is_some());
    assert_eq!(read_event(BODY), None);
    // Which of the two ids would be meant?
    let twice = text.replacen('{', r#"{"id":"evt_2","#, 1);
    assert_eq!(read_event(twice.as_bytes()), None);
    let nested = text.replacen(r#""amount":4200"#, r#""amount":1,"amount":4200"#, 1);
    assert_eq!(read_event(nested.as_bytes()), None);
    let deep = format!("{}{}", "{\"data\":".repeat(5000), "}".repeat(5000));
    for bytes in [&b""[..], b"{", b"[]", b"null", &[0xff; 9], deep.as_bytes()] {
        assert_eq!(read_event(bytes), None);
    }
}

proptest! {
    #[test]
    fn a_single_flipped_bit_anywhere_is_refused(
        body in proptest::collection::vec(any::<u8>(), 1..200), time in 0_i64..i64::MAX,
        place in any::<prop::sample::Index>(), bit in 0_u8..8
    ) {
        let ours = secrets(&[SECRET]);
        let header = sign(&body, &ours[0], time);
        prop_assert_eq!(verify(&header, &body, &ours, time, 300), Ok(()));

        let mut other = body.clone();
        other[place.index(body.len())] ^= 1 << bit;
        let refused = verify(&header, &other, &ours, time, 300);
        prop_assert_eq!(refused, Err(Forged::WrongSignature));

        // The whole header: its names, its time, its signature. A tolerance without end, because
        // the signature alone must refuse another time.
        let mut bytes = header.clone().into_bytes();
        bytes[place.index(header.len())] ^= 1 << bit;
        if let Ok(other) = String::from_utf8(bytes) {
            prop_assert!(verify(&other, &body, &ours, time, i64::MAX).is_err(), "{}", other);
        }
    }

    #[test]
    fn the_parts_of_a_header_may_come_in_any_order(
        parts in Just([
            format!("t={TIME}"), format!("v1={CHECK}"), format!("v1={}", "1".repeat(64)),
            format!("v0={}", "2".repeat(64)), "v1=short".to_owned(), "other=".to_owned(),
        ]).prop_shuffle()
    ) {
        prop_assert_eq!(verified(&parts.join(",")), Ok(()));
    }

    #[test]
    fn no_header_and_no_body_make_it_panic(
        header in "[tv01=,0-9a-f -]{0,80}", body in proptest::collection::vec(any::<u8>(), 0..100)
    ) {
        let refused = verify(&header, &body, &secrets(&[SECRET]), TIME, 300);
        prop_assert!(refused.is_err());
        prop_assert_eq!(read_event(&body), None);
    }
}
