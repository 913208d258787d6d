//! The OpenAPI document tells the truth: what the server answers is what the document says, status,
//! content type, headers and body, and what the document says can be met.

use super::desk::{Answer, Desk, JWT_SECRET, order, send, serve};
use orders_sandbox::zinc::{Fault, Injected};
use orders_service::api::document;
use orders_store::{Store, StoreOptions};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The document, and every answer of it that was met.
struct Truth {
    document: Value,
    met: BTreeSet<(String, String)>,
}

impl Truth {
    fn new() -> Self {
        Self { document: document(), met: BTreeSet::new() }
    }

    /// The value behind a reference, or the value itself.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Some(reference) = value["$ref"].as_str() else { return value };
        self.document.pointer(reference.trim_start_matches('#')).unwrap()
    }

    /// Demands that an answer is one that the document has for this operation.
    fn judge(&mut self, verb: &str, path: &str, answer: &Answer) {
        let status = answer.status.to_string();
        let at = format!("{verb} {path} {status}: {}", answer.text);
        let operation = &self.document["paths"][path][verb];
        assert!(operation.is_object(), "{at}");
        let declared = &operation["responses"][&status];
        assert!(declared.is_object(), "not in the document: {at}");
        for (name, header) in declared["headers"].as_object().unwrap() {
            let header = self.resolved(header);
            let given = answer.header(name);
            assert!(!given.is_empty() || header["required"] == false, "{name}: {at}");
            if let Some(only) = header["schema"]["const"].as_str().filter(|_| !given.is_empty()) {
                assert_eq!(given, only, "{name}: {at}");
            }
        }
        let content = declared["content"].as_object().unwrap();
        let kind = answer.header("content-type");
        let schema =
            content.get(kind).unwrap_or_else(|| panic!("{kind} is not in {content:?}: {at}"));
        let mut faults = Vec::new();
        self.compare(&schema["schema"], &answer.body, "body", &mut faults);
        assert!(faults.is_empty(), "{faults:?}: {at}");
        self.met.insert((format!("{verb} {path}"), status));
    }

    /// Collects where a value is not as its schema says.
    fn compare(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let schema = self.resolved(schema);
        let allowed = match &schema["type"] {
            Value::String(one) => vec![one.as_str()],
            Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        };
        let is = |kind: &&str| match *kind {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            other => panic!("an unknown type: {other}"),
        };
        let listed = schema["enum"].as_array();
        if (!allowed.is_empty() && !allowed.iter().any(is))
            || schema.get("const").is_some_and(|only| only != value)
            || listed.is_some_and(|words| !words.contains(value))
        {
            faults.push(format!("{at} is {value}"));
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if value.get(name).is_none() {
                faults.push(format!("{at}.{name} is missing"));
            }
        }
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(field) = value.get(name) {
                self.compare(inner, field, &format!("{at}.{name}"), faults);
            }
        }
        for (place, row) in value.as_array().into_iter().flatten().enumerate() {
            self.compare(&schema["items"], row, &format!("{at}[{place}]"), faults);
        }
    }

    /// Every answer of the document that nothing met, without those that need a broken world.
    fn missed(&self) -> Vec<(String, String)> {
        let rare = ["408", "500", "503", "504"];
        let mut missed = Vec::new();
        for (path, verbs) in self.document["paths"].as_object().unwrap() {
            for (verb, operation) in verbs.as_object().unwrap() {
                for status in operation["responses"].as_object().unwrap().keys() {
                    let one = (format!("{verb} {path}"), status.clone());
                    if !rare.contains(&status.as_str()) && !self.met.contains(&one) {
                        missed.push(one);
                    }
                }
            }
        }
        missed
    }
}

const RPC: &str = "/rest/v1/rpc/{function}";
const TABLE: &str = "/rest/v1/orders";
const PROCESS: &str = "/functions/v1/process-zma-order";
const DECISIONS: [&str; 6] = ["complete", "hold", "release", "cancel", "resolve", "payment"];

/// A path of the document with its parameter filled in.
fn filled(path: &str, with: &str) -> String {
    path.replace("{move}", with).replace("{order}", with).replace("{function}", with)
}

/// Sends with the good key and judges the answer.
async fn meet(desk: &Desk, truth: &mut Truth, verb: &str, path: &str, with: &str, body: &Value) {
    let (template, query) = path.split_once('?').unwrap_or((path, ""));
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    let answer =
        desk.send(&verb.to_uppercase(), &format!("{}{query}", filled(template, with)), body).await;
    truth.judge(verb, template, &answer);
}

/// Sends with more headers and exactly these bytes.
async fn meet_raw(
    desk: &Desk,
    truth: &mut Truth,
    (verb, path, with): (&str, &str, &str),
    more: &[(&str, &str)],
    body: &[u8],
) {
    let mut headers = vec![("apikey", desk.key.as_str())];
    headers.extend(more);
    let answer = desk.raw(&verb.to_uppercase(), &filled(path, with), &headers, body).await;
    truth.judge(verb, path, &answer);
}

/// What every route of a kind refuses: strangers, customers, other schemas, and bodies that are too
/// large, no JSON, or break rules.
async fn meet_what_all_refuse(desk: &Desk, truth: &mut Truth) {
    let key = jsonwebtoken::EncodingKey::from_secret(JWT_SECRET.as_bytes());
    let claims = json!({"role": "authenticated"});
    let user = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let id = Uuid::nil().to_string();
    let large = vec![b' '; 300 * 1024];
    for (path, verbs) in truth.document.clone()["paths"].as_object().unwrap() {
        for (verb, operation) in verbs.as_object().unwrap() {
            if operation["security"] == json!([]) {
                // A message of Stripe without a signature is refused, whoever brings it.
                meet(desk, truth, verb, path, "", &Value::Null).await;
                continue;
            }
            let name = if path == RPC { "order_system_health" } else { &id };
            let to = filled(path, name);
            for headers in [&[][..], &[("apikey", user.as_str())]] {
                let answer = desk.raw(&verb.to_uppercase(), &to, headers, b"{}").await;
                truth.judge(verb, path, &answer);
            }
            let json = ("content-type", "application/json");
            if path.starts_with("/rest/") {
                let other = [("accept-profile", "other"), json];
                meet_raw(desk, truth, (verb, path, name), &other, b"{}").await;
            }
            if operation.get("requestBody").is_some() {
                for body in [&large[..], b"{", b"{\"a\": 1, \"a\": 2}", b"{\"unknown\": 1}"] {
                    meet_raw(desk, truth, (verb, path, name), &[json], body).await;
                }
            }
        }
    }
}

async fn meet_messages(desk: &Desk, truth: &mut Truth) {
    let path = "/webhooks/stripe";
    let body = super::webhooks::event("evt_1", "payment_intent.succeeded").to_string();
    let large = vec![b' '; 600 * 1024];
    let bare = serve(super::limits::part(desk.app.clone(), None).await).await;
    for address in [desk.address, bare] {
        for body in [body.as_bytes(), &large] {
            let signature = super::webhooks::signed(body);
            let headers = [("stripe-signature", signature.as_str())];
            truth.judge("post", path, &send(address, "POST", path, &headers, body).await);
        }
    }
}

async fn meet_orders(desk: &Desk, truth: &mut Truth) {
    let path = "/v1/orders";
    let mut other = order("1");
    other["total_minor"] = json!(2000);
    for body in [order("1"), order("1"), other] {
        meet(desk, truth, "post", path, "", &body).await;
        // And again as a repeat under a key of its own.
        let key = format!("key-{}", body["total_minor"]);
        let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
        for _ in 0..2 {
            let body = body.to_string();
            meet_raw(desk, truth, ("post", path, ""), &headers, body.as_bytes()).await;
        }
    }
    meet_raw(desk, truth, ("post", path, ""), &[("content-type", "text/plain")], b"{}").await;
    for query in ["", "?limit=1", "?limit=0", "?limit=1&limit=2", "?after=x", "?sort=id"] {
        meet(desk, truth, "get", &format!("{path}{query}"), "", &Value::Null).await;
    }
    for read in ["/v1/orders/{order}", "/v1/orders/{order}/history"] {
        for named in ["1", "nobody", "%ff", "%00"] {
            meet(desk, truth, "get", read, named, &Value::Null).await;
        }
    }
    meet(desk, truth, "post", "/v1/recover", "", &json!({"max_age_minutes": 0})).await;
}

async fn meet_decisions(desk: &Desk, truth: &mut Truth) {
    let reason = "looked it up at the provider";
    let body = |verb: &str| match verb {
        "resolve" => json!({"decision": "nothing_was_bought", "reason": reason}),
        "payment" => json!({"payment_intent": "pi_decided"}),
        "complete" => json!({"zinc_request_id": "found", "reason": reason}),
        _ => Value::Null,
    };
    for verb in DECISIONS {
        let path = format!("/v1/orders/{{order}}/{verb}");
        for named in [Uuid::nil().to_string(), "1".to_owned()] {
            meet(desk, truth, "post", &path, &named, &body(verb)).await;
        }
        let ended = desk.paid(&format!("ended {verb}")).await;
        desk.rpc("cancel_order", &json!({"order_uuid": ended})).await;
        meet(desk, truth, "post", &path, &ended.to_string(), &body(verb)).await;
        let id = match verb {
            "payment" => desk.place(verb).await,
            _ => desk.paid(verb).await,
        };
        if verb == "resolve" {
            desk.world.world.zinc.inject(Injected::Refusal("order_probably_placed".into()));
            desk.process(id).await;
            desk.sql(
                "update order_attempts set call_deadline_at = call_deadline_at - interval '1 day'",
            )
            .await;
        }
        meet(desk, truth, "post", &path, &id.to_string(), &body(verb)).await;
    }
    // A hold that only a payment ends, for there is no other refusal to release.
    let unpaid = desk.place("unpaid").await.to_string();
    meet(desk, truth, "post", "/v1/orders/{order}/release", &unpaid, &Value::Null).await;
    let bought = desk.paid("bought").await;
    desk.process(bought).await;
    meet(desk, truth, "post", "/v1/orders/{order}/cancel", &bought.to_string(), &Value::Null).await;
    for read in ["/v1/orders/{order}", "/v1/orders/{order}/history"] {
        meet(desk, truth, "get", read, &bought.to_string(), &Value::Null).await;
    }
}

async fn meet_money(desk: &Desk, truth: &mut Truth) {
    let (payments, refund) = ("/v1/orders/{order}/payments", "/v1/orders/{order}/refund");
    let decide = "/v1/moves/{move}/decide";
    for named in ["ended%20cancel", "nobody", "%ff"] {
        meet(desk, truth, "get", payments, named, &Value::Null).await;
    }
    let finished = desk.paid("finished").await;
    let done = json!({"order_uuid": finished, "zinc_request_id_param": "f"});
    desk.rpc("manually_complete_order", &done).await;
    let id = finished.to_string();
    meet(desk, truth, "post", "/v1/orders/{order}/cancel", &id, &Value::Null).await;
    let ask = json!({"amount_minor": 500, "reason": "came back"});
    let pending = desk.paid("not ended").await.to_string();
    for named in [&id, &pending, &Uuid::nil().to_string()] {
        meet(desk, truth, "post", refund, named, &ask).await;
    }
    meet(desk, truth, "get", payments, &id, &Value::Null).await;
    let moves = desk.get("/v1/moves").await;
    truth.judge("get", "/v1/moves", &moves);
    let about = moves.body["moves"].as_array().unwrap().iter();
    let found = about.filter(|one| one["order_id"] == id).collect::<Vec<_>>();
    let move_id = found[0]["id"].as_str().unwrap().to_owned();
    let word = |amount: i64| json!({"decision": "withdraw", "amount_minor": amount});
    for (named, amount) in [("x", 1), (&Uuid::nil().to_string(), 1), (&move_id, 1), (&move_id, 500)]
    {
        meet(desk, truth, "post", decide, named, &word(amount)).await;
    }
}

async fn meet_supabase(desk: &Desk, truth: &mut Truth) {
    let paid = desk.paid("to drive").await;
    let lost = desk.paid("to lose").await;
    let unpaid = desk.place("unpaid here").await;
    desk.world.world.zinc.inject(Injected::Fault(Fault::DropAnswer));
    for id in [lost, paid, paid, unpaid, Uuid::nil()] {
        meet(desk, truth, "post", PROCESS, "", &json!({"orderId": id})).await;
    }
    meet(desk, truth, "post", PROCESS, "", &json!({"orderId": "1"})).await;
    let order_uuid = json!({"order_uuid": unpaid});
    let again = json!({
        "order_param": order("keyed"),
        "options": {"idempotency_key": "k", "caller": "c", "request_digest": "0".repeat(64)},
    });
    let mut reused = again.clone();
    reused["options"]["request_digest"] = json!("1".repeat(64));
    for (function, args) in [
        ("order_system_health", json!({})),
        ("no_such_function", json!({})),
        ("cancel_order", json!({"order_uuid": "x"})),
        ("release_hold", order_uuid),
        ("place_order", again),
        ("place_order", reused),
    ] {
        meet(desk, truth, "post", RPC, function, &args).await;
    }
    let plain = [("content-type", "text/plain")];
    meet_raw(desk, truth, ("post", RPC, "cancel_order"), &plain, b"{}").await;
    for (function, query) in [
        ("order_system_health", ""),
        ("no_such_function", ""),
        ("recover_stuck_orders", ""),
        ("verify_orders", "after_order=x&page_size=1"),
    ] {
        meet(desk, truth, "get", &format!("{RPC}?{query}"), function, &Value::Null).await;
    }
    for verb in ["get", "patch", "delete", "post", "put"] {
        meet(desk, truth, verb, TABLE, "", &json!({"status": "completed"})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_in_the_document_and_the_document_has_no_other() {
    let desk = Desk::open().await;
    let mut truth = Truth::new();
    meet_what_all_refuse(&desk, &mut truth).await;
    meet_messages(&desk, &mut truth).await;
    meet_orders(&desk, &mut truth).await;
    meet_decisions(&desk, &mut truth).await;
    meet_money(&desk, &mut truth).await;
    meet_supabase(&desk, &mut truth).await;
    // No function of the shop answers nothing today; PostgREST's answer to one that does is 204.
    let never = (format!("post {RPC}"), "204".to_owned());
    assert_eq!(truth.missed(), [never]);
}

#[tokio::test]
async fn a_database_that_is_gone_is_answered_as_the_document_says() {
    // Nobody listens on port 1.
    let store = Store::new("postgres://x@127.0.0.1:1/x", &StoreOptions::default()).unwrap();
    let address = serve(super::limits::part(store, None).await).await;
    let key = format!("aok_{}", "z".repeat(43));
    let headers = [("apikey", key.as_str())];
    let mut truth = Truth::new();
    for (verb, path, to) in [
        ("get", "/ready", "/ready"),
        ("get", "/v1/orders", "/v1/orders"),
        ("post", "/v1/recover", "/v1/recover"),
        ("post", RPC, "/rest/v1/rpc/recover_stuck_orders"),
        ("post", PROCESS, PROCESS),
    ] {
        let answer = send(address, &verb.to_uppercase(), to, &headers, b"{}").await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text);
        truth.judge(verb, path, &answer);
    }
}

#[test]
fn every_route_stands_in_the_page_about_the_api() {
    let page = include_str!("../../../../docs/API.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    for (path, verbs) in document()["paths"].as_object().unwrap() {
        for verb in verbs.as_object().unwrap().keys() {
            let verb = verb.to_uppercase();
            let stands = rows.iter().any(|row| {
                let route = row.split(" | ").next().unwrap_or_default().replace("{id}", "{order}");
                route.ends_with(&format!("{path}`")) && route.contains(&verb)
            });
            assert!(stands, "{verb} {path}");
        }
    }
}
