//! What the fake Stripe's oracle and doors say, and that both outlive the process.

use crate::client::{Test, settings};
use crate::shop::{Answer, Endpoint, PAID, kinds, shop};
use orders_sandbox::stripe::{DisputeStatus, Fact, RefundStatus, Settings, Summary, Sums};
use orders_sandbox::{Options, StripeFault, StripeFaults};
use serde_json::{Value, json};
use std::path::Path;

#[tokio::test]
async fn the_summary_adds_up_what_the_ledger_says() {
    let test = Test::new().await;
    let stripe = test.stripe();
    let paid = stripe.pay("o1", 1000, "usd");
    let held = stripe.authorise("o2", 500, "usd");
    let part = stripe.authorise("o3", 300, "eur");
    let gone = stripe.authorise("o4", 70, "eur");
    stripe.open_intent("o5", 9, "eur");
    test.ask(&format!("/payment_intents/{part}/capture"), "a", "amount_to_capture=200").await;
    test.ask(&format!("/payment_intents/{gone}/cancel"), "b", "").await;
    stripe.refund(&paid, Some(100)).unwrap();
    let failed = stripe.refund(&paid, Some(50)).unwrap();
    stripe.move_refund(&failed, RefundStatus::Failed);
    stripe.next_refund(RefundStatus::Pending);
    stripe.refund(&part, Some(20)).unwrap();
    let summary = stripe.summary();
    assert_eq!(summary.intents, 5);
    let usd = Sums { received: 1000, captured: 0, refunded: 100, authorised: 500 };
    let eur = Sums { received: 200, captured: 200, refunded: 20, authorised: 0 };
    assert_eq!((summary.sums["usd"], summary.sums["eur"]), (usd, eur));
    assert_eq!((summary.refunds[&paid], summary.refunds[&part]), (1, 1));
    assert_eq!(summary.refunds.get(&held), None);
    assert!(summary.repeated_refunds.is_empty() && summary.over_refunded.is_empty());
    assert!(summary.captured_twice.is_empty() && summary.paid_twice.is_empty());
    let said = test.door("GET", "summary", &Value::Null).await;
    assert_eq!(serde_json::from_str::<Summary>(&said.body()).unwrap(), summary);
}

#[tokio::test]
async fn the_oracle_finds_what_must_never_be() {
    let test = Test::new().await;
    let stripe = test.stripe();
    let first = stripe.pay("o1", 1000, "usd");
    let second = stripe.pay("o1", 1000, "usd");
    let form = |id: &str| format!("payment_intent={id}&amount=10&metadata[refund_id]=r1");
    test.ask("/refunds", "a", &form(&first)).await;
    let failed = test.ask("/refunds", "b", &form(&first)).await.json();
    stripe.move_refund(failed["id"].as_str().unwrap(), RefundStatus::Failed);
    assert!(stripe.summary().repeated_refunds.is_empty(), "one of the two came to nothing");
    // The same refund of the shop's on another payment is a repeat as well.
    test.ask("/refunds", "c", &form(&second)).await;
    assert_eq!(stripe.summary().repeated_refunds[0].refunds.len(), 2);
    assert!(stripe.summary().over_refunded.is_empty());
    stripe.change(&first, Fact::Refunded(1001));
    assert_eq!(stripe.summary().over_refunded, std::slice::from_ref(&first));
    assert_eq!(stripe.summary().paid_twice["o1"], [first, second]);
}

#[tokio::test]
async fn everything_can_be_done_through_the_doors() {
    let test = Test::new().await;
    let post = async |door: &str, body: Value| {
        let heard = test.door("POST", door, &body).await;
        assert_eq!(heard.status(), 200, "{door}: {}", heard.text());
        heard.json()
    };
    let order = |n: u32| json!({ "order_id": format!("o{n}"), "amount": 100, "currency": "usd" });
    let paid = post("pay", order(1)).await;
    let held = post("authorise", order(2)).await;
    let open = post("open_intent", order(3)).await;
    assert_eq!(post("decline", open.clone()).await, true);
    assert_eq!(post("approve", open.clone()).await, true);
    assert!(post("check_out", open).await.as_str().unwrap().starts_with("cs_test_"));
    assert_eq!(post("change", json!({ "id": held, "fact": { "amount": 7 } })).await, true);
    post("next_refund", json!("pending")).await;
    let refund = post("refund", json!({ "intent": paid, "amount": 40 })).await;
    assert_eq!(post("move_refund", json!({ "id": refund, "status": "canceled" })).await, true);
    let refused = test.door("POST", "refund", &json!({ "intent": held })).await;
    assert_eq!(refused.json()["error"], "payment_intent_unexpected_state");
    let review = post("review", paid.clone()).await;
    assert_eq!(post("close_review", json!({ "id": review, "reason": "approved" })).await, true);
    assert!(post("warning", paid.clone()).await.is_string());
    let dispute = post("dispute", json!({ "intent": paid, "status": "needs_response" })).await;
    assert_eq!(post("move_dispute", json!({ "id": dispute, "status": "lost" })).await, true);
    post("limits", json!({ "reads": 0, "writes": null })).await;
    assert_eq!(test.look("/refunds").await.status(), 429);
    post("limits", json!({ "reads": null, "writes": null })).await;
    post("inject", json!({ "fault": "read_drop", "path_has": "/disputes" })).await;
    assert_eq!(test.look("/refunds").await.status(), 200);
    assert!(test.look("/disputes").await.is_nothing());
    post("faults", json!({ "read_drop": 1.0 })).await;
    assert!(test.look("/refunds").await.is_nothing());
    let faults = test.door("GET", "faults", &Value::Null).await.json();
    assert_eq!(faults["read_drop"], 1.0);
    assert_eq!(test.door("POST", "faults", &json!({ "slow": 2 })).await.status(), 400);
    assert_eq!(test.door("POST", "nothing", &json!({})).await.status(), 404);
}

#[tokio::test]
async fn deliveries_are_steered_through_the_doors() {
    let test = Test::new().await;
    let endpoint = Endpoint::start().await;
    let webhook = json!({ "url": endpoint.url, "secrets": ["whsec_door"] });
    assert_eq!(test.door("POST", "webhook", &webhook).await.body(), "true");
    test.door("POST", "hold", &json!({ "on": true })).await;
    test.stripe().pay("o1", 100, "usd");
    let owed = test.door("GET", "owed", &Value::Null).await.json();
    assert_eq!(owed[1]["kind"], "payment_intent.succeeded");
    endpoint.answer(&[Answer::Status(204)]);
    let said = test.door("POST", "deliver", &json!([1, 0])).await.json();
    assert_eq!(said, json!([204, 200]));
    assert!(endpoint.heard()[0].is_signed_with("whsec_door"));
    let abroad = json!({ "url": "http://example.com/" });
    assert_eq!(test.door("POST", "webhook", &abroad).await.status(), 400);
}

async fn kept(folder: &Path, stripe: Settings) -> Test {
    let ledger_folder = Some(folder.to_owned());
    Test::start(Options { zinc: settings(), stripe, ledger_folder, ..Options::default() }).await
}

#[tokio::test]
async fn a_restarted_stripe_knows_its_money_its_keys_and_what_it_owes() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start().await;
    let settings = Settings { webhook_url: Some(endpoint.url.clone()), ..Settings::default() };
    let before = kept(folder.path(), settings.clone()).await;
    before.stripe().hold_deliveries(true);
    let paid = before.stripe().pay("o1", 1000, "usd");
    let held = before.stripe().authorise("o2", 500, "usd");
    let form = format!("payment_intent={paid}&amount=100&metadata[refund_id]=r1");
    let refund = before.ask("/refunds", "a", &form).await;
    let dispute = before.stripe().dispute(&paid, DisputeStatus::NeedsResponse).unwrap();
    before.stripe().inject(StripeFault::EffectLater);
    before.ask("/payment_intents", "b", PAID).await;
    let (ledger, summary) = (before.stripe().ledger(), before.stripe().summary());
    let (events, owed) = (kinds(before.stripe()), before.stripe().owed());
    // As a kill would: nobody stops it, nobody flushes.
    drop(before);

    let after = kept(folder.path(), Settings { webhook_url: None, ..settings }).await;
    assert_eq!(after.stripe().ledger(), ledger);
    assert_eq!(after.stripe().summary(), summary);
    assert_eq!((kinds(after.stripe()), after.stripe().owed()), (events.clone(), owed));
    assert_eq!(after.ask("/refunds", "a", &form).await.body(), refund.body());
    let read = after.look(&format!("/disputes/{dispute}")).await.json();
    assert_eq!(read["payment_intent"], paid.as_str());
    after.clock.advance(2_000);
    assert_eq!(after.stripe().summary().intents, 3, "the late effect came");
    after.clock.advance(7 * 86_400_000);
    assert_eq!(after.stripe().intent(&held).unwrap().status, "canceled");
    after.stripe().set_webhook(Some(&endpoint.url), vec!["whsec_x".to_owned()]).unwrap();
    after.stripe().deliveries_tried().await;
    assert_eq!(endpoint.heard().len(), events.len(), "what was owed before is delivered");
}

#[tokio::test]
async fn a_ledger_of_an_older_sandbox_is_still_read() {
    let folder = tempfile::tempdir().unwrap();
    let intent = json!({
        "id": "pi_0123456789abcdef01234567", "created": 1_767_225_600, "amount": 900,
        "amount_received": 0, "currency": "usd", "status": "requires_payment_method",
        "capture_method": "automatic", "livemode": false, "metadata": { "order_id": "o1" },
        "payment_method": null, "review": null, "amount_refunded": 0, "disputed": false,
        "declined": false,
    });
    let id = intent["id"].as_str().unwrap().to_owned();
    let lines = [
        json!({ "seq": 1, "at_ms": 5, "event": "created", "intent": intent }),
        json!({ "seq": 2, "at_ms": 5, "event": "confirmed", "id": id, "payment_method": "pm_x" }),
        json!({ "seq": 3, "at_ms": 6, "event": "changed", "id": id, "fact": { "refunded": 40 } }),
        json!({ "seq": 4, "at_ms": 6, "event": "unauthorized" }),
    ];
    let text = lines.map(|line| line.to_string()).join("\n") + "\n";
    std::fs::write(folder.path().join("stripe.jsonl"), text).unwrap();
    let shop = kept(folder.path(), Settings::default()).await;
    let path = format!("/payment_intents/{id}?expand[]=latest_charge");
    let read = shop.look(&path).await.json();
    assert_eq!((&read["status"], &read["amount_received"]), (&"succeeded".into(), &900.into()));
    assert_eq!(read["latest_charge"]["amount_refunded"], 40);
}

#[tokio::test]
async fn a_careful_shop_refunds_every_order_exactly_once_on_a_bad_day() {
    let faults = StripeFaults { slow: 0.0, read_slow: 0.0, ..StripeFaults::demo() };
    let test = shop(Settings { faults, ..Settings::default() }).await;
    for n in 0..200 {
        let id = test.stripe().pay(&format!("o{n}"), 1000, "usd");
        let form = format!("payment_intent={id}&amount=400&metadata[refund_id]=r{n}");
        for turn in 0.. {
            assert!(turn < 20, "{id} was never refunded");
            let heard = test.ask("/refunds", &format!("refund {n}"), &form).await;
            let whole = !heard.is_nothing() && heard.is_whole();
            let body: Value = serde_json::from_str(&heard.body()).unwrap_or_default();
            if whole && heard.status() == 200 && body["payment_intent"] == id.as_str() {
                break;
            }
            // A stored 500 stays what it is: the truth is in the list.
            let list = test.look(&format!("/refunds?payment_intent={id}")).await;
            let list: Value = serde_json::from_str(&list.body()).unwrap_or_default();
            if list["data"][0]["metadata"]["refund_id"] == format!("r{n}") {
                break;
            }
            test.clock.advance(2_000);
        }
    }
    let summary = test.stripe().summary();
    assert_eq!(summary.sums["usd"].refunded, 200 * 400);
    assert_eq!((summary.repeated_refunds, summary.violations), (Vec::new(), 0));
    for fault in [StripeFault::DropAnswer, StripeFault::ErrorStoredAfter, StripeFault::EffectLater]
    {
        assert!(summary.faults[&fault] >= 1, "{fault:?}: {:?}", summary.faults);
    }
}
