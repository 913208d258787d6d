//! Who asks for a refund twice means it once, also when the first was made long ago and its answer was
//! lost on the way.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use shop::Shop;
use std::sync::Arc;
use uuid::Uuid;

/// An order that was bought, and from which something comes back.
async fn bought(shop: &Shop) -> Uuid {
    let (id, _) = shop.submitting("1", 60_000).await;
    shop.sql(&format!("select complete_order_processing('{id}', 'req_1')")).await;
    shop.sql(&format!("select manually_complete_order('{id}', 'req_1', 'delivered')")).await;
    assert_eq!(shop.status(id).await, "completed");
    id
}

/// Asks for a refund; gives the answer's words.
async fn ask(shop: &Shop, call: &str) -> String {
    shop.text(&format!(
        "select concat_ws(' ', a ->> 'success', a ->> 'duplicate', a ->> 'code', a ->> 'state') from refund_order({call}) as a"
    ))
    .await
}

/// An engine makes what is open, or is refused.
async fn end(shop: &Shop, state: &str) {
    let token = Uuid::from_u128(5);
    shop.sql(&format!("select * from lease_moves('t', '{token}', 60000, 10)")).await;
    shop.sql(&format!(
        "select record_move('t', '{token}', id, '{state}', null, 're_' || left(id::text, 8), null, 0) from money_moves where lease_token is not null"
    ))
    .await;
}

async fn refunds(shop: &Shop) -> String {
    shop.text("select concat_ws(' ', count(*), coalesce(sum(amount_minor), 0)) from money_moves where kind = 'refund' and state <> 'refused'").await
}

#[tokio::test]
async fn window_c6_the_same_part_asked_for_again_after_it_was_returned_is_returned_once() {
    let shop = Shop::fresh().await;
    let id = bought(&shop).await;
    let call = format!("'{id}', 500, 'one lantern came back'");
    assert_eq!(ask(&shop, &call).await, "true false open");
    end(&shop, "done").await;
    assert_eq!(ask(&shop, &call).await, "true true done", "its answer had been lost");
    let all = format!("'{id}', null, 'one lantern came back'");
    assert_eq!(ask(&shop, &all).await, "true false open", "other words: all that is left");
    end(&shop, "done").await;
    assert_eq!(ask(&shop, &all).await, "true true done");
    assert_eq!(refunds(&shop).await, "2 1530");
    shop.verify().await;
}

#[tokio::test]
async fn window_c6_a_second_lantern_that_comes_back_is_another_refund_for_other_words_or_another_key()
 {
    let shop = Shop::fresh().await;
    let id = bought(&shop).await;
    for (call, answer) in [
        ("300, 'a lantern came back'", "true false open"),
        ("300, 'a second lantern came back'", "true false open"),
        ("300, 'a lantern came back', '{\"idempotency_key\": \"third\"}'", "true false open"),
        ("300, 'a lantern came back', '{\"idempotency_key\": \"third\"}'", "true true done"),
        (
            "301, 'a lantern came back', '{\"idempotency_key\": \"third\"}'",
            "false idempotency_key_reused",
        ),
        (
            "300, 'a bulb came back', '{\"idempotency_key\": \"third\"}'",
            "false idempotency_key_reused",
        ),
    ] {
        assert_eq!(ask(&shop, &format!("'{id}', {call}")).await, answer, "{call}");
        end(&shop, "done").await;
    }
    assert_eq!(refunds(&shop).await, "3 900");
}

#[tokio::test]
async fn window_c6_fifty_clicks_for_a_part_return_it_once_however_fast_it_is_made() {
    let shop = Arc::new(Shop::fresh().await);
    let id = bought(&shop).await;
    let mut clicks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let shop = Arc::clone(&shop);
        clicks.spawn(async move {
            let answer = ask(&shop, &format!("'{id}', 500, 'came back'")).await;
            // An engine is as fast as it can be.
            end(&shop, "done").await;
            answer
        });
    }
    let answers = clicks.join_all().await;
    let first = |answer: &&String| answer.starts_with("true false");
    assert_eq!(answers.iter().filter(first).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| answer.starts_with("true ")), "{answers:?}");
    assert_eq!(refunds(&shop).await, "1 500");
}

#[tokio::test]
async fn a_refund_that_stripe_refused_may_be_asked_for_again_in_the_same_words_but_not_with_the_same_key()
 {
    let shop = Shop::fresh().await;
    let id = bought(&shop).await;
    let call = format!("'{id}', 500, 'came back'");
    ask(&shop, &call).await;
    end(&shop, "refused").await;
    assert_eq!(ask(&shop, &call).await, "true false open");
    end(&shop, "refused").await;
    let keyed = format!("{call}, '{{\"idempotency_key\": \"k\"}}'");
    assert_eq!(ask(&shop, &keyed).await, "true false open");
    end(&shop, "refused").await;
    assert_eq!(ask(&shop, &keyed).await, "true true refused", "what became of that request");
    let long = format!("{call}, jsonb_build_object('idempotency_key', repeat('k', 256))");
    let error = shop.app.query("t", &format!("select refund_order({long})"), &[]).await;
    assert!(error.is_err(), "a key that is too long is refused");
    let session = shop.session("postgres").await;
    session.batch_execute("set role public_orders_owner").await.unwrap();
    let changed = session.execute("update money_moves set request_key = 'key:other'", &[]).await;
    assert!(changed.is_err(), "what was asked for stays");
}
