//! Who may call what.

use super::desk::{Answer, Desk, JWT_SECRET, NOW_S};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use orders_service::api::document;
use serde_json::{Value, json};

/// Every verb and path of the document, with a uuid for each parameter.
fn routes() -> Vec<(String, String)> {
    let document = document();
    let mut all = Vec::new();
    for (path, verbs) in document["paths"].as_object().unwrap() {
        let path = path
            .replace("{order}", "00000000-0000-7000-8000-000000000001")
            .replace("{function}", "order_system_health");
        for verb in verbs.as_object().unwrap().keys() {
            all.push((verb.to_uppercase(), path.clone()));
        }
    }
    all
}

fn jwt(claims: &Value, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

async fn bearer(desk: &Desk, token: &str) -> Answer {
    let value = format!("Bearer {token}");
    desk.raw("POST", "/rest/v1/rpc/order_system_health", &[("authorization", &value)], b"{}").await
}

#[tokio::test]
async fn window_d1_every_route_but_three_is_refused_without_a_good_key() {
    let desk = Desk::open().await;
    let before = desk.everything().await;
    let unknown = format!("aok_{}", "x".repeat(43));
    let wrong = [("none", None), ("unknown", Some(unknown.as_str())), ("no key", Some("password"))];
    let mut open = std::collections::BTreeSet::new();
    for (verb, path) in routes() {
        for (name, key) in wrong {
            let headers: Vec<_> = key.map(|key| ("apikey", key)).into_iter().collect();
            let answer = desk.raw(&verb, &path, &headers, b"{}").await;
            if answer.status == 401 {
                assert!(answer.header("content-type").contains("json"), "{verb} {path}");
                assert_eq!(answer.header("www-authenticate"), "Bearer", "{verb} {path}");
            } else if path == "/webhooks/stripe" {
                // It asks for a signature instead.
                assert_eq!((answer.status, answer.code()), (400, "signature_refused"), "{name}");
            } else {
                assert_eq!(answer.status, 200, "{verb} {path} with {name}");
                open.insert(path.clone());
            }
        }
    }
    let allowed = ["/health", "/openapi.json", "/ready"].map(str::to_owned);
    assert_eq!(open.into_iter().collect::<Vec<_>>(), allowed);
    for path in [
        "/",
        "/v1",
        "/v2/orders",
        "/health/",
        "//health",
        "/metrics",
        "/rest/v1/",
        "/v1/orders/../../health",
    ] {
        assert_eq!(desk.raw("GET", path, &[], b"").await.status, 401, "{path}");
    }
    assert_eq!(desk.everything().await, before);
}

#[tokio::test]
async fn each_route_answers_a_good_key() {
    let desk = Desk::open().await;
    for (verb, path) in routes() {
        let answer = desk.send(&verb, &path, &json!({})).await;
        assert!(![401, 500].contains(&answer.status), "{verb} {path}: {}", answer.text);
        assert!(answer.header("content-type").contains("json"), "{verb} {path}: {}", answer.text);
        assert!(!answer.header("x-request-id").is_empty(), "{verb} {path}");
    }
}

#[tokio::test]
async fn a_missing_key_is_answered_in_the_shape_of_each_surface() {
    let desk = Desk::open().await;
    let rest = desk.raw("POST", "/rest/v1/rpc/recover_stuck_orders", &[], b"{}").await;
    assert_eq!((rest.status, rest.code()), (401, "PGRST302"));
    let edge = desk.raw("POST", "/functions/v1/process-zma-order", &[], b"{}").await;
    assert_eq!(edge.body, json!({"code": 401, "message": "Missing authorization header"}));
    let ours = desk.raw("GET", "/v1/orders", &[], b"").await;
    assert_eq!(ours.header("content-type"), "application/problem+json");
    assert_eq!((ours.code(), &ours.body["status"]), ("unauthorized", &json!(401)));
    assert_eq!(ours.body["correlation_id"], ours.header("x-request-id"));
}

#[tokio::test]
async fn a_preflight_is_refused_because_no_key_belongs_in_a_browser() {
    let desk = Desk::open().await;
    let headers = [("origin", "https://shop.example"), ("access-control-request-method", "POST")];
    for path in ["/v1/orders", "/rest/v1/rpc/cancel_order", "/functions/v1/process-zma-order"] {
        let answer = desk.raw("OPTIONS", path, &headers, b"").await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
    }
}

#[tokio::test]
async fn a_key_works_in_either_header_and_both_must_be_good() {
    let desk = Desk::open().await;
    let (good, bad) = (desk.key.clone(), format!("aok_{}", "y".repeat(43)));
    let (bearer_good, bearer_bad) = (format!("Bearer {good}"), format!("bearer {bad}"));
    let cases: [(&[(&str, &str)], u16); 8] = [
        (&[("apikey", &good)], 200),
        (&[("authorization", &bearer_good)], 200),
        (&[("apikey", &good), ("authorization", &bearer_good)], 200),
        (&[("apikey", &bad), ("authorization", &bearer_good)], 401),
        (&[("apikey", &good), ("authorization", &bearer_bad)], 401),
        (&[("apikey", &good), ("authorization", "Basic YTpi")], 401),
        (&[("apikey", &good), ("apikey", &good)], 401),
        (&[("authorization", "Bearer ")], 401),
    ];
    for (headers, status) in cases {
        let answer = desk.raw("GET", "/v1/orders", headers, b"").await;
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_revoked_key_stops_working_within_five_seconds() {
    let desk = Desk::open().await;
    assert_eq!(desk.get("/v1/orders").await.status, 200);
    desk.sql("update api_keys set revoked_at = now()").await;
    tokio::time::sleep(std::time::Duration::from_millis(5100)).await;
    assert_eq!(desk.get("/v1/orders").await.status, 401);
}

#[tokio::test]
async fn window_d1_a_jwt_is_judged_by_signature_time_and_role() {
    let desk = Desk::open().await;
    let service = |more: Value| {
        let mut claims = json!({"role": "service_role", "sub": "robot-7"});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        jwt(&claims, JWT_SECRET)
    };
    let good = bearer(&desk, &service(json!({"exp": NOW_S + 60, "iat": NOW_S}))).await;
    assert_eq!(good.status, 200, "{}", good.text);
    for (token, status, code) in [
        (service(json!({"exp": NOW_S - 31})), 401, "PGRST303"),
        (service(json!({"nbf": NOW_S + 31})), 401, "PGRST303"),
        (service(json!({"iat": NOW_S + 31})), 401, "PGRST303"),
        (jwt(&json!({"role": "service_role"}), "another secret"), 401, "PGRST301"),
        ("eyJhbGciOiJub25lIn0.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.".to_owned(), 401, "PGRST301"),
        (jwt(&json!({"role": "anon"}), JWT_SECRET), 401, "42501"),
        (jwt(&json!({"sub": "x"}), JWT_SECRET), 401, "42501"),
        (jwt(&json!({"role": "authenticated", "exp": NOW_S + 60}), JWT_SECRET), 403, "42501"),
        (jwt(&json!({"role": "postgres"}), JWT_SECRET), 401, "22023"),
    ] {
        let answer = bearer(&desk, &token).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{}", answer.text);
    }
    // A customer's session beside the service key is a customer.
    let user = format!("Bearer {}", jwt(&json!({"role": "authenticated"}), JWT_SECRET));
    let both = [("apikey", desk.key.as_str()), ("authorization", user.as_str())];
    assert_eq!(desk.raw("GET", "/v1/orders", &both, b"").await.status, 403);
}

#[tokio::test]
async fn window_d1_customers_and_strangers_are_refused_on_every_route_of_orders() {
    let desk = Desk::open().await;
    let before = desk.everything().await;
    for (role, status) in [("anon", 401), ("authenticated", 403)] {
        let value = format!("Bearer {}", jwt(&json!({"role": role, "sub": "7"}), JWT_SECRET));
        for (verb, path) in routes() {
            let open = ["/health", "/ready", "/openapi.json"].contains(&path.as_str());
            let answer = desk.raw(&verb, &path, &[("authorization", &value)], b"{}").await;
            let status = match path.as_str() {
                // It asks for a signature instead, whoever brings it.
                "/webhooks/stripe" => 400,
                _ if open => 200,
                _ => status,
            };
            assert_eq!(answer.status, status, "{role} {verb} {path}");
        }
    }
    assert_eq!(desk.everything().await, before);
}

#[tokio::test]
async fn the_history_names_who_acted() {
    let desk = Desk::open().await;
    let id = desk.place("1").await;
    let actor = desk.text(&format!("select actor from order_events where order_id = '{id}'")).await;
    assert_eq!(actor, format!("service_role:{}", &desk.key[..12]));
    let token =
        format!("Bearer {}", jwt(&json!({"role": "service_role", "sub": "robot-7"}), JWT_SECRET));
    let body = json!({"reason": "not wanted"}).to_string();
    let path = format!("/v1/orders/{id}/cancel");
    let answer = desk.raw("POST", &path, &[("authorization", &token)], body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let actor = desk
        .text(&format!("select actor from order_events where order_id = '{id}' and seq = 2"))
        .await;
    assert_eq!(actor, "service_role:robot-7");
}
