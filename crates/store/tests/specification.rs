//! The specification's sentences, each as a test.

mod shop;

use serde_json::json;
use shop::{Shop, call};

#[tokio::test]
async fn an_order_goes_through_the_protected_transitions() {
    let shop = Shop::fresh().await;
    let (id, _token) = shop.submitting("1", 60_000).await;
    let uuid = id.to_string();
    let args = [
        ("order_uuid", uuid.as_str(), "uuid"),
        ("zinc_request_id_param", "req-1", "text"),
        ("zinc_status_param", "submitted", "text"),
        ("final_status_param", "submitted_to_zinc", "text"),
    ];
    let first = call(&shop.app, "complete_order_processing", &args).await.unwrap();
    assert_eq!(first["duplicate"], json!(false), "{first}");
    let again = call(&shop.app, "complete_order_processing", &args).await.unwrap();
    assert_eq!(again["duplicate"], json!(true), "{again}");
    assert_eq!(shop.status(id).await, "submitted_to_zinc");
    let done = call(&shop.app, "manually_complete_order", &[("order_uuid", &uuid, "uuid")]).await.unwrap();
    assert_eq!(done["status"], json!("completed"), "{done}");
    shop.verify().await;
}

#[tokio::test]
async fn a_stuck_order_is_recovered_and_stays_with_its_attempt() {
    let shop = Shop::fresh().await;
    let (id, _token) = shop.submitting("1", 1).await;
    let answer = call(&shop.app, "recover_stuck_orders", &[("max_age_minutes", "0", "integer")]).await.unwrap();
    assert_eq!(answer["recovered"], json!(1), "{answer}");
    assert_eq!(shop.status(id).await, "submitting");
    shop.verify().await;
}
