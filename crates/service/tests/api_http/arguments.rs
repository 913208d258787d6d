//! What a caller gives: of the right kind, once, and of characters that can be kept. What is not is
//! refused by its name, and nothing changes.

use super::desk::{Answer, Desk, JWT_SECRET, order};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};
use uuid::Uuid;

/// The arguments of a call with one change.
fn with(mut args: Value, change: Value) -> Value {
    let Value::Object(change) = change else { panic!("not an object") };
    args.as_object_mut().unwrap().extend(change);
    args
}

fn complete(id: Uuid, change: Value) -> Value {
    with(json!({"order_uuid": id, "zinc_request_id_param": "r1"}), change)
}

fn place(change: Value) -> Value {
    with(json!({"order_param": order("9")}), change)
}

/// A token with exactly these claims, signed with the project's secret.
fn token(claims: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", part(r#"{"alg":"HS256"}"#), part(claims));
    let key = EncodingKey::from_secret(JWT_SECRET.as_bytes());
    let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("Bearer {message}.{signature}")
}

/// The refusal is the wanted one, in our words.
fn refused(answer: &Answer, status: u16, code: &str, sentence: &str) {
    assert_eq!((answer.status, answer.code()), (status, code), "{}", answer.text);
    let words = [&answer.body["message"], &answer.body["detail"]];
    let said = words.into_iter().find_map(Value::as_str).unwrap_or_default();
    assert!(said.contains(sentence), "{sentence}: {}", answer.text);
    for raw in ["syntax", "encoding", "UTF8", "escape", "<NULL>", "constraint"] {
        assert!(!answer.text.contains(raw), "{raw}: {}", answer.text);
    }
}

#[tokio::test]
async fn an_argument_of_another_kind_is_refused_by_its_name() {
    let desk = Desk::open().await;
    let id = desk.paid("1").await;
    let before = desk.everything().await;
    let kinds = [json!({}), json!([]), json!(7), json!(true)];
    for value in &kinds {
        for name in ["zinc_request_id_param", "zinc_status_param", "final_status_param"] {
            let answer =
                desk.rpc("complete_order_processing", &complete(id, json!({name: value}))).await;
            refused(&answer, 400, "22023", &format!("{name} must be a text"));
        }
        let answer = desk
            .rpc("complete_order_processing", &complete(id, json!({"order_uuid": value})))
            .await;
        refused(&answer, 400, "22P02", "order_uuid must be a uuid");
    }
    for (function, args, code, sentence) in [
        ("place_order", json!({"order_param": "x"}), "22023", "order_param must be a JSON object"),
        ("place_order", place(json!({"options": [1]})), "22023", "options must be a JSON object"),
        (
            "place_order",
            place(json!({"options": {"order_id": "Elm"}})),
            "22023",
            "options.order_id must be a uuid",
        ),
        (
            "hold_order",
            json!({"order_uuid": id, "options": {"actor": {}}}),
            "22023",
            "options.actor must be a text",
        ),
        (
            "recover_stuck_orders",
            json!({"max_age_minutes": "2"}),
            "22P02",
            "max_age_minutes must be a whole number",
        ),
        (
            "recover_stuck_orders",
            json!({"max_age_minutes": 1.5}),
            "22P02",
            "max_age_minutes must be a whole number",
        ),
        (
            "recover_stuck_orders",
            json!({"max_age_minutes": i64::MAX}),
            "22003",
            "max_age_minutes must be between",
        ),
    ] {
        refused(&desk.rpc(function, &args).await, 400, code, sentence);
    }
    assert_eq!(desk.everything().await, before);
}

#[tokio::test]
async fn an_order_that_is_null_is_no_order() {
    let desk = Desk::open().await;
    for (function, more) in [
        ("complete_order_processing", json!({"zinc_request_id_param": "r"})),
        ("manually_complete_order", json!({})),
        ("cancel_order", json!({})),
        ("hold_order", json!({})),
        ("release_hold", json!({})),
        ("attach_payment", json!({"payment_intent_param": "pi_1"})),
        ("resolve_review", json!({"decision_param": "give_up", "reason_param": "looked it up"})),
    ] {
        let answer = desk.rpc(function, &with(more, json!({"order_uuid": null}))).await;
        refused(&answer, 400, "22023", "order_uuid must be given");
    }
}

#[tokio::test]
async fn the_character_nul_is_refused_by_the_name_of_what_it_stands_in() {
    let desk = Desk::open().await;
    let id = desk.paid("1").await;
    let before = desk.everything().await;
    for (function, args, name) in [
        (
            "manually_complete_order",
            json!({"order_uuid": id, "reason_param": "a\0"}),
            "reason_param",
        ),
        (
            "complete_order_processing",
            complete(id, json!({"zinc_status_param": "\0"})),
            "zinc_status_param",
        ),
        (
            "complete_order_processing",
            complete(id, json!({"zinc_request_id_param": "r\0"})),
            "zinc_request_id_param",
        ),
        ("hold_order", json!({"order_uuid": id, "options": {"note": "a\0b"}}), "options.note"),
        ("hold_order", json!({"order_uuid": id, "options": {"x": ["\0"]}}), "options.x[0]"),
        ("attach_payment", json!({"order_uuid": id, "payment_intent_param": "pi_\0"}), "payment_"),
        (
            "place_order",
            json!({"order_param": {"items": [{"title": "\0"}]}}),
            "order_param.items[0]",
        ),
        ("place_order", json!({"order_param": {"\0": 1}}), "order_param must not"),
    ] {
        refused(&desk.rpc(function, &args).await, 400, "22021", name);
    }
    for path in ["/v1/orders/%00", "/v1/orders/a%00b/history", "/v1/orders/%ff"] {
        refused(
            &desk.get(path).await,
            400,
            "invalid",
            "the name in the path must be UTF-8 without",
        );
    }
    for verb in ["cancel", "hold", "release", "complete", "payment", "resolve"] {
        let answer = desk.send("POST", &format!("/v1/orders/%00/{verb}"), &json!({})).await;
        refused(&answer, 400, "invalid", "the name in the path must be UTF-8 without");
    }
    for (verb, body, field) in [
        ("payment", json!({"payment_intent": "pi_a\0"}), "payment_intent"),
        ("complete", json!({"zinc_request_id": "a\0"}), "zinc_request_id"),
        ("cancel", json!({"reason": "a\0"}), "reason"),
        ("hold", json!({"actor": "a\0"}), "actor"),
    ] {
        let answer = desk.send("POST", &format!("/v1/orders/{id}/{verb}"), &body).await;
        assert_eq!((answer.status, answer.fields()), (422, vec![field]), "{}", answer.text);
    }
    let query = desk.get("/v1/orders?search=a%00").await;
    assert_eq!((query.status, query.fields()), (422, vec!["search"]), "{}", query.text);
    let claims = r#"{"role":"service_role","sub":"a\u0000b"}"#;
    let health = "/rest/v1/rpc/order_system_health";
    let jwt = desk.raw("GET", health, &[("authorization", &token(claims))], b"").await;
    refused(&jwt, 401, "PGRST303", "the claim sub must not contain control characters");
    assert_eq!(desk.everything().await, before);
}

#[tokio::test]
async fn a_key_that_stands_twice_is_refused_by_its_name() {
    let desk = Desk::open().await;
    let id = desk.paid("1").await;
    let before = desk.everything().await;
    let headers = [("apikey", desk.key.as_str()), ("content-type", "application/json")];
    let double = order("2").to_string().replacen('{', r#"{"total_minor": 1,"#, 1);
    let inner = order("2").to_string().replace(r#""city":"#, r#""city": "Berlin", "city":"#);
    for (path, body, code, name) in [
        ("/v1/orders", double, "invalid", "total_minor"),
        ("/v1/orders", inner, "invalid", "city"),
        (
            "/v1/recover",
            r#"{"max_age_minutes": 0, "max_age_minutes": 9}"#.to_owned(),
            "invalid",
            "max_age_minutes",
        ),
        (
            "/rest/v1/rpc/cancel_order",
            format!(r#"{{"order_uuid": "{}", "order_uuid": "{id}"}}"#, Uuid::nil()),
            "PGRST102",
            "order_uuid",
        ),
        (
            "/functions/v1/process-zma-order",
            format!(r#"{{"orderId": "{}", "orderId": "{id}"}}"#, Uuid::nil()),
            "invalid",
            "orderId",
        ),
    ] {
        let answer = desk.raw("POST", path, &headers, body.as_bytes()).await;
        refused(&answer, 400, code, &format!("the key {name} stands twice"));
    }
    for (query, name) in [("page_size=1&page_size=2", "page_size"), ("a=1&a=1", "a")] {
        let answer = desk.get(&format!("/rest/v1/rpc/verify_orders?{query}")).await;
        refused(&answer, 400, "PGRST100", &format!("the parameter {name} stands twice"));
    }
    for (claims, name) in [
        (r#"{"role":"anon","role":"service_role"}"#, "role"),
        (r#"{"role":"service_role","exp":1,"exp":9000000000}"#, "exp"),
        (r#"{"role":"service_role","sub":"a","sub":"b"}"#, "sub"),
    ] {
        let health = "/rest/v1/rpc/order_system_health";
        let answer = desk.raw("GET", health, &[("authorization", &token(claims))], b"").await;
        refused(&answer, 401, "PGRST303", &format!("the claim {name} stands twice"));
    }
    assert_eq!(desk.everything().await, before);
}

#[tokio::test]
async fn a_payment_and_a_request_are_named_by_one_rule_wherever_they_are_given() {
    let desk = Desk::open().await;
    let id = desk.place("1").await;
    let before = desk.everything().await;
    let long = format!("pi_{}", "x".repeat(248));
    for intent in ["", "pi_", "ch_1", "pi_a b", "pi_a-b", "pi_ü", long.as_str()] {
        let mut new = order("2");
        new["payment_intent"] = json!(intent);
        let placed = desk.send("POST", "/v1/orders", &new).await;
        let path = format!("/v1/orders/{id}/payment");
        let attached = desk.send("POST", &path, &json!({"payment_intent": intent})).await;
        for answer in [placed, attached] {
            assert_eq!(answer.status, 422, "{intent}: {}", answer.text);
            assert_eq!(answer.fields(), ["payment_intent"], "{intent}: {}", answer.text);
        }
        let args = json!({"order_uuid": id, "payment_intent_param": intent});
        let answer = desk.rpc("attach_payment", &args).await;
        refused(&answer, 400, "22023", "payment_intent_param must be a Stripe PaymentIntent id");
    }
    let long = "x".repeat(201);
    for request in ["", " ", "a b", "a\n", "ä", "\u{7f}", long.as_str()] {
        let path = format!("/v1/orders/{id}/complete");
        let ours = desk.send("POST", &path, &json!({"zinc_request_id": request})).await;
        assert_eq!(ours.status, 422, "{request:?}: {}", ours.text);
        assert_eq!(ours.fields(), ["zinc_request_id"], "{request:?}: {}", ours.text);
        let args = json!({"order_uuid": id, "zinc_request_id_param": request});
        for function in ["complete_order_processing", "manually_complete_order"] {
            let answer = desk.rpc(function, &args).await;
            refused(
                &answer,
                400,
                "22023",
                "zinc_request_id_param must have 1 to 200 printable ASCII",
            );
        }
    }
    assert_eq!(desk.everything().await, before);
}

#[tokio::test]
async fn a_collision_is_told_by_its_meaning_on_every_surface() {
    let desk = Desk::open().await;
    let id = desk.place("1").await;
    let mut first = order("2");
    first["payment_intent"] = json!("pi_1");
    assert_eq!(desk.send("POST", "/v1/orders", &first).await.status, 201);
    let mut second = order("3");
    second["payment_intent"] = json!("pi_1");
    let ours = desk.send("POST", "/v1/orders", &second).await;
    let theirs = desk.rpc("place_order", &json!({"order_param": second})).await;
    for answer in [ours, theirs] {
        refused(&answer, 409, "payment_taken", "this PaymentIntent pays another order");
    }
    let args = json!({"order_param": order("4"), "options": {"order_id": id}});
    let taken = desk.rpc("place_order", &args).await;
    assert_eq!((taken.status, taken.code()), (409, "order_id_taken"), "{}", taken.text);
    for raw in ["_pkey", "duplicate key", "constraint"] {
        assert!(!taken.text.contains(raw), "{}", taken.text);
    }
    assert_eq!(desk.text("select count(*) from orders").await, "2");
}
