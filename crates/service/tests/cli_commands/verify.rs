//! `verify`: whole, or exactly what is broken.

use crate::desk::{Desk, lines, text};
use serde_json::json;

async fn three() -> Desk {
    let desk = Desk::fresh().await;
    let path = desk.file("orders.jsonl", &lines(&["1", "2", "3"]));
    desk.types(&["import", text(&path), "--format", "jsonl"]).await.ends(0);
    desk
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_shop_has_one_digest_however_it_is_paged() {
    let desk = three().await;
    let said = desk.types(&["verify", "--json"]).await.ends(0).json();
    assert_eq!(
        (&said["good"], &said["orders"], &said["events"]),
        (&json!(true), &json!(3), &json!(3))
    );
    let paged = desk.types(&["verify", "--page-size", "1", "--json"]).await.ends(0).json();
    assert_eq!(said["heads_sha256"], paged["heads_sha256"]);
    assert_eq!(paged["orders"], 3);
    let told = desk.types(&["verify"]).await.ends(0);
    assert!(
        told.out.contains("Everything is whole: 3 orders and 3 events were checked."),
        "{}",
        told.out
    );
    assert!(told.err.contains("postgres"), "the superuser is worth a note: {}", told.err);
    desk.types(&["orders", "cancel", "1", "--reason", "x"]).await.ends(0);
    let later = desk.types(&["verify", "--json"]).await.ends(0).json();
    assert_ne!(said["heads_sha256"], later["heads_sha256"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_by_force_is_named_with_order_and_rule() {
    let desk = three().await;
    let id = desk.id("2").await;
    desk.by_force("update orders set total_minor = 9999 where order_number = '2'").await;
    desk.by_force("delete from order_events as e using orders as o where o.id = e.order_id and o.order_number = '3'").await;
    let said = desk.types(&["verify", "--json"]).await.ends(3).json();
    let broken = said["broken"].as_array().unwrap();
    assert!(
        broken.iter().any(|one| one["order_id"] == json!(id) && one["rule"] != json!("")),
        "{said}"
    );
    assert!(broken.iter().all(|one| one["order_id"] != json!(null)), "{said}");
    let told = desk.types(&["verify"]).await.ends(3);
    assert!(told.out.contains(&id) && told.out.contains("rules are broken"), "{}", told.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_protected_function_is_drift() {
    let desk = three().await;
    desk.sql("alter function setting_number(text) volatile").await;
    let said = desk.types(&["verify", "--json"]).await;
    let drift = said.json()["drift"].to_string();
    assert!(said.code == Some(3) && drift.contains("setting_number"), "{said:?}");
}
