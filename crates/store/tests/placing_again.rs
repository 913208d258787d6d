//! The same order placed again with a PaymentIntent: tied to the order that stands, recognised, or
//! refused before a person's eyes; never left out without a word. // C1, G30
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use serde_json::{Value, json};
use shop::{Shop, call, facts, order};
use std::sync::Arc;
use tokio::sync::Barrier;

const PAYMENTS: &str = "select coalesce(string_agg(order_number || ' ' || payment_intent, ', ' order by order_number, payment_intent), '')
    from payments join orders on orders.id = order_id";
const FINDINGS: &str = "select coalesce(string_agg(concat_ws(' ', order_number, kind, subject), ', ' order by kind, subject), '')
    from findings left join orders on orders.id = order_id";

async fn place(shop: &Shop, number: &str, intent: Option<&str>) -> Value {
    let mut content = order(number);
    if let Some(intent) = intent {
        content["payment_intent"] = json!(intent);
    }
    call(&shop.app, "place_order", &[("order_param", &content.to_string(), "jsonb")]).await.unwrap()
}

/// As many alerts as findings, of the same rules: what is kept is also shown.
async fn shown(shop: &Shop) {
    let kinds = "select coalesce(string_agg(kind, ' ' order by kind), '') from findings";
    let rules = "select coalesce(string_agg(rule, ' ' order by rule), '') from alerts where closed_at is null";
    assert_eq!(shop.text(kinds).await, shop.text(rules).await);
}

#[tokio::test]
async fn a_payment_named_when_the_order_is_placed_again_is_tied_to_it_and_pays_it() {
    let shop = Shop::fresh().await;
    let first = place(&shop, "1", None).await;
    let id: uuid::Uuid = first["order_id"].as_str().unwrap().parse().unwrap();
    let intent = format!("pi_{}", id.simple());
    for _ in 0..2 {
        let again = place(&shop, "1", Some(&intent)).await;
        assert_eq!((&again["success"], &again["duplicate"]), (&json!(true), &json!(true)));
        assert_eq!(again["order_id"], first["order_id"]);
    }
    assert_eq!(place(&shop, "1", None).await["duplicate"], json!(true));
    assert_eq!(shop.text(PAYMENTS).await, format!("1 {intent}"));
    assert_eq!(shop.text("select count(*) from due_payments(10)").await, "1", "it is read");
    assert_eq!(shop.told(&[facts(id)]).await, "paid");
    assert_eq!(place(&shop, "1", Some(&intent)).await["duplicate"], json!(true));
    assert_eq!(shop.text(FINDINGS).await, "");
    shop.verify().await;
}

#[tokio::test]
async fn a_second_payment_for_one_order_is_refused_and_shown() {
    let shop = Shop::fresh().await;
    place(&shop, "1", Some("pi_1")).await;
    for _ in 0..2 {
        let refused = place(&shop, "1", Some("pi_2")).await;
        assert_eq!(refused["code"], json!("second_payment"), "{refused}");
        assert_eq!(refused["payment_intent"], json!("pi_2"));
    }
    assert_eq!(shop.text(PAYMENTS).await, "1 pi_1");
    assert_eq!(shop.text(FINDINGS).await, "1 second_payment pi_2", "told once");
    let id = shop.paid("2").await;
    let refused = place(&shop, "2", Some("pi_3")).await;
    assert_eq!((&refused["code"], &refused["order_id"]), (&json!("second_payment"), &json!(id)));
    assert_eq!(shop.text(FINDINGS).await, "1 second_payment pi_2, 2 second_payment pi_3");
    shown(&shop).await;
}

#[tokio::test]
async fn a_payment_of_another_order_is_refused_and_shown_whoever_names_it() {
    let shop = Shop::fresh().await;
    place(&shop, "1", Some("pi_1")).await;
    place(&shop, "2", None).await;
    let refused = place(&shop, "2", Some("pi_1")).await;
    assert_eq!(refused["code"], json!("payment_taken"), "{refused}");
    for _ in 0..2 {
        let refused = place(&shop, "3", Some("pi_1")).await;
        assert_eq!(
            (&refused["code"], &refused["order_number"]),
            (&json!("payment_taken"), &json!("3"))
        );
    }
    assert_eq!(
        shop.text("select string_agg(order_number, ' ' order by 1) from orders").await,
        "1 2"
    );
    assert_eq!(shop.text(PAYMENTS).await, "1 pi_1");
    assert_eq!(shop.text(FINDINGS).await, "1 payment_taken 3, 2 payment_taken pi_1");
    shown(&shop).await;
    shop.verify().await;
}

#[tokio::test]
async fn a_payment_for_an_order_that_ended_unbought_is_tied_so_that_it_goes_back() {
    let shop = Shop::fresh().await;
    let id = shop.place("1").await;
    shop.sql(&format!("select cancel_order('{id}')")).await;
    let tied = place(&shop, "1", Some("pi_1")).await;
    assert_eq!(tied["success"], json!(true), "{tied}");
    assert_eq!(shop.text("select count(*) from due_payments(10)").await, "1", "it is read");
    let bought = shop.place("2").await;
    shop.sql(&format!("select manually_complete_order('{bought}', 'by-hand', 'bought')")).await;
    let refused = place(&shop, "2", Some("pi_2")).await;
    assert_eq!(refused["code"], json!("payment_not_awaited"), "{refused}");
}

#[tokio::test]
async fn a_payment_that_comes_with_other_content_stands_in_the_finding() {
    let shop = Shop::fresh().await;
    place(&shop, "1", None).await;
    let mut other = order("1");
    (other["total_minor"], other["payment_intent"]) = (json!(2000), json!("pi_1"));
    let args = [("order_param", &*other.to_string(), "jsonb")];
    let refused = call(&shop.app, "place_order", &args).await.unwrap();
    assert_eq!(refused["code"], json!("order_number_conflict"));
    assert_eq!(shop.text("select data ->> 'payment_intent' from findings").await, "pi_1");
    assert_eq!(shop.text(PAYMENTS).await, "");
}

#[tokio::test]
async fn a_refusal_for_its_payment_is_replayed_under_its_key() {
    let shop = Shop::fresh().await;
    place(&shop, "1", Some("pi_1")).await;
    let mut content = order("2");
    content["payment_intent"] = json!("pi_1");
    let options =
        json!({"idempotency_key": "k", "caller": "shop", "request_digest": "a".repeat(64)});
    let args = [
        ("order_param", &*content.to_string(), "jsonb"),
        ("options", &*options.to_string(), "jsonb"),
    ];
    let first = call(&shop.app, "place_order", &args).await.unwrap();
    let again = call(&shop.app, "place_order", &args).await.unwrap();
    assert_eq!((&first["code"], &again["code"]), (&json!("payment_taken"), &again["code"]));
    assert_eq!((again["replayed"].clone(), &again["success"]), (json!(true), &json!(false)));
}

#[tokio::test]
async fn of_many_orders_at_once_with_one_payment_one_is_placed_and_the_others_are_shown() {
    let shop = Arc::new(Shop::fresh().await);
    let barrier = Arc::new(Barrier::new(8));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (shop, barrier) = (shop.clone(), barrier.clone());
        tasks.spawn(async move {
            shop.app.query("warm", "select 1", &[]).await.unwrap();
            barrier.wait().await;
            place(&shop, &number.to_string(), Some("pi_1")).await
        });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer["success"] == json!(true)).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer["code"] == json!("payment_taken")).count(), 7);
    let left = "select concat_ws(' ', (select count(*) from orders), (select count(*) from payments), (select count(*) from findings))";
    assert_eq!(shop.text(left).await, "1 1 7");
    shop.verify().await;
}
