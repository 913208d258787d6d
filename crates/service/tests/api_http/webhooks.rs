//! Messages of Stripe: stored before they are acknowledged, refused without a trace but a count.

use super::desk::{Answer, Desk, NOW_S, WEBHOOK_SECRET, send, serve, stripe_hook};
use super::limits::part;
use orders_core::private::Private;
use orders_gateway::stripe::webhook::sign;
use orders_store::{Store, StoreOptions};
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/webhooks/stripe";

/// A message about the payment `pi_1`.
pub fn event(id: &str, kind: &str) -> Value {
    json!({
        "id": id, "object": "event", "type": kind, "created": NOW_S, "livemode": false,
        "api_version": "2026-09-30.endive", "pending_webhooks": 1, "request": null,
        "data": {"object": {"id": "pi_1", "object": "payment_intent", "status": "succeeded"}},
    })
}

fn signed_at(body: &[u8], secret: &str, time_s: i64) -> String {
    sign(body, &Private::new(secret.to_owned()), time_s)
}

/// The good signature of these bytes.
pub fn signed(body: &[u8]) -> String {
    signed_at(body, WEBHOOK_SECRET, NOW_S)
}

async fn deliver(desk: &Desk, body: &[u8], signature: &str) -> Answer {
    desk.raw("POST", PATH, &[("stripe-signature", signature)], body).await
}

/// Delivers a message as Stripe would.
async fn tell(desk: &Desk, event: &Value) -> Answer {
    let body = event.to_string();
    deliver(desk, body.as_bytes(), &signed(body.as_bytes())).await
}

/// Demands that a message was acknowledged.
fn acknowledged(answer: &Answer) {
    assert_eq!((answer.status, &answer.body), (200, &json!({"received": true})), "{}", answer.text);
}

/// What is in the inbox: ids and what became of them.
async fn inbox(desk: &Desk) -> String {
    desk.text("select coalesce(string_agg(event_id || ' ' || state, ', ' order by event_id), '') from inbox")
        .await
}

/// The counts, as the state of the shop shows them, without what their names have in common.
async fn counts(desk: &Desk) -> Value {
    desk.hook.counts.flush(&desk.app).await;
    let health = desk.get("/rest/v1/rpc/order_system_health").await;
    let counts = health.body["messages"].as_object().unwrap().iter();
    counts.map(|(name, count)| (name.replace("stripe_webhook_", ""), count.clone())).collect()
}

#[tokio::test]
async fn g23_each_message_that_stripe_did_not_sign_now_is_refused_counted_and_leaves_no_trace() {
    let desk = Desk::open().await;
    let before = desk.everything().await;
    let body = event("evt_1", "payment_intent.succeeded").to_string();
    let (bytes, good) = (body.as_bytes(), signed(body.as_bytes()));
    let hex = good.split_once("v1=").unwrap().1;
    let other = signed_at(bytes, "whsec_another", NOW_S);
    let (old, new) = (NOW_S - 301, NOW_S + 301);
    let replayed = signed_at(bytes, WEBHOOK_SECRET, old);
    let moved = good.replace(&NOW_S.to_string(), &(NOW_S + 1).to_string());
    let ahead = signed_at(bytes, WEBHOOK_SECRET, new);
    let changed = body.replace("pi_1", "pi_2");
    let table: [(&str, &[u8], &str); 13] = [
        ("forged_no_header", bytes, ""),
        ("forged_malformed", bytes, "what is this"),
        ("forged_malformed", bytes, &format!("v1={hex}")),
        ("forged_malformed", bytes, &format!("t={NOW_S},v1={}", &hex[..62])),
        ("forged_no_signature", bytes, &format!("t={NOW_S},v0={hex}")),
        ("forged_wrong_signature", bytes, &other),
        ("forged_wrong_signature", bytes, &moved),
        ("forged_wrong_signature", changed.as_bytes(), &good),
        ("forged_wrong_signature", &bytes[..bytes.len() - 1], &good),
        ("forged_wrong_signature", b"", &good),
        ("forged_wrong_signature", &[bytes, b"\n"].concat(), &good),
        ("forged_too_old", bytes, &replayed),
        ("forged_too_new", bytes, &ahead),
    ];
    let mut expected = Value::Null;
    for (reason, body, signature) in table {
        let answer = deliver(&desk, body, signature).await;
        assert_eq!((answer.status, answer.code()), (400, "signature_refused"), "{reason}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{reason}");
        assert!(!answer.text.contains(hex) && !answer.text.contains("pi_1"), "{}", answer.text);
        expected[reason] = json!(expected[reason].as_i64().unwrap_or(0) + 1);
    }
    let twice = [("stripe-signature", good.as_str()), ("stripe-signature", good.as_str())];
    assert_eq!(desk.raw("POST", PATH, &twice, bytes).await.status, 400);
    assert_eq!(desk.raw("POST", PATH, &[], bytes).await.status, 400);
    expected["forged_malformed"] = json!(4);
    expected["forged_no_header"] = json!(2);
    assert_eq!(counts(&desk).await, expected);
    assert_eq!((inbox(&desk).await, desk.everything().await), (String::new(), before));
}

#[tokio::test]
async fn g23_a_signature_at_the_edge_of_the_tolerance_is_good_and_any_of_several_may_fit() {
    let desk = Desk::open().await;
    for (number, time_s) in [NOW_S - 300, NOW_S, NOW_S + 300].into_iter().enumerate() {
        let body = event(&format!("evt_{number}"), "payment_intent.succeeded").to_string();
        let good = signed_at(body.as_bytes(), WEBHOOK_SECRET, time_s);
        let hex = good.split_once("v1=").unwrap().1;
        let several = format!("t={time_s},v1={},v0=x,v1={hex}", "0".repeat(64));
        acknowledged(&deliver(&desk, body.as_bytes(), &several).await);
    }
    assert_eq!(inbox(&desk).await, "evt_0 new, evt_1 repeated, evt_2 repeated");
}

#[tokio::test]
async fn g23_while_a_secret_is_changed_both_are_good_and_afterwards_the_former_is_not() {
    let desk = Desk::open().await;
    let changed = |number: u32| event(&format!("evt_{number}"), "charge.refunded").to_string();
    let mut number = 0;
    for (secrets, good) in [
        (&["whsec_old"][..], [200, 400]),
        (&["whsec_old", "whsec_new"], [200, 200]),
        (&["whsec_new"], [400, 200]),
    ] {
        let mut api = part(desk.app.clone(), None).await;
        api.stripe_hook = Some(stripe_hook(secrets));
        let address = serve(api).await;
        for (secret, status) in ["whsec_old", "whsec_new"].into_iter().zip(good) {
            number += 1;
            let body = changed(number);
            let signature = signed_at(body.as_bytes(), secret, NOW_S);
            let headers = [("stripe-signature", signature.as_str())];
            let answer = send(address, "POST", PATH, &headers, body.as_bytes()).await;
            assert_eq!(answer.status, status, "{secret} where {secrets:?} are good");
        }
    }
    assert_eq!(desk.text("select count(*) from inbox").await, "4");
}

#[tokio::test]
async fn messages_that_are_too_large_broken_or_no_events_are_refused_and_counted() {
    let desk = Desk::open().await;
    let mut largest = event("evt_large", "payment_intent.succeeded").to_string();
    largest.push_str(&" ".repeat(512 * 1024 - largest.len()));
    acknowledged(&deliver(&desk, largest.as_bytes(), &signed(largest.as_bytes())).await);
    largest.push(' ');
    let answer = deliver(&desk, largest.as_bytes(), &signed(largest.as_bytes())).await;
    assert_eq!((answer.status, answer.code()), (413, "too_large"));
    let mut nameless = event("evt_2", "payment_intent.succeeded");
    nameless["data"]["object"]["id"] = Value::Null;
    let mut v2 = event("evt_3", "payment_intent.succeeded");
    v2["object"] = json!("v2.core.event");
    let twice = br#"{"id":"evt_4","id":"evt_5","object":"event"}"#;
    let texts = [b"".to_vec(), b"[]".to_vec(), b"{".to_vec(), twice.to_vec()];
    let values = [nameless, v2].map(|value| value.to_string().into_bytes());
    for body in texts.iter().chain(&values) {
        let answer = deliver(&desk, body, &signed(body)).await;
        assert_eq!((answer.status, answer.code()), (400, "message_unreadable"), "{body:?}");
    }
    assert_eq!(inbox(&desk).await, "evt_large new");
    let expected = json!({"stored": 1, "too_large": 1, "unreadable": 6});
    assert_eq!(counts(&desk).await, expected);
}

#[tokio::test]
async fn g24_what_comes_twice_or_is_none_of_ours_is_acknowledged_and_stops_nothing() {
    let desk = Desk::open().await;
    let succeeded = |id: &str| event(id, "payment_intent.succeeded");
    let mut live = succeeded("evt_live");
    live["livemode"] = json!(true);
    let mut foreign = succeeded("evt_foreign");
    foreign["account"] = json!("acct_another");
    let mut own = succeeded("evt_own");
    own["account"] = json!("acct_ours");
    own["data"]["object"]["status"] = json!("canceled");
    let mut strange = event("evt_strange", "balance.available");
    strange["data"]["object"] = json!({"object": "balance"});
    let customer = event("evt_customer", "customer.created");
    let all = [
        succeeded("evt_1"),
        succeeded("evt_1"),
        succeeded("evt_2"),
        live,
        foreign,
        own,
        strange,
        customer,
    ];
    for event in &all {
        acknowledged(&tell(&desk, event).await);
    }
    assert_eq!(
        inbox(&desk).await,
        "evt_1 new, evt_2 repeated, evt_customer ignored, evt_foreign wrong_account, evt_live wrong_mode, \
         evt_own new, evt_strange ignored"
    );
    let expected = json!({
        "stored": 2, "duplicate": 1, "repeated": 1, "ignored": 2, "wrong_mode": 1, "wrong_account": 1,
    });
    assert_eq!(counts(&desk).await, expected);
    let kept = "select count(*) from inbox where object_id = 'none' and body is not null";
    assert_eq!(desk.text(kept).await, "1");
}

#[tokio::test]
async fn a_server_without_a_secret_takes_no_message_and_says_what_is_missing() {
    let desk = Desk::open().await;
    let address = serve(part(desk.app.clone(), None).await).await;
    let body = event("evt_1", "payment_intent.succeeded").to_string();
    let signature = signed(body.as_bytes());
    let headers = [("stripe-signature", signature.as_str())];
    let answer = send(address, "POST", PATH, &headers, body.as_bytes()).await;
    assert_eq!((answer.status, answer.code()), (404, "webhook_not_configured"));
    assert!(answer.body["hint"].as_str().unwrap().contains("STRIPE_WEBHOOK_SECRET"));
    assert_eq!(inbox(&desk).await, "");
}

/// What makes storing fail, and what repairs it.
const FAILURES: [(&str, &str, &str); 4] = [
    (
        "the first statement",
        "alter function receive_event rename to receive_nothing",
        "alter function receive_nothing rename to receive_event",
    ),
    (
        "the insert",
        "create trigger broken before insert on inbox execute function refuse_write('broken', 'by a test')",
        "drop trigger broken on inbox",
    ),
    (
        "the commit",
        "create constraint trigger broken after insert on inbox deferrable initially deferred
           for each row execute function refuse_write('broken', 'by a test')",
        "drop trigger broken on inbox",
    ),
    (
        "its rights",
        "revoke insert on inbox from public_orders_owner",
        "grant insert on inbox to public_orders_owner",
    ),
];

#[tokio::test]
async fn window_b1_a_message_that_was_not_stored_is_not_acknowledged_and_its_repeat_is() {
    let desk = Desk::open().await;
    let before = desk.everything().await;
    for (number, (what, fail, repair)) in FAILURES.into_iter().enumerate() {
        let event = event(&format!("evt_{number}"), &format!("charge.refunded.{number}"));
        desk.sql(fail).await;
        let answer = tell(&desk, &event).await;
        assert_eq!((answer.status, answer.code()), (503, "not_stored"), "{what}: {}", answer.text);
        assert_eq!(answer.header("retry-after"), "5");
        assert!(!answer.text.contains("broken"), "{}", answer.text);
        let stored = format!("select count(*) from inbox where event_id = 'evt_{number}'");
        assert_eq!(desk.text(&stored).await, "0", "{what}");
        desk.sql(repair).await;
        acknowledged(&tell(&desk, &event).await);
        assert_eq!(desk.text(&stored).await, "1", "{what}");
    }
    assert_eq!(counts(&desk).await, json!({"storing_failed": 4, "ignored": 4}));
    assert_eq!(desk.everything().await, before);
}

#[tokio::test]
async fn window_b1_a_database_that_is_away_acknowledges_nothing() {
    // Nobody listens on port 1.
    let store = Store::new("postgres://x@127.0.0.1:1/x", &StoreOptions::default()).unwrap();
    let mut api = part(store.clone(), None).await;
    let hook = stripe_hook(&[WEBHOOK_SECRET]);
    api.stripe_hook = Some(hook.clone());
    let address = serve(api).await;
    let body = event("evt_1", "payment_intent.succeeded").to_string();
    let signature = signed(body.as_bytes());
    let headers = [("stripe-signature", signature.as_str())];
    let answer = send(address, "POST", PATH, &headers, body.as_bytes()).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "{}", answer.text);
    // A count that the database did not take is not lost.
    hook.counts.flush(&store).await;
    let desk = Desk::open().await;
    hook.counts.flush(&desk.app).await;
    assert_eq!(counts(&desk).await, json!({"storing_failed": 1}));
}

#[tokio::test]
async fn window_b1_a_payment_that_is_locked_for_long_is_not_acknowledged_before_it_is_marked() {
    let desk = Desk::open().await;
    let id = desk.paid("1").await;
    let mut event = event("evt_1", "payment_intent.canceled");
    event["data"]["object"]["id"] = json!(format!("pi_{}", id.simple()));
    let admin = desk.admin.clone();
    // Longer than storing may take, and no longer than a statement may.
    let lock = "select pg_sleep(60) from (select from payments for update) as locked";
    let lock = tokio::spawn(async move { admin.query("test.lock", lock, &[]).await.is_err() });
    while desk.text("select count(*) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()").await == "0" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let answer = tell(&desk, &event).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(lock.await.unwrap(), "it was stopped");
    acknowledged(&tell(&desk, &event).await);
    assert_eq!(desk.text("select stale_since is not null from payments").await, "true");
    assert_eq!(desk.process(id).await.status, 202, "nothing is bought before it is read again");
}
