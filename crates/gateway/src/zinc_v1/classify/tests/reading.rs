//! The tests of reads and lists.

use super::*;

#[test]
fn a_placed_order_is_read_with_its_cost_and_numbers() {
    let body = json!({
        "_type": "order_response", "request_id": "r1",
        "price_components": {"subtotal": 1999, "shipping": 0, "tax": 125, "total": 2124,
            "currency": "usd", "payment_currency": "USD"},
        "merchant_order_ids": [
            {"merchant_order_id": "112-1", "merchant": "amazon"}, {"merchant": "amazon"},
            {"merchant_order_id": "112-2"}],
        "tracking": [], "request": {"client_notes": {"order_id": ORDER, "attempt_id": ATTEMPT}},
    });
    let placed = Placed {
        cost_minor: Some(2124),
        currency: Some("USD".into()),
        merchant_order_ids: vec!["112-1".into(), "112-2".into()],
        delivered: false,
    };
    assert_eq!(read(200, &body), Reading::Placed(placed, Whose::Ours));
}

#[test]
fn window_a8_a_reading_is_ours_only_when_it_names_our_attempt() {
    let ours = json!({"order_id": ORDER, "attempt_id": ATTEMPT});
    for (body, whose) in [
        (error("zma_temporarily_overloaded"), Whose::Unsaid),
        (json!({"_type": "order_response"}), Whose::Unsaid),
        (json!({"_type": "order_response", "request": {}, "client_notes": null}), Whose::Unsaid),
        (json!({"_type": "order_response", "request_id": "r1"}), Whose::Unsaid),
        (json!({"_type": "order_response", "client_notes": {"order_id": ORDER}}), Whose::Unsaid),
        (json!({"_type": "order_response", "client_notes": ours}), Whose::Ours),
        (
            json!({"_type": "error", "code": "add_on_item", "request": {"client_notes": ours}}),
            Whose::Ours,
        ),
    ] {
        match read(200, &body) {
            Reading::Placed(_, said) | Reading::Failed(_, said) => {
                assert_eq!(said, whose, "{body}");
            }
            other => panic!("{other:?}: {body}"),
        }
    }
}

#[test]
fn a_detail_that_cannot_be_read_does_not_turn_a_purchase_into_none() {
    let body = json!({"_type": "order_response", "price_components": {"total": 21.24,
        "currency": "dollars"}, "merchant_order_ids": "112", "tracking": 7, "request": "?"});
    let nothing = (None, None, vec![], false);
    let Reading::Placed(Placed { cost_minor, currency, merchant_order_ids, delivered }, _) =
        read(200, &body)
    else {
        panic!("not placed")
    };
    assert_eq!((cost_minor, currency, merchant_order_ids, delivered), nothing);
}

fn delivered(orders: &Value, tracking: &Value) -> bool {
    let body = json!({"_type": "order_response", "merchant_order_ids": orders,
        "tracking": tracking});
    let Reading::Placed(placed, _) = read(200, &body) else { panic!("not placed") };
    placed.delivered
}

#[test]
fn delivered_means_that_every_parcel_says_so() {
    let one = json!([{"merchant_order_id": "112-1"}]);
    let delivered = |tracking: Value| delivered(&one, &tracking);
    let (there, under_way) =
        (json!({"delivery_status": "Delivered"}), json!({"delivery_status": "In Transit"}));
    assert!(delivered(json!([there, there])) && delivered(there.clone()));
    assert!(!delivered(json!([there, under_way])) && !delivered(under_way));
    assert!(!delivered(json!([])) && !delivered(json!(null)) && !delivered(json!([there, 7])));
}

#[test]
fn delivered_means_that_each_of_the_retailers_orders_has_a_parcel() {
    let order = |id: &str| json!({ "merchant_order_id": id });
    let parcel = |id: &str| json!({"merchant_order_id": id, "delivery_status": "Delivered"});
    let both = json!([order("112-1"), order("112-2")]);
    assert!(delivered(&both, &json!([parcel("112-1"), parcel("112-2")])));
    assert!(!delivered(&both, &json!([parcel("112-1")])), "the other half is not shipped");
    assert!(!delivered(&both, &json!([parcel("112-1"), parcel("112-1")])));
    let nameless = json!({"delivery_status": "Delivered"});
    assert!(!delivered(&both, &json!([parcel("112-1"), nameless])), "it may be of the first");
    assert!(!delivered(&json!([order("112-1"), {}]), &json!([parcel("112-1")])));
    assert!(!delivered(&json!([order("112-1")]), &json!([parcel("112-9")])));
    for none in [json!([]), json!(null), json!("112-1"), json!(["112-1"])] {
        assert!(!delivered(&none, &json!([parcel("112-1")])), "{none}");
    }
    assert!(delivered(&order("112-1"), &nameless), "one of each, outside of lists");
}

#[test]
fn a_read_of_no_known_shape_tells_nothing() {
    let nothing = |doubt| Reading::Nothing { doubt };
    assert_eq!(read(404, &json!({})), nothing(Doubt::UnreadableClientError));
    assert_eq!(read(200, &json!({})), nothing(Doubt::Unreadable));
    assert_eq!(read(200, &json!({"_type": "new", "code": "x"})), nothing(Doubt::Unreadable));
    assert_eq!(read(302, &json!({})), nothing(Doubt::Unreadable));
    let placed = json!({"_type": "order_response"});
    assert_eq!(read(404, &placed), nothing(Doubt::UnreadableClientError));
}

#[test]
fn a_list_gives_the_entries_that_carry_our_notes() {
    let ours = json!({"_type": "error", "code": "request_processing", "request_id": "r1",
        "request": {"client_notes": {"order_id": ORDER, "attempt_id": ATTEMPT}}});
    let foreign = json!({"request_id": "r2", "request": {"client_notes": {"order_id": "x"}}});
    let nameless = json!({"client_notes": {"order_id": ORDER, "attempt_id": ATTEMPT}});
    let entries = json!([ours, foreign, nameless, 7, [1]]);
    let found = Listing::Page(vec![Listed {
        order_id: ORDER,
        attempt_id: ATTEMPT,
        request_id: "r1".into(),
        reading: Some(Reading::InProgress { code: "request_processing".into() }),
    }]);
    for body in [entries.clone(), json!({"orders": entries, "total": 5})] {
        assert_eq!(listing(200, body.to_string().as_bytes()), (found.clone(), 5));
    }
    let became = |state: Value| {
        let mut entry = nameless.clone();
        entry["request_id"] = json!("r1");
        entry.as_object_mut().unwrap().extend(state.as_object().unwrap().clone());
        let (Listing::Page(mut found), 1) = listing(200, json!([entry]).to_string().as_bytes())
        else {
            panic!("{entry}")
        };
        found.remove(0).reading
    };
    let ended = Reading::Failed(refused(Rejected, "add_on_item"), Whose::Ours);
    assert_eq!(became(error("add_on_item")), Some(ended));
    let placed = became(json!({"_type": "order_response"}));
    assert!(matches!(placed, Some(Reading::Placed(_, Whose::Ours))));
    assert_eq!(became(json!({"state": "new"})), None);
    let nothing = |doubt| (Listing::Nothing { doubt }, 0);
    for body in [&b"{}"[..], b"", b"7", br#"{"a":[],"b":[]}"#] {
        assert_eq!(listing(200, body), nothing(Doubt::Unreadable));
    }
    assert_eq!(listing(200, b"[]"), (Listing::Page(vec![]), 0));
    assert_eq!(listing(500, b"[]"), nothing(Doubt::ServerError));
    assert_eq!(listing(404, b"[]"), nothing(Doubt::UnreadableClientError));
    assert_eq!(listing(429, b"[]"), nothing(Doubt::TooManyRequests));
}

#[test]
fn a_list_for_comparing_gives_every_entry_that_names_its_request() {
    let bought = json!({"_type": "order_response", "request_id": "r1",
        "merchant_order_ids": [{"merchant_order_id": "2", "placed_at": "2026-01-02T10:00:00.000Z"},
                               {"merchant_order_id": "1", "placed_at": "2026-01-02T09:00:00.000Z"}],
        "request": {"client_notes": {"order_id": ORDER, "attempt_id": ATTEMPT}}});
    let mut foreign = error("add_on_item");
    foreign["request_id"] = json!("r2");
    let mut hidden = error("order_probably_placed");
    hidden["request_id"] = json!("r3");
    let mut working = error("request_processing");
    working["request_id"] = json!("r4");
    let entries = json!([bought, foreign, hidden, working, {"_type": "order_response"}, 7]);
    let (found, 6) = purchases(200, entries.to_string().as_bytes()).unwrap() else { panic!() };
    let told: Vec<_> = found.iter().map(|one| (&*one.request_id, one.notes, one.outcome)).collect();
    assert_eq!(
        told,
        [
            ("r1", Some((ORDER, ATTEMPT)), Some(ListedOutcome::Bought)),
            ("r2", None, Some(ListedOutcome::Failed)),
            ("r3", None, None),
            ("r4", None, Some(ListedOutcome::Working)),
        ]
    );
    assert_eq!(found[0].placed_at, Some("2026-01-02T09:00:00Z".parse().unwrap()));
    for (status, doubt) in [
        (500, Doubt::ServerError),
        (404, Doubt::UnreadableClientError),
        (429, Doubt::TooManyRequests),
        (302, Doubt::Unreadable),
    ] {
        assert_eq!(purchases(status, b"[]"), Err(doubt), "{status}");
    }
    assert_eq!(purchases(200, b"{}"), Err(Doubt::Unreadable));
}
