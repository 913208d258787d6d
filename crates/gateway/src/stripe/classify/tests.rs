//! The tests of the classification: every status with every class of body, and every header.

use super::*;
use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::json;

fn capture() -> Asked {
    Asked::Payment { id: "pi_1".into() }
}

fn refund() -> Asked {
    Asked::Refund { payment_intent: "pi_1".into(), amount_minor: 700, refund_id: "r-1".into() }
}

fn intent_json() -> Value {
    json!({"id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 4200,
        "amount_received": 4200, "currency": "gbp", "latest_charge": "ch_1"})
}

fn refund_json() -> Value {
    json!({"id": "re_1", "object": "refund", "status": "pending", "amount": 700,
        "currency": "gbp", "created": 1_767_225_600, "payment_intent": "pi_1",
        "failure_reason": null, "metadata": {"refund_id": "r-1"}})
}

fn failure(kind: &str, code: &str) -> String {
    json!({"error": {"type": kind, "code": code, "message": "Words."}}).to_string()
}

fn of(status: u16, body: &str, asked: &Asked) -> ActAnswer {
    answer(Head { status, ..Head::default() }, body.as_bytes(), asked)
}

fn unknown(doubt: Doubt) -> ActAnswer {
    ActAnswer::lost(doubt)
}

/// The classes of bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ours,
    Foreign,
    Refusal,
    WithoutCode,
    Misused,
    NoJson,
    Empty,
}

const KINDS: [Kind; 7] = [
    Kind::Ours,
    Kind::Foreign,
    Kind::Refusal,
    Kind::WithoutCode,
    Kind::Misused,
    Kind::NoJson,
    Kind::Empty,
];

fn body(kind: Kind, asked: &Asked) -> String {
    let mut ours = if *asked == capture() { intent_json() } else { refund_json() };
    match kind {
        Kind::Ours => ours.to_string(),
        Kind::Foreign => {
            ours["id"] = "pi_2".into();
            ours["payment_intent"] = "pi_2".into();
            ours.to_string()
        }
        Kind::Refusal => failure("invalid_request_error", "charge_already_refunded"),
        Kind::WithoutCode => json!({"error": {"type": "card_error"}}).to_string(),
        Kind::Misused => failure("idempotency_error", "idempotency_key_in_use"),
        Kind::NoJson => "<html>".to_owned(),
        Kind::Empty => String::new(),
    }
}

fn acted(asked: &Asked) -> Acted {
    let payment = *asked == capture();
    let (id, object, status) = if payment {
        ("pi_1", "payment_intent", "succeeded")
    } else {
        ("re_1", "refund", "pending")
    };
    Acted {
        id: id.into(),
        object,
        status: status.into(),
        amount_minor: if payment { 4200 } else { 700 },
        currency: "GBP".into(),
        refund_id: (!payment).then(|| "r-1".into()),
    }
}

/// The contract's section 7, written a second time.
fn expected(status: u16, kind: Kind, asked: &Asked) -> ActAnswer {
    let refused = |code: &str, kind: &str| ActAnswer::Refused {
        status,
        code: code.into(),
        kind: kind.into(),
        replayed: false,
    };
    match (status, kind) {
        (200..=299, Kind::Ours) => ActAnswer::Done(acted(asked)),
        (400 | 402 | 404, Kind::Refusal) => {
            refused("charge_already_refunded", "invalid_request_error")
        }
        (400 | 402 | 404, Kind::WithoutCode) => refused(&format!("http_{status}"), "card_error"),
        (400 | 402 | 404, Kind::Misused) => {
            ActAnswer::Bug { code: "idempotency_key_in_use".into() }
        }
        (401 | 403, _) => ActAnswer::Barred(status),
        (409 | 429, _) => unknown(Doubt::TooManyRequests),
        (400..=499, _) => unknown(Doubt::UnreadableClientError),
        (500..=599, _) => unknown(Doubt::ServerError),
        _ => unknown(Doubt::Unreadable),
    }
}

#[test]
fn g5_every_status_with_every_class_of_body_has_its_meaning() {
    for asked in [capture(), refund()] {
        for status in 0..=1000 {
            for kind in KINDS {
                let answer = of(status, &body(kind, &asked), &asked);
                assert_eq!(answer, expected(status, kind, &asked), "{status} {kind:?}");
            }
        }
    }
}

#[test]
fn an_answer_that_speaks_of_another_object_is_never_done() {
    let payment = |change: fn(&mut Value)| {
        let mut body = intent_json();
        change(&mut body);
        of(200, &body.to_string(), &capture())
    };
    let odd: [fn(&mut Value); 7] = [
        |b| b["id"] = "pi_11".into(),
        |b| b["object"] = "charge".into(),
        |b| b["status"] = Value::Null,
        |b| b["amount_received"] = Value::Null,
        |b| b["amount_received"] = (-1).into(),
        |b| b["currency"] = "pounds".into(),
        |b| b["status"] = "succeeded\n".into(),
    ];
    for change in odd {
        assert_eq!(payment(change), unknown(Doubt::Unreadable));
    }
    let given_back = |change: fn(&mut Value)| {
        let mut body = refund_json();
        change(&mut body);
        of(200, &body.to_string(), &refund())
    };
    let odd: [fn(&mut Value); 8] = [
        |b| b["payment_intent"] = "pi_2".into(),
        |b| b["payment_intent"] = Value::Null,
        |b| b["metadata"]["refund_id"] = "r-2".into(),
        |b| b["metadata"] = Value::Null,
        |b| b["amount"] = 701.into(),
        |b| b["id"] = "re/1".into(),
        |b| b["object"] = "payment_intent".into(),
        |b| b["status"] = Value::Null,
    ];
    for change in odd {
        assert_eq!(given_back(change), unknown(Doubt::Unreadable));
    }
    // Each is the other's answer.
    assert_eq!(of(200, &refund_json().to_string(), &capture()), unknown(Doubt::Unreadable));
    assert_eq!(of(200, &intent_json().to_string(), &refund()), unknown(Doubt::Unreadable));
}

#[test]
fn a_refusal_that_is_not_in_stripes_words_is_none() {
    let bodies = [
        json!({"error": "no"}),
        json!({"error": {"code": "resource_missing"}}),
        json!({"error": {"type": "Some Words", "code": "x"}}),
        json!({"type": "invalid_request_error"}),
        json!([]),
    ];
    for body in bodies {
        let answer = of(404, &body.to_string(), &capture());
        assert_eq!(answer, unknown(Doubt::UnreadableClientError), "{body}");
    }
    let twice = r#"{"error":{"type":"card_error"},"error":{"type":"idempotency_error"}}"#;
    assert_eq!(of(400, twice, &capture()), unknown(Doubt::UnreadableClientError));
    // A code that is no word is not kept, and the refusal stands.
    let answer = of(402, &failure("card_error", "4242 4242"), &capture());
    assert!(matches!(answer, ActAnswer::Refused { code, .. } if code == "http_402"));
}

#[test]
fn stripes_own_word_on_repeating_overrides_ours() {
    let with = |status, should_retry, kind| {
        let head = Head { status, should_retry, ..Head::default() };
        answer(head, body(kind, &capture()).as_bytes(), &capture())
    };
    let useless = |status, should_retry| match with(status, should_retry, Kind::Refusal) {
        ActAnswer::Unknown { repeat_is_useless, .. } => repeat_is_useless,
        other => panic!("{status}: {other:?}"),
    };
    for status in [400, 402, 404] {
        assert_eq!(with(status, Some(true), Kind::Refusal), unknown(Doubt::TooManyRequests));
        assert!(matches!(with(status, Some(false), Kind::Refusal), ActAnswer::Refused { .. }));
        // What is our fault stays so.
        assert!(matches!(with(status, Some(true), Kind::Misused), ActAnswer::Bug { .. }));
    }
    for status in [409, 429, 500, 503] {
        assert!(useless(status, Some(false)));
        assert!(!useless(status, Some(true)) && !useless(status, None));
    }
    assert!(!useless(302, Some(false)) && !useless(418, Some(false)));
    assert_eq!(with(200, Some(true), Kind::Ours), ActAnswer::Done(acted(&capture())));
    assert_eq!(with(401, Some(true), Kind::Refusal), ActAnswer::Barred(401));
}

#[test]
fn a_stored_answer_is_known_as_one_and_a_wait_is_kept() {
    let wait = Some(Duration::from_secs(7));
    let head = Head { status: 500, retry_after: wait, replayed: true, should_retry: None };
    let stored = ActAnswer::Unknown {
        doubt: Doubt::ServerError,
        retry_after: wait,
        replayed: true,
        repeat_is_useless: false,
    };
    assert_eq!(answer(head, b"", &capture()), stored);
    let head = Head { status: 402, replayed: true, ..Head::default() };
    let refusal = answer(head, failure("card_error", "expired").as_bytes(), &capture());
    assert!(matches!(refusal, ActAnswer::Refused { replayed: true, .. }));
}

#[test]
fn the_headers_are_read_and_a_strange_word_in_them_is_none() {
    let head = |replayed: &'static str, retry: &'static str| {
        let name = |name| HeaderName::from_static(name);
        let headers = HeaderMap::from_iter([
            (name("idempotent-replayed"), HeaderValue::from_static(replayed)),
            (name("stripe-should-retry"), HeaderValue::from_static(retry)),
        ]);
        let exchange = Exchange { status: 500, headers, retry_after: None, body: Bytes::new() };
        let head = Head::of(&exchange);
        (head.replayed, head.should_retry)
    };
    assert_eq!(head("true", "false"), (true, Some(false)));
    assert_eq!(head("True", " TRUE "), (true, Some(true)));
    assert_eq!(head("false", "maybe"), (false, None));
    assert_eq!(head("yes", ""), (false, None));
    let bare =
        Exchange { status: 200, headers: HeaderMap::new(), retry_after: None, body: Bytes::new() };
    let head = Head::of(&bare);
    assert_eq!((head.status, head.replayed, head.should_retry), (200, false, None));
}

fn some_head() -> impl Strategy<Value = Head> {
    let retry = proptest::option::of(any::<bool>());
    (0_u16..1000, any::<bool>(), retry).prop_map(|(status, replayed, should_retry)| Head {
        status,
        retry_after: None,
        replayed,
        should_retry,
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_say_done(
        head in some_head(), body in proptest::collection::vec(any::<u8>(), 0..200)
    ) {
        for asked in [capture(), refund()] {
            let answer = answer(head, &body, &asked);
            prop_assert!(!matches!(answer, ActAnswer::Done(_)));
        }
    }

    #[test]
    fn a_foreign_object_is_never_done(
        head in some_head(), id in "(pi|re)_[a-z0-9]{1,4}", payment in "pi_[a-z0-9]{1,4}",
        refund_id in "r-[0-9]{1,2}", amount in 690_i64..710, object in "(refund|payment_intent)",
    ) {
        let mut body = refund_json();
        body["id"] = id.clone().into();
        body["object"] = object.clone().into();
        body["payment_intent"] = payment.clone().into();
        body["metadata"]["refund_id"] = refund_id.clone().into();
        body["amount"] = amount.into();
        body["amount_received"] = amount.into();
        let body = body.to_string();
        let good = (200..300).contains(&head.status);
        let is_payment = good && object == "payment_intent" && id == "pi_1";
        let is_refund = good && object == "refund" && payment == "pi_1" && refund_id == "r-1"
            && amount == 700;
        let done = |asked| matches!(answer(head, body.as_bytes(), &asked), ActAnswer::Done(_));
        prop_assert_eq!(done(capture()), is_payment);
        prop_assert_eq!(done(refund()), is_refund);
    }
}
