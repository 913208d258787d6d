//! `/v1/orders`, read: one order is one order, and a page says what it is a page of.

use super::desk::Desk;
use serde_json::{Value, json};
use uuid::Uuid;

/// Gives an order a number that no caller can give today, as an old shop may have.
async fn renumber(desk: &Desk, id: Uuid, number: &str) {
    desk.sql(&format!(
        "do $$ begin
           perform set_config('session_replication_role', 'replica', true);
           update orders set order_number = '{number}' where id = '{id}';
         end $$"
    ))
    .await;
}

#[tokio::test]
async fn an_id_names_its_own_order_even_if_another_has_it_as_its_number() {
    let desk = Desk::open().await;
    let (one, two) = (desk.place("1").await, desk.place("2").await);
    renumber(&desk, two, &one.to_string()).await;
    for named in [one.to_string(), one.to_string().to_uppercase()] {
        let shown = desk.get(&format!("/v1/orders/{named}")).await;
        assert_eq!((shown.status, &shown.body["id"]), (200, &json!(one)), "{}", shown.text);
        let told = desk.get(&format!("/v1/orders/{named}/history")).await;
        let events = told.body["events"].as_array().unwrap();
        assert_eq!(events.len(), 1, "{}", told.text);
        assert_eq!(events[0]["data"]["set"]["order_number"], "1", "{}", told.text);
    }
    let other = desk.get(&format!("/v1/orders/{two}/history")).await;
    assert_eq!(other.body["events"][0]["data"]["set"]["order_number"], "2", "{}", other.text);
    // A number in this form still names its order, as long as no id does.
    let free = "0198c0de-0000-7000-8000-00000000000a";
    renumber(&desk, two, free).await;
    assert_eq!(desk.get(&format!("/v1/orders/{free}")).await.body["id"], json!(two));
}

#[tokio::test]
async fn a_page_after_an_order_that_does_not_exist_is_refused() {
    let desk = Desk::open().await;
    let only = desk.place("1").await;
    let end = desk.get(&format!("/v1/orders?after={only}")).await;
    assert_eq!((end.status, &end.body["orders"]), (200, &json!([])), "{}", end.text);
    let nobody = Uuid::nil();
    for query in [format!("after={nobody}"), format!("after={nobody}&status=completed")] {
        let answer = desk.get(&format!("/v1/orders?{query}")).await;
        assert_eq!((answer.status, answer.fields()), (422, vec!["after"]), "{}", answer.text);
        let rule = answer.body["violations"][0]["rule"].as_str().unwrap();
        assert_eq!(rule, "must be the id of an order that exists");
    }
}

#[tokio::test]
async fn a_parameter_that_stands_twice_is_refused_by_its_name() {
    let desk = Desk::open().await;
    desk.place("1").await;
    for query in ["limit=1&limit=2", "limit=1&limit=1", "status=pending&status=completed"] {
        let name = query.split('=').next().unwrap();
        let answer = desk.get(&format!("/v1/orders?{query}")).await;
        assert_eq!((answer.status, answer.fields()), (422, vec![name]), "{}", answer.text);
        assert_eq!(answer.body["violations"][0]["rule"], "must be given once");
    }
    let one = desk.get("/v1/orders?limit=1&status=pending").await;
    assert_eq!(one.body["orders"].as_array().map(Vec::len), Some(1), "{}", one.text);
    assert_eq!(one.body["next"], Value::Null);
}
