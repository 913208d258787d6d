//! The tests of the classification; the codes stand here a second time, copied from the contract.

mod reading;

use super::*;
use orders_core::outcome::Class::{
    Cancelled, Configuration, HoldUntilFunded, InProgress, NeedsReview, Rejected, RetryNewKey,
};
use proptest::prelude::*;
use serde_json::json;

const ORDER: Uuid = Uuid::from_u128(1);
const ATTEMPT: Uuid = Uuid::from_u128(2);
const KEY: Uuid = Uuid::from_u128(3);
const OTHER: Uuid = Uuid::from_u128(9);

/// The rows of the contract's table, section 12, copied without the notes.
const CONTRACT: &str = "
| `request_processing` | in_progress |
| `manual_review_required` | in_progress |
| `attempting_to_cancel` | in_progress |
| `return_in_progress` | in_progress |
| `internal_error` | retry_new_key |
| `zma_temporarily_overloaded` | retry_new_key |
| `insufficient_zma_balance` | hold_until_funded |
| `order_probably_placed` | needs_review |
| `duplicate_order` | needs_review |
| `invalid_request_id` | needs_review |
| `aborted_request` | cancelled |
| `max_price_exceeded` | rejected |
| `product_unavailable`, `expired_product_id`, `item_not_supported`, `prime_pantry_not_supported`, `unsupported_product_id`, `add_on_item` | rejected |
| `max_quantity_exceeded`, `invalid_quantity`, `insufficient_variants`, `invalid_variant` | rejected |
| `invalid_address`, `shipping_address_refused`, `shipping_address_unavailable` | rejected |
| `invalid_shipping_method`, `shipping_method_unavailable`, `no_free_shipping`, `no_two_day_shipping`, `max_delivery_days_exceeded`, `cannot_schedule_delivery` | rejected |
| `no_gift_shipping`, `invalid_gift_options` | rejected |
| `invalid_promo_code` | rejected |
| `invalid_json`, `invalid_request`, `mismatching_retailer`, `unknown_retailer` | rejected |
| `invalid_client_token`, `unauthorized_access` | configuration |
| `account_locked`, `account_locked_verification_required`, `account_login_failed`, `invalid_login_credentials`, `incomplete_account_setup`, `additional_information_required` | configuration |
| `billing_address_refused`, `brand_not_accepted`, `credit_card_declined`, `invalid_card_number`, `invalid_expiration_date`, `invalid_security_code`, `invalid_payment_method`, `payment_info_problem` | configuration |
";

fn contract() -> impl Iterator<Item = (&'static str, Class)> {
    CONTRACT.trim().lines().flat_map(|row| {
        let (codes, class) = row.trim_matches(['|', ' ']).split_once(" | ").unwrap();
        let mut all = Class::ALL.into_iter();
        let class = all.find(|known| known.name() == class).unwrap();
        let codes = codes.split(", ");
        codes.map(move |code| (code.trim_matches('`'), class))
    })
}

fn sent() -> Vec<u8> {
    let notes = json!({"order_id": ORDER, "attempt_id": ATTEMPT});
    let body = json!({"idempotency_key": KEY, "client_notes": notes});
    body.to_string().into_bytes()
}

fn create(status: u16, body: &Value) -> Answer {
    answer(status, None, body.to_string().as_bytes(), &sent())
}

fn read(status: u16, body: &Value) -> Reading {
    reading(status, body.to_string().as_bytes(), "r1", ATTEMPT)
}

fn unknown(doubt: Doubt) -> Answer {
    Answer::Unknown { doubt, retry_after: None }
}

fn refused(class: Class, code: &str) -> Refusal {
    let key_used_up = matches!(class, RetryNewKey | HoldUntilFunded | Rejected | Cancelled);
    Refusal { class, code: code.to_owned(), key_used_up, kept: true, wrong_fields: None }
}

fn error(code: &str) -> Value {
    json!({"_type": "error", "code": code, "message": "…", "data": {}})
}

#[test]
fn window_a10_every_known_code_has_its_class_and_every_other_goes_to_review() {
    let mut count = 0;
    for (code, class) in contract() {
        assert_eq!(class_of(code), class, "{code}");
        // Exactly, never by substring and never by case.
        for near in
            [format!("{code}s"), code[1..].to_owned(), code.to_uppercase(), format!(" {code}")]
        {
            assert_eq!(class_of(&near), NeedsReview, "{near:?}");
        }
        count += 1;
    }
    assert_eq!(count, CODES.iter().map(|(_, codes)| codes.len()).sum::<usize>());
    assert_eq!(class_of(""), NeedsReview);
}

#[test]
fn each_code_answers_a_create_call_and_a_read_by_its_class() {
    for (code, class) in contract() {
        for status in [200, 400, 404] {
            let said = Refusal {
                kept: code != WRONG_TOKEN,
                wrong_fields: OUR_FAULTS.contains(&code).then(Vec::new),
                ..refused(class, code)
            };
            let (created, seen) = (create(status, &error(code)), read(status, &error(code)));
            if class == InProgress {
                assert_eq!(created, unknown(Doubt::Unreadable), "{code}");
                assert_eq!(seen, Reading::InProgress { code: code.to_owned() });
            } else {
                assert_eq!(created, Answer::Refused(said.clone()), "{code}");
                let code = code.to_owned();
                match &*code {
                    WRONG_TOKEN => assert_eq!(seen, Reading::Barred { code }),
                    NO_REQUEST => assert_eq!(seen, Reading::NotFound { code }),
                    _ => assert_eq!(seen, Reading::Failed(said, Whose::Unsaid), "{code}"),
                }
            }
        }
    }
}

#[test]
fn a_server_error_is_unknown_whatever_its_body_says() {
    let bodies =
        [json!({"request_id": "r1"}), error("max_price_exceeded"), error("internal_error")];
    for body in &bodies {
        for status in [500, 502, 503, 599] {
            assert_eq!(create(status, body), unknown(Doubt::ServerError));
            assert_eq!(read(status, body), Reading::Nothing { doubt: Doubt::ServerError });
        }
        assert_eq!(create(429, body), unknown(Doubt::TooManyRequests));
        assert_eq!(read(429, body), Reading::Nothing { doubt: Doubt::TooManyRequests });
        assert_eq!(create(307, body), unknown(Doubt::Unreadable));
        assert_eq!(create(101, body), unknown(Doubt::Unreadable));
    }
}

#[test]
fn the_wait_that_the_provider_asks_for_is_handed_on() {
    let wait = Some(Duration::from_secs(7));
    let answered = answer(429, wait, b"", &sent());
    assert_eq!(answered, Answer::Unknown { doubt: Doubt::TooManyRequests, retry_after: wait });
    let answered = answer(503, wait, b"", &sent());
    assert_eq!(answered, Answer::Unknown { doubt: Doubt::ServerError, retry_after: wait });
}

#[test]
fn only_an_id_that_can_be_used_is_an_acceptance() {
    let accepted = Answer::Accepted { request_id: "0a1b".into() };
    assert_eq!(create(200, &json!({"request_id": "0a1b"})), accepted);
    assert_eq!(create(201, &json!({"request_id": "0a1b", "new": [1], "_type": null})), accepted);
    let long = "x".repeat(201);
    for id in [json!(""), json!("a b"), json!("ä"), json!(".."), json!(7), json!(null), json!(long)]
    {
        assert_eq!(create(200, &json!({ "request_id": id })), unknown(Doubt::Unreadable), "{id}");
    }
    for body in [
        json!({"request_id": "r1", "code": "invalid_request"}),
        json!({"request_id": "r1", "code": 7}),
        json!({"request_id": 7, "_type": "error", "code": "invalid_request"}),
        json!({"request_id": "a b", "_type": "error", "code": "request_processing"}),
        json!({"request_id": "r1", "_type": "order_response"}),
        json!([null, null, "r1", null, null, null, null, null, null]),
        json!("r1"),
        json!({}),
    ] {
        assert_eq!(create(200, &body), unknown(Doubt::Unreadable), "{body}");
    }
    assert_eq!(
        answer(200, None, br#"{"request_id":"r1","request_id":"r2"}"#, &sent()),
        unknown(Doubt::Unreadable)
    );
    assert_eq!(answer(200, None, br#"{"request_id":"r1""#, &sent()), unknown(Doubt::Unreadable));
}

#[test]
fn an_id_beside_an_error_is_an_acceptance_only_when_the_error_means_still_working() {
    let both = |code| json!({"_type": "error", "code": code, "request_id": "r1"});
    let accepted = Answer::Accepted { request_id: "r1".into() };
    assert_eq!(create(200, &both("request_processing")), accepted);
    for code in ["max_price_exceeded", "internal_error", "new_code", "invalid_client_token"] {
        assert_eq!(create(200, &both(code)), unknown(Doubt::Unreadable), "{code}");
        assert_eq!(create(400, &both(code)), unknown(Doubt::Unreadable), "{code}");
    }
}

#[test]
fn a_client_error_without_a_code_is_no_refusal_except_of_our_set_up() {
    for body in [json!({}), json!({"code": "max_price_exceeded"}), json!({"request_id": "r1"})] {
        for status in [400, 404, 409, 499] {
            assert_eq!(create(status, &body), unknown(Doubt::UnreadableClientError));
        }
        for (status, code) in [(401, "http_401"), (403, "http_403")] {
            let refused = Refusal { kept: false, ..refused(Configuration, code) };
            assert_eq!(create(status, &body), Answer::Refused(refused));
            assert_eq!(read(status, &body), Reading::Barred { code: code.to_owned() });
        }
    }
    for code in [json!(7), json!(""), json!("a\u{0}b"), json!(null)] {
        let body = json!({"_type": "error", "code": code});
        assert_eq!(create(400, &body), unknown(Doubt::UnreadableClientError), "{code}");
        assert_eq!(create(200, &body), unknown(Doubt::Unreadable), "{code}");
    }
}

#[test]
fn an_overlong_code_is_cut_and_goes_to_review() {
    let Answer::Refused(refusal) = create(400, &error(&"é".repeat(300))) else { panic!() };
    assert_eq!((refusal.class, refusal.code.chars().count()), (NeedsReview, 100));
}

#[test]
fn a_refusal_of_the_caller_is_never_taken_for_an_answer_that_the_key_keeps() {
    let kept = |status, code| {
        let Answer::Refused(refusal) = create(status, &error(code)) else { panic!("{code}") };
        assert!(!refusal.key_used_up);
        refusal.kept
    };
    for status in [200, 400, 401, 403] {
        assert!(!kept(status, "invalid_client_token"), "{status}");
        assert_eq!(kept(status, "account_locked"), status < 401, "{status}");
        assert_eq!(kept(status, "unauthorized_access"), status < 401, "{status}");
    }
    // A code that speaks of the order is read as such, whatever the status.
    assert!(matches!(read(403, &error("add_on_item")), Reading::Failed(_, Whose::Unsaid)));
    assert!(matches!(read(200, &error("account_locked")), Reading::Failed(_, Whose::Unsaid)));
}

#[test]
fn of_what_a_validator_says_only_the_names_of_our_fields_are_kept() {
    let fields = |errors: Value| {
        let body = json!({"_type": "error", "code": "invalid_request",
            "data": {"validator_errors": errors}});
        let Answer::Refused(refusal) = create(400, &body) else { panic!("{body}") };
        refusal.wrong_fields.unwrap()
    };
    let private = json!([
        {"message": "shipping_address.zip_code '97209' of Ada Miller, 12 Elm Street, is no zip_code"},
        {"path": "products[0].quantity", "message": 7}, {"text": "city"}, "max_price", null]);
    assert_eq!(fields(private), ["shipping_address", "zip_code", "products", "quantity"]);
    assert_eq!(fields(json!({"message": "max_price"})), ["max_price"]);
    let all = model::FIELDS.join(" ");
    assert_eq!(fields(json!([{ "message": all }])).len(), 10);
    for nothing in [json!(null), json!("max_price"), json!([]), json!([{"message": "max_pricey"}])]
    {
        assert!(fields(nothing).is_empty());
    }
    let Answer::Refused(other) = create(400, &error("add_on_item")) else { panic!() };
    assert_eq!(other.wrong_fields, None);
    let mut purchase = super::super::request::tests::purchase();
    purchase.recipient.instructions = "Ring twice".into();
    let sent = super::super::request::bytes(&purchase).unwrap();
    known_fields(&serde_json::from_slice(&sent).unwrap());
}

/// Demands that every name in a request stands in the list.
fn known_fields(value: &Value) {
    for (name, value) in value.as_object().into_iter().flatten() {
        assert!(model::FIELDS.contains(&&**name), "{name}");
        known_fields(value);
    }
    value.as_array().into_iter().flatten().for_each(known_fields);
}

#[test]
fn an_answer_that_echoes_another_order_is_never_applied() {
    let notes = json!({"order_id": ORDER, "attempt_id": OTHER});
    for (mut body, good) in [(json!({"request_id": "r1"}), true), (error("add_on_item"), false)] {
        for echo in [
            json!({"client_notes": notes}),
            json!({"idempotency_key": OTHER}),
            json!({"request": {"client_notes": notes}}),
            json!({"request": {"idempotency_key": "x"}}),
        ] {
            let mut foreign = body.clone();
            foreign.as_object_mut().unwrap().extend(echo.as_object().unwrap().clone());
            assert_eq!(create(200, &foreign), unknown(Doubt::Unreadable), "{foreign}");
        }
        let ours = json!({"client_notes": {"attempt_id": ATTEMPT}, "idempotency_key": KEY});
        body["request"] = ours;
        assert_eq!(matches!(create(200, &body), Answer::Accepted { .. }), good);
        assert_eq!(matches!(create(200, &body), Answer::Refused(_)), !good);
    }
    let other = Reading::OtherOrder;
    for echo in [
        json!({"_type": "order_response", "request": {"client_notes": notes}}),
        json!({"_type": "error", "code": "add_on_item", "client_notes": notes}),
        json!({"_type": "order_response", "request_id": "r2"}),
    ] {
        assert_eq!(read(200, &echo), other, "{echo}");
    }
}

/// Pieces of answers, well and badly put together.
fn plausible() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just(json!("error")),
        Just(json!("order_response")),
        Just(json!("request_processing")),
        Just(json!("max_price_exceeded")),
        Just(json!("r1")),
        Just(json!(null)),
        Just(json!(ATTEMPT)),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!({"client_notes": {"attempt_id": OTHER}})),
    ];
    let name = prop_oneof![
        Just("_type"),
        Just("code"),
        Just("request_id"),
        Just("request"),
        Just("client_notes"),
        Just("tracking"),
    ];
    proptest::collection::vec((name, word), 0..5)
        .prop_map(|pairs| pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
}

proptest! {
    #[test]
    fn a_code_that_is_not_in_the_contract_goes_to_review(code in "[a-z_]{0,30}|\\PC{1,40}") {
        prop_assume!(contract().all(|(known, _)| known != code));
        prop_assert_eq!(class_of(&code), NeedsReview);
    }

    #[test]
    fn no_bytes_make_it_panic_or_become_an_answer(
        status in 0_u16..1000, body in proptest::collection::vec(any::<u8>(), 0..200)
    ) {
        prop_assume!(serde_json::from_slice::<Value>(&body).is_err());
        match answer(status, None, &body, &sent()) {
            Answer::Refused(refusal) => {
                prop_assert!(matches!(status, 401 | 403) && !refusal.key_used_up);
            }
            Answer::Accepted { .. } | Answer::NotSent { .. } => prop_assert!(false),
            Answer::Unknown { .. } => {}
        }
        let read = reading(status, &body, "r1", ATTEMPT);
        match &read {
            Reading::Nothing { .. } => {}
            Reading::Barred { .. } => prop_assert!(matches!(status, 401 | 403)),
            other => prop_assert!(false, "{:?}", other),
        }
        let listed = listing(status, &body);
        prop_assert!(matches!(&listed, (Listing::Nothing { .. }, 0)), "{:?}", listed);
    }

    #[test]
    fn only_a_well_formed_answer_becomes_one(status in 0_u16..1000, body in plausible()) {
        let field = |name: &str| body.get(name).and_then(Value::as_str);
        match create(status, &body) {
            Answer::Accepted { request_id } => {
                prop_assert!((200..500).contains(&status));
                prop_assert_eq!(field("request_id"), Some(&*request_id));
            }
            Answer::Refused(refusal) => {
                prop_assert!((200..500).contains(&status));
                let by_status = matches!(status, 401 | 403) && !refusal.key_used_up;
                prop_assert!(by_status || field("_type") == Some("error"));
                prop_assert!(!refusal.key_used_up || field("code") == Some(&*refusal.code));
            }
            Answer::NotSent { .. } => prop_assert!(false),
            Answer::Unknown { .. } => {}
        }
        let _ = read(status, &body);
    }
}
