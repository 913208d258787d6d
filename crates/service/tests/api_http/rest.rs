//! `/rest/v1`: what a PostgREST client sees, good and bad.

use super::desk::{Desk, JWT_SECRET, NOW_S, order, send, serve};
use jiff::Timestamp;
use orders_embedded::testing::shared_cluster;
use orders_service::api::{Api, JwtSecret};
use orders_store::{Store, StoreOptions};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// The four fields of an error, and nothing else.
fn four(body: &Value) -> Vec<&str> {
    body.as_object().unwrap().keys().map(String::as_str).collect()
}

const NOBODY: &str = "00000000-0000-7000-8000-000000000001";

#[tokio::test]
async fn a_wrong_parameter_name_is_answered_with_the_right_ones() {
    let desk = Desk::open().await;
    let before = desk.everything().await;
    let answer = desk
        .rpc(
            "complete_order_processing",
            &json!({"order_id": NOBODY, "zinc_request_id_param": "r"}),
        )
        .await;
    assert_eq!((answer.status, answer.code()), (404, "PGRST202"), "{}", answer.text);
    assert_eq!(four(&answer.body), ["code", "message", "details", "hint"]);
    assert_eq!(
        answer.body["message"],
        "Could not find the function public.complete_order_processing(order_id, zinc_request_id_param) in the schema cache"
    );
    assert_eq!(
        answer.body["hint"],
        "Perhaps you meant to call the function public.complete_order_processing(final_status_param, options, \
         order_uuid, zinc_request_id_param, zinc_status_param)"
    );
    for (function, args) in [
        ("complete_order_processing", json!({"order_uuid": NOBODY})),
        (
            "complete_order_processing",
            json!({"order_uuid": NOBODY, "zinc_request_id_param": "r", "x": 1}),
        ),
        ("manually_complete_order", json!({})),
        ("manually_complete_order", json!({"ORDER_UUID": NOBODY})),
        ("recover_stuck_orders", json!({"max_age": 2})),
    ] {
        let answer = desk.rpc(function, &args).await;
        assert_eq!((answer.status, answer.code()), (404, "PGRST202"), "{}", answer.text);
        assert!(
            answer.body["hint"].as_str().unwrap().contains(&format!("public.{function}(")),
            "{}",
            answer.text
        );
    }
    assert_eq!(desk.everything().await, before);
}

#[tokio::test]
async fn what_is_no_door_cannot_be_called() {
    let desk = Desk::open().await;
    let near = desk.rpc("complete_order_procesing", &json!({})).await;
    assert_eq!((near.status, near.code()), (404, "PGRST202"));
    assert_eq!(
        near.body["hint"],
        "Perhaps you meant to call the function public.complete_order_processing"
    );
    for function in [
        "accept_purchase",
        "record_acceptances",
        "add_api_key",
        "find_api_key",
        "shop_settings",
        "lock_due_orders",
        "pg_sleep",
        "set_config",
        "orders",
        "complete_order_processing%28",
        "a%22b",
    ] {
        let answer = desk.rpc(function, &json!({})).await;
        assert_eq!(
            (answer.status, answer.code()),
            (404, "PGRST202"),
            "{function}: {}",
            answer.text
        );
    }
    let table = desk.get("/rest/v1/order_private?select=*").await;
    assert_eq!((table.status, table.code()), (404, "PGRST205"));
    assert_eq!(four(&table.body), ["code", "message", "details", "hint"]);
}

#[tokio::test]
async fn malformed_calls_have_the_codes_of_the_contract() {
    let desk = Desk::open().await;
    let key = desk.key.clone();
    let headers = [("apikey", key.as_str())];
    let complete = "/rest/v1/rpc/complete_order_processing";
    for body in ["", "{", "[]", "7", "\"x\""] {
        let answer = desk.raw("POST", complete, &headers, body.as_bytes()).await;
        assert_eq!((answer.status, answer.code()), (400, "PGRST102"), "{body}: {}", answer.text);
    }
    for verb in ["PUT", "PATCH", "DELETE", "OPTIONS"] {
        let answer = desk.raw(verb, complete, &headers, b"{}").await;
        assert_eq!((answer.status, answer.code()), (405, "PGRST101"), "{verb}");
    }
    let read = desk.get(&format!("{complete}?order_uuid={NOBODY}&zinc_request_id_param=r")).await;
    assert_eq!((read.status, read.code()), (405, "25006"), "{}", read.text);
    assert_eq!(desk.get("/rest/v1/rpc/order_system_health").await.status, 200);
    let page = desk.get("/rest/v1/rpc/verify_orders?after_order=&page_size=10").await;
    assert_eq!((page.status, page.code()), (400, "22P02"), "{}", page.text);
    let rows = desk.rpc("verify_orders", &json!({"after_order": null, "page_size": 10})).await;
    assert!(rows.status == 200 && rows.body.is_array(), "{}", rows.text);
    for wrong in [json!(0), json!(-1), json!(100_001), json!(null)] {
        let refused =
            desk.rpc("verify_orders", &json!({"after_order": null, "page_size": wrong})).await;
        assert_eq!((refused.status, refused.code()), (400, "22023"), "{wrong}: {}", refused.text);
        assert!(
            refused.text.contains("page_size must be between 1 and 100000"),
            "{}",
            refused.text
        );
    }
    let filtered = desk.raw("POST", "/rest/v1/rpc/verify_orders?rule=eq.x", &headers, b"{}").await;
    assert_eq!((filtered.status, filtered.code()), (400, "PGRST100"));
    // Without arguments that are needed an empty body is one call.
    let recover = desk.raw("POST", "/rest/v1/rpc/recover_stuck_orders", &headers, b"").await;
    assert_eq!((recover.status, &recover.body["success"]), (200, &json!(true)), "{}", recover.text);
}

#[tokio::test]
async fn bad_values_are_the_databases_errors_with_their_codes() {
    let desk = Desk::open().await;
    let id = desk.paid("1").await;
    let before = desk.everything().await;
    let complete = |change: Value| {
        let mut args = json!({"order_uuid": id, "zinc_request_id_param": "r1"});
        args.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        args
    };
    for (args, status, code) in [
        (complete(json!({"order_uuid": "not-a-uuid"})), 400, "22P02"),
        (complete(json!({"order_uuid": 7})), 400, "22P02"),
        (complete(json!({"order_uuid": NOBODY})), 404, "PT404"),
        (complete(json!({"order_uuid": null})), 400, "22023"),
        (complete(json!({"zinc_request_id_param": null})), 400, "22023"),
        (complete(json!({"zinc_request_id_param": ""})), 400, "22023"),
        (complete(json!({"zinc_request_id_param": "a\0b"})), 400, "22021"),
        (complete(json!({"final_status_param": "cancelled"})), 400, "22023"),
        (complete(json!({"final_status_param": null})), 400, "22023"),
    ] {
        let answer = desk.rpc("complete_order_processing", &args).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{args}: {}", answer.text);
        assert_eq!(four(&answer.body), ["code", "message", "details", "hint"]);
    }
    for age in [json!(-1), json!(null)] {
        let answer = desk.rpc("recover_stuck_orders", &json!({"max_age_minutes": age})).await;
        assert_eq!((answer.status, answer.code()), (400, "22023"), "{}", answer.text);
    }
    let overflow =
        desk.rpc("recover_stuck_orders", &json!({"max_age_minutes": 9_999_999_999_i64})).await;
    assert_eq!((overflow.status, overflow.code()), (400, "22003"));
    let mut bad = order("2");
    bad["recipient"]["phone_number"] = json!("");
    let placed = desk.rpc("place_order", &json!({"order_param": bad})).await;
    assert_eq!((placed.status, placed.code()), (400, "22023"), "{}", placed.text);
    assert!(placed.body["message"].as_str().unwrap().contains("phone_number"), "{}", placed.text);
    assert!(!placed.text.contains("Elm"), "{}", placed.text);
    assert_eq!(desk.everything().await, before);
}

#[tokio::test]
async fn a_stored_refusal_is_an_error_and_its_finding_is_kept() {
    let desk = Desk::open().await;
    let id = desk.paid("1").await;
    let args = |request: &str| json!({"order_uuid": id, "zinc_request_id_param": request});
    let nothing = desk.rpc("complete_order_processing", &args("r1")).await;
    assert_eq!((nothing.status, nothing.code()), (409, "nothing_was_sent"), "{}", nothing.text);
    for field in ["message", "details", "hint"] {
        assert!(nothing.body[field].is_string(), "{field}: {}", nothing.text);
    }
    assert_eq!(nothing.body["order_id"], json!(id));
    assert_eq!(
        desk.text("select count(*) from findings where kind = 'nothing_was_sent'").await,
        "1"
    );
    assert_eq!(desk.process(id).await.status, 200);
    let stored = desk.text(&format!("select zinc_request_id from orders where id = '{id}'")).await;
    let same = desk.rpc("complete_order_processing", &args(&stored)).await;
    assert_eq!((same.status, &same.body["duplicate"]), (200, &json!(true)), "{}", same.text);
    let other = desk.rpc("complete_order_processing", &args("another")).await;
    assert_eq!((other.status, other.code()), (409, "request_id_conflict"), "{}", other.text);
    assert_eq!(
        desk.text("select count(*) from findings where kind = 'request_id_conflict'").await,
        "1"
    );
    let bad_news =
        json!({"order_uuid": id, "zinc_request_id_param": stored, "zinc_status_param": "failed"});
    assert_eq!(desk.rpc("complete_order_processing", &bad_news).await.code(), "good_news_only");
    let done = desk
        .rpc("manually_complete_order", &json!({"order_uuid": id, "reason_param": "seen it"}))
        .await;
    assert_eq!((done.status, &done.body["status"]), (200, &json!("completed")), "{}", done.text);
    assert_eq!(desk.world.world.zinc.purchases_of(&id.to_string()).len(), 1);
}

#[tokio::test]
async fn writing_the_table_is_refused_with_the_functions_to_call() {
    let desk = Desk::open().await;
    let id: Uuid = desk.paid("1").await;
    let before = desk.everything().await;
    let path = format!("/rest/v1/orders?id=eq.{id}");
    for verb in ["PATCH", "DELETE", "POST", "PUT"] {
        let answer = desk.send(verb, &path, &json!({"status": "completed"})).await;
        assert_eq!((answer.status, answer.code()), (403, "42501"), "{verb}: {}", answer.text);
        assert_eq!(four(&answer.body), ["code", "message", "details", "hint"]);
        for function in ["complete_order_processing", "manually_complete_order", "cancel_order"] {
            assert!(answer.body["message"].as_str().unwrap().contains(function), "{}", answer.text);
        }
    }
    let read = desk.get("/rest/v1/orders?select=*").await;
    assert_eq!((read.status, read.code()), (404, "PGRST205"));
    assert!(read.body["hint"].as_str().unwrap().contains("/v1/orders"));
    assert_eq!(desk.everything().await, before);
    assert_eq!(desk.status(id).await, "pending");
}

#[tokio::test]
async fn another_schema_than_the_shops_is_not_served() {
    let desk = Desk::open().await;
    let id = desk.paid("1").await;
    let before = desk.everything().await;
    let cancel = json!({"order_uuid": id}).to_string();
    for header in ["content-profile", "accept-profile"] {
        for (verb, path) in [
            ("POST", "/rest/v1/rpc/cancel_order"),
            ("GET", "/rest/v1/rpc/order_system_health"),
            ("GET", "/rest/v1/orders"),
            ("PATCH", "/rest/v1/orders"),
        ] {
            let headers = [("apikey", desk.key.as_str()), (header, "private")];
            let answer = desk.raw(verb, path, &headers, cancel.as_bytes()).await;
            assert_eq!((answer.status, answer.code()), (406, "PGRST106"), "{verb} {path}");
            assert_eq!(four(&answer.body), ["code", "message", "details", "hint"]);
            assert_eq!(answer.body["message"], "Invalid schema: private");
            assert_eq!(answer.body["hint"], "Only the following schemas are exposed: public");
        }
        let headers = [("apikey", desk.key.as_str()), (header, "public")];
        let good = desk.raw("GET", "/rest/v1/rpc/order_system_health", &headers, b"").await;
        assert_eq!(good.status, 200, "{}", good.text);
    }
    assert_eq!(desk.everything().await, before);
}

#[tokio::test]
async fn a_table_that_is_not_served_is_named_in_the_shops_own_schema() {
    let options = StoreOptions { schema: "shop_a".into(), ..StoreOptions::default() };
    let store = Store::new(&shared_cluster().connection_string("postgres", "x"), &options).unwrap();
    let api = Api {
        store,
        engine: None,
        doors: Vec::new(),
        jwt_secret: JwtSecret::parse(Some(JWT_SECRET.to_owned())).unwrap(),
        clock: Arc::new(|| Timestamp::from_second(NOW_S).unwrap()),
        stripe_hook: None,
    };
    let address = serve(api).await;
    let key = jsonwebtoken::EncodingKey::from_secret(JWT_SECRET.as_bytes());
    let claims = json!({"role": "service_role"});
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let headers = [("apikey", token.as_str()), ("accept-profile", "shop_a")];
    let answer = send(address, "GET", "/rest/v1/orders?select=*", &headers, b"").await;
    assert_eq!((answer.status, answer.code()), (404, "PGRST205"), "{}", answer.text);
    assert_eq!(
        answer.body["message"],
        "Could not find the table 'shop_a.orders' in the schema cache"
    );
}

#[tokio::test]
async fn arguments_of_another_media_type_than_json_are_refused() {
    let desk = Desk::open().await;
    let id = desk.paid("1").await;
    let before = desk.everything().await;
    let body = json!({"order_uuid": id}).to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "text/json", ""] {
        let headers = [("apikey", desk.key.as_str()), ("content-type", kind)];
        let path = "/rest/v1/rpc/cancel_order";
        let answer = desk.raw("POST", path, &headers, body.as_bytes()).await;
        assert_eq!((answer.status, answer.code()), (415, "json_expected"), "{kind}");
        assert_eq!(four(&answer.body), ["code", "message", "details", "hint"]);
    }
    assert_eq!(desk.everything().await, before);
    let headers =
        [("apikey", desk.key.as_str()), ("content-type", "Application/JSON; charset=utf-8")];
    let path = "/rest/v1/rpc/cancel_order";
    assert_eq!(desk.raw("POST", path, &headers, body.as_bytes()).await.status, 200);
}
